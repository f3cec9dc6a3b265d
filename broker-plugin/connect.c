/* Connections: who may come, who has gone, who is to go. */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"

#define TICK_WITHIN_MS 2000 /* the broker ticks each turn, ten times a second when idle */
#define HASTY_LOG_MS   1000 /* a flood makes no flood of lines */

/* To be looked at in the tick. */
static enum status clients_add(struct clients *clients, const void *client)
{
    if (clients->len == clients->size) {
        size_t size = clients->size > 0 ? 2 * clients->size : 64;
        const void **longer = realloc(clients->at, size * sizeof *longer);
        if (longer == NULL)
            return STATUS_NO_MEMORY;
        clients->at = longer;
        clients->size = size;
    }
    clients->at[clients->len++] = client;
    return STATUS_OK;
}

/* For the log: of what a stranger says only what looks like a client id. */
static const char *name_for_log(const char *client_id)
{
    struct slice user, device;
    return client_id != NULL && client_id_parse(slice_of(client_id), &user, &device) == STATUS_OK ? client_id : "?";
}

static void session_end(struct gateway *gateway, struct session *session, enum gone_reason reason)
{
    if (!session->is_current)
        return;
    uplink_gone(&gateway->uplink, &gateway->journal, session, reason);
    /* An MQTT 5 session may outlive a connection that began clean. When it is not known yet whether one was resumed,
     * what is remembered stays. */
    if (!session->is_resuming && (!session->is_clean || session->mqtt_version >= 5))
        remembered_put(&gateway->remembered, session->client_id, &session->subscriptions);
    sessions_retire(&gateway->sessions, session);
    broker_log(BROKER_DEBUG, "gone client=%s reason=%d", session->client_id, (int)reason);
}

/* Without ticks nothing would ever leave: better to let nobody in, and say why. */
static bool is_ticking(struct gateway *gateway, struct moment now)
{
    if (!gateway->has_connected) {
        gateway->has_connected = true;
        gateway->first_connect_ms = now.clock_ms;
    }
    if (gateway->has_ticked || now.clock_ms - gateway->first_connect_ms < TICK_WITHIN_MS)
        return true;
    broker_log(BROKER_ERROR, "refused why=no-ticks: mosquitto.conf must say per_listener_settings false");
    return false;
}

/* In the time of a reload only WebSocket connections can begin: the broker looks at the others elsewhere. */
static bool is_recheck(const struct gateway *gateway, const struct gateway_connect *connect)
{
    return gateway->is_rechecking && (!connect->is_websocket || link_is_service(gateway, connect->client) ||
                                      sessions_of_client(&gateway->sessions, connect->client) != NULL);
}

static enum verdict check_device(struct gateway *gateway, const struct gateway_connect *connect, struct moment now,
                                 struct token_claims *ret_claims)
{
    const char *why = "";
    int64_t now_s = now.unix_ms / 1000;
    enum status status =
        bench_is_request(&gateway->bench, &connect->request)
            ? bench_admit(&gateway->bench, &connect->request, connect->address, now_s, ret_claims, &why)
            : admit_device(&gateway->admit, &gateway->revoked, &connect->request, now_s, ret_claims, &why);
    if (status == STATUS_OK)
        return VERDICT_OK;
    broker_log(BROKER_NOTICE, "refused client=%s why=%s address=%s", name_for_log(connect->request.client_id), why,
               connect->address);
    return status == STATUS_NO_MEMORY ? VERDICT_CLOSE : VERDICT_DENY;
}

/* Before anything is looked at that costs more. The connection is closed without an answer: of those that MQTT and the
 * broker have, all others would tell a device with a good token that it is no good. */
static bool is_slow_enough(struct gateway *gateway, const struct gateway_connect *connect, struct moment now)
{
    uint32_t retry_after_ms = 0;
    enum address_verdict verdict = addresses_connect(&gateway->limiter.addresses, &gateway->limiter.rates,
                                                     connect->address, now.clock_ms, &retry_after_ms);
    if (verdict == ADDRESS_OK)
        return true;
    enum counter counter = verdict == ADDRESS_BLOCKED ? COUNTER_AUTH_BLOCKED : COUNTER_CONNECTION_RATE;
    limiter_count(&gateway->limiter, counter);
    if (now.clock_ms - gateway->hasty_logged_ms >= HASTY_LOG_MS) {
        gateway->hasty_logged_ms = now.clock_ms;
        broker_log(BROKER_WARNING, "refused why=%s address=%s retry_after_ms=%u in_all=%llu", counter_name(counter),
                   connect->address, retry_after_ms, (unsigned long long)gateway->limiter.counted[counter]);
    }
    return false;
}

/* Its connection is ended at the next tick, too. */
static void session_kick(struct gateway *gateway, struct session *session, enum gone_reason reason)
{
    session_end(gateway, session, reason);
    session->is_kicked = true;
    session->next_of_kicked = gateway->kicked;
    gateway->kicked = session;
}

static void kicked_take_out(struct gateway *gateway, struct session *session)
{
    struct session **at = &gateway->kicked;
    while (*at != session)
        at = &(*at)->next_of_kicked;
    *at = session->next_of_kicked;
    session->is_kicked = false;
}

/* Of one device there is one connection; with bench mode several of the broker's client ids may be the same device. */
static void take_over(struct gateway *gateway, const char *client_id)
{
    struct session *older = sessions_of_client_id(&gateway->sessions, slice_of(client_id));
    if (older != NULL)
        session_kick(gateway, older, GONE_TAKEN_OVER);
}

