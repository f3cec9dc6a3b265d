#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "authorize.h"
#include "broker.h"

#define SCAN_MS        15000 /* looking for expired tokens; the contract is a minute */
#define TICK_WITHIN_MS 2000  /* the broker ticks each turn, ten times a second when idle */
#define WHY_BYTES      1280
#define HASTY_LOG_MS   1000 /* a flood makes no flood of lines */
#define LEVEL_TOLD_MS  1000

/*
 * A session that the broker resumes may still hold messages for the earlier connection. Sent before the replay they
 * would break the order of their conversations, and all of them are replayed, so they are denied and the broker drops
 * them. It does not give back the places they had among those in flight; above so many the device might be left with
 * none (MQTT 3.1.1: of max_inflight_messages, 1000; MQTT 5: of the client's Receive Maximum, of which 20 is common).
 * Then its connection is ended, and the next one finds nothing stale.
 */
#define STALE_MAX    500
#define STALE_MAX_V5 9

/* ---- start ---- */
static enum status files_open(struct gateway *gateway, char *why, size_t why_size)
{
    const struct options *options = &gateway->options;
    enum status status = admit_load(&gateway->admit, options->keys_file, options->link_secret_file, why, why_size);
    if (status == STATUS_OK)
        status = journal_open(&gateway->journal, options->journal_file, options->journal_bytes, why, why_size);
    if (status == STATUS_OK)
        status = revoked_open(&gateway->revoked, options->revocations_file, why, why_size);
    if (status == STATUS_OK)
        status = bench_load(&gateway->bench, options->bench_file, why, why_size);
    return status;
}

static void bench_log(const struct gateway *gateway)
{
    if (gateway->bench.is_on)
        broker_log(BROKER_WARNING, "BENCH MODE IS ON: one password opens %u users twice, from %s; for load tests only",
                   gateway->bench.users, gateway->bench.is_exposed ? "ANYWHERE" : "this machine");
}

static void start_log(const struct gateway *gateway)
{
    const struct journal *journal = &gateway->journal;
    broker_log(BROKER_NOTICE, "start node=%s keys=%zu journal_bytes=%llu backlog=%llu revoked=%u boots=%llu",
               gateway->options.node, gateway->admit.keys_len, (unsigned long long)journal->capacity,
               (unsigned long long)(journal->head.position - journal->tail.position),
               revoked_entries(&gateway->revoked), (unsigned long long)journal->boots);
    if (journal->was_cut)
        broker_log(BROKER_ERROR, "journal cut at=%llu: damaged, what lay behind it is lost (a loss of power?)",
                   (unsigned long long)journal->head.position);
    if (journal->capacity < gateway->options.journal_bytes)
        broker_log(BROKER_WARNING, "journal keeps its size bytes=%llu until it is empty at a start",
                   (unsigned long long)journal->capacity);
    if (!gateway->options.limits)
        broker_log(BROKER_WARNING, "rate limits are OFF: any device may take the whole node; for load tests only");
    bench_log(gateway);
}

enum status gateway_init(struct gateway *gateway, const struct option_given given[], size_t given_len)
{
    char why[WHY_BYTES] = "no memory";
    memset(gateway, 0, sizeof *gateway);
    gateway->journal.file.fd = gateway->revoked.file.fd = -1;
    gateway->remembered.max = REMEMBERED_MAX;
    deliver_init(&gateway->deliver);
    if (sodium_init() < 0)
        return STATUS_INTERNAL;
    enum status status = options_read(&gateway->options, given, given_len, why, sizeof why);
    if (status == STATUS_OK)
        status = limiter_init(&gateway->limiter, &gateway->options, why, sizeof why);
    if (status == STATUS_OK)
        status = files_open(gateway, why, sizeof why);
    if (status == STATUS_OK)
        status = uplink_init(&gateway->uplink);
    if (status != STATUS_OK) {
        broker_log(BROKER_ERROR, "start failed why=%s", why);
        gateway_done(gateway);
        return status;
    }
    gateway->overload.wait_ms = (int64_t)gateway->options.overload_wait_ms;
    corks_init(&gateway->deliver.corks, gateway->options.coalesce);
    start_log(gateway);
    return STATUS_OK;
}

