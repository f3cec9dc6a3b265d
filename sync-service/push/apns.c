/*
 * Apple Push Notification service: HTTP/2, a provider token of our own (ES256), one request per wake-up.
 * The one provider token serves all streams: Apple refuses one older than an hour and a second one within 20 minutes.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto.h"
#include "payload.h"

#define TOKEN_RENEW_MS     (40 * 60 * 1000)
#define TOKEN_YOUNG_MS     (20 * 60 * 1000)
#define UPDATES_WAIT_MS    (5 * 60 * 1000)
#define JWT_BYTES          512
#define APNS_PAYLOAD_BYTES 4096
#define ID_LEN             10 /* of Apple's key and team identifiers */
#define TOPIC_LEN          128

struct push_provider {
    const struct push_options *options;
    struct crypto_key *key;
    char jwt[JWT_BYTES];
    int64_t jwt_made_ms; /* 0: none */
};

static bool apns_is_configured(const struct push_options *options)
{
    return options->apns_key_file[0] != '\0';
}

static bool is_apple_id(const char *text)
{
    return strlen(text) == ID_LEN && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ID_LEN;
}

static enum status options_check(const struct push_options *options, char error[PUSH_ERROR_LEN])
{
    char origin[PUSH_ORIGIN_LEN];
    const char *wrong = NULL;
    if (!is_apple_id(options->apns_key_id))
        wrong = "push_apns_key_id is not the 10 characters that Apple gives a key";
    else if (!is_apple_id(options->apns_team_id))
        wrong = "push_apns_team_id is not the 10 characters that Apple gives a team";
    else if (options->apns_topics[0] == '\0')
        wrong = "push_apns_topics names no app (its bundle id)";
    else if (push_origin(slice_of(options->apns_url), false, origin) != STATUS_OK ||
             push_origin(slice_of(options->apns_sandbox_url), false, origin) != STATUS_OK)
        wrong = "push_apns_url or push_apns_sandbox_url is no https address";
    if (wrong != NULL)
        (void)snprintf(error, PUSH_ERROR_LEN, "%s", wrong); /* cut if need be */
    return wrong == NULL ? STATUS_OK : STATUS_MALFORMED;
}

static enum status apns_open(const struct push_options *options, struct push_provider **ret_provider,
                             char error[PUSH_ERROR_LEN])
{
    struct crypto_key *key = NULL;
    size_t len;
    enum status status = options_check(options, error);
    if (status != STATUS_OK)
        return status;
    char *pem = push_file_read(options->apns_key_file, &len, error);
    if (pem == NULL)
        return STATUS_NOT_FOUND;
    status = crypto_key_read((struct slice){pem, len}, &key);
    push_file_free(pem, len);
    if (status == STATUS_OK && crypto_key_is_rsa(key))
        status = STATUS_MALFORMED;
    struct push_provider *provider = status == STATUS_OK ? calloc(1, sizeof *provider) : NULL;
    if (provider == NULL) {
        crypto_key_free(key);
        (void)snprintf(error, PUSH_ERROR_LEN, "%s: no P-256 private key (Apple's .p8)", options->apns_key_file);
        return status == STATUS_OK ? STATUS_NO_MEMORY : status;
    }
    provider->options = options;
    provider->key = key;
    *ret_provider = provider;
    return STATUS_OK;
}

static void apns_close(struct push_provider *provider)
{
    if (provider != NULL)
        crypto_key_free(provider->key);
    free(provider);
}

static bool apns_is_same(const struct push_provider *a, const struct push_provider *b)
{
    return crypto_key_equal(a->key,
                            b->key); /* its id and the team's are the configuration's, which only a restart changes */
}

static enum status jwt_renew(struct push_provider *apns, int64_t now_ms)
{
    char header[64], claims[96];
    int64_t age_ms = now_ms - apns->jwt_made_ms;
    if (apns->jwt_made_ms != 0 && age_ms >= 0 && age_ms < TOKEN_RENEW_MS)
        return STATUS_OK;
    (void)snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", apns->options->apns_key_id);
    (void)snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"iat\":%" PRId64 "}", apns->options->apns_team_id,
                   now_ms / 1000); /* both fit: the identifiers have 10 characters */
    enum status status = crypto_jwt(apns->key, slice_of(header), slice_of(claims), apns->jwt, sizeof apns->jwt);
    apns->jwt_made_ms = status == STATUS_OK ? now_ms : 0;
    return status;
}

/* One of the configured topics, the first when the device has named none. */
static bool topic_find(const char *topics, struct slice wanted, struct slice *ret_topic)
{
    for (const char *at = topics; *at != '\0';) {
        at += strspn(at, ", ");
        struct slice topic = {at, strcspn(at, ", ")};
        if (topic.len == 0 || topic.len > TOPIC_LEN)
            return false;
        if (wanted.len == 0 || slice_equal(topic, wanted)) {
            *ret_topic = topic;
            return true;
        }
        at += topic.len;
    }
    return false;
}

