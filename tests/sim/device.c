/* Devices that follow docs/protocol.md: an outbox, cumulative acks, and dropping what was seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct core_device device_identity(const struct world *world, int device, char names[2][8])
{
    const struct device *d = &world->devices[device];
    (void)snprintf(names[0], 8, "u%d", d->user);
    (void)snprintf(names[1], 8, "%s", d->name);
    return (struct core_device){500 + device, 100 + d->user, slice_of(names[0]), slice_of(names[1]), d->ack_auto};
}

/* ---- what it publishes ---- */

static void publish_message(struct world *world, int message)
{
    struct message_truth *m = &world->messages[message];
    const struct db_conversation *c = &world->conversations[m->conversation];
    int user = world->devices[m->device].user;
    bool is_new_direct = !c->exists && !c->is_group && !c->is_never && (c->users[0] == user || c->users[1] == user);
    if (!is_new_direct && (!c->exists || !db_is_current(c, user)))
        m->may_be_refused = true;
    if (world->options.refuses_blocked && c->exists && !c->is_group && db_is_quiet(c))
        m->may_be_refused = true;
    trace(world, "device %d publishes message %d to %s", m->device, message, c->name);
    broker_publish(world, (struct record){.kind = RECORD_CHAT, .device = m->device, .message = message});
}

static bool may_name(const struct world *world, int user, int conversation)
{
    const struct db_conversation *c = &world->conversations[conversation];
    return c->is_group || c->users[0] == user || c->users[1] == user;
}

void device_send(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    if (!d->session || world->messages_len == MESSAGES_MAX || world->conversations[conversation].last_seq >= 300 ||
        !may_name(world, d->user, conversation))
        return;
    const struct db_conversation *c = &world->conversations[conversation];
    if (c->is_group && !(c->exists && db_is_current(c, d->user)) && !rng_one_in(&world->rng, 6))
        return;
    for (uint32_t i = 0; i <= rng_below(&world->rng, 4) && world->messages_len < MESSAGES_MAX; i++) {
        int message = world->messages_len++;
        world->messages[message] =
            (struct message_truth){.device = device,
                                   .conversation = conversation,
                                   .is_in_outbox = d->keeps_outbox,
                                   .connection = d->connection,
                                   .is_poison = rng_one_in(&world->rng, world->plan.failing * 4)};
        publish_message(world, message);
        if (rng_one_in(&world->rng, 12))
            publish_message(world, message);
    }
}

void device_resend(struct world *world, int device)
{
    if (!world->devices[device].session || world->messages_len == 0)
        return;
    uint32_t first = rng_below(&world->rng, (uint32_t)world->messages_len);
    for (int i = 0; i < world->messages_len; i++) {
        int message = (int)((first + (uint32_t)i) % (uint32_t)world->messages_len);
        const struct message_truth *m = &world->messages[message];
        if (m->device == device && m->is_in_outbox && (m->state == MESSAGE_OPEN || rng_one_in(&world->rng, 20))) {
            publish_message(world, message);
            return;
        }
    }
}

void device_ack(struct world *world, int device, bool everything)
{
    struct device *d = &world->devices[device];
    struct record record = {.kind = RECORD_ACK, .device = device};
    if (!d->session || (!everything && d->mute_until_ms > world->now_ms))
        return;
    for (int i = 0; i < world->conversations_len && record.lines_len < LINES_MAX; i++) {
        struct device_conversation *dc = &d->in_conversation[i];
        if (!dc->owes_ack || dc->last_taken_seq == 0 || (!everything && rng_one_in(&world->rng, 3)))
            continue;
        dc->owes_ack = false;
        dc->acked_seq = dc->last_taken_seq;
        record.lines[record.lines_len++] = (struct line){i, dc->last_taken_seq};
    }
    if (record.lines_len)
        broker_publish(world, record);
}

static void publish_read(struct world *world, int device, int conversation, int64_t seq)
{
    broker_publish(
        world, (struct record){.kind = RECORD_READ, .device = device, .lines_len = 1, .lines = {{conversation, seq}}});
}

void device_read(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    const struct device_conversation *dc = &d->in_conversation[conversation];
    if (!d->session || dc->last_taken_seq == 0)
        return;
    int64_t seq = dc->last_taken_seq - (int64_t)rng_below(&world->rng, 3);
    publish_read(world, device, conversation, seq > 0 ? seq : 1);
}

/* Asks again for what it lacks; in some conversations it says what that is. */
void device_sync(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    struct record record = {.kind = RECORD_SYNC, .device = device};
    if (!d->session)
        return;
    for (int i = 0; i < world->conversations_len && record.lines_len < LINES_MAX && !d->ack_auto; i++)
        if (d->in_conversation[i].last_taken_seq > 0 && rng_one_in(&world->rng, 4))
            record.lines[record.lines_len++] = (struct line){i, d->in_conversation[i].last_taken_seq};
    broker_publish(world, record);
}

/* Has lost what it had of some conversations: connects, says from where it needs them, and only then subscribes, so
 * that nothing of before is on its way to it. */
