/* Acknowledged, read, rewound: what devices say about what they hold. */
#include <stdlib.h>

#include "state.h"

static int64_t more_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t less_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the conversation is loaded ---- */

void member_deliver_to(struct core *core, struct member *member, int64_t seq, int64_t now_ms)
{
    seq = member_last_visible(member, seq);
    if (seq <= member->delivered_seq)
        return;
    member->delivered_seq = seq;
    mark_member(core, member, now_ms);
    receipt_moved(core, member);
}

static void member_read_to(struct core *core, struct member *member, int64_t device_id, int64_t seq, int64_t now_ms)
{
    seq = member_last_visible(member, seq);
    if (seq <= member->read_seq)
        return;
    member->read_seq = seq;
    member->delivered_seq = more_of(member->delivered_seq, seq);
    member->reader_device_id = device_id;
    mark_member(core, member, now_ms);
    receipt_moved(core, member);
}

static void cursor_raise(struct core *core, const struct member *member, int64_t device_id, int64_t seq, int64_t now_ms)
{
    struct session *session = session_find(core, device_id);
    struct sub *sub = session ? sub_find(member, session) : NULL;
    if (sub)
        sub_ack(core, sub, seq, now_ms);
    else
        mark_cursor(core, device_id, member->conversation->conversation_id, seq, false, now_ms);
    if (!session || !session->flow || !session->flow->has_forgotten)
        return;
    session->flow->has_answered = true;
    session_wake(core, session);
}

static void cursor_rewind(struct core *core, const struct member *member, int64_t device_id, int64_t seq,
                          int64_t now_ms)
{
    const struct session *session = session_find(core, device_id);
    struct sub *sub = session ? sub_find(member, session) : NULL;
    mark_cursor(core, device_id, member->conversation->conversation_id, seq, true, now_ms);
    if (!sub)
        return;
    sub_reset(core, sub, seq);
    sub_settle(core, sub);
}

static void apply(struct core *core, struct conversation *conversation, const struct waiting_mark *mark, int64_t now_ms)
{
    struct member *member = member_find(conversation, mark->user_id);
    if (!member || !member->intervals_len)
        return;
    if (mark->rewind_seq >= 0)
        cursor_rewind(core, member, mark->device_id, less_of(mark->rewind_seq, conversation->last_seq), now_ms);
    if (mark->ack_seq > 0)
        cursor_raise(core, member, mark->device_id, less_of(mark->ack_seq, conversation->last_seq), now_ms);
    if (mark->read_seq > 0)
        member_read_to(core, member, mark->device_id, less_of(mark->read_seq, conversation->last_seq), now_ms);
    if (mark->delivered_seq > 0)
        member_deliver_to(core, member, less_of(mark->delivered_seq, conversation->last_seq), now_ms);
}

/* ---- it is not, or not as far as the mark: one entry per device waits for it ---- */

/*
 * Above the last seq of a conversation that is being loaded again, or appended to: a device may have that from the
 * history already.
 */
static bool is_ahead(const struct conversation *conversation, const struct waiting_mark *mark)
{
    bool is_behind = conversation->state != CONVERSATION_LOADED || conversation->flight_len > 0;
    return is_behind && mark->rewind_seq < 0 && mark->delivered_seq > conversation->last_seq;
}

static struct waiting_mark *waiting_find(const struct conversation *conversation, int64_t device_id)
{
    struct waiting_mark *waiting;
    LL_FOREACH (conversation->waiting_marks, waiting)
        if (waiting->device_id == device_id)
            return waiting;
    return NULL;
}

static void let_wait(struct core *core, struct conversation *conversation, const struct waiting_mark *mark)
{
    struct waiting_mark *waiting = waiting_find(conversation, mark->device_id);
    if (!waiting) {
        waiting = core_alloc(sizeof *waiting);
        waiting->device_id = mark->device_id;
        waiting->user_id = mark->user_id;
        waiting->rewind_seq = -1;
        waiting->conversation = conversation;
        LL_PREPEND(conversation->waiting_marks, waiting);
        core->waiting_marks++;
    }
    if (mark->rewind_seq >= 0) {
        if (waiting->rewind_seq < 0)
            DL_APPEND2(core->rewinds, waiting, rewind_prev, rewind_next);
        waiting->rewind_seq = mark->rewind_seq;
        waiting->ack_seq = 0;
    }
    waiting->ack_seq = more_of(waiting->ack_seq, mark->ack_seq);
    waiting->read_seq = more_of(waiting->read_seq, mark->read_seq);
    waiting->delivered_seq = more_of(waiting->delivered_seq, mark->delivered_seq);
}

