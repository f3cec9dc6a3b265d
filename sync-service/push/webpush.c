/*
 * Web Push and UnifiedPush: the device names an endpoint (RFC 8030), for which the wake-up is encrypted (RFC 8291,
 * 8188) and which knows us by our key (VAPID, RFC 8292). What an endpoint answers counts for its own registration only:
 * anybody may run one.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto.h"
#include "payload.h"

#define VAPID_S         (12 * 3600) /* at most 24 h */
#define VAPID_RENEW_MS  (6 * 3600 * 1000LL)
#define ORIGINS         64 /* whose tokens are kept; push services are few */
#define JWT_BYTES       1024
#define SUBJECT_LEN     256
#define PLAIN_BYTES     3993 /* RFC 8291, 4: a push service takes 4096 bytes */
#define PAD_TO          128  /* so that the length tells little */
#define PUBLIC_TEXT_LEN 87

struct vapid {
    char origin[PUSH_ORIGIN_LEN];
    char jwt[JWT_BYTES];
    int64_t made_ms, used_ms;
};
struct push_provider {
    const struct push_options *options;
    struct crypto_key *key;
    char public_key[PUBLIC_TEXT_LEN + 1];
    struct vapid vapids[ORIGINS];
};

static bool webpush_is_configured(const struct push_options *options)
{
    return options->webpush_key_file[0] != '\0';
}

