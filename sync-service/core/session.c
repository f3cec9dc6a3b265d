/* Users and their live devices. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* ---- users: known while they are live or members of something loaded ---- */

static struct user *user_at(struct table_link *link)
{
    return link ? TABLE_ENTRY(link, struct user, by_id) : NULL;
}

static uint64_t user_hash(const struct table_link *link)
{
    return hash_number((uint64_t)TABLE_ENTRY(link, const struct user, by_id)->user_id);
}

struct user *user_find(const struct core *core, int64_t user_id)
{
    struct table_link *link = table_chain(&core->users, hash_number((uint64_t)user_id));
    while (link && user_at(link)->user_id != user_id)
        link = link->next;
    return user_at(link);
}

struct user *user_get(struct core *core, int64_t user_id, struct slice name)
{
    struct user *user = user_find(core, user_id);
    if (user)
        return user;
    user = core_alloc(SIZE_WITH(struct user, name, name.len));
    user->user_id = user_id;
    user->name_len = (uint8_t)name.len;
    memcpy(user->name, name.at, name.len);
    if (table_add(&core->users, &user->by_id, user_hash) != STATUS_OK)
        core_no_memory();
    return user;
}

void user_put(struct core *core, struct user *user)
{
    if (user->sessions || user->members)
        return;
    table_remove(&core->users, &user->by_id, user_hash);
    free(user);
}

struct slice user_name(const struct user *user)
{
    return (struct slice){user->name, user->name_len};
}

/* ---- sessions ---- */

static struct session *session_at(struct table_link *link)
{
    return link ? TABLE_ENTRY(link, struct session, by_device) : NULL;
}

static uint64_t session_hash(const struct table_link *link)
{
    return hash_number((uint64_t)TABLE_ENTRY(link, const struct session, by_device)->device_id);
}

struct session *session_find(const struct core *core, int64_t device_id)
{
    struct table_link *link = table_chain(&core->sessions, hash_number((uint64_t)device_id));
    while (link && session_at(link)->device_id != device_id)
        link = link->next;
    return session_at(link);
}

struct session *session_first(const struct core *core, struct table_walk *walk)
{
    return session_at(table_first(&core->sessions, walk));
}

struct session *session_next(struct table_walk *walk)
{
    return session_at(table_next(walk));
}

struct flow *session_flow(struct session *session)
{
    if (!session->flow)
        session->flow = core_alloc(sizeof *session->flow);
    return session->flow;
}

void session_rest(struct session *session)
{
    const struct flow *flow = session->flow;
    if (!flow || session->state != SESSION_LIVE || session->work != SESSION_AT_REST || flow->subs || flow->opened ||
        flow->has_forgotten)
        return;
    free(session->flow);
    session->flow = NULL;
}

bool session_has_open(const struct session *session, struct slice name)
{
    const struct opened *opened = session->flow ? session->flow->opened : NULL;
    while (opened && !slice_equal((struct slice){opened->name, opened->name_len}, name))
        opened = opened->next;
    return opened != NULL;
}

static void opened_free(struct opened **place)
{
    struct opened *opened = *place;
    *place = opened->next;
    free(opened);
}

void session_open(struct session *session, struct slice name, bool is_open)
{
    struct opened **place = &session_flow(session)->opened;
    for (size_t len = 0; *place;) {
        if (slice_equal((struct slice){(*place)->name, (*place)->name_len}, name) || (is_open && ++len == OPENED_MAX))
            opened_free(place);
        else
            place = &(*place)->next;
    }
    if (is_open) {
        struct opened *opened = core_alloc(SIZE_WITH(struct opened, name, name.len));
        opened->name_len = (uint8_t)name.len;
        memcpy(opened->name, name.at, name.len);
        LL_PREPEND(session->flow->opened, opened);
    }
    session_rest(session);
}

static struct session **state_list(struct core *core, enum session_state state)
{
    switch (state) {
    case SESSION_NEW:
        return &core->unscanned;
    case SESSION_SCANNING:
        return &core->scanning;
    case SESSION_REPLAYING:
    case SESSION_LIVE:
        break;
    }
    return NULL;
}

