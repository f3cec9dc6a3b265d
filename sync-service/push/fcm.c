/*
 * Firebase Cloud Messaging, HTTP v1: an OAuth2 access token for a service account (RFC 7523, RS256), got once for all
 * and again some minutes before it ends; data messages, so that the app decides what to show.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto.h"
#include "payload.h"

#define SCOPE           "https://www.googleapis.com/auth/firebase.messaging"
#define ASSERTION_S     3600
#define RENEW_BEFORE_MS (5 * 60 * 1000)
#define TOKEN_YOUNG_MS  10000
#define ACCESS_BYTES    2304
#define TTL_S_MAX       2419200 /* four weeks, FCM's longest */
#define PAYLOAD_BYTES   4096

struct push_provider {
    const struct push_options *options;
    struct crypto_key *key;
    char *key_id, *email, *project, *token_url;
    char access[ACCESS_BYTES];
    int64_t access_made_ms, access_ends_ms; /* 0: none */
    bool is_renewal_wanted;
};

static bool fcm_is_configured(const struct push_options *options)
{
    return options->fcm_account_file[0] != '\0';
}

static void fcm_close(struct push_provider *fcm)
{
    if (fcm == NULL)
        return;
    crypto_key_free(fcm->key);
    free(fcm->key_id);
    free(fcm->email);
    free(fcm->project);
    free(fcm->token_url);
    free(fcm);
}

/* A string of the account that goes into JSON or an address as it is. */
static char *account_text(const cJSON *account, const char *name, const char *more_bytes)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(account, name));
    if (text == NULL || text[0] == '\0' || strlen(text) > 512)
        return NULL;
    for (const char *c = text; *c != '\0'; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
            strchr(more_bytes, *c) == NULL)
            return NULL;
    return strdup(text);
}

static bool account_read(struct push_provider *fcm, const cJSON *account)
{
    char origin[PUSH_ORIGIN_LEN];
    const char *pem = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(account, "private_key"));
    fcm->key_id = account_text(account, "private_key_id", "-_");
    fcm->email = account_text(account, "client_email", "-_.@+");
    fcm->project = account_text(account, "project_id", "-_.:");
    fcm->token_url = account_text(account, "token_uri", "-_.:/~");
    return fcm->key_id != NULL && fcm->email != NULL && fcm->project != NULL && fcm->token_url != NULL && pem != NULL &&
           push_origin(slice_of(fcm->token_url), false, origin) == STATUS_OK &&
           crypto_key_read(slice_of(pem), &fcm->key) == STATUS_OK && crypto_key_is_rsa(fcm->key);
}

static enum status fcm_open(const struct push_options *options, struct push_provider **ret_provider,
                            char error[PUSH_ERROR_LEN])
{
    char origin[PUSH_ORIGIN_LEN];
    size_t len;
    if (push_origin(slice_of(options->fcm_url), false, origin) != STATUS_OK) {
        (void)snprintf(error, PUSH_ERROR_LEN, "push_fcm_url is no https address");
        return STATUS_MALFORMED;
    }
    char *text = push_file_read(options->fcm_account_file, &len, error);
    if (text == NULL)
        return STATUS_NOT_FOUND;
    struct push_provider *fcm = calloc(1, sizeof *fcm);
    cJSON *account = cJSON_ParseWithLength(text, len);
    push_file_free(text, len);
    bool is_ok = fcm != NULL && account != NULL && account_read(fcm, account);
    cJSON_Delete(account);
    if (!is_ok) {
        fcm_close(fcm);
        (void)snprintf(error, PUSH_ERROR_LEN,
                       "%s: no service account key (JSON with an RSA private_key, client_email, "
                       "project_id, token_uri)",
                       options->fcm_account_file); /* cut if need be */
        return STATUS_MALFORMED;
    }
    fcm->options = options;
    *ret_provider = fcm;
    return STATUS_OK;
}

static bool fcm_is_same(const struct push_provider *a, const struct push_provider *b)
{
    return crypto_key_equal(a->key, b->key) && strcmp(a->email, b->email) == 0 && strcmp(a->project, b->project) == 0 &&
           strcmp(a->token_url, b->token_url) == 0;
}

/* ---- the access token ---- */
static enum status assertion_make(const struct push_provider *fcm, int64_t now_ms, char *buf, size_t buf_size)
{
    char header[640], claims[2048];
    int64_t now_s = now_ms / 1000;
    (void)snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", fcm->key_id);
    (void)snprintf(claims, sizeof claims,
                   "{\"iss\":\"%s\",\"scope\":\"" SCOPE "\",\"aud\":\"%s\",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}",
                   fcm->email, fcm->token_url, now_s, now_s + ASSERTION_S);
    return crypto_jwt(fcm->key, slice_of(header), slice_of(claims), buf, buf_size); /* both fit: see account_text */
}

