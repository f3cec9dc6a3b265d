#include "admit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "frame.h"
#include "small_file.h"

#define FILE_BYTES_MAX (32 * 1024) /* LIMIT_KEYS lines and as many comments */

static enum status keys_load(struct admit *admit, const char *path, char *buf, char *why, size_t why_size)
{
    size_t len;
    int line = 0;
    enum status status = small_file_read(path, buf, FILE_BYTES_MAX, &len, why, why_size);
    if (status != STATUS_OK)
        return status;
    status = token_keys_parse((struct slice){buf, len}, admit->keys, &admit->keys_len, &line);
    if (status == STATUS_TOO_LARGE)
        (void)snprintf(why, why_size, "%s holds more than %d keys", path, LIMIT_KEYS);
    else if (status != STATUS_OK)
        (void)snprintf(why, why_size, "%s line %d is no \"<kid> <public key>\"", path, line);
    if (status == STATUS_OK && admit->keys_len == 0) {
        (void)snprintf(why, why_size, "%s holds no key", path);
        status = STATUS_MALFORMED;
    }
    return status;
}

static enum status secret_load(struct admit *admit, const char *path, char *buf, char *why, size_t why_size)
{
    size_t len;
    enum status status = small_file_read(path, buf, FILE_BYTES_MAX, &len, why, why_size);
    if (status != STATUS_OK)
        return status;
    while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
        len--;
    if (len < ADMIT_SECRET_LEN_MIN || len > ADMIT_SECRET_LEN_MAX || memchr(buf, '\0', len) != NULL) {
        (void)snprintf(why, why_size, "%s is no link secret: one line of %d to %d characters", path,
                       ADMIT_SECRET_LEN_MIN, ADMIT_SECRET_LEN_MAX);
        return STATUS_MALFORMED;
    }
    memcpy(admit->link_secret, buf, len);
    admit->link_secret_len = len;
    return STATUS_OK;
}

/* Without the memory every token is checked each time. */
static void seen_make(struct token_seen *seen)
{
    randombytes_buf(seen->secret, sizeof seen->secret);
    seen->digests = calloc(ADMIT_TOKENS_SEEN, sizeof seen->digests[0]);
    seen->digests_len = seen->digests != NULL ? ADMIT_TOKENS_SEEN : 0;
}

enum status admit_load(struct admit *admit, const char *keys_file, const char *link_secret_file, char *why,
                       size_t why_size)
{
    char buf[FILE_BYTES_MAX];
    struct admit loaded = {.keys_len = 0};
    enum status status = keys_load(&loaded, keys_file, buf, why, why_size);
    if (status == STATUS_OK)
        status = secret_load(&loaded, link_secret_file, buf, why, why_size);
    if (status == STATUS_OK) {
        seen_make(&loaded.seen);
        free(admit->seen.digests);
        *admit = loaded;
    }
    sodium_memzero(&loaded, sizeof loaded);
    sodium_memzero(buf, sizeof buf);
    return status;
}

void admit_done(struct admit *admit)
{
    free(admit->seen.digests);
    sodium_memzero(admit, sizeof *admit);
}

bool admit_is_service_request(const struct admit_request *request)
{
    return request->user_name != NULL && strcmp(request->user_name, FRAME_SERVICE_USER) == 0;
}

enum status admit_service(const struct admit *admit, const struct admit_request *request)
{
    size_t prefix_len = sizeof ADMIT_SERVICE_PREFIX - 1;
    if (request->client_id == NULL || request->password == NULL || admit->link_secret_len == 0 ||
        strncmp(request->client_id, ADMIT_SERVICE_PREFIX, prefix_len) != 0 ||
        !name_is_group(slice_of(request->client_id + prefix_len)))
        return STATUS_DENIED;
    if (strlen(request->password) != admit->link_secret_len ||
        sodium_memcmp(request->password, admit->link_secret, admit->link_secret_len) != 0)
        return STATUS_DENIED;
    return STATUS_OK;
}

bool admit_is_revoked(const struct revoked *revoked, struct slice user, struct slice client_id, int64_t issued_at_s)
{
    return issued_at_s < revoked_valid_after(revoked, user) || issued_at_s < revoked_valid_after(revoked, client_id);
}

enum status admit_device(struct admit *admit, const struct revoked *revoked, const struct admit_request *request,
                         int64_t now_s, struct token_claims *ret_claims, const char **ret_why)
{
    struct slice user, device;
    struct token_claims claims;
    if (request->client_id == NULL || client_id_parse(slice_of(request->client_id), &user, &device) != STATUS_OK) {
        *ret_why = "client-id-malformed";
        return STATUS_DENIED;
    }
    if (request->user_name == NULL || !slice_equal(slice_of(request->user_name), user)) {
        *ret_why = "user-name-differs";
        return STATUS_DENIED;
    }
    if (request->password == NULL) {
        *ret_why = "token-missing";
        return STATUS_DENIED;
    }
    enum status status =
        token_verify_again(slice_of(request->password), admit->keys, admit->keys_len, &admit->seen, now_s, &claims);
    if (status != STATUS_OK) {
        *ret_why = status == STATUS_EXPIRED     ? "token-expired"
                   : status == STATUS_MALFORMED ? "token-malformed"
                   : status == STATUS_DENIED    ? "token-signature"
                                                : status_name(status);
        return status == STATUS_NO_MEMORY ? status : STATUS_DENIED;
    }
    if (!slice_equal(slice_of(claims.user), user) || !slice_equal(slice_of(claims.device), device)) {
        *ret_why = "token-of-another-device";
        return STATUS_DENIED;
    }
    if (admit_is_revoked(revoked, user, slice_of(request->client_id), claims.issued_at_s)) {
        *ret_why = "token-revoked";
        return STATUS_DENIED;
    }
    *ret_claims = claims;
    return STATUS_OK;
}
