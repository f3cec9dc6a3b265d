/*
 * Those who are behind get it from the log. A session's hungry subs get grants, first in, first fed, as far as its
 * window has room; a conversation's granted subs share pages; what a page brings goes to each sub for whom it is the
 * next.
 */
#include <syslog.h>

#include "state.h"

static uint32_t less_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- room ---- */

static bool has_pace(const struct core *core, struct session *session, int64_t now_ms)
{
    if (now_ms - session->flow->pace_from_ms >= PACE_SLICE_MS) {
        session->flow->pace_from_ms = now_ms;
        session->flow->pace_items = session->flow->pace_bytes = 0;
    }
    return session->flow->pace_items < core->options.window_items &&
           session->flow->pace_bytes < core->options.window_bytes;
}

void session_pace(struct session *session, uint32_t bytes)
{
    session->flow->pace_items++;
    session->flow->pace_bytes += bytes;
}

/*
 * What may be outstanding follows what the device takes: enough to keep the way to it and back filled when it catches
 * up fast, and little where it would only lie in the broker.
 */
static uint32_t window_items(const struct core *core, const struct flow *flow)
{
    return core->options.window_items << flow->window_shift;
}

static uint32_t window_bytes(const struct core *core, const struct flow *flow)
{
    return core->options.window_bytes << (flow->window_shift < 2 ? flow->window_shift : 2);
}

void window_acked(const struct core *core, struct session *session, uint32_t items, int64_t now_ms)
{
    struct flow *flow = session->flow;
    flow->window_acked += items;
    if (flow->window_acked < window_items(core, flow))
        return;
    int64_t took_ms = now_ms - flow->window_from_ms;
    if (took_ms <= WINDOW_FAST_MS && window_items(core, flow) * 2 <= core->options.window_items_max)
        flow->window_shift++;
    else if (took_ms > WINDOW_SLOW_MS && flow->window_shift > 0)
        flow->window_shift--;
    flow->window_acked = 0;
    flow->window_from_ms = now_ms;
}

bool session_may_take(const struct core *core, struct session *session, bool is_acked, uint32_t bytes, int64_t now_ms)
{
    if (!is_acked || session->ack_auto)
        return has_pace(core, session, now_ms);
    session->flow->is_blocked = session->flow->outstanding_items != 0 &&
                                (session->flow->outstanding_items >= window_items(core, session->flow) ||
                                 session->flow->outstanding_bytes + bytes > window_bytes(core, session->flow));
    return !session->flow->is_blocked;
}

/* Items that may be granted now; 0 also where it is too little to be worth a page. */
static uint32_t room_for(const struct core *core, const struct session *session, uint32_t wanted)
{
    uint32_t window = session->ack_auto ? core->options.window_items : window_items(core, session->flow);
    uint32_t taken = session->flow->granted_items +
                     (session->ack_auto ? session->flow->pace_items : session->flow->outstanding_items);
    uint32_t room = taken < window ? window - taken : 0;
    if (room < less_of(wanted, window / 4 + 1) && taken > 0)
        return 0;
    if (session->flow->is_blocked)
        return 0;
    return less_of(room, wanted);
}

/* ---- grants ---- */

static void session_wait_for_pace(struct core *core, struct session *session, int64_t now_ms)
{
    session->flow->pace_from_ms = now_ms; /* all wait equally long: the list is in order */
    session_work_set(core, session, SESSION_PACED);
}