static enum status fcm_credential(struct push_provider *fcm, int64_t now_ms, struct push_request *request)
{
    static const char grant[] = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    char body[PUSH_BODY_BYTES];
    bool is_set_back = now_ms < fcm->access_made_ms; /* the clock: nobody knows when it ends */
    if (fcm->access_ends_ms != 0 && !fcm->is_renewal_wanted && !is_set_back &&
        now_ms < fcm->access_ends_ms - RENEW_BEFORE_MS)
        return STATUS_NOT_FOUND;
    memcpy(body, grant, sizeof grant);
    enum status status = assertion_make(fcm, now_ms, body + sizeof grant - 1, sizeof body - sizeof grant + 1);
    if (status == STATUS_OK)
        status = push_request_begin(request, slice_of(fcm->token_url), "%s", "");
    if (status == STATUS_OK)
        status = push_request_header(request, "content-type", "application/x-www-form-urlencoded");
    return status == STATUS_OK ? push_request_body(request, slice_of(body)) : status;
}

static bool access_take(struct push_provider *fcm, const cJSON *answer, int64_t now_ms)
{
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "access_token"));
    const cJSON *lifetime = cJSON_GetObjectItemCaseSensitive(answer, "expires_in");
    if (token == NULL || token[0] == '\0' || strlen(token) >= sizeof fcm->access || !cJSON_IsNumber(lifetime) ||
        lifetime->valuedouble < 1 || lifetime->valuedouble > 86400)
        return false;
    memcpy(fcm->access, token, strlen(token) + 1);
    fcm->access_made_ms = now_ms;
    fcm->access_ends_ms = now_ms + (int64_t)lifetime->valuedouble * 1000;
    fcm->is_renewal_wanted = false;
    return true;
}

static void fcm_credential_verdict(struct push_provider *fcm, const struct push_response *response, int64_t now_ms,
                                   struct push_verdict *ret_verdict)
{
    push_verdict_common(response, ret_verdict);
    if (response->status == 0 || ret_verdict->outcome == PUSH_RETRY)
        return;
    cJSON *answer = cJSON_ParseWithLength(response->body.at, response->body.len);
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "error"));
    if (response->status == 200 && access_take(fcm, answer, now_ms))
        push_verdict_set(ret_verdict, PUSH_SENT, SLICE("token"));
    else if (response->status == 200)
        push_verdict_set(ret_verdict, PUSH_RETRY, SLICE("token-not-understood"));
    else /* invalid_grant, invalid_client, ...: the account or its key is wrong, or our clock */
        push_verdict_set(ret_verdict, PUSH_STOPPED, slice_of(error == NULL ? ret_verdict->reason : error));
    cJSON_Delete(answer);
}

/* ---- messages ---- */
static cJSON *message_make(const struct push_wake *wake, int64_t now_ms)
{
    char collapse_id[PUSH_COLLAPSE_LEN + 1], text[PUSH_BODY_BYTES];
    int64_t ttl_s = (wake->expires_ms - now_ms) / 1000;
    cJSON *body = cJSON_CreateObject(), *message = cJSON_AddObjectToObject(body, "message");
    (void)snprintf(text, sizeof text, "%.*s", (int)wake->token.len, wake->token.at); /* the schema has its limit */
    (void)cJSON_AddStringToObject(message, "token", text);
    (void)cJSON_AddItemToObject(message, "data", payload_object(wake, true));
    cJSON *android = cJSON_AddObjectToObject(message, "android");
    push_collapse_id(wake->device_id, collapse_id);
    (void)cJSON_AddStringToObject(android, "collapse_key", collapse_id);
    /* Android demotes an app whose high priority messages show nothing */
    (void)cJSON_AddStringToObject(android, "priority", wake->shows ? "HIGH" : "NORMAL");
    (void)snprintf(text, sizeof text, "%" PRId64 "s", ttl_s < 0 ? 0 : ttl_s > TTL_S_MAX ? TTL_S_MAX : ttl_s);
    (void)cJSON_AddStringToObject(android, "ttl", text);
    return body; /* without memory some of it is missing, and FCM refuses it */
}

static enum status fcm_request(struct push_provider *fcm, const struct push_wake *wake, int64_t now_ms,
                               struct push_request *request, struct push_verdict *ret_verdict)
{
    if (now_ms >= fcm->access_ends_ms)
        return STATUS_STALE;
    enum status status =
        push_request_begin(request, slice_of(fcm->options->fcm_url), "/v1/projects/%s/messages:send", fcm->project);
    if (status == STATUS_OK)
        status = push_request_header(request, "authorization", "Bearer %s", fcm->access);
    if (status == STATUS_OK)
        status = push_request_header(request, "content-type", "application/json");
    if (status == STATUS_OK)
        status = payload_print(message_make(wake, now_ms), PAYLOAD_BYTES + 1024 /* what is around the data */, request);
    request->credential_ms = fcm->access_made_ms;
    if (status != STATUS_OK)
        push_verdict_set(ret_verdict, PUSH_FAILED, slice_of(status_name(status)));
    return status;
}

