#ifndef GNATTER_TOKEN_JWS_H
#define GNATTER_TOKEN_JWS_H
/*
 * Inside token.c and its tests: the signed envelope of a token (RFC 7515 compact form), without a look at its claims.
 */
#include "token.h"

#define TOKEN_PART_BYTES      (LIMIT_TOKEN_LEN / 4 * 3)
#define TOKEN_SIGNATURE_BYTES 64

struct token_jws {
    struct slice signed_text; /* borrows: the first two parts with the dot between */
    char kid[LIMIT_KID_LEN + 1];
    bool has_kid;
    size_t payload_len;
    unsigned char payload[TOKEN_PART_BYTES];
    unsigned char signature[TOKEN_SIGNATURE_BYTES];
};

/* STATUS_MALFORMED as for token_verify; STATUS_DENIED: the kid is longer than any key's. STATUS_NO_MEMORY. */
MUST_CHECK enum status token_jws_open(struct slice token, struct token_jws *ret_jws);
/* Whether that key has signed it. */
bool token_jws_is_signed(const struct token_jws *jws, const unsigned char public_key[TOKEN_PUBLIC_KEY_BYTES]);

#endif