/* An alert in the app's language when it has "New message" among its localized strings, else as it stands here. */
static cJSON *alert_make(const struct push_wake *wake)
{
    cJSON *alert = cJSON_CreateObject();
    char *text = payload_text(wake);
    if (wake->sender.len > 0) {
        struct slice head = wake->title.len > 0 ? wake->title : wake->sender;
        char title[LIMIT_TITLE_BYTES + 1];
        (void)snprintf(title, sizeof title, "%.*s", (int)head.len, head.at); /* a title has its limit */
        (void)cJSON_AddStringToObject(alert, "title", title);
        if (wake->title.len > 0) {
            (void)snprintf(title, sizeof title, "%.*s", (int)wake->sender.len, wake->sender.at);
            (void)cJSON_AddStringToObject(alert, "subtitle", title);
        }
    }
    if (text != NULL)
        (void)cJSON_AddStringToObject(alert, "body", text);
    else
        (void)cJSON_AddStringToObject(alert, "loc-key", "New message");
    free(text);
    return alert;
}

static cJSON *body_make(const struct push_wake *wake)
{
    struct push_wake told = *wake;
    told.text.len = 0; /* it is in the alert */
    cJSON *body = cJSON_CreateObject(), *aps = cJSON_AddObjectToObject(body, "aps");
    if (wake->shows) {
        (void)cJSON_AddItemToObject(aps, "alert", alert_make(wake));
        (void)cJSON_AddNumberToObject(aps, "badge", (double)wake->badge);
        (void)cJSON_AddStringToObject(aps, "sound", "default");
        (void)cJSON_AddNumberToObject(aps, "mutable-content", 1); /* the app's extension may fetch before it is shown */
    } else {
        (void)cJSON_AddNumberToObject(aps, "content-available", 1);
    }
    (void)cJSON_AddItemToObject(body, "gnatter", payload_object(&told, false));
    return body; /* without memory some of it is missing, and the payload is refused or harmless */
}

static enum status headers_put(struct push_provider *apns, const struct push_wake *wake, struct slice topic,
                               struct push_request *request)
{
    char collapse_id[PUSH_COLLAPSE_LEN + 1];
    push_collapse_id(wake->device_id, collapse_id);
    const struct {
        const char *name, *value;
    } fixed[] = {
        {"content-type", "application/json"},
        {"apns-push-type", wake->shows ? "alert" : "background"},
        {"apns-priority", wake->shows ? "10" : "5"}, /* background with 10 is an error */
        {"apns-collapse-id", collapse_id},
    };
    enum status status = push_request_header(request, "authorization", "bearer %s", apns->jwt);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0] && status == STATUS_OK; i++)
        status = push_request_header(request, fixed[i].name, "%s", fixed[i].value);
    if (status == STATUS_OK)
        status = push_request_header(request, "apns-topic", "%.*s", (int)topic.len, topic.at);
    if (status == STATUS_OK)
        status = push_request_header(request, "apns-expiration", "%" PRId64, wake->expires_ms / 1000);
    if (status == STATUS_OK) /* a UUID that Apple gives back; for its logs and ours */
        status = push_request_header(request, "apns-id", "%08x-%04x-4000-8000-%012" PRIx64, (unsigned)wake->attempt,
                                     (unsigned)(wake->device_id & 0xffff), (uint64_t)wake->job_id & 0xffffffffffff);
    return status;
}

static enum status apns_request(struct push_provider *apns, const struct push_wake *wake, int64_t now_ms,
                                struct push_request *request, struct push_verdict *ret_verdict)
{
    struct slice topic;
    const char *base = wake->is_sandbox ? apns->options->apns_sandbox_url : apns->options->apns_url;
    if (!topic_find(apns->options->apns_topics, wake->topic, &topic)) {
        push_verdict_set(ret_verdict, PUSH_REFUSED, SLICE("topic-not-configured"));
        return STATUS_DENIED;
    }
    enum status status = jwt_renew(apns, now_ms);
    if (status == STATUS_OK)
        status = push_request_begin(request, slice_of(base), "/3/device/%.*s", (int)wake->token.len, wake->token.at);
    if (status == STATUS_OK)
        status = headers_put(apns, wake, topic, request);
    request->credential_ms = apns->jwt_made_ms;
    if (status == STATUS_OK)
        status = payload_print(body_make(wake), APNS_PAYLOAD_BYTES, request);
    if (status != STATUS_OK)
        push_verdict_set(ret_verdict, PUSH_FAILED, slice_of(status_name(status)));
    return status;
}

