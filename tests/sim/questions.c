/*
 * The core's port to the database: one connection, questions run in the order asked, answers told in that order.
 * Between asking, running and telling anything may happen. When the connection is lost, some of what was asked has run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "question.h"

void *copy(const void *from, size_t count, size_t size_each)
{
    void *to = calloc(count + 1, size_each);
    if (!to)
        abort();
    if (from && count)
        memcpy(to, from, count * size_each);
    return to;
}

static void question_free(struct question *q)
{
    free(q->loads);
    free(q->groups);
    free(q->items);
    free(q->answers);
    free(q->page_items);
    free(q->ids);
    free(q->rows);
    free(q->marks);
    free(q->cursors);
    free(q->members);
    free(q);
}

static struct question *ask(struct world *world, enum question_kind kind)
{
    struct question *q = copy(NULL, 1, sizeof *q);
    q->kind = kind;
    if (!world->is_database_up)
        violate(world, "the core asks while the database is away (%d)", (int)kind);
    *world->asked_end = q;
    world->asked_end = &q->next;
    return q;
}

static void port_load(void *ctx, const struct slice names[], const int64_t senders[], size_t len)
{
    struct world *world = ctx;
    struct question *q = ask(world, ASK_LOAD);
    q->loads = copy(NULL, len, sizeof q->loads[0]);
    q->len = len;
    for (size_t i = 0; i < len; i++) {
        q->loads[i].conversation = db_conversation_by_name(world, names[i]);
        q->loads[i].creates = senders[i] != 0;
        q->loads[i].sender = (int)(senders[i] - 100);
        trace(world, "core asks to load %.*s", (int)names[i].len, names[i].at);
    }
}

static void port_append(void *ctx, const struct core_append_batch *batch)
{
    struct world *world = ctx;
    struct question *q = ask(world, ASK_APPEND);
    q->number = batch->batch;
    q->careful = batch->careful;
    if (batch->refuses_blocked != world->options.refuses_blocked)
        violate(world, "the core asks as if it were told otherwise");
    q->len = batch->groups_len;
    q->items_len = batch->items_len;
    q->groups = copy(NULL, q->len, sizeof q->groups[0]);
    q->items = copy(NULL, q->items_len, sizeof q->items[0]);
    q->answers = copy(NULL, q->items_len, sizeof q->answers[0]);
    if (batch->items_len > world->options.append_items_max)
        violate(world, "a batch of %zu items", batch->items_len);
    for (size_t i = 0; i < q->len; i++) {
        const struct core_append_group *g = &batch->groups[i];
        if (i > 0 && g->conversation_id <= batch->groups[i - 1].conversation_id)
            violate(world, "groups of a batch are not in order");
        q->groups[i] = (struct asked_group){(int)(g->conversation_id - 7000), g->membership_version, g->first, g->len};
    }
    for (size_t i = 0; i < q->items_len; i++) {
        const struct core_append_item *item = &batch->items[i];
        q->items[i] = (struct asked_item){(int)(item->user_id - 100), (int)(item->device_id - 500),
                                          message_named(item->message_id)};
        trace(world, "core appends%s message %d (batch %lu)", q->careful ? " carefully" : "", q->items[i].message,
              (unsigned long)batch->batch);
    }
}

static void port_page(void *ctx, const struct core_page_request *request)
{
    struct question *q = ask(ctx, ASK_PAGE);
    q->page = *request;
    q->page_conversation = (int)(request->conversation_id - 7000);
    trace(ctx, "core asks for a page of %d after %ld", q->page_conversation, (long)request->after_seq);
}

static void port_senders(void *ctx, const struct core_senders_request *request)
{
    struct question *q = ask(ctx, ASK_SENDERS);
    q->senders = *request;
}

static void port_scan(void *ctx, uint64_t scan, const int64_t device_ids[], size_t len)
{
    struct world *world = ctx;
    struct question *q = ask(ctx, ASK_SCAN);
    for (size_t i = 0; i < len; i++) /* replayed from what it has acknowledged, also when it was live */
        forget_outstanding_of(&world->devices[device_ids[i] - 500]);
    q->number = scan;
    q->len = len;
    q->ids = copy(device_ids, len, sizeof q->ids[0]);
    trace(ctx, "core asks for scan %lu of %zu devices", (unsigned long)scan, len);
}

static void port_flush(void *ctx, const struct core_mark_batch *batch)
{
    struct question *q = ask(ctx, ASK_FLUSH);
    check_flush(ctx, batch);
    q->number = batch->batch;
    q->len = batch->cursors_len;
    q->items_len = batch->members_len;
    q->cursors = copy(batch->cursors, q->len, sizeof q->cursors[0]);
    q->members = copy(batch->members, q->items_len, sizeof q->members[0]);
    trace(ctx, "core flushes %zu cursors, %zu marks (flush %lu)", q->len, q->items_len, (unsigned long)q->number);
}

static void port_log(void *ctx, int level, const char *what, struct slice about)
{
    trace(ctx, "core logs %d: %s %.*s", level, what, (int)about.len, about.at);
    if (level <= 3 && !strstr(what, "cannot be appended"))
        violate(ctx, "the core logs an error: %s", what);
}

const struct core_port sim_port = {.deliver = port_deliver,
                                   .done = port_done,
                                   .caught_up = port_caught_up,
                                   .load = port_load,
                                   .append = port_append,
                                   .page = port_page,
                                   .senders = port_senders,
                                   .scan = port_scan,
                                   .flush = port_flush,
                                   .log = port_log};

/* ---- running and telling, in order ---- */

bool database_run(struct world *world)
{
    struct question *q = world->asked;
    if (!q || !world->is_database_up)
        return false;
    world->asked = q->next;
    if (!world->asked)
        world->asked_end = &world->asked;
    question_run(world, q);
    q->next = NULL;
    *world->answered_end = q;
    world->answered_end = &q->next;
    return true;
}

bool database_answer(struct world *world)
{
    struct question *q = world->answered;
    if (!q || !world->core || !world->is_database_up)
        return false;
    world->answered = q->next;
    if (!world->answered)
        world->answered_end = &world->answered;
    question_tell(world, q);
    question_free(q);
    check_barrier(world);
    return true;
}

bool database_notify(struct world *world)
{
    if (world->notified_len == 0 || !world->core || !world->is_database_up)
        return false;
    int conversation = world->notified[0];
    memmove(world->notified, world->notified + 1, (size_t)--world->notified_len * sizeof world->notified[0]);
    trace(world, "notified: %s changed", world->conversations[conversation].name);
    core_on_changed(world->core, world->now_ms, slice_of(world->conversations[conversation].name));
    return true;
}

/* ---- losing ---- */

static void drop(struct question **first, struct question ***end)
{
    while (*first) {
        struct question *q = *first;
        *first = q->next;
        question_free(q);
    }
    *end = first;
}

void database_drop_questions(struct world *world)
{
    bool was_up = world->is_database_up;
    world->is_database_up = true;
    while (world->asked && !rng_one_in(&world->rng, 3))
        (void)database_run(world);
    world->is_database_up = was_up;
    drop(&world->asked, &world->asked_end);
    drop(&world->answered, &world->answered_end);
    world->notified_len = 0;
}

void database_lose(struct world *world)
{
    if (!world->is_database_up)
        return;
    trace(world, "the database is lost");
    database_drop_questions(world);
    world->is_database_up = false;
    forget_outstanding(world);
    if (world->core)
        core_on_database_lost(world->core, world->now_ms);
}
