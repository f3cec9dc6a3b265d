/*
 * Broker, plugin and link: sessions, the journal, what travels up (sessions and records) and down (deliveries). What
 * travels is lost only with the link or its end; what the journal holds is sent again until it is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct delivery {
    struct delivery *next;
    uint32_t session;
    struct packet *packet;
};

static void up_add(struct world *world, struct up up)
{
    if (!world->is_link_up)
        return;
    if (world->up_first + world->up_len == world->up_size) {
        if (world->up_len)
            memmove(world->up, world->up + world->up_first, (size_t)world->up_len * sizeof world->up[0]);
        world->up_first = 0;
        if (world->up_len * 2 >= world->up_size) {
            world->up_size = world->up_size ? 2 * world->up_size : 64;
            world->up = reallocarray(world->up, (size_t)world->up_size, sizeof world->up[0]);
        }
    }
    world->up[world->up_first + world->up_len++] = up;
}

/* ---- sessions ---- */

static session_ref ref_of(uint32_t session)
{
    return (uint64_t)1 << 32 | session;
}

static int device_by_session(const struct world *world, session_ref ref)
{
    for (int i = 0; i < world->devices_len; i++)
        if (world->devices[i].session && ref_of(world->devices[i].session) == ref)
            return i;
    return -1;
}

void device_drop_packets(struct device *device)
{
    for (int i = 0; i < 2; i++) {
        while (device->in[i]) {
            struct packet *packet = device->in[i];
            device->in[i] = packet->next;
            free(packet);
        }
        device->in_end[i] = &device->in[i];
    }
}

/* The end of the session that was taken over may be told before or after the new one is ready. */
static void tell_taken_over(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    if (d->taken_over)
        up_add(world, (struct up){UP_GONE_SESSION, d->taken_over, device, 0});
    d->taken_over = 0;
}

bool device_connect_only(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    if (!world->is_broker_up || !d->is_registered || world->last_session == SESSIONS_MAX - 1)
        return false;
    uint32_t old = d->session;
    device_drop_packets(d);
    d->is_subscribed = d->is_ready = false;
    d->session = ++world->last_session;
    world->owners[d->session] = device;
    d->connection++;
    d->taken_over = old;
    trace(world, "device %d connects, session %u", device, d->session);
    if (rng_one_in(&world->rng, 2))
        tell_taken_over(world, device);
    return true;
}

void device_subscribe(struct world *world, int device)
{
    world->devices[device].is_subscribed = true;
    up_add(world, (struct up){UP_READY_SESSION, world->devices[device].session, device, 0});
    tell_taken_over(world, device);
}

void device_connect(struct world *world, int device)
{
    if (device_connect_only(world, device))
        device_subscribe(world, device);
}

static void session_end(struct device *d)
{
    device_drop_packets(d);
    d->session = 0;
    d->is_subscribed = d->is_ready = false;
}

void device_disconnect(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    if (!d->session)
        return;
    trace(world, "device %d disconnects", device);
    up_add(world, (struct up){UP_GONE_SESSION, d->session, device, 0});
    session_end(d);
}

/* ---- the journal ---- */

void broker_publish(struct world *world, struct record record)
{
    if (world->records_len == world->records_size) {
        world->records_size = world->records_size ? 2 * world->records_size : 256;
        world->records = reallocarray(world->records, (size_t)world->records_size, sizeof world->records[0]);
    }
    world->records[world->records_len] = record;
    up_add(world, (struct up){UP_JOURNAL, 0, record.device, world->records_len});
    world->records_len++;
}

static struct core_token feed(struct world *world, int record, int expected)
{
    if (world->feeds_len == world->feeds_size) {
        world->feeds_size = world->feeds_size ? 2 * world->feeds_size : 256;
        world->feeds = reallocarray(world->feeds, (size_t)world->feeds_size, sizeof world->feeds[0]);
    }
    world->feeds[world->feeds_len] = (struct feed){record, expected, 0, world->link};
    return (struct core_token){(uint32_t)world->link, (uint64_t)record, (uint64_t)world->feeds_len++};
}

static void record_done(struct world *world, int record)
{
    world->records[record].is_done = true;
    while (world->tail < world->records_len && world->records[world->tail].is_done)
        world->tail++; /* the plugin hears at once; a later one is the same as a lost link */
}

