#ifndef GNATTER_CORE_STATE_H
#define GNATTER_CORE_STATE_H
/*
 * What the core is made of, and which file moves it. Nothing here is seen outside sync-service/core/.
 *
 *   user          somebody who is live or a member of a loaded conversation           session.c
 *   session       a live device; while it is not at rest it has a flow                session.c, scan.c
 *   conversation  what the database knows of it, while somebody needs it              conversation.c
 *   member        a user in a conversation: when she was in, how far her marks are    member.c
 *   sub           a live device in a conversation: what was pushed, what it has       sub.c, push.c, feed.c
 *   message       a publish that waits for its seq                                    append.c
 *   mark          an acknowledgement that is not in the database yet                  mark.c, flush.c
 *   restraint     what is kept back in a direct conversation: blocks, requests        restraint.c
 *
 * A state is an enum and the list one is on: one function moves a thing from state to state (conversation_move,
 * session_move, sub_move). Memory that is not there is the end of the process: it holds nothing that the broker's journal
 * and the database do not hold.
 */
#include <stdnoreturn.h>
#include "core.h"

noreturn void core_no_memory(void);
#define uthash_fatal(why) core_no_memory()
#include <uthash.h>
#include <utlist.h>
#include "../../clients/protocol/table.h"

/* Two-way list links inside a struct, for utlist's ..2 macros. */
#define LINKS(type, name) struct type *name##_prev, *name##_next

struct user {
    struct table_link by_id;
    int64_t user_id;
    struct session *sessions;
    struct member *members;
    uint8_t name_len;
    char name[];
};

enum session_state {
    SESSION_NEW,       /* waits to be asked for in a scan */
    SESSION_SCANNING,  /* the database is asked what it is behind in */
    SESSION_REPLAYING, /* known; some of its subs have not reached their target */
    SESSION_LIVE,      /* caught up has been told */
};

/* Why a session is on one of the core's lists of work. */
enum session_work {
    SESSION_AT_REST,
    SESSION_FEEDABLE, /* may have hungry subs and room for them */
    SESSION_PACED,    /* was given all that a time slice allows; feedable again when it is over */
};

/* A conversation that the device shows: known also while it is not loaded. */
struct opened {
    struct opened *next;
    uint8_t name_len;
    char name[];
};

/* What a session is given and lacks. One at rest, which is live, in no loaded conversation and shows none, has none. */
struct flow {
    LINKS(session, state); /* the core's list of its state: unscanned or scanning */
    LINKS(session, work);
    struct sub *subs;
    struct sub *hungry; /* first in, first fed */
    struct opened *opened; /* the newest OPENED_MAX */
    uint64_t ready_number, scan, replayed;
    int64_t pace_from_ms; /* what went out since then without needing an acknowledgement */
    uint32_t pace_items, pace_bytes;
    uint32_t outstanding_items, outstanding_bytes;
    int64_t window_from_ms; /* since then it has acknowledged: */
    uint32_t window_acked;
    uint8_t window_shift; /* how often its window was doubled */
    uint32_t forgotten_items, forgotten_bytes; /* of these, what was forgotten with its conversation */
    uint32_t granted_items;
    uint32_t owed; /* subs below their target */
    bool owes_caught_up;
    bool has_forgotten; /* something it lacks or has not acknowledged: to be scanned again when it is done with the rest */
    bool has_answered;  /* and has acknowledged something since */
    bool is_blocked; /* something did not fit the window: first an acknowledgement */
};

/* There is one per connection and shard: nothing is in it that only a busy one needs. */
struct session {
    struct table_link by_device;
    session_ref ref;
    int64_t device_id;
    struct user *user;
    struct session *user_next;
    struct flow *flow;
    uint8_t state, work;
    bool ack_auto;
};

struct member {
    struct conversation *conversation;
    struct user *user;
    LINKS(member, user);
    struct sub *subs;
    struct core_interval *intervals; /* ascending */
    uint32_t intervals_len;
    bool is_moved; /* its marks moved and were not told yet: on conversation->moved */
    bool hides_reads;
    struct member *moved_next;
    int64_t delivered_seq, read_seq;
    int64_t told_delivered_seq, told_read_seq;
    int64_t reader_device_id; /* which device moved read_seq; it is not told */
};

