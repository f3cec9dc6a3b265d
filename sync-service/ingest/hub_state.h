#ifndef GNATTER_HUB_STATE_H
#define GNATTER_HUB_STATE_H
/*
 * Inside the hub: hub.c has the thread and its notes, frames.c takes frames apart, lookup.c asks who they are about,
 * records.c sends what devices published, live.c knows who is there, revoked.c whose tokens are void.
 */
#include <stdatomic.h>
#include "../courier.h"
#include "../database.h"
#include "../mailbox.h"
#include "../runtime.h"
#include "hub.h"
#include "presence.h"

struct hub_link {
    uint64_t life;        /* of the last WELCOME; 0: down */
    uint64_t boot;        /* of its broker */
    uint64_t next_number; /* of the frame to come */
    bool is_listing;      /* SESSIONS_END is to come */
    /* Records below were published before the link came up. A `sync` among them says where a device's replay begins:
     * nobody is ready before they are taken. */
    uint64_t backlog_end;
    bool has_backlog;
};

/* What was told lately: anybody who is connected to the database can have it looked up again. */
#define REVOKED_TOLD 256
struct revoked_told {
    int64_t valid_after_s;
    size_t name_len;
    char name[LIMIT_CLIENT_ID_LEN];
};

struct hub {
    struct hub_options options;
    struct mailbox mailbox;
    struct courier courier;
    struct database database;
    struct hub_link links[RUNTIME_LINKS_MAX];
    struct identities identities;
    struct sessions sessions;
    struct presence presence;
    uint64_t last_ready_number;
    /* revocations heard of while the whole list is being asked for: they follow it */
    char *revoked;
    size_t revoked_len, revoked_size;
    uint64_t list_asked, list_told;         /* numbers of lists */
    struct revoked_told told[REVOKED_TOLD]; /* by the hash of the name */
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping; /* no more frames */
    bool is_ending;
    struct barrier stopped;
    int64_t now_ms, unix_ms; /* of this turn */
    _Atomic size_t sessions_len, ready_len;
};

/* The same event for every shard. */
void hub_post_all(struct hub *hub, const struct shard_event *event);

/* frames.c: takes what the frame says; gives it back */
void frames_take(struct hub *hub, uint32_t link, uint64_t life, struct link_frame *frame);

/* lookup.c: waits for the database */
/* Every client id of the frame that is not known yet, in as few questions as can be. They stay known until the next. */
enum status lookup_frame(struct hub *hub, const struct link_frame *frame);
/* Forgets who has no session; who has one, and is not registered any more, or anew, is removed. */
void lookup_again(struct hub *hub);

/* records.c */
void records_take(struct hub *hub, uint32_t link, const struct frame_op *op);

/* live.c */
void live_link_up(struct hub *hub, uint32_t link, uint64_t life);
void live_link_down(struct hub *hub, uint32_t link);
void live_connected(struct hub *hub, uint32_t link, const struct frame_op *op);
/* It is subscribed: ready, or waiting for the link's backlog. */
void live_subscribed(struct hub *hub, struct session *session);
/* The link's backlog was taken: who waited is ready. */
void live_backlog_taken(struct hub *hub, uint32_t link);
void live_ready(struct hub *hub, struct session *session);
void live_unready(struct hub *hub, struct session *session);
/* The clerk hears again who is ready. */
void live_tell_again(struct hub *hub);
void live_gone(struct hub *hub, struct session *session);
void live_caught_up(struct hub *hub, session_ref ref, uint64_t ready_number, uint64_t replayed);
/* Those of this name with that id, and lower ones, are unregistered. */
void live_removed(struct hub *hub, struct slice client_id, int64_t device_id);
void live_watcher_changed(struct hub *hub, struct slice client_id);
void live_flags(struct hub *hub, struct slice told);
void live_presence_port(struct hub *hub, struct presence_port *ret_port);

/* revoked.c */
void revoked_ask(struct hub *hub);
void revoked_told(struct hub *hub, uint64_t number, struct slice lines);
void revoked_one(struct hub *hub, struct slice name, int64_t valid_after_s);

#endif