static void waiting_free(struct core *core, struct conversation *conversation, struct waiting_mark *mark)
{
    LL_DELETE(conversation->waiting_marks, mark);
    core->waiting_marks--;
    if (mark->rewind_seq >= 0)
        DL_DELETE2(core->rewinds, mark, rewind_prev, rewind_next);
    free(mark);
}

void rewinds_wait(struct core *core, struct session *session)
{
    struct waiting_mark *mark;
    DL_FOREACH2 (core->rewinds, mark, rewind_next)
        if (mark->device_id == session->device_id)
            sub_wait_for_load(session, mark->conversation);
}

void marks_apply_waiting(struct core *core, struct conversation *conversation, int64_t now_ms)
{
    if (conversation->waiting_marks)
        core->late_flush = core->last_flush + 1;
    struct waiting_mark *mark, *next;
    LL_FOREACH_SAFE (conversation->waiting_marks, mark, next) {
        if (is_ahead(conversation, mark))
            continue; /* there is more to come */
        apply(core, conversation, mark, now_ms);
        waiting_free(core, conversation, mark);
    }
    if (conversation->waiting_marks)
        return;
    for (size_t i = 0; i < conversation->waiting_tokens.len; i++)
        mark_wait(core, conversation->waiting_tokens.at[i]);
    core->waiting_tokens -= conversation->waiting_tokens.len;
    conversation->waiting_tokens.len = 0;
}

void marks_drop_waiting(struct core *core, struct conversation *conversation)
{
    struct waiting_mark *mark, *next;
    LL_FOREACH_SAFE (conversation->waiting_marks, mark, next)
        waiting_free(core, conversation, mark);
    core->waiting_tokens -= conversation->waiting_tokens.len;
    token_list_done(core, &conversation->waiting_tokens);
}

/* ---- events ---- */

/* The conversation that it waits for, or NULL: it is applied. */
static struct conversation *marked(struct core *core, struct slice conversation_name, const struct waiting_mark *mark,
                                   int64_t now_ms)
{
    struct conversation *conversation = conversation_want(core, conversation_name);
    if (!conversation_is_known(conversation) || is_ahead(conversation, mark)) {
        let_wait(core, conversation, mark);
        return conversation;
    }
    struct waiting_mark *waiting = mark->rewind_seq >= 0 ? waiting_find(conversation, mark->device_id) : NULL;
    if (waiting)
        waiting->ack_seq = 0; /* it has gone back behind that */
    conversation_touch(core, conversation);
    apply(core, conversation, mark, now_ms);
    return NULL;
}

static void done_when_flushed(struct core *core, struct conversation *waited_for, struct core_token token)
{
    if (!waited_for) {
        mark_wait(core, token);
        return;
    }
    token_list_add(&waited_for->waiting_tokens, token);
    core->waiting_tokens++;
}

void core_on_mark(struct core *core, int64_t now_ms, struct core_token token, enum core_mark kind,
                  const struct core_device *device, struct slice conversation_name, int64_t seq)
{
    struct waiting_mark mark = {.device_id = device->device_id,
                                .user_id = device->user_id,
                                .rewind_seq = -1,
                                .ack_seq = seq,
                                .delivered_seq = seq,
                                .read_seq = kind == CORE_MARK_READ ? seq : 0};
    struct conversation *waited_for = marked(core, conversation_name, &mark, now_ms);
    if (kind == CORE_MARK_ACK)
        core->port.done(core->port.ctx, token);
    else
        done_when_flushed(core, waited_for, token);
}

void core_on_rewind(struct core *core, int64_t now_ms, struct core_token token, const struct core_device *device,
                    struct slice conversation_name, int64_t seq)
{
    struct waiting_mark mark = {.device_id = device->device_id,
                                .user_id = device->user_id,
                                .rewind_seq = seq,
                                .delivered_seq = seq}; /* it says that it holds everything below */
    struct conversation *waited_for = marked(core, conversation_name, &mark, now_ms);
    done_when_flushed(core, waited_for, token);
}

void core_on_device_removed(struct core *core, int64_t now_ms, int64_t device_id)
{
    (void)now_ms;
    struct session *session = session_find(core, device_id);
    if (session)
        session_free(core, session);
    marks_forget_device(core, device_id);
}
