#include "crypto.h"
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define COORDINATE_LEN  32
#define HASH_LEN        32
#define KEY_LEN         16
#define NONCE_LEN       12
#define TAG_LEN         16
#define RECORD_BYTES    4096
#define RSA_BITS_MIN    2048
#define SIGNATURE_BYTES 1024 /* RSA up to 8192 bits */

struct crypto_key {
    EVP_PKEY *pkey;
};

/* A question for a passphrase must not end up on somebody's terminal. */
static int no_passphrase(char *buf, int size, int is_writing, void *ctx)
{
    (void)buf, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

static bool is_p256(EVP_PKEY *pkey)
{
    char group[32];
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0 &&
           EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") == 1;
}

/* Takes pkey. */
static enum status key_new(EVP_PKEY *pkey, struct crypto_key **ret_key)
{
    struct crypto_key *key = malloc(sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return STATUS_NO_MEMORY;
    }
    key->pkey = pkey;
    *ret_key = key;
    return STATUS_OK;
}

enum status crypto_key_read(struct slice pem, struct crypto_key **ret_key)
{
    if (pem.len > INT_MAX)
        return STATUS_MALFORMED;
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    if (bio == NULL)
        return STATUS_NO_MEMORY;
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (pkey == NULL)
        return STATUS_MALFORMED;
    if (!is_p256(pkey) && !(EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN)) {
        EVP_PKEY_free(pkey);
        return STATUS_MALFORMED;
    }
    return key_new(pkey, ret_key);
}

enum status crypto_key_make(struct crypto_key **ret_key)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (pkey == NULL || !is_p256(pkey)) {
        EVP_PKEY_free(pkey);
        return STATUS_INTERNAL;
    }
    return key_new(pkey, ret_key);
}

void crypto_key_free(struct crypto_key *key)
{
    if (key != NULL)
        EVP_PKEY_free(key->pkey);
    free(key);
}

bool crypto_key_equal(const struct crypto_key *a, const struct crypto_key *b)
{
    return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

bool crypto_key_is_rsa(const struct crypto_key *key)
{
    return EVP_PKEY_is_a(key->pkey, "RSA") == 1;
}

enum status crypto_key_public(const struct crypto_key *key, unsigned char ret_point[PUSH_PUBLIC_KEY_LEN])
{
    size_t len;
    if (EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, ret_point, PUSH_PUBLIC_KEY_LEN,
                                        &len) != 1 ||
        len != PUSH_PUBLIC_KEY_LEN)
        return STATUS_INTERNAL;
    return STATUS_OK;
}

/* ---- JWT ---- */
/* OpenSSL signs in DER; JOSE wants the two numbers beside each other, each 32 bytes (RFC 7518, 3.4). */
static bool signature_flatten(unsigned char *signature, size_t *len)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)*len);
    if (pair == NULL)
        return false;
    bool is_ok = BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, COORDINATE_LEN) == COORDINATE_LEN &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + COORDINATE_LEN, COORDINATE_LEN) == COORDINATE_LEN;
    ECDSA_SIG_free(pair);
    *len = (size_t)2 * COORDINATE_LEN;
    return is_ok;
}

