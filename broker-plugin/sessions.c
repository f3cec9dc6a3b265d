#include "sessions.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_MIN 64u

static struct slice user_part(struct slice client_id)
{
    const char *colon = memchr(client_id.at, ':', client_id.len);
    return (struct slice){client_id.at, colon != NULL ? (size_t)(colon - client_id.at) : client_id.len};
}

static struct user *user_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct user, by_name);
}

static uint64_t user_hash(const struct table_link *link)
{
    return hash_text(slice_of(TABLE_ENTRY(link, const struct user, by_name)->name));
}

struct user *sessions_user(const struct sessions *sessions, struct slice name)
{
    struct table_link *link = table_chain(&sessions->users, hash_text(name));
    while (link != NULL && !slice_equal(slice_of(user_at(link)->name), name))
        link = link->next;
    return link != NULL ? user_at(link) : NULL;
}

static struct user *user_of(struct sessions *sessions, const struct rates *rates, struct slice name, uint32_t clock_ms)
{
    struct user *user = sessions_user(sessions, name);
    if (user != NULL)
        return user;
    user = calloc(1, sizeof *user + name.len + 1);
    if (user == NULL)
        return NULL;
    memcpy(user->name, name.at, name.len);
    bucket_fill(&user->chat, rates->chat_user, clock_ms);
    if (table_add(&sessions->users, &user->by_name, user_hash) != STATUS_OK) {
        free(user);
        return NULL;
    }
    return user;
}

/* ---- buckets of devices that left; few, and for as long as filling one takes ---- */
struct left_buckets {
    struct left_buckets *next;
    struct rates_session rates;
    char client_id[];
};

static void bucket_leave(struct user *user, const struct session *session)
{
    size_t size = strlen(session->client_id) + 1;
    struct left_buckets *left = session->rates != NULL ? malloc(sizeof *left + size) : NULL;
    if (left == NULL)
        return; /* it is full; or there is no memory, and a fresh burst then */
    left->next = user->buckets;
    left->rates = *session->rates;
    memcpy(left->client_id, session->client_id, size);
    user->buckets = left;
}

static void bucket_take_up(struct user *user, struct session *session, const struct rates *rates, uint32_t clock_ms)
{
    for (struct left_buckets **at = &user->buckets; *at != NULL; at = &(*at)->next) {
        struct left_buckets *left = *at;
        if (strcmp(left->client_id, session->client_id) != 0)
            continue;
        if (session_rates(session, rates, clock_ms) == NULL)
            return; /* as above */
        *session->rates = left->rates;
        *at = left->next;
        free(left);
        return;
    }
}

/* Those that are full by now, or all. */
static void buckets_drop(struct user *user, const struct rates *rates, uint32_t clock_ms)
{
    struct left_buckets **at = &user->buckets;
    while (*at != NULL) {
        struct left_buckets *left = *at;
        if (rates != NULL && !rates_are_full(rates, &left->rates, clock_ms)) {
            at = &left->next;
            continue;
        }
        *at = left->next;
        free(left);
    }
}

/* ---- sessions ---- */
static struct session *session_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct session, by_client);
}

static uint64_t client_hash(const struct table_link *link)
{
    return hash_number((uintptr_t)TABLE_ENTRY(link, const struct session, by_client)->client);
}

static struct session **place_of(const struct sessions *sessions, uint32_t number)
{
    return &sessions->by_number[number & (sessions->by_number_size - 1)];
}

/* At most three quarters are in use, so that the next free place is near. No two meet in a place by doubling. */
static enum status make_place(struct sessions *sessions)
{
    if (sessions->len < sessions->by_number_size / 4 * 3)
        return STATUS_OK;
    struct sessions grown = {.by_number_size =
                                 sessions->by_number_size > 0 ? 2 * sessions->by_number_size : PLACES_MIN};
    grown.by_number =
        calloc(grown.by_number_size, sizeof *grown.by_number); /* NOLINT(bugprone-sizeof-expression): of pointers */
    if (grown.by_number == NULL)
        return STATUS_NO_MEMORY;
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(sessions, &at)) != NULL;)
        *place_of(&grown, session->number) = session;
    free(sessions->by_number);
    sessions->by_number = grown.by_number;
    sessions->by_number_size = grown.by_number_size;
    return STATUS_OK;
}

static uint32_t next_number(struct sessions *sessions)
{
    do
        sessions->last_number++;
    while (sessions->last_number == 0 || *place_of(sessions, sessions->last_number) != NULL);
    return sessions->last_number;
}

static uint32_t seconds(int64_t at_s)
{
    return at_s < UINT32_MAX ? (uint32_t)at_s : UINT32_MAX;
}

