#ifndef GNATTER_TOPIC_H
#define GNATTER_TOPIC_H
/*
 * The grammar of topics and names (docs/protocol.md): one spelling for each thing, so that parsing is the access check.
 * Pure: no I/O, no allocation, no clock, no globals; every function is thread-safe. Slices borrow from the input.
 * Invariant, fuzzed: format(parse(x)) == x for every x that parses.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "limits.h"
#include "status.h"

struct slice {
    const char *at;
    size_t len;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *text);            /* borrows */
bool slice_equal(struct slice a, struct slice b);

bool name_is_user(struct slice name);
bool name_is_device(struct slice name);
bool name_is_group(struct slice name);
bool name_is_message_id(struct slice name);
/* Decimal without leading zero or sign, 1..LIMIT_SEQ; `zero_too` also takes "0". */
MUST_CHECK enum status seq_parse(struct slice text, bool zero_too, int64_t *ret_seq);
/* "<user>:<device>" */
MUST_CHECK enum status client_id_parse(struct slice client_id, struct slice *ret_user, struct slice *ret_device);

/* A conversation as a device names it: u/<user> or g/<group>. */
enum conversation_kind { CONVERSATION_DIRECT, CONVERSATION_GROUP };
struct conversation_ref {
    enum conversation_kind kind;
    struct slice name; /* the other user, or the group */
};
MUST_CHECK enum status conversation_ref_parse(struct slice text, struct conversation_ref *ret_ref);

/*
 * A conversation as the server names it, the same for everybody: g/<group>, or d/<user>/<user> with the two in
 * byte order. NUL-terminated in the caller's buffer.
 */
struct conversation_name {
    size_t len;
    char text[LIMIT_CONVERSATION_LEN + 1];
};
/* The names must be of their form, as those that were parsed are; `self` is the user who says it. */
void conversation_name_make(struct conversation_ref ref, struct slice self, struct conversation_name *ret_name);
/* Only the one spelling: members in order, no third part. */
MUST_CHECK enum status conversation_name_parse(struct slice text, enum conversation_kind *ret_kind, struct slice *ret_a,
                                               struct slice *ret_b); /* group: a = group, b empty */
/* How `self` names that conversation: "u/bob" or "g/kitchen" into `buf`, NUL-terminated. Returns the length, 0 when
 * `self` is not one of a direct conversation's two or the buffer is too small. */
size_t conversation_view(struct slice conversation_name, struct slice self, char *buf, size_t buf_size);
/* Which of 65,536 routes a conversation belongs to: the first two bytes, big-endian, of SHA-256 of its server name; the
 * schema computes the same. A shard owns the routes with route % shards == its index. */
uint16_t conversation_route(struct slice conversation_name);

/* What a device publishes. */
enum topic_kind {
    TOPIC_CHAT,      /* chat/<conversation>/<message id> */
    TOPIC_ACK,       /* ack/<conversation>/<seq> */
    TOPIC_READ,      /* read/<conversation>/<seq> */
    TOPIC_ACK_LIST,  /* ack */
    TOPIC_READ_LIST, /* read */
    TOPIC_TYPING,    /* typing/<conversation> */
    TOPIC_SYNC,      /* sync */
    TOPIC_RPC,       /* rpc/<method>/<request id> */
};
struct topic {
    enum topic_kind kind;
    struct conversation_ref conversation; /* CHAT, ACK, READ, TYPING */
    struct slice id;                      /* CHAT: message id; RPC: request id */
    int64_t seq;                          /* ACK, READ */
    struct slice method;                  /* RPC: [a-z][a-z0-9.-]{0,31} */
};
MUST_CHECK enum status topic_parse(struct slice text, struct topic *ret_topic);
/* Writes NUL-terminated; returns the length, or 0 when it does not fit. */
size_t topic_format(const struct topic *topic, char *buf, size_t buf_size);

/* What a device may subscribe to. */
enum filter_kind {
    FILTER_INBOX,    /* inbox/<own user>/#, or a narrower filter below inbox/<own user>/ */
    FILTER_PRESENCE, /* presence/<user>, without wildcards */
};
/* STATUS_DENIED for well-formed filters outside these, STATUS_MALFORMED for what MQTT itself does not allow. */
MUST_CHECK enum status filter_parse(struct slice filter, struct slice self, enum filter_kind *ret_kind,
                                    struct slice *ret_watched);

/*
 * What the server publishes below inbox/<user>/ ("tail"). One struct for all; `kind` says which fields count.
 * `conversation` is as the receiver names it ("u/bob").
 */
enum inbox_kind {
    INBOX_CHAT,      /* chat/<conversation>/<seq>/<time>/<user>:<device>/<message id> */
    INBOX_EVENT,     /* event/<conversation>/<seq>/<time>/<actor>/<type>   actor: a user or "-" */
    INBOX_SENT,      /* sent/<conversation>/<seq>/<time>/<message id> */
    INBOX_DELIVERED, /* delivered/<conversation>/<seq>/<user> */
    INBOX_READ,      /* read/<conversation>/<seq>/<user> */
    INBOX_RECEIPTS,  /* receipts/<conversation>/<seq> */
    INBOX_TYPING,    /* typing/<conversation>/<user>:<device> */
    INBOX_ERROR,     /* error/<conversation>/<message id>/<code>, or error/-/-/<code> */
    INBOX_RPC,       /* rpc/<request id> */
    INBOX_HISTORY_CHAT,  /* history/chat/... */
    INBOX_HISTORY_EVENT, /* history/event/... */
    INBOX_SYNCED,    /* synced */
    INBOX_FLAGS,     /* flags/<conversation> */
};
struct inbox {
    enum inbox_kind kind;
    struct slice conversation; /* empty in RPC and SYNCED; "-" allowed in ERROR only, and then id is "-" too */
    int64_t seq;
    int64_t time_ms;     /* Unix time */
    struct slice user;   /* CHAT, TYPING: sender; EVENT: actor; DELIVERED, READ: whose mark */
    struct slice device; /* CHAT, TYPING */
    struct slice id;     /* CHAT, SENT, ERROR: message id; RPC: request id */
    struct slice word;   /* EVENT: type; ERROR: code */
};
MUST_CHECK enum status inbox_parse(struct slice tail, struct inbox *ret_inbox);
size_t inbox_format(const struct inbox *inbox, char *buf, size_t buf_size); /* as topic_format */

/* The lines of a bulk ack, read or sync: "<conversation> <seq>\n", the last newline optional, no blank lines, no CR.
 * Set `*at` to the payload first. Returns STATUS_OK with one line and moves on, STATUS_NOT_FOUND at the end,
 * STATUS_MALFORMED. Seq 0 only where `zero_too` (sync). The caller counts lines against LIMIT_LIST_LINES. */
MUST_CHECK enum status list_next(struct slice *at, bool zero_too, struct conversation_ref *ret_ref, int64_t *ret_seq);

#endif