void device_rewind(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    struct record record = {.kind = RECORD_SYNC, .device = device};
    if (d->ack_auto || !device_connect_only(world, device))
        return;
    for (int i = 0; i < world->conversations_len && record.lines_len < LINES_MAX; i++) {
        struct device_conversation *dc = &d->in_conversation[i];
        if (!rng_one_in(&world->rng, 3) || dc->last_taken_seq <= dc->start_seq)
            continue;
        int64_t seq = dc->start_seq + (int64_t)rng_below(&world->rng, (uint32_t)(dc->last_taken_seq - dc->start_seq));
        memset(&dc->taken[seq + 1], 0, (size_t)(SEQ_MAX - seq - 1));
        dc->last_taken_seq = seq;
        dc->covered_seq = dc->covered_seq < seq ? dc->covered_seq : seq;
        record.lines[record.lines_len++] = (struct line){i, seq};
    }
    broker_publish(world, record);
    device_subscribe(world, device);
}

/* Gets what there is by rpc/history, and says that it has it, or has read it. */
void device_history(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    struct device_conversation *dc = &d->in_conversation[conversation];
    const struct db_conversation *c = &world->conversations[conversation];
    if (!d->session || d->ack_auto || !c->exists || !db_is_heard_of(world))
        return;
    int64_t seq = db_last_visible(c, d->user, c->last_seq);
    if (seq <= dc->last_taken_seq)
        return;
    dc->last_taken_seq = dc->covered_seq = seq;
    dc->owes_ack = true;
    if (rng_one_in(&world->rng, 2))
        publish_read(world, device, conversation, seq);
}

void device_typing(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    if (d->session && may_name(world, d->user, conversation))
        broker_publish(
            world,
            (struct record){.kind = RECORD_TYPING, .device = device, .lines_len = 1, .lines = {{conversation, 0}}});
}

/* ---- what it takes ---- */

static void check_no_gap(struct world *world, int device, int conversation, int64_t to_seq)
{
    const struct device *d = &world->devices[device];
    const struct device_conversation *dc = &d->in_conversation[conversation];
    const struct db_conversation *c = &world->conversations[conversation];
    for (int64_t seq = to_seq - 1; seq > dc->start_seq && seq > dc->covered_seq; seq--) {
        if (dc->taken[seq] || !db_is_visible(c, d->user, seq))
            continue;
        if (c->items[seq].is_chat && c->items[seq].device == device)
            continue; /* it has that, whether its `sent` has come or not */
        violate(world, "device %d takes %s/%ld and has not got %ld", device, c->name, (long)to_seq, (long)seq);
        return;
    }
}

static void take_item(struct world *world, int device, int conversation, const struct inbox *inbox)
{
    struct device *d = &world->devices[device];
    struct device_conversation *dc = &d->in_conversation[conversation];
    bool is_truncated = inbox->kind == INBOX_EVENT && slice_equal(inbox->word, SLICE("truncated"));
    dc->owes_ack = true;
    if (inbox->seq <= dc->last_taken_seq)
        return; /* seen */
    if (is_truncated) {
        dc->covered_seq = dc->covered_seq > inbox->seq ? dc->covered_seq : inbox->seq;
    } else {
        dc->taken[inbox->seq] = true;
        if (!d->ack_auto)
            check_no_gap(world, device, conversation, inbox->seq);
    }
    world->taken++;
    if (dc->last_taken_seq < inbox->seq)
        dc->last_taken_seq = inbox->seq;
}

static void take_sent(struct world *world, int device, const struct inbox *inbox)
{
    int message = message_named(inbox->id);
    struct message_truth *m = &world->messages[message];
    if (m->device != device)
        violate(world, "device %d gets sent for message %d of device %d", device, message, m->device);
    m->state = MESSAGE_SENT;
}

static void know(int64_t known[USERS_MAX], struct slice user, int64_t seq)
{
    int index = user.at[1] - '0';
    if (known[index] < seq)
        known[index] = seq;
}

static void take(struct world *world, int device, const struct packet *packet)
{
    struct device *d = &world->devices[device];
    struct inbox inbox;
    if (inbox_parse((struct slice){packet->bytes, packet->tail_len}, &inbox) != STATUS_OK) {
        violate(world, "device %d gets a topic that is none", device);
        return;
    }
    int conversation = conversation_named(world, device, inbox.conversation);
    switch (inbox.kind) {
    case INBOX_CHAT:
    case INBOX_EVENT:
        take_item(world, device, conversation, &inbox);
        break;
    case INBOX_SENT:
        take_sent(world, device, &inbox);
        break;
    case INBOX_ERROR:
        if (world->messages[message_named(inbox.id)].state == MESSAGE_OPEN)
            world->messages[message_named(inbox.id)].state = MESSAGE_REFUSED;
        break;
    case INBOX_DELIVERED:
        know(d->in_conversation[conversation].known_delivered, inbox.user, inbox.seq);
        break;
    case INBOX_READ:
        know(d->in_conversation[conversation].known_delivered, inbox.user, inbox.seq);
        know(d->in_conversation[conversation].known_read, inbox.user, inbox.seq);
        break;
    case INBOX_RECEIPTS:
    case INBOX_TYPING:
    case INBOX_RPC:
    case INBOX_HISTORY_CHAT:
    case INBOX_HISTORY_EVENT:
    case INBOX_SYNCED:
    case INBOX_FLAGS:
        break;
    }
}

bool device_take(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    int qos = d->in[0] && (!d->in[1] || rng_one_in(&world->rng, 2)) ? 0 : 1;
    struct packet *packet = d->in[qos];
    if (!packet)
        return false;
    d->in[qos] = packet->next;
    if (!d->in[qos])
        d->in_end[qos] = &d->in[qos];
    take(world, device, packet);
    free(packet);
    return true;
}