/* What the answer says of itself: FCM's own code, and whether it is about the token's field. */
static const char *error_read(const cJSON *error, bool *ret_is_about_token)
{
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "status"));
    const cJSON *detail, *violation;
    bool has_violations = false;
    *ret_is_about_token = false;
    cJSON_ArrayForEach(detail, cJSON_GetObjectItemCaseSensitive(error, "details"))
    {
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(detail, "errorCode"));
        if (own != NULL)
            code = own;
        cJSON_ArrayForEach(violation, cJSON_GetObjectItemCaseSensitive(detail, "fieldViolations"))
        {
            const char *field = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(violation, "field"));
            has_violations = true;
            if (field != NULL && strcmp(field, "message.token") == 0)
                *ret_is_about_token = true;
        }
    }
    if (code != NULL && strcmp(code, "INVALID_ARGUMENT") == 0 && !has_violations)
        *ret_is_about_token = true; /* no field named: FCM says so of a token that is none */
    return code == NULL ? "" : code;
}

static enum push_outcome code_outcome(int status, const char *code, bool is_about_token, enum push_outcome otherwise)
{
    static const struct {
        const char *code;
        enum push_outcome outcome;
    } codes[] = {
        {"UNREGISTERED", PUSH_GONE},
        {"SENDER_ID_MISMATCH", PUSH_REFUSED},
        {"QUOTA_EXCEEDED", PUSH_RETRY},
        {"RESOURCE_EXHAUSTED", PUSH_RETRY},
        {"UNAVAILABLE", PUSH_RETRY},
        {"INTERNAL", PUSH_RETRY},
        {"THIRD_PARTY_AUTH_ERROR", PUSH_STOPPED},
        {"PERMISSION_DENIED", PUSH_STOPPED},
        {"UNAUTHENTICATED", PUSH_RENEW},
        {"NOT_FOUND", PUSH_STOPPED}, /* the project: a token that is gone is UNREGISTERED */
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i].code) == 0)
            return codes[i].outcome;
    if (strcmp(code, "INVALID_ARGUMENT") == 0)
        return is_about_token ? PUSH_REFUSED : PUSH_FAILED;
    if (status == 401)
        return PUSH_RENEW;
    return status == 403 || status == 404 ? PUSH_STOPPED : otherwise;
}

static void fcm_verdict(struct push_provider *fcm, const struct push_response *response, int64_t now_ms,
                        struct push_verdict *ret_verdict)
{
    push_verdict_common(response, ret_verdict);
    if (response->status == 200)
        push_verdict_set(ret_verdict, PUSH_SENT, SLICE("sent"));
    if (response->status == 200 || response->status == 0)
        return;
    struct push_verdict common = *ret_verdict;
    bool is_about_token;
    cJSON *answer = cJSON_ParseWithLength(response->body.at, response->body.len);
    const char *code = error_read(cJSON_GetObjectItemCaseSensitive(answer, "error"), &is_about_token);
    enum push_outcome outcome = code_outcome(response->status, code, is_about_token, common.outcome);
    push_verdict_set(ret_verdict, outcome, slice_of(code[0] == '\0' ? common.reason : code));
    ret_verdict->after_ms = common.after_ms;
    ret_verdict->pauses = common.pauses;
    if (outcome == PUSH_RETRY && response->status == 429 && common.after_ms < 0)
        ret_verdict->after_ms = 60000; /* FCM: a minute, where it does not say */
    if (outcome == PUSH_RENEW && response->credential_ms == fcm->access_made_ms) {
        int64_t age_ms = now_ms - fcm->access_made_ms;
        if (age_ms >= 0 && age_ms < TOKEN_YOUNG_MS)
            ret_verdict->outcome = PUSH_STOPPED;
        else
            fcm->is_renewal_wanted = true, fcm->access_ends_ms = 0;
    }
    cJSON_Delete(answer);
}

static const char *const serves[] = {"fcm", NULL};
const struct push_provider_type push_fcm = {
    .name = "fcm",
    .serves = serves,
    .is_configured = fcm_is_configured,
    .open = fcm_open,
    .close = fcm_close,
    .is_same = fcm_is_same,
    .request = fcm_request,
    .verdict = fcm_verdict,
    .credential = fcm_credential,
    .credential_verdict = fcm_credential_verdict,
};
