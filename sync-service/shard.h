#ifndef GNATTER_SHARD_H
#define GNATTER_SHARD_H
/*
 * One shard: a thread that owns the conversations of its routes. It takes what the hub sends, feeds the core, and does
 * what the core asks: questions to the database pipelined, deliveries to the links, all without ever blocking but for a
 * link that cannot keep up.
 *
 * A turn takes what has gathered, and hands on what came of it in this order: deliveries to the links together with
 * which records are done, then who has caught up.
 */
#include "barrier.h"
#include "busy.h"
#include "courier.h"
#include "message_log.h"

struct shard;

struct shard_options {
    uint32_t index, shards;
    struct primary *primary; /* borrowed for the shard's life, as all below */
    const char *name;
    struct core_options core;
    struct broker_link *const *links;
    size_t links_len;
    struct notes *push_notes, *quota_notes; /* the shard's own; NULL: push, or quotas, are off */
    /* called by the shard's thread; leaves a note for the hub */
    void *ctx;
    void (*on_caught_up)(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed);
};
/* STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status shard_new(const struct shard_options *options, struct shard **ret_shard);
MUST_CHECK enum status shard_start(struct shard *shard);
/* Nothing more comes: finish what was taken, but no longer than until then (monotonic). */
void shard_stop(struct shard *shard, int64_t deadline_ms);
/* True: everything that was taken is in the database and handed to the links. */
bool shard_join(struct shard *shard);
void shard_free(struct shard *shard); /* joined, or never started; NULL is allowed */

/* ---- what happens, from any thread; in order per thread ---- */
enum shard_event_kind {
    SHARD_LINK,    /* sessions told from now on are of this life (`number`) of the link (`session` >> 32) */
    SHARD_READY,   /* session, device, number */
    SHARD_GONE,    /* session, device: its id */
    SHARD_CHAT,    /* token, device, conversation, message_id, payload */
    SHARD_ACK,     /* token, device, conversation, seq */
    SHARD_READ,    /* as ACK */
    SHARD_TYPING,  /* device, conversation, is_on */
    SHARD_OPEN,    /* session, device: its id, conversation, is_on */
    SHARD_REWIND,  /* token, device, conversation, seq */
    SHARD_CHANGED, /* conversation */
    SHARD_REMOVED, /* device */
    SHARD_USER_CHANGED, /* device.user_id */
    SHARD_BARRIER, /* barrier, number: reached when every mark that moved before is in the database */
    SHARD_RESYNC,  /* notifications were missed */
    SHARD_STOP,
};
struct shard_event {
    enum shard_event_kind kind;
    bool is_on;
    session_ref session;
    uint64_t number;
    struct core_token token;
    struct core_device device;
    struct slice conversation, message_id, payload;
    int64_t seq;
    struct barrier *barrier;
};
/* Keeps a copy. Waits while the shard's mailbox is full, but TYPING is dropped then. False: not taken, as it stops. */
bool shard_post(struct shard *shard, const struct shard_event *event);

/* ---- what it is like, from any thread ---- */
struct shard_state {
    bool is_database_up;
    int64_t turned_at_ms;     /* steady: when it last was seen to move */
    int64_t database_wait_ms; /* how long the oldest question waits for its answer */
    struct core_stats stats;
    size_t waiting_bytes;
};
void shard_state(struct shard *shard, struct shard_state *ret_state);
/* Counts from the start of the process. */
const struct message_log_metrics *shard_metrics(const struct shard *shard);
/* Which conversations keep it busy, and which are slow; named. */
struct shard_busy {
    struct busy_row busiest[BUSY_ROWS], slowest[BUSY_ROWS];
    size_t busiest_len, slowest_len;
};
void shard_busy(struct shard *shard, struct shard_busy *ret_busy);

#endif
