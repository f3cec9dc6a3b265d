/*
 * The device protocol, as a well-behaved client speaks it: it drops what it has seen, acknowledges cumulatively and
 * seldom, keeps a message until `sent`.
 */
#define _GNU_SOURCE
#include "device.h"
#include "talk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void durable_on_connack(struct bench *bench, struct device *device)
{
    char filter[sizeof("inbox//#") + LIMIT_USER_LEN];
    int len = snprintf(filter, sizeof(filter), "inbox/%.*s/#", (int)device->user.len, device->user.at);
    (void)bench;
    mqtt_put_subscribe(&device->conn.out, conn_packet_id(&device->conn), (struct slice){filter, (size_t)len}, 1);
}

static void durable_on_suback(struct bench *bench, struct device *device)
{
    device_subscribed(bench, device);
}

static void durable_on_puback(struct bench *bench, struct device *device, uint16_t packet_id)
{
    (void)bench, (void)device, (void)packet_id; /* the broker holds it; `sent` is what counts */
}

/* Message ids are "<run in hex>-<counter>". */
static size_t durable_chat_topic(struct bench *bench, struct seat *seat, uint64_t counter, char *buf, size_t buf_size)
{
    char id[LIMIT_MESSAGE_ID_LEN + 1];
    int id_len = snprintf(id, sizeof(id), "%x-%lu", bench->run, counter);
    struct topic topic = {.kind = TOPIC_CHAT, .conversation = seat->ref, .id = {id, (size_t)id_len}};
    return topic_format(&topic, buf, buf_size);
}

static bool durable_id(struct bench *bench, struct slice id, uint64_t *ret_counter)
{
    char text[LIMIT_MESSAGE_ID_LEN + 1], *end;
    snprintf(text, sizeof(text), "%.*s", (int)id.len, id.at);
    if (strtoul(text, &end, 16) != bench->run || *end != '-')
        return false;
    *ret_counter = strtoull(end + 1, NULL, 10);
    return true;
}

/* ---- acknowledging ---- */

static void ack_note(struct bench *bench, struct seat *seat)
{
    struct device *device = seat->device;
    if (device->unacked++ == 0)
        device->ack_due_ns = bench->loop.now_ns + (uint64_t)bench->options.ack_delay_ms * 1000000ull;
    if (seat->ack_listed)
        return;
    seat->ack_listed = true;
    seat->ack_next = device->ack_seats;
    device->ack_seats = seat;
}

static void ack_put_one(struct bench *bench, struct device *device)
{
    char text[LIMIT_TOPIC_LEN + 1];
    struct seat *seat = device->ack_seats;
    struct topic topic = {
        .kind = bench->options.marks_read ? TOPIC_READ : TOPIC_ACK, .conversation = seat->ref, .seq = seat->last_seq};
    size_t len = topic_format(&topic, text, sizeof(text));
    (void)mqtt_put_publish(&device->conn.out, (struct slice){text, len}, 0, false, 0, 0);
    seat->ack_listed = false;
    device->ack_seats = seat->ack_next;
}

static void ack_put_list(struct bench *bench, struct device *device)
{
    char lines[16 * 1024];
    size_t len = 0;
    while (device->ack_seats && len + LIMIT_CONVERSATION_LEN + LIMIT_SEQ_LEN + 3 < sizeof(lines)) {
        struct seat *seat = device->ack_seats;
        len += (size_t)sprintf(lines + len, "%.*s %ld\n", (int)seat->view.len, seat->view.at, seat->last_seq);
        seat->ack_listed = false;
        device->ack_seats = seat->ack_next;
    }
    struct slice topic = bench->options.marks_read ? SLICE("read") : SLICE("ack");
    memcpy(mqtt_put_publish(&device->conn.out, topic, 0, false, 0, len), lines, len);
}

static void ack_wait(struct bench *bench, struct device *device)
{
    if (device->ack_queued)
        return;
    device->ack_queued = true;
    device->ack_wake_ns = device->ack_due_ns;
    device->ack_next = NULL;
    if (bench->ack_last)
        bench->ack_last->ack_next = device;
    else
        bench->ack_first = device;
    bench->ack_last = device;
}

