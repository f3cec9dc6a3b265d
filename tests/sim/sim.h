#ifndef GNATTER_SIM_H
#define GNATTER_SIM_H
/*
 * The delivery core under random schedules. One process, one seed, no I/O: models of the database (database.c), of the
 * broker with its journal and of the link (broker.c) and of devices that follow docs/protocol.md (device.c) surround
 * the real core. A schedule (schedule.c) takes random steps: sends, acks, crashes, losses, membership changes by SQL;
 * then everything recovers and comes to rest, and check.c compares what everybody holds with the truth.
 *
 * Every violated promise ends the schedule; the same seed takes the same steps again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../sync-service/core/core.h"

#define USERS_MAX         5
#define DEVICES_MAX       12
#define CONVERSATIONS_MAX 9
#define SEQ_MAX           400 /* a conversation is written to until it has 300 items */
#define INTERVALS_MAX     12
#define BLOCKS_MAX        6
#define LINES_MAX         3
#define MESSAGES_MAX      2048
#define SESSIONS_MAX      1024

/* ---- random numbers ---- */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t bound); /* 0 for 0 */
bool rng_one_in(struct rng *rng, uint32_t n);        /* never for 0 */

/* ---- the truth ---- */
enum event_type {
    EVENT_CREATED,
    EVENT_ADDED,
    EVENT_REMOVED,
    EVENT_RENAMED,
    EVENT_MESSAGE_DELETED,
    EVENT_DELETED,
    EVENT_REQUEST,
    EVENT_ACCEPTED
};

struct db_item {
    int64_t time_ms;
    bool is_chat; /* it was a message; is_erased: it replays as an event now */
    bool is_erased;
    enum event_type event;
    int user, device; /* sender, or -1 */
    int message;
};
struct db_member {
    bool is_known; /* has ever been in */
    int intervals_len;
    struct core_interval intervals[INTERVALS_MAX];
    int64_t delivered_seq, read_seq;
    struct core_block blocks[BLOCKS_MAX]; /* direct: of the other */
    int blocks_len;
    bool is_asked; /* it waits for her as a request */
};
struct db_conversation {
    char name[80];
    bool exists, is_group, is_deleted;
    bool is_never; /* its group or user does not exist */
    int users[2];  /* direct */
    int64_t last_seq, first_seq, version, last_time_ms;
    struct db_member members[USERS_MAX];
    struct db_item items[SEQ_MAX];
};

/* One asked question: run in order, answered in order. */
enum question_kind { ASK_LOAD, ASK_APPEND, ASK_PAGE, ASK_SENDERS, ASK_SCAN, ASK_FLUSH };
struct question;

/* ---- devices ---- */
enum message_state { MESSAGE_OPEN, MESSAGE_SENT, MESSAGE_REFUSED };
struct message_truth {
    int device, conversation;
    enum message_state state; /* as the device knows */
    bool is_in_outbox;        /* its device sends it again until it is answered */
    bool was_refused;         /* an error was told, once; sent again it may be accepted */
    bool is_poison;           /* the database cannot append it */
    bool may_be_refused;      /* something happened since that makes an error legitimate */
    int connection;           /* of its device, when it was first published */
    int64_t sent_seq, sent_time_ms;
    int64_t log_seq; /* 0: not in the log */
};

struct device_conversation {
    int64_t start_seq;           /* registered then: nothing at or below is due */
    int64_t last_taken_seq;      /* of chats and events */
    int64_t covered_seq;         /* told as truncated, or got by history */
    int64_t acked_seq, read_seq; /* published */
    bool owes_ack;
    bool taken[SEQ_MAX];
    int64_t known_delivered[USERS_MAX], known_read[USERS_MAX];
};

struct packet {
    struct packet *next;
    int qos;
    size_t tail_len, payload_len;
    char bytes[];
};

