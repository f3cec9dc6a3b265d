#ifndef GNATTER_BROKER_LINK_H
#define GNATTER_BROKER_LINK_H
/*
 * The link to one broker's plugin: frames in, frames out. Only it and paho_waker.h know Paho.
 *
 * A thread of its own connects, sends HELLO, sends what waits in the outbox while it has credit, and starts over with a
 * growing pause when the connection ends. Each connection is a *life*, numbered from 1; what was meant for another life
 * than the present one is dropped, since its sessions are told anew. Paho's callbacks only take notes, as Paho runs
 * them holding its one lock; nobody calls Paho while holding the lock that they take.
 */
#include "../clients/protocol/counters.h"
#include "completion.h"
#include "core/core.h"
#include "outbox.h"

struct broker_link;

/* A frame as it came, to be given back with broker_link_frame_free. */
struct link_frame {
    const unsigned char *bytes;
    size_t len;
    void *message;
};

struct broker_link_options {
    uint32_t index;
    const char *uri;         /* mqtt://host:port or mqtts://host:port; keeps a copy, as of all below */
    const char *name;        /* of this service */
    const char *secret_file; /* the link secret; read at every connect */
    const char *ca_file;     /* mqtts; empty: the system's */
    /* Called by Paho's thread, and by the link's. They only leave a note. */
    void *ctx;
    void (*on_frame)(void *ctx, uint32_t link, uint64_t life, struct link_frame frame);
    void (*on_down)(void *ctx, uint32_t link, uint64_t life);
};

/* Main thread. STATUS_MALFORMED: the URI. */
MUST_CHECK enum status broker_link_new(const struct broker_link_options *options, struct broker_link **ret_link);
MUST_CHECK enum status broker_link_start(struct broker_link *link);
/* Sends what waits and waits for its confirmation until `deadline_ms` (monotonic), then ends the connection and the
 * thread. False: not everything was confirmed. */
bool broker_link_stop(struct broker_link *link, int64_t deadline_ms);
void broker_link_free(struct broker_link *link); /* stopped, or never started; NULL is allowed */

/* ---- any thread ---- */
void broker_link_frame_free(struct broker_link *link, struct link_frame *frame);
/* Into the outbox, and then these parts of journal records are done: one frame tells both. The parcel is dropped when
 * that life is over (or there is no memory, and then the link starts over). Either may be empty. */
void broker_link_put(struct broker_link *link, uint64_t life, const struct parcel *parcel,
                     const struct core_token tokens[], size_t tokens_len);
/* Parts of journal records that are done. A token's `position` is the record's index, `boot` the life. */
void broker_link_done(struct broker_link *link, const struct core_token tokens[], size_t tokens_len);
/* Waits at most that long while the outbox is over its bound; true: it is below it. */
bool broker_link_has_room(struct broker_link *link, int wait_ms);

/* ---- the hub ---- */
/* The plugin of broker life `boot` answered HELLO; its journal is done below `journal_tail`. */
void broker_link_welcomed(struct broker_link *link, uint64_t life, uint64_t boot, uint64_t journal_tail);
/* A record was taken, in so many parts; its token. STATUS_FULL: wait and try again. STATUS_STALE: that life is over. */
MUST_CHECK enum status broker_link_take_record(struct broker_link *link, uint64_t life, uint64_t position,
                                               uint32_t parts, struct core_token *ret_token);
/* Waits at most that long for a record to be done. */
void broker_link_wait_records(struct broker_link *link, int wait_ms);
void broker_link_frame_taken(struct broker_link *link, uint64_t life, uint64_t frame_number);
/* What the plugin has counted so far: an UP_COUNTERS. */
void broker_link_counted(struct broker_link *link, const struct frame_op *op);
/* The peer broke the protocol: start over. */
void broker_link_drop(struct broker_link *link, uint64_t life, const char *why);

struct broker_link_state {
    bool is_up;    /* welcomed */
    bool is_stuck; /* Paho says neither that it is connected nor that it cannot be, and never will: it has no threads */
    uint64_t boot;
    uint64_t records_waiting;           /* taken and not done */
    uint64_t frames_taken, frames_sent; /* in this life */
    size_t outbox_bytes;
    uint64_t frames_received, frames_out, connections; /* since the start of the process */
    uint64_t counted[COUNTERS];                        /* by the plugin, since the start of its broker */
};
void broker_link_state(struct broker_link *link, struct broker_link_state *ret_state);
const char *broker_link_uri(const struct broker_link *link);

#endif