void port_done(void *ctx, struct core_token token)
{
    struct world *world = ctx;
    struct feed *f = &world->feeds[token.boot];
    if ((int)token.boot < world->core_first_feed || ++f->done > f->expected) {
        violate(world, "record %d is done %d times", f->record, f->done);
        return;
    }
    check_done(world, f->record);
    if (f->done == f->expected && f->link == world->link && world->is_link_up)
        record_done(world, f->record);
}

/* ---- up ---- */

static void session_ready(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    char names[2][8];
    struct core_device identity = device_identity(world, device, names);
    d->is_ready = true;
    d->ready_number = ++world->last_ready;
    memset(d->told, 0, sizeof d->told);
    forget_outstanding_of(d);
    for (int i = 0; i < world->conversations_len; i++) {
        const struct db_conversation *c = &world->conversations[i];
        d->last_at_ready[i] = c->last_seq;
        while (world->notified_len && d->last_at_ready[i] && !c->items[d->last_at_ready[i]].is_chat)
            d->last_at_ready[i]--; /* what was just written by SQL may not be known yet */
    }
    trace(world, "ready: device %d, session %u, number %lu", device, d->session, (unsigned long)d->ready_number);
    core_on_ready(world->core, world->now_ms, ref_of(d->session), d->ready_number, &identity);
}

/* A live device shows a group, or no more: a request that the shard hears of. */
void device_open(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    const struct db_conversation *c = &world->conversations[rng_below(&world->rng, (uint32_t)world->conversations_len)];
    if (d->session && d->is_ready && world->core && c->is_group)
        core_on_open(world->core, world->now_ms, ref_of(d->session), 500 + device, slice_of(c->name),
                     !rng_one_in(&world->rng, 4));
}

static void session_gone(struct world *world, uint32_t session)
{
    char names[2][8];
    int64_t device_id = device_identity(world, world->owners[session], names).device_id;
    core_on_gone(world->core, world->now_ms, ref_of(session), device_id);
}

static void feed_chat(struct world *world, int record)
{
    const struct record *r = &world->records[record];
    char names[2][8], id[16], payload[512];
    struct core_device identity = device_identity(world, r->device, names);
    size_t payload_len;
    message_payload(r->message, payload, &payload_len);
    (void)snprintf(id, sizeof id, "m%d", r->message);
    trace(world, "record %d: message %d of device %d", record, r->message, r->device);
    core_on_chat(world->core, world->now_ms, feed(world, record, 1), &identity,
                 slice_of(world->conversations[world->messages[r->message].conversation].name), slice_of(id),
                 (struct slice){payload, payload_len});
}

static void acked(struct world *world, int device, int conversation, int64_t seq)
{
    struct device *d = &world->devices[device];
    if (d->fed_ack[conversation] < seq)
        d->fed_ack[conversation] = seq;
    if (d->held[conversation] < seq)
        d->held[conversation] = seq;
    if (d->core_held[conversation] < seq)
        d->core_held[conversation] = seq;
    for (int64_t i = 1; i <= seq && i < SEQ_MAX; i++) {
        d->out_len -= d->is_out[conversation][i];
        d->is_out[conversation][i] = false;
    }
}

static void rewound(struct world *world, int device, int conversation)
{
    struct device *d = &world->devices[device];
    for (int i = 0; i < SEQ_MAX; i++) {
        d->out_len -= d->is_out[conversation][i];
        d->is_out[conversation][i] = false;
    }
}

static void was_read(struct world *world, int user, struct line line)
{
    if (world->fed_read[user][line.conversation] < line.seq)
        world->fed_read[user][line.conversation] = line.seq;
    if (world->core_read[user][line.conversation] < line.seq)
        world->core_read[user][line.conversation] = line.seq;
}