/* The broker lets it in now, and ends by itself what else has its client id. From then on that is the id of this one,
 * also when it has gone: to kick it then would end what has ended, and the broker would not survive that. */
static void let_in(struct gateway *gateway, const struct session *newer)
{
    for (struct session *older = gateway->kicked, *next; older != NULL; older = next) {
        next = older->next_of_kicked;
        if (strcmp(session_broker_id(older), session_broker_id(newer)) == 0)
            kicked_take_out(gateway, older);
    }
}

static struct session *session_begin(struct gateway *gateway, const struct gateway_connect *connect,
                                     const struct token_claims *claims, struct moment now)
{
    char client_id[LIMIT_CLIENT_ID_LEN + 1];
    const char *broker_id = connect->request.client_id;
    bool is_bench = bench_is_request(&gateway->bench, &connect->request);
    (void)snprintf(client_id, sizeof client_id, "%s:%s", claims->user, claims->device);
    take_over(gateway, client_id);
    struct session_start start = {.client = connect->client,
                                  .client_id = client_id,
                                  .broker_id = is_bench ? broker_id : NULL,
                                  .claims = claims,
                                  .mqtt_version = (uint8_t)connect->mqtt_version,
                                  .is_clean = connect->is_clean};
    return sessions_add(&gateway->sessions, &gateway->limiter.rates, &start, now.unix_ms, now.clock_ms);
}

enum verdict gateway_connect(struct gateway *gateway, const struct gateway_connect *connect, struct moment now)
{
    const struct admit_request *request = &connect->request;
    struct token_claims claims;
    if (is_recheck(gateway, connect)) {
        if (admit_is_service_request(request))
            return admit_service(&gateway->admit, request) == STATUS_OK ? VERDICT_OK : VERDICT_DENY;
        /* Away: told no, the broker would end once more what has ended, and go on with memory that it gave back. The
         * device has to prove itself when it comes. */
        if (sessions_of_client(&gateway->sessions, connect->client) == NULL)
            return VERDICT_OK;
        return check_device(gateway, connect, now, &claims);
    }
    gateway_gone(gateway, connect->client); /* a handle of an end that was not reported */
    if (!is_ticking(gateway, now))
        return VERDICT_DENY;
    if (!is_slow_enough(gateway, connect, now))
        return VERDICT_CLOSE;
    bool is_service = admit_is_service_request(request);
    enum verdict verdict = is_service ? link_connect(gateway, connect) : check_device(gateway, connect, now, &claims);
    if (verdict == VERDICT_DENY) {
        limiter_count(&gateway->limiter, COUNTER_AUTH_FAILED);
        addresses_failed(&gateway->limiter.addresses, &gateway->limiter.rates, connect->address, now.clock_ms);
    }
    if (verdict != VERDICT_OK || is_service)
        return verdict;
    struct session *session = session_begin(gateway, connect, &claims, now);
    if (session == NULL)
        return VERDICT_CLOSE; /* no memory: its token is good, and it may come again */
    if (session->is_resuming && clients_add(&gateway->resuming, connect->client) != STATUS_OK) {
        gateway_gone(gateway, connect->client);
        return VERDICT_CLOSE;
    }
    let_in(gateway, session);
    struct subscriptions forgotten;
    if (session->is_clean && remembered_take(&gateway->remembered, session->client_id, &forgotten))
        subscriptions_done(&forgotten);
    uplink_connected(&gateway->uplink, &gateway->journal, session);
    limiter_count(&gateway->limiter, COUNTER_CONNECTIONS);
    return VERDICT_OK;
}

void gateway_gone(struct gateway *gateway, const void *client)
{
    if (link_gone(gateway, client))
        return;
    struct session *session = sessions_of_client(&gateway->sessions, client);
    if (session == NULL)
        return;
    if (session->is_kicked)
        kicked_take_out(gateway, session);
    session_end(gateway, session, (enum gone_reason)session->gone_reason);
    sessions_remove(&gateway->sessions, session);
}

void gateway_kick(struct gateway *gateway, struct session *session, enum gone_reason reason)
{
    if (!session->is_current)
        return;
    broker_log(BROKER_INFO, "kick client=%s reason=%d", session->client_id, (int)reason);
    session_kick(gateway, session, reason);
}

static void kick_if_revoked(struct gateway *gateway, struct session *session)
{
    if (admit_is_revoked(&gateway->revoked, slice_of(session->user->name), slice_of(session->client_id),
                         session->issued_at_s))
        gateway_kick(gateway, session, GONE_REVOKED);
}

void gateway_kick_revoked(struct gateway *gateway)
{
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(&gateway->sessions, &at)) != NULL;)
        kick_if_revoked(gateway, session);
}

void gateway_kick_revoked_user(struct gateway *gateway, struct slice name)
{
    const char *colon = name.len > 0 ? memchr(name.at, ':', name.len) : NULL;
    if (colon != NULL)
        name.len = (size_t)(colon - name.at);
    struct user *user = sessions_user(&gateway->sessions, name);
    struct session *session = user != NULL ? user->sessions : NULL;
    while (session != NULL) {
        struct session *next = session->next_of_user;
        kick_if_revoked(gateway, session);
        session = next;
    }
}

void gateway_end_kicked(struct gateway *gateway)
{
    while (gateway->kicked != NULL) {
        struct session *session = gateway->kicked;
        kicked_take_out(gateway, session);
        broker_kick(session_broker_id(session)); /* its end may be reported meanwhile, and the session freed */
    }
}
