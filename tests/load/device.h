#ifndef LOAD_DEVICE_H
#define LOAD_DEVICE_H
/*
 * One device: its connection's life, and its outbox. A message stays in the outbox until `sent` or a final error;
 * it is published again, same id, when that does not come and after every reconnect. At most `window` are under way.
 */
#include "bench.h"

enum device_state {
    DEVICE_OFF,
    DEVICE_WAITING,     /* to connect again, at due_ns */
    DEVICE_QUEUED,      /* in the connect queue */
    DEVICE_CONNECTING,  /* until CONNACK */
    DEVICE_SUBSCRIBING, /* until SUBACK */
    DEVICE_SYNCING,     /* until `synced` */
    DEVICE_LIVE,
};

enum entry_state { ENTRY_NEW, ENTRY_PUBLISHED, ENTRY_REFUSED, ENTRY_DONE };
struct entry {
    enum entry_state state;
    struct seat *seat;
    uint64_t intended_ns, at_ns; /* at: when published, or when to try a refused one again */
};
struct outbox {
    struct entry *ring;        /* size a power of two, index counter & (size - 1) */
    uint64_t head, next, tail; /* oldest kept, next to publish, next to be added; counters start at 1 */
    uint32_t size, under_way;
};

struct device {
    uint32_t index;
    enum device_state state;
    struct slice client_id, user, token;
    struct conn conn;
    struct bench *bench;
    uint64_t due_ns;
    unsigned failures, subscriptions; /* subscriptions: SUBACKs still to come */
    bool keep_session;                /* raw: a persistent session, so that the broker queues for it */
    bool never_acks, absent;          /* absent: registered, and not there */
    bool retrying;                    /* something in the outbox was refused for now */
    long window;
    struct outbox outbox;
    struct seat **seats;
    struct seat *next_seat; /* closed windows: which of its conversations is next */
    uint32_t seats_len, seats_size;
    /* acknowledgements to send */
    struct seat *ack_seats;
    uint32_t unacked;
    bool ack_queued;
    uint64_t ack_due_ns;  /* of the first unacknowledged item */
    uint64_t ack_wake_ns; /* in the queue of delayed ones; ascending there, so never changed meanwhile */
    struct device *ack_next;
};

/* Reads the TSV; raw: makes names instead. STATUS_...: a line on stderr said why. */
MUST_CHECK enum status devices_load(struct bench *bench, uint32_t raw_count);
void devices_free(struct bench *bench);
/* The next unused device; NULL: there are no more (said on stderr). */
struct device *device_take(struct bench *bench);

void device_connect(struct bench *bench, struct device *device);
void device_disconnect(struct bench *bench, struct device *device); /* on purpose; stays off */
void device_is_live(struct bench *bench, struct device *device);
void device_subscribed(struct bench *bench, struct device *device); /* the handshake is over, a replay follows */
void devices_connect_next(struct bench *bench);                     /* as many as may be under way */
void device_tick(struct bench *bench, struct device *device); /* resend, retry, ping, reconnect; about every 100 ms */

extern const struct loop_events DEVICE_EVENTS;

void outbox_add(struct bench *bench, struct seat *seat, uint64_t intended_ns);
/* NULL: not one of those waiting. */
struct entry *outbox_find(struct device *device, uint64_t counter);
/* Answered: leaves the outbox; makes room for the next. */
void outbox_finish(struct bench *bench, struct device *device, struct entry *entry);
void outbox_refuse(struct device *device, struct entry *entry, uint64_t retry_ns);
/* Publishes what the window has room for. */
void outbox_pump(struct bench *bench, struct device *device);
/* A new connection: everything not answered goes out again, in order. */
void outbox_start_over(struct bench *bench, struct device *device);
/* What was refused for now, or has waited for its answer for too long. */
void outbox_resend(struct bench *bench, struct device *device);
/* Forgets what was refused or never published: nobody holds it. */
void outbox_give_up(struct bench *bench, struct device *device);
void outbox_free(struct outbox *outbox);

#endif
