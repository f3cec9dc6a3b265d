/* One schedule: a small world, a plan of what happens how often, random steps; then recovery, rest, and the checks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define STEPS_MAX   600
#define ROUNDS_MAX  4000             /* to come to rest, of those in which something flows ... */
#define REST_MAX_MS (10 * 60 * 1000) /* ... and how far the clock may go: pace and redelivery take their time */

/* ---- setting up ---- */

static uint32_t one_of(struct rng *rng, const uint32_t values[], uint32_t len)
{
    return values[rng_below(rng, len)];
}
#define ONE_OF(rng, ...)                                                                                               \
    one_of((rng), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void choose_options(struct world *world, const struct core_options *base)
{
    struct rng *rng = &world->rng;
    struct core_options *o = &world->options;
    *o = *base;
    o->window_items = ONE_OF(rng, 1, 2, 3, 5, 8, 64);
    o->window_items_max = ONE_OF(rng, 1, 4, 16, 64, 256);
    o->window_bytes = ONE_OF(rng, 100, 700, 5000, 500000);
    o->redeliver_after_ms = ONE_OF(rng, 30, 200, 1000);
    o->redeliver_max_ms = o->redeliver_after_ms * ONE_OF(rng, 1, 8);
    o->flush_after_ms = ONE_OF(rng, 0, 5, 100);
    o->scan_every_ms = ONE_OF(rng, 0, 8, 8, 50);
    o->flush_marks_max = ONE_OF(rng, 1, 2, 128);
    o->append_items_max = ONE_OF(rng, 1, 2, 4, 64);
    o->append_bytes_max = ONE_OF(rng, 50, 1000, 100000);
    o->appends_max = ONE_OF(rng, 1, 2, 4);
    o->append_worth_items = ONE_OF(rng, 1, 1, 3, 64);
    o->conversations_max = ONE_OF(rng, 1, 2, 4, 100);
    o->pending_items_max = ONE_OF(rng, 2, 5, 1000);
    o->page_items = ONE_OF(rng, 1, 2, 7, 100);
    o->receipts_members_max = ONE_OF(rng, 2, 32, 32, 32);
    o->refuses_blocked = rng_one_in(rng, 5);
}

/* A swarm: each schedule leaves some things out and does others much, so that all mixtures come up. */
static void choose_plan(struct world *world)
{
    struct rng *rng = &world->rng;
    struct plan *p = &world->plan;
    p->send = ONE_OF(rng, 10, 30, 60);
    p->resend = ONE_OF(rng, 0, 3, 15);
    p->ack = ONE_OF(rng, 5, 30, 60);
    p->read = ONE_OF(rng, 0, 5, 10);
    p->sync = ONE_OF(rng, 0, 0, 1, 4);
    p->rewind = ONE_OF(rng, 0, 0, 1, 3);
    p->history = ONE_OF(rng, 0, 1, 4);
    p->typing = ONE_OF(rng, 0, 2);
    p->connect = ONE_OF(rng, 5, 20);
    p->disconnect = ONE_OF(rng, 0, 2, 8);
    p->admin = ONE_OF(rng, 0, 2, 10);
    p->purge = ONE_OF(rng, 0, 0, 1, 3);
    p->erase = ONE_OF(rng, 0, 1, 3);
    p->delete_group = ONE_OF(rng, 0, 0, 1);
    p->block = ONE_OF(rng, 0, 0, 4, 25);
    p->request = ONE_OF(rng, 0, 0, 1, 3);
    p->lose_database = ONE_OF(rng, 0, 0, 1, 4);
    p->crash_service = ONE_OF(rng, 0, 0, 1, 3);
    p->crash_broker = ONE_OF(rng, 0, 0, 1, 3);
    p->lose_link = ONE_OF(rng, 0, 0, 1, 3);
    p->read_only = ONE_OF(rng, 0, 0, 0, 1);
    p->failing = ONE_OF(rng, 0, 0, 0, 2);
    p->new_device = ONE_OF(rng, 0, 1);
    p->remove_device = ONE_OF(rng, 0, 0, 1);
    p->lose_tick = ONE_OF(rng, 0, 5, 20);
    p->slow_notify = ONE_OF(rng, 1, 1, 10, 40);
    p->jump = ONE_OF(rng, 0, 1, 5);
}

static void add_device(struct world *world, int user, bool is_registered)
{
    int device = world->devices_len++;
    struct device *d = &world->devices[device];
    d->user = user;
    d->in_end[0] = &d->in[0];
    d->in_end[1] = &d->in[1];
    d->ack_auto = rng_one_in(&world->rng, 8);
    d->keeps_outbox = !rng_one_in(&world->rng, 4);
    (void)snprintf(d->name, sizeof d->name, "d%d", device);
    for (int i = 0; i < CONVERSATIONS_MAX; i++)
        world->cursors[device][i] = -1;
    d->is_registered = is_registered;
}

static void add_direct(struct world *world, int a, int b, bool is_never)
{
    struct db_conversation *c = &world->conversations[world->conversations_len++];
    c->users[0] = a;
    c->users[1] = b;
    c->is_never = is_never;
    (void)snprintf(c->name, sizeof c->name, "d/u%d/%s%d", a, is_never ? "ux" : "u", b);
}

static void add_group(struct world *world, bool is_never)
{
    struct db_conversation *c = &world->conversations[world->conversations_len];
    c->is_group = true;
    c->is_never = is_never;
    (void)snprintf(c->name, sizeof c->name, "g/g%d", world->conversations_len);
    world->conversations_len++;
    if (!is_never)
        db_create_group(world, world->conversations_len - 1, (uint32_t)rng_next(&world->rng) | 1u);
}

static void set_up(struct world *world, const struct core_options *base)
{
    struct rng *rng = &world->rng;
    choose_options(world, base);
    choose_plan(world);
    world->now_ms = 1000;
    world->asked_end = &world->asked;
    world->answered_end = &world->answered;
    world->down_end = &world->down;
    world->is_database_up = world->is_broker_up = true;
    world->users_len = 2 + (int)rng_below(rng, USERS_MAX - 1);
    for (int user = 0; user < world->users_len; user++)
        for (uint32_t i = 0; i <= rng_below(rng, 3) && world->devices_len < DEVICES_MAX - 1; i++)
            add_device(world, user, true);
    for (int user = 0; user < world->users_len; user++)
        world->hides_reads[user] = rng_one_in(rng, 6);
    add_group(world, false);
    add_group(world, rng_one_in(rng, 3));
    if (rng_one_in(rng, 2))
        add_group(world, false);
    add_direct(world, 0, 1, false);
    add_direct(world, 0, 0, false);
    add_direct(world, 1, world->users_len - 1, false);
    if (world->users_len > 2)
        add_direct(world, 0, 2, false);
    add_direct(world, 0, 9, true);
    add_device(world, (int)rng_below(rng, (uint32_t)world->users_len), false); /* comes later */
    service_start(world);
    link_restore(world);
}

/* ---- a step ---- */

static int any_device(struct world *world)
{
    return (int)rng_below(&world->rng, (uint32_t)world->devices_len);
}

static void remove_device(struct world *world)
{
    int device = any_device(world);
    struct device *d = &world->devices[device];
    if (!d->is_registered)
        return;
    trace(world, "device %d is removed", device);
    device_disconnect(world, device);
    d->is_registered = false;
    for (int i = 0; i < CONVERSATIONS_MAX; i++)
        world->cursors[device][i] = -1;
    if (world->core && world->is_database_up)
        core_on_device_removed(world->core, world->now_ms, 500 + device);
}

static void register_device(struct world *world)
{
    int device = world->devices_len - 1;
    if (!world->devices[device].is_registered && world->devices[device].connection == 0)
        db_register_device(world, device);
}

static void database_restore(struct world *world)
{
    if (world->is_database_up)
        return;
    trace(world, "the database is back");
    world->is_database_up = true;
    if (world->core)
        core_on_database_back(world->core, world->now_ms);
}

static void turn(struct world *world)
{
    if (world->core)
        (void)core_turn(world->core, world->now_ms);
}

/* What goes wrong, and what is repaired. */
static void step_fault(struct world *world)
{
    const struct plan *p = &world->plan;
    struct rng *rng = &world->rng;
    const struct {
        uint32_t weight;
        void (*act)(struct world *);
    } faults[] = {
        {p->lose_database, database_lose},
        {p->crash_service, service_crash},
        {p->crash_broker, broker_crash},
        {p->lose_link, link_lose},
        {p->admin, admin_change},
        {p->purge, admin_purge},
        {p->erase, admin_erase},
        {p->delete_group, admin_delete_group},
        {p->block, admin_block},
        {p->request, admin_accept},
        {p->new_device, register_device},
        {p->remove_device, remove_device},
        {3, database_restore},
        {3, service_start},
        {4, link_restore},
    };
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sum += faults[i].weight;
    uint32_t chosen = rng_below(rng, sum + 30);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (chosen < faults[i].weight) {
            faults[i].act(world);
            return;
        }
        chosen -= faults[i].weight;
    }
    if (p->read_only && rng_one_in(rng, 10))
        world->is_read_only = !world->is_read_only;
    if (p->failing && rng_one_in(rng, 10))
        world->is_failing = !world->is_failing;
    if (!world->is_broker_up && rng_one_in(rng, 2))
        world->is_broker_up = true;
}

