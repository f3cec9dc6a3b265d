#include "message_log_state.h"
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "runtime.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 2000
#define GOOD_MS      5000 /* a connection that was up for so long was a good one */
#define QUIET_MS     1000 /* before that nobody looks whether something comes at all */

const char *const query_statements[QUERY_KINDS] = {
    [QUERY_LOAD] = "select ord, state, conversation_id, last_seq, first_seq, membership_version, is_group, is_deleted"
                   " from gnatter.conversation_load($1, $2, $3)",
    [QUERY_MEMBERS] = "select conversation_id, user_id, user_name, joined_seqs, left_seqs, delivered_seq, read_seq,"
                      " block_from_seqs, block_to_seqs, shares_reads, is_asked, is_full"
                      " from gnatter.conversation_members($1)",
    [QUERY_CURSORS] = "select conversation_id, user_id, device_id, acked_seq from gnatter.conversation_cursors($1)",
    [QUERY_APPEND] = "select base_seqs, times_ms from gnatter.append($1, $2, $3, $4, $5, $6, $7)",
    [QUERY_APPEND_CAREFUL] = "select ord, state, seq, time_ms, membership_version"
                             " from gnatter.append_careful($1, $2, $3, $4, $5, $6)",
    [QUERY_PAGE] = "select ord, seq, time_ms, sender_user_id, sender_device_id, sender, message_id, event_type,"
                   " payload, edit_seq from gnatter.log_page($1, $2, $3, $4, $5)",
    [QUERY_SENDERS] = "select ord, user_id from gnatter.log_senders($1, $2, $3) order by ord",
    [QUERY_SCAN] = "select device_id, conversation_name, acked_seq, user_name, delivered_seq, read_seq,"
                   " counts_seq, delivered_count, read_count from gnatter.device_scan($1, $2, $3)",
    [QUERY_MARKS] = "select gnatter.marks_flush($1, $2, $3, $4, $5, $6, $7)",
    [QUERY_CURSORS_SET] = "select gnatter.cursors_set($1, $2, $3)",
    [QUERY_SERVER] = PRIMARY_QUESTION,
};

struct message_log *message_log_new(const struct message_log_options *options)
{
    struct message_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->options = *options;
    log->last = &log->first;
    log->answer_wait_ms = RUNTIME_ANSWER_WAIT_MS;
    log->name = strdup(options->name);
    if (log->name == NULL) {
        message_log_free(log);
        return NULL;
    }
    return log;
}

void message_log_set_core(struct message_log *log, struct core *core)
{
    log->core = core;
}

static void gathered_free(struct gathered *gathered)
{
    if (gathered == NULL)
        return;
    for (size_t i = 0; i < 3; i++)
        PQclear(gathered->results[i]);
    free(gathered);
}

void query_free(struct query *query)
{
    if (query == NULL)
        return;
    PQclear(query->result);
    free(query);
}

/* What several queries gather belongs to the last of them that is under way. */
static bool is_gathering(const struct query *query, const struct gathered *gathered)
{
    for (; query != NULL; query = query->next)
        if (query->gathered == gathered)
            return true;
    return false;
}

static void forget_all(struct message_log *log)
{
    while (log->first != NULL) {
        struct query *query = log->first;
        log->first = query->next;
        if (query->gathered != NULL && !is_gathering(log->first, query->gathered))
            gathered_free(query->gathered);
        query_free(query);
    }
    log->last = &log->first;
    log->pages_len = log->senders_len = 0;
    known_senders_forget_questions(&log->known_senders);
}

void message_log_free(struct message_log *log)
{
    if (log == NULL)
        return;
    forget_all(log);
    PQfinish(log->conn);
    pg_params_free(&log->params);
    known_senders_done(&log->known_senders);
    free(log->pages);
    free(log->senders);
    free(log->answers);
    free(log->name);
    free(log);
}

int message_log_fd(const struct message_log *log)
{
    return log->conn == NULL ? -1 : PQsocket(log->conn);
}

short message_log_events(const struct message_log *log)
{
    if (log->state == LOG_CONNECTING)
        return log->polling == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
    return log->wants_flush ? POLLIN | POLLOUT : POLLIN;
}

int64_t message_log_due_ms(const struct message_log *log)
{
    if (log->state == LOG_DOWN)
        return log->retry_at_ms;
    return log->state == LOG_UP ? INT64_MAX : log->give_up_at_ms;
}

bool message_log_is_up(const struct message_log *log)
{
    return log->state == LOG_UP && !log->is_failed;
}

int64_t message_log_waiting_ms(const struct message_log *log)
{
    return log->first == NULL ? 0 : (clock_monotonic_us() - log->first->asked_us) / 1000;
}

const struct message_log_metrics *message_log_metrics(const struct message_log *log)
{
    return &log->metrics;
}

void message_log_fail(struct message_log *log, const char *why)
{
    /* while it is away, each further try is of no interest */
    enum log_level level = log->tries++ == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG;
    if (!log->is_failed)
        log_line(level, "database", "away", LOG_INT("shard", log->options.shard), LOG_TEXT("why", why));
    log->is_failed = true;
}