enum sub_state {
    SUB_SCANNING, /* its scan or its conversation's load is under way: nothing is pushed */
    SUB_LIVE,     /* was pushed everything there is; the next item goes out directly */
    SUB_HUNGRY,   /* behind: in its session's queue for a grant */
    SUB_FED,      /* behind, with a grant: on its conversation's list, which pages are read for */
    SUB_PARKED,   /* behind, and it did not acknowledge what was sent repeatedly: waits for an ack or its time */
};

/* One entry of what a sub was pushed and has not acknowledged; a run of its own messages is one entry. */
struct outstanding {
    int64_t seq; /* the last of the run */
    uint32_t bytes;
    bool is_own;
};

struct sub {
    struct session *session;
    struct conversation *conversation;
    struct member *member; /* NULL until the conversation is loaded */
    LINKS(sub, session);
    LINKS(sub, conversation);
    LINKS(sub, state); /* session->hungry or conversation->fed */
    LINKS(sub, due);   /* core->due[attempts] */
    struct sub *member_next;
    /* acked <= pushed; equal exactly when nothing is outstanding */
    int64_t acked_seq, pushed_seq;
    int64_t target_seq; /* while is_owed */
    int64_t due_ms;     /* when what is outstanding goes again */
    struct outstanding *ring;
    uint16_t ring_first, ring_len, ring_size;
    uint16_t grant;
    uint8_t state, attempts;
    bool is_assumed; /* taken to hold everything until the scan says otherwise */
    bool is_owed;    /* counted in session->owed */
    bool is_due;     /* on core->due */
    bool is_open;    /* the device shows it */
};

struct message {
    struct message *next;
    struct core_token token;
    int64_t user_id, device_id;
    uint32_t payload_len;
    bool is_careful, is_alone; /* how it must be asked for */
    uint8_t user_len, device_len, id_len;
    char bytes[]; /* user, device, id, payload */
};

struct token_list {
    struct core_token *at;
    size_t len, size;
};

/* A device's marks that wait for their conversation's load, or for the answer to an append where they are above its last
 * seq. The cursor is first set to rewind_seq, then raised. */
struct waiting_mark {
    struct waiting_mark *next;
    LINKS(waiting_mark, rewind); /* core->rewinds, where it has one: its device is not caught up before */
    struct conversation *conversation;
    int64_t device_id, user_id;
    int64_t rewind_seq; /* -1: none */
    int64_t ack_seq;
    int64_t delivered_seq, read_seq;
};

enum conversation_state {
    CONVERSATION_UNKNOWN,   /* to be loaded */
    CONVERSATION_LOADING,   /* its first load is under way */
    CONVERSATION_LOADED,    /* usable */
    CONVERSATION_STALE,     /* changed: to be loaded again; what it knows is true up to last_seq; no appends */
    CONVERSATION_RELOADING, /* that load is under way */
};

enum conversation_work {
    CONVERSATION_AT_REST,
    CONVERSATION_TO_LOAD, /* state UNKNOWN or STALE */
    CONVERSATION_TO_SEND, /* state LOADED, something pending, nothing in flight */
};

/* The senders of the last messages: entry i is that of seq first_seq + i. */
struct senders {
    int64_t *user_ids; /* a ring; 0: an event */
    int64_t first_seq, end_seq;
    uint16_t size;
};

/* A mark that is to be told to the senders of what lies in (after, to]; the database is asked who they are. */
struct senders_wanted {
    struct senders_wanted *next;
    int64_t user_id; /* whose mark */
    int64_t after_seq, to_seq;
    bool is_read;
};

struct seq_range { int64_t after_seq, to_seq; }; /* to 0: none */

struct conversation {
    int64_t conversation_id, last_seq, first_seq, membership_version;
    struct member **members; /* by user_id */
    uint32_t members_len, current_len;
    uint32_t flight_len; /* the first of `pending` that are in an append under way */
    struct sub *subs, *fed;
    struct message *pending, *pending_last;
    struct waiting_mark *waiting_marks;
    struct token_list waiting_tokens;
    struct member *moved;
    struct senders senders;
    struct senders_wanted *senders_wanted; /* the first is being asked for */
    struct seq_range count_delivered, count_read; /* what marks cover newly: counts are to be told to its senders */
    int64_t receipts_due_ms;               /* counts are not told before */
    struct restraint *restraint; /* NULL: nothing is kept back, as nearly everywhere; restraint.c */
    int64_t hole_seq;        /* a page lacked this seq; when it does so again after a reload, the log is damaged */
    LINKS(conversation, lru);
    LINKS(conversation, work);
    LINKS(conversation, page); /* core->to_page */
    LINKS(conversation, tell); /* core->to_tell: its marks moved */
    LINKS(conversation, count); /* core->counted: counts were told less than a second ago */
    uint8_t state, work, name_len;
    bool is_group, is_deleted;
    bool creates;       /* a message waits: a direct conversation that is new is to be made */
    bool asked_creates; /* the load under way will */
    bool load_again;    /* changed while being loaded */
    bool is_to_page, is_paging;
    bool is_to_tell, is_counted;
    bool is_asking_senders;
    UT_hash_handle hh, hh_id;
    char name[];
};

