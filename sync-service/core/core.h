#ifndef GNATTER_CORE_H
#define GNATTER_CORE_H
/*
 * The delivery core: everything one shard decides about its conversations. Who gets which seq, what was pushed to and
 * acknowledged by each device, which marks moved, what is resent when.
 *
 * It does no I/O and has no clock. The owner feeds it events (core_on_...), each with the time, and the core calls the
 * port's functions; answers to what the port was asked come back as later events. One thread owns a core; port functions
 * are called from inside core_on_... and core_turn, and must not call back into the core.
 *
 * A turn: any number of events, then core_turn, which sends what has gathered: one append batch, one load, one scan,
 * coalesced receipts. At low load a turn is one message.
 *
 * It relies on its owner for this:
 *  - what the port is asked runs in the order asked, and is answered in that order (one connection); a flush before a
 *    scan is seen by the scan, an append before a page by the page;
 *  - core_on_changed comes for every change by SQL, at the latest soon after its commit;
 *  - deliveries reach a session in order, all of them or none after the first that is lost: when a link was lost, nothing
 *    more goes to a session before core_on_ready was called for it again. Where a `sync` of the journal is not done, that
 *    is fed before.
 *
 * Law (DESIGN: invariants):
 *  - to a live device a seq is pushed only when it is the next one visible to its user above what was pushed last;
 *    anything else waits for the log (a page);
 *  - nothing is told to anybody before its append has committed;
 *  - at most one append is under way per conversation, so that a device's messages keep their order;
 *  - what a device has outstanding is bounded; delivered <= last_seq, read <= delivered, both only grow.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../clients/protocol/status.h"
#include "../../clients/protocol/topic.h"

struct core;

/* A live connection: link index << 32 | the plugin's session number. */
typedef uint64_t session_ref;

/* A device as the service knows it. Strings are the caller's, valid during the call; the core keeps copies. */
struct core_device {
    int64_t device_id, user_id;
    struct slice user, device;
    bool ack_auto; /* counts as having acknowledged what was handed over */
};

/* Names one accepted publish; given back by port->done exactly once, when the journal may forget it. */
struct core_token {
    uint32_t link;
    uint64_t position; /* in that link's journal */
    uint64_t boot;     /* of that link's broker */
};

enum core_mark { CORE_MARK_ACK, CORE_MARK_READ };
enum core_item_kind { CORE_ITEM_CHAT, CORE_ITEM_EVENT };

/* One item of a conversation's log, as read from the database. */
struct core_item {
    int64_t seq, time_ms;
    enum core_item_kind kind;
    int64_t sender_user_id, sender_device_id; /* 0: none (an administrator's event) */
    struct slice sender_user, sender_device;  /* EVENT: actor in sender_user, "-" for an administrator */
    struct slice message_id;                  /* CHAT */
    struct slice event_type;                  /* EVENT */
    struct slice payload;
    int64_t edit_seq; /* CHAT: the event that gave it this payload; 0: it was not edited */
};

/* ---- what a load answers ---- */
struct core_interval { int64_t joined_seq, left_seq; /* both included; left_seq 0: still a member */ };
struct core_block { int64_t from_seq, to_seq; }; /* both included; to_seq 0: still */
struct core_member {
    int64_t user_id;
    struct slice user;
    const struct core_interval *intervals; /* ascending, disjoint */
    size_t intervals_len;
    int64_t delivered_seq, read_seq;
    const struct core_block *blocks; /* direct: what the other does there is withheld from her; ascending, disjoint */
    size_t blocks_len;
    bool is_asked;    /* direct: it waits as a request for her to accept */
    bool hides_reads; /* nobody is told what she has read */
    bool is_full;     /* direct: no more is taken for her */
};
struct core_cursor { int64_t device_id, user_id, acked_seq; }; /* only where a row exists; absent means 0 */
enum core_load_state {
    CORE_LOAD_OK,
    CORE_LOAD_NO_SUCH_USER,
    CORE_LOAD_NO_SUCH_GROUP,
    CORE_LOAD_READ_ONLY, /* it would have to be made, and nothing can be written */
};
struct core_conversation {
    struct slice name;            /* as asked */
    enum core_load_state state;   /* not OK: the rest is void */
    int64_t conversation_id;
    int64_t last_seq, first_seq;  /* first_seq: the first kept item; below it only a `truncated` event is told */
    int64_t membership_version;
    bool is_group;
    const struct core_member *members; /* former ones too: their intervals are closed */
    size_t members_len;
    const struct core_cursor *cursors; /* of these members' devices */
    size_t cursors_len;
    bool is_deleted; /* the group is gone; its log is still told */
};

