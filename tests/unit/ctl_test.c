/* link: clients/gnatterctl/text.c clients/gnatterctl/conf.c clients/gnatterctl/sign.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>
#include "../../clients/gnatterctl/conf.h"
#include "../../clients/gnatterctl/sign.h"
#include "../../clients/gnatterctl/text.h"
#include "../../clients/protocol/token.h"

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s; /* 0: refused */
        const char *why;
    } cases[] = {
        {"90", 90, "bare numbers are seconds"},
        {"90s", 90, "seconds"},
        {"15m", 900, "minutes"},
        {"12h", 43200, "hours"},
        {"30d", 2592000, "days"},
        {"36600d", 3162240000, "a hundred years"},
        {"36601d", 0, "more than a hundred years"},
        {"99999999999d", 0, "would overflow"},
        {"0", 0, "no time at all"},
        {"0d", 0, "no time at all"},
        {"-1d", 0, "the past"},
        {"+1d", 0, "one spelling"},
        {" 1d", 0, "nothing around it"},
        {"1d ", 0, "nothing around it"},
        {"1.5h", 0, "whole numbers"},
        {"1w", 0, "no such unit"},
        {"1D", 0, "no such unit"},
        {"d", 0, "no number"},
        {"", 0, "nothing"},
        {"1dd", 0, "two units"},
        {"0x10", 0, "decimal"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t s = -1;
        bool ok = text_duration(cases[i].text, &s);
        if (ok != (cases[i].s != 0) || (ok && s != cases[i].s))
            fail_msg("\"%s\": %s", cases[i].text, cases[i].why);
    }
}

