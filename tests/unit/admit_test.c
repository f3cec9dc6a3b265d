/* Who may connect.
 * link: broker-plugin/admit.c broker-plugin/revoked.c broker-plugin/locked_file.c broker-plugin/small_file.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker-plugin/admit.h"

#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SECRET    "0123456789abcdef0123456789abcdef" /* as short as may be */
#define NOW_S     1770000000

static char folder[64], keys_path[80], secret_path[80], revoked_path[80];
static unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
static char key_line[128];

static int setup(void **state)
{
    (void)state;
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
    char encoded[64];
    (void)snprintf(folder, sizeof folder, "/tmp/gnatter-admit-XXXXXX");
    if (mkdtemp(folder) == NULL || crypto_sign_keypair(public_key, secret_key) != 0)
        return -1;
    (void)snprintf(keys_path, sizeof keys_path, "%s/keys", folder);
    (void)snprintf(secret_path, sizeof secret_path, "%s/secret", folder);
    (void)snprintf(revoked_path, sizeof revoked_path, "%s/revoked", folder);
    (void)sodium_bin2base64(encoded, sizeof encoded, public_key, sizeof public_key, BASE64URL);
    (void)snprintf(key_line, sizeof key_line, "k1 %s\n", encoded);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(keys_path);
    (void)unlink(secret_path);
    (void)unlink(revoked_path);
    return rmdir(folder);
}

static void file_is(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void loaded(struct admit *admit)
{
    char why[256] = "";
    memset(admit, 0, sizeof *admit);
    file_is(keys_path, key_line, strlen(key_line));
    file_is(secret_path, SECRET "\r\n", strlen(SECRET) + 2);
    if (admit_load(admit, keys_path, secret_path, why, sizeof why) != STATUS_OK)
        fail_msg("%s", why);
}

static const char *token_of(const char *user, const char *device, int64_t issued_s, int64_t expires_s)
{
    static char text[512];
    char claims[256];
    unsigned char signature[crypto_sign_BYTES];
    static const char header[] = "{\"alg\":\"EdDSA\"}";
    int claims_len = snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"dev\":\"%s\",\"iat\":%lld,\"exp\":%lld}", user,
                              device, (long long)issued_s, (long long)expires_s);
    (void)sodium_bin2base64(text, sizeof text, (const unsigned char *)header, sizeof header - 1, BASE64URL);
    size_t len = strlen(text);
    text[len++] = '.';
    (void)sodium_bin2base64(text + len, sizeof text - len, (const unsigned char *)claims, (size_t)claims_len,
                            BASE64URL);
    len = strlen(text);
    (void)crypto_sign_detached(signature, NULL, (const unsigned char *)text, len, secret_key);
    text[len++] = '.';
    (void)sodium_bin2base64(text + len, sizeof text - len, signature, sizeof signature, BASE64URL);
    return text;
}

static void what_is_loaded(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *secret, *said;
    } bad[] = {
        {"", SECRET, "keys holds no key"},
        {"# none\n", SECRET, "keys holds no key"},
        {"\nk1 x\n", SECRET, "keys line 2 is no \"<kid> <public key>\""},
        {NULL, "0123456789abcdef0123456789abcde", "secret is no link secret"},
        {NULL, SECRET "\nmore\0", "secret is no link secret"},
        {NULL, "", "secret is no link secret"},
    };
    struct admit admit;
    char why[256], secret[ADMIT_SECRET_LEN_MAX + 2], many[LIMIT_KEYS * 2 * sizeof key_line];
    const struct admit_request service = {"$gnatter:s1", "$gnatter", SECRET};
    loaded(&admit);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *keys = bad[i].keys != NULL ? bad[i].keys : key_line;
        file_is(keys_path, keys, strlen(keys));
        file_is(secret_path, bad[i].secret, strlen(bad[i].secret) + (strchr(bad[i].secret, 'm') != NULL));
        assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_MALFORMED);
        if (strstr(why, bad[i].said) == NULL)
            fail_msg("%zu: %s", i, why);
        assert_int_equal(admit_service(&admit, &service), STATUS_OK); /* as it was */
    }
    many[0] = '\0';
    for (size_t i = 0, len = 0; i <= LIMIT_KEYS; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "%zu%s", i, key_line);
    file_is(keys_path, many, strlen(many));
    assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_TOO_LARGE);
    assert_non_null(strstr(why, "holds more than"));
    assert_int_equal(unlink(keys_path), 0);
    assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_NOT_FOUND);
    file_is(keys_path, key_line, strlen(key_line));
    memset(secret, 's', sizeof secret);
    file_is(secret_path, secret, ADMIT_SECRET_LEN_MAX + 1);
    assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_MALFORMED);
    file_is(secret_path, secret, ADMIT_SECRET_LEN_MAX);
    assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_OK);
    assert_int_equal(admit_service(&admit, &service), STATUS_DENIED); /* it has another one now */
    assert_int_equal(unlink(secret_path), 0);
    assert_int_equal(admit_load(&admit, keys_path, secret_path, why, sizeof why), STATUS_NOT_FOUND);
    admit_done(&admit);
}

/* Where a token is remembered is nobody's guess, and no secret is left behind. */
static void secrets(void **state)
{
    (void)state;
    struct admit one, other;
    loaded(&one);
    loaded(&other);
    assert_non_null(one.seen.digests);
    assert_int_equal(one.seen.digests_len, ADMIT_TOKENS_SEEN);
    assert_memory_not_equal(one.seen.secret, other.seen.secret, sizeof one.seen.secret);
    admit_done(&other);
    admit_done(&one);
    assert_true(sodium_is_zero((const unsigned char *)&one, sizeof one));
}