static void step_device(struct world *world)
{
    const struct plan *p = &world->plan;
    struct rng *rng = &world->rng;
    int device = any_device(world);
    uint32_t sum = p->send + p->resend + p->ack + p->read + p->sync + p->rewind + p->history + p->typing + p->connect +
                   p->disconnect;
    uint32_t chosen = rng_below(rng, sum);
#define CHOOSE(weight) (chosen < (weight) ? (chosen = UINT32_MAX, true) : (chosen -= (weight), false))
    if (CHOOSE(p->send))
        device_send(world, device);
    else if (CHOOSE(p->resend))
        device_resend(world, device);
    else if (CHOOSE(p->ack))
        device_ack(world, device, false);
    else if (CHOOSE(p->read))
        device_read(world, device);
    else if (CHOOSE(p->sync))
        device_sync(world, device);
    else if (CHOOSE(p->rewind))
        device_rewind(world, device);
    else if (CHOOSE(p->history))
        device_history(world, device);
    else if (CHOOSE(p->typing))
        device_typing(world, device);
    else if (CHOOSE(p->disconnect))
        device_disconnect(world, device);
    else if (!world->devices[device].session || rng_one_in(rng, 10))
        device_connect(world, device);
#undef CHOOSE
    if (p->typing && rng_one_in(rng, 10))
        device_open(world, device);
    if (rng_one_in(rng, 30))
        set_barrier(world);
    if (rng_one_in(rng, 200))
        world->devices[device].mute_until_ms = world->now_ms + 500;
}