void session_move(struct core *core, struct session *session, enum session_state state)
{
    struct session **list = state_list(core, session->state);
    if (list)                                                           /* who is on a list has a flow */
        DL_DELETE2(*list, session, flow->state_prev, flow->state_next); /* NOLINT(clang-analyzer-*) */
    session->state = (uint8_t)state;
    list = state_list(core, state);
    if (!list)
        return;
    session_flow(session);
    DL_APPEND2(*list, session, flow->state_prev, flow->state_next);
}

static struct session **work_list(struct core *core, enum session_work work)
{
    switch (work) {
    case SESSION_FEEDABLE:
        return &core->feedable;
    case SESSION_PACED:
        return &core->paced;
    case SESSION_AT_REST:
        break;
    }
    return NULL;
}

void session_work_set(struct core *core, struct session *session, enum session_work work)
{
    if (session->work == work)
        return;
    struct session **list = work_list(core, session->work);
    if (list)                                                         /* who is on a list has a flow */
        DL_DELETE2(*list, session, flow->work_prev, flow->work_next); /* NOLINT(clang-analyzer-*) */
    session->work = (uint8_t)work;
    list = work_list(core, work);
    if (list)
        DL_APPEND2(*list, session, flow->work_prev, flow->work_next);
}

void session_wake(struct core *core, struct session *session)
{
    if (session->flow && session->work == SESSION_AT_REST && (session->flow->hungry || session->flow->has_forgotten))
        session_work_set(core, session, SESSION_FEEDABLE);
}

static struct session *session_new(struct core *core, session_ref ref, const struct core_device *device)
{
    struct session *session = core_alloc(sizeof *session);
    session->ref = ref;
    session->device_id = device->device_id;
    session->user = user_get(core, device->user_id, device->user);
    LL_APPEND2(session->user->sessions, session, user_next);
    if (table_add(&core->sessions, &session->by_device, session_hash) != STATUS_OK)
        core_no_memory();
    session_flow(session);
    DL_APPEND2(core->unscanned, session, flow->state_prev, flow->state_next);
    return session;
}

void session_free(struct core *core, struct session *session)
{
    if (session->flow) {
        struct sub *sub, *next;
        session->flow->owes_caught_up = false;
        DL_FOREACH_SAFE2 (session->flow->subs, sub, next, session_next)
            sub_free(core, sub);
        while (session->flow->opened)
            opened_free(&session->flow->opened);
    }
    session_work_set(core, session, SESSION_AT_REST);
    session_move(core, session, SESSION_LIVE); /* the state without a list */
    table_remove(&core->sessions, &session->by_device, session_hash);
    struct user *user = session->user;
    LL_DELETE2(user->sessions, session, user_next);
    free(session->flow);
    free(session);
    user_put(core, user);
}

void session_forgive(struct session *session)
{
    session->flow->has_forgotten = session->flow->has_answered = session->flow->is_blocked = false;
    session->flow->outstanding_items -= session->flow->forgotten_items;
    session->flow->outstanding_bytes -= session->flow->forgotten_bytes;
    session->flow->forgotten_items = session->flow->forgotten_bytes = 0;
}

void session_scan_again(struct core *core, struct session *session)
{
    session_flow(session)->owed = 0;
    session_forgive(session);
    session_move(core, session, SESSION_NEW);
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (session->flow->subs, sub, next, session_next) {
        sub->is_owed = false;
        if (sub->is_assumed) /* its cursor was to come with the scan that this replaces */
            sub_free(core, sub);
        else
            sub_reset(core, sub, sub->acked_seq);
    }
}

void core_on_ready(struct core *core, int64_t now_ms, session_ref ref, uint64_t ready_number,
                   const struct core_device *device)
{
    (void)now_ms;
    struct session *session = session_find(core, device->device_id);
    if (session && (session->ref != ref || session->user->user_id != device->user_id)) {
        session_free(core, session);
        session = NULL;
    }
    if (!session)
        session = session_new(core, ref, device);
    session_flow(session)->ready_number = ready_number;
    session->flow->owes_caught_up = true;
    session->flow->replayed = 0;
    session->ack_auto = device->ack_auto;
    session_scan_again(core, session);
}

void core_on_gone(struct core *core, int64_t now_ms, session_ref ref, int64_t device_id)
{
    (void)now_ms;
    struct session *session = session_find(core, device_id);
    if (session && session->ref == ref)
        session_free(core, session);
}
