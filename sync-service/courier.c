#include "courier.h"
#include <stdlib.h>
#include <string.h>
#include "log.h"

enum status courier_init(struct courier *courier, struct broker_link *const links[], size_t links_len)
{
    memset(courier, 0, sizeof *courier);
    courier->links = links;
    courier->links_len = links_len;
    courier->sessions = malloc((size_t)RUNTIME_DELIVER_SESSIONS * 4);
    for (size_t i = 0; i < links_len; i++) {
        courier->parcels[i] = malloc(sizeof *courier->parcels[i]);
        if (courier->parcels[i] == NULL || courier->sessions == NULL) {
            courier_done(courier);
            return STATUS_NO_MEMORY;
        }
        parcel_begin(courier->parcels[i]);
    }
    return STATUS_OK;
}

void courier_done(struct courier *courier)
{
    for (size_t i = 0; i < RUNTIME_LINKS_MAX; i++)
        free(courier->parcels[i]);
    free(courier->sessions);
    memset(courier, 0, sizeof *courier);
}

static void flush_one(struct courier *courier, uint32_t link, const struct core_token tokens[], size_t tokens_len)
{
    struct parcel *parcel = courier->parcels[link];
    broker_link_put(courier->links[link], courier->lives[link], parcel, tokens, tokens_len);
    if (parcel_is_empty(parcel))
        return;
    parcel_begin(parcel);
    courier->payload_len[link] = 0;
}

void courier_set_life(struct courier *courier, uint32_t link, uint64_t life)
{
    if (courier->lives[link] == life)
        return;
    flush_one(courier, link, NULL, 0);
    courier->lives[link] = life;
}

void courier_flush(struct courier *courier)
{
    for (uint32_t i = 0; i < courier->links_len; i++)
        flush_one(courier, i, NULL, 0);
}

void courier_flush_done(struct courier *courier, const struct core_token tokens[], size_t tokens_len)
{
    while (tokens_len > 0) { /* runs of the same link */
        size_t len = 1;
        while (len < tokens_len && tokens[len].link == tokens[0].link)
            len++;
        flush_one(courier, tokens[0].link, tokens, len);
        tokens += len;
        tokens_len -= len;
    }
    courier_flush(courier);
}

/* The same payload as that of the DELIVER before, byte by byte: it is not sent twice. */
static bool is_same_payload(const struct courier *courier, uint32_t link, const struct frame_op *op)
{
    size_t len = op->deliver.payload.len;
    return op->type == DOWN_DELIVER && len > 0 && len == courier->payload_len[link] &&
           memcmp(courier->parcels[link]->buf + courier->payload_at[link], op->deliver.payload.at, len) == 0;
}

void courier_put(struct courier *courier, uint32_t link, const struct frame_op *op)
{
    struct parcel *parcel = courier->parcels[link];
    struct frame_op same;
    const struct frame_op *put = op;
    bool is_same = is_same_payload(courier, link, op);
    if (is_same) {
        same = *op;
        same.deliver.flags |= DELIVER_SAME_PAYLOAD;
        put = &same;
    }
    enum status status = parcel_put(parcel, put);
    if (status == STATUS_FULL) {
        flush_one(courier, link, NULL, 0);
        is_same = false;
        status = parcel_put(parcel, op);
    }
    if (status != STATUS_OK) {
        log_error("courier", "not-sent", LOG_TEXT("why", status_name(status)), LOG_INT("op", op->type));
        return;
    }
    if (op->type == DOWN_DELIVER && !is_same) { /* an op's payload is its last part */
        courier->payload_len[link] = op->deliver.payload.len;
        courier->payload_at[link] = parcel->writer.len - op->deliver.payload.len;
    }
}

void courier_deliver(struct courier *courier, const session_ref sessions[], size_t sessions_len,
                     const struct courier_delivery *delivery)
{
    struct frame_op op = {.type = delivery->type};
    op.deliver.flags = 0;
    op.deliver.qos = (uint8_t)delivery->qos;
    op.deliver.tail = delivery->tail;
    op.deliver.payload = delivery->payload;
    op.deliver.correlation = delivery->correlation;
    op.deliver.sessions = courier->sessions;
    for (uint32_t link = 0; link < courier->links_len; link++) {
        uint32_t len = 0;
        for (size_t i = 0; i < sessions_len; i++) {
            if (session_link(sessions[i]) != link)
                continue;
            frame_session_put(courier->sessions, len++, (uint32_t)sessions[i]);
            if (len == RUNTIME_DELIVER_SESSIONS) {
                op.deliver.sessions_len = len;
                courier_put(courier, link, &op);
                len = 0;
            }
        }
        op.deliver.sessions_len = len;
        if (len > 0)
            courier_put(courier, link, &op);
    }
}