static bool sign(const struct crypto_key *key, struct slice text, unsigned char signature[SIGNATURE_BYTES], size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *len = SIGNATURE_BYTES;
    bool is_ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                 EVP_DigestSign(ctx, signature, len, (const unsigned char *)text.at, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return is_ok && (crypto_key_is_rsa(key) || signature_flatten(signature, len));
}

/* Appends base64url without padding; 0: it does not fit. */
static size_t base64url(char *buf, size_t size, const void *bytes, size_t len)
{
    size_t needed = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (needed > size)
        return 0;
    (void)sodium_bin2base64(buf, size, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING); /* returns buf */
    return needed - 1;
}

enum status crypto_jwt(const struct crypto_key *key, struct slice header, struct slice claims, char *buf,
                       size_t buf_size)
{
    unsigned char signature[SIGNATURE_BYTES];
    size_t len = base64url(buf, buf_size, header.at, header.len), more, signature_len;
    if (len == 0 || len + 1 >= buf_size)
        return STATUS_TOO_LARGE;
    buf[len++] = '.';
    more = base64url(buf + len, buf_size - len, claims.at, claims.len);
    if (more == 0)
        return STATUS_TOO_LARGE;
    len += more;
    if (!sign(key, (struct slice){buf, len}, signature, &signature_len)) {
        ERR_clear_error();
        return STATUS_INTERNAL;
    }
    if (len + 1 >= buf_size)
        return STATUS_TOO_LARGE;
    buf[len++] = '.';
    return base64url(buf + len, buf_size - len, signature, signature_len) == 0 ? STATUS_TOO_LARGE : STATUS_OK;
}

/* ---- Web Push ---- */
static bool agree(const struct crypto_key *sender, const unsigned char point[PUSH_PUBLIC_KEY_LEN],
                  unsigned char ret_secret[COORDINATE_LEN])
{
    char group[] = "prime256v1";
    unsigned char copy[PUSH_PUBLIC_KEY_LEN];
    memcpy(copy, point, sizeof copy);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof copy),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *peer = NULL;
    EVP_PKEY_CTX *import = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new_from_pkey(NULL, sender->pkey, NULL);
    size_t len = COORDINATE_LEN;
    bool is_ok = import != NULL && derive != NULL && EVP_PKEY_fromdata_init(import) == 1 &&
                 EVP_PKEY_fromdata(import, &peer, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
                 EVP_PKEY_derive_init(derive) == 1 && EVP_PKEY_derive_set_peer(derive, peer) == 1 &&
                 EVP_PKEY_derive(derive, ret_secret, &len) == 1 && len == COORDINATE_LEN;
    EVP_PKEY_CTX_free(derive);
    EVP_PKEY_CTX_free(import);
    EVP_PKEY_free(peer);
    return is_ok;
}

static bool hmac(const unsigned char *key, size_t key_len, const void *data, size_t data_len,
                 unsigned char ret_mac[HASH_LEN])
{
    unsigned len = HASH_LEN;
    return HMAC(EVP_sha256(), key, (int)key_len, data, data_len, ret_mac, &len) != NULL && len == HASH_LEN;
}

/* The first block of HKDF-Expand (RFC 5869): nothing here needs more than 32 bytes. `info` ends with the 0x01. */
#define EXPAND(prk, info, ret) hmac(prk, HASH_LEN, info, sizeof(info) - 1, ret)

static bool content_keys(const unsigned char secret[COORDINATE_LEN], const unsigned char auth[PUSH_AUTH_LEN],
                         const unsigned char p256dh[PUSH_PUBLIC_KEY_LEN], const unsigned char own[PUSH_PUBLIC_KEY_LEN],
                         const unsigned char salt[CRYPTO_SALT_LEN], unsigned char ret_key[HASH_LEN],
                         unsigned char ret_nonce[HASH_LEN])
{
    static const char label[] = "WebPush: info"; /* with its NUL */
    unsigned char info[sizeof label + 2 * PUSH_PUBLIC_KEY_LEN + 1], prk[HASH_LEN], ikm[HASH_LEN];
    memcpy(info, label, sizeof label);
    memcpy(info + sizeof label, p256dh, PUSH_PUBLIC_KEY_LEN);
    memcpy(info + sizeof label + PUSH_PUBLIC_KEY_LEN, own, PUSH_PUBLIC_KEY_LEN);
    info[sizeof info - 1] = 1;
    bool is_ok = hmac(auth, PUSH_AUTH_LEN, secret, COORDINATE_LEN, prk) &&
                 hmac(prk, HASH_LEN, info, sizeof info, ikm) && hmac(salt, CRYPTO_SALT_LEN, ikm, HASH_LEN, prk) &&
                 EXPAND(prk, "Content-Encoding: aes128gcm\0\1", ret_key) &&
                 EXPAND(prk, "Content-Encoding: nonce\0\1", ret_nonce);
    OPENSSL_cleanse(prk, sizeof prk);
    OPENSSL_cleanse(ikm, sizeof ikm);
    return is_ok;
}

static bool seal(const unsigned char key[HASH_LEN], const unsigned char nonce[HASH_LEN], struct slice plain,
                 unsigned char *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    static const unsigned char last_record = 2; /* the delimiter of the last record: no padding follows */
    int len = 0, delimiter_len = 0, end_len = 0;
    bool is_ok = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
                 EVP_EncryptUpdate(ctx, out, &len, (const unsigned char *)plain.at, (int)plain.len) == 1 &&
                 EVP_EncryptUpdate(ctx, out + len, &delimiter_len, &last_record, 1) == 1 &&
                 EVP_EncryptFinal_ex(ctx, out + len + delimiter_len, &end_len) == 1 &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, out + len + delimiter_len + end_len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return is_ok;
}

enum status crypto_webpush(struct slice plain, const unsigned char p256dh[PUSH_PUBLIC_KEY_LEN],
                           const unsigned char auth[PUSH_AUTH_LEN], const struct crypto_key *sender,
                           const unsigned char *salt, unsigned char *buf, size_t buf_size, size_t *ret_len)
{
    struct crypto_key *fresh = NULL;
    unsigned char secret[COORDINATE_LEN], key[HASH_LEN], nonce[HASH_LEN];
    unsigned char *own = buf + CRYPTO_SALT_LEN + 5;
    if (plain.len > RECORD_BYTES - 1 - TAG_LEN || buf_size < plain.len + CRYPTO_WEBPUSH_OVERHEAD)
        return STATUS_TOO_LARGE;
    enum status status = sender == NULL ? crypto_key_make(&fresh) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    status = STATUS_INTERNAL;
    if (salt != NULL)
        memcpy(buf, salt, CRYPTO_SALT_LEN);
    else if (RAND_bytes(buf, CRYPTO_SALT_LEN) != 1)
        goto out;
    memcpy(buf + CRYPTO_SALT_LEN, (const unsigned char[]){0, 0, RECORD_BYTES >> 8, 0, PUSH_PUBLIC_KEY_LEN}, 5);
    if (crypto_key_public(sender == NULL ? fresh : sender, own) != STATUS_OK)
        goto out;
    if (!agree(sender == NULL ? fresh : sender, p256dh, secret)) {
        status = STATUS_MALFORMED;
        goto out;
    }
    if (!content_keys(secret, auth, p256dh, own, buf, key, nonce) ||
        !seal(key, nonce, plain, own + PUSH_PUBLIC_KEY_LEN))
        goto out;
    *ret_len = plain.len + CRYPTO_WEBPUSH_OVERHEAD;
    status = STATUS_OK;
out:
    ERR_clear_error();
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(key, sizeof key);
    crypto_key_free(fresh);
    return status;
}

enum status crypto_hmac_hex(struct slice key, const struct slice parts[], size_t parts_len,
                            char ret_hex[CRYPTO_HMAC_HEX_LEN + 1])
{
    unsigned char mac[HASH_LEN];
    size_t len = sizeof mac;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *type = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = type == NULL ? NULL : EVP_MAC_CTX_new(type);
    bool is_ok = ctx != NULL && EVP_MAC_init(ctx, (const unsigned char *)key.at, key.len, params) == 1;
    for (size_t i = 0; is_ok && i < parts_len; i++)
        is_ok = EVP_MAC_update(ctx, (const unsigned char *)parts[i].at, parts[i].len) == 1;
    is_ok = is_ok && EVP_MAC_final(ctx, mac, &len, sizeof mac) == 1 && len == sizeof mac;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(type);
    if (!is_ok)
        return STATUS_INTERNAL;
    (void)sodium_bin2hex(ret_hex, CRYPTO_HMAC_HEX_LEN + 1, mac, sizeof mac); /* returns ret_hex */
    return STATUS_OK;
}
