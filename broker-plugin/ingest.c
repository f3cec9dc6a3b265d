#include "gateway.h"

#include <stdio.h>
#include <string.h>

#include "authorize.h"
#include "broker.h"

/*
 * What devices publish. Each publish ends in one of four ways: it is in the journal; it is refused and the device is
 * told below its inbox; it promised nothing and is dropped (typing); or the connection is closed without an
 * acknowledgement, which is the only "no" that every MQTT client understands.
 */

#define JSON_BYTES        512
#define SHOWN_BYTES       (6 * TOPIC_SHOWN_BYTES + 8) /* each byte may become six */
#define TOPIC_SHOWN_BYTES 128
#define LOG_PAUSE_MS      1000
#define LINES_PER_TOKEN   16 /* of a list of marks, from the bucket of marks */

/* One publish on its way. */
struct publish {
    struct session *session; /* has its rates */
    struct slice text;       /* the topic as published */
    struct topic topic;
    struct slice payload, correlation;
    struct moment now;
};

struct refusal {
    const char *code, *message;
    uint32_t retry_after_ms; /* 0: trying again does not help */
};

/* ---- telling the device ---- */
/* A JSON string's inside; cut to TOPIC_SHOWN_BYTES, not within a character. */
static void json_escape(struct slice text, char *buf, size_t size)
{
    size_t len = 0, shown = text.len < TOPIC_SHOWN_BYTES ? text.len : TOPIC_SHOWN_BYTES;
    while (shown > 0 && shown < text.len && ((unsigned char)text.at[shown] & 0xC0) == 0x80)
        shown--;
    for (size_t i = 0; i < shown && len + 7 < size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c == '"' || c == '\\')
            len += (size_t)snprintf(buf + len, size - len, "\\u%04x", c);
        else
            buf[len++] = (char)c;
    }
    buf[len] = '\0';
}

static size_t retry_format(char *buf, size_t size, uint32_t retry_after_ms)
{
    if (retry_after_ms == 0) {
        buf[0] = '\0';
        return 0;
    }
    return (size_t)snprintf(buf, size, ",\"retry_after_ms\":%u", retry_after_ms);
}

/* STATUS_NOT_FOUND: the device is not subscribed to where it would be told. STATUS_NO_MEMORY. */
static enum status tell(struct gateway *gateway, const struct session *session, struct slice tail, struct slice json,
                        struct slice correlation)
{
    if (!subscriptions_match(&session->subscriptions, tail))
        return STATUS_NOT_FOUND;
    return deliver_reply(&gateway->deliver, session->number, tail, json, correlation);
}

/* error/-/-/<code>, for what has no id to answer to; rate limited, since anything can be published: STATUS_FULL. */
static enum status tell_generally(struct gateway *gateway, struct session *session, struct slice topic,
                                  const struct refusal *refusal, struct moment now)
{
    char tail[64], json[JSON_BYTES + SHOWN_BYTES], shown[SHOWN_BYTES], retry[32];
    struct rates_session *rates = session_rates(session, &gateway->limiter.rates, now.clock_ms);
    if (rates == NULL || !bucket_take(&rates->denied, gateway->limiter.rates.denied, now.clock_ms, 1))
        return rates == NULL ? STATUS_NO_MEMORY : STATUS_FULL;
    json_escape(topic, shown, sizeof shown);
    (void)retry_format(retry, sizeof retry, refusal->retry_after_ms);
    (void)snprintf(tail, sizeof tail, "error/-/-/%s", refusal->code);
    int len = snprintf(json, sizeof json, "{\"topic\":\"%s\",\"message\":\"%s\"%s}", shown, refusal->message, retry);
    if (len <= 0 || (size_t)len >= sizeof json)
        return STATUS_INTERNAL; /* what is shown is cut: it fits */
    return tell(gateway, session, slice_of(tail), (struct slice){json, (size_t)len}, (struct slice){NULL, 0});
}

