/*
 * Marks on their way to the database: `dirty` gathers what moved, a flush takes all of it as `flight`, and an answer
 * forgets that. At most one flush is under way. It goes in questions of flush_marks_max, one after the other, so that
 * appends have their turn in between; where a scan waits, which is to see all of it, the rest goes in one. A mark is
 * one entry however often it moves.
 */
#include <stdlib.h>
#include <syslog.h>

#include "state.h"

static struct mark *find(struct mark *table, int64_t owner_id, int64_t conversation_id, enum mark_kind kind)
{
    struct mark_key key = {owner_id, conversation_id, kind};
    struct mark *mark;
    HASH_FIND(hh, table, &key, sizeof key, mark); /* NOLINT(clang-analyzer-*): the key has no padding */
    return mark;
}

static struct mark *dirty_get(struct core *core, int64_t owner_id, int64_t conversation_id, enum mark_kind kind,
                              int64_t now_ms)
{
    struct mark *mark = find(core->dirty, owner_id, conversation_id, kind);
    if (mark)
        return mark;
    if (!core->dirty)
        core->flush_due_ms = now_ms + core->options.flush_after_ms;
    mark = core_alloc(sizeof *mark);
    mark->key = (struct mark_key){owner_id, conversation_id, kind};
    HASH_ADD(hh, core->dirty, key, sizeof mark->key, mark);
    return mark;
}

static void raise_to(int64_t *seq, int64_t to)
{
    if (*seq < to)
        *seq = to;
}

void mark_cursor(struct core *core, int64_t device_id, int64_t conversation_id, int64_t acked_seq, bool is_set,
                 int64_t now_ms)
{
    struct mark *mark = dirty_get(core, device_id, conversation_id, MARK_CURSOR, now_ms);
    if (is_set) {
        mark->is_set = true;
        mark->acked_seq = acked_seq;
    } else {
        raise_to(&mark->acked_seq, acked_seq);
    }
}

void mark_member(struct core *core, const struct member *member, int64_t now_ms)
{
    struct mark *mark =
        dirty_get(core, member->user->user_id, member->conversation->conversation_id, MARK_MEMBER, now_ms);
    raise_to(&mark->delivered_seq, member->delivered_seq);
    raise_to(&mark->read_seq, member->read_seq);
}

static void cursor_over(const struct mark *mark, int64_t *acked_seq)
{
    if (mark && mark->is_set)
        *acked_seq = mark->acked_seq;
    else if (mark)
        raise_to(acked_seq, mark->acked_seq);
}

int64_t mark_cursor_merge(const struct core *core, int64_t device_id, int64_t conversation_id, int64_t acked_seq)
{
    cursor_over(find(core->flight, device_id, conversation_id, MARK_CURSOR), &acked_seq);
    cursor_over(find(core->dirty, device_id, conversation_id, MARK_CURSOR), &acked_seq);
    return acked_seq;
}

bool mark_cursor_is_set(const struct core *core, int64_t device_id, int64_t conversation_id)
{
    const struct mark *flight = find(core->flight, device_id, conversation_id, MARK_CURSOR);
    const struct mark *dirty = find(core->dirty, device_id, conversation_id, MARK_CURSOR);
    return (flight && flight->is_set) || (dirty && dirty->is_set);
}

static void member_over(const struct mark *mark, int64_t *delivered_seq, int64_t *read_seq)
{
    if (!mark)
        return;
    raise_to(delivered_seq, mark->delivered_seq);
    raise_to(read_seq, mark->read_seq);
}

void mark_member_merge(const struct core *core, int64_t user_id, int64_t conversation_id, int64_t *delivered_seq,
                       int64_t *read_seq)
{
    member_over(find(core->flight, user_id, conversation_id, MARK_MEMBER), delivered_seq, read_seq);
    member_over(find(core->dirty, user_id, conversation_id, MARK_MEMBER), delivered_seq, read_seq);
}

void marks_forget_device(struct core *core, int64_t device_id)
{
    struct mark *mark, *next;
    HASH_ITER (hh, core->dirty, mark, next) {
        if (mark->key.kind != MARK_CURSOR || mark->key.owner_id != device_id)
            continue;
        HASH_DELETE(hh, core->dirty, mark); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        free(mark);
    }
    if (!core->dirty)
        token_list_move(&core->flight_tokens, &core->dirty_tokens);
    if (!core->flight)
        token_list_done(core, &core->flight_tokens);
}

void mark_wait(struct core *core, struct core_token token)
{
    if (core->dirty)
        token_list_add(&core->dirty_tokens, token);
    else if (core->flight)
        token_list_add(&core->flight_tokens, token);
    else
        core->port.done(core->port.ctx, token);
}

/* ---- flushing ---- */

bool flush_is_behind(const struct core *core)
{
    return core->flight && (core->dirty || core->flight_left > 0);
}

static void gather_mark(const struct mark *mark, struct core_mark_batch *batch, struct core_mark_cursor cursors[],
                        struct core_mark_member members[])
{
    if (mark->key.kind == MARK_CURSOR)
        cursors[batch->cursors_len++] =
            (struct core_mark_cursor){mark->key.owner_id, mark->key.conversation_id, mark->acked_seq, mark->is_set};
    else
        members[batch->members_len++] = (struct core_mark_member){mark->key.owner_id, mark->key.conversation_id,
                                                                  mark->delivered_seq, mark->read_seq};
}

