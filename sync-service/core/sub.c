/*
 * One live device in one conversation: which state it is in, what it was pushed and has not acknowledged, and when that
 * goes again.
 */
#include <assert.h>
#include <stdlib.h>

#include "state.h"

/* ---- life and state ---- */

struct sub *sub_new(struct session *session, struct conversation *conversation, struct member *member,
                    int64_t acked_seq)
{
    struct sub *sub = core_alloc(sizeof *sub);
    session_flow(session);
    sub->session = session;
    sub->conversation = conversation;
    sub->acked_seq = sub->pushed_seq = acked_seq;
    sub->state = SUB_SCANNING;
    sub->is_open = session_has_open(session, conversation_name_of(conversation));
    DL_APPEND2(session->flow->subs, sub, session_prev, session_next);
    DL_APPEND2(conversation->subs, sub, conversation_prev, conversation_next);
    if (member)
        sub_attach(sub, member);
    return sub;
}

void sub_attach(struct sub *sub, struct member *member)
{
    sub->member = member;
    LL_PREPEND2(member->subs, sub, member_next);
}

void sub_wait_for_load(struct session *session, struct conversation *conversation)
{
    const struct sub *sub;
    DL_FOREACH2 (conversation->subs, sub, conversation_next)
        if (sub->session == session)
            return;
    (void)sub_new(session, conversation, NULL, -1);
}

struct sub *sub_find(const struct member *member, const struct session *session)
{
    struct sub *sub;
    LL_FOREACH2 (member->subs, sub, member_next)
        if (sub->session == session)
            return sub;
    return NULL;
}

static void grant_release(struct core *core, struct sub *sub)
{
    struct session *session = sub->session;
    session->flow->granted_items -= sub->grant;
    sub->grant = 0;
    session_wake(core, session);
}

static const bool sub_moves[][5] = {
    /* to:             SCANNING LIVE   HUNGRY FED    PARKED */
    [SUB_SCANNING] = {true, true, true, false, false}, [SUB_LIVE] = {true, true, true, false, true},
    [SUB_HUNGRY] = {true, true, true, true, true},     [SUB_FED] = {true, true, true, true, true},
    [SUB_PARKED] = {true, true, true, false, true},
};

static bool is_behind(enum sub_state state)
{
    return state == SUB_HUNGRY || state == SUB_FED || state == SUB_PARKED;
}

void sub_move(struct core *core, struct sub *sub, enum sub_state state)
{
    assert(sub_moves[sub->state][state]);
    if (sub->state == state)
        return;
    core->stats.behind -= is_behind(sub->state);
    core->stats.behind += is_behind(state);
    struct session *session = sub->session;
    if (sub->state == SUB_HUNGRY)
        DL_DELETE2(session->flow->hungry, sub, state_prev, state_next);
    if (sub->state == SUB_FED) {
        DL_DELETE2(sub->conversation->fed, sub, state_prev, state_next);
        grant_release(core, sub);
    }
    sub->state = (uint8_t)state;
    if (state == SUB_HUNGRY) {
        DL_APPEND2(session->flow->hungry, sub, state_prev, state_next);
        session_wake(core, session);
    }
    if (state == SUB_FED)
        DL_APPEND2(sub->conversation->fed, sub, state_prev, state_next);
}

static void owed_paid(struct core *core, struct sub *sub)
{
    if (!sub->is_owed)
        return;
    sub->is_owed = false;
    sub->session->flow->owed--;
    session_check_caught_up(core, sub->session);
}

void sub_settle(struct core *core, struct sub *sub)
{
    if (!sub->member || sub->session->state == SESSION_NEW || sub->session->state == SESSION_SCANNING)
        return;
    int64_t next_seq = member_next_visible(sub->member, sub->pushed_seq);
    if (next_seq > sub->conversation->last_seq)
        sub_move(core, sub, SUB_LIVE);
    else if (sub->state != SUB_FED || sub->grant == 0)
        sub_move(core, sub, SUB_HUNGRY);
    if (sub->state == SUB_HUNGRY && sub_room(core, sub) == 0)
        sub_move(core, sub, SUB_PARKED);
    if (next_seq > sub->target_seq)
        owed_paid(core, sub);
}

/* ---- what is outstanding ---- */

static struct outstanding *ring_at(const struct sub *sub, uint16_t index)
{
    return &sub->ring[(sub->ring_first + index) & (sub->ring_size - 1)];
}

static void ring_add(struct sub *sub, struct outstanding entry)
{
    if (sub->ring_len == sub->ring_size) {
        uint16_t size = sub->ring_size ? (uint16_t)(2 * sub->ring_size) : 4;
        struct outstanding *ring = core_grow(NULL, size, sizeof ring[0]);
        for (uint16_t i = 0; i < sub->ring_len; i++)
            ring[i] = *ring_at(sub, i);
        free(sub->ring);
        sub->ring = ring;
        sub->ring_size = size;
        sub->ring_first = 0;
    }
    *ring_at(sub, sub->ring_len++) = entry;
}

static void ring_pop(struct core *core, struct sub *sub)
{
    struct session *session = sub->session;
    const struct outstanding *entry = ring_at(sub, 0);
    if (!entry->is_own) {
        session->flow->outstanding_items--;
        session->flow->outstanding_bytes -= entry->bytes;
        session->flow->is_blocked = false;
        core->stats.outstanding--;
    }
    sub->ring_first++;
    if (--sub->ring_len > 0)
        return;
    free(sub->ring); /* most subs have nothing outstanding most of the time */
    sub->ring = NULL;
    sub->ring_size = sub->ring_first = 0;
}

/* ---- when it goes again: a list per attempt, on which everything waits equally long, so that it is in order ---- */