static void take_down(struct message_log *log)
{
    bool was_up = log->state == LOG_UP;
    forget_all(log);
    PQfinish(log->conn);
    log->conn = NULL;
    log->is_failed = log->wants_flush = false;
    log->state = LOG_DOWN;
    log->retry_at_ms = log->now_ms;
    if (primary_failed(log->options.primary, &log->at)) {
        /* up for a moment only: what it was asked then is refused each time */
        bool was_good = was_up && log->now_ms - log->up_at_ms >= GOOD_MS;
        log->pause_ms = was_good || log->pause_ms == 0 ? PAUSE_MIN_MS : log->pause_ms * 2;
        if (log->pause_ms > PAUSE_MAX_MS)
            log->pause_ms = PAUSE_MAX_MS;
        log->retry_at_ms += log->pause_ms / 2 + randombytes_uniform(log->pause_ms / 2 + 1);
    }
    if (was_up) {
        metrics_add(&metrics.database_losses, 1);
        core_on_database_lost(log->core, log->now_ms);
    }
}

void message_log_start_over(struct message_log *log, int64_t now_ms)
{
    log->now_ms = now_ms;
    if (log->state != LOG_DOWN)
        take_down(log);
    log->at = (struct primary_try){.failures = 0}; /* it has not failed: to the same host */
    log->retry_at_ms = now_ms;
}

static void start_connecting(struct message_log *log)
{
    struct primary_params params;
    primary_begin(log->options.primary, &log->at, log->name, &params);
    if (log->pause_ms == 0)
        log->pause_ms = PAUSE_MIN_MS;
    log->conn = PQconnectStartParams(params.keywords, params.values, 1);
    log->state = LOG_CONNECTING;
    log->polling = PGRES_POLLING_WRITING;
    log->give_up_at_ms = log->now_ms + primary_wait_ms(log->options.primary);
    if (log->conn == NULL || PQstatus(log->conn) == CONNECTION_BAD)
        message_log_fail(log, log->conn == NULL ? "no memory" : PQerrorMessage(log->conn));
}

static void prepare(struct message_log *log)
{
    for (unsigned kind = 0; kind < QUERY_KINDS && !log->is_failed; kind++) {
        struct query *query = query_new(log, QUERY_PREPARE, 0, 0);
        if (query == NULL)
            return;
        query->tag = kind;
        query_send(log, query);
    }
}

/*
 * Who cancels a commit that waits for its standby makes it answer as if all were well, with a warning: it might not
 * have been replicated. Asked again, item by item, what is there is found, and answered when the standby has it.
 */
static void hear_notice(void *ctx, const PGresult *notice)
{
    struct message_log *log = ctx;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (severity == NULL || strcmp(severity, "WARNING") != 0 || message == NULL)
        return;
    log_warning("database", "said", LOG_INT("shard", log->options.shard), LOG_TEXT("message", message));
    if (log->state == LOG_UP)
        message_log_fail(log, message);
}

static void connect_on(struct message_log *log)
{
    struct pollfd ready = {PQsocket(log->conn), log->polling == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, 0};
    if (poll(&ready, 1, 0) <= 0) /* libpq relies on being called when there is something to do */
        return;
    log->polling = PQconnectPoll(log->conn);
    if (log->polling == PGRES_POLLING_FAILED) {
        message_log_fail(log, PQerrorMessage(log->conn));
    } else if (log->polling == PGRES_POLLING_OK) {
        if (PQsetnonblocking(log->conn, 1) != 0 || PQenterPipelineMode(log->conn) != 1) {
            message_log_fail(log, "cannot pipeline");
            return;
        }
        (void)PQsetNoticeReceiver(log->conn, hear_notice, log);
        log->state = LOG_PREPARING;
        prepare(log);
    }
}

/* ---- questions ---- */
struct query *query_new(struct message_log *log, enum query_kind kind, size_t len, size_t item_bytes)
{
    struct query *query = calloc(1, sizeof *query + len * item_bytes);
    if (query == NULL) {
        message_log_fail(log, "no memory");
        return NULL;
    }
    query->kind = kind;
    query->len = len;
    query->names = (struct slice *)(void *)(query + 1); /* the union's pointers are all the same */
    return query;
}

