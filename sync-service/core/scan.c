/*
 * From subscribed to caught up. All devices that became ready since the last scan are asked for in one: which
 * conversations is each behind in? What is loaded is taken to be held by them as of now, unless the scan says
 * otherwise.
 */
#include "state.h"

static void tell_caught_up(struct core *core, struct session *session)
{
    session->flow->owes_caught_up = false;
    core->port.caught_up(core->port.ctx, session->ref, session->flow->ready_number, session->flow->replayed);
}

void session_check_caught_up(struct core *core, struct session *session)
{
    if (session->state != SESSION_REPLAYING || session->flow->owed || session->flow->has_forgotten)
        return;
    session_move(core, session, SESSION_LIVE);
    if (session->flow->owes_caught_up)
        tell_caught_up(core, session);
}

/* ---- asking ---- */

static void assume_all(struct session *session)
{
    struct member *member;
    DL_FOREACH2 (session->user->members, member, user_next) {
        if (sub_find(member, session))
            continue;
        struct conversation *conversation = member->conversation;
        sub_new(session, conversation, member, conversation->last_seq)->is_assumed = true;
    }
}

void scan_turn(struct core *core, int64_t now_ms)
{
    if (now_ms < core->scan_due_ms)
        return;
    while (core->unscanned && core->scans_len < SCANS_MAX && !conversations_are_crowded(core)) {
        if (flush_is_behind(core))
            return; /* the scan is to see every mark: first what is under way, then the rest, then the scan */
        flush_begin(core);
        int64_t device_ids[SCAN_DEVICES_MAX];
        size_t len = 0;
        core->last_scan++;
        while (core->unscanned && len < SCAN_DEVICES_MAX) {
            struct session *session = core->unscanned;
            assume_all(session);
            rewinds_wait(core, session);
            session->flow->scan = core->last_scan;
            session_move(core, session, SESSION_SCANNING);
            device_ids[len++] = session->device_id;
        }
        core->scans_len++;
        core->scan_due_ms = now_ms + core->options.scan_every_ms;
        core->port.scan(core->port.ctx, core->last_scan, device_ids, len);
    }
}

/* ---- answers ---- */

struct session *session_scanned(const struct core *core, uint64_t scan, int64_t device_id)
{
    struct session *session = session_find(core, device_id);
    return session && session->state == SESSION_SCANNING && session->flow->scan == scan ? session : NULL;
}

void core_on_scan_behind(struct core *core, int64_t now_ms, uint64_t scan, int64_t device_id,
                         struct slice conversation_name, int64_t acked_seq)
{
    (void)now_ms;
    struct session *session = session_scanned(core, scan, device_id);
    if (!session)
        return;
    struct conversation *conversation = conversation_want(core, conversation_name);
    struct member *member =
        conversation_is_known(conversation) ? member_find(conversation, session->user->user_id) : NULL;
    if (!member) {
        if (conversation_is_known(conversation)) /* she became one, and the news is still on its way */
            conversation_reload(core, conversation);
        sub_wait_for_load(session, conversation);
        return;
    }
    struct sub *sub = sub_find(member, session);
    if (sub && sub->is_assumed)
        sub_reset(core, sub, mark_cursor_merge(core, device_id, conversation->conversation_id, acked_seq));
}

/* The scan did not see a rewind whose flush has failed; everything else that it may have missed is a repetition. */
static void assume_no_more(struct core *core, struct sub *sub)
{
    int64_t conversation_id = sub->conversation->conversation_id;
    if (sub->is_assumed && mark_cursor_is_set(core, sub->session->device_id, conversation_id))
        sub_reset(core, sub, mark_cursor_merge(core, sub->session->device_id, conversation_id, 0));
    sub->is_assumed = false;
}

static void scan_end(struct core *core, struct session *session)
{
    session_move(core, session, SESSION_REPLAYING);
    struct sub *sub, *next;
    DL_FOREACH2 (session->flow->subs, sub, session_next) {
        assume_no_more(core, sub);
        /* what is being loaded has its target when it is there */
        sub->target_seq = sub->conversation->state == CONVERSATION_LOADED ? sub->conversation->last_seq : INT64_MAX;
        if (!sub->is_owed)
            session->flow->owed++;
        sub->is_owed = true;
    }
    DL_FOREACH_SAFE2 (session->flow->subs, sub, next, session_next)
        sub_settle(core, sub);
    session_check_caught_up(core, session);
    session_rest(session);
}

void core_on_scan_done(struct core *core, int64_t now_ms, uint64_t scan)
{
    (void)now_ms;
    core->scans_len--;
    struct session *session, *next;
    DL_FOREACH_SAFE2 (core->scanning, session, next, flow->state_next)
        if (session->flow->scan == scan)
            scan_end(core, session);
}

/* ---- the database goes and comes back ---- */

void core_on_database_lost(struct core *core, int64_t now_ms)
{
    core->is_away = true;
    receipts_turn(core, now_ms);
    struct table_walk walk;
    for (struct session *session = session_first(core, &walk); session; session = session_next(&walk)) {
        session_move(core, session, SESSION_NEW);
        session_forgive(session);
        session->flow->owed = 0;
        struct sub *sub;
        DL_FOREACH2 (session->flow->subs, sub, session_next)
            sub->is_owed = false;
    }
    struct batch *batch;
    DL_FOREACH2 (core->batches, batch, under_way_next)
        for (size_t i = 0; i < batch->groups_len; i++)
            messages_retry(batch->groups[i].conversation);
    batches_forget(core);
    struct conversation *conversation, *next;
    HASH_ITER (hh, core->conversations, conversation, next) {
        conversation_unload(core, conversation);
        if (conversation->pending || conversation->waiting_marks) {
            if (conversation->pending)
                conversation_create(conversation);
            conversation_move(core, conversation, CONVERSATION_UNKNOWN);
        } else {
            conversation_free(core, conversation);
        }
    }
    core->loads_len = core->pages_len = core->scans_len = 0;
    core->pages_items = 0;
    flush_lost(core, now_ms);
}

void core_on_database_back(struct core *core, int64_t now_ms)
{
    (void)now_ms;
    core->is_away = false;
}