static void feed_session(struct core *core, struct session *session, int64_t now_ms)
{
    session_work_set(core, session, SESSION_AT_REST);
    if (session->flow->has_forgotten && session->flow->has_answered && !session->flow->granted_items &&
        session->flow->outstanding_items == session->flow->forgotten_items) {
        session_scan_again(core, session);
        return;
    }
    while (session->flow->hungry) {
        struct sub *sub = session->flow->hungry;
        if (!has_pace(core, session, now_ms)) {
            session_wait_for_pace(core, session, now_ms);
            return;
        }
        int64_t behind = sub->conversation->last_seq - member_next_visible(sub->member, sub->pushed_seq) + 1;
        uint32_t wanted = less_of(core->options.page_items, sub_room(core, sub));
        if (behind < wanted)
            wanted = (uint32_t)behind;
        uint32_t grant = room_for(core, session, wanted);
        if (grant == 0) {
            if (session->ack_auto && session->flow->granted_items == 0)
                session_wait_for_pace(core, session, now_ms);
            return; /* an acknowledgement or the end of a grant makes it feedable again */
        }
        sub_move(core, sub, SUB_FED);
        sub->grant = (uint16_t)grant;
        session->flow->granted_items += grant;
        page_want(core, sub->conversation);
    }
}

static void grant_use(struct sub *sub)
{
    sub->grant--;
    sub->session->flow->granted_items--;
}

static void grant_drop(struct sub *sub)
{
    sub->session->flow->granted_items -= sub->grant;
    sub->grant = 0;
}

/* ---- pages ---- */

void page_want(struct core *core, struct conversation *conversation)
{
    if (!conversation->fed || conversation->is_to_page || conversation->is_paging ||
        conversation->state != CONVERSATION_LOADED)
        return;
    conversation->is_to_page = true;
    DL_APPEND2(core->to_page, conversation, page_prev, page_next);
}

/* What retention has purged is told by one event in the place of the last purged item. */
static void tell_truncated(struct core *core, struct conversation *conversation, int64_t now_ms)
{
    struct core_item item = {.seq = conversation->first_seq - 1,
                             .time_ms = now_ms,
                             .kind = CORE_ITEM_EVENT,
                             .sender_user = SLICE("-"),
                             .event_type = SLICE("truncated"),
                             .payload = SLICE("{}")};
    struct sub *sub, *next;
    DL_FOREACH2 (conversation->fed, sub, state_next) {
        if (member_next_visible(sub->member, sub->pushed_seq) > item.seq)
            continue;
        grant_use(sub);
        if (sub->is_owed)
            sub->session->flow->replayed++;
        push_gather(core, sub, &item, now_ms);
    }
    push_gathered(core, conversation, &item);
    DL_FOREACH_SAFE2 (conversation->fed, sub, next, state_next)
        sub_settle(core, sub);
}

static void page_ask(struct core *core, struct conversation *conversation, int64_t now_ms)
{
    conversation->is_to_page = false;
    DL_DELETE2(core->to_page, conversation, page_prev, page_next);
    if (conversation->state != CONVERSATION_LOADED)
        return;
    if (conversation->first_seq > 1)
        tell_truncated(core, conversation, now_ms);
    if (!conversation->fed)
        return;
    int64_t first_seq = INT64_MAX, end_seq = 0;
    const struct sub *sub;
    DL_FOREACH2 (conversation->fed, sub, state_next) {
        int64_t next_seq = member_next_visible(sub->member, sub->pushed_seq);
        if (next_seq < first_seq)
            first_seq = next_seq;
        if (next_seq + sub->grant > end_seq)
            end_seq = next_seq + sub->grant;
    }
    int64_t items = end_seq - first_seq;
    struct core_page_request request = {
        .conversation_id = conversation->conversation_id,
        .after_seq = first_seq - 1,
        .items_max = items < core->options.page_items ? (uint32_t)items : core->options.page_items,
        .bytes_max = core->options.window_bytes,
    };
    conversation->is_paging = true;
    core->pages_len++;
    core->pages_items += request.items_max;
    core->port.page(core->port.ctx, &request);
}

