/* Users and their live devices. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* ---- users: known while they are live or members of something loaded ---- */

struct user *user_find(const struct core *core, int64_t user_id)
{
    struct user *user;
    HASH_FIND(hh, core->users, &user_id, sizeof user_id, user);
    return user;
}

struct user *user_get(struct core *core, int64_t user_id, struct slice name)
{
    struct user *user = user_find(core, user_id);
    if (user)
        return user;
    user = core_alloc(sizeof *user + name.len);
    user->user_id = user_id;
    user->name_len = (uint8_t)name.len;
    memcpy(user->name, name.at, name.len);
    HASH_ADD(hh, core->users, user_id, sizeof user->user_id, user);
    return user;
}

void user_put(struct core *core, struct user *user)
{
    if (user->sessions || user->members)
        return;
    HASH_DELETE(hh, core->users, user);
    free(user);
}

struct slice user_name(const struct user *user)
{
    return (struct slice){user->name, user->name_len};
}

/* ---- sessions ---- */

struct session *session_find(const struct core *core, int64_t device_id)
{
    struct session *session;
    HASH_FIND(hh, core->sessions, &device_id, sizeof device_id, session);
    return session;
}

struct session *session_find_ref(const struct core *core, session_ref ref)
{
    struct session *session;
    HASH_FIND(hh_ref, core->sessions_by_ref, &ref, sizeof ref, session);
    return session;
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
    if (list)
        DL_DELETE2(*list, session, state_prev, state_next);
    session->state = (uint8_t)state;
    list = state_list(core, state);
    if (list)
        DL_APPEND2(*list, session, state_prev, state_next);
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
    if (list)
        DL_DELETE2(*list, session, work_prev, work_next);
    session->work = (uint8_t)work;
    list = work_list(core, work);
    if (list)
        DL_APPEND2(*list, session, work_prev, work_next);
}

void session_wake(struct core *core, struct session *session)
{
    if (session->work == SESSION_AT_REST && (session->hungry || session->has_forgotten))
        session_work_set(core, session, SESSION_FEEDABLE);
}

static struct session *session_new(struct core *core, session_ref ref, const struct core_device *device)
{
    struct session *session = core_alloc(sizeof *session + device->device.len);
    session->ref = ref;
    session->device_id = device->device_id;
    session->ack_auto = device->ack_auto;
    session->device_len = (uint8_t)device->device.len;
    memcpy(session->device, device->device.at, device->device.len);
    session->user = user_get(core, device->user_id, device->user);
    DL_APPEND2(session->user->sessions, session, user_prev, user_next);
    HASH_ADD(hh, core->sessions, device_id, sizeof session->device_id, session);
    HASH_ADD(hh_ref, core->sessions_by_ref, ref, sizeof session->ref, session);
    DL_APPEND2(core->unscanned, session, state_prev, state_next);
    return session;
}

void session_free(struct core *core, struct session *session)
{
    session->owes_caught_up = false;
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (session->subs, sub, next, session_next)
        sub_free(core, sub);
    session_work_set(core, session, SESSION_AT_REST);
    session_move(core, session, SESSION_LIVE); /* the state without a list */
    HASH_DELETE(hh, core->sessions, session);
    HASH_DELETE(hh_ref, core->sessions_by_ref, session);
    struct user *user = session->user;
    DL_DELETE2(user->sessions, session, user_prev, user_next);
    free(session);
    user_put(core, user);
}

void session_forgive(struct session *session)
{
    session->has_forgotten = session->has_answered = session->is_blocked = false;
    session->outstanding_items -= session->forgotten_items;
    session->outstanding_bytes -= session->forgotten_bytes;
    session->forgotten_items = session->forgotten_bytes = 0;
}

void session_scan_again(struct core *core, struct session *session)
{
    session->owed = 0;
    session_forgive(session);
    session_move(core, session, SESSION_NEW);
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (session->subs, sub, next, session_next) {
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
    if (!session) {
        session = session_find_ref(core, ref); /* never so from a sane plugin: a session is one device's */
        if (session)
            session_free(core, session);
        session = session_new(core, ref, device);
    }
    session->ready_number = ready_number;
    session->owes_caught_up = true;
    session->replayed = 0;
    session->ack_auto = device->ack_auto;
    session_scan_again(core, session);
}

void core_on_gone(struct core *core, int64_t now_ms, session_ref ref)
{
    (void)now_ms;
    struct session *session = session_find_ref(core, ref);
    if (session)
        session_free(core, session);
}
