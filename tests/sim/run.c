/* The database runs what it was asked. */
#include <stdlib.h>
#include <string.h>

#include "question.h"

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
    if (c->exists && !c->is_group && load->creates && c->last_seq == 0)
        db_request(world, load->conversation, load->sender);
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

/* Of the other one of a direct conversation. */
static bool is_blocked(const struct db_conversation *c, int user)
{
    return !c->is_group && c->users[0] != c->users[1] && db_is_blocking(c, c->users[c->users[0] == user]);
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
    *answer = (struct core_append_answer){CORE_APPEND_NEW, c->last_seq, c->last_time_ms, c->version};
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
            else if (world->options.refuses_blocked &&
                     is_blocked(&world->conversations[g->conversation], q->items[j].user))
                violate(world, "message %d is appended without care, and is blocked", q->items[j].message);
            else if (world->conversations[g->conversation].members[q->items[j].user].is_asked)
                violate(world, "message %d answers a request without care", q->items[j].message);
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
                q->answers[j] = (struct core_append_answer){CORE_APPEND_DUPLICATE, seq, c->items[seq].time_ms, 0};
            else if (!db_is_current(c, q->items[j].user))
                q->answers[j].state = CORE_APPEND_NOT_MEMBER;
            else if (world->options.refuses_blocked && is_blocked(c, q->items[j].user))
                q->answers[j].state = CORE_APPEND_BLOCKED;
            else if (c->members[q->items[j].user].is_asked) {
                db_accept(world, g->conversation, q->items[j].user);
                log_append(world, g->conversation, &q->items[j], &q->answers[j]);
            } else
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

/* As others are told it. */
static int64_t shown(const struct db_conversation *c, int user, int64_t seq)
{
    while (seq > 0 && db_is_in_block(c, user, seq))
        seq--;
    return seq;
}

/* Another's marks as far as they cover what this user has sent, and are hers to know; her own read mark. */
static void scan_mark(const struct world *world, struct question *q, const struct db_conversation *c,
                      struct asked_mark mark, int user)
{
    const struct db_member *member = &c->members[mark.user];
    int64_t read_seq = shown(c, mark.user, member->read_seq),
            delivered_seq = shown(c, mark.user, member->delivered_seq);
    bool hides_reads = world->hides_reads[mark.user] || (!c->is_group && world->hides_reads[user]);
    if (mark.user == user)
        mark.read_seq = member->read_seq;
    else if (db_is_quiet(c))
        return;
    else if (!hides_reads && has_sent(c, user, read_seq))
        mark.read_seq = read_seq;
    if (mark.user != user && has_sent(c, user, delivered_seq))
        mark.delivered_seq = delivered_seq;
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
                scan_mark(world, q, c, (struct asked_mark){.device = device, .conversation = j, .user = other}, user);
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

void question_run(struct world *world, struct question *q)
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
