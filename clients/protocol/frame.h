#ifndef GNATTER_FRAME_H
#define GNATTER_FRAME_H
/*
 * Frames between the broker's plugin and the sync service: what has gathered, as one unit. Each frame is the payload of
 * one MQTT publish: up (plugin to service) on FRAME_TOPIC_UP, targeted at the service's client; down on FRAME_TOPIC_DOWN.
 *
 *   frame  = u8 version (1), u8 direction ('U' or 'D'), u16 zero, u32 ops, u64 boot, u64 number, ops
 *   op     = u8 type, u8 flags, u16 zero, u32 body bytes, body
 *
 * Integers little-endian. `boot` names the sender's process life, `number` counts its frames on this link from 1
 * without gaps: a receiver that sees a gap or another boot drops the link and starts over with HELLO.
 * Strings are u16 length + bytes, no NUL. Decoding checks every length and that no byte is left over. Times are Unix time,
 * in milliseconds (_ms) or seconds (_s).
 *
 * Pure: no I/O, no clock; the writer appends into the caller's buffer, the reader borrows from the frame.
 */
#include "status.h"
#include "topic.h"

#define FRAME_TOPIC_UP "gnatter/v1/up"
#define FRAME_TOPIC_DOWN "$CONTROL/gnatter/v1"
/* A service link subscribes to this. What a device published is turned into it once it is taken, nothing is ever delivered
 * on it, and a publish with no subscriber at all would be answered 0x10 instead of 0 to an MQTT 5 device. */
#define FRAME_TOPIC_TAKEN "$q"
#define FRAME_SERVICE_USER "$gnatter" /* MQTT user name of a service link; password: the hex of the link secret */
#define FRAME_HEADER_BYTES 24
#define FRAME_OP_HEADER_BYTES 8
#define FRAME_VERSION 1

enum frame_op_type {
    /* up: plugin -> service */
    UP_WELCOME = 1,  /* answer to HELLO: the start of a link's life. What follows: all sessions, SESSIONS_END, every
                        journal record from the tail on, then live. */
    UP_CONNECTED,    /* a device's connection is authenticated */
    UP_READY,        /* it is subscribed to its inbox (again: replay again) */
    UP_UNREADY,      /* it unsubscribed its last inbox filter; still connected */
    UP_GONE,         /* the connection ended */
    UP_SESSIONS_END, /* the list of sessions is complete: every other session the service knew on this link is gone */
    UP_RECORD,       /* one journal record */
    UP_WATCH,        /* presence/<user> subscribed */
    UP_UNWATCH,
    UP_COUNTERS, /* what the plugin counted since the broker's start, at most once a second (counters.h) */
    /* down: service -> plugin */
    DOWN_HELLO = 65, /* first on every link; the plugin forgets an older service connection */
    DOWN_DELIVER,    /* publish below the inbox of these sessions */
    DOWN_PRESENCE,   /* publish presence/<user> to these sessions */
    DOWN_KICK,       /* end this session */
    DOWN_REVOKE,     /* tokens of a device, or of all of a user's, issued before a time are void from now on */
    DOWN_REVOKED_BEGIN, /* the whole revocation list follows as REVOKE ... REVOKED_END and replaces the plugin's */
    DOWN_REVOKED_END,
    DOWN_ACK,        /* frames up to `frame_number` were taken; journal records up to `position` are done */
};

enum gone_reason { GONE_CLOSED = 0, GONE_TAKEN_OVER, GONE_EXPIRED, GONE_REVOKED, GONE_KICKED, GONE_OVERLOADED };

#define DELIVER_SAME_PAYLOAD 0x01 /* flags: the payload is that of the previous DELIVER op in this frame; none follows */

/* One op, decoded or to be encoded; `type` says which member counts. A session number is the plugin's, unique while the
 * broker process lives; 0 is never one. */
struct frame_op {
    enum frame_op_type type;
    union {
        struct { uint64_t journal_tail, journal_head; struct slice node; } welcome; /* next position to be done / written */
        struct { uint32_t session; uint8_t mqtt_version; /* 3, 4, 5 */ int64_t at_ms; int64_t expires_at_s; struct slice client_id; } connected;
        struct { uint32_t session; } ready, unready, kick;
        struct { uint32_t session; uint8_t reason; } gone;
        struct { uint64_t position; int64_t at_ms; uint32_t session; struct slice client_id; struct slice topic; struct slice payload;
                 struct slice correlation; /* v5 Correlation Data of an rpc, else empty */ } record;
        struct { uint32_t session; struct slice user; } watch; /* WATCH and UNWATCH */
        struct { struct slice values; /* u64 little-endian each; frame_counter() reads one */ } counters;
        struct { struct slice service; } hello;
        struct { uint8_t flags; uint8_t qos; struct slice tail; /* below inbox/<user>/; PRESENCE: the user */
                 struct slice payload; struct slice correlation;
                 const unsigned char *sessions; /* sessions_len times u32 little-endian; frame_session() reads one */
                 uint32_t sessions_len; } deliver; /* DELIVER and PRESENCE */
        struct { struct slice name; /* "<user>" or "<user>:<device>" */ int64_t valid_after_s; uint8_t kick; } revoke;
        struct { uint64_t frame_number, position; } ack; /* position: every record below it is done */
    };
};

struct frame_header {
    char direction; /* 'U' or 'D' */
    uint32_t ops;
    uint64_t boot, number;
};

/* Writer: a frame grows in `buf` (the caller's, size fixed). */
struct frame_writer {
    unsigned char *buf;
    size_t size, len;
    uint32_t ops;
    bool has_payload; /* a DELIVER is in it, so that DELIVER_SAME_PAYLOAD means something */
};
void frame_begin(struct frame_writer *writer, unsigned char *buf, size_t size);
/* STATUS_FULL: this op does not fit any more; the frame is unchanged: finish it and start another. STATUS_TOO_LARGE: it
 * would not fit an empty frame of this size either, or a string is longer than 65,535 bytes. STATUS_MALFORMED:
 * DELIVER_SAME_PAYLOAD without a DELIVER before it in this frame. */
MUST_CHECK enum status frame_put(struct frame_writer *writer, const struct frame_op *op);
/* Fills in the header; returns the frame's length. An empty frame (no op) is legal. */
size_t frame_finish(struct frame_writer *writer, char direction, uint64_t boot, uint64_t number);
/* How many bytes frame_put would add. */
size_t frame_op_bytes(const struct frame_op *op);

/* Reader. frame_open checks the header; frame_next gives the ops in order, STATUS_NOT_FOUND after the last (and then it
 * has checked that no byte is left), STATUS_MALFORMED on anything else. */
struct frame_reader {
    const unsigned char *at, *end;
    struct frame_header header;
    uint32_t ops_left;
    bool has_payload;
    struct slice payload; /* of the last DELIVER; an op with DELIVER_SAME_PAYLOAD is given with it filled in */
};
MUST_CHECK enum status frame_open(struct frame_reader *reader, const void *frame, size_t frame_len);
MUST_CHECK enum status frame_next(struct frame_reader *reader, struct frame_op *ret_op);
uint32_t frame_session(const struct frame_op *op, uint32_t index);
/* 0 where the op tells fewer. */
uint64_t frame_counter(const struct frame_op *op, uint32_t index);
void frame_counter_put(char *values, uint32_t index, uint64_t value);
void frame_session_put(unsigned char *sessions, uint32_t index, uint32_t session);

#endif