static void test_conf_set(void **state)
{
    (void)state;
    static const struct {
        const char *before, *section, *key, *value, *after, *why;
    } cases[] = {
        {"[a]\nx = 1\n", "a", "x", "2", "[a]\nx = 2\n", "in its line"},
        {"# x = 0\n[a]\n; c\nx=1\ny = 3\n", "a", "x", "2", "# x = 0\n[a]\n; c\nx = 2\ny = 3\n", "comments stay"},
        {"[a]\ny = 1\n", "a", "x", "2", "[a]\ny = 1\nx = 2\n", "added"},
        {"[a]\ny = 1\n\n[b]\nx = 9\n", "a", "x", "2", "[a]\ny = 1\nx = 2\n\n[b]\nx = 9\n",
         "to its section, before the gap"},
        {"[a]\nx = 1\n[b]\nx = 9\n", "b", "x", "2", "[a]\nx = 1\n[b]\nx = 2\n", "of its section only"},
        {"[a]\nxx = 1\n", "a", "x", "2", "[a]\nxx = 1\nx = 2\n", "the whole name"},
        {"[a]\nx = 1", "a", "x", "2", "[a]\nx = 2\n", "no newline at the end"},
        {"[a]\ny = 1", "a", "x", "2", "[a]\ny = 1\nx = 2\n", "no newline at the end, added"},
        {"[a]\n", "a", "x", "2", "[a]\nx = 2\n", "an empty section"},
        {"[a]", "a", "x", "2", "[a]\nx = 2\n", "an empty section without newline"},
        {"", "a", "x", "2", "[a]\nx = 2\n", "an empty file"},
        {"[ab]\nx = 1\n", "a", "x", "2", "[ab]\nx = 1\n[a]\nx = 2\n", "a section's whole name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *after = conf_set(cases[i].before, cases[i].section, cases[i].key, cases[i].value);
        if (strcmp(after, cases[i].after) != 0)
            fail_msg("%s: \"%s\"", cases[i].why, after);
    }
}

static void test_conf_next(void **state)
{
    (void)state;
    const char *at = "# c\n[a]\n x = 1 = 2 # no comment\r\n\n;c\n[ b ]\ny =\nz";
    struct conf_pair pair = {.section = ""};
    int line = 0;
    assert_true(conf_next(&at, &line, &pair));
    assert_string_equal(pair.section, "a");
    assert_string_equal(pair.key, "x");
    assert_string_equal(pair.value, "1 = 2 # no comment");
    assert_int_equal(line, 3);
    assert_true(conf_next(&at, &line, &pair));
    assert_string_equal(pair.section, "b");
    assert_string_equal(pair.key, "y");
    assert_string_equal(pair.value, "");
    assert_false(conf_next(&at, &line, &pair));
    assert_null(pair.key); /* a line without = */
    assert_int_equal(line, 8);
    assert_false(conf_next(&at, &line, &pair));
    assert_non_null(pair.key); /* the end */
}

static void test_conf_quote(void **state)
{
    (void)state;
    assert_string_equal(conf_quote("a b"), "'a b'");
    assert_string_equal(conf_quote("it's a \\"), "'it\\'s a \\\\'");
    assert_string_equal(conf_quote(""), "''");
}

static struct key key_of(unsigned char seed_byte, const char *kid, struct token_key *ret_public)
{
    unsigned char seed[crypto_sign_SEEDBYTES];
    struct key key = {0};
    memset(seed, seed_byte, sizeof(seed));
    (void)crypto_sign_seed_keypair(ret_public->public_key, key.secret, seed);
    (void)snprintf(key.kid, sizeof(key.kid), "%s", kid);
    (void)snprintf(ret_public->kid, sizeof(ret_public->kid), "%s", kid);
    return key;
}

static void test_what_is_signed_verifies(void **state)
{
    (void)state;
    struct token_key known[2];
    struct key key = key_of(1, "20260101-0000abcd", &known[0]);
    struct key other = key_of(2, "20260101-0000abcd", &known[1]); /* the same name, another key */
    struct claims claims = {"alice", "phone", 1770000000, 1770003600};
    struct token_claims read;
    char token[KEY_TOKEN_BYTES_MAX];
    size_t len = key_sign(&key, &claims, token, sizeof(token));
    assert_int_equal(len, strlen(token));
    struct slice text = {token, len};
    assert_int_equal(token_verify(text, known, 1, 1770000000, &read), STATUS_OK);
    assert_string_equal(read.user, "alice");
    assert_string_equal(read.device, "phone");
    assert_int_equal(read.issued_at_s, 1770000000);
    assert_int_equal(read.expires_at_s, 1770003600);
    assert_int_equal(token_verify(text, known, 1, 1770003600, &read), STATUS_EXPIRED);
    assert_int_equal(token_verify(text, &known[1], 1, 1770000000, &read), STATUS_DENIED);
    len = key_sign(&other, &claims, token, sizeof(token));
    assert_int_equal(token_verify((struct slice){token, len}, known, 1, 1770000000, &read), STATUS_DENIED);
}

static void test_a_token_that_does_not_fit(void **state)
{
    (void)state;
    struct token_key known;
    struct key key = key_of(1, "k", &known);
    struct claims claims = {"alice", "phone", 1770000000, 1770003600};
    char token[KEY_TOKEN_BYTES_MAX];
    size_t len = key_sign(&key, &claims, token, sizeof(token));
    for (size_t size = 0; size <= len; size++)
        assert_int_equal(key_sign(&key, &claims, token, size), 0);
    assert_int_equal(key_sign(&key, &claims, token, len + 1), len);
}

static void test_the_longest_token_fits(void **state)
{
    (void)state;
    struct token_key known;
    struct key key = key_of(1, "k", &known);
    char name[LIMIT_USER_LEN + 1];
    char token[KEY_TOKEN_BYTES_MAX];
    memset(name, 'u', LIMIT_USER_LEN);
    name[LIMIT_USER_LEN] = '\0';
    memset(key.kid, 'k', LIMIT_KID_LEN);
    key.kid[LIMIT_KID_LEN] = '\0';
    (void)snprintf(known.kid, sizeof(known.kid), "%s", key.kid);
    struct claims claims = {name, name, 9999999999, 99999999999};
    struct token_claims read;
    size_t len = key_sign(&key, &claims, token, sizeof(token));
    assert_in_range(len, 1, sizeof(token) - 1);
    assert_int_equal(token_verify((struct slice){token, len}, &known, 1, 9999999999, &read), STATUS_OK);
}

static void test_forgotten(void **state)
{
    (void)state;
    struct token_key known;
    struct key key = key_of(1, "k", &known);
    key_forget(&key);
    assert_true(sodium_is_zero(key.secret, sizeof(key.secret)));
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_conf_set),
        cmocka_unit_test(test_conf_next),
        cmocka_unit_test(test_conf_quote),
        cmocka_unit_test(test_what_is_signed_verifies),
        cmocka_unit_test(test_a_token_that_does_not_fit),
        cmocka_unit_test(test_the_longest_token_fits),
        cmocka_unit_test(test_forgotten),
    };
    return cmocka_run_group_tests_name("gnatterctl", tests, NULL, NULL);
}