struct device {
    bool is_registered, ack_auto, keeps_outbox;
    int user;
    char name[8];
    uint32_t session;             /* 0: not connected */
    uint32_t taken_over;          /* the session before, whose end was not told yet */
    bool is_subscribed, is_ready; /* the broker knows; the service does */
    int64_t mute_until_ms;
    int connection;                    /* counts them */
    struct packet *in[2], **in_end[2]; /* by QoS: QoS 0 may overtake */
    struct device_conversation in_conversation[CONVERSATIONS_MAX];
    /* what the service was told of, and told: to judge it */
    uint64_t ready_number, caught_up_number;
    int64_t fed_ack[CONVERSATIONS_MAX];   /* the highest that was given to any core */
    int64_t held[CONVERSATIONS_MAX];      /* what it has said that it holds: lower after a rewind */
    int64_t core_held[CONVERSATIONS_MAX]; /* to this core: what comes of it after all is not outstanding */
    int64_t last_at_ready[CONVERSATIONS_MAX];
    bool told[CONVERSATIONS_MAX][SEQ_MAX];   /* in this session */
    bool is_out[CONVERSATIONS_MAX][SEQ_MAX]; /* delivered and not acknowledged, as far as the window goes */
    int out_len;
};

/* ---- broker, link and hub ---- */
enum record_kind { RECORD_CHAT, RECORD_ACK, RECORD_READ, RECORD_SYNC, RECORD_TYPING };
struct line {
    int conversation;
    int64_t seq;
};
struct record {
    enum record_kind kind;
    int device, message, lines_len;
    struct line lines[LINES_MAX];
    bool is_done; /* the service has said so on the link that lives */
};
enum up_kind { UP_READY_SESSION, UP_GONE_SESSION, UP_JOURNAL };
struct up {
    enum up_kind kind;
    uint32_t session;
    int device, record;
};
struct feed { /* a record given to the core: how often must done be called, how often was it */
    int record, expected, done, link;
};

struct plan { /* how likely what is in this schedule; 0: never */
    uint32_t send, resend, ack, read, sync, rewind, history, typing, connect, disconnect, admin, purge, erase,
        delete_group, block, request;
    uint32_t lose_database, crash_service, crash_broker, lose_link, read_only, failing, new_device, remove_device;
    uint32_t lose_tick, jump, slow_notify;
};

struct world {
    struct rng rng;
    bool is_verbose, is_resting;
    char violation[400];
    int64_t now_ms;
    struct plan plan;
    struct core_options options;
    struct core *core; /* NULL: the service is down */
    /* truth */
    int users_len, conversations_len, devices_len, messages_len;
    struct db_conversation *conversations;
    struct device *devices;
    struct message_truth messages[MESSAGES_MAX];
    bool hides_reads[USERS_MAX];
    int64_t cursors[DEVICES_MAX][CONVERSATIONS_MAX]; /* -1: no row */
    int64_t fed_read[USERS_MAX][CONVERSATIONS_MAX];  /* the highest read that was given to any core */
    int64_t core_read[USERS_MAX][CONVERSATIONS_MAX]; /* to the one that runs */
    /* database connection */
    bool is_database_up, is_read_only, is_failing;
    struct question *asked, **asked_end;       /* not run yet */
    struct question *answered, **answered_end; /* run, not told yet */
    int notified[64], notified_len;
    /* broker */
    bool is_broker_up, is_link_up;
    uint32_t last_session;
    int owners[SESSIONS_MAX]; /* the device of each session of this broker's life */
    int link;
    uint64_t last_ready;
    struct record *records;
    int records_len, records_size, tail, fed_to;
    struct up *up;
    int up_first, up_len, up_size;
    struct feed *feeds;
    int feeds_len, feeds_size, core_first_feed;
    struct delivery *down, **down_end;
    uint64_t seen_restarts; /* redelivered and forgotten, when the outstanding were counted last */
    /* a barrier: the marks that were given to the core when it was set */
    bool has_barrier;
    uint64_t barrier;
    int64_t barrier_read[USERS_MAX][CONVERSATIONS_MAX];
    /* what happened, for the summary */
    uint64_t steps, taken;
};

