/* Who is there: connections come, become live, go. */
#include <string.h>
#include "../answer.h"
#include "../log.h"
#include "hub_state.h"

static session_ref ref_of(uint32_t link, uint32_t number)
{
    return (session_ref)link << 32 | number;
}

static void kick(struct hub *hub, session_ref ref)
{
    struct frame_op op = {.type = DOWN_KICK};
    op.kick.session = (uint32_t)ref;
    courier_put(&hub->courier, session_link(ref), &op);
}

static void drop(struct hub *hub, struct session *session)
{
    live_unready(hub, session);
    presence_forget_session(&hub->presence, session);
    sessions_remove(&hub->sessions, session);
}

/* ---- links ---- */
void live_link_down(struct hub *hub, uint32_t link)
{
    struct table_walk walk;
    for (struct session *session = sessions_first(&hub->sessions, &walk); session != NULL;
         session = sessions_next(&walk))
        if (session_link(session->ref) == link)
            drop(hub, session);
}

/* What shards send from now on is for this life: the sessions of an earlier one are gone before they hear of it. */
void live_link_up(struct hub *hub, uint32_t link, uint64_t life)
{
    live_link_down(hub, link);
    courier_set_life(&hub->courier, link, life);
    struct shard_event event = {.kind = SHARD_LINK, .session = ref_of(link, 0), .number = life};
    hub_post_all(hub, &event);
}

/* ---- sessions ---- */
/* A device has one connection. Two brokers do not know of each other: the newer one stays. */
static void kick_older(struct hub *hub, const struct session *newer)
{
    struct session *session = newer->identity->sessions, *next;
    for (; session != NULL; session = next) {
        next = session->same_next;
        if (session == newer || session_link(session->ref) == session_link(newer->ref))
            continue;
        log_info("hub", "taken-over", LOG_TEXT("client", newer->identity->client_id));
        kick(hub, session->ref);
        drop(hub, session);
    }
}

void live_connected(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    session_ref ref = ref_of(link, op->connected.session);
    struct identity *identity = identities_find(&hub->identities, op->connected.client_id);
    if (identity == NULL) { /* its token is good, but the device is not registered, or not any more */
        log_warning("hub", "unknown-device", LOG_SLICE("client", op->connected.client_id));
        kick(hub, ref);
        return;
    }
    struct session *session = sessions_find(&hub->sessions, ref);
    if (session != NULL)
        drop(hub, session);
    session = sessions_add(&hub->sessions, ref, identity);
    if (session == NULL) {
        kick(hub, ref);
        return;
    }
    kick_older(hub, session);
}

void live_ready(struct hub *hub, struct session *session)
{
    const struct core_device known = identity_device(session->identity), *device = &known;
    session->ready_number = ++hub->last_ready_number;
    session->replayed = 0;
    session->shards_behind = (uint8_t)hub->options.shards_len;
    if (!session->is_ready) {
        session->is_ready = true;
        hub->sessions.ready++;
        clerk_device_live(hub->options.clerk, device->device_id);
        presence_came(&hub->presence, device->user, hub->now_ms);
    }
    struct shard_event event = {
        .kind = SHARD_READY, .session = session->ref, .number = session->ready_number, .device = *device};
    hub_post_all(hub, &event);
}

void live_subscribed(struct hub *hub, struct session *session)
{
    if (hub->links[session_link(session->ref)].has_backlog)
        session->waits = true;
    else
        live_ready(hub, session);
}

void live_backlog_taken(struct hub *hub, uint32_t link)
{
    hub->links[link].has_backlog = false;
    struct table_walk walk;
    for (struct session *session = sessions_first(&hub->sessions, &walk); session != NULL;
         session = sessions_next(&walk)) {
        if (session_link(session->ref) != link || !session->waits)
            continue;
        session->waits = false;
        live_ready(hub, session);
    }
}

