/* Tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "clients/protocol/token.h"

static void signed_is_verified(void **state)
{
    (void)state;
    unsigned char pk[32], sk[64], sig[64];
    struct token_key key = {.kid = "k1"};
    char text[1024], b64[512];
    const char *header = "{\"alg\":\"EdDSA\",\"kid\":\"k1\"}";
    const char *claims = "{\"sub\":\"alice\",\"dev\":\"phone\",\"iat\":100,\"exp\":200}";
    struct token_claims got;
    crypto_sign_keypair(pk, sk);
    memcpy(key.public_key, pk, 32);
    sodium_bin2base64(text, sizeof text, (const unsigned char *)header, strlen(header), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_bin2base64(b64, sizeof b64, (const unsigned char *)claims, strlen(claims), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    strcat(text, ".");
    strcat(text, b64);
    crypto_sign_detached(sig, NULL, (unsigned char *)text, strlen(text), sk);
    sodium_bin2base64(b64, sizeof b64, sig, 64, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    strcat(text, ".");
    strcat(text, b64);
    assert_int_equal(token_verify(slice_of(text), &key, 1, 150, &got), STATUS_OK);
    assert_string_equal(got.user, "alice");
    assert_string_equal(got.device, "phone");
    assert_int_equal(got.issued_at_s, 100);
    assert_int_equal(token_verify(slice_of(text), &key, 1, 200, &got), STATUS_EXPIRED);
    assert_int_equal(token_verify(slice_of(text), &key, 1, 94, &got), STATUS_DENIED);
    key.public_key[0] ^= 1;
    assert_int_equal(token_verify(slice_of(text), &key, 1, 150, &got), STATUS_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signed_is_verified)};
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
