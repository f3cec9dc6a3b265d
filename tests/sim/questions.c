/*
 * The core's port to the database: one connection, questions run in the order asked, answers told in that order. Between
 * asking, running and telling anything may happen. When the connection is lost, some of what was asked has run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct asked_load {
    int conversation;
    bool creates;
    enum core_load_state state;
    int64_t last_seq, first_seq, version;
    bool is_deleted;
    struct db_member members[USERS_MAX];
    int64_t cursors[DEVICES_MAX];
};
struct asked_item {
    int user, device, message;
};
struct asked_group {
    int conversation;
    int64_t version;
    size_t first, len;
};
struct asked_row {
    int device, conversation;
    int64_t acked_seq;
};
struct asked_mark {
    int device, conversation, user;
    int64_t delivered_seq, read_seq;
};

struct question {
    struct question *next;
    enum question_kind kind;
    uint64_t number;
    bool careful;
    size_t len, items_len, rows_len, marks_len;
    struct asked_load *loads;
    struct asked_group *groups;
    struct asked_item *items;
    struct core_append_answer *answers;
    enum status status;
    struct core_page_request page;
    struct core_senders_request senders;
    int page_conversation;
    struct db_item *page_items;
    bool is_end;
    int64_t *ids; /* senders' answer; scan's devices */
    struct asked_row *rows;
    struct asked_mark *marks;
    struct core_mark_cursor *cursors;
    struct core_mark_member *members;
};

static void *copy(const void *from, size_t count, size_t size_each)
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

/* Database ids are made recognizable, so that one taken for another is noticed. */
#define CONVERSATION_ID(index) (7000 + (index))
#define USER_ID(index) (100 + (index))
#define DEVICE_ID(index) (500 + (index))

static void port_load(void *ctx, const struct slice names[], const bool creates[], size_t len)
{
    struct world *world = ctx;
    struct question *q = ask(world, ASK_LOAD);
    q->loads = copy(NULL, len, sizeof q->loads[0]);
    q->len = len;
    for (size_t i = 0; i < len; i++) {
        q->loads[i].conversation = db_conversation_by_name(world, names[i]);
        q->loads[i].creates = creates[i];
        trace(world, "core asks to load %.*s", (int)names[i].len, names[i].at);
    }
}

