#ifndef GNATTER_CTL_KEYS_H
#define GNATTER_CTL_KEYS_H
/*
 * The keys that sign tokens: the only place of the project that can. keys/tokens.pub lists the public ones, oldest
 * first; keys/<kid>.key holds an Ed25519 seed as base64url. New tokens are signed with the newest key.
 */
#include <stddef.h>
#include "node.h"

#define KEY_TOKEN_BYTES_MAX 512
struct key {
    char kid[LIMIT_KID_LEN + 1];
    unsigned char secret[64]; /* crypto_sign_SECRETKEYBYTES */
};
struct claims {
    const char *user, *device;
    int64_t issued_at_s, expires_at_s;
};

/* A new key pair on disk; *ret_kid lives until the process ends. Says what is wrong. */
MUST_CHECK enum result key_make(const struct node *node, const char **ret_kid);
/* The newest key. Says what is wrong. key_forget it. */
MUST_CHECK enum result key_load(const struct node *node, struct key *ret_key);
void key_forget(struct key *key);
/* A JWT, NUL-terminated; the length, 0 when it does not fit. Pure. */
size_t key_sign(const struct key *key, const struct claims *claims, char *buf, size_t buf_size);
#endif