void live_unready(struct hub *hub, struct session *session)
{
    session->waits = false;
    if (!session->is_ready)
        return;
    const struct core_device known = identity_device(session->identity), *device = &known;
    session->is_ready = false;
    hub->sessions.ready--;
    struct shard_event event = {
        .kind = SHARD_GONE, .session = session->ref, .device = {.device_id = device->device_id}};
    hub_post_all(hub, &event);
    clerk_device_gone(hub->options.clerk, device->device_id, hub->unix_ms);
    presence_went(&hub->presence, device->user, hub->now_ms, hub->unix_ms / 1000);
}

void live_tell_again(struct hub *hub)
{
    struct table_walk walk;
    for (const struct session *session = sessions_first(&hub->sessions, &walk); session != NULL;
         session = sessions_next(&walk))
        if (session->is_ready)
            clerk_device_still_live(hub->options.clerk, session->identity->device_id);
}

void live_gone(struct hub *hub, struct session *session)
{
    drop(hub, session);
}

/* The shards' deliveries are with the link already: `synced` goes behind them. */
void live_caught_up(struct hub *hub, session_ref ref, uint64_t ready_number, uint64_t replayed)
{
    struct session *session = sessions_find(&hub->sessions, ref);
    if (session == NULL || !session->is_ready || session->ready_number != ready_number || session->shards_behind == 0)
        return;
    session->replayed = replayed < UINT32_MAX - session->replayed ? session->replayed + (uint32_t)replayed : UINT32_MAX;
    if (--session->shards_behind == 0)
        answer_synced(&hub->courier, ref, session->replayed);
}

/* The device is unregistered: a new one of the same name is another device. */
void live_removed(struct hub *hub, struct slice client_id, int64_t device_id)
{
    struct identity *identity = identities_find(&hub->identities, client_id);
    if (identity == NULL || identity->device_id > device_id)
        return;
    struct shard_event event = {.kind = SHARD_REMOVED, .device = identity_device(identity)};
    hub_post_all(hub, &event);
    identities_remove(&hub->identities, identity); /* freed with its last session, or now */
}

/* ---- flags ---- */
static struct slice word(struct slice *rest)
{
    const char *blank = memchr(rest->at, ' ', rest->len);
    size_t len = blank == NULL ? rest->len : (size_t)(blank - rest->at);
    struct slice word = {rest->at, len};
    rest->at += len + (blank != NULL);
    rest->len -= len + (blank != NULL);
    return word;
}

void live_flags(struct hub *hub, struct slice told)
{
    struct slice rest = told, client_id = word(&rest), conversation = word(&rest);
    struct identity *identity = identities_find(&hub->identities, client_id);
    for (struct session *session = identity == NULL ? NULL : identity->sessions; session != NULL;
         session = session->same_next)
        if (session->is_ready)
            answer_flags(&hub->courier, session->ref, conversation, rest);
}

/* ---- presence ---- */
void live_watcher_changed(struct hub *hub, struct slice client_id)
{
    const struct identity *identity = identities_find(&hub->identities, client_id);
    if (identity == NULL)
        return;
    for (const struct session *session = identity->sessions; session != NULL; session = session->same_next)
        presence_ask_session(&hub->presence, session);
}

static void presence_ask(void *ctx, session_ref session, int64_t watcher_user_id, struct slice user)
{
    struct hub *hub = ctx;
    clerk_ask_presence(hub->options.clerk, session, watcher_user_id, user);
}

static void presence_tell(void *ctx, session_ref session, struct slice user, struct slice state)
{
    struct hub *hub = ctx;
    struct courier_delivery delivery = {DOWN_PRESENCE, 0, user, state, {NULL, 0}};
    courier_deliver(&hub->courier, &session, 1, &delivery);
}

void live_presence_port(struct hub *hub, struct presence_port *ret_port)
{
    *ret_port = (struct presence_port){hub, presence_ask, presence_tell};
}