struct session *sessions_add(struct sessions *sessions, const struct rates *rates, const struct session_start *start,
                             int64_t now_ms, uint32_t clock_ms)
{
    size_t size = strlen(start->client_id) + 1,
           broker_size = start->broker_id != NULL ? strlen(start->broker_id) + 1 : 0;
    struct session *session = calloc(1, SIZE_WITH(struct session, client_id, size + broker_size));
    struct user *user = user_of(sessions, rates, slice_of(start->claims->user), clock_ms);
    if (session == NULL || user == NULL || make_place(sessions) != STATUS_OK)
        goto failed;
    if (broker_size > 0)
        memcpy(session->client_id + size, start->broker_id, broker_size);
    session->is_bench = broker_size > 0;
    session->client = start->client;
    if (table_add(&sessions->by_client, &session->by_client, client_hash) != STATUS_OK)
        goto failed;
    memcpy(session->client_id, start->client_id, size);
    session->user = user;
    session->next_of_user = user->sessions;
    user->sessions = session;
    session->connected_ms = now_ms;
    session->issued_at_s = seconds(start->claims->issued_at_s);
    session->expires_at_s = seconds(start->claims->expires_at_s);
    session->number = next_number(sessions);
    session->socket = SESSION_SOCKET_UNKNOWN;
    session->mqtt_version = start->mqtt_version;
    session->is_current = true;
    session->is_clean = start->is_clean;
    session->is_resuming = !start->is_clean;
    bucket_take_up(user, session, rates, clock_ms);
    *place_of(sessions, session->number) = session;
    sessions->len++;
    return session;
failed:
    free(session); /* a user without sessions goes with the next sweep */
    return NULL;
}

const char *session_broker_id(const struct session *session)
{
    return session->is_bench ? session->client_id + strlen(session->client_id) + 1 : session->client_id;
}

struct session *sessions_of_client(const struct sessions *sessions, const void *client)
{
    struct table_link *link = table_chain(&sessions->by_client, hash_number((uintptr_t)client));
    while (link != NULL && session_at(link)->client != client)
        link = link->next;
    return link != NULL ? session_at(link) : NULL;
}

struct session *sessions_of_number(const struct sessions *sessions, uint32_t number)
{
    struct session *session = sessions->len > 0 ? *place_of(sessions, number) : NULL;
    return session != NULL && session->number == number ? session : NULL;
}

struct session *sessions_next(const struct sessions *sessions, uint32_t *at)
{
    while (*at < sessions->by_number_size) {
        struct session *session = sessions->by_number[(*at)++];
        if (session != NULL)
            return session;
    }
    return NULL;
}

struct session *sessions_of_client_id(const struct sessions *sessions, struct slice client_id)
{
    struct user *user = sessions_user(sessions, user_part(client_id));
    struct session *session = user != NULL ? user->sessions : NULL;
    while (session != NULL && !slice_equal(slice_of(session->client_id), client_id))
        session = session->next_of_user;
    return session;
}

struct rates_session *session_rates(struct session *session, const struct rates *rates, uint32_t clock_ms)
{
    if (session->rates == NULL && (session->rates = malloc(sizeof *session->rates)) != NULL)
        rates_session_start(session->rates, rates, clock_ms);
    return session->rates;
}

static void rates_free(struct session *session)
{
    free(session->rates);
    session->rates = NULL;
}

void sessions_retire(struct sessions *sessions, struct session *session)
{
    if (!session->is_current)
        return;
    session->is_current = false;
    struct session **at = &session->user->sessions;
    while (*at != session)
        at = &(*at)->next_of_user;
    *at = session->next_of_user;
    session->next_of_user = NULL;
    bucket_leave(session->user, session);
    session->user = NULL; /* the user may go before it */
    rates_free(session);
    *place_of(sessions, session->number) = NULL;
    sessions->len--;
    subscriptions_done(&session->subscriptions);
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    sessions_retire(sessions, session);
    table_remove(&sessions->by_client, &session->by_client, client_hash);
    free(session);
}

void sessions_sweep(struct sessions *sessions, const struct rates *rates, uint32_t clock_ms)
{
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(sessions, &at)) != NULL;)
        if (session->rates != NULL && rates_are_full(rates, session->rates, clock_ms))
            rates_free(session);
    struct table_walk walk;
    for (struct table_link *link = table_first(&sessions->users, &walk); link != NULL; link = table_next(&walk)) {
        struct user *user = user_at(link);
        buckets_drop(user, rates, clock_ms);
        if (user->sessions != NULL || user->buckets != NULL || !bucket_is_full(&user->chat, rates->chat_user, clock_ms))
            continue;
        table_remove(&sessions->users, link, user_hash);
        free(user);
    }
}

void sessions_done(struct sessions *sessions)
{
    struct table_walk walk;
    struct table_link *link;
    for (link = table_first(&sessions->by_client, &walk); link != NULL; link = table_next(&walk))
        sessions_remove(sessions, session_at(link));
    for (link = table_first(&sessions->users, &walk); link != NULL; link = table_next(&walk)) {
        table_remove(&sessions->users, link, user_hash);
        buckets_drop(user_at(link), NULL, 0);
        free(user_at(link));
    }
    free(sessions->by_number);
    *sessions = (struct sessions){.by_number = NULL};
}