static bool is_subject(const char *subject)
{
    if (strncmp(subject, "mailto:", 7) != 0 && strncmp(subject, "https://", 8) != 0)
        return false;
    if (strlen(subject) > SUBJECT_LEN)
        return false;
    for (const char *c = subject; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
            return false;
    return true;
}

static void webpush_close(struct push_provider *webpush)
{
    if (webpush != NULL)
        crypto_key_free(webpush->key);
    free(webpush);
}

static enum status webpush_open(const struct push_options *options, struct push_provider **ret_provider,
                                char error[PUSH_ERROR_LEN])
{
    unsigned char point[PUSH_PUBLIC_KEY_LEN];
    size_t len;
    if (!is_subject(options->webpush_subject)) {
        (void)snprintf(error, PUSH_ERROR_LEN, "push_webpush_subject is no mailto: or https: address");
        return STATUS_MALFORMED;
    }
    char *pem = push_file_read(options->webpush_key_file, &len, error);
    if (pem == NULL)
        return STATUS_NOT_FOUND;
    struct push_provider *webpush = calloc(1, sizeof *webpush);
    enum status status = webpush == NULL ? STATUS_NO_MEMORY : crypto_key_read((struct slice){pem, len}, &webpush->key);
    push_file_free(pem, len);
    if (status == STATUS_OK)
        status = crypto_key_is_rsa(webpush->key) ? STATUS_MALFORMED : crypto_key_public(webpush->key, point);
    if (status != STATUS_OK) {
        webpush_close(webpush);
        (void)snprintf(error, PUSH_ERROR_LEN, "%s: no P-256 private key", options->webpush_key_file);
        return status;
    }
    (void)sodium_bin2base64(webpush->public_key, sizeof webpush->public_key, point, sizeof point,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING); /* returns its first argument */
    webpush->options = options;
    *ret_provider = webpush;
    return STATUS_OK;
}

static const char *webpush_public_key(const struct push_provider *webpush)
{
    return webpush->public_key;
}

/* ---- VAPID ---- */
/* The slot of this origin, or the one that was not used for the longest time. */
static struct vapid *vapid_slot(struct push_provider *webpush, const char *origin)
{
    struct vapid *oldest = &webpush->vapids[0];
    for (size_t i = 0; i < ORIGINS; i++) {
        struct vapid *vapid = &webpush->vapids[i];
        if (strcmp(vapid->origin, origin) == 0)
            return vapid;
        if (vapid->used_ms < oldest->used_ms)
            oldest = vapid;
    }
    *oldest = (struct vapid){.made_ms = 0};
    memcpy(oldest->origin, origin, PUSH_ORIGIN_LEN);
    return oldest;
}

static enum status vapid_make(struct push_provider *webpush, struct slice endpoint, int64_t now_ms,
                              struct vapid **ret_vapid)
{
    char origin[PUSH_ORIGIN_LEN], claims[PUSH_ORIGIN_LEN + SUBJECT_LEN + 96];
    enum status status = push_origin(endpoint, false, origin);
    if (status != STATUS_OK)
        return status;
    struct vapid *vapid = vapid_slot(webpush, origin);
    vapid->used_ms = now_ms;
    *ret_vapid = vapid;
    if (vapid->made_ms != 0 && now_ms >= vapid->made_ms && now_ms - vapid->made_ms < VAPID_RENEW_MS)
        return STATUS_OK;
    (void)snprintf(claims, sizeof claims, "{\"aud\":\"%s\",\"exp\":%" PRId64 ",\"sub\":\"%s\"}", origin,
                   now_ms / 1000 + VAPID_S, webpush->options->webpush_subject); /* fits: both have their limits */
    status = crypto_jwt(webpush->key, SLICE("{\"typ\":\"JWT\",\"alg\":\"ES256\"}"), slice_of(claims), vapid->jwt,
                        sizeof vapid->jwt);
    vapid->made_ms = status == STATUS_OK ? now_ms : 0;
    return status;
}

/* ---- requests ---- */
static enum status body_put(const struct push_wake *wake, struct push_request *request)
{
    unsigned char sealed[PLAIN_BYTES + CRYPTO_WEBPUSH_OVERHEAD];
    size_t len;
    enum status status = payload_print(payload_object(wake, false), PUSH_PAYLOAD_BYTES, request);
    if (status != STATUS_OK)
        return status;
    while (request->body_len % PAD_TO != 0) /* blanks after the JSON; apps need not know of padding */
        request->body[request->body_len++] = ' ';
    status = crypto_webpush((struct slice){(const char *)request->body, request->body_len}, wake->p256dh, wake->auth,
                            NULL, NULL, sealed, sizeof sealed, &len);
    return status == STATUS_OK ? push_request_body(request, (struct slice){(const char *)sealed, len}) : status;
}

static enum status headers_put(const struct push_provider *webpush, const struct push_wake *wake,
                               const struct vapid *vapid, int64_t now_ms, struct push_request *request)
{
    char topic[PUSH_COLLAPSE_LEN + 1];
    int64_t ttl_s = (wake->expires_ms - now_ms) / 1000;
    push_collapse_id(wake->device_id, topic);
    enum status status =
        push_request_header(request, "authorization", "vapid t=%s, k=%s", vapid->jwt, webpush->public_key);
    if (status == STATUS_OK)
        status = push_request_header(request, "content-type", "application/octet-stream");
    if (status == STATUS_OK)
        status = push_request_header(request, "content-encoding", "aes128gcm");
    if (status == STATUS_OK)
        status = push_request_header(request, "ttl", "%" PRId64, ttl_s < 0 ? 0 : ttl_s);
    if (status == STATUS_OK)
        status = push_request_header(request, "urgency", "%s", wake->shows ? "high" : "normal");
    return status == STATUS_OK ? push_request_header(request, "topic", "%s", topic) : status;
}

static enum status webpush_request(struct push_provider *webpush, const struct push_wake *wake, int64_t now_ms,
                                   struct push_request *request, struct push_verdict *ret_verdict)
{
    struct vapid *vapid;
    enum status status = vapid_make(webpush, wake->endpoint, now_ms, &vapid);
    if (status == STATUS_OK)
        status = push_request_begin(request, wake->endpoint, "%s", "");
    if (status == STATUS_OK)
        status = headers_put(webpush, wake, vapid, now_ms, request);
    if (status == STATUS_OK)
        status = body_put(wake, request);
    if (status == STATUS_MALFORMED) /* the address or the key is not what it should be */
        push_verdict_set(ret_verdict, PUSH_REFUSED, SLICE("subscription-malformed"));
    else if (status != STATUS_OK)
        push_verdict_set(ret_verdict, PUSH_FAILED, slice_of(status_name(status)));
    return status;
}

static void webpush_verdict(struct push_provider *webpush, const struct push_response *response, int64_t now_ms,
                            struct push_verdict *ret_verdict)
{
    (void)webpush, (void)now_ms;
    push_verdict_common(response, ret_verdict);
    char reason[PUSH_REASON_LEN];
    memcpy(reason, ret_verdict->reason, sizeof reason);
    switch (response->status) {
    case 200:
    case 201:
    case 202:
    case 204:
        push_verdict_set(ret_verdict, PUSH_SENT, SLICE("sent"));
        break;
    case 404:
    case 410:
        push_verdict_set(ret_verdict, PUSH_GONE, slice_of(reason));
        break;
    case 401:
    case 403: /* to this push service the subscription is not of our key */
        push_verdict_set(ret_verdict, PUSH_REFUSED, slice_of(reason));
        ret_verdict->is_key_refusal = true;
        break;
    default:
        if (response->status >= 300 && response->status < 400) /* not followed: it leads where nobody has looked */
            push_verdict_set(ret_verdict, PUSH_REFUSED, slice_of(reason));
        else if (response->status == 429)
            ret_verdict->pauses = false; /* RFC 8030, 8.4: it may be about this subscription only */
    }
}

static const char *const serves[] = {"webpush", "unifiedpush", NULL};
const struct push_provider_type push_webpush = {
    .name = "webpush",
    .serves = serves,
    .is_foreign = true,
    .is_configured = webpush_is_configured,
    .open = webpush_open,
    .close = webpush_close,
    .public_key = webpush_public_key,
    .request = webpush_request,
    .verdict = webpush_verdict,
};
