/* Tokens: tests/vectors/{tokens,token-texts,token-keys}.tsv, RFC 8037 appendix A, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include "vectors.h"
#include "clients/protocol/token_jws.h"

/* RFC 8037, A.1 and A.2 */
#define RFC_D     "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC_X     "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define NOW_S     1770000000

static unsigned char rfc_secret[crypto_sign_SECRETKEYBYTES], other_secret[crypto_sign_SECRETKEYBYTES];
/* "other" is another key; without a kid the one that counts comes second */
static struct token_key keys[2] = {{.kid = "other"}, {.kid = "rfc8037"}};

static unsigned char digests[4][TOKEN_DIGEST_BYTES]; /* few: tokens share places */
static struct token_seen seen = {.digests = digests, .digests_len = 4};

static int keys_make(void **state)
{
    (void)state;
    unsigned char seed[crypto_sign_SEEDBYTES];
    size_t len;
    if (sodium_base642bin(seed, sizeof seed, RFC_D, strlen(RFC_D), NULL, &len, NULL, BASE64URL) != 0 ||
        crypto_sign_seed_keypair(keys[1].public_key, rfc_secret, seed) != 0)
        return -1;
    memset(seed, 7, sizeof seed);
    return crypto_sign_seed_keypair(keys[0].public_key, other_secret, seed);
}

static size_t base64url_add(char *text, size_t size, size_t len, const void *bytes, size_t bytes_len)
{
    (void)sodium_bin2base64(text + len, size - len, bytes, bytes_len, BASE64URL);
    return strlen(text);
}

static struct slice token_sign(struct slice header, struct slice payload, char *text, size_t size)
{
    unsigned char signature[crypto_sign_BYTES];
    size_t len = base64url_add(text, size, 0, header.at, header.len);
    text[len++] = '.';
    len = base64url_add(text, size, len, payload.at, payload.len);
    (void)crypto_sign_detached(signature, NULL, (const unsigned char *)text, len, rfc_secret);
    text[len++] = '.';
    len = base64url_add(text, size, len, signature, sizeof signature);
    return (struct slice){text, len};
}

static void rfc8037_a(void **state)
{
    (void)state;
    char text[128];
    /* A.2: the public key of that secret one */
    (void)sodium_bin2base64(text, sizeof text, keys[1].public_key, TOKEN_PUBLIC_KEY_BYTES, BASE64URL);
    assert_string_equal(text, RFC_X);
    /* A.4: what is signed, and how */
    static const char jws_text[] =
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR"
        "4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    char again[256];
    struct slice signed_again =
        token_sign(SLICE("{\"alg\":\"EdDSA\"}"), SLICE("Example of Ed25519 signing"), again, sizeof again);
    assert_true(slice_equal(signed_again, SLICE(jws_text)));
    /* A.5: verification, with the code that verifies tokens */
    struct token_jws jws;
    assert_int_equal(token_jws_open(SLICE(jws_text), &jws), STATUS_OK);
    assert_false(jws.has_kid);
    assert_true(
        slice_equal((struct slice){(const char *)jws.payload, jws.payload_len}, SLICE("Example of Ed25519 signing")));
    assert_true(token_jws_is_signed(&jws, keys[1].public_key));
    assert_false(token_jws_is_signed(&jws, keys[0].public_key));
    /* and as a token it is none: it claims nothing */
    struct token_claims claims;
    assert_int_equal(token_verify(SLICE(jws_text), keys, 2, NOW_S, &claims), STATUS_MALFORMED);
    assert_int_equal(token_verify(SLICE(jws_text), keys, 1, NOW_S, &claims), STATUS_DENIED);
}

static enum status verdict_of(struct slice name)
{
    for (int status = STATUS_OK; status <= STATUS_INTERNAL; status++)
        if (slice_equal(name, slice_of(status_name((enum status)status))))
            return (enum status)status;
    fail_msg("no such verdict: %s", name.at);
    return STATUS_INTERNAL;
}

