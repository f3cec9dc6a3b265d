#ifndef GNATTER_SESSIONS_H
#define GNATTER_SESSIONS_H
/*
 * The devices connected now. A session is one connection: it is found by the broker's handle of the connection, by its
 * number (what the sync service knows), and by its client id. Of one client id at most one session is current; one that
 * was taken over or kicked is retired: it has no number any more, and stays only until the broker reports its end,
 * because its handle must not be taken for another's. Broker's thread.
 */
#include "rates.h"
#include "subscriptions.h"
#include "table.h"
#include "token.h"

struct session;
struct left_buckets;
/* One user with at least one session, or with a bucket that is not full yet: reconnecting gives no fresh burst. */
struct user {
    struct table_link by_name;
    struct bucket chat;
    struct session *sessions;     /* current ones */
    struct left_buckets *buckets; /* of devices that left */
    char name[];
};

/* There is one per connection: what most of them do not need is on the heap, and nothing is wider than it must be. */
struct session {
    struct table_link by_client;
    const void *client; /* the broker's handle */
    struct user *user;  /* NULL: retired */
    union {
        struct session *next_of_user;
        struct session *next_of_kicked; /* of a retired one; connect.c */
    };
    int64_t connected_ms;
    uint64_t ready_serial; /* uplink.h */
    struct subscriptions subscriptions;
    struct rates_session *rates;        /* NULL: all buckets are full; session_rates */
    uint32_t issued_at_s, expires_at_s; /* UINT32_MAX: then or later */
    uint32_t number;
    int socket;          /* corks.h, and published_turn */
    uint32_t kept_bytes; /* kept.h, and the next two */
    uint16_t across;
    union {
        uint16_t kept_items;
        uint16_t stale_len; /* while resuming: of an earlier connection, taken out of the broker's queue */
    };
    uint16_t published_turn;
    uint8_t mqtt_version; /* 3, 4, 5 */
    uint8_t gone_reason;  /* what to say when its connection ends */
    bool is_current : 1;
    bool is_clean : 1;    /* CONNECT asked for a fresh session */
    bool is_resuming : 1; /* not yet known whether the broker resumed one */
    bool is_listed : 1;   /* uplink.h */
    bool is_corked : 1;
    bool is_kicked : 1;
    bool is_bench : 1; /* bench.h: behind client_id stands the id that the broker knows it by */
    char client_id[];
};
#define SESSION_SOCKET_UNKNOWN (-2)
/* What the broker calls this connection. */
const char *session_broker_id(const struct session *session);

struct sessions {
    struct table by_client, users;
    /* Current ones: each at its number modulo the size, which is a power of two. A number is only given out when its
     * place is free. */
    struct session **by_number;
    uint32_t by_number_size, len;
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
/* The first current one at the place *at or behind it; *at is behind it then. NULL: there is none. Only one added in
 * the meantime can be missed, and only growing can bring one again. */
struct session *sessions_next(const struct sessions *sessions, uint32_t *at);
struct session *sessions_of_client_id(const struct sessions *sessions, struct slice client_id);
struct user *sessions_user(const struct sessions *sessions, struct slice name);
/* Its buckets, to take from. NULL: no memory. */
struct rates_session *session_rates(struct session *session, const struct rates *rates, uint32_t clock_ms);
void sessions_retire(struct sessions *sessions, struct session *session);
/* Retires it when it is not yet, and frees it. */
void sessions_remove(struct sessions *sessions, struct session *session);
/* Forgets buckets that are full again, and users without sessions and such buckets. */
void sessions_sweep(struct sessions *sessions, const struct rates *rates, uint32_t clock_ms);
void sessions_done(struct sessions *sessions);

#endif
