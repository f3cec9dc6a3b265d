#include "token.h"
#include "token_jws.h"
#include "json.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <string.h>

/* Base64url without padding, in the one spelling that encoding gives. */
static bool base64url_decode(struct slice text, unsigned char *buf, size_t buf_size, size_t *ret_len)
{
    char again[LIMIT_TOKEN_LEN + 4];
    size_t len;
    const char *end;
    if (text.len == 0 || text.len > LIMIT_TOKEN_LEN ||
        sodium_base642bin(buf, buf_size, text.at, text.len, NULL, &len, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != text.at + text.len)
        return false;
    (void)sodium_bin2base64(again, sizeof again, buf, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (strlen(again) != text.len || memcmp(again, text.at, text.len) != 0)
        return false;
    *ret_len = len;
    return true;
}

/* Exactly three parts with dots between. */
static bool parts_split(struct slice token, struct slice ret_parts[3])
{
    for (int i = 0; i < 3; i++) {
        const char *dot = token.len > 0 ? memchr(token.at, '.', token.len) : NULL;
        if ((dot == NULL) != (i == 2))
            return false;
        size_t len = dot != NULL ? (size_t)(dot - token.at) : token.len;
        ret_parts[i] = (struct slice){token.at, len};
        token.at += len + (dot != NULL);
        token.len -= len + (dot != NULL);
    }
    return true;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The header says how it is signed. "crit" names what must be understood (RFC 7515, 4.1.11): we understand nothing
 * more. */
static enum status header_read(struct slice text, struct token_jws *jws)
{
    cJSON *header;
    enum status status = json_parse(text, true, &header);
    if (status != STATUS_OK)
        return status;
    const cJSON *alg = member(header, "alg"), *kid = member(header, "kid"), *typ = member(header, "typ");
    status = STATUS_MALFORMED;
    if (!cJSON_IsObject(header) || !cJSON_IsString(alg) || strcmp(alg->valuestring, "EdDSA") != 0 ||
        member(header, "crit") != NULL || (typ != NULL && !cJSON_IsString(typ)) ||
        (kid != NULL && !cJSON_IsString(kid)))
        goto out;
    jws->has_kid = kid != NULL;
    if (kid != NULL) {
        size_t len = strlen(kid->valuestring);
        status = STATUS_DENIED;
        if (len == 0 || len > LIMIT_KID_LEN) /* no key is called that */
            goto out;
        memcpy(jws->kid, kid->valuestring, len + 1);
    }
    status = STATUS_OK;
out:
    cJSON_Delete(header);
    return status;
}

enum status token_jws_open(struct slice token, struct token_jws *ret_jws)
{
    struct slice parts[3];
    struct token_jws jws = {0};
    unsigned char header[TOKEN_PART_BYTES];
    size_t header_len, signature_len;
    if (token.len > LIMIT_TOKEN_LEN || !parts_split(token, parts) ||
        !base64url_decode(parts[0], header, sizeof header, &header_len) ||
        !base64url_decode(parts[1], jws.payload, sizeof jws.payload, &jws.payload_len) ||
        !base64url_decode(parts[2], jws.signature, sizeof jws.signature, &signature_len) ||
        signature_len != TOKEN_SIGNATURE_BYTES)
        return STATUS_MALFORMED;
    enum status status = header_read((struct slice){(const char *)header, header_len}, &jws);
    if (status != STATUS_OK)
        return status;
    jws.signed_text = (struct slice){token.at, parts[0].len + 1 + parts[1].len};
    *ret_jws = jws;
    return STATUS_OK;
}

bool token_jws_is_signed(const struct token_jws *jws, const unsigned char public_key[TOKEN_PUBLIC_KEY_BYTES])
{
    return crypto_sign_verify_detached(jws->signature, (const unsigned char *)jws->signed_text.at, jws->signed_text.len,
                                       public_key) == 0;
}

static bool is_signed_by_known(const struct token_jws *jws, const struct token_key keys[], size_t keys_len)
{
    for (size_t i = 0; i < keys_len; i++)
        if ((!jws->has_kid || strcmp(keys[i].kid, jws->kid) == 0) && token_jws_is_signed(jws, keys[i].public_key))
            return true;
    return false;
}

/* Where this token's digest is when it was seen, and the digest. NULL: nothing is remembered. */
static unsigned char *seen_at(const struct token_seen *seen, struct slice token,
                              unsigned char ret_digest[TOKEN_DIGEST_BYTES])
{
    uint32_t place;
    if (seen == NULL || seen->digests_len == 0 ||
        crypto_generichash(ret_digest, TOKEN_DIGEST_BYTES, (const unsigned char *)token.at, token.len, seen->secret,
                           sizeof seen->secret) != 0)
        return NULL;
    memcpy(&place, ret_digest, sizeof place);
    return seen->digests[place & (seen->digests_len - 1)];
}

static bool is_signed(struct slice token, const struct token_jws *jws, const struct token_key keys[], size_t keys_len,
                      struct token_seen *seen)
{
    unsigned char digest[TOKEN_DIGEST_BYTES], *at = seen_at(seen, token, digest);
    if (at != NULL && sodium_memcmp(at, digest, sizeof digest) == 0)
        return true;
    if (!is_signed_by_known(jws, keys, keys_len))
        return false;
    if (at != NULL)
        memcpy(at, digest, sizeof digest);
    return true;
}

/* A claim that is a time: whole seconds, not negative; json_parse has let through integers only. */
static bool time_read(const cJSON *claim, int64_t *ret_at_s)
{
    if (!cJSON_IsNumber(claim) || claim->valuedouble < 0)
        return false;
    *ret_at_s = (int64_t)claim->valuedouble;
    return true;
}

static bool name_read(const cJSON *claim, bool (*is_name)(struct slice), char *buf)
{
    if (!cJSON_IsString(claim) || !is_name(slice_of(claim->valuestring)))
        return false;
    memcpy(buf, claim->valuestring, strlen(claim->valuestring) + 1);
    return true;
}

static enum status claims_read(struct slice text, int64_t *ret_not_before_s, struct token_claims *ret_claims)
{
    cJSON *payload;
    struct token_claims claims = {0};
    int64_t not_before_s = 0;
    enum status status = json_parse(text, true, &payload);
    if (status != STATUS_OK)
        return status;
    const cJSON *nbf = member(payload, "nbf");
    status = STATUS_MALFORMED;
    if (cJSON_IsObject(payload) && name_read(member(payload, "sub"), name_is_user, claims.user) &&
        name_read(member(payload, "dev"), name_is_device, claims.device) &&
        time_read(member(payload, "iat"), &claims.issued_at_s) &&
        time_read(member(payload, "exp"), &claims.expires_at_s) && (nbf == NULL || time_read(nbf, &not_before_s))) {
        *ret_claims = claims;
        *ret_not_before_s = not_before_s;
        status = STATUS_OK;
    }
    cJSON_Delete(payload);
    return status;
}

enum status token_verify(struct slice token, const struct token_key keys[], size_t keys_len, int64_t now_s,
                         struct token_claims *ret_claims)
{
    return token_verify_again(token, keys, keys_len, NULL, now_s, ret_claims);
}

enum status token_verify_again(struct slice token, const struct token_key keys[], size_t keys_len,
                               struct token_seen *seen, int64_t now_s, struct token_claims *ret_claims)
{
    struct token_jws jws;
    struct token_claims claims;
    int64_t not_before_s;
    enum status status = token_jws_open(token, &jws);
    if (status != STATUS_OK)
        return status;
    if (!is_signed(token, &jws, keys, keys_len, seen))
        return STATUS_DENIED; /* before a look at the claims: nobody vouches for them */
    status = claims_read((struct slice){(const char *)jws.payload, jws.payload_len}, &not_before_s, &claims);
    if (status != STATUS_OK)
        return status;
    if (claims.expires_at_s <= now_s)
        return STATUS_EXPIRED;
    if (claims.issued_at_s - LIMIT_CLOCK_SKEW_S > now_s || not_before_s - LIMIT_CLOCK_SKEW_S > now_s)
        return STATUS_DENIED;
    *ret_claims = claims;
    return STATUS_OK;
}

/* ---- the public keys file ---- */
static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next run of non-blanks; empty at the end. */
static struct slice word_next(struct slice *line)
{
    while (line->len > 0 && is_blank(line->at[0])) {
        line->at++;
        line->len--;
    }
    struct slice word = {line->at, 0};
    while (word.len < line->len && !is_blank(word.at[word.len]))
        word.len++;
    line->at += word.len;
    line->len -= word.len;
    return word;
}

static bool is_kid(struct slice kid)
{
    for (size_t i = 0; i < kid.len; i++) {
        char byte = kid.at[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && !(byte >= '0' && byte <= '9') &&
            byte != '.' && byte != '_' && byte != '-')
            return false;
    }
    return kid.len > 0 && kid.len <= LIMIT_KID_LEN;
}

static bool key_parse(struct slice kid, struct slice encoded, struct token_key *ret_key)
{
    struct token_key key = {0};
    size_t len;
    if (!is_kid(kid) || !base64url_decode(encoded, key.public_key, sizeof key.public_key, &len) ||
        len != TOKEN_PUBLIC_KEY_BYTES)
        return false;
    memcpy(key.kid, kid.at, kid.len);
    *ret_key = key;
    return true;
}

static bool is_known(struct slice kid, const struct token_key keys[], size_t keys_len)
{
    for (size_t i = 0; i < keys_len; i++)
        if (slice_equal(kid, slice_of(keys[i].kid)))
            return true;
    return false;
}

enum status token_keys_parse(struct slice text, struct token_key keys[LIMIT_KEYS], size_t *ret_keys_len, int *ret_line)
{
    size_t keys_len = 0;
    for (int number = 1; text.len > 0; number++) {
        const char *newline = memchr(text.at, '\n', text.len);
        struct slice line = {text.at, newline != NULL ? (size_t)(newline - text.at) : text.len};
        text.at += line.len + (newline != NULL);
        text.len -= line.len + (newline != NULL);
        const char *comment = line.len > 0 ? memchr(line.at, '#', line.len) : NULL;
        if (comment != NULL)
            line.len = (size_t)(comment - line.at);
        struct slice kid = word_next(&line), encoded = word_next(&line), more = word_next(&line);
        if (kid.len == 0)
            continue;
        struct token_key key;
        if (more.len > 0 || !key_parse(kid, encoded, &key) || is_known(kid, keys, keys_len)) {
            *ret_line = number;
            return STATUS_MALFORMED;
        }
        if (keys_len == LIMIT_KEYS)
            return STATUS_TOO_LARGE;
        keys[keys_len++] = key;
    }
    *ret_keys_len = keys_len;
    return STATUS_OK;
}