static void step_flow(struct world *world)
{
    struct rng *rng = &world->rng;
    switch (rng_below(rng, 8)) {
    case 0:
        (void)link_up_step(world);
        break;
    case 1:
        (void)link_down_step(world);
        break;
    case 2:
        (void)device_take(world, any_device(world));
        break;
    case 3:
        (void)database_run(world);
        break;
    case 4:
        (void)database_answer(world);
        break;
    case 5:
        if (rng_one_in(rng, world->plan.slow_notify))
            (void)database_notify(world);
        break;
    case 6:
        turn(world);
        break;
    default:
        world->now_ms += rng_below(rng, 10);
        if (rng_one_in(rng, 50) && world->plan.jump)
            world->now_ms += 100 * world->plan.jump;
    }
}

/* Things flow in bursts: a queue is often emptied at once, as it is in life. */
static void step(struct world *world)
{
    struct rng *rng = &world->rng;
    world->steps++;
    uint32_t kind = rng_below(rng, 20);
    if (kind == 0) {
        step_fault(world);
    } else if (kind < 5) {
        step_device(world);
    } else if (kind < 18) {
        step_flow(world);
        step_flow(world);
    } else {
        bool (*const flows[])(struct world *) = {link_up_step, link_down_step, database_run, database_answer};
        bool (*flow)(struct world *) = flows[rng_below(rng, 4)];
        for (uint32_t i = 1 + rng_below(rng, 12); i > 0 && flow(world); i--)
            ;
        turn(world);
    }
}

/* ---- recovery and rest ---- */

static bool flow_once(struct world *world)
{
    bool did = false;
    turn(world);
    while (!is_violated(world) && link_up_step(world))
        did = true;
    turn(world);
    while (!is_violated(world) && database_run(world))
        did = true;
    while (!is_violated(world) && database_answer(world))
        did = true;
    while (!is_violated(world) && database_notify(world))
        did = true;
    while (!is_violated(world) && link_down_step(world))
        did = true;
    for (int i = 0; i < world->devices_len; i++) {
        while (!is_violated(world) && device_take(world, i))
            did = true;
        device_ack(world, i, true);
    }
    return did || world->asked || world->answered;
}

