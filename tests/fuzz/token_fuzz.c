/*
 * Tokens. The first byte says what the rest is: 't' a token as it travels, 'k' a keys file, else header and claims
 * parted by a newline, which are then signed, so that the claims are read at all. What is accepted must be of its form.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "token_jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define NOW_S     1770000000
#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

static unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
static struct token_key key = {.kid = "k1"};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    unsigned char seed[crypto_sign_SEEDBYTES] = {1};
    (void)argc;
    (void)argv;
    return sodium_init() < 0 || crypto_sign_seed_keypair(key.public_key, secret_key, seed) != 0;
}

static void check_verify(struct slice token)
{
    struct token_claims claims;
    enum status status = token_verify(token, &key, 1, NOW_S, &claims);
    if (status == STATUS_NO_MEMORY) /* JSON that the scan let through and cJSON did not take */
        abort();
    if (status != STATUS_OK)
        return;
    if (!name_is_user(slice_of(claims.user)) || !name_is_device(slice_of(claims.device)) ||
        claims.expires_at_s <= NOW_S || claims.issued_at_s > NOW_S + LIMIT_CLOCK_SKEW_S || claims.issued_at_s < 0)
        abort();
    for (size_t i = 0; i < token.len; i++) /* no other alphabet, no padding, no blanks */
        if (token.at[i] != '\0' && strchr("+/= \t\n", token.at[i]) != NULL)
            abort();
}

static void check_signed(const uint8_t *data, size_t size)
{
    static char text[3 * LIMIT_TOKEN_LEN];
    unsigned char signature[crypto_sign_BYTES];
    const uint8_t *newline = memchr(data, '\n', size);
    if (newline == NULL || size > LIMIT_TOKEN_LEN)
        return;
    size_t header_len = (size_t)(newline - data);
    (void)sodium_bin2base64(text, sizeof text, data, header_len, BASE64URL);
    size_t len = strlen(text);
    text[len++] = '.';
    (void)sodium_bin2base64(text + len, sizeof text - len, newline + 1, size - header_len - 1, BASE64URL);
    len += strlen(text + len);
    (void)crypto_sign_detached(signature, NULL, (unsigned char *)text, len, secret_key);
    text[len++] = '.';
    (void)sodium_bin2base64(text + len, sizeof text - len, signature, sizeof signature, BASE64URL);
    check_verify(slice_of(text));
}

static void check_keys(struct slice text)
{
    struct token_key keys[LIMIT_KEYS];
    size_t keys_len;
    int line = 0;
    enum status status = token_keys_parse(text, keys, &keys_len, &line);
    if (status == STATUS_MALFORMED && line < 1)
        abort();
    if (status != STATUS_OK)
        return;
    if (keys_len > LIMIT_KEYS)
        abort();
    for (size_t i = 0; i < keys_len; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(keys[i].kid, keys[j].kid) == 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = {(const char *)data + 1, size - 1};
    if (data[0] == 't')
        check_verify(rest);
    else if (data[0] == 'k')
        check_keys(rest);
    else
        check_signed(data, size);
    return 0;
}
