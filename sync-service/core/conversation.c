/* The table of conversations: loaded when somebody needs them, again when they changed, forgotten when idle. */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "restraint.h"

#define LOAD_NAMES       256 /* per question */
#define EVICT_CANDIDATES 64  /* looked at per turn */

struct slice conversation_name_of(const struct conversation *conversation)
{
    return (struct slice){conversation->name, conversation->name_len};
}

struct slice conversation_view_of(const struct conversation *conversation, struct slice user,
                                  char buf[LIMIT_CONVERSATION_LEN + 1])
{
    if (conversation->name[0] == 'g') /* it may not be loaded */
        return conversation_name_of(conversation);
    size_t len = conversation_view(conversation_name_of(conversation), user, buf, LIMIT_CONVERSATION_LEN + 1);
    return (struct slice){buf, len};
}

struct conversation *conversation_find(const struct core *core, struct slice name)
{
    struct conversation *conversation;
    HASH_FIND(hh, core->conversations, name.at, (unsigned)name.len, conversation);
    return conversation;
}

struct conversation *conversation_find_id(const struct core *core, int64_t conversation_id)
{
    struct conversation *conversation;
    HASH_FIND(hh_id, core->conversations_by_id, &conversation_id, sizeof conversation_id, conversation);
    return conversation;
}

bool conversation_is_known(const struct conversation *conversation)
{
    return conversation->state >= CONVERSATION_LOADED;
}

static struct conversation **work_list(struct core *core, enum conversation_work work)
{
    switch (work) {
    case CONVERSATION_TO_LOAD:
        return &core->to_load;
    case CONVERSATION_TO_SEND:
        return &core->to_send;
    case CONVERSATION_AT_REST:
        break;
    }
    return NULL;
}

void conversation_work_set(struct core *core, struct conversation *conversation, enum conversation_work work)
{
    if (conversation->work == work)
        return;
    struct conversation **list = work_list(core, conversation->work);
    if (list)
        DL_DELETE2(*list, conversation, work_prev, work_next);
    conversation->work = (uint8_t)work;
    list = work_list(core, work);
    if (list)
        DL_APPEND2(*list, conversation, work_prev, work_next);
}

void conversation_move(struct core *core, struct conversation *conversation, enum conversation_state state)
{
    conversation->state = (uint8_t)state;
    switch (state) {
    case CONVERSATION_UNKNOWN:
    case CONVERSATION_STALE:
        conversation_work_set(core, conversation, CONVERSATION_TO_LOAD);
        break;
    case CONVERSATION_LOADING:
    case CONVERSATION_RELOADING:
        conversation_work_set(core, conversation, CONVERSATION_AT_REST);
        break;
    case CONVERSATION_LOADED:
        conversation_work_set(core, conversation, CONVERSATION_AT_REST);
        conversation_sendable(core, conversation);
        break;
    }
}

struct conversation *conversation_want(struct core *core, struct slice name)
{
    struct conversation *conversation = conversation_find(core, name);
    if (conversation)
        return conversation;
    conversation = core_alloc(sizeof *conversation + name.len);
    conversation->name_len = (uint8_t)name.len;
    memcpy(conversation->name, name.at, name.len);
    HASH_ADD_KEYPTR(hh, core->conversations, conversation->name, name.len, conversation);
    conversation_move(core, conversation, CONVERSATION_UNKNOWN);
    return conversation;
}

void conversation_create(struct conversation *conversation)
{
    conversation->creates = conversation->name[0] == 'd';
}

void conversation_touch(struct core *core, struct conversation *conversation)
{
    if (!conversation_is_known(conversation) || core->lru == conversation)
        return;
    DL_DELETE2(core->lru, conversation, lru_prev, lru_next);
    DL_PREPEND2(core->lru, conversation, lru_prev, lru_next);
}

void conversation_reload(struct core *core, struct conversation *conversation)
{
    switch ((enum conversation_state)conversation->state) {
    case CONVERSATION_LOADED:
        conversation_move(core, conversation, CONVERSATION_STALE);
        break;
    case CONVERSATION_LOADING:
    case CONVERSATION_RELOADING:
        conversation->load_again = true; /* the answer may be older than the change */
        break;
    case CONVERSATION_UNKNOWN:
    case CONVERSATION_STALE:
        break;
    }
}

void core_on_changed(struct core *core, int64_t now_ms, struct slice conversation_name)
{
    (void)now_ms;
    struct conversation *conversation = conversation_find(core, conversation_name);
    if (conversation)
        conversation_reload(core, conversation);
    else if (core->sessions.len > 0 && !core->is_away) /* whether a member is live is known after the load */
        (void)conversation_want(core, conversation_name);
}

void core_on_user_changed(struct core *core, int64_t now_ms, int64_t user_id)
{
    (void)now_ms;
    const struct user *user = user_find(core, user_id);
    struct member *member;
    if (user)
        DL_FOREACH2 (user->members, member, user_next)
            conversation_reload(core, member->conversation);
}

