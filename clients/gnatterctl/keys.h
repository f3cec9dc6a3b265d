#ifndef GNATTER_CTL_KEYS_H
#define GNATTER_CTL_KEYS_H
/*
 * The keys that sign tokens, on disk. keys/tokens.pub lists the public ones, oldest
 * first; keys/<kid>.key holds an Ed25519 seed as base64url. New tokens are signed with the newest key.
 */
#include "node.h"
#include "sign.h"

/* A new key pair on disk; *ret_kid lives until the process ends. Says what is wrong. */
MUST_CHECK enum result key_make(const struct node *node, const char **ret_kid);
/* The newest key. Says what is wrong. key_forget it. */
MUST_CHECK enum result key_load(const struct node *node, struct key *ret_key);
#endif
