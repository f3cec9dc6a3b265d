#include "sessions.h"

#include <stdlib.h>
#include <string.h>

static struct slice user_part(struct slice client_id)
{
    const char *colon = memchr(client_id.at, ':', client_id.len);
    return (struct slice){client_id.at, colon != NULL ? (size_t)(colon - client_id.at) : client_id.len};
}

struct user *sessions_user(const struct sessions *sessions, struct slice name)
{
    struct user *user;
    HASH_FIND(hh, sessions->users, name.at, name.len, user);
    return user;
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
    HASH_ADD_KEYPTR(hh, sessions->users, user->name, name.len, user);
    return user;
}

/* ---- buckets of devices that left; few, and for as long as filling one takes ---- */
struct left_bucket {
    struct left_bucket *next;
    struct bucket chat;
    char client_id[];
};

static void bucket_leave(struct user *user, const struct session *session)
{
    size_t size = strlen(session->client_id) + 1;
    struct left_bucket *left = malloc(sizeof *left + size);
    if (left == NULL)
        return; /* a fresh burst then */
    left->next = user->buckets;
    left->chat = session->rates.chat;
    memcpy(left->client_id, session->client_id, size);
    user->buckets = left;
}

static void bucket_take_up(struct user *user, struct session *session)
{
    for (struct left_bucket **at = &user->buckets; *at != NULL; at = &(*at)->next) {
        struct left_bucket *left = *at;
        if (strcmp(left->client_id, session->client_id) != 0)
            continue;
        session->rates.chat = left->chat;
        *at = left->next;
        free(left);
        return;
    }
}

/* Those that are full by now, or all. */
static void buckets_drop(struct user *user, const struct rates *rates, uint32_t clock_ms)
{
    struct left_bucket **at = &user->buckets;
    while (*at != NULL) {
        struct left_bucket *left = *at;
        if (rates != NULL && !bucket_is_full(&left->chat, rates->chat, clock_ms)) {
            at = &left->next;
            continue;
        }
        *at = left->next;
        free(left);
    }
}

static uint32_t next_number(struct sessions *sessions)
{
    do
        sessions->last_number++;
    while (sessions->last_number == 0 || sessions_of_number(sessions, sessions->last_number) != NULL);
    return sessions->last_number;
}

struct session *sessions_add(struct sessions *sessions, const struct rates *rates, const struct session_start *start,
                             int64_t now_ms, uint32_t clock_ms)
{
    size_t size = strlen(start->client_id) + 1,
           broker_size = start->broker_id != NULL ? strlen(start->broker_id) + 1 : 0;
    struct session *session = calloc(1, sizeof *session + size + broker_size);
    struct user *user = user_of(sessions, rates, slice_of(start->claims->user), clock_ms);
    if (session == NULL || user == NULL) {
        free(session); /* a user without sessions goes with the next sweep */
        return NULL;
    }
    memcpy(session->client_id, start->client_id, size);
    if (broker_size > 0)
        memcpy(session->client_id + size, start->broker_id, broker_size);
    session->is_bench = broker_size > 0;
    session->client = start->client;
    session->user = user;
    session->next_of_user = user->sessions;
    user->sessions = session;
    session->connected_ms = now_ms;
    session->issued_at_s = start->claims->issued_at_s;
    session->expires_at_s = start->claims->expires_at_s;
    session->number = next_number(sessions);
    session->mqtt_version = start->mqtt_version;
    session->is_current = true;
    session->is_clean = start->is_clean;
    session->is_resuming = !start->is_clean;
    rates_session_start(&session->rates, rates, clock_ms);
    bucket_take_up(user, session);
    HASH_ADD(by_client, sessions->by_client, client, sizeof session->client, session);
    HASH_ADD(by_number, sessions->by_number, number, sizeof session->number, session);
    return session;
}

const char *session_broker_id(const struct session *session)
{
    return session->is_bench ? session->client_id + strlen(session->client_id) + 1 : session->client_id;
}

struct session *sessions_of_client(const struct sessions *sessions, const void *client)
{
    struct session *session;
    HASH_FIND(by_client, sessions->by_client, &client, sizeof client, session);
    return session;
}

struct session *sessions_of_number(const struct sessions *sessions, uint32_t number)
{
    struct session *session;
    HASH_FIND(by_number, sessions->by_number, &number, sizeof number, session);
    return session;
}

struct session *sessions_of_client_id(const struct sessions *sessions, struct slice client_id)
{
    struct user *user = sessions_user(sessions, user_part(client_id));
    struct session *session = user != NULL ? user->sessions : NULL;
    while (session != NULL && !slice_equal(slice_of(session->client_id), client_id))
        session = session->next_of_user;
    return session;
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
    HASH_DELETE(by_number, sessions->by_number, session);
    subscriptions_done(&session->subscriptions);
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    sessions_retire(sessions, session);
    HASH_DELETE(by_client, sessions->by_client, session);
    free(session);
}

void sessions_sweep(struct sessions *sessions, const struct rates *rates, uint32_t clock_ms)
{
    struct user *user, *next;
    HASH_ITER (hh, sessions->users, user, next) {
        buckets_drop(user, rates, clock_ms);
        if (user->sessions != NULL || user->buckets != NULL || !bucket_is_full(&user->chat, rates->chat_user, clock_ms))
            continue;
        HASH_DEL(sessions->users, user); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        free(user);
    }
}

void sessions_done(struct sessions *sessions)
{
    struct session *session, *next;
    struct user *user, *next_user;
    HASH_ITER (by_client, sessions->by_client, session, next) {
        sessions_remove(sessions, session);
    }
    HASH_ITER (hh, sessions->users, user, next_user) {
        HASH_DEL(sessions->users, user); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        buckets_drop(user, NULL, 0);
        free(user);
    }
}