static enum status tell_message(struct gateway *gateway, const struct publish *publish, const struct refusal *refusal)
{
    static const char chat[] = "chat/";
    char tail[LIMIT_INBOX_TOPIC_LEN + 1], json[JSON_BYTES], retry[32];
    struct slice rest = {publish->text.at + sizeof chat - 1, publish->text.len - (sizeof chat - 1)};
    (void)retry_format(retry, sizeof retry, refusal->retry_after_ms);
    (void)snprintf(tail, sizeof tail, "error/%.*s/%s", (int)rest.len, rest.at, refusal->code);
    (void)snprintf(json, sizeof json, "{\"message\":\"%s\"%s}", refusal->message, retry);
    return tell(gateway, publish->session, slice_of(tail), slice_of(json), (struct slice){NULL, 0});
}

static enum status tell_rpc(struct gateway *gateway, const struct publish *publish, const struct refusal *refusal)
{
    char tail[LIMIT_INBOX_TOPIC_LEN + 1], json[JSON_BYTES], retry[32];
    (void)retry_format(retry, sizeof retry, refusal->retry_after_ms);
    (void)snprintf(tail, sizeof tail, "rpc/%.*s", (int)publish->topic.id.len, publish->topic.id.at);
    (void)snprintf(json, sizeof json, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"%s}}", refusal->code,
                   refusal->message, retry);
    struct slice correlation = publish->correlation;
    if (correlation.len > LIMIT_CORRELATION_BYTES)
        correlation.len = 0;
    return tell(gateway, publish->session, slice_of(tail), slice_of(json), correlation);
}

static enum verdict close_session(struct gateway *gateway, const struct publish *publish, const char *why)
{
    struct session *session = publish->session;
    session->gone_reason = GONE_OVERLOADED;
    if (publish->now.clock_ms - gateway->full_logged_ms >= LOG_PAUSE_MS) {
        gateway->full_logged_ms = publish->now.clock_ms;
        broker_log(BROKER_WARNING, "closed client=%s why=%s fill=%u/1000", session->client_id, why,
                   journal_fill(&gateway->journal));
    }
    return VERDICT_CLOSE;
}

static enum verdict refuse(struct gateway *gateway, const struct publish *publish, const struct refusal *refusal)
{
    struct session *session = publish->session;
    bool has_id = publish->topic.kind == TOPIC_CHAT || publish->topic.kind == TOPIC_RPC;
    enum status told;
    /* Not lifted with the rate limits: it bounds memory. */
    if (has_id && !bucket_take(&session->rates->errors, gateway->limiter.rates.errors, publish->now.clock_ms, 1)) {
        limiter_count(&gateway->limiter, COUNTER_DEVICE_ERRORS);
        return close_session(gateway, publish, "too-many-errors");
    }
    if (publish->topic.kind == TOPIC_CHAT)
        told = tell_message(gateway, publish, refusal);
    else if (publish->topic.kind == TOPIC_RPC)
        told = tell_rpc(gateway, publish, refusal);
    else
        told = tell_generally(gateway, session, publish->text, refusal, publish->now);
    if (told == STATUS_NO_MEMORY)
        return close_session(gateway, publish, status_name(told));
    /* One that would be taken later and cannot hear that it was not taken now must not see an acknowledgement. */
    if (told != STATUS_OK && refusal->retry_after_ms > 0)
        return close_session(gateway, publish, refusal->code);
    return VERDICT_OK;
}

/* ---- taking ---- */
static enum verdict take(struct gateway *gateway, const struct publish *publish)
{
    const struct journal_record record = {.at_ms = publish->now.unix_ms,
                                          .session = publish->session->number,
                                          .client_id = slice_of(publish->session->client_id),
                                          .topic = publish->text,
                                          .payload = publish->payload,
                                          .correlation = publish->correlation};
    enum status status = journal_append(&gateway->journal, &record);
    if (status != STATUS_OK) {
        limiter_count(&gateway->limiter, COUNTER_JOURNAL_FULL);
        return close_session(gateway, publish, status == STATUS_FULL ? "journal-full" : status_name(status));
    }
    if (gateway->flushes_early && gateway->uplink.sent == gateway->uplink.confirmed)
        uplink_flush(&gateway->uplink, &gateway->journal, slice_of(gateway->options.node));
    return VERDICT_OK;
}