static bool is_settled(const struct world *world)
{
    for (int i = 0; i < world->devices_len; i++)
        if (world->devices[i].session && world->devices[i].caught_up_number != world->devices[i].ready_number)
            return false;
    struct core_stats stats;
    core_stats(world->core, &stats);
    return core_is_idle(world->core) && core_is_flushed(world->core) && stats.outstanding == 0 &&
           world->tail == world->records_len;
}

static bool has_open_messages(const struct world *world)
{
    for (int i = 0; i < world->messages_len; i++)
        if (world->messages[i].state == MESSAGE_OPEN && world->messages[i].is_in_outbox)
            return true;
    return false;
}

static void settle(struct world *world)
{
    int64_t late_ms = world->now_ms + REST_MAX_MS;
    for (int rounds = 0; rounds < ROUNDS_MAX && world->now_ms < late_ms && !is_violated(world);) {
        if (flow_once(world)) {
            rounds++;
            continue;
        }
        int64_t due_ms = core_turn(world->core, world->now_ms);
        if (world->asked)
            continue; /* which the next round runs, and counts */
        if (due_ms == INT64_MAX && is_settled(world))
            return;
        if (due_ms == INT64_MAX) {
            violate(world, "nothing is due and it is not at rest");
            return;
        }
        world->now_ms = due_ms > world->now_ms ? due_ms : world->now_ms + 1;
    }
    violate(world, "it does not come to rest");
}

static void recover(struct world *world)
{
    trace(world, "recovery");
    world->plan.lose_tick = 0;
    world->is_read_only = world->is_failing = false;
    world->is_broker_up = true;
    database_restore(world);
    service_start(world);
    link_restore(world);
    for (int i = 0; i < 4 && !is_violated(world); i++) { /* a flush that failed is repeated before anybody connects */
        (void)core_flush_now(world->core, world->now_ms);
        (void)flow_once(world);
    }
    for (int i = 0; i < world->conversations_len;
         i++) /* what was changed while nobody listened is seen when it is loaded */
        if (world->conversations[i].exists)
            core_on_changed(world->core, world->now_ms, slice_of(world->conversations[i].name));
}

static void come_to_rest(struct world *world)
{
    recover(world);
    if (rng_one_in(&world->rng, 2))
        settle(world); /* who is connected gets everything without connecting again */
    for (int i = 0; i < world->devices_len; i++) {
        device_disconnect(world, i);
        device_connect(world, i);
    }
    settle(world);
    for (int i = 0; i < 3 && has_open_messages(world) && !is_violated(world); i++) {
        for (int message = 0; message < world->messages_len; message++) {
            const struct message_truth *m = &world->messages[message];
            if (m->state == MESSAGE_OPEN && m->is_in_outbox && world->devices[m->device].session)
                broker_publish(world, (struct record){.kind = RECORD_CHAT, .device = m->device, .message = message});
        }
        settle(world);
    }
}

bool schedule_run(struct world *world, uint64_t seed, const struct core_options *base)
{
    struct db_conversation *conversations = world->conversations;
    struct device *devices = world->devices;
    bool is_verbose = world->is_verbose;
    uint64_t steps = world->steps, taken = world->taken;
    struct record *records = world->records;
    struct feed *feeds = world->feeds;
    struct up *up = world->up;
    int records_size = world->records_size, feeds_size = world->feeds_size, up_size = world->up_size;
    memset(world, 0, sizeof *world);
    memset(conversations, 0, CONVERSATIONS_MAX * sizeof *conversations);
    memset(devices, 0, DEVICES_MAX * sizeof *devices);
    world->conversations = conversations;
    world->devices = devices;
    world->records = records;
    world->records_size = records_size;
    world->feeds = feeds;
    world->feeds_size = feeds_size;
    world->up = up;
    world->up_size = up_size;
    world->is_verbose = is_verbose;
    world->steps = steps;
    world->taken = taken;
    world->rng.state = seed * 0x2545f4914f6cdd1du;
    set_up(world, base);
    uint32_t steps_len = 20 + rng_below(&world->rng, STEPS_MAX);
    for (uint32_t i = 0; i < steps_len && !is_violated(world); i++)
        step(world);
    if (!is_violated(world))
        come_to_rest(world);
    if (!is_violated(world))
        check_at_rest(world);
    bool is_ok = !is_violated(world);
    world_free_queues(world);
    core_free(world->core);
    world->core = NULL;
    return is_ok;
}
