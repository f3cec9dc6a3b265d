#ifndef GNATTER_PUSH_CRYPTO_H
#define GNATTER_PUSH_CRYPTO_H
/*
 * What push providers need of cryptography, on OpenSSL's libcrypto: JWTs signed with ES256 and RS256, and the aes128gcm
 * encryption of Web Push. Only crypto.c knows OpenSSL. Thread-safe: a key is only read.
 */
#include "provider.h"

struct crypto_key; /* a private key, P-256 or RSA */

/* From PEM text (PKCS #8, SEC 1 or PKCS #1, without passphrase). STATUS_MALFORMED: it is none, of another curve, or RSA
 * below 2048 bits. Gives *ret_key. */
MUST_CHECK enum status crypto_key_read(struct slice pem, struct crypto_key **ret_key);
/* A fresh P-256 key. */
MUST_CHECK enum status crypto_key_make(struct crypto_key **ret_key);
void crypto_key_free(struct crypto_key *key); /* NULL is allowed */
bool crypto_key_equal(const struct crypto_key *a, const struct crypto_key *b);
bool crypto_key_is_rsa(const struct crypto_key *key);
/* The P-256 public point, uncompressed. */
MUST_CHECK enum status crypto_key_public(const struct crypto_key *key, unsigned char ret_point[PUSH_PUBLIC_KEY_LEN]);

/*
 * A JWT of these JSON texts (RFC 7515 compact form), signed with ES256 or RS256 after the key's kind; the caller's
 * header says the same `alg`. NUL-terminated into `buf`. STATUS_TOO_LARGE, STATUS_INTERNAL.
 */
MUST_CHECK enum status crypto_jwt(const struct crypto_key *key, struct slice header, struct slice claims, char *buf,
                                  size_t buf_size);

/*
 * RFC 8291: `plain` for the device with this public point and auth secret, as one aes128gcm record (RFC 8188). `sender`
 * and `salt` are fresh for each message; NULL makes them. STATUS_MALFORMED: the point is not on the curve.
 * STATUS_TOO_LARGE: buf.
 */
#define CRYPTO_SALT_LEN         16
#define CRYPTO_WEBPUSH_OVERHEAD (CRYPTO_SALT_LEN + 4 + 1 + PUSH_PUBLIC_KEY_LEN + 1 + 16)
MUST_CHECK enum status crypto_webpush(struct slice plain, const unsigned char p256dh[PUSH_PUBLIC_KEY_LEN],
                                      const unsigned char auth[PUSH_AUTH_LEN], const struct crypto_key *sender,
                                      const unsigned char *salt, unsigned char *buf, size_t buf_size, size_t *ret_len);

/* HMAC-SHA-256 of the parts one after the other, as lower-case hex. */
#define CRYPTO_HMAC_HEX_LEN 64
MUST_CHECK enum status crypto_hmac_hex(struct slice key, const struct slice parts[], size_t parts_len,
                                       char ret_hex[CRYPTO_HMAC_HEX_LEN + 1]);

#endif
