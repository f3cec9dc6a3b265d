#ifndef GNATTER_MESSAGE_LOG_STATE_H
#define GNATTER_MESSAGE_LOG_STATE_H
/*
 * Inside message_log: message_log.c has the connection and the pipeline, message_log_ask.c makes the questions,
 * message_log_answer.c reads the answers.
 */
#include <libpq-fe.h>
#include "known_senders.h"
#include "message_log.h"
#include "pg_wire.h"

/* The statements, prepared on every new connection; query_statements has their texts. */
enum query_kind {
    QUERY_LOAD,
    QUERY_MEMBERS,
    QUERY_CURSORS,
    QUERY_APPEND,
    QUERY_APPEND_CAREFUL,
    QUERY_PAGE,
    QUERY_SENDERS,
    QUERY_SCAN,
    QUERY_MARKS,
    QUERY_CURSORS_SET,
    QUERY_SERVER, /* asked once, after all are prepared */
    QUERY_KINDS,
    QUERY_PREPARE = QUERY_KINDS, /* one of the above is being prepared */
};
extern const char *const query_statements[QUERY_KINDS];

/* Answers that count together: a load is three queries. */
struct gathered {
    PGresult *results[3];
};

/* A question under way, in the order of sending. */
struct query {
    struct query *next;
    enum query_kind kind;
    int64_t asked_us;
    uint64_t tag; /* batch or scan; PREPARE: the statement */
    struct gathered *gathered;
    PGresult *result; /* as far as it has come */
    size_t len;       /* of what was asked; the same in `what` */
    union {           /* a copy of what was asked, behind the struct */
        struct core_append_group *groups;
        struct core_page_request *pages;
        struct core_senders_request *senders;
        struct slice *names;
    };
    size_t items_len;
};

enum log_state { LOG_DOWN, LOG_CONNECTING, LOG_PREPARING, LOG_UP };

struct message_log {
    struct message_log_options options;
    char *name;
    struct core *core;
    PGconn *conn;
    struct primary_try at;
    enum log_state state;
    PostgresPollingStatusType polling;
    int64_t retry_at_ms, give_up_at_ms, answer_wait_ms;
    int64_t up_at_ms; /* since when it is up */
    uint32_t pause_ms, tries; /* tries: that failed since it was up */
    bool wants_flush;         /* libpq has bytes that the socket did not take */
    bool is_failed;           /* to be taken down at the end of the step */
    struct query *first, **last;
    struct pg_params params;
    int64_t now_ms; /* of this step, for the core */
    int64_t heard_us; /* when something came last, while a question waited */
    /* gathered during a turn, asked with the flush */
    struct core_page_request *pages;
    size_t pages_len, pages_size;
    struct core_senders_request *senders;
    size_t senders_len, senders_size;
    /* for answers */
    struct known_senders known_senders;
    struct core_append_answer *answers;
    size_t answers_size;
    struct message_log_metrics metrics;
};

/* A question with room for `len` copies of `item_bytes` behind it; NULL: no memory, and the log has failed. */
struct query *query_new(struct message_log *log, enum query_kind kind, size_t len, size_t item_bytes);
void query_free(struct query *query);
/* Takes the query. Sends log->params with it. */
void query_send(struct message_log *log, struct query *query);
/* Something that only a new connection mends. */
void message_log_fail(struct message_log *log, const char *why);
/* The answer to the oldest question is complete; borrows it. */
void message_log_answer(struct message_log *log, struct query *query);
void message_log_ask_gathered(struct message_log *log);
/* These in one question. */
void message_log_ask_pages(struct message_log *log, const struct core_page_request pages[], size_t len);
void message_log_ask_senders(struct message_log *log, const struct core_senders_request senders[], size_t len);

#endif