static void feed_lines(struct world *world, int record)
{
    const struct record *r = &world->records[record];
    char names[2][8];
    struct core_device identity = device_identity(world, r->device, names);
    struct core_token token = feed(world, record, r->lines_len);
    for (int i = 0; i < r->lines_len; i++) {
        struct line line = r->lines[i];
        struct slice name = slice_of(world->conversations[line.conversation].name);
        trace(world, "record %d: kind %d of device %d, %.*s %ld", record, (int)r->kind, r->device, (int)name.len,
              name.at, (long)line.seq);
        if (r->kind == RECORD_SYNC) {
            rewound(world, r->device, line.conversation);
            int64_t *fed_ack = &world->devices[r->device].fed_ack[line.conversation];
            *fed_ack = *fed_ack > line.seq ? *fed_ack : line.seq; /* it says that it holds that */
            world->devices[r->device].held[line.conversation] = line.seq;
            world->devices[r->device].core_held[line.conversation] = line.seq;
            core_on_rewind(world->core, world->now_ms, token, &identity, name, line.seq);
            continue;
        }
        acked(world, r->device, line.conversation, line.seq);
        if (r->kind == RECORD_READ)
            was_read(world, world->devices[r->device].user, line);
        core_on_mark(world->core, world->now_ms, token, r->kind == RECORD_READ ? CORE_MARK_READ : CORE_MARK_ACK,
                     &identity, name, line.seq);
    }
    if (r->lines_len == 0)
        record_done(world, record); /* an empty sync is the owner's alone */
    if (r->kind == RECORD_SYNC && world->devices[r->device].is_ready)
        session_ready(world, r->device);
}

static void feed_typing(struct world *world, int record)
{
    const struct record *r = &world->records[record];
    char names[2][8];
    struct core_device identity = device_identity(world, r->device, names);
    core_on_typing(world->core, world->now_ms, &identity, slice_of(world->conversations[r->lines[0].conversation].name),
                   true);
    record_done(world, record);
}

static void feed_record(struct world *world, int record)
{
    const struct record *r = &world->records[record];
    if (!world->devices[r->device].is_registered) { /* the hub finds no such device */
        record_done(world, record);
        return;
    }
    switch (r->kind) {
    case RECORD_CHAT:
        feed_chat(world, record);
        break;
    case RECORD_TYPING:
        feed_typing(world, record);
        break;
    case RECORD_ACK:
    case RECORD_READ:
    case RECORD_SYNC:
        feed_lines(world, record);
        break;
    }
}

bool link_up_step(struct world *world)
{
    if (world->up_len == 0 || !world->core || core_is_full(world->core))
        return false;
    struct up up = world->up[world->up_first++];
    world->up_len--;
    switch (up.kind) {
    case UP_READY_SESSION:
        if (world->devices[up.device].session == up.session)
            session_ready(world, up.device);
        break;
    case UP_GONE_SESSION:
        trace(world, "gone: session %u", up.session);
        session_gone(world, up.session);
        break;
    case UP_JOURNAL:
        feed_record(world, up.record);
        break;
    }
    return true;
}

/* ---- down ---- */

void port_deliver(void *ctx, const session_ref sessions[], size_t sessions_len, int qos, struct slice tail,
                  struct slice payload)
{
    struct world *world = ctx;
    for (size_t i = 0; i < sessions_len; i++) {
        int device = device_by_session(world, sessions[i]);
        trace(world, "deliver to device %d, QoS %d: %.*s", device, qos, (int)tail.len, tail.at);
        check_handed_over(world, world->owners[(uint32_t)sessions[i]], tail);
        if (device < 0 || !world->is_link_up || !world->devices[device].is_ready)
            continue; /* what was on its way is lost: a session gets nothing more before it is ready on the new link */
        check_delivered(world, device, qos, tail, payload);
        struct packet *packet = malloc(sizeof *packet + tail.len + payload.len);
        struct delivery *delivery = malloc(sizeof *delivery);
        if (!packet || !delivery)
            abort();
        *packet = (struct packet){NULL, qos, tail.len, payload.len};
        memcpy(packet->bytes, tail.at, tail.len);
        if (payload.len)
            memcpy(packet->bytes + tail.len, payload.at, payload.len);
        *delivery = (struct delivery){NULL, (uint32_t)sessions[i], packet};
        *world->down_end = delivery;
        world->down_end = &delivery->next;
    }
}

bool link_down_step(struct world *world)
{
    struct delivery *delivery = world->down;
    if (!delivery || !world->is_link_up)
        return false;
    world->down = delivery->next;
    if (!world->down)
        world->down_end = &world->down;
    int device = device_by_session(world, ref_of(delivery->session));
    struct packet *packet = delivery->packet;
    bool is_dropped = packet->qos == 0 && rng_one_in(&world->rng, world->plan.lose_tick);
    if (device >= 0 && !is_dropped) {
        struct device *d = &world->devices[device];
        *d->in_end[packet->qos] = packet;
        d->in_end[packet->qos] = &packet->next;
    } else {
        free(packet);
    }
    free(delivery);
    return true;
}