static void services(void **state)
{
    (void)state;
    static const struct {
        struct admit_request request;
        enum status status;
    } cases[] = {
        {{"$gnatter:s1", "$gnatter", SECRET}, STATUS_OK},
        {{NULL, "$gnatter", SECRET}, STATUS_DENIED},
        {{"$gnatter:s1", "$gnatter", NULL}, STATUS_DENIED},
        {{"$gnatter:s1", "$gnatter", ""}, STATUS_DENIED},
        {{"$gnatter:s1", "$gnatter", SECRET "0"}, STATUS_DENIED},
        {{"$gnatter:s1", "$gnatter", "0123456789abcdef0123456789abcdeg"}, STATUS_DENIED},
        {{"$gnatter:", "$gnatter", SECRET}, STATUS_DENIED},
        {{"$gnatter:a b", "$gnatter", SECRET}, STATUS_DENIED},
        {{"alice:phone", "$gnatter", SECRET}, STATUS_DENIED},
        {{"$gnattes:s1", "$gnatter", SECRET}, STATUS_DENIED},
    };
    struct admit admit, empty = {.keys_len = 0};
    loaded(&admit);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(admit_is_service_request(&cases[i].request));
        if (admit_service(&admit, &cases[i].request) != cases[i].status)
            fail_msg("%zu", i);
    }
    assert_int_equal(admit_service(&empty, &(struct admit_request){"$gnatter:s1", "$gnatter", ""}), STATUS_DENIED);
    assert_false(admit_is_service_request(&(struct admit_request){"$gnatter:s1", "alice", SECRET}));
    assert_false(admit_is_service_request(&(struct admit_request){"$gnatter:s1", NULL, SECRET}));
    admit_done(&admit);
}

static void devices(void **state)
{
    (void)state;
    static const struct {
        const char *client_id, *user_name, *sub, *dev; /* sub NULL: no token */
        int64_t issued_s, expires_s;
        const char *why; /* NULL: admitted */
    } cases[] = {
        {"alice:phone", "alice", "alice", "phone", 0, 60, NULL},
        {NULL, "alice", "alice", "phone", 0, 60, "client-id-malformed"},
        {"alice", "alice", "alice", "phone", 0, 60, "client-id-malformed"},
        {"alice:phone", NULL, "alice", "phone", 0, 60, "user-name-differs"},
        {"alice:phone", "bob", "alice", "phone", 0, 60, "user-name-differs"},
        {"alice:phone", "alice", NULL, NULL, 0, 0, "token-missing"},
        {"alice:phone", "alice", "bob", "phone", 0, 60, "token-of-another-device"},
        {"alice:phone", "alice", "alice", "tab", 0, 60, "token-of-another-device"},
        {"alice:phone", "alice", "alice", "phone", -60, 0, "token-expired"},
        {"alice:phone", "alice", "Alice", "phone", 0, 60, "token-malformed"},
        {"carol:phone", "carol", "carol", "phone", 0, 60, NULL},
        {"carol:phone", "carol", "carol", "phone", -11, 60, "token-revoked"},
        {"carol:phone", "carol", "carol", "phone", -10, 60, NULL}, /* issued in the second from which they count */
        {"carol:tab", "carol", "carol", "tab", -11, 60, NULL},
        {"dave:phone", "dave", "dave", "phone", -11, 60, "token-revoked"}, /* all of a user's */
        {"dave:tab", "dave", "dave", "tab", -11, 60, "token-revoked"},
        {"dave:tab", "dave", "dave", "tab", -10, 60, NULL},
    };
    struct admit admit;
    struct revoked revoked;
    char why_file[256];
    loaded(&admit);
    assert_int_equal(revoked_open(&revoked, revoked_path, why_file, sizeof why_file), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("carol:phone"), NOW_S - 10), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("dave"), NOW_S - 10), STATUS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct token_claims claims = {.expires_at_s = 7};
        const char *why = NULL, *sub = cases[i].sub;
        struct admit_request request = {cases[i].client_id, cases[i].user_name, NULL};
        if (sub != NULL)
            request.password = token_of(sub, cases[i].dev, NOW_S + cases[i].issued_s, NOW_S + cases[i].expires_s);
        enum status status = admit_device(&admit, &revoked, &request, NOW_S, &claims, &why);
        assert_int_equal(status, cases[i].why == NULL ? STATUS_OK : STATUS_DENIED);
        assert_int_equal(claims.expires_at_s, cases[i].why == NULL ? NOW_S + cases[i].expires_s : 7);
        if (cases[i].why != NULL)
            assert_string_equal(why, cases[i].why);
    }
    char token[512];
    const char *why = NULL;
    struct token_claims claims;
    struct admit_request request = {"alice:phone", "alice", token};
    (void)snprintf(token, sizeof token, "%s", token_of("alice", "phone", NOW_S, NOW_S + 60));
    char *byte = token + strlen(token) - 10;
    *byte = *byte == 'A' ? 'B' : 'A';
    assert_int_equal(admit_device(&admit, &revoked, &request, NOW_S, &claims, &why), STATUS_DENIED);
    assert_string_equal(why, "token-signature");
    revoked_close(&revoked);
    admit_done(&admit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(services, setup, teardown),
        cmocka_unit_test_setup_teardown(devices, setup, teardown),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