void conversations_load(struct core *core)
{
    while (core->to_load && core->loads_len < LOADS_MAX) {
        struct slice names[LOAD_NAMES];
        int64_t senders[LOAD_NAMES];
        size_t len = 0;
        while (core->to_load && len < LOAD_NAMES && core->loads_len < LOADS_MAX) {
            struct conversation *conversation = core->to_load;
            conversation->asked_creates = conversation->creates;
            conversation->load_again = false;
            names[len] = conversation_name_of(conversation);
            senders[len++] = conversation->creates && conversation->pending ? conversation->pending->user_id : 0;
            core->loads_len++;
            conversation_move(core, conversation,
                              conversation->state == CONVERSATION_STALE ? CONVERSATION_RELOADING
                                                                        : CONVERSATION_LOADING);
        }
        core->port.load(core->port.ctx, names, senders, len);
    }
}

/* ---- the answer ---- */

/* Every live device of every member has a sub. One that is new starts with acked_seq -1: not known yet. */
static void subs_add(struct core *core, struct conversation *conversation)
{
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->subs, sub, next, conversation_next) {
        if (sub->member)
            continue;
        struct member *member = member_find(conversation, sub->session->user->user_id);
        if (member && !sub_find(member, sub->session))
            sub_attach(sub, member);
        else
            sub_free(core, sub);
    }
    for (uint32_t i = 0; i < conversation->members_len; i++) {
        struct member *member = conversation->members[i];
        struct session *session;
        LL_FOREACH2 (member->user->sessions, session, user_next)
            if (!sub_find(member, session))
                (void)sub_new(session, conversation, member, -1);
    }
}

static void subs_take_cursors(struct core *core, struct conversation *conversation,
                              const struct core_conversation *loaded)
{
    struct sub *sub;
    for (size_t i = 0; i < loaded->cursors_len; i++) {
        const struct core_cursor *cursor = &loaded->cursors[i];
        struct session *session = session_find(core, cursor->device_id);
        struct member *member = session ? member_find(conversation, session->user->user_id) : NULL;
        sub = member ? sub_find(member, session) : NULL;
        if (sub && sub->acked_seq == -1)
            sub_reset(core, sub,
                      mark_cursor_merge(core, cursor->device_id, conversation->conversation_id, cursor->acked_seq));
    }
    DL_FOREACH2 (conversation->subs, sub, conversation_next)
        if (sub->acked_seq == -1)
            sub_reset(core, sub, mark_cursor_merge(core, sub->session->device_id, conversation->conversation_id, 0));
}

static void take(struct core *core, struct conversation *conversation, const struct core_conversation *loaded)
{
    if (conversation->state == CONVERSATION_LOADING) {
        conversation->conversation_id = loaded->conversation_id;
        HASH_ADD(hh_id, core->conversations_by_id, conversation_id, sizeof conversation->conversation_id, conversation);
        if (conversation->pending || conversation->subs || conversation->waiting_marks)
            DL_PREPEND2(core->lru, conversation, lru_prev, lru_next);
        else
            DL_APPEND2(core->lru, conversation, lru_prev, lru_next);
    }
    if (conversation->last_seq < loaded->last_seq)
        conversation->last_seq = loaded->last_seq;
    conversation->first_seq = loaded->first_seq;
    conversation->membership_version = loaded->membership_version;
    conversation->is_group = loaded->is_group;
    conversation->is_deleted = loaded->is_deleted;
    members_merge(core, conversation, loaded);
    restraint_take(core, conversation, loaded);
    subs_add(core, conversation);
    subs_take_cursors(core, conversation, loaded);
}

static void settle_subs(struct core *core, struct conversation *conversation)
{
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->subs, sub, next, conversation_next) {
        if (sub->is_owed && sub->target_seq == INT64_MAX)
            sub->target_seq = conversation->last_seq;
        sub_settle(core, sub);
        if (sub->state == SUB_LIVE && !sub->ring_len && !member_is_current(sub->member))
            sub_free(core, sub); /* she has left, and has everything that was hers */
    }
    page_want(core, conversation);
}

static void load_failed(struct core *core, struct conversation *conversation, enum core_load_state state)
{
    bool is_first = conversation->state == CONVERSATION_LOADING;
    if (conversation->load_again || conversation->flight_len ||
        (conversation->creates && !conversation->asked_creates)) {
        conversation_move(core, conversation, is_first ? CONVERSATION_UNKNOWN : CONVERSATION_STALE);
        return;
    }
    message_fail_all(core, conversation,
                     state == CORE_LOAD_READ_ONLY       ? "read-only"
                     : state == CORE_LOAD_NO_SUCH_GROUP ? "no-such-group"
                                                        : "no-such-user");
    conversation_free(core, conversation);
}

