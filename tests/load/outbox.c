#include "device.h"
#include <stdlib.h>
#include <string.h>

static struct entry *entry_at(struct outbox *outbox, uint64_t counter)
{
    return &outbox->ring[counter & (outbox->size - 1)];
}

static void outbox_grow(struct outbox *outbox)
{
    struct outbox old = *outbox;
    outbox->size = old.size ? old.size * 2 : 8;
    outbox->ring = calloc(outbox->size, sizeof(struct entry));
    if (!outbox->ring)
        abort();
    if (!old.size) {
        outbox->head = outbox->next = outbox->tail = 1;
        return;
    }
    for (uint64_t counter = old.head; counter < old.tail; counter++)
        *entry_at(outbox, counter) = *entry_at(&old, counter);
    free(old.ring);
}

void outbox_free(struct outbox *outbox)
{
    free(outbox->ring);
}

void outbox_add(struct bench *bench, struct seat *seat, uint64_t intended_ns)
{
    struct device *device = seat->device;
    struct outbox *outbox = &device->outbox;
    if (outbox->tail - outbox->head >= outbox->size)
        outbox_grow(outbox);
    *entry_at(outbox, outbox->tail++) = (struct entry){.seat = seat, .intended_ns = intended_ns};
    bench->outstanding++;
    loop_wake(&bench->loop, &device->conn);
}

struct entry *outbox_find(struct device *device, uint64_t counter)
{
    struct outbox *outbox = &device->outbox;
    if (counter < outbox->head || counter >= outbox->tail)
        return NULL;
    struct entry *entry = entry_at(outbox, counter);
    return entry->state == ENTRY_PUBLISHED || entry->state == ENTRY_REFUSED ? entry : NULL;
}

void outbox_finish(struct bench *bench, struct device *device, struct entry *entry)
{
    struct outbox *outbox = &device->outbox;
    entry->state = ENTRY_DONE;
    outbox->under_way--;
    bench->outstanding--;
    while (outbox->head < outbox->next && entry_at(outbox, outbox->head)->state == ENTRY_DONE)
        outbox->head++;
    loop_wake(&bench->loop, &device->conn);
}

void outbox_refuse(struct device *device, struct entry *entry, uint64_t retry_ns)
{
    entry->state = ENTRY_REFUSED;
    entry->at_ns = retry_ns;
    entry->seat->talk->reordered = true;
    device->retrying = true;
}

static void outbox_publish(struct bench *bench, struct device *device, uint64_t counter)
{
    char topic[LIMIT_TOPIC_LEN + 1];
    struct entry *entry = entry_at(&device->outbox, counter);
    struct seat *seat = entry->seat;
    size_t payload_len = (size_t)bench->options.payload_bytes;
    struct stamp stamp = {.magic = STAMP_MAGIC,
                          .run = bench->run,
                          .talk = seat->talk->index,
                          .sender = device->index,
                          .counter = counter,
                          .intended_ns = entry->intended_ns};
    size_t topic_len = bench->dialect->chat_topic(bench, seat, counter, topic, sizeof(topic));
    /* The packet id tells the counter, so that a PUBACK finds its entry without a table. */
    unsigned char *payload = mqtt_put_publish(&device->conn.out, (struct slice){topic, topic_len}, 1, false,
                                              (uint16_t)((counter - 1) % 65535 + 1), payload_len);
    memcpy(payload, &stamp, sizeof(stamp));
    memset(payload + sizeof(stamp), '.', payload_len - sizeof(stamp));
    entry->state = ENTRY_PUBLISHED;
    entry->at_ns = bench->loop.now_ns;
    if (seat->talk->load && bench_in_window(bench, bench->loop.now_ns))
        seat->talk->load->stats.published++;
}

void outbox_pump(struct bench *bench, struct device *device)
{
    struct outbox *outbox = &device->outbox;
    while (outbox->next < outbox->tail && (long)outbox->under_way < device->window) {
        uint64_t counter = outbox->next++;
        if (entry_at(outbox, counter)->state == ENTRY_DONE)
            continue;
        outbox->under_way++;
        outbox_publish(bench, device, counter);
    }
}

void outbox_start_over(struct bench *bench, struct device *device)
{
    struct outbox *outbox = &device->outbox;
    for (uint64_t counter = outbox->head; counter < outbox->next; counter++) {
        struct entry *entry = entry_at(outbox, counter);
        if (entry->state == ENTRY_DONE)
            continue;
        entry->seat->talk->reordered = true;
        entry->state = ENTRY_NEW;
        bench->resent++;
    }
    outbox->next = outbox->head;
    outbox->under_way = 0;
}

void outbox_give_up(struct bench *bench, struct device *device)
{
    struct outbox *outbox = &device->outbox;
    bench->outstanding -= outbox->tail - outbox->next;
    outbox->tail = outbox->next;
    for (uint64_t counter = outbox->head; counter < outbox->next; counter++)
        if (entry_at(outbox, counter)->state == ENTRY_REFUSED)
            outbox_finish(bench, device, entry_at(outbox, counter));
}

void outbox_resend(struct bench *bench, struct device *device)
{
    struct outbox *outbox = &device->outbox;
    uint64_t now_ns = bench->loop.now_ns, patience_ns = (uint64_t)bench->options.resend_ms * 1000000ull;
    if (outbox->head == outbox->next)
        return;
    const struct entry *oldest = entry_at(outbox, outbox->head);
    if (!device->retrying && now_ns - oldest->at_ns < patience_ns)
        return;
    device->retrying = false;
    for (uint64_t counter = outbox->head; counter < outbox->next; counter++) {
        struct entry *entry = entry_at(outbox, counter);
        bool overdue = entry->state == ENTRY_PUBLISHED && now_ns - entry->at_ns >= patience_ns;
        if (overdue || (entry->state == ENTRY_REFUSED && entry->at_ns <= now_ns)) {
            bench->resent++;
            entry->seat->talk->reordered = true;
            outbox_publish(bench, device, counter);
        }
        device->retrying |= entry->state == ENTRY_REFUSED;
    }
    loop_wake(&bench->loop, &device->conn);
}