static void signed_tokens(void **state)
{
    (void)state;
    static struct vectors vectors;
    static char text[4 * VECTORS_COLUMN_BYTES];
    vectors_open(&vectors, "tokens.tsv");
    while (vectors_next(&vectors, 5)) {
        struct token_claims claims, before;
        memset(&claims, 0x5a, sizeof claims);
        before = claims;
        struct slice token = token_sign(vectors.column[2], vectors.column[3], text, sizeof text);
        enum status status = token_verify(token, keys, 2, atoll(vectors.column[1].at), &claims);
        VECTORS_CHECK(&vectors, status == verdict_of(vectors.column[0]), vectors.column[4]);
        bool changed = memcmp(&claims, &before, sizeof claims) != 0; /* NOLINT: both were copied with their padding */
        VECTORS_CHECK(&vectors, (status == STATUS_OK) == changed, vectors.column[4]);
        for (int again = 0; again < 2; again++)
            VECTORS_CHECK(&vectors,
                          token_verify_again(token, keys, 2, &seen, atoll(vectors.column[1].at), &claims) == status,
                          vectors.column[4]);
    }
}

/* Without keys nothing is signed: what is accepted was remembered. */
static void only_the_signature_is_remembered(void **state)
{
    (void)state;
    char text[512], other[512];
    struct token_claims claims;
    memset(digests, 0, sizeof digests);
    struct slice token =
        token_sign(SLICE("{\"alg\":\"EdDSA\"}"),
                   SLICE("{\"sub\":\"alice\",\"dev\":\"phone\",\"iat\":1000,\"exp\":2000}"), text, sizeof text);
    assert_int_equal(token_verify_again(token, keys, 0, &seen, 1500, &claims), STATUS_DENIED);
    assert_int_equal(token_verify_again(token, keys, 2, &seen, 1500, &claims), STATUS_OK);
    assert_int_equal(token_verify_again(token, keys, 0, &seen, 1500, &claims), STATUS_OK);
    assert_string_equal(claims.device, "phone");
    assert_int_equal(token_verify_again(token, keys, 0, &seen, 2000, &claims), STATUS_EXPIRED);
    assert_int_equal(token_verify_again(token, keys, 0, &seen, 0, &claims), STATUS_DENIED); /* from the future */
    assert_int_equal(token_verify(token, keys, 0, 1500, &claims), STATUS_DENIED);
    for (size_t i = 0; i < token.len; i++) { /* any other text is another token */
        memcpy(other, token.at, token.len);
        other[i] = other[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(token_verify_again((struct slice){other, token.len}, keys, 0, &seen, 1500, &claims),
                             STATUS_OK);
    }
    memset(digests, 0, sizeof digests);
    assert_int_equal(token_verify_again(token, keys, 0, &seen, 1500, &claims), STATUS_DENIED);
}

static void token_texts(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "token-texts.tsv");
    while (vectors_next(&vectors, 3)) {
        struct token_claims claims;
        enum status status = token_verify(vectors.column[1], keys, 2, NOW_S, &claims);
        VECTORS_CHECK(&vectors, status == verdict_of(vectors.column[0]), vectors.column[2]);
    }
}

static void claim_values(void **state)
{
    (void)state;
    char text[512];
    struct token_claims claims;
    struct slice token = token_sign(
        SLICE("{\"alg\":\"EdDSA\"}"),
        SLICE("{\"sub\":\"alice\",\"dev\":\"phone\",\"iat\":1769999999,\"exp\":999999999999999}"), text, sizeof text);
    assert_int_equal(token_verify(token, keys, 2, NOW_S, &claims), STATUS_OK);
    assert_string_equal(claims.user, "alice");
    assert_string_equal(claims.device, "phone");
    assert_true(claims.issued_at_s == 1769999999 && claims.expires_at_s == 999999999999999);
    assert_int_equal(token_verify(token, NULL, 0, NOW_S, &claims), STATUS_DENIED); /* no keys, nobody */
    assert_int_equal(token_verify((struct slice){NULL, 0}, keys, 2, NOW_S, &claims), STATUS_MALFORMED);
}

/* A token of exactly `len` bytes, made so by blanks in its JSON. */
static struct slice token_of_len(size_t len, char *text, size_t size)
{
    static const char claims[] = "{\"sub\":\"alice\",\"dev\":\"phone\",\"iat\":1769999999,\"exp\":1770000001}";
    char header[LIMIT_TOKEN_LEN], payload[LIMIT_TOKEN_LEN];
    static const char alg[] = "{\"alg\":\"EdDSA\"}";
    for (size_t header_len = sizeof alg - 1; header_len < sizeof alg + 4; header_len++) {
        memset(header, ' ', sizeof header);
        memcpy(header, alg, sizeof alg - 1);
        memset(payload, ' ', sizeof payload);
        memcpy(payload, claims, sizeof claims - 1);
        for (size_t payload_len = sizeof claims - 1; payload_len < sizeof payload; payload_len++) {
            struct slice token =
                token_sign((struct slice){header, header_len}, (struct slice){payload, payload_len}, text, size);
            if (token.len == len)
                return token;
            if (token.len > len)
                break;
        }
    }
    fail_msg("no token of %zu bytes", len);
    return (struct slice){NULL, 0};
}

