#ifndef GNATTER_GATEWAY_H
#define GNATTER_GATEWAY_H
/*
 * The plugin without the broker: what it knows, and what it does when something happens. plugin.c turns the broker's
 * events into these calls; broker.h is what they ask of it. Everything runs in the broker's thread, nothing blocks.
 *
 *   gateway.c     start, reload, the tick
 *   connect.c     who may come, who has gone, who is to go
 *   subscribe.c   what devices subscribe to
 *   ingest.c      what devices publish: into the journal, or refused
 *   link.c        the sync service's connection and its frames
 *
 * `client` is the broker's handle of a connection: compared, and looked into nowhere but in broker.c.
 */
#include "admit.h"
#include "bench.h"
#include "deliver.h"
#include "limiter.h"
#include "options.h"
#include "overload.h"
#include "remembered.h"
#include "uplink.h"

struct moment {
    int64_t unix_ms;
    uint32_t clock_ms; /* for rates and pauses: only grows, wraps */
};

enum verdict {
    VERDICT_OK,
    VERDICT_DENY,  /* not allowed; the connection stays */
    VERDICT_CLOSE, /* cannot be taken: end the connection without acknowledging it */
};

struct service;
struct clients {
    const void **at;
    size_t len, size;
};

struct gateway {
    struct options options;
    struct admit admit;
    struct bench bench;
    struct revoked revoked;
    struct journal journal;
    struct limiter limiter;
    struct overload overload;
    enum overload_level level, level_told;
    uint32_t level_told_ms; /* when it was last as high as was told */
    struct sessions sessions;
    struct remembered remembered;
    struct uplink uplink;
    struct deliver deliver;
    struct service *services;        /* connections with the link secret; uplink tells which one is the link */
    uint64_t down_boot, down_number; /* of the link's last frame */
    bool is_rechecking;              /* from a reload to the next tick */
    struct clients resuming;         /* connected since the last tick with clean session 0 */
    struct session *kicked;          /* retired; their connections are to be ended at the next tick */
    uint32_t scanned_ms, full_logged_ms, hasty_logged_ms;
    bool has_connected, has_ticked;
    uint32_t first_connect_ms;
    bool flushes_early; /* a broker whose tick comes after it has sent what plugins published */
};

/* How the journal is now. */
struct overload_journal gateway_load(const struct gateway *gateway, struct moment now);
/* Logs why not. */
MUST_CHECK enum status gateway_init(struct gateway *gateway, const struct option_given given[], size_t given_len);
void gateway_done(struct gateway *gateway);
/* Reads the files of keys and secret again, or keeps what it has; and that of bench mode. */
void gateway_reload(struct gateway *gateway);
void gateway_tick(struct gateway *gateway, struct moment now);

/* connect.c */
struct gateway_connect {
    const void *client;
    struct admit_request request;
    const char *address; /* for the log */
    int mqtt_version;
    bool is_clean;
    bool is_websocket;
};
/* Also asked again, after a reload and before the next tick, about every connection there is, of which it only says
 * whether the token is still good, and about every session kept for a device that is away: always VERDICT_OK.
 * VERDICT_CLOSE: too many from there, or no memory. */
enum verdict gateway_connect(struct gateway *gateway, const struct gateway_connect *connect, struct moment now);
/* The connection ended; one never accepted is no matter. */
void gateway_gone(struct gateway *gateway, const void *client);
/* Ends a session: nothing more is taken from or given to it; its connection is ended at the next tick. */
void gateway_kick(struct gateway *gateway, struct session *session, enum gone_reason reason);
/* Every current session whose token is void by now. */
void gateway_kick_revoked(struct gateway *gateway);
void gateway_kick_revoked_user(struct gateway *gateway, struct slice name); /* a user, or a client id */
/* From the tick: ends the connections of sessions that were ended. */
void gateway_end_kicked(struct gateway *gateway);

/* subscribe.c */
/* Has it subscribed to this already? */
bool gateway_is_subscribed(struct gateway *gateway, const void *client, struct slice filter);
/* VERDICT_CLOSE: too often, or no memory. */
enum verdict gateway_subscribe(struct gateway *gateway, const void *client, struct slice filter, struct moment now);
enum verdict gateway_unsubscribe(struct gateway *gateway, const void *client, struct slice filter, struct moment now);
/* Also asked, between accepting a connection and CONNACK, about each message that the broker kept for it: no. */
bool gateway_may_receive(const struct gateway *gateway, const void *client, struct slice topic);
/* From the tick, which comes behind CONNACK: looks what the broker has kept for those that came since the last one. */
void gateway_resume_all(struct gateway *gateway);

/* ingest.c */
/* May it be published at all? Asked first; a denied device is told why. */
enum verdict gateway_may_publish(struct gateway *gateway, const void *client, struct slice topic, bool is_retained,
                                 struct moment now);
/* VERDICT_OK: taken, or refused and the device told; either way the broker is to acknowledge it and forget it. */
enum verdict gateway_publish(struct gateway *gateway, const void *client, struct slice topic, struct slice payload,
                             struct slice correlation, struct moment now);

/* link.c */
enum verdict link_connect(struct gateway *gateway, const struct gateway_connect *connect);
bool link_is_service(const struct gateway *gateway, const void *client);
/* True when it was a service's connection. */
bool link_gone(struct gateway *gateway, const void *client);
void link_frame(struct gateway *gateway, const void *client, struct slice frame, struct moment now);
/* Ends connections of services that broke the rules. From the tick. */
void link_tick(struct gateway *gateway);
void link_done(struct gateway *gateway);

#endif