struct batch_group {
    struct conversation *conversation;
    uint32_t len;
};
struct batch {
    LINKS(batch, under_way);
    uint64_t number;
    size_t groups_len, items_len;
    struct batch_group groups[];
};

enum mark_kind { MARK_CURSOR, MARK_MEMBER };
struct mark_key {
    int64_t owner_id; /* a device's or a user's */
    int64_t conversation_id;
    int64_t kind;
};
/* A mark that moved and is not in the database yet. */
struct mark {
    struct mark_key key;
    int64_t acked_seq;               /* CURSOR */
    int64_t delivered_seq, read_seq; /* MEMBER */
    bool is_set;                     /* CURSOR: becomes acked_seq even where that is less */
    bool has_failed;                 /* it was in a flush that failed */
    UT_hash_handle hh;
};

#define REDELIVERY_LEVELS 8 /* 5 s doubling to 60 s needs five */
#define PACE_SLICE_MS 250
#define WINDOW_ITEMS_MAX 8192 /* a sub's ring and grant count in 16 bits */
#define WINDOW_FAST_MS 100    /* who acknowledges a window in this time may have twice as much outstanding */
#define WINDOW_SLOW_MS 400    /* ... and half as much who takes longer than this */
#define PAGES_MAX 64          /* under way at once, */
#define PAGES_ITEMS_MAX 1024  /* or no further one with so many items: an append waits behind them */
#define PAGES_FEW 2           /* with so many under way further ones wait for each other: */
#define PAGES_WORTH 16        /* so many are worth a question of their own, */
#define PAGES_WORTH_ITEMS 128 /* or so many items */
#define OPENED_MAX 16         /* conversations that a device shows, remembered without their subs */
#define LOADS_MAX 512         /* names under way at once */
#define SCAN_DEVICES_MAX 256  /* per scan */
#define SCANS_MAX 1           /* under way at once: who comes meanwhile is asked for together */
#define ITEM_OVERHEAD_BYTES 128 /* topic and packet, roughly: what an item counts besides its payload */
#define RECEIPTS_EVERY_MS 1000

struct gathered {
    session_ref *refs;
    size_t len, size;
};

struct core {
    struct core_options options;
    struct core_port port;
    bool is_away; /* no database */
    /* tables */
    struct table users, sessions;
    struct conversation *conversations, *conversations_by_id;
    struct conversation *lru; /* most recently used first */
    /* work for the next turn */
    struct conversation *to_load, *to_send, *to_page, *to_tell, *counted;
    struct session *unscanned, *scanning, *feedable, *paced;
    struct sub *due[REDELIVERY_LEVELS];
    /* under way */
    uint64_t pending_bytes; /* payloads of all pending messages */
    struct batch *batches;
    uint32_t batches_len, pages_len, loads_len, scans_len;
    uint64_t flight_items; /* in these batches */
    uint64_t pages_items;  /* asked for with these pages */
    uint64_t last_batch, last_scan, last_flush;
    /* marks */
    struct mark *dirty, *flight;
    struct mark *flight_rest;   /* where the asking for the flight goes on, in its marks of ... */
    enum mark_kind flight_kind; /* ... this kind */
    uint32_t flight_left;       /* marks of it that were not asked for yet */
    struct token_list dirty_tokens, flight_tokens;
    int64_t scan_due_ms; /* the next one not before */
    int64_t flush_due_ms;
    uint64_t flushed;    /* the last flush that was committed */
    uint64_t late_flush; /* the first that holds what has waited for a load or an append */
    bool is_flush_wanted;
    uint32_t waiting_marks;
    size_t waiting_tokens; /* of all conversations */
    struct waiting_mark *rewinds;
    /* scratch */
    struct gathered gathered[2], withheld; /* by view; to those who get `withheld` in its place */
    char tail[LIMIT_INBOX_TOPIC_LEN + 1];
    struct core_append_item *items; /* these three: append_items_max */
    struct core_append_group *groups;
    struct batch_group *picked;
    struct core_stats stats;
};