void query_send(struct message_log *log, struct query *query)
{
    static const char *const names[] = {"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10"};
    static const int binary[PG_PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    _Static_assert(sizeof names / sizeof names[0] == QUERY_KINDS, "a name for each statement");
    *log->last = query; /* also when it cannot be sent: then it is forgotten with the rest */
    log->last = &query->next;
    query->asked_us = clock_monotonic_us();
    int sent;
    if (query->kind == QUERY_PREPARE) {
        sent = PQsendPrepare(log->conn, names[query->tag], query_statements[query->tag], 0, NULL);
    } else {
        enum status status = pg_params_end(&log->params);
        sent = status == STATUS_OK && PQsendQueryPrepared(log->conn, names[query->kind], log->params.params,
                                                          log->params.values, log->params.lengths, binary, 1);
    }
    if (sent != 1 || PQpipelineSync(log->conn) != 1)
        message_log_fail(log, PQerrorMessage(log->conn));
}

void message_log_flush(struct message_log *log)
{
    if (!message_log_is_up(log))
        return;
    message_log_ask_gathered(log);
    int left = PQflush(log->conn);
    if (left < 0)
        message_log_fail(log, PQerrorMessage(log->conn));
    log->wants_flush = left == 1;
}

/* ---- answers ---- */
static void prepared(struct message_log *log, const struct query *query)
{
    if (PQresultStatus(query->result) != PGRES_COMMAND_OK) {
        message_log_fail(log, PQresultErrorField(query->result, PG_DIAG_MESSAGE_PRIMARY));
        return;
    }
    if (query->tag + 1 < QUERY_KINDS)
        return;
    struct query *question = query_new(log, QUERY_SERVER, 0, 0);
    if (question == NULL)
        return;
    pg_params_begin(&log->params);
    query_send(log, question);
}

static void introduced(struct message_log *log, const struct query *query)
{
    const PGresult *result = query->result;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        message_log_fail(log, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        return;
    }
    if (!primary_check(log->options.primary, &log->at, pg_read_bigint(PQgetvalue(result, 0, 0)),
                       pg_read_bigint(PQgetvalue(result, 0, 1)))) {
        message_log_fail(log, "another server was promoted in its place");
        return;
    }
    log->state = LOG_UP;
    log->up_at_ms = log->now_ms;
    log->tries = 0;
    log_notice("database", "up", LOG_INT("shard", log->options.shard));
    core_on_database_back(log->core, log->now_ms);
}

/* The oldest question has all its answer. */
static void complete(struct message_log *log)
{
    log->heard_us = clock_monotonic_us();
    struct query *query = log->first;
    log->first = query->next;
    if (log->first == NULL)
        log->last = &log->first;
    struct gathered *gathered = query->gathered;
    if (query->result == NULL)
        message_log_fail(log, "an answer without a result");
    else if (query->kind == QUERY_PREPARE)
        prepared(log, query);
    else if (query->kind == QUERY_SERVER)
        introduced(log, query);
    else
        message_log_answer(log, query);
    if (gathered != NULL && !is_gathering(log->first, gathered))
        gathered_free(gathered);
    query_free(query);
}

/* Slow is not silent: a long answer may take its time. */
static void look_for_silence(struct message_log *log)
{
    int64_t now_us = clock_monotonic_us();
    int64_t since_us = log->first == NULL ? now_us : log->first->asked_us;
    if (since_us < log->heard_us)
        since_us = log->heard_us;
    if (now_us - since_us < QUIET_MS * 1000)
        return;
    struct pollfd ready = {PQsocket(log->conn), POLLIN, 0};
    if (poll(&ready, 1, 0) > 0)
        log->heard_us = now_us;
    else if (now_us - since_us >= log->answer_wait_ms * 1000) {
        message_log_fail(log, "no answer");
        if (log->answer_wait_ms < RUNTIME_ANSWER_WAIT_MAX_MS)
            log->answer_wait_ms *= 2;
    }
}

static void read_answers(struct message_log *log)
{
    look_for_silence(log);
    if (PQconsumeInput(log->conn) != 1) {
        message_log_fail(log, PQerrorMessage(log->conn));
        return;
    }
    while (log->first != NULL && !log->is_failed && !PQisBusy(log->conn)) {
        PGresult *result = PQgetResult(log->conn);
        if (result == NULL)
            continue; /* between a result and its sync */
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            complete(log);
        } else if (log->first->result == NULL) {
            log->first->result = result;
        } else {
            PQclear(result); /* an error after the result, which the sync shows as well */
            message_log_fail(log, "two results for one question");
        }
    }
    if (PQstatus(log->conn) == CONNECTION_BAD)
        message_log_fail(log, PQerrorMessage(log->conn));
}

void message_log_step(struct message_log *log, int64_t now_ms)
{
    log->now_ms = now_ms;
    if (log->state != LOG_DOWN && !primary_is_current(log->options.primary, &log->at))
        message_log_fail(log, "another server is the primary now");
    if (log->state == LOG_DOWN && now_ms >= log->retry_at_ms)
        start_connecting(log);
    else if (log->state == LOG_CONNECTING && !log->is_failed)
        connect_on(log);
    if (log->state == LOG_PREPARING || log->state == LOG_UP) {
        if (!log->is_failed)
            read_answers(log);
        int left = log->is_failed ? 0 : PQflush(log->conn);
        log->wants_flush = left == 1;
    }
    if ((log->state == LOG_CONNECTING || log->state == LOG_PREPARING) && now_ms >= log->give_up_at_ms)
        message_log_fail(log, "no answer");
    if (log->is_failed)
        take_down(log);
}
