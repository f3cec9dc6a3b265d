/* What devices subscribe to, and what the broker has kept of it for those that come back. */
#include "gateway.h"

#include "authorize.h"
#include "broker.h"

/*
 * A session that the broker resumes may still hold messages for the earlier connection. Sent before the replay they
 * would break the order of their conversations, and all of them are replayed, so they are denied and the broker drops
 * them. It does not give back the places they had among those in flight; above so many the device might be left with
 * none (MQTT 3.1.1: of max_inflight_messages, 1000; MQTT 5: of the client's Receive Maximum, which plugins cannot see
 * and which may be 1, as little as the PUBACKs that would give places back). Then its connection is ended, and the next
 * one finds nothing stale.
 */
#define STALE_MAX    500
#define STALE_MAX_V5 0

/* Whether the broker resumed a session, and with which subscriptions; known only after CONNACK. */
static void resume(struct gateway *gateway, struct session *session)
{
    if (!session->is_resuming)
        return;
    session->is_resuming = false;
    uint16_t stale_len = session->stale_len;
    session->kept_items = 0;
    struct subscriptions remembered = {.has_all = false};
    bool is_known = remembered_take(&gateway->remembered, session->client_id, &remembered);
    if (broker_subscription_count(session->client) == 0) {
        subscriptions_done(&remembered); /* the broker has forgotten, so do we */
        return;
    }
    /* Not remembered for lack of room: it gets what it may have subscribed to, rather than nothing. */
    remembered.has_all |= !is_known && gateway->remembered.has_forgotten;
    session->subscriptions = remembered;
    if (stale_len > (session->mqtt_version >= 5 ? STALE_MAX_V5 : STALE_MAX)) {
        gateway_kick(gateway, session, GONE_KICKED);
        return;
    }
    if (subscriptions_has_inbox(&remembered))
        uplink_ready(&gateway->uplink, &gateway->journal, session);
    for (uint16_t i = 0; i < remembered.watched_len; i++)
        uplink_watch(&gateway->uplink, &gateway->journal, session, subscriptions_watched(&remembered, i), true);
}

/* The current session of a connection; NULL: there is none (a service, retired, gone, never accepted). */
static struct session *current(struct gateway *gateway, const void *client)
{
    struct session *session = sessions_of_client(&gateway->sessions, client);
    if (session == NULL || !session->is_current)
        return NULL;
    resume(gateway, session);
    return session->is_current ? session : NULL;
}

/* That there is no memory for it does not say that it may not be: who is refused need not try again. */
static enum verdict refusal(enum status status)
{
    return status == STATUS_NO_MEMORY ? VERDICT_CLOSE : VERDICT_DENY;
}

/*
 * Subscribing again has the service tell a state or replay again, and unsubscribing makes it the first time once more.
 * Either waits in a queue to the service whose bound is everybody's. So it is taken from the bucket of marks; a replay
 * is more work.
 */
#define AGAIN_WATCH 1
#define AGAIN_READY 10

static bool may_again(struct gateway *gateway, struct session *session, uint32_t tokens, struct moment now)
{
    struct limiter *limiter = &gateway->limiter;
    struct rates_session *buckets = session_rates(session, &limiter->rates, now.clock_ms);
    if (buckets != NULL && rates_take(&limiter->rates, &buckets->marks, limiter->rates.marks, now.clock_ms, tokens))
        return true;
    limiter_count(limiter, COUNTER_DEVICE_MARKS);
    session->gone_reason = GONE_OVERLOADED;
    broker_log(BROKER_WARNING, "closed client=%s why=too-many-subscriptions", session->client_id);
    return false;
}

static enum verdict watch(struct gateway *gateway, struct session *session, struct slice user, struct moment now)
{
    if (subscriptions_watches(&session->subscriptions, user) && !may_again(gateway, session, AGAIN_WATCH, now))
        return VERDICT_CLOSE;
    enum status status = subscriptions_watch(&session->subscriptions, user);
    if (status != STATUS_OK && status != STATUS_EXISTS)
        return refusal(status);
    uplink_watch(&gateway->uplink, &gateway->journal, session, user, true); /* again: the state is sent again */
    return VERDICT_OK;
}