/* ---- what the core asks for ---- */
struct core_append_item { /* one message; grouped by conversation, in order within it */
    int64_t user_id, device_id;
    struct slice message_id, payload;
};
struct core_append_group {
    int64_t conversation_id, membership_version;
    size_t first, len; /* its items in the batch */
};
struct core_append_batch {
    uint64_t batch; /* comes back with the answer */
    bool careful;   /* decide membership and duplicates in the database, item by item */
    bool refuses_blocked; /* and blocks (careful only) */
    const struct core_append_group *groups;
    size_t groups_len;
    const struct core_append_item *items;
    size_t items_len;
};
enum core_append_state {
    CORE_APPEND_NEW,        /* it has got this seq and time */
    CORE_APPEND_DUPLICATE,  /* it had this seq and time already (careful only) */
    CORE_APPEND_NOT_MEMBER, /* (careful only) */
    CORE_APPEND_STALE,      /* membership changed: nothing of this group was appended (not careful) */
    CORE_APPEND_BLOCKED,    /* (careful only, and only with refuses_blocked) */
    CORE_APPEND_FULL,       /* too much waits for the other one of a direct conversation (careful only) */
    CORE_APPEND_NO_SUCH_USER, /* she was removed (careful only) */
};
struct core_append_answer { /* one per item */
    enum core_append_state state;
    int64_t seq, time_ms;
    int64_t membership_version; /* that it was decided with (NEW, careful only) */
};

struct core_page_request { int64_t conversation_id; int64_t after_seq; uint32_t items_max; uint32_t bytes_max; };
struct core_senders_request { int64_t conversation_id; int64_t after_seq, to_seq; };

struct core_mark_cursor { int64_t device_id, conversation_id, acked_seq; bool is_set; /* a rewind: becomes acked_seq even where that is less */ };
struct core_mark_member { int64_t user_id, conversation_id, delivered_seq, read_seq; };
struct core_mark_batch {
    uint64_t batch;
    const struct core_mark_cursor *cursors; size_t cursors_len;
    const struct core_mark_member *members; size_t members_len;
};

/* Everything borrowed is valid during the call only; the port copies what it keeps. */
struct core_port {
    void *ctx;
    /* to devices: publish below the inbox of these sessions; in call order per session */
    void (*deliver)(void *ctx, const session_ref sessions[], size_t sessions_len, int qos, struct slice tail, struct slice payload);
    /* the journal may forget it */
    void (*done)(void *ctx, struct core_token token);
    /* this session has got everything it missed in this shard; `replayed` items */
    void (*caught_up)(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed);
    /* to the database; each is answered by the core_on_... of the same name */
    void (*load)(void *ctx, const struct slice names[], const int64_t senders[], size_t len); /* of this user's message, which waits, a direct conversation is made; 0: none waits */
    void (*append)(void *ctx, const struct core_append_batch *batch);
    void (*page)(void *ctx, const struct core_page_request *request);
    void (*senders)(void *ctx, const struct core_senders_request *request); /* who sent what lies in (after, to] */
    void (*scan)(void *ctx, uint64_t scan, const int64_t device_ids[], size_t len); /* conversations of this shard these devices are behind in, and marks that changed */
    void (*flush)(void *ctx, const struct core_mark_batch *batch);
    void (*log)(void *ctx, int level, const char *what, struct slice about); /* rare things an operator should see; level as syslog */
};