static uint32_t level_of(const struct sub *sub)
{
    return sub->attempts < REDELIVERY_LEVELS ? sub->attempts : REDELIVERY_LEVELS - 1;
}

static int64_t delay_ms(const struct core *core, uint32_t level)
{
    int64_t delay = (int64_t)core->options.redeliver_after_ms << level;
    return delay < core->options.redeliver_max_ms ? delay : core->options.redeliver_max_ms;
}

static void due_clear(struct core *core, struct sub *sub)
{
    if (sub->is_due)
        DL_DELETE2(core->due[level_of(sub)], sub, due_prev, due_next);
    sub->is_due = false;
}

static void due_set(struct core *core, struct sub *sub, int64_t now_ms)
{
    due_clear(core, sub);
    if (sub->ring_len == 0)
        return;
    sub->due_ms = now_ms + delay_ms(core, level_of(sub));
    DL_APPEND2(core->due[level_of(sub)], sub, due_prev, due_next);
    sub->is_due = true;
}

/* Everything again at first, then half as much each time: a device that says nothing must not fill the broker. */
uint32_t sub_room(const struct core *core, const struct sub *sub)
{
    if (sub->attempts == 0)
        return UINT32_MAX;
    uint32_t most = sub->attempts < 16 ? core->options.window_items >> sub->attempts : 0;
    if (most == 0)
        most = 1;
    return sub->ring_len < most ? most - sub->ring_len : 0;
}

static void outstanding_drop(struct core *core, struct sub *sub)
{
    due_clear(core, sub);
    while (sub->ring_len)
        ring_pop(core, sub);
    sub->pushed_seq = sub->acked_seq;
    session_wake(core, sub->session);
}

static void redeliver(struct core *core, struct sub *sub)
{
    uint64_t before = core->stats.outstanding;
    outstanding_drop(core, sub);
    core->stats.redelivered += before - core->stats.outstanding;
    sub->session->flow->window_shift = 0;
    if (sub->attempts < UINT8_MAX)
        sub->attempts++;
    if (sub->state == SUB_FED)
        sub_move(core, sub, SUB_HUNGRY);
    sub_settle(core, sub);
}

void subs_redeliver(struct core *core, int64_t now_ms)
{
    for (size_t level = 0; level < REDELIVERY_LEVELS; level++)
        while (core->due[level] && core->due[level]->due_ms <= now_ms)
            redeliver(core, core->due[level]);
}

/* ---- pushed, acknowledged, started over ---- */

void sub_pushed(struct core *core, struct sub *sub, int64_t seq, uint32_t bytes, int64_t now_ms)
{
    struct session *session = sub->session;
    core->stats.pushed++;
    sub->pushed_seq = seq;
    if (session->ack_auto) {
        session_pace(session, bytes);
        sub->acked_seq = seq;
        mark_cursor(core, session->device_id, sub->conversation->conversation_id, seq, false, now_ms);
        member_deliver_to(core, sub->member, seq, now_ms);
        return;
    }
    ring_add(sub, (struct outstanding){seq, bytes, false});
    session->flow->outstanding_items++;
    session->flow->outstanding_bytes += bytes;
    core->stats.outstanding++;
    if (!sub->is_due)
        due_set(core, sub, now_ms);
}

void sub_pushed_own(struct core *core, struct sub *sub, int64_t seq, int64_t now_ms)
{
    sub->pushed_seq = seq;
    if (sub->ring_len == 0) {
        sub->acked_seq = seq;
        mark_cursor(core, sub->session->device_id, sub->conversation->conversation_id, seq, false, now_ms);
    } else if (ring_at(sub, sub->ring_len - 1)->is_own) {
        ring_at(sub, sub->ring_len - 1)->seq = seq;
    } else {
        ring_add(sub, (struct outstanding){seq, 0, true});
    }
}

void sub_ack(struct core *core, struct sub *sub, int64_t seq, int64_t now_ms)
{
    struct session *session = sub->session;
    if (seq <= sub->acked_seq && !sub->is_assumed)
        return;
    mark_cursor(core, session->device_id, sub->conversation->conversation_id, seq, false, now_ms);
    if (seq <= sub->acked_seq)
        return;
    due_clear(core, sub);
    sub->attempts = 0;
    sub->acked_seq = seq;
    uint32_t before = session->flow->outstanding_items;
    while (sub->ring_len && ring_at(sub, 0)->seq <= seq)
        ring_pop(core, sub);
    window_acked(core, session, before - session->flow->outstanding_items, now_ms);
    while (sub->ring_len && ring_at(sub, 0)->is_own) { /* what it sent itself it needs not acknowledge */
        sub->acked_seq = ring_at(sub, 0)->seq;
        ring_pop(core, sub);
    }
    if (sub->acked_seq != seq)
        mark_cursor(core, session->device_id, sub->conversation->conversation_id, sub->acked_seq, false, now_ms);
    if (sub->pushed_seq < sub->acked_seq)
        sub->pushed_seq = sub->acked_seq;
    due_set(core, sub, now_ms);
    sub_settle(core, sub);
    session_wake(core, session);
}

void sub_reset(struct core *core, struct sub *sub, int64_t acked_seq)
{
    sub->acked_seq = acked_seq;
    outstanding_drop(core, sub);
    sub->attempts = 0;
    sub->is_assumed = false;
    sub_move(core, sub, SUB_SCANNING);
}

void sub_free(struct core *core, struct sub *sub)
{
    sub_reset(core, sub, sub->acked_seq);
    struct session *session = sub->session;
    DL_DELETE2(session->flow->subs, sub, session_prev, session_next);
    DL_DELETE2(sub->conversation->subs, sub, conversation_prev, conversation_next);
    if (sub->member)
        LL_DELETE2(sub->member->subs, sub, member_next);
    owed_paid(core, sub);
    free(sub);
}