/* What a device's filter asks for; of bench mode's, always the messages of its inbox. */
static enum status wish_of(const struct session *session, struct slice filter, struct filter_wish *ret_wish)
{
    if (!session->is_bench)
        return authorize_subscribe(filter, slice_of(session->user->name), ret_wish);
    *ret_wish = (struct filter_wish){.kind = FILTER_INBOX, .below = SLICE(BENCH_INBOX)};
    return bench_may_subscribe(filter) ? STATUS_OK : STATUS_DENIED;
}

bool gateway_is_subscribed(struct gateway *gateway, const void *client, struct slice filter)
{
    struct filter_wish wish;
    const struct session *session = current(gateway, client);
    if (session == NULL || wish_of(session, filter, &wish) != STATUS_OK)
        return false;
    return wish.kind == FILTER_PRESENCE ? subscriptions_watches(&session->subscriptions, wish.watched)
                                        : subscriptions_has(&session->subscriptions, wish.below);
}

enum verdict gateway_subscribe(struct gateway *gateway, const void *client, struct slice filter, struct moment now)
{
    struct filter_wish wish;
    if (link_is_service(gateway, client))
        return slice_equal(filter, SLICE(FRAME_TOPIC_TAKEN)) ? VERDICT_OK : VERDICT_DENY;
    struct session *session = current(gateway, client);
    if (session == NULL || wish_of(session, filter, &wish) != STATUS_OK)
        return VERDICT_DENY;
    if (wish.kind == FILTER_PRESENCE)
        return watch(gateway, session, wish.watched, now);
    if (subscriptions_has_inbox(&session->subscriptions) && !may_again(gateway, session, AGAIN_READY, now))
        return VERDICT_CLOSE;
    enum status status = subscriptions_add(&session->subscriptions, wish.below);
    if (status != STATUS_OK)
        return refusal(status);
    uplink_ready(&gateway->uplink, &gateway->journal, session);
    return VERDICT_OK;
}

enum verdict gateway_unsubscribe(struct gateway *gateway, const void *client, struct slice filter, struct moment now)
{
    struct filter_wish wish;
    if (link_is_service(gateway, client))
        return VERDICT_OK;
    struct session *session = current(gateway, client);
    if (session == NULL)
        return VERDICT_DENY;
    if (wish_of(session, filter, &wish) != STATUS_OK)
        return VERDICT_OK; /* it never had it: the broker says so */
    if (!may_again(gateway, session, wish.kind == FILTER_PRESENCE ? AGAIN_WATCH : AGAIN_READY, now))
        return VERDICT_CLOSE;
    if (wish.kind == FILTER_PRESENCE) {
        if (subscriptions_unwatch(&session->subscriptions, wish.watched))
            uplink_watch(&gateway->uplink, &gateway->journal, session, wish.watched, false);
    } else if (subscriptions_remove(&session->subscriptions, wish.below) &&
               !subscriptions_has_inbox(&session->subscriptions)) {
        uplink_unready(&gateway->uplink, &gateway->journal, session);
    }
    return VERDICT_OK;
}

bool gateway_may_receive(const struct gateway *gateway, const void *client, struct slice topic)
{
    struct session *session = sessions_of_client(&gateway->sessions, client);
    if (session == NULL || !session->is_current)
        return false;
    if (session->is_resuming) {
        if (session->stale_len < UINT16_MAX)
            session->stale_len++;
        return false;
    }
    return authorize_receive(topic, slice_of(session->user->name));
}

void gateway_resume_all(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->resuming.len; i++)
        (void)current(gateway, gateway->resuming.at[i]); /* resumes it, if it is still there */
    gateway->resuming.len = 0;
}
