#include "answer.h"
#include <inttypes.h>
#include <stdio.h>

#define JSON_BYTES 512

static void deliver_at(struct courier *courier, session_ref session, int qos, const struct inbox *inbox,
                       struct slice payload, struct slice correlation)
{
    char tail[LIMIT_INBOX_TOPIC_LEN + 1];
    size_t len = inbox_format(inbox, tail, sizeof tail);
    struct courier_delivery delivery = {DOWN_DELIVER, qos, {tail, len}, payload, correlation};
    if (len > 0 && (uint32_t)session != 0) /* 0: asked over a connection of a former broker life */
        courier_deliver(courier, &session, 1, &delivery);
}

static void deliver(struct courier *courier, session_ref session, const struct inbox *inbox, struct slice payload,
                    struct slice correlation)
{
    deliver_at(courier, session, 1, inbox, payload, correlation);
}

void answer_rpc(struct courier *courier, session_ref session, struct slice request_id, struct slice correlation,
                struct slice json)
{
    struct inbox inbox = {.kind = INBOX_RPC, .id = request_id};
    deliver(courier, session, &inbox, json, correlation);
}

void answer_rpc_error(struct courier *courier, session_ref session, struct slice request_id, struct slice correlation,
                      const char *code, const char *message, int64_t retry_after_ms)
{
    char json[JSON_BYTES], retry[64] = "";
    if (retry_after_ms > 0)
        (void)snprintf(retry, sizeof retry, ", \"retry_after_ms\": %" PRId64, retry_after_ms);
    (void)snprintf(json, sizeof json, "{\"error\": {\"code\": \"%s\", \"message\": \"%s\"%s}}", code, message, retry);
    answer_rpc(courier, session, request_id, correlation, slice_of(json));
}

void answer_error(struct courier *courier, session_ref session, const char *code, const char *topic,
                  const char *message)
{
    char json[JSON_BYTES];
    (void)snprintf(json, sizeof json, "{\"topic\": \"%s\", \"message\": \"%s\"}", topic, message);
    struct inbox inbox = {.kind = INBOX_ERROR, .conversation = SLICE("-"), .id = SLICE("-"), .word = slice_of(code)};
    deliver(courier, session, &inbox, slice_of(json), (struct slice){NULL, 0});
}

void answer_synced(struct courier *courier, session_ref session, uint64_t replayed)
{
    char json[64];
    (void)snprintf(json, sizeof json, "{\"replayed\": %" PRIu64 "}", replayed);
    struct inbox inbox = {.kind = INBOX_SYNCED};
    deliver(courier, session, &inbox, slice_of(json), (struct slice){NULL, 0});
}

void answer_flags(struct courier *courier, session_ref session, struct slice conversation, struct slice json)
{
    struct inbox inbox = {.kind = INBOX_FLAGS, .conversation = conversation};
    deliver_at(courier, session, 0, &inbox, json, (struct slice){NULL, 0});
}
