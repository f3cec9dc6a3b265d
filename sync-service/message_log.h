#ifndef GNATTER_MESSAGE_LOG_H
#define GNATTER_MESSAGE_LOG_H
/*
 * One shard's connection to the database: what the core asks for goes out pipelined, never waiting; answers come back
 * as core_on_...(). With broker_link's neighbour database.c the only code that knows libpq.
 *
 * The owner polls message_log_fd and calls message_log_step; what was asked during a turn leaves with
 * message_log_flush. Each question is its own transaction. When the connection is lost, or the database says something
 * that leaves no other way, every answer under way is forgotten, the core hears core_on_database_lost, and
 * core_on_database_back once the connection stands again. The owner's thread only.
 */
#include "core/core.h"
#include "histogram.h"
#include "primary.h"

struct message_log;

struct message_log_options {
    struct primary *primary; /* borrowed */
    const char *name;        /* of the application, for pg_stat_activity */
    uint32_t shard, shards;
    /* These were committed (some of their items at least, after a careful append), and it took so long; borrowed. */
    void (*on_appended)(void *ctx, const struct core_append_group groups[], size_t len, uint64_t took_us);
    void *ctx;
};

/* NULL: no memory. Keeps copies of the strings. */
struct message_log *message_log_new(const struct message_log_options *options);
void message_log_free(struct message_log *log); /* NULL is allowed */
/* The core that gets the answers; before the first step. */
void message_log_set_core(struct message_log *log, struct core *core);

/* -1: none at the moment. */
int message_log_fd(const struct message_log *log);
/* What to poll it for. */
short message_log_events(const struct message_log *log);
/* When to step without the descriptor saying so. */
int64_t message_log_due_ms(const struct message_log *log);
/* Connects, reads answers. The time is the core's, and never goes back. */
void message_log_step(struct message_log *log, int64_t now_ms);
void message_log_flush(struct message_log *log);
bool message_log_is_up(const struct message_log *log);
/* How long the oldest question has waited for its answer; 0: none is under way. */
int64_t message_log_waiting_ms(const struct message_log *log);
/* Treat the connection as lost: notifications were missed, everything is to be looked at again. */
void message_log_start_over(struct message_log *log, int64_t now_ms);

/* What the core asks; core.h says what for. Only while it is up. */
void message_log_load(struct message_log *log, const struct slice names[], const int64_t senders[], size_t len);
void message_log_append(struct message_log *log, const struct core_append_batch *batch);
void message_log_page(struct message_log *log, const struct core_page_request *request);
void message_log_senders(struct message_log *log, const struct core_senders_request *request);
void message_log_scan(struct message_log *log, uint64_t scan, const int64_t device_ids[], size_t len);
void message_log_marks(struct message_log *log, const struct core_mark_batch *batch);

/* Counted by the owner's thread; any thread may look. */
struct message_log_metrics {
    struct histogram append_items, append_us; /* of a batch that was answered; from asking to the answer */
    _Atomic uint64_t append_failures;         /* batches that were not: they are asked again, or item by item */
};
const struct message_log_metrics *message_log_metrics(const struct message_log *log);
#endif