static void durable_on_flush(struct bench *bench, struct device *device)
{
    if (!device->ack_seats || device->never_acks)
        return;
    if (device->unacked < (uint32_t)bench->options.ack_every && bench->loop.now_ns < device->ack_due_ns) {
        ack_wait(bench, device);
        return;
    }
    while (device->ack_seats) {
        if (device->ack_seats->ack_next)
            ack_put_list(bench, device);
        else
            ack_put_one(bench, device);
        bench->acks++;
    }
    device->unacked = 0;
}

/* ---- what arrives ---- */

/* Another run's conversation, of which nothing is known here: out of the way at once, or it comes again. */
static void ack_foreign(struct bench *bench, struct device *device, const struct inbox *inbox)
{
    char text[LIMIT_TOPIC_LEN + 1];
    struct topic topic = {.kind = TOPIC_ACK, .seq = inbox->seq};
    bench->foreign++;
    if (conversation_ref_parse(inbox->conversation, &topic.conversation))
        return;
    size_t len = topic_format(&topic, text, sizeof(text));
    (void)mqtt_put_publish(&device->conn.out, (struct slice){text, len}, 0, false, 0, 0);
}

static void take_item(struct bench *bench, struct device *device, const struct inbox *inbox, struct slice payload)
{
    struct stamp stamp = {0};
    struct seat *seat = seat_find(bench, device, inbox->conversation);
    if (!seat) {
        ack_foreign(bench, device, inbox);
        return;
    }
    bool ours = inbox->kind == INBOX_CHAT && payload.len >= sizeof(stamp);
    if (ours)
        memcpy(&stamp, payload.at, sizeof(stamp));
    ours = ours && stamp.magic == STAMP_MAGIC && stamp.run == bench->run;
    if (inbox->kind == INBOX_EVENT)
        bench->events++;
    else if (!ours)
        bench->foreign++;
    if (ours && (stamp.talk != seat->talk->index || stamp.sender >= bench->devices_len ||
                 !slice_equal(inbox->user, bench->devices[stamp.sender].user)))
        bench_violation(bench, VIOLATION_STRANGE, device, "a message of another conversation or sender");
    else
        (void)seat_take(bench, seat, inbox->seq, ours ? &stamp : NULL); /* a repeated one is acknowledged again */
    ack_note(bench, seat);
}

static void take_sent(struct bench *bench, struct device *device, const struct inbox *inbox)
{
    uint64_t counter;
    struct seat *seat = seat_find(bench, device, inbox->conversation);
    if (!durable_id(bench, inbox->id, &counter)) {
        if (seat)
            seat_sent_before(seat, inbox->seq);
        return;
    }
    struct entry *entry = outbox_find(device, counter);
    if (!entry)
        return; /* answered before: a replay, or an answer to the second of two */
    if (entry->seat != seat) {
        bench_violation(bench, VIOLATION_STRANGE, device, "sent for another conversation");
        return;
    }
    if (seat->talk->load && entry->state == ENTRY_PUBLISHED && bench_in_window(bench, entry->at_ns))
        histogram_add(&seat->talk->load->stats.accepted, bench->loop.now_ns - entry->at_ns);
    seat_sent(bench, seat, inbox->seq, entry->intended_ns);
    outbox_finish(bench, device, entry);
    load_refill(bench, seat);
}

static uint64_t retry_after_ms(struct slice payload)
{
    static const char KEY[] = "\"retry_after_ms\":";
    const char *at = memmem(payload.at, payload.len, KEY, sizeof(KEY) - 1);
    char digits[16] = "";
    if (at) {
        at += sizeof(KEY) - 1;
        size_t left = (size_t)(payload.at + payload.len - at);
        memcpy(digits, at, left < sizeof(digits) - 1 ? left : sizeof(digits) - 1);
    }
    return strtoull(digits, NULL, 10);
}