struct core_options {
    uint32_t window_items;          /* outstanding per device: 256 */
    uint32_t window_items_max;      /* ... that acknowledges them fast: 4096 */
    uint32_t window_bytes;          /* 512 KiB; up to four times that where the window has grown */
    uint32_t redeliver_after_ms;    /* 5000, doubling to redeliver_max_ms 60000 */
    uint32_t redeliver_max_ms;
    uint32_t flush_after_ms;        /* marks are flushed this long after they moved: 500 */
    uint32_t scan_every_ms;         /* from scan to scan at least, so that devices that come together share one: 8 */
    uint32_t flush_marks_max;       /* per question of a flush, so that appends need not wait for all of it: 128 */
    uint32_t append_items_max;      /* per batch: 512 */
    uint32_t append_bytes_max;      /* per batch: 4 MiB */
    uint32_t appends_max;           /* batches under way: 4 */
    uint32_t append_worth_items;    /* waiting, for another batch while one is under way: 64 */
    uint32_t conversations_max;     /* loaded at once; idle ones are forgotten, least recently used first: 100000 */
    uint32_t pending_items_max;     /* messages and marks held while the database is away: then core_is_full; 65536 */
    uint64_t pending_bytes_max;     /* their payloads: 256 MiB */
    uint32_t page_items;            /* per page: 512 */
    uint32_t receipts_members_max;  /* LIMIT_PUSHED_RECEIPTS_MEMBERS */
    bool refuses_blocked;           /* who is blocked is answered `blocked`, not `sent` */
    bool plant_contiguity_bug;      /* tests only: pushes without the contiguity rule, to show that the simulation sees it */
};
void core_options_default(struct core_options *ret_options);

/* NULL: no memory. Keeps copies of both. */
struct core *core_new(const struct core_options *options, const struct core_port *port);
void core_free(struct core *core); /* NULL is allowed */

/*
 * Who is told what of marks, where nothing is kept back (restraint.c). A moved mark goes, once per turn, to the live devices of the current members who sent a
 * message that it newly covers: `read`, or `delivered` where only that moved. A user's own other devices are told her
 * `read`. In groups of more than receipts_members_max current members there are `receipts` instead, at most once a second
 * per conversation: each sender of one of the last 128 items that marks newly cover is told her last message among these,
 * and how many other current members hold it and have read it.
 */

/* ---- events: devices ---- */
/* The device is subscribed to its inbox on this connection (again: replay again). Every shard hears of every session.
 * `ready_number` comes back in caught_up, once; where another core_on_ready came before that, only the newest does. */
void core_on_ready(struct core *core, int64_t now_ms, session_ref session, uint64_t ready_number, const struct core_device *device);
/* Of a session that the device does not have any more: nothing. */
void core_on_gone(struct core *core, int64_t now_ms, session_ref session, int64_t device_id);
/* The answer (`sent` or an error) goes to the session the device then has, if it has one. */
void core_on_chat(struct core *core, int64_t now_ms, struct core_token token, const struct core_device *device,
                  struct slice conversation_name, struct slice message_id, struct slice payload);
/* done is called for a READ when it is flushed, for an ACK at once; for a line of a list once per line */
void core_on_mark(struct core *core, int64_t now_ms, struct core_token token, enum core_mark mark,
                  const struct core_device *device, struct slice conversation_name, int64_t seq);
/* The device has this conversation on its screen, or no more. Ends with the session. */
void core_on_open(struct core *core, int64_t now_ms, session_ref session, int64_t device_id,
                  struct slice conversation_name, bool is_open);
/* To the other members' live devices; in groups above receipts_members_max only to those that have it open. */
void core_on_typing(struct core *core, int64_t now_ms, const struct core_device *device, struct slice conversation_name, bool is_typing);
/* A line of a `sync`: the cursor of this conversation becomes seq; done is called when that is flushed, once per line.
 * After the last line the owner calls core_on_ready again for the session. */
void core_on_rewind(struct core *core, int64_t now_ms, struct core_token token, const struct core_device *device,
                    struct slice conversation_name, int64_t seq);