static void kids_of_each_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, LIMIT_KID_LEN};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char header[128], text[512], kid[LIMIT_KID_LEN + 1] = "";
        struct token_claims claims;
        struct token_key key = keys[1];
        memset(kid, 'k', lengths[i]);
        memcpy(key.kid, kid, sizeof kid);
        (void)snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kid);
        struct slice token =
            token_sign(slice_of(header), SLICE("{\"sub\":\"alice\",\"dev\":\"phone\",\"iat\":1000,\"exp\":2000}"), text,
                       sizeof text);
        assert_int_equal(token_verify(token, &key, 1, 1500, &claims), STATUS_OK);
        key.kid[lengths[i] - 1] = 'K';
        assert_int_equal(token_verify(token, &key, 1, 1500, &claims), STATUS_DENIED);
    }
}

static void length_is_limited(void **state)
{
    (void)state;
    char text[2 * LIMIT_TOKEN_LEN];
    struct token_claims claims;
    struct slice token = token_of_len(LIMIT_TOKEN_LEN, text, sizeof text);
    assert_int_equal(token_verify(token, keys, 2, NOW_S, &claims), STATUS_OK);
    token = token_of_len(LIMIT_TOKEN_LEN + 1, text, sizeof text);
    assert_int_equal(token_verify(token, keys, 2, NOW_S, &claims), STATUS_MALFORMED);
    memset(text, 'A', sizeof text);
    text[100] = text[200] = '.';
    assert_int_equal(token_verify((struct slice){text, sizeof text}, keys, 2, NOW_S, &claims), STATUS_MALFORMED);
}

static void key_files(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "token-keys.tsv");
    while (vectors_next(&vectors, 3)) {
        struct token_key parsed[LIMIT_KEYS];
        size_t parsed_len = 77;
        int line = 0, want;
        enum status status = token_keys_parse(vectors.column[1], parsed, &parsed_len, &line);
        if (sscanf(vectors.column[0].at, "line %d", &want) == 1) {
            VECTORS_CHECK(&vectors, status == STATUS_MALFORMED && line == want && parsed_len == 77, vectors.column[2]);
            continue;
        }
        VECTORS_CHECK(&vectors, status == STATUS_OK, vectors.column[2]);
        VECTORS_CHECK(&vectors, parsed_len == (size_t)atoi(vectors.column[0].at), vectors.column[2]);
        for (size_t i = 0; i < parsed_len; i++)
            VECTORS_CHECK(&vectors, memcmp(parsed[i].public_key, keys[1].public_key, TOKEN_PUBLIC_KEY_BYTES) == 0,
                          vectors.column[2]);
    }
}

static void keys_are_limited(void **state)
{
    (void)state;
    char text[128 * (LIMIT_KEYS + 1)];
    size_t len = 0, parsed_len = 0;
    struct token_key parsed[LIMIT_KEYS];
    int line = 0;
    for (int i = 0; i < LIMIT_KEYS; i++)
        len += (size_t)sprintf(text + len, "k%d %s\n", i, RFC_X);
    assert_int_equal(token_keys_parse((struct slice){text, len}, parsed, &parsed_len, &line), STATUS_OK);
    assert_int_equal(parsed_len, LIMIT_KEYS);
    assert_string_equal(parsed[LIMIT_KEYS - 1].kid, "k31");
    len += (size_t)sprintf(text + len, "more %s\n", RFC_X);
    assert_int_equal(token_keys_parse((struct slice){text, len}, parsed, &parsed_len, &line), STATUS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc8037_a),
        cmocka_unit_test(signed_tokens),
        cmocka_unit_test(only_the_signature_is_remembered),
        cmocka_unit_test(token_texts),
        cmocka_unit_test(claim_values),
        cmocka_unit_test(kids_of_each_length),
        cmocka_unit_test(length_is_limited),
        cmocka_unit_test(key_files),
        cmocka_unit_test(keys_are_limited),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("token", tests, keys_make, NULL);
}
