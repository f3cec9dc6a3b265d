/*
 * Plain topics against a stock broker, the yardstick: QoS 1 publishes to subscribers, load/<run>/<talk> for a group,
 * load/<run>/<talk>/<place of the receiver> for a pair. PUBACK stands for `sent`; there is nothing to acknowledge.
 */
#include "device.h"
#include "talk.h"
#include <stdio.h>
#include <string.h>

static size_t raw_topic(struct bench *bench, const struct talk *talk, uint32_t place, char *buf, size_t buf_size)
{
    if (talk->is_group)
        return (size_t)snprintf(buf, buf_size, "load/%08x/%u", bench->run, talk->index);
    return (size_t)snprintf(buf, buf_size, "load/%08x/%u/%u", bench->run, talk->index, place);
}

static void raw_on_connack(struct bench *bench, struct device *device)
{
    char topic[LIMIT_TOPIC_LEN + 1];
    for (uint32_t i = 0; i < device->seats_len; i++) {
        struct seat *seat = device->seats[i];
        if (!seat->receives)
            continue;
        size_t len = raw_topic(bench, seat->talk, seat->place, topic, sizeof(topic));
        mqtt_put_subscribe(&device->conn.out, conn_packet_id(&device->conn), (struct slice){topic, len}, 1);
        device->subscriptions++;
    }
    if (!device->subscriptions)
        device_is_live(bench, device);
}

static void raw_on_suback(struct bench *bench, struct device *device)
{
    if (device->subscriptions && --device->subscriptions == 0)
        device_is_live(bench, device);
}

static void raw_on_publish(struct bench *bench, struct device *device, const struct mqtt_packet *packet)
{
    struct stamp stamp;
    if (packet->payload.len < sizeof(stamp)) {
        bench_violation(bench, VIOLATION_STRANGE, device, "payload");
        return;
    }
    memcpy(&stamp, packet->payload.at, sizeof(stamp));
    struct talk *talk = stamp.talk < bench->talks_len ? bench->talks[stamp.talk] : NULL;
    if (stamp.magic != STAMP_MAGIC || stamp.run != bench->run || !talk) {
        bench_violation(bench, VIOLATION_STRANGE, device, "payload");
        return;
    }
    for (uint32_t i = 0; i < device->seats_len; i++)
        if (device->seats[i]->talk == talk) {
            (void)seat_take(bench, device->seats[i], 0, &stamp); /* QoS 1 may repeat */
            return;
        }
    bench_violation(bench, VIOLATION_STRANGE, device, "a message for another one");
}

static void raw_on_puback(struct bench *bench, struct device *device, uint16_t packet_id)
{
    uint64_t head = device->outbox.head; /* the first counter from there on with that packet id */
    uint64_t ahead = (uint64_t)((packet_id - 1) - (int64_t)((head - 1) % 65535) + 65535) % 65535;
    struct entry *entry = packet_id ? outbox_find(device, head + ahead) : NULL;
    if (!entry)
        return;
    struct seat *seat = entry->seat;
    seat_sent(bench, seat, 0, entry->intended_ns);
    outbox_finish(bench, device, entry);
    load_refill(bench, seat);
}

static void raw_on_flush(struct bench *bench, struct device *device)
{
    (void)bench, (void)device;
}

static size_t raw_chat_topic(struct bench *bench, struct seat *seat, uint64_t counter, char *buf, size_t buf_size)
{
    (void)counter;
    return raw_topic(bench, seat->talk, !seat->place, buf, buf_size);
}

const struct dialect DIALECT_RAW = {
    .name = "raw",
    .on_connack = raw_on_connack,
    .on_suback = raw_on_suback,
    .on_publish = raw_on_publish,
    .on_puback = raw_on_puback,
    .on_flush = raw_on_flush,
    .chat_topic = raw_chat_topic,
};
