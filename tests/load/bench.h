#ifndef LOAD_BENCH_H
#define LOAD_BENCH_H
/*
 * What a run is made of. Devices talk in conversations ("talks"); a device's place in a talk is a seat; a load makes
 * some seats send. One thread, so nothing here is locked. The same scenario runs in one of two dialects: the device
 * protocol (durable.c), or plain topics against a stock broker (raw.c), where PUBACK stands for `sent`.
 */
#include "histogram.h"
#include "loop.h"
#include "options.h"

struct bench;
struct device;
struct talk;

/* The start of every payload; what it lacks to --payload is padding. */
struct stamp {
    uint32_t magic, run; /* run: of another one's leftovers only order is checked */
    uint32_t talk, sender;
    uint64_t counter; /* the sender's, over all its talks, from 1 */
    uint64_t intended_ns;
};
#define STAMP_MAGIC 0x31444c47u

enum violation {
    VIOLATION_LOST,       /* answered with `sent`, and a member never got it */
    VIOLATION_GAP,        /* the seqs a device has seen of a conversation do not run without gaps */
    VIOLATION_DISORDER,   /* a sender's later message has the lower seq; raw: came first */
    VIOLATION_NOT_SENT,   /* no `sent`, no `error` until the end */
    VIOLATION_NOT_MARKED, /* everything acknowledged, and the sender has no `delivered` for it */
    VIOLATION_STRANGE,    /* a topic or payload that is not of the protocol, or not for this device */
    VIOLATION_KINDS
};

/* What happened in the measured window: counts by the time of the event, latencies by the intended send time. */
struct stats {
    uint64_t published, sent, taken, marked, refused;
    struct histogram to_sent, to_delivery, to_marked; /* to_marked: `delivered` is back at the sender */
    struct histogram accepted, advised; /* from the publish that was not refused to its `sent`; retry_after_ms */
};

struct load {
    const char *name;
    struct seat **seats; /* who sends, in turns */
    size_t seats_len, next_seat;
    double rate; /* messages/s of all, 0: each device keeps `window` under way */
    long window;
    bool active, lossy; /* lossy: raw broker queues overflow by intent, nothing is lost in the sense of a promise */
    uint64_t started_ns, scheduled;
    uint64_t quota; /* messages to send before it ends by itself */
    struct stats stats;
};

struct waiting {
    int64_t seq;
    uint64_t intended_ns;
};

struct seat {
    struct device *device;
    struct talk *talk;
    uint32_t place; /* in talk->seats */
    bool receives;  /* raw: subscribed */
    struct slice view;
    struct conversation_ref ref;
    struct seat *cycle; /* the next of the same device in the same load */
    /* taken in */
    int64_t last_seq, min_seq, max_seq, foreign_own_seq;
    uint64_t items, taken, taken_seqs, own, own_seqs, last_counter;
    /* to acknowledge */
    bool ack_listed;
    struct seat *ack_next;
    /* `sent` and waiting for `delivered`: a ring, ascending */
    struct waiting *waiting;
    uint32_t waiting_head, waiting_len, waiting_size;
    int64_t delivered_seq, own_max_seq;
};

struct talk {
    uint32_t index;
    bool is_group, many_senders;
    char name[LIMIT_GROUP_LEN + 3]; /* "g/<group>" */
    struct seat *seats;
    uint32_t seats_len, receivers;
    struct load *load;
    uint64_t sent, sent_seqs; /* how many, and the sum of their seqs */
    bool reordered;           /* something was refused or sent again: counters need not ascend */
};

#define BENCH_LOADS 4 /* a scenario has at most three */