void gateway_done(struct gateway *gateway)
{
    broker_wake_end();
    link_done(gateway);
    uplink_done(&gateway->uplink);
    deliver_done(&gateway->deliver);
    sessions_done(&gateway->sessions);
    limiter_done(&gateway->limiter);
    remembered_done(&gateway->remembered);
    free(gateway->resuming.at);
    free(gateway->kicked.at);
    admit_done(&gateway->admit);
    bench_done(&gateway->bench);
    revoked_close(&gateway->revoked);
    journal_close(&gateway->journal);
}

/* Whatever the file says now, connections of what it said before have to prove themselves again. */
static void bench_reload(struct gateway *gateway)
{
    char why[WHY_BYTES];
    struct bench before = gateway->bench;
    if (bench_load(&gateway->bench, gateway->options.bench_file, why, sizeof why) != STATUS_OK)
        broker_log(BROKER_ERROR, "bench mode is off why=%s", why);
    bool is_same = gateway->bench.is_on && bench_equal(&before, &gateway->bench);
    if (before.is_on && !gateway->bench.is_on)
        broker_log(BROKER_NOTICE, "bench mode is off");
    bench_done(&before);
    bench_log(gateway);
    if (is_same)
        return;
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(&gateway->sessions, &at)) != NULL;)
        if (session->is_bench)
            gateway_kick(gateway, session, GONE_REVOKED);
}

void gateway_reload(struct gateway *gateway)
{
    char why[WHY_BYTES];
    gateway->is_rechecking = true;
    bench_reload(gateway);
    if (limiter_reload(&gateway->limiter, &gateway->options, why, sizeof why) != STATUS_OK)
        broker_log(BROKER_ERROR, "reload failed, the limits stay as they were, why=%s", why);
    if (admit_load(&gateway->admit, gateway->options.keys_file, gateway->options.link_secret_file, why, sizeof why) ==
        STATUS_OK)
        broker_log(BROKER_NOTICE, "reload keys=%zu", gateway->admit.keys_len);
    else
        broker_log(BROKER_ERROR, "reload failed, everything stays as it was, why=%s", why);
}

/* ---- lists of connections to be looked at in the tick ---- */
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

/* ---- connections ---- */
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
    return VERDICT_DENY;
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

/* Of one device there is one connection. The broker sees to it that of one client id there is; with bench mode two of
 * them may be the same device. */
static void take_over(struct gateway *gateway, const char *client_id, const char *broker_id)
{
    struct session *older = sessions_of_client_id(&gateway->sessions, slice_of(client_id));
    if (older == NULL)
        return;
    if (strcmp(session_broker_id(older), broker_id) == 0)
        session_end(gateway, older, GONE_TAKEN_OVER);
    else
        gateway_kick(gateway, older, GONE_TAKEN_OVER);
}

static struct session *session_begin(struct gateway *gateway, const struct gateway_connect *connect,
                                     const struct token_claims *claims, struct moment now)
{
    char client_id[LIMIT_CLIENT_ID_LEN + 1];
    const char *broker_id = connect->request.client_id;
    bool is_bench = bench_is_request(&gateway->bench, &connect->request);
    (void)snprintf(client_id, sizeof client_id, "%s:%s", claims->user, claims->device);
    take_over(gateway, client_id, broker_id);
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
        return check_device(gateway, connect, now, &claims);
    }
    gateway_gone(gateway, connect->client); /* a handle of an end that was not reported */
    if (!is_ticking(gateway, now))
        return VERDICT_DENY;
    if (!is_slow_enough(gateway, connect, now))
        return VERDICT_CLOSE;
    bool is_service = admit_is_service_request(request);
    enum verdict verdict = is_service ? link_connect(gateway, connect) : check_device(gateway, connect, now, &claims);
    if (verdict != VERDICT_OK) {
        limiter_count(&gateway->limiter, COUNTER_AUTH_FAILED);
        addresses_failed(&gateway->limiter.addresses, &gateway->limiter.rates, connect->address, now.clock_ms);
    }
    if (verdict != VERDICT_OK || is_service)
        return verdict;
    struct session *session = session_begin(gateway, connect, &claims, now);
    if (session == NULL)
        return VERDICT_DENY;
    struct subscriptions forgotten;
    if (session->is_clean && remembered_take(&gateway->remembered, session->client_id, &forgotten))
        subscriptions_done(&forgotten);
    if (session->is_resuming && clients_add(&gateway->resuming, connect->client) != STATUS_OK)
        session->is_resuming = false; /* as if there was none: the device subscribes again */
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
    session_end(gateway, session, (enum gone_reason)session->gone_reason);
    sessions_remove(&gateway->sessions, session);
}