static void port_append(void *ctx, const struct core_append_batch *batch)
{
    struct world *world = ctx;
    struct question *q = ask(world, ASK_APPEND);
    q->number = batch->batch;
    q->careful = batch->careful;
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
    struct question *q = ask(ctx, ASK_SCAN);
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

/* ---- running ---- */

static void run_load(struct world *world, struct asked_load *load)
{
    struct db_conversation *c = &world->conversations[load->conversation];
    if (!c->exists && load->creates && !c->is_group && !c->is_never) {
        c->exists = true;
        c->first_seq = 1;
        for (int i = 0; i < 2; i++) {
            struct db_member *member = &c->members[c->users[i]];
            member->is_known = true;
            member->intervals_len = 1;
            member->intervals[0] = (struct core_interval){1, 0};
        }
    }
    if (!c->exists) {
        load->state = c->is_group ? CORE_LOAD_NO_SUCH_GROUP : CORE_LOAD_NO_SUCH_USER;
        return;
    }
    load->last_seq = c->last_seq;
    load->first_seq = c->first_seq;
    load->version = c->version;
    load->is_deleted = c->is_deleted;
    load->is_deleted = c->is_deleted;
    memcpy(load->members, c->members, sizeof load->members);
    for (int i = 0; i < world->devices_len; i++)
        load->cursors[i] = world->devices[i].is_registered ? world->cursors[i][load->conversation] : -1;
}

static int64_t logged(const struct world *world, const struct asked_item *item)
{
    return world->messages[item->message].log_seq;
}

static void log_append(struct world *world, int conversation, const struct asked_item *item,
                       struct core_append_answer *answer)
{
    struct db_conversation *c = &world->conversations[conversation];
    struct message_truth *message = &world->messages[item->message];
    if (message->device != item->device || message->conversation != conversation)
        violate(world, "message %d is appended to %s as of device %d", item->message, c->name, item->device);
    if (!db_is_current(c, item->user))
        violate(world, "message %d of a non-member is appended", item->message);
    c->last_seq++;
    if (c->last_time_ms < world->now_ms)
        c->last_time_ms = world->now_ms;
    c->items[c->last_seq] = (struct db_item){.time_ms = c->last_time_ms,
                                             .is_chat = true,
                                             .user = item->user,
                                             .device = item->device,
                                             .message = item->message};
    message->log_seq = c->last_seq;
    *answer = (struct core_append_answer){CORE_APPEND_NEW, c->last_seq, c->last_time_ms};
    trace(world, "sql: message %d is %s/%ld", item->message, c->name, (long)c->last_seq);
}

static enum status run_append_fast(struct world *world, struct question *q)
{
    for (size_t i = 0; i < q->len; i++) {
        const struct asked_group *g = &q->groups[i];
        if (world->conversations[g->conversation].version != g->version)
            continue;
        for (size_t j = g->first; j < g->first + g->len; j++) {
            if (logged(world, &q->items[j]))
                return STATUS_EXISTS;
            for (size_t k = g->first; k < j; k++)
                if (q->items[k].message == q->items[j].message)
                    return STATUS_EXISTS;
        }
    }
    for (size_t i = 0; i < q->len; i++) {
        const struct asked_group *g = &q->groups[i];
        bool is_stale = world->conversations[g->conversation].version != g->version;
        for (size_t j = g->first; j < g->first + g->len; j++) {
            if (is_stale)
                q->answers[j].state = CORE_APPEND_STALE;
            else
                log_append(world, g->conversation, &q->items[j], &q->answers[j]);
        }
    }
    return STATUS_OK;
}

static enum status run_append_carefully(struct world *world, struct question *q)
{
    for (size_t i = 0; i < q->len; i++) {
        const struct asked_group *g = &q->groups[i];
        const struct db_conversation *c = &world->conversations[g->conversation];
        for (size_t j = g->first; j < g->first + g->len; j++) {
            int64_t seq = logged(world, &q->items[j]);
            if (seq)
                q->answers[j] = (struct core_append_answer){CORE_APPEND_DUPLICATE, seq, c->items[seq].time_ms};
            else if (!db_is_current(c, q->items[j].user))
                q->answers[j].state = CORE_APPEND_NOT_MEMBER;
            else
                log_append(world, g->conversation, &q->items[j], &q->answers[j]);
        }
    }
    return STATUS_OK;
}

static bool are_all_logged(const struct world *world, const struct question *q)
{
    for (size_t i = 0; i < q->items_len; i++)
        if (!logged(world, &q->items[i]))
            return false;
    return true;
}

static enum status run_append(struct world *world, struct question *q)
{
    if (world->is_read_only && !(q->careful && are_all_logged(world, q)))
        return STATUS_DENIED;
    if (world->is_failing && rng_one_in(&world->rng, 3))
        return rng_one_in(&world->rng, 2) ? STATUS_UNAVAILABLE : STATUS_STALE;
    for (size_t i = 0; i < q->items_len; i++)
        if (world->messages[q->items[i].message].is_poison)
            return STATUS_INTERNAL;
    return q->careful ? run_append_carefully(world, q) : run_append_fast(world, q);
}

static void run_page(struct world *world, struct question *q)
{
    const struct db_conversation *c = &world->conversations[q->page_conversation];
    q->page_items = copy(NULL, q->page.items_max, sizeof q->page_items[0]);
    int64_t seq = q->page.after_seq + 1 > c->first_seq ? q->page.after_seq + 1 : c->first_seq;
    q->senders.after_seq = seq; /* where it starts */
    uint32_t most = q->page.items_max;
    if (rng_one_in(&world->rng, 4)) /* bytes_max cuts, but never the first */
        most = 1 + rng_below(&world->rng, most);
    while (seq <= c->last_seq && q->items_len < most)
        q->page_items[q->items_len++] = c->items[seq++];
    q->is_end = seq > c->last_seq;
}

static void run_senders(struct world *world, struct question *q)
{
    const struct db_conversation *c = &world->conversations[q->senders.conversation_id - 7000];
    q->ids = copy(NULL, USERS_MAX, sizeof q->ids[0]);
    for (int user = 0; user < world->users_len; user++)
        for (int64_t seq = q->senders.after_seq + 1; seq <= q->senders.to_seq && seq <= c->last_seq; seq++)
            if (c->items[seq].is_chat && c->items[seq].user == user) {
                q->ids[q->len++] = USER_ID(user);
                break;
            }
}

static bool is_behind(const struct world *world, int device, int conversation)
{
    const struct db_conversation *c = &world->conversations[conversation];
    int64_t cursor = world->cursors[device][conversation] < 0 ? 0 : world->cursors[device][conversation];
    return db_last_visible(c, world->devices[device].user, c->last_seq) > cursor;
}

bool has_sent(const struct db_conversation *conversation, int user, int64_t to_seq)
{
    for (int64_t seq = 1; seq <= to_seq; seq++)
        if (conversation->items[seq].is_chat && conversation->items[seq].user == user)
            return true;
    return false;
}

/* Another's marks as far as they cover what this user has sent; her own read mark. */
static void scan_mark(struct question *q, const struct db_conversation *c, struct asked_mark mark, int user)
{
    const struct db_member *member = &c->members[mark.user];
    if (mark.user == user || has_sent(c, user, member->read_seq))
        mark.read_seq = member->read_seq;
    if (mark.user != user && has_sent(c, user, member->delivered_seq))
        mark.delivered_seq = member->delivered_seq;
    if (mark.read_seq || mark.delivered_seq)
        q->marks[q->marks_len++] = mark;
}

static void run_scan(struct world *world, struct question *q)
{
    size_t most = q->len * CONVERSATIONS_MAX;
    q->rows = copy(NULL, most, sizeof q->rows[0]);
    q->marks = copy(NULL, most * USERS_MAX, sizeof q->marks[0]);
    for (size_t i = 0; i < q->len; i++) {
        int device = (int)(q->ids[i] - 500), user = world->devices[device].user;
        for (int j = 0; j < world->conversations_len && world->devices[device].is_registered; j++) {
            const struct db_conversation *c = &world->conversations[j];
            if (!c->exists || !c->members[user].is_known)
                continue;
            if (is_behind(world, device, j))
                q->rows[q->rows_len++] =
                    (struct asked_row){device, j, world->cursors[device][j] < 0 ? 0 : world->cursors[device][j]};
            for (int other = 0; other < world->users_len; other++)
                scan_mark(q, c, (struct asked_mark){.device = device, .conversation = j, .user = other}, user);
        }
    }
}

static void raise_to(int64_t *seq, int64_t to)
{
    if (*seq < to)
        *seq = to;
}

static void run_flush(struct world *world, struct question *q)
{
    if (world->is_failing && rng_one_in(&world->rng, 2)) {
        q->status = STATUS_INTERNAL;
        return;
    }
    for (size_t i = 0; i < q->len; i++) {
        int device = (int)(q->cursors[i].device_id - 500), conversation = (int)(q->cursors[i].conversation_id - 7000);
        int64_t *cursor = &world->cursors[device][conversation];
        if (q->cursors[i].is_set)
            *cursor = q->cursors[i].acked_seq;
        else
            raise_to(cursor, q->cursors[i].acked_seq);
    }
    for (size_t i = 0; i < q->items_len; i++) {
        struct db_conversation *c = &world->conversations[q->members[i].conversation_id - 7000];
        struct db_member *member = &c->members[q->members[i].user_id - 100];
        raise_to(&member->delivered_seq, q->members[i].delivered_seq);
        raise_to(&member->read_seq, q->members[i].read_seq);
        if (member->delivered_seq > c->last_seq || member->read_seq > member->delivered_seq)
            violate(world, "marks of user %d in %s: read %ld, delivered %ld, last %ld",
                    (int)(q->members[i].user_id - 100), c->name, (long)member->read_seq, (long)member->delivered_seq,
                    (long)c->last_seq);
    }
}

static void run(struct world *world, struct question *q)
{
    switch (q->kind) {
    case ASK_LOAD:
        for (size_t i = 0; i < q->len; i++)
            run_load(world, &q->loads[i]);
        break;
    case ASK_APPEND:
        q->status = run_append(world, q);
        break;
    case ASK_PAGE:
        run_page(world, q);
        break;
    case ASK_SENDERS:
        run_senders(world, q);
        break;
    case ASK_SCAN:
        run_scan(world, q);
        break;
    case ASK_FLUSH:
        run_flush(world, q);
        break;
    }
}

bool database_run(struct world *world)
{
    struct question *q = world->asked;
    if (!q || !world->is_database_up)
        return false;
    world->asked = q->next;
    if (!world->asked)
        world->asked_end = &world->asked;
    run(world, q);
    q->next = NULL;
    *world->answered_end = q;
    world->answered_end = &q->next;
    return true;
}

/* ---- telling ---- */

static void tell_loaded(struct world *world, const struct asked_load *load)
{
    const struct db_conversation *c = &world->conversations[load->conversation];
    struct core_member members[USERS_MAX];
    struct core_cursor cursors[DEVICES_MAX];
    char names[USERS_MAX][16];
    size_t members_len = 0, cursors_len = 0;
    for (int i = world->users_len - 1; i >= 0; i--) { /* in no particular order */
        const struct db_member *member = &load->members[i];
        if (!member->is_known)
            continue;
        (void)snprintf(names[i], sizeof names[i], "u%d", i);
        members[members_len++] = (struct core_member){USER_ID(i),
                                                      slice_of(names[i]),
                                                      member->intervals,
                                                      (size_t)member->intervals_len,
                                                      member->delivered_seq,
                                                      member->read_seq};
    }
    for (int i = 0; i < world->devices_len; i++)
        if (load->cursors[i] >= 0 && load->members[world->devices[i].user].is_known)
            cursors[cursors_len++] = (struct core_cursor){DEVICE_ID(i), USER_ID(world->devices[i].user), load->cursors[i]};
    trace(world, "loaded: %s, state %d, last %ld", c->name, (int)load->state, (long)load->last_seq);
    core_on_loaded(world->core, world->now_ms,
                   &(struct core_conversation){.name = slice_of(c->name),
                                               .state = load->state,
                                               .conversation_id = CONVERSATION_ID(load->conversation),
                                               .last_seq = load->last_seq,
                                               .first_seq = load->first_seq,
                                               .membership_version = load->version,
                                               .is_group = c->is_group,
                                               .is_deleted = load->is_deleted,
                                               .members = members,
                                               .members_len = members_len,
                                               .cursors = cursors,
                                               .cursors_len = cursors_len});
}

static const char *const event_words[] = {[EVENT_CREATED] = "created",
                                          [EVENT_ADDED] = "member-added",
                                          [EVENT_REMOVED] = "member-removed",
                                          [EVENT_RENAMED] = "renamed",
                                          [EVENT_MESSAGE_DELETED] = "message-deleted",
                                          [EVENT_DELETED] = "deleted"};

static void tell_page(struct world *world, const struct question *q)
{
    struct core_item *items = copy(NULL, q->items_len, sizeof items[0]);
    struct texts {
        char user[16], device[8], id[16], payload[512];
    } *texts = copy(NULL, q->items_len, sizeof texts[0]);
    for (size_t i = 0; i < q->items_len; i++) {
        const struct db_item *item = &q->page_items[i];
        items[i] = (struct core_item){.seq = q->senders.after_seq + (int64_t)i, .time_ms = item->time_ms};
        (void)snprintf(texts[i].user, sizeof texts[i].user, item->user < 0 ? "-" : "u%d", item->user);
        items[i].sender_user = slice_of(texts[i].user);
        items[i].sender_user_id = item->user < 0 ? 0 : USER_ID(item->user);
        if (item->is_chat && !item->is_erased) {
            items[i].kind = CORE_ITEM_CHAT;
            items[i].sender_device_id = DEVICE_ID(item->device);
            (void)snprintf(texts[i].device, sizeof texts[i].device, "%s", world->devices[item->device].name);
            (void)snprintf(texts[i].id, sizeof texts[i].id, "m%d", item->message);
            items[i].sender_device = slice_of(texts[i].device);
            items[i].message_id = slice_of(texts[i].id);
            message_payload(item->message, texts[i].payload, &items[i].payload.len);
            items[i].payload.at = texts[i].payload;
        } else {
            items[i].kind = CORE_ITEM_EVENT;
            items[i].event_type = slice_of(item->is_chat ? "message-deleted" : event_words[item->event]);
            items[i].payload = SLICE("{}");
        }
    }
    trace(world, "page of %d: %zu items from %ld", q->page_conversation, q->items_len, (long)q->senders.after_seq);
    core_on_page(world->core, world->now_ms, &q->page, items, q->items_len, q->is_end);
    free(items);
    free(texts);
}

static void tell_scan(struct world *world, const struct question *q)
{
    for (size_t i = 0; i < q->rows_len; i++) {
        const struct asked_row *row = &q->rows[i];
        trace(world, "scan: device %d is behind in %d from %ld", row->device, row->conversation, (long)row->acked_seq);
        core_on_scan_behind(world->core, world->now_ms, q->number, DEVICE_ID(row->device),
                            slice_of(world->conversations[row->conversation].name), row->acked_seq);
    }
    for (size_t i = 0; i < q->marks_len; i++) {
        const struct asked_mark *mark = &q->marks[i];
        char name[16];
        (void)snprintf(name, sizeof name, "u%d", mark->user);
        core_on_scan_mark(world->core, world->now_ms, q->number, DEVICE_ID(mark->device),
                          slice_of(world->conversations[mark->conversation].name), slice_of(name), mark->delivered_seq,
                          mark->read_seq, false, 0, 0, 0);
    }
    trace(world, "scan %lu done", (unsigned long)q->number);
    core_on_scan_done(world->core, world->now_ms, q->number);
}

bool database_answer(struct world *world)
{
    struct question *q = world->answered;
    if (!q || !world->core || !world->is_database_up)
        return false;
    world->answered = q->next;
    if (!world->answered)
        world->answered_end = &world->answered;
    switch (q->kind) {
    case ASK_LOAD:
        for (size_t i = 0; i < q->len; i++)
            tell_loaded(world, &q->loads[i]);
        break;
    case ASK_APPEND:
        trace(world, "batch %lu: %s", (unsigned long)q->number, status_name(q->status));
        core_on_appended(world->core, world->now_ms, q->number, q->status, q->answers, q->items_len);
        break;
    case ASK_PAGE:
        tell_page(world, q);
        break;
    case ASK_SENDERS:
        core_on_senders(world->core, world->now_ms, &q->senders, q->ids, q->len);
        break;
    case ASK_SCAN:
        tell_scan(world, q);
        break;
    case ASK_FLUSH:
        trace(world, "flush %lu: %s", (unsigned long)q->number, status_name(q->status));
        core_on_flushed(world->core, world->now_ms, q->number, q->status);
        break;
    }
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