struct bench {
    struct options options;
    const struct dialect *dialect;
    struct loop loop;
    uint32_t run;
    struct device *devices;
    uint32_t devices_len, devices_used;
    struct talk **talks;
    uint32_t talks_len, talks_size;
    struct seat **seat_table; /* by device and view; open addressing */
    size_t seat_table_size, seats_len;
    struct load *loads[BENCH_LOADS];
    size_t loads_len;
    /* connecting */
    struct device **connect_queue; /* ring of devices_len + 1 */
    uint32_t connect_head, connect_len;
    uint32_t under_way, live;
    uint32_t let_in; /* had CONNACK, and are still there */
    /* delayed acknowledgements: first in, first due */
    struct device *ack_first, *ack_last;
    uint64_t tick_ns;
    uint32_t tick_at;
    /* the measured window */
    uint64_t from_ns, to_ns;
    struct histogram to_live;                      /* from from_ns until a device was live */
    uint64_t expected, taken;                      /* deliveries: owed for what was `sent`, and had */
    uint64_t outstanding;                          /* messages in outboxes */
    uint64_t sent;                                 /* messages answered with `sent` */
    uint64_t second_ns, second_sent, second_taken; /* where the last second of the series ended */
    struct cJSON *series;                          /* per second: sent, taken, live devices */
    uint64_t duplicates, foreign, errors, resent, reconnects, acks, receipts, events;
    uint64_t violations[VIOLATION_KINDS];
    char last_error[64];
    unsigned random;
    struct rpc_call {
        char id[24];
        bool done, ok;
        char code[32];
    } rpc;
    struct cJSON *result; /* what the scenario adds to the JSON line */
};

struct dialect {
    const char *name;
    void (*on_connack)(struct bench *bench, struct device *device); /* subscribe, or become live */
    void (*on_suback)(struct bench *bench, struct device *device);
    void (*on_publish)(struct bench *bench, struct device *device, const struct mqtt_packet *packet);
    void (*on_puback)(struct bench *bench, struct device *device, uint16_t packet_id);
    void (*on_flush)(struct bench *bench, struct device *device); /* last chance to put something */
    size_t (*chat_topic)(struct bench *bench, struct seat *seat, uint64_t counter, char *buf, size_t buf_size);
};
extern const struct dialect DIALECT_DURABLE, DIALECT_RAW;

MUST_CHECK enum status bench_init(struct bench *bench, const struct options *options);
void bench_done(struct bench *bench);
void bench_turn(struct bench *bench);
/* Turns until `reached` says so or the time is up; returns what it said last. NULL: only the time. */
bool bench_until(struct bench *bench, bool (*reached)(struct bench *bench), double seconds);
bool bench_in_window(const struct bench *bench, uint64_t at_ns);
const char *violation_name(enum violation violation);
/* Counts, and says the first few of each kind on stderr. */
void bench_violation(struct bench *bench, enum violation violation, const struct device *device, const char *what);
unsigned bench_random(struct bench *bench, unsigned below);
/* The machine-readable line "phase <name>" on stderr, by which a driver knows when to read counters. */
void bench_phase(const char *name);

/* ---- loads ---- */
struct load *load_new(struct bench *bench, const char *name, double rate, long window);
void load_add(struct load *load, struct seat *seat);
void load_start(struct bench *bench, struct load *load);
void load_stop(struct load *load);
/* Adds what is due by now; returns when the next is. */
uint64_t load_schedule(struct bench *bench, struct load *load);
/* A closed window has room again where `seat` was. */
void load_refill(struct bench *bench, struct seat *seat);
void load_reset(struct load *load); /* its figures */
void load_free(struct load *load);

/* Everything `sent` was delivered, nothing is in an outbox. */
bool bench_is_settled(struct bench *bench);
/* Compares what each device took with what was `sent`; counts the violations. */
void bench_verify(struct bench *bench);
/* The JSON line, and the lines for people. */
void bench_report(struct bench *bench);

/* The scenarios; false: it could not be run at all. */
bool scenario_run(struct bench *bench);
bool scenario_storm(struct bench *bench);
bool scenario_drain(struct bench *bench);
bool scenario_idle(struct bench *bench);
bool scenario_herd(struct bench *bench);
bool scenario_slow(struct bench *bench);
/* Shared by them. */
struct talk *scenario_pair(struct bench *bench, struct load *load, struct device *sender, struct device *receiver);
/* New group of these devices, the first `senders` of them send; NULL: refused. */
struct talk *scenario_group(struct bench *bench, struct load *load, struct device *const members[],
                            uint32_t members_len, uint32_t senders);
bool groups_create(struct bench *bench); /* once the members are live; groups are made through the protocol */
bool scenario_connect(struct bench *bench, double seconds);
/* bench_until, where the server is to be there: not when it lets nobody in for some seconds. */
bool scenario_until(struct bench *bench, bool (*reached)(struct bench *bench), double seconds);
void scenario_measure(struct bench *bench, struct load *const loads[], size_t loads_len);
void scenario_settle(struct bench *bench);

#endif
