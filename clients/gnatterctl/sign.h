#ifndef GNATTER_CTL_SIGN_H
#define GNATTER_CTL_SIGN_H
/*
 * Signs devices' tokens (JWT, EdDSA): the only place of the project that can; clients/protocol/token.h verifies them.
 * Pure. sodium_init() first.
 */
#include <stddef.h>
#include <stdint.h>
#include "../protocol/limits.h"

#define KEY_TOKEN_BYTES_MAX 512
struct key {
    char kid[LIMIT_KID_LEN + 1];
    unsigned char secret[64]; /* crypto_sign_SECRETKEYBYTES */
};
struct claims {
    const char *user, *device;
    int64_t issued_at_s, expires_at_s;
};

/* Zeroes the secret. */
void key_forget(struct key *key);
/* The token, NUL-terminated; its length, 0 when it does not fit. Names must be of the protocol's form. */
size_t key_sign(const struct key *key, const struct claims *claims, char *buf, size_t buf_size);
#endif