/* Says what is violated; the first one counts. */
void violate(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool is_violated(const struct world *world);

/* database.c */
bool db_is_visible(const struct db_conversation *conversation, int user, int64_t seq);
bool db_is_current(const struct db_conversation *conversation, int user);
int64_t db_last_visible(const struct db_conversation *conversation, int user, int64_t seq);
bool db_is_blocking(const struct db_conversation *conversation, int user);
bool db_is_in_block(const struct db_conversation *conversation, int user, int64_t seq);
bool db_is_withheld(const struct db_conversation *conversation, int user, int64_t seq); /* from this user */
bool db_is_quiet(const struct db_conversation *conversation);                           /* of marks */
void db_request(struct world *world, int conversation, int sender);
void db_accept(struct world *world, int conversation, int user);
int db_conversation_by_name(const struct world *world, struct slice name);
void db_create_group(struct world *world, int conversation, uint32_t members);
bool db_is_heard_of(const struct world *world);
void db_register_device(struct world *world, int device);
void admin_change(struct world *world);
void admin_purge(struct world *world);
void admin_erase(struct world *world);
void admin_delete_group(struct world *world);
void admin_block(struct world *world); /* or no more */
void admin_accept(struct world *world);
int message_named(struct slice id); /* "m17" */
void message_payload(int message, char buf[512], size_t *ret_len);

/* questions.c: the core's port to the database */
extern const struct core_port sim_port;
bool database_run(struct world *world);    /* one asked question; false: none */
bool database_answer(struct world *world); /* one answer, to the core */
bool database_notify(struct world *world);
void database_lose(struct world *world);
void database_drop_questions(struct world *world); /* run some of those asked, tell nothing */

bool has_sent(const struct db_conversation *conversation, int user, int64_t to_seq);

/* broker.c */
void port_deliver(void *ctx, const session_ref sessions[], size_t sessions_len, int qos, struct slice tail,
                  struct slice payload);
void port_done(void *ctx, struct core_token token);
void port_caught_up(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed);
void device_connect(struct world *world, int device);
bool device_connect_only(struct world *world, int device); /* false: it cannot */
void device_subscribe(struct world *world, int device);
void device_disconnect(struct world *world, int device);
void device_open(struct world *world, int device);
void broker_publish(struct world *world, struct record record);
bool link_up_step(struct world *world);   /* one thing from the broker to the service */
bool link_down_step(struct world *world); /* one delivery to a device */
void link_lose(struct world *world);
void link_restore(struct world *world);
void broker_crash(struct world *world);
void service_crash(struct world *world);
void service_start(struct world *world);
void world_free_queues(struct world *world);

/* device.c */
void device_send(struct world *world, int device);
void device_resend(struct world *world, int device);
void device_ack(struct world *world, int device, bool everything);
void device_read(struct world *world, int device);
void device_sync(struct world *world, int device);
void device_rewind(struct world *world, int device);
void device_history(struct world *world, int device);
void device_typing(struct world *world, int device);
bool device_take(struct world *world, int device); /* one packet */
void device_drop_packets(struct device *device);
struct core_device device_identity(const struct world *world, int device, char names[2][8]);

/* check.c */
int conversation_named(const struct world *world, int device, struct slice view); /* as its user names it; -1: none */
void check_flush(struct world *world, const struct core_mark_batch *batch);
void check_delivered(struct world *world, int device, int qos, struct slice tail, struct slice payload);
/* Handed over is acknowledged for a device with ack mode auto, though its session may be gone by now. */
void check_handed_over(struct world *world, int device, struct slice tail);
void forget_outstanding_of(struct device *device); /* its window starts over */
void forget_outstanding(struct world *world);
void check_caught_up(struct world *world, int device);
void check_done(struct world *world, int record); /* what the journal may forget is kept elsewhere */
void set_barrier(struct world *world);
void check_barrier(struct world *world);
void check_at_rest(struct world *world);

/* schedule.c: runs one; false: violated, see violation */
bool schedule_run(struct world *world, uint64_t seed, const struct core_options *base);

#endif
