/*
 * A webhook: the operator's own server gets each wake-up as JSON and does with it what it likes. The signature is
 * HMAC-SHA-256 over "<timestamp>.<body>"; with the timestamp in it, what was overheard cannot be sent again later.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto.h"
#include "payload.h"

#define SECRET_LEN_MIN 16
#define WEBHOOK_BYTES  8192

struct push_provider {
    const struct push_options *options;
    char *secret;
    size_t secret_len, secret_size;
};

static bool webhook_is_configured(const struct push_options *options)
{
    return options->webhook_url[0] != '\0';
}

static void webhook_close(struct push_provider *webhook)
{
    if (webhook != NULL)
        push_file_free(webhook->secret, webhook->secret_size);
    free(webhook);
}

static enum status webhook_open(const struct push_options *options, struct push_provider **ret_provider,
                                char error[PUSH_ERROR_LEN])
{
    char origin[PUSH_ORIGIN_LEN];
    size_t len;
    if (push_origin(slice_of(options->webhook_url), true, origin) != STATUS_OK) {
        (void)snprintf(error, PUSH_ERROR_LEN, "push_webhook_url is no http or https address");
        return STATUS_MALFORMED;
    }
    char *secret = push_file_read(options->webhook_secret_file, &len, error);
    if (secret == NULL)
        return STATUS_NOT_FOUND;
    size_t size = len;
    while (len > 0 && (secret[len - 1] == '\n' || secret[len - 1] == '\r')) /* an editor's */
        len--;
    struct push_provider *webhook = len < SECRET_LEN_MIN ? NULL : calloc(1, sizeof *webhook);
    if (webhook == NULL) {
        push_file_free(secret, size);
        (void)snprintf(error, PUSH_ERROR_LEN, "%s: a secret has at least %d bytes", options->webhook_secret_file,
                       SECRET_LEN_MIN);
        return STATUS_MALFORMED;
    }
    *webhook = (struct push_provider){options, secret, len, size};
    *ret_provider = webhook;
    return STATUS_OK;
}

static void add_slice(cJSON *object, const char *key, struct slice text)
{
    char buf[1200]; /* the schema has its limit for a token: 1,024 */
    (void)snprintf(buf, sizeof buf, "%.*s", (int)text.len, text.at);
    (void)cJSON_AddStringToObject(object, key, buf);
}

static cJSON *body_make(const struct push_wake *wake)
{
    cJSON *body = payload_object(wake, false);
    char id[24];
    const char *colon = memchr(wake->client_id.at, ':', wake->client_id.len);
    if (body == NULL || colon == NULL)
        return body;
    size_t user_len = (size_t)(colon - wake->client_id.at);
    (void)snprintf(id, sizeof id, "%" PRId64, wake->job_id);
    (void)cJSON_AddStringToObject(body, "id", id); /* the same when it is tried again */
    add_slice(body, "user", (struct slice){wake->client_id.at, user_len});
    add_slice(body, "device", (struct slice){colon + 1, wake->client_id.len - user_len - 1});
    if (wake->token.len > 0)
        add_slice(body, "token", wake->token);
    (void)cJSON_AddBoolToObject(body, "shows", wake->shows);
    return body;
}

static enum status webhook_request(struct push_provider *webhook, const struct push_wake *wake, int64_t now_ms,
                                   struct push_request *request, struct push_verdict *ret_verdict)
{
    char timestamp[24], mac[CRYPTO_HMAC_HEX_LEN + 1];
    (void)snprintf(timestamp, sizeof timestamp, "%" PRId64, now_ms / 1000);
    enum status status = push_request_begin(request, slice_of(webhook->options->webhook_url), "%s", "");
    if (status == STATUS_OK)
        status = payload_print(body_make(wake), WEBHOOK_BYTES, request);
    const struct slice parts[] = {slice_of(timestamp), SLICE("."), {(const char *)request->body, request->body_len}};
    if (status == STATUS_OK)
        status = crypto_hmac_hex((struct slice){webhook->secret, webhook->secret_len}, parts, 3, mac);
    if (status == STATUS_OK)
        status = push_request_header(request, "content-type", "application/json");
    if (status == STATUS_OK)
        status = push_request_header(request, "gnatter-timestamp", "%s", timestamp);
    if (status == STATUS_OK)
        status = push_request_header(request, "gnatter-signature", "v1=%s", mac);
    if (status != STATUS_OK)
        push_verdict_set(ret_verdict, PUSH_FAILED, slice_of(status_name(status)));
    return status;
}

static void webhook_verdict(struct push_provider *webhook, const struct push_response *response, int64_t now_ms,
                            struct push_verdict *ret_verdict)
{
    (void)webhook, (void)now_ms;
    push_verdict_common(response, ret_verdict);
    char reason[PUSH_REASON_LEN];
    memcpy(reason, ret_verdict->reason, sizeof reason);
    if (response->status >= 200 && response->status < 300)
        push_verdict_set(ret_verdict, PUSH_SENT, SLICE("sent"));
    else if (response->status == 410)
        push_verdict_set(ret_verdict, PUSH_GONE, slice_of(reason));
    else if (response->status == 401 || response->status == 403 || response->status == 404 || response->status == 405 ||
             (response->status >= 300 && response->status < 400))
        push_verdict_set(ret_verdict, PUSH_STOPPED, slice_of(reason));
}

static const char *const serves[] = {"webhook", NULL};
const struct push_provider_type push_webhook = {
    .name = "webhook",
    .serves = serves,
    .takes_http = true,
    .is_configured = webhook_is_configured,
    .open = webhook_open,
    .close = webhook_close,
    .request = webhook_request,
    .verdict = webhook_verdict,
};