void gateway_kick(struct gateway *gateway, struct session *session, enum gone_reason reason)
{
    if (!session->is_current)
        return;
    broker_log(BROKER_INFO, "kick client=%s reason=%d", session->client_id, (int)reason);
    session_end(gateway, session, reason);
    if (clients_add(&gateway->kicked, session->client) != STATUS_OK)
        broker_log(BROKER_ERROR, "kick client=%s why=no-memory", session->client_id);
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

/* ---- subscriptions ---- */
/* Whether the broker resumed a session, and with which subscriptions; known only after CONNACK. */
static void resume(struct gateway *gateway, struct session *session)
{
    if (!session->is_resuming)
        return;
    session->is_resuming = false;
    struct subscriptions remembered = {.has_all = false};
    bool is_known = remembered_take(&gateway->remembered, session->client_id, &remembered);
    if (broker_subscription_count(session->client) == 0) {
        subscriptions_done(&remembered); /* the broker has forgotten, so do we */
        return;
    }
    /* Not remembered for lack of room: it gets what it may have subscribed to, rather than nothing. */
    remembered.has_all |= !is_known && gateway->remembered.has_forgotten;
    session->subscriptions = remembered;
    if (session->stale_len > (session->mqtt_version >= 5 ? STALE_MAX_V5 : STALE_MAX)) {
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

static enum verdict watch(struct gateway *gateway, struct session *session, struct slice user)
{
    enum status status = subscriptions_watch(&session->subscriptions, user);
    if (status != STATUS_OK && status != STATUS_EXISTS)
        return VERDICT_DENY;
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

enum verdict gateway_subscribe(struct gateway *gateway, const void *client, struct slice filter)
{
    struct filter_wish wish;
    if (link_is_service(gateway, client))
        return slice_equal(filter, SLICE(FRAME_TOPIC_TAKEN)) ? VERDICT_OK : VERDICT_DENY;
    struct session *session = current(gateway, client);
    if (session == NULL || wish_of(session, filter, &wish) != STATUS_OK)
        return VERDICT_DENY;
    if (wish.kind == FILTER_PRESENCE)
        return watch(gateway, session, wish.watched);
    if (subscriptions_add(&session->subscriptions, wish.below) != STATUS_OK)
        return VERDICT_DENY;
    uplink_ready(&gateway->uplink, &gateway->journal, session);
    return VERDICT_OK;
}

enum verdict gateway_unsubscribe(struct gateway *gateway, const void *client, struct slice filter)
{
    struct filter_wish wish;
    if (link_is_service(gateway, client))
        return VERDICT_OK;
    struct session *session = current(gateway, client);
    if (session == NULL)
        return VERDICT_DENY;
    if (wish_of(session, filter, &wish) != STATUS_OK)
        return VERDICT_OK; /* it never had it: the broker says so */
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

/* ---- the tick ---- */
static void scan(struct gateway *gateway, struct moment now)
{
    struct session *session;
    if (now.clock_ms - gateway->scanned_ms < SCAN_MS)
        return;
    gateway->scanned_ms = now.clock_ms;
    for (uint32_t at = 0; (session = sessions_next(&gateway->sessions, &at)) != NULL;)
        if (session->expires_at_s <= now.unix_ms / 1000)
            gateway_kick(gateway, session, GONE_EXPIRED);
    sessions_sweep(&gateway->sessions, &gateway->limiter.rates, now.clock_ms);
    limiter_sweep(&gateway->limiter, now.clock_ms);
}

static void resume_all(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->resuming.len; i++)
        (void)current(gateway, gateway->resuming.at[i]); /* resumes it, if it is still there */
    gateway->resuming.len = 0;
}

static void kick_all(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->kicked.len; i++) {
        const struct session *session = sessions_of_client(&gateway->sessions, gateway->kicked.at[i]);
        if (session == NULL || session->is_current)
            continue;
        const struct session *newer = sessions_of_client_id(&gateway->sessions, slice_of(session->client_id));
        /* Gone by itself, or the client id belongs to a newer connection, which ended this one. */
        if (newer != NULL && strcmp(session_broker_id(newer), session_broker_id(session)) == 0)
            continue;
        char *broker_id = strdup(session_broker_id(session)); /* the session may be freed before the kick returns */
        if (broker_id != NULL)
            broker_kick(broker_id);
        free(broker_id);
    }
    gateway->kicked.len = 0;
}

struct overload_journal gateway_load(const struct gateway *gateway, struct moment now)
{
    const struct journal *journal = &gateway->journal;
    return (struct overload_journal){journal_used(journal), journal->capacity,
                                     now.unix_ms - journal_oldest_ms(journal, now.unix_ms)};
}

/* Going up at once; down when it has stayed there for a while: at its mark the journal goes above and below all the
 * time. */
static void level_turn(struct gateway *gateway, struct moment now)
{
    static const char *const NAMES[] = {"none", "shedding", "refusing"};
    const struct overload_journal journal = gateway_load(gateway, now);
    overload_turn(&gateway->overload, now.clock_ms);
    gateway->level = overload_level(&gateway->overload, &journal);
    if (gateway->level >= gateway->level_told)
        gateway->level_told_ms = now.clock_ms;
    if (gateway->level == gateway->level_told ||
        (gateway->level < gateway->level_told && now.clock_ms - gateway->level_told_ms < LEVEL_TOLD_MS))
        return;
    broker_log(gateway->level == OVERLOAD_NONE ? BROKER_NOTICE : BROKER_WARNING,
               "overload level=%s fill=%u/1000 oldest_ms=%lld bytes_per_second=%llu link=%s", NAMES[gateway->level],
               journal_fill(&gateway->journal), (long long)journal.oldest_ms,
               (unsigned long long)gateway->overload.bytes_per_second, gateway->uplink.is_up ? "up" : "down");
    gateway->level_told = gateway->level;
}

static void counters_tell(struct gateway *gateway, struct moment now)
{
    char values[COUNTERS * 8];
    if (gateway->uplink.is_up && gateway->uplink.is_listed && limiter_tell(&gateway->limiter, now.clock_ms, values))
        uplink_counters(&gateway->uplink, &gateway->journal, (struct slice){values, sizeof values});
}

static void kick_one(void *ctx, struct session *session)
{
    gateway_kick(ctx, session, GONE_KICKED);
}

void gateway_tick(struct gateway *gateway, struct moment now)
{
    gateway->has_ticked = true;
    gateway->is_rechecking = false;
    resume_all(gateway);
    scan(gateway, now);
    level_turn(gateway, now);
    struct deliver_turn turn = {&gateway->sessions, now.clock_ms, gateway->level != OVERLOAD_NONE, kick_one, gateway};
    deliver_slice(&gateway->deliver, &turn);
    broker_wake(deliver_wants_tick(&gateway->deliver));
    kick_all(gateway);
    counters_tell(gateway, now);
    uplink_flush(&gateway->uplink, &gateway->journal, slice_of(gateway->options.node));
    link_tick(gateway);
}
