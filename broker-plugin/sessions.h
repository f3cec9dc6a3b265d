#ifndef GNATTER_SESSIONS_H
#define GNATTER_SESSIONS_H
/*
 * The devices connected now. A session is one connection: it is found by the broker's handle of the connection, by its
 * number (what the sync service knows), and by its client id. Of one client id at most one session is current; one that
 * was taken over or kicked is retired: it has no number any more, and stays only until the broker reports its end,
 * because its handle must not be taken for another's. Broker's thread.
 */
#include <uthash.h>

#include "rates.h"
#include "subscriptions.h"
#include "token.h"

struct session;
struct left_bucket;
/* One user with at least one session, or with a bucket that is not full yet: reconnecting gives no fresh burst. */
struct user {
    UT_hash_handle hh;
    struct bucket chat;
    struct session *sessions;    /* current ones */
    struct left_bucket *buckets; /* of devices that left */
    char name[];
};

struct session {
    UT_hash_handle by_client, by_number;
    const void *client; /* the broker's handle */
    struct user *user;
    struct session *next_of_user;
    int64_t connected_ms, issued_at_s, expires_at_s;
    uint64_t ready_serial; /* uplink.h */
    struct subscriptions subscriptions;
    struct rates_session rates;
    uint32_t number;
    uint16_t stale_len;   /* of an earlier connection, taken out of the broker's queue when this one began */
    uint8_t mqtt_version; /* 3, 4, 5 */
    uint8_t gone_reason;  /* what to say when its connection ends */
    bool is_current;
    bool is_clean;    /* CONNECT asked for a fresh session */
    bool is_resuming; /* not yet known whether the broker resumed one */
    bool is_listed;   /* uplink.h */
    bool is_bench;    /* bench.h: behind client_id stands the id that the broker knows it by */
    char client_id[];
};
/* What the broker calls this connection. */
const char *session_broker_id(const struct session *session);

struct sessions {
    struct session *by_client, *by_number; /* by_number: current ones, in the order of connecting */
    struct user *users;
    uint32_t last_number;
};

struct session_start {
    const void *client;
    const char *client_id;
    const char *broker_id; /* NULL: the same */
    const struct token_claims *claims;
    uint8_t mqtt_version;
    bool is_clean;
};

/* The client id must have no current session. Keeps copies. NULL: no memory. */
struct session *sessions_add(struct sessions *sessions, const struct rates *rates, const struct session_start *start,
                             int64_t now_ms, uint32_t clock_ms);
/* NULL: none. */
struct session *sessions_of_client(const struct sessions *sessions, const void *client);
struct session *sessions_of_number(const struct sessions *sessions, uint32_t number);
struct session *sessions_of_client_id(const struct sessions *sessions, struct slice client_id);
struct user *sessions_user(const struct sessions *sessions, struct slice name);
void sessions_retire(struct sessions *sessions, struct session *session);
/* Retires it when it is not yet, and frees it. */
void sessions_remove(struct sessions *sessions, struct session *session);
/* Forgets buckets that are full again, and users without sessions and such buckets. */
void sessions_sweep(struct sessions *sessions, const struct rates *rates, uint32_t clock_ms);
void sessions_done(struct sessions *sessions);

#endif