static enum verdict refuse_too_large(struct gateway *gateway, const struct publish *publish)
{
    size_t bytes_max = (size_t)gateway->options.max_message_bytes;
    char message[96];
    if (publish->topic.kind == TOPIC_RPC && bytes_max > LIMIT_RPC_BYTES)
        bytes_max = LIMIT_RPC_BYTES;
    if (publish->payload.len > bytes_max)
        (void)snprintf(message, sizeof message, "the payload has %zu bytes, and may have %zu", publish->payload.len,
                       bytes_max);
    else
        (void)snprintf(message, sizeof message, "the list has more than %d lines", LIMIT_LIST_LINES);
    const struct refusal refusal = {"too-large", message, 0};
    return refuse(gateway, publish, &refusal);
}

static enum verdict refuse_overloaded(struct gateway *gateway, const struct publish *publish)
{
    const struct overload_journal journal = gateway_load(gateway, publish->now);
    struct refusal refusal = {
        "overloaded", "the server is overloaded; try again later",
        overload_refused(&gateway->overload, &journal, publish->now.clock_ms, publish->session->number)};
    limiter_count(&gateway->limiter, COUNTER_OVERLOADED);
    return refuse(gateway, publish, &refusal);
}

static enum verdict refuse_limited(struct gateway *gateway, const struct publish *publish, const struct limit_hit *hit)
{
    const struct refusal refusal = {
        "rate-limited", hit->message,
        rates_pause_ms(&gateway->limiter.rates, publish->session->rates, hit->retry_after_ms, publish->now.clock_ms)};
    return refuse(gateway, publish, &refusal);
}

static enum verdict take_message(struct gateway *gateway, const struct publish *publish, enum overload_level level)
{
    struct session *session = publish->session;
    struct conversation_name conversation;
    struct limit_hit hit;
    if (level == OVERLOAD_REFUSE)
        return refuse_overloaded(gateway, publish);
    conversation_name_make(publish->topic.conversation, slice_of(session->user->name), &conversation);
    if (!limiter_take_message(&gateway->limiter, session, (struct slice){conversation.text, conversation.len},
                              publish->payload.len, publish->now.clock_ms, &hit))
        return refuse_limited(gateway, publish, &hit);
    overload_taken(&gateway->overload);
    return take(gateway, publish);
}

static enum verdict take_request(struct gateway *gateway, const struct publish *publish, enum overload_level level)
{
    static const struct refusal CORRELATION = {"bad-request", "the correlation data is too long", 0};
    struct limit_hit hit;
    bool is_rpc = publish->topic.kind == TOPIC_RPC;
    if (publish->correlation.len > LIMIT_CORRELATION_BYTES)
        return refuse(gateway, publish, &CORRELATION);
    /* sync is a mark, taken as long as there is room. */
    if (level == OVERLOAD_REFUSE && is_rpc)
        return refuse_overloaded(gateway, publish);
    if (!limiter_take_request(&gateway->limiter, publish->session,
                              is_rpc && slice_equal(publish->topic.method, SLICE("group.create")), publish->payload.len,
                              publish->now.clock_ms, &hit))
        return refuse_limited(gateway, publish, &hit);
    return take(gateway, publish);
}

static enum verdict take_mark(struct gateway *gateway, const struct publish *publish, uint32_t lines)
{
    if (!rates_take(&gateway->limiter.rates, &publish->session->rates->marks, gateway->limiter.rates.marks,
                    publish->now.clock_ms, 1 + lines / LINES_PER_TOKEN)) {
        limiter_count(&gateway->limiter, COUNTER_DEVICE_MARKS);
        return close_session(gateway, publish, "too-many-marks");
    }
    return take(gateway, publish);
}

static enum verdict take_typing(struct gateway *gateway, const struct publish *publish, enum overload_level level)
{
    const struct rates *rates = &gateway->limiter.rates;
    if (level != OVERLOAD_NONE ||
        !rates_take(rates, &publish->session->rates->typing, rates->typing, publish->now.clock_ms, 1)) {
        limiter_count(&gateway->limiter, COUNTER_DEVICE_TYPING);
        return VERDICT_OK; /* dropped: it promises nothing */
    }
    return take(gateway, publish);
}

