#ifndef GNATTER_TOKEN_H
#define GNATTER_TOKEN_H
/*
 * Read and verify a device's token: a JWT in JWS compact form (RFC 7515, 7519), alg EdDSA with Ed25519 (RFC 8037).
 * Signing is elsewhere on purpose: neither the broker nor a device can link that power in. No I/O, no clock; the JSON
 * parser may allocate. Thread-safe after sodium_init().
 */
#include "limits.h"
#include "status.h"
#include "topic.h"

#define TOKEN_PUBLIC_KEY_BYTES 32
struct token_key {
    char kid[LIMIT_KID_LEN + 1]; /* may be empty */
    unsigned char public_key[TOKEN_PUBLIC_KEY_BYTES];
};
struct token_claims {
    char user[LIMIT_USER_LEN + 1];     /* sub */
    char device[LIMIT_DEVICE_LEN + 1]; /* dev */
    int64_t issued_at_s;               /* iat, Unix seconds as all times here */
    int64_t expires_at_s;              /* exp */
};
/*
 * With a kid in the header exactly the key of that kid must have signed; without one any known key may have.
 * STATUS_MALFORMED: not such a token. STATUS_DENIED: no known key signed it. STATUS_EXPIRED: exp <= now_s. A token
 * from the future (iat, or nbf if there is one, > now_s + LIMIT_CLOCK_SKEW_S) is STATUS_DENIED. Other algorithms,
 * "crit", duplicate members, numbers that are not spelled as integers, padding and whitespace in the base64url parts
 * are STATUS_MALFORMED. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status token_verify(struct slice token, const struct token_key keys[], size_t keys_len, int64_t now_s,
                                    struct token_claims *ret_claims);

/*
 * The same, with a memory of signatures that were found good: to check one takes a tenth of a millisecond, most of what
 * a reconnect costs. Only that is remembered: what a token says, its time above all, is looked at again. The memory is
 * the caller's, and void once `keys` are others. `secret` is random, so that nobody can look for two tokens of the same
 * digest.
 */
#define TOKEN_DIGEST_BYTES 16
#define TOKEN_SECRET_BYTES 32
struct token_seen {
    unsigned char secret[TOKEN_SECRET_BYTES];
    unsigned char (*digests)[TOKEN_DIGEST_BYTES]; /* zeros at first; the place of a digest is one of its own bits */
    uint32_t digests_len;                         /* a power of two; 0: nothing is remembered */
};
MUST_CHECK enum status token_verify_again(struct slice token, const struct token_key keys[], size_t keys_len,
                                          struct token_seen *seen, int64_t now_s, struct token_claims *ret_claims);

/*
 * The public keys file: a line per key, "<kid> <base64url of 32 bytes>", '#' starts a comment, kid of
 * [A-Za-z0-9._-]{1,64}, unique. `text` is the whole file. STATUS_MALFORMED sets *ret_line (from 1) for the message;
 * STATUS_TOO_LARGE: more than LIMIT_KEYS. On success *ret_keys_len keys are in `keys`.
 */
MUST_CHECK enum status token_keys_parse(struct slice text, struct token_key keys[LIMIT_KEYS], size_t *ret_keys_len,
                                        int *ret_line);
#endif