/* core.c */
void *core_alloc(size_t bytes); /* zeroed; never NULL */
void *core_grow(void *at, size_t count, size_t size_each); /* never NULL */
void token_list_add(struct token_list *list, struct core_token token);
void token_list_move(struct token_list *to, struct token_list *from);
void token_list_done(struct core *core, struct token_list *list); /* tells each done, empties it */

/* session.c */
struct user *user_get(struct core *core, int64_t user_id, struct slice name); /* makes it */
struct user *user_find(const struct core *core, int64_t user_id);
void user_put(struct core *core, struct user *user); /* forgets it when nobody needs it */
struct slice user_name(const struct user *user);
struct session *session_find(const struct core *core, int64_t device_id);
/* One after the other, as table_first and table_next. */
struct session *session_first(const struct core *core, struct table_walk *walk);
struct session *session_next(struct table_walk *walk);
struct flow *session_flow(struct session *session); /* makes it */
void session_rest(struct session *session); /* if it is at rest its flow goes */
/* Whether the device shows this conversation; it is remembered for the subs to come. */
void session_open(struct session *session, struct slice name, bool is_open);
bool session_has_open(const struct session *session, struct slice name);
void session_move(struct core *core, struct session *session, enum session_state state);
void session_work_set(struct core *core, struct session *session, enum session_work work);
void session_wake(struct core *core, struct session *session); /* feedable, if there is a reason to be */
void session_forgive(struct session *session); /* nothing is forgotten any more */
void session_scan_again(struct core *core, struct session *session);
void session_free(struct core *core, struct session *session);

/* conversation.c: the table, loading */
struct conversation *conversation_find(const struct core *core, struct slice name);
struct conversation *conversation_find_id(const struct core *core, int64_t conversation_id);
/* Finds it or makes it, on its way to be loaded. */
struct conversation *conversation_want(struct core *core, struct slice name);
void conversation_create(struct conversation *conversation); /* its next load may make it: a message waits */
bool conversation_is_known(const struct conversation *conversation);
void conversation_move(struct core *core, struct conversation *conversation, enum conversation_state state);
void conversation_work_set(struct core *core, struct conversation *conversation, enum conversation_work work);
void conversation_touch(struct core *core, struct conversation *conversation);
void conversation_reload(struct core *core, struct conversation *conversation); /* it is not what we know of it */
struct slice conversation_name_of(const struct conversation *conversation);
/* How this user names it; borrowed from a buffer of the caller's. */
struct slice conversation_view_of(const struct conversation *conversation, struct slice user,
                                  char buf[LIMIT_CONVERSATION_LEN + 1]);
void conversations_load(struct core *core);
void conversations_evict(struct core *core);
size_t conversations_unknown(const struct core *core); /* those that wait for their first load */
bool conversations_are_crowded(const struct core *core); /* far above the bound: no more replays are begun */
void conversation_unload(struct core *core, struct conversation *conversation); /* forgets what the database told */
void conversation_free(struct core *core, struct conversation *conversation);

/* member.c */
struct member *member_find(const struct conversation *conversation, int64_t user_id);
bool member_is_current(const struct member *member);
int64_t member_next_visible(const struct member *member, int64_t seq); /* above seq; INT64_MAX: none */
int64_t member_last_visible(const struct member *member, int64_t seq); /* at or below seq; 0: none */
void members_merge(struct core *core, struct conversation *conversation, const struct core_conversation *loaded);
void member_free(struct core *core, struct member *member); /* not from the conversation's array */

/* append.c */
void message_fail_all(struct core *core, struct conversation *conversation, const char *code);
void messages_retry(struct conversation *conversation); /* what was in flight: carefully again */
void append_turn(struct core *core);
void conversation_sendable(struct core *core, struct conversation *conversation); /* queues it if it has what to send */
void batches_forget(struct core *core);

/* push.c */
void push_new(struct core *core, struct conversation *conversation, const struct core_item *item, int64_t now_ms);
/* The single tick: to the device that sent it, if it is live. */
void push_sent(struct core *core, struct conversation *conversation, int qos, const struct core_item *item);
/* The item goes to this sub, with all others that are gathered until push_gathered. */
void push_gather(struct core *core, struct sub *sub, const struct core_item *item, int64_t now_ms);
void push_gathered(struct core *core, struct conversation *conversation, const struct core_item *item);
void gathered_add(struct gathered *gathered, session_ref ref);
uint32_t item_bytes(const struct core_item *item);
void deliver(struct core *core, const session_ref refs[], size_t refs_len, int qos, const struct inbox *inbox,
             struct slice payload);