void core_on_loaded(struct core *core, int64_t now_ms, const struct core_conversation *loaded)
{
    struct conversation *conversation = conversation_find(core, loaded->name);
    if (!conversation ||
        (conversation->state != CONVERSATION_LOADING && conversation->state != CONVERSATION_RELOADING)) {
        core->port.log(core->port.ctx, LOG_ERR, "a conversation was loaded that was not asked for", loaded->name);
        return;
    }
    core->loads_len--;
    if (loaded->state != CORE_LOAD_OK) {
        load_failed(core, conversation, loaded->state);
        return;
    }
    take(core, conversation, loaded);
    conversation->creates = false;
    conversation_move(core, conversation, conversation->load_again ? CONVERSATION_STALE : CONVERSATION_LOADED);
    marks_apply_waiting(core, conversation, now_ms);
    settle_subs(core, conversation);
}

/* ---- forgetting ---- */

void conversation_unload(struct core *core, struct conversation *conversation)
{
    receipts_forget(core, conversation);
    restraint_free(conversation);
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->subs, sub, next, conversation_next)
        sub_free(core, sub);
    if (conversation->is_to_page)
        DL_DELETE2(core->to_page, conversation, page_prev, page_next);
    conversation->is_to_page = conversation->is_paging = false;
    if (!conversation_is_known(conversation))
        return;
    for (uint32_t i = 0; i < conversation->members_len; i++)
        member_free(core, conversation->members[i]);
    free(conversation->members);
    conversation->members = NULL;
    conversation->members_len = conversation->current_len = 0;
    conversation->last_seq = conversation->hole_seq = 0;
    HASH_DELETE(hh_id, core->conversations_by_id, conversation);
    DL_DELETE2(core->lru, conversation, lru_prev, lru_next);
    conversation_move(core, conversation, CONVERSATION_UNKNOWN);
}

void conversation_free(struct core *core, struct conversation *conversation)
{
    conversation_unload(core, conversation);
    marks_drop_waiting(core, conversation);
    message_fail_all(core, conversation, NULL);
    conversation_work_set(core, conversation, CONVERSATION_AT_REST);
    HASH_DELETE(hh, core->conversations, conversation);
    free(conversation);
}

static bool is_needed(const struct conversation *conversation)
{
    return conversation->state != CONVERSATION_LOADED || conversation->pending || conversation->waiting_marks ||
           conversation->is_paging || conversation->fed || conversation->is_to_tell ||
           conversation->count_delivered.to_seq || conversation->count_read.to_seq || conversation->is_asking_senders;
}

size_t conversations_unknown(const struct core *core)
{
    return HASH_COUNT(core->conversations) - HASH_CNT(hh_id, core->conversations_by_id);
}

bool conversations_are_crowded(const struct core *core)
{
    return HASH_COUNT(core->conversations) / 2 >= core->options.conversations_max;
}

/*
 * Whether this live device can do without it. Pressed: what waits for the device, for an acknowledgement or to be
 * scanned, is forgotten too; the device gets it when it has acknowledged the rest, or with the scan.
 */
static bool may_forget(const struct sub *sub, bool is_pressing)
{
    switch ((enum sub_state)sub->state) {
    case SUB_LIVE:
        return sub->ring_len == 0 || is_pressing;
    case SUB_SCANNING:
        return is_pressing && (sub->session->state == SESSION_NEW || sub->is_assumed);
    case SUB_HUNGRY:
    case SUB_PARKED:
        return is_pressing && sub->session->flow->outstanding_items > 0;
    case SUB_FED:
        break;
    }
    return false;
}

static bool all_may_forget(const struct conversation *conversation, bool is_pressing)
{
    const struct sub *sub;
    DL_FOREACH2 (conversation->subs, sub, conversation_next)
        if (!may_forget(sub, is_pressing))
            return false;
    return true;
}

/* What a device has outstanding counts on: its window opens again when it has said something. */
static void forget(struct core *core, struct conversation *conversation)
{
    struct sub *sub, *next;
    bool is_missed = false;
    DL_FOREACH_SAFE2 (conversation->subs, sub, next, conversation_next) {
        struct session *session = sub->session;
        uint32_t items = session->flow->outstanding_items, bytes = session->flow->outstanding_bytes;
        if (sub->state == SUB_HUNGRY || sub->state == SUB_PARKED || sub->ring_len)
            session->flow->has_forgotten = is_missed = true;
        sub_free(core, sub);
        session->flow->forgotten_items += items - session->flow->outstanding_items;
        session->flow->forgotten_bytes += bytes - session->flow->outstanding_bytes;
        session->flow->outstanding_items = items;
        session->flow->outstanding_bytes = bytes;
        session_rest(session);
    }
    core->stats.forgotten += is_missed;
    conversation_free(core, conversation);
}

/* Least recently used first. */
void conversations_evict(struct core *core)
{
    for (size_t kept = 0; kept < EVICT_CANDIDATES && core->lru;) {
        if (HASH_CNT(hh_id, core->conversations_by_id) <= core->options.conversations_max)
            return;
        struct conversation *oldest = core->lru->lru_prev;
        if (!is_needed(oldest) && all_may_forget(oldest, conversations_are_crowded(core))) {
            forget(core, oldest);
        } else {
            conversation_touch(core, oldest);
            kept++;
        }
    }
}