/* Every reason that Apple documents. BadDeviceToken may be a token of the other environment: kept, and not used. */
static const struct {
    const char *reason;
    enum push_outcome outcome;
} reasons[] = {
    {"BadCollapseId", PUSH_FAILED},
    {"BadDeviceToken", PUSH_REFUSED},
    {"BadExpirationDate", PUSH_FAILED},
    {"BadMessageId", PUSH_FAILED},
    {"BadPriority", PUSH_FAILED},
    {"BadTopic", PUSH_STOPPED},
    {"DeviceTokenNotForTopic", PUSH_REFUSED},
    {"DuplicateHeaders", PUSH_FAILED},
    {"IdleTimeout", PUSH_RETRY},
    {"InvalidPushType", PUSH_FAILED},
    {"MissingDeviceToken", PUSH_REFUSED},
    {"MissingTopic", PUSH_STOPPED},
    {"PayloadEmpty", PUSH_FAILED},
    {"TopicDisallowed", PUSH_STOPPED},
    {"BadCertificate", PUSH_STOPPED},
    {"BadCertificateEnvironment", PUSH_STOPPED},
    {"BadEnvironmentKeyIdInToken", PUSH_STOPPED},
    {"BadEnvironmentKeyInToken", PUSH_STOPPED},
    {"ExpiredProviderToken", PUSH_RENEW},
    {"Forbidden", PUSH_STOPPED},
    {"InvalidProviderToken", PUSH_STOPPED},
    {"MissingProviderToken", PUSH_STOPPED},
    {"UnrelatedKeyIdInToken", PUSH_STOPPED},
    {"BadPath", PUSH_STOPPED},
    {"MethodNotAllowed", PUSH_STOPPED},
    {"ExpiredToken", PUSH_GONE},
    {"Unregistered", PUSH_GONE},
    {"PayloadTooLarge", PUSH_FAILED},
    {"TooManyProviderTokenUpdates", PUSH_RETRY},
    {"TooManyRequests", PUSH_RETRY},
    {"InternalServerError", PUSH_RETRY},
    {"ServiceUnavailable", PUSH_RETRY},
    {"Shutdown", PUSH_RETRY},
};

static enum push_outcome reason_outcome(const struct push_response *response, const char *reason,
                                        enum push_outcome otherwise)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i].reason, reason) == 0)
            return reasons[i].outcome;
    if (response->status == 403)
        return PUSH_STOPPED;
    return response->status == 410 ? PUSH_GONE : otherwise;
}

static void apns_verdict(struct push_provider *apns, const struct push_response *response, int64_t now_ms,
                         struct push_verdict *ret_verdict)
{
    if (response->status == 200) {
        push_verdict_set(ret_verdict, PUSH_SENT, SLICE("sent"));
        return;
    }
    push_verdict_common(response, ret_verdict);
    cJSON *body = response->status == 0 ? NULL : cJSON_ParseWithLength(response->body.at, response->body.len);
    const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "reason"));
    if (response->status != 0 && !response->was_forbidden) {
        struct push_verdict common = *ret_verdict;
        enum push_outcome outcome = reason_outcome(response, reason == NULL ? "" : reason, common.outcome);
        push_verdict_set(ret_verdict, outcome, slice_of(reason == NULL ? common.reason : reason));
        ret_verdict->after_ms = common.after_ms;
        ret_verdict->pauses = outcome == PUSH_RETRY && response->status >= 500;
    }
    if (ret_verdict->outcome == PUSH_GONE) {
        const cJSON *timestamp = cJSON_GetObjectItemCaseSensitive(body, "timestamp");
        if (cJSON_IsNumber(timestamp) && timestamp->valuedouble > 0 && timestamp->valuedouble < 1e15)
            ret_verdict->gone_before_ms = (int64_t)timestamp->valuedouble;
    } else if (ret_verdict->outcome == PUSH_RENEW) {
        if (response->credential_ms != apns->jwt_made_ms)
            ;                                                 /* renewed meanwhile */
        else if (now_ms - apns->jwt_made_ms < TOKEN_YOUNG_MS) /* our clock is wrong: one more would not help */
            ret_verdict->outcome = PUSH_STOPPED;
        else
            apns->jwt_made_ms = 0;
    } else if (reason != NULL && strcmp(reason, "TooManyProviderTokenUpdates") == 0) {
        ret_verdict->after_ms = UPDATES_WAIT_MS; /* with the same token */
        ret_verdict->pauses = true;
    }
    cJSON_Delete(body);
}

static const char *const serves[] = {"apns", NULL};
const struct push_provider_type push_apns = {
    .name = "apns",
    .serves = serves,
    .needs_http2 = true,
    .is_configured = apns_is_configured,
    .open = apns_open,
    .close = apns_close,
    .is_same = apns_is_same,
    .request = apns_request,
    .verdict = apns_verdict,
};