/* QoS 0 to all live devices of this user but one (0: none); fills in the conversation as the user names it. */
void deliver_user(struct core *core, const struct conversation *conversation, const struct user *user,
                  int64_t but_device_id, struct inbox *inbox, struct slice payload);
bool item_is_own(const struct sub *sub, const struct core_item *item);

/* sub.c */
struct sub *sub_new(struct session *session, struct conversation *conversation, struct member *member,
                    int64_t acked_seq);
/* One without a member, unless there is one: it gets its member and its cursor when the conversation is loaded. */
void sub_wait_for_load(struct session *session, struct conversation *conversation);
struct sub *sub_find(const struct member *member, const struct session *session);
void sub_free(struct core *core, struct sub *sub);
void sub_attach(struct sub *sub, struct member *member);
void sub_move(struct core *core, struct sub *sub, enum sub_state state);
/* How many more items it may be sent before it acknowledges: less from each redelivery to the next. */
uint32_t sub_room(const struct core *core, const struct sub *sub);
/* Where it stands now: live or behind; and whether its session has what it was owed. Not while it is scanning. */
void sub_settle(struct core *core, struct sub *sub);
void sub_pushed(struct core *core, struct sub *sub, int64_t seq, uint32_t bytes, int64_t now_ms);
void sub_pushed_own(struct core *core, struct sub *sub, int64_t seq, int64_t now_ms);
void sub_ack(struct core *core, struct sub *sub, int64_t seq, int64_t now_ms);
void sub_reset(struct core *core, struct sub *sub, int64_t acked_seq); /* as if nothing above had been pushed */
void subs_redeliver(struct core *core, int64_t now_ms);

/* feed.c */
/* Whether one more item may go now: it fits the window or, where nothing will be acknowledged, the pace. */
bool session_may_take(const struct core *core, struct session *session, bool is_acked, uint32_t bytes, int64_t now_ms);
void session_pace(struct session *session, uint32_t bytes);
void window_acked(const struct core *core, struct session *session, uint32_t items, int64_t now_ms);
void page_want(struct core *core, struct conversation *conversation); /* if it has subs to feed */
void feed_turn(struct core *core, int64_t now_ms);

/* scan.c */
void scan_turn(struct core *core, int64_t now_ms);
struct session *session_scanned(const struct core *core, uint64_t scan, int64_t device_id); /* is in this scan */
void session_check_caught_up(struct core *core, struct session *session);

/* mark.c */
void marks_apply_waiting(struct core *core, struct conversation *conversation, int64_t now_ms);
void marks_drop_waiting(struct core *core, struct conversation *conversation);
void rewinds_wait(struct core *core, struct session *session); /* for those of this device that wait for a load */
/* The user holds everything up to seq, as far as it is hers, on at least one device. */
void member_deliver_to(struct core *core, struct member *member, int64_t seq, int64_t now_ms);

/* flush.c: the marks that are not in the database yet */
int64_t mark_cursor_merge(const struct core *core, int64_t device_id, int64_t conversation_id, int64_t acked_seq);
bool mark_cursor_is_set(const struct core *core, int64_t device_id, int64_t conversation_id); /* a rewind is not flushed */
void mark_member_merge(const struct core *core, int64_t user_id, int64_t conversation_id, int64_t *delivered_seq,
                       int64_t *read_seq);
void mark_cursor(struct core *core, int64_t device_id, int64_t conversation_id, int64_t acked_seq, bool is_set,
                 int64_t now_ms);
void mark_member(struct core *core, const struct member *member, int64_t now_ms);
void mark_wait(struct core *core, struct core_token token); /* done when everything that is dirty now is flushed */
bool flush_is_behind(const struct core *core);              /* a flush under way, and more to come */
void flush_begin(struct core *core); /* all that has moved begins to go, if nothing is under way */
void flush_turn(struct core *core, int64_t now_ms);
void flush_lost(struct core *core, int64_t now_ms);
void marks_forget_device(struct core *core, int64_t device_id);
void marks_free(struct core *core);

/* receipt.c */
void senders_add(struct conversation *conversation, int64_t seq, int64_t user_id);
void receipt_moved(struct core *core, struct member *member);
void receipts_turn(struct core *core, int64_t now_ms);
void receipts_forget(struct core *core, struct conversation *conversation);
int64_t receipts_due(const struct core *core);

#endif