static void take_error(struct bench *bench, struct device *device, const struct inbox *inbox, struct slice payload)
{
    uint64_t counter, retry_ms = retry_after_ms(payload);
    bench->errors++;
    snprintf(bench->last_error, sizeof(bench->last_error), "error %.*s", (int)inbox->word.len, inbox->word.at);
    struct entry *entry = durable_id(bench, inbox->id, &counter) ? outbox_find(device, counter) : NULL;
    if (!entry) {
        if (inbox->conversation.len == 1)
            bench_violation(bench, VIOLATION_STRANGE, device, bench->last_error);
        return;
    }
    struct seat *seat = entry->seat;
    struct load *load = seat->talk->load;
    if (load && bench_in_window(bench, bench->loop.now_ns)) {
        load->stats.refused++;
        histogram_add(&load->stats.advised, retry_ms * 1000000ull);
    }
    if (retry_ms && load && !load->active && bench->options.give_up) {
        seat->talk->reordered = true;
        outbox_finish(bench, device, entry);
        return;
    }
    if (retry_ms) {
        outbox_refuse(device, entry, bench->loop.now_ns + (retry_ms + bench_random(bench, 100)) * 1000000ull);
        return;
    }
    bench_violation(bench, VIOLATION_STRANGE, device, bench->last_error);
    outbox_finish(bench, device, entry);
}

static void take_rpc(struct bench *bench, const struct inbox *inbox, struct slice payload)
{
    static const char CODE[] = "\"code\":\"";
    if (!slice_equal(inbox->id, slice_of(bench->rpc.id)))
        return;
    bench->rpc.done = true;
    bench->rpc.ok = memmem(payload.at, payload.len, "\"result\"", 8) != NULL;
    const char *code = memmem(payload.at, payload.len, CODE, sizeof(CODE) - 1);
    snprintf(bench->rpc.code, sizeof(bench->rpc.code), "%.*s", (int)payload.len, payload.at);
    if (code) {
        code += sizeof(CODE) - 1;
        size_t len = (size_t)(payload.at + payload.len - code);
        const char *end = memchr(code, '"', len);
        snprintf(bench->rpc.code, sizeof(bench->rpc.code), "%.*s", (int)(end ? end - code : 0), code);
    }
}

static void take_mark(struct bench *bench, struct device *device, const struct inbox *inbox)
{
    struct seat *seat = seat_find(bench, device, inbox->conversation);
    if (seat && !seat->talk->is_group && slice_equal(inbox->user, seat->ref.name))
        seat_delivered(bench, seat, inbox->seq);
    else
        bench->receipts++;
}

static void durable_on_publish(struct bench *bench, struct device *device, const struct mqtt_packet *packet)
{
    struct inbox inbox;
    size_t prefix = sizeof("inbox//") - 1 + device->user.len;
    const char *topic = packet->topic.at;
    if (packet->topic.len <= prefix || memcmp(topic, "inbox/", 6) != 0 ||
        memcmp(topic + 6, device->user.at, device->user.len) != 0 || topic[prefix - 1] != '/' ||
        inbox_parse((struct slice){topic + prefix, packet->topic.len - prefix}, &inbox)) {
        bench_violation(bench, VIOLATION_STRANGE, device, "topic");
        return;
    }
    switch (inbox.kind) {
    case INBOX_CHAT:
    case INBOX_EVENT:
        take_item(bench, device, &inbox, packet->payload);
        break;
    case INBOX_SENT:
        take_sent(bench, device, &inbox);
        break;
    case INBOX_DELIVERED:
    case INBOX_READ:
        take_mark(bench, device, &inbox);
        break;
    case INBOX_RECEIPTS:
        bench->receipts++;
        break;
    case INBOX_ERROR:
        take_error(bench, device, &inbox, packet->payload);
        break;
    case INBOX_RPC:
        take_rpc(bench, &inbox, packet->payload);
        break;
    case INBOX_SYNCED:
        device_is_live(bench, device);
        break;
    case INBOX_TYPING:
    case INBOX_HISTORY_CHAT:
    case INBOX_HISTORY_EVENT:
    case INBOX_FLAGS:
        break;
    }
}

const struct dialect DIALECT_DURABLE = {
    .name = "gnatter",
    .on_connack = durable_on_connack,
    .on_suback = durable_on_suback,
    .on_publish = durable_on_publish,
    .on_puback = durable_on_puback,
    .on_flush = durable_on_flush,
    .chat_topic = durable_chat_topic,
};