static enum verdict take_any(struct gateway *gateway, const struct publish *publish, uint32_t lines)
{
    const struct overload_journal journal = gateway_load(gateway, publish->now);
    enum overload_level level = overload_level(&gateway->overload, &journal);
    switch (publish->topic.kind) {
    case TOPIC_CHAT:
        return take_message(gateway, publish, level);
    case TOPIC_RPC:
    case TOPIC_SYNC:
        return take_request(gateway, publish, level);
    case TOPIC_ACK:
    case TOPIC_READ:
    case TOPIC_ACK_LIST:
    case TOPIC_READ_LIST:
        return take_mark(gateway, publish, lines);
    case TOPIC_TYPING:
        return take_typing(gateway, publish, level);
    }
    return VERDICT_DENY;
}

/* ---- the two questions of the broker ---- */
static bool may_publish_bench(struct gateway *gateway, const struct session *session, struct slice topic,
                              bool is_retained)
{
    char text[LIMIT_TOPIC_LEN + 1];
    return !is_retained && bench_topic(&gateway->bench, slice_of(session->user->name), topic, false, text, sizeof text);
}

enum verdict gateway_may_publish(struct gateway *gateway, const void *client, struct slice topic, bool is_retained,
                                 struct moment now)
{
    struct topic parsed;
    if (link_is_service(gateway, client))
        return !is_retained && slice_equal(topic, SLICE(FRAME_TOPIC_DOWN)) ? VERDICT_OK : VERDICT_DENY;
    struct session *session = sessions_of_client(&gateway->sessions, client);
    if (session == NULL || !session->is_current)
        return VERDICT_CLOSE; /* being ended; denied it would be acknowledged. Or a will: its connection is gone */
    if (session->is_bench ? may_publish_bench(gateway, session, topic, is_retained)
                          : authorize_publish(topic, is_retained, &parsed) == STATUS_OK)
        return VERDICT_OK;
    limiter_count(&gateway->limiter, COUNTER_NOT_ALLOWED);
    const struct refusal denied = {
        "denied", is_retained ? "retained messages are not allowed" : authorize_topic_advice(topic), 0};
    (void)tell_generally(gateway, session, topic, &denied, now);
    return VERDICT_DENY;
}

enum verdict gateway_publish(struct gateway *gateway, const void *client, struct slice topic, struct slice payload,
                             struct slice correlation, struct moment now)
{
    uint32_t lines;
    char text[LIMIT_TOPIC_LEN + 1];
    struct session *session = sessions_of_client(&gateway->sessions, client);
    if (session == NULL || !session->is_current)
        return VERDICT_CLOSE;
    if (session->is_bench)
        topic = (struct slice){
            text, bench_topic(&gateway->bench, slice_of(session->user->name), topic, true, text, sizeof text)};
    if (session->gone_reason != GONE_CLOSED) /* closing: what still arrives must not get past what was refused */
        return VERDICT_CLOSE;
    struct publish publish = {
        .session = session, .text = topic, .payload = payload, .correlation = correlation, .now = now};
    if (authorize_publish(topic, false, &publish.topic) != STATUS_OK)
        return VERDICT_DENY;
    if (publish.topic.kind != TOPIC_RPC)
        publish.correlation = (struct slice){NULL, 0}; /* nothing answers it, and it has no limit */
    if (session_rates(session, &gateway->limiter.rates, now.clock_ms) == NULL)
        return close_session(gateway, &publish, status_name(STATUS_NO_MEMORY));
    enum status status = authorize_payload(&publish.topic, payload, (size_t)gateway->options.max_message_bytes, &lines);
    if (status != STATUS_OK)
        limiter_count(&gateway->limiter, COUNTER_NOT_UNDERSTOOD);
    if (status == STATUS_TOO_LARGE)
        return refuse_too_large(gateway, &publish);
    if (status != STATUS_OK) {
        const struct refusal malformed = {"bad-request", authorize_payload_advice(publish.topic.kind), 0};
        return refuse(gateway, &publish, &malformed);
    }
    return take_any(gateway, &publish, lines);
}