/*
 * Members before cursors: where we end in between, what a device acknowledged is told again and moves its member's mark
 * again. The other way round it would never be asked again, and its member's mark would stay behind.
 */
static struct mark *flight_next(struct core *core)
{
    struct mark *mark = core->flight_rest;
    while (mark && mark->key.kind != core->flight_kind)
        mark = mark->hh.next;
    if (!mark && core->flight_kind == MARK_MEMBER) {
        core->flight_kind = MARK_CURSOR;
        for (mark = core->flight; mark && mark->key.kind != MARK_CURSOR;)
            mark = mark->hh.next;
    }
    core->flight_rest = mark ? mark->hh.next : NULL;
    return mark;
}

static void ask_some(struct core *core)
{
    uint32_t len = core->flight_left;
    if (len > core->options.flush_marks_max && !core->unscanned)
        len = core->options.flush_marks_max;
    struct core_mark_cursor *cursors = core_grow(NULL, len, sizeof cursors[0]);
    struct core_mark_member *members = core_grow(NULL, len, sizeof members[0]);
    struct core_mark_batch batch = {.batch = core->last_flush, .cursors = cursors, .members = members};
    for (uint32_t i = 0; i < len; i++)
        gather_mark(flight_next(core), &batch, cursors, members);
    core->flight_left -= len;
    core->port.flush(core->port.ctx, &batch);
    free(cursors);
    free(members);
}

void flush_begin(struct core *core)
{
    if (core->is_away || core->flight || !core->dirty)
        return;
    core->flight = core->flight_rest = core->dirty;
    core->dirty = NULL;
    core->flight_kind = MARK_MEMBER;
    core->flight_left = HASH_COUNT(core->flight);
    token_list_move(&core->flight_tokens, &core->dirty_tokens);
    core->is_flush_wanted = false;
    core->last_flush++;
    ask_some(core);
}

static void table_free(struct mark **table)
{
    struct mark *mark, *next;
    HASH_ITER (hh, *table, mark, next) {
        HASH_DELETE(hh, *table, mark); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        free(mark);
    }
}

/* What was under way goes again, under what has moved since. */
static void flight_back(struct core *core, int64_t now_ms)
{
    struct mark *mark, *next;
    HASH_ITER (hh, core->flight, mark, next) {
        struct mark *dirty =
            dirty_get(core, mark->key.owner_id, mark->key.conversation_id, (enum mark_kind)mark->key.kind, now_ms);
        if (!dirty->is_set) {
            raise_to(&dirty->acked_seq, mark->acked_seq);
            dirty->is_set = mark->is_set;
        }
        dirty->has_failed = true;
        raise_to(&dirty->delivered_seq, mark->delivered_seq);
        raise_to(&dirty->read_seq, mark->read_seq);
    }
    table_free(&core->flight);
    core->flight_left = 0;
    token_list_move(&core->dirty_tokens, &core->flight_tokens);
}

/* Where the conversation is not at hand, the scan behind the failed flush did not see from where they want it. */
static void rescan_rewound(struct core *core)
{
    for (const struct mark *mark = core->flight; mark; mark = mark->hh.next) {
        struct session *session = mark->is_set && mark->has_failed ? session_find(core, mark->key.owner_id) : NULL;
        if (session && !conversation_find_id(core, mark->key.conversation_id))
            session_scan_again(core, session);
    }
}

void core_on_flushed(struct core *core, int64_t now_ms, uint64_t batch, enum status status)
{
    if (!core->flight || batch != core->last_flush)
        return;
    if (status != STATUS_OK) {
        core->port.log(core->port.ctx, LOG_WARNING, "marks could not be flushed", slice_of(status_name(status)));
        flight_back(core, now_ms);
        core->flush_due_ms = now_ms + core->options.flush_after_ms;
    } else if (core->flight_left > 0) {
        ask_some(core);
    } else {
        rescan_rewound(core);
        table_free(&core->flight);
        core->flushed = batch;
        token_list_done(core, &core->flight_tokens);
    }
}

void flush_turn(struct core *core, int64_t now_ms)
{
    if (core->dirty && (core->is_flush_wanted || core->flush_due_ms <= now_ms))
        flush_begin(core);
}

void flush_lost(struct core *core, int64_t now_ms)
{
    flight_back(core, now_ms);
}

uint64_t core_flush_now(struct core *core, int64_t now_ms)
{
    uint64_t flush = core->last_flush + (core->dirty || core->waiting_marks ? 1 : 0);
    core->is_flush_wanted = core->dirty;
    flush_turn(core, now_ms);
    return flush;
}

bool core_is_flushed(const struct core *core)
{
    return !core->dirty && !core->flight && core->waiting_marks == 0;
}

bool core_is_flushed_to(const struct core *core, uint64_t flush)
{
    if (core_is_flushed(core))
        return true;
    return core->waiting_marks == 0 && core->flushed >= flush && core->flushed >= core->late_flush;
}

void marks_free(struct core *core)
{
    table_free(&core->dirty);
    table_free(&core->flight);
    free(core->dirty_tokens.at);
    free(core->flight_tokens.at);
}
