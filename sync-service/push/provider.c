#include "provider.h"
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_BYTES_MAX   65536
#define BACKOFF_FIRST_MS 2000
#define BACKOFF_MAX_MS   (15 * 60 * 1000)

const struct push_provider_type *const push_provider_types[PUSH_PROVIDERS] = {&push_apns, &push_fcm, &push_webpush,
                                                                              &push_webhook};

/* ---- requests ---- */
static bool print(char *at, size_t room, const char *format, va_list list)
{
    int len = vsnprintf(at, room, format, list);
    return len >= 0 && (size_t)len < room;
}

enum status push_request_begin(struct push_request *request, struct slice base, const char *format, ...)
{
    request->headers_len = 0;
    request->body_len = 0;
    request->credential_ms = 0;
    if (base.len >= sizeof request->url)
        return STATUS_TOO_LARGE;
    memcpy(request->url, base.at, base.len);
    va_list list;
    va_start(list, format);
    bool fits = print(request->url + base.len, sizeof request->url - base.len, format, list);
    va_end(list);
    return fits ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status push_request_header(struct push_request *request, const char *name, const char *format, ...)
{
    char *at = request->headers + request->headers_len;
    size_t room = sizeof request->headers - request->headers_len, name_len = strlen(name);
    if (name_len + 3 > room)
        return STATUS_TOO_LARGE;
    (void)snprintf(at, room, "%s: ", name); /* fits */
    va_list list;
    va_start(list, format);
    bool fits = print(at + name_len + 2, room - name_len - 2, format, list);
    va_end(list);
    if (!fits)
        return STATUS_TOO_LARGE;
    for (const char *c = at; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return STATUS_MALFORMED;
    request->headers_len += strlen(at) + 1;
    return STATUS_OK;
}

enum status push_request_body(struct push_request *request, struct slice body)
{
    if (body.len > sizeof request->body)
        return STATUS_TOO_LARGE;
    memcpy(request->body, body.at, body.len);
    request->body_len = body.len;
    return STATUS_OK;
}

/* ---- verdicts ---- */
void push_verdict_set(struct push_verdict *verdict, enum push_outcome outcome, struct slice reason)
{
    *verdict = (struct push_verdict){.outcome = outcome, .after_ms = -1};
    size_t len = reason.len < PUSH_REASON_LEN ? reason.len : PUSH_REASON_LEN - 1;
    for (size_t i = 0; i < len; i++)
        verdict->reason[i] = reason.at[i] > ' ' && reason.at[i] < 0x7f ? reason.at[i] : '_';
}

bool push_verdict_is_understood(const struct push_verdict *verdict)
{
    return verdict->outcome == PUSH_SENT || verdict->outcome == PUSH_GONE || verdict->outcome == PUSH_FAILED ||
           (verdict->outcome == PUSH_REFUSED && !verdict->is_key_refusal);
}

void push_verdict_common(const struct push_response *response, struct push_verdict *ret_verdict)
{
    char text[PUSH_REASON_LEN];
    if (response->was_forbidden) {
        push_verdict_set(ret_verdict, PUSH_REFUSED, SLICE("address-not-public"));
    } else if (response->status == 0) {
        push_verdict_set(ret_verdict, PUSH_RETRY,
                         slice_of(response->failure == NULL ? "no-answer" : response->failure));
        ret_verdict->pauses = true;
    } else {
        (void)snprintf(text, sizeof text, "http-%d", response->status); /* always fits */
        bool is_temporary = response->status >= 500 || response->status == 429 || response->status == 408;
        push_verdict_set(ret_verdict, is_temporary ? PUSH_RETRY : PUSH_FAILED, slice_of(text));
        ret_verdict->after_ms = response->retry_after_ms;
        ret_verdict->pauses = is_temporary;
    }
}

const char *push_outcome_name(enum push_outcome outcome)
{
    static const char *const names[] = {"sent", "retry", "renew", "gone", "refused", "failed", "stopped"};
    return names[outcome];
}

/* ---- what they share ---- */
void push_collapse_id(int64_t device_id, char ret_id[PUSH_COLLAPSE_LEN + 1])
{
    char text[64];
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)snprintf(text, sizeof text, "gnatter push %lld", (long long)device_id); /* fits */
    (void)crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));    /* cannot fail */
    (void)sodium_bin2base64(ret_id, PUSH_COLLAPSE_LEN + 1, hash, PUSH_COLLAPSE_LEN * 3 / 4,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING); /* returns ret_id */
}

char *push_file_read(const char *path, size_t *ret_len, char error[PUSH_ERROR_LEN])
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL)
        text = malloc(FILE_BYTES_MAX + 1);
    if (text != NULL)
        len = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (file == NULL || text == NULL || ferror(file) || len > FILE_BYTES_MAX) {
        (void)snprintf(error, PUSH_ERROR_LEN, "%s: %s", path, len > FILE_BYTES_MAX ? "too long" : strerror(errno));
        push_file_free(text, len > FILE_BYTES_MAX ? FILE_BYTES_MAX : len);
        text = NULL;
    } else {
        text[len] = '\0';
        *ret_len = len;
    }
    if (file != NULL)
        (void)fclose(file); /* only read from */
    return text;
}

void push_file_free(char *text, size_t len)
{
    if (text != NULL)
        sodium_memzero(text, len);
    free(text);
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
}

enum status push_origin(struct slice url, bool takes_http, char ret_origin[PUSH_ORIGIN_LEN])
{
    size_t scheme_len = 0;
    if (url.len > 8 && strncasecmp(url.at, "https://", 8) == 0)
        scheme_len = 8;
    else if (takes_http && url.len > 7 && strncasecmp(url.at, "http://", 7) == 0)
        scheme_len = 7;
    if (scheme_len == 0)
        return STATUS_MALFORMED;
    for (size_t i = 0; i < url.len; i++)
        if (url.at[i] <= ' ' || url.at[i] >= 0x7f || url.at[i] == '\\' || url.at[i] == '#')
            return STATUS_MALFORMED;
    size_t end = scheme_len;
    while (end < url.len && url.at[end] != '/' && url.at[end] != '?')
        end++;
    if (end == scheme_len || end >= PUSH_ORIGIN_LEN)
        return STATUS_MALFORMED;
    char origin[PUSH_ORIGIN_LEN] = {0};
    for (size_t i = 0; i < end; i++) {
        char c = url.at[i];
        origin[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (i >= scheme_len && !is_host_byte(origin[i])) /* a user part too: it has an '@' */
            return STATUS_MALFORMED;
    }
    memcpy(ret_origin, origin, sizeof origin);
    return STATUS_OK;
}

int64_t push_backoff_ms(int attempt, uint32_t random)
{
    int64_t base_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < attempt && base_ms < BACKOFF_MAX_MS; i++)
        base_ms *= 2;
    if (base_ms > BACKOFF_MAX_MS)
        base_ms = BACKOFF_MAX_MS;
    return base_ms / 2 + base_ms * (int64_t)(random % 1024) / 1024;
}
