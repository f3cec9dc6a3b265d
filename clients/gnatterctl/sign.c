#include "sign.h"
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

void key_forget(struct key *key)
{
    sodium_memzero(key->secret, sizeof(key->secret));
}

/* Appends base64url to the text in `buf`. False when it does not fit. */
static bool append(char *buf, size_t buf_size, size_t *len, const void *bytes, size_t bytes_len)
{
    size_t need = sodium_base64_ENCODED_LEN(bytes_len, BASE64); /* with NUL */
    if (*len + need > buf_size)
        return false;
    sodium_bin2base64(buf + *len, need, bytes, bytes_len, BASE64);
    *len += need - 1;
    return true;
}

size_t key_sign(const struct key *key, const struct claims *claims, char *buf, size_t buf_size)
{
    /* The broker keeps the token for as long as the connection lasts: nothing stands in it that need not, such as typ.
     * Names have no character that JSON would escape. */
    char header[160], body[256];
    int header_len = snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", key->kid);
    int body_len =
        snprintf(body, sizeof(body), "{\"sub\":\"%s\",\"dev\":\"%s\",\"iat\":%lld,\"exp\":%lld}", claims->user,
                 claims->device, (long long)claims->issued_at_s, (long long)claims->expires_at_s);
    if (header_len < 0 || (size_t)header_len >= sizeof(header) || body_len < 0 || (size_t)body_len >= sizeof(body))
        return 0;
    size_t len = 0;
    if (!append(buf, buf_size, &len, header, (size_t)header_len) || len + 1 >= buf_size)
        return 0;
    buf[len++] = '.';
    if (!append(buf, buf_size, &len, body, (size_t)body_len) || len + 1 >= buf_size)
        return 0;
    unsigned char signature[crypto_sign_BYTES];
    (void)crypto_sign_detached(signature, NULL, (const unsigned char *)buf, len, key->secret); /* cannot fail */
    buf[len++] = '.';
    return append(buf, buf_size, &len, signature, sizeof(signature)) ? len : 0;
}