/* ---- events: database ---- */
/* A change by SQL was committed to this conversation (membership, an event, retention). */
void core_on_changed(struct core *core, int64_t now_ms, struct slice conversation_name);
/* What this user shares changed: her conversations are loaded again. */
void core_on_user_changed(struct core *core, int64_t now_ms, int64_t user_id);
/* A device is no more, or became another; forget its sessions and cursors. */
void core_on_device_removed(struct core *core, int64_t now_ms, int64_t device_id);
void core_on_loaded(struct core *core, int64_t now_ms, const struct core_conversation *conversation);
/* STATUS_OK: one answer per item. STATUS_EXISTS: a message id was there already, nothing was appended: the core asks
 * again carefully. STATUS_DENIED: the database is read-only (a careful question whose items are all duplicates is answered
 * nevertheless). STATUS_MALFORMED, TOO_LARGE or INTERNAL: the batch cannot be appended. After these the core asks one by
 * one, carefully, and answers what fails alone with `read-only` or `internal`. Any other status: it asks again carefully. */
void core_on_appended(struct core *core, int64_t now_ms, uint64_t batch, enum status status, const struct core_append_answer *answers, size_t answers_len);
/* Ascending. */
void core_on_page(struct core *core, int64_t now_ms, const struct core_page_request *request, const struct core_item *items, size_t items_len);
void core_on_senders(struct core *core, int64_t now_ms, const struct core_senders_request *request, const int64_t user_ids[], size_t len);
/* One call per row, then core_on_scan_done. */
void core_on_scan_behind(struct core *core, int64_t now_ms, uint64_t scan, int64_t device_id, struct slice conversation_name, int64_t acked_seq);
/* A mark of another user (or, read only, the device's own) that changed since the device was last live: told before caught_up. */
void core_on_scan_mark(struct core *core, int64_t now_ms, uint64_t scan, int64_t device_id, struct slice conversation_name,
                       struct slice user, int64_t delivered_seq, int64_t read_seq, bool is_group_counts, int64_t counts_seq,
                       int64_t delivered_count, int64_t read_count);
void core_on_scan_done(struct core *core, int64_t now_ms, uint64_t scan);
/* Once for each port.flush. */
void core_on_flushed(struct core *core, int64_t now_ms, uint64_t batch, enum status status);
/* The connection is lost: every answer under way will not come, what was under way may or may not have happened.
 * Until core_on_database_back nothing is asked. Then: pending messages go carefully, live devices are scanned again. */
void core_on_database_lost(struct core *core, int64_t now_ms);
void core_on_database_back(struct core *core, int64_t now_ms);

/* ---- turns ---- */
/* Send what has gathered; redeliver, flush, forget what is due. Returns when the next call is due at the latest (absolute, ms). */
int64_t core_turn(struct core *core, int64_t now_ms);
/* Flush every mark now: a barrier for questions asked in SQL, and for shutdown. Returns its number;
 * core_is_flushed_to(number) tells when everything that had moved by then is in the database. */
uint64_t core_flush_now(struct core *core, int64_t now_ms);
bool core_is_flushed_to(const struct core *core, uint64_t flush);
bool core_is_flushed(const struct core *core); /* no mark at all that is not in the database */
/* No message pending or under way (shutdown waits for it). */
bool core_is_idle(const struct core *core);
/* At its bound of what waits for the database: the owner stops feeding events until it is not. */
bool core_is_full(const struct core *core);

/* behind: a live device in a conversation of which it was not pushed everything counts one. */
struct core_stats { uint64_t conversations, sessions, pending_items, behind, outstanding, appended, duplicates, pushed, redelivered;
    uint64_t forgotten; /* conversations dropped for lack of room although something was unacknowledged; its devices get it when they have acknowledged something */ };
void core_stats(const struct core *core, struct core_stats *ret_stats);
/* Of a loaded conversation, for an operator; else empty. Borrowed until the next call. */
struct slice core_conversation_name(const struct core *core, int64_t conversation_id);

#endif