void port_caught_up(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed)
{
    struct world *world = ctx;
    int device = device_by_session(world, session);
    trace(world, "caught up: device %d, number %lu, %lu replayed", device, (unsigned long)ready_number,
          (unsigned long)replayed);
    if (device < 0 || !world->is_link_up || !world->devices[device].is_ready)
        return;
    struct device *d = &world->devices[device];
    if (ready_number != d->ready_number || d->caught_up_number == ready_number)
        violate(world, "device %d is caught up with ready %lu, it has %lu, told %lu", device,
                (unsigned long)ready_number, (unsigned long)d->ready_number, (unsigned long)d->caught_up_number);
    d->caught_up_number = ready_number;
    check_caught_up(world, device);
}

/* ---- losing and restoring ---- */

static void drop_down(struct world *world)
{
    while (world->down) {
        struct delivery *delivery = world->down;
        world->down = delivery->next;
        free(delivery->packet);
        free(delivery);
    }
    world->down_end = &world->down;
}

void link_lose(struct world *world)
{
    if (!world->is_link_up)
        return;
    trace(world, "the link is lost");
    world->is_link_up = false;
    world->up_len = world->up_first = 0;
    drop_down(world);
}

static void announce(struct world *world)
{
    for (int i = 0; i < world->devices_len; i++) {
        if (world->devices[i].is_subscribed)
            up_add(world, (struct up){UP_READY_SESSION, world->devices[i].session, i, 0});
    }
}

/*
 * The service says HELLO: all sessions, and the journal from its tail. What the journal holds comes before the sessions
 * are ready where a cursor is set back in it: a replay from the old cursor would be acknowledged after that.
 */
void link_restore(struct world *world)
{
    if (world->is_link_up || !world->is_broker_up || !world->core)
        return;
    trace(world, "the link is up");
    world->is_link_up = true;
    world->link++;
    for (int i = 0; i < world->devices_len; i++)
        world->devices[i].is_ready = false;
    for (uint32_t session = 1; session <= world->last_session; session++) { /* who is not listed is gone */
        int device = device_by_session(world, ref_of(session));
        if (device < 0 || rng_one_in(&world->rng, 2))
            session_gone(world, session);
    }
    bool is_rewinding = false;
    for (int i = world->tail; i < world->records_len; i++)
        is_rewinding |= world->records[i].lines_len && world->records[i].kind == RECORD_SYNC;
    bool is_records_first = is_rewinding || rng_one_in(&world->rng, 2);
    if (!is_records_first)
        announce(world);
    for (int i = world->tail; i < world->records_len; i++) {
        world->records[i].is_done = false;
        up_add(world, (struct up){UP_JOURNAL, 0, world->records[i].device, i});
    }
    if (is_records_first)
        announce(world);
}

/* Its memory is gone, its journal is not. Session numbers start again. */
void broker_crash(struct world *world)
{
    if (!world->is_broker_up)
        return;
    trace(world, "the broker crashes");
    link_lose(world);
    for (uint32_t session = 1; session <= world->last_session && world->core; session++)
        session_gone(world, session);
    for (int i = 0; i < world->devices_len; i++)
        session_end(&world->devices[i]);
    world->last_session = 0;
    world->is_broker_up = false;
}

void service_crash(struct world *world)
{
    if (!world->core)
        return;
    trace(world, "the service crashes");
    link_lose(world);
    if (world->is_database_up)
        database_drop_questions(world);
    core_free(world->core);
    world->core = NULL;
    world->has_barrier = false;
    memset(world->core_read, 0, sizeof world->core_read);
    for (int i = 0; i < world->devices_len; i++)
        memset(world->devices[i].core_held, 0, sizeof world->devices[i].core_held);
    world->core_first_feed = world->feeds_len;
}

void service_start(struct world *world)
{
    if (world->core)
        return;
    trace(world, "the service starts");
    struct core_port port = sim_port;
    port.ctx = world;
    world->core = core_new(&world->options, &port);
    if (!world->core)
        abort();
    world->seen_restarts = 0;
    if (!world->is_database_up)
        core_on_database_lost(world->core, world->now_ms);
}

void world_free_queues(struct world *world)
{
    world->is_link_up = true;
    link_lose(world);
    for (int i = 0; i < world->devices_len; i++)
        device_drop_packets(&world->devices[i]);
    database_drop_questions(world);
}