static void feed_item(struct core *core, struct conversation *conversation, const struct core_item *item,
                      int64_t now_ms)
{
    struct sub *sub;
    DL_FOREACH2 (conversation->fed, sub, state_next) {
        if (sub->grant == 0 || member_next_visible(sub->member, sub->pushed_seq) != item->seq)
            continue;
        bool is_own = item_is_own(sub, item);
        if (!session_may_take(core, sub->session, !is_own, item_bytes(item), now_ms)) {
            grant_drop(sub);
            continue;
        }
        grant_use(sub);
        if (sub->is_owed && item->seq <= sub->target_seq)
            sub->session->flow->replayed++;
        if (is_own) {
            push_sent(core, conversation, 1, item);
            session_pace(sub->session, ITEM_OVERHEAD_BYTES);
            sub_pushed_own(core, sub, item->seq, now_ms);
        } else {
            push_gather(core, sub, item, now_ms);
        }
    }
    push_gathered(core, conversation, item);
}

/*
 * The log has no gaps, so one in a page means that we know too little (a purge has just been committed): load again.
 * When it is still there then, the log is damaged: say so and go on behind it.
 */
static bool hole_is_damage(struct core *core, struct conversation *conversation, int64_t seq)
{
    if (conversation->hole_seq == seq) {
        core->port.log(core->port.ctx, LOG_ERR, "the log has a hole", conversation_name_of(conversation));
        return true;
    }
    conversation->hole_seq = seq;
    conversation_reload(core, conversation);
    return false;
}

static void skip_hole(struct conversation *conversation, int64_t seq, int64_t next_seq)
{
    struct sub *sub;
    DL_FOREACH2 (conversation->fed, sub, state_next)
        if (sub->pushed_seq < next_seq - 1 && member_next_visible(sub->member, sub->pushed_seq) >= seq)
            sub->pushed_seq = next_seq - 1;
}

static void park_fed(struct core *core, struct conversation *conversation)
{
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->fed, sub, next, state_next)
        sub_move(core, sub, SUB_PARKED);
}

void core_on_page(struct core *core, int64_t now_ms, const struct core_page_request *request,
                  const struct core_item *items, size_t items_len)
{
    struct conversation *conversation = conversation_find_id(core, request->conversation_id);
    core->pages_len--;
    core->pages_items -= request->items_max;
    if (!conversation || !conversation->is_paging)
        return;
    conversation->is_paging = false;
    int64_t seq = request->after_seq + 1;
    for (size_t i = 0; i < items_len && items[i].seq <= conversation->last_seq; i++, seq++) {
        if (items[i].seq != seq) {
            if (!hole_is_damage(core, conversation, seq))
                break;
            skip_hole(conversation, seq, items[i].seq);
            seq = items[i].seq;
        }
        if (items[i].edit_seq > conversation->last_seq) { /* who was a member then is not known yet */
            conversation_reload(core, conversation);
            break;
        }
        feed_item(core, conversation, &items[i], now_ms);
    }
    if (items_len == 0 && seq <= conversation->last_seq && hole_is_damage(core, conversation, seq))
        park_fed(core, conversation);
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->fed, sub, next, state_next)
        sub_settle(core, sub);
    page_want(core, conversation);
}

/* A question for one short page costs as much as one for ten: in a storm of devices they gather. */
static bool pages_are_worth_it(const struct core *core)
{
    const struct conversation *conversation;
    uint32_t len = 0, items = 0;
    if (core->pages_len < PAGES_FEW)
        return true;
    DL_FOREACH2 (core->to_page, conversation, page_next) {
        items += conversation->fed ? conversation->fed->grant : 0;
        if (++len == PAGES_WORTH || items >= PAGES_WORTH_ITEMS)
            return true;
    }
    return false;
}

void feed_turn(struct core *core, int64_t now_ms)
{
    while (core->paced && now_ms - core->paced->flow->pace_from_ms >= PACE_SLICE_MS)
        session_work_set(core, core->paced, SESSION_FEEDABLE);
    while (core->feedable)
        feed_session(core, core->feedable, now_ms);
    if (!pages_are_worth_it(core))
        return;
    while (core->to_page && core->pages_len < PAGES_MAX && core->pages_items < PAGES_ITEMS_MAX)
        page_ask(core, core->to_page, now_ms);
}
