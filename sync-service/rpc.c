#include "rpc.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../clients/protocol/rpc_request.h"
#include "answer.h"
#include "clock.h"
#include "database.h"
#include "log.h"
#include "mailbox.h"
#include "metrics.h"
#include "rpc_pace.h"
#include "runtime.h"
#include "shard.h"
#include "thread.h"

#define RETRY_WAIT_MS       100
#define IDLE_WAIT_MS        1000
#define OVERLOADED_RETRY_MS 2000
#define ERROR_ANSWER        "{\"error\""               /* how jsonb prints it */
#define ANSWER_BYTES_MAX    (LIMIT_FRAME_BYTES - 4096) /* fits a frame with its topic and correlation */

struct rpc_letter {
    struct letter head;
    session_ref session;
    uint64_t life;
    struct core_token token;
    int64_t device_id, user_id;
    uint32_t payload_len;
    uint16_t correlation_len;
    uint8_t method_len, id_len;
    char text[]; /* method, id, correlation, payload */
};

struct worker {
    const struct rpc_options *options;
    struct mailbox mailbox;
    struct database database;
    struct courier courier;
    struct barrier barrier;
    struct pace pace;
    struct histogram took_us;
    _Atomic uint64_t errors;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
};
struct rpc {
    struct rpc_options options;
    struct worker workers[RUNTIME_RPC_WORKERS_MAX];
};

static char *put(char *at, struct slice text)
{
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    return at + text.len;
}

bool rpc_post(struct rpc *rpc, const struct rpc_request *request)
{
    struct worker *worker = &rpc->workers[(uint64_t)request->device_id % rpc->options.workers];
    if (request->correlation.len > UINT16_MAX)
        return false;
    size_t len = request->method.len + request->id.len + request->correlation.len + request->payload.len;
    struct rpc_letter *letter = mailbox_write(&worker->mailbox, 0, sizeof *letter + len, MAILBOX_TRY);
    if (letter == NULL)
        return false;
    letter->session = request->session;
    letter->life = request->life;
    letter->token = request->token;
    letter->device_id = request->device_id;
    letter->user_id = request->user_id;
    letter->payload_len = (uint32_t)request->payload.len;
    letter->correlation_len = (uint16_t)request->correlation.len;
    letter->method_len = (uint8_t)request->method.len;
    letter->id_len = (uint8_t)request->id.len;
    char *at = put(put(letter->text, request->method), request->id);
    (void)put(put(at, request->correlation), request->payload);
    mailbox_post(&worker->mailbox);
    return true;
}

static struct rpc_request request_read(const struct rpc_letter *letter)
{
    const char *id = letter->text + letter->method_len, *correlation = id + letter->id_len;
    return (struct rpc_request){
        .session = letter->session,
        .life = letter->life,
        .token = letter->token,
        .device_id = letter->device_id,
        .user_id = letter->user_id,
        .method = {letter->text, letter->method_len},
        .id = {id, letter->id_len},
        .correlation = {correlation, letter->correlation_len},
        .payload = {correlation + letter->correlation_len, letter->payload_len},
    };
}

/* ---- a worker's thread ---- */
static void refuse(struct worker *worker, const struct rpc_request *request, const char *code, const char *message,
                   int64_t retry_after_ms)
{
    count_up(&worker->errors, 1);
    metrics_add(&metrics.rpcs_refused, 1);
    answer_rpc_error(&worker->courier, request->session, request->id, request->correlation, code, message,
                     retry_after_ms);
}

static void refuse_status(struct worker *worker, const struct rpc_request *request, enum status status)
{
    if (status == STATUS_UNAVAILABLE)
        refuse(worker, request, "overloaded", "the database is away, try again", OVERLOADED_RETRY_MS);
    else if (status == STATUS_MALFORMED)
        refuse(worker, request, "bad-request", "not understood", 0);
    else if (status == STATUS_DENIED)
        refuse(worker, request, "read-only", "nothing can be changed at the moment", OVERLOADED_RETRY_MS);
    else
        refuse(worker, request, "internal", "this failed here", 0);
}

/* Asks until there is an answer or the patience is over. Asking again is harmless: what changes something is remembered
 * by its request id. */
static enum status ask(struct worker *worker, const char *sql, enum database_format format, PGresult **ret_result)
{
    int64_t until_ms = clock_monotonic_ms() + RUNTIME_RPC_WAIT_MS;
    for (;;) {
        enum status status = database_ask(&worker->database, sql, format, ret_result);
        if (status != STATUS_UNAVAILABLE || clock_monotonic_ms() >= until_ms || atomic_load(&worker->is_stopping))
            return status;
        (void)poll(NULL, 0, RETRY_WAIT_MS);
    }
}

static bool is_about_marks(struct slice method)
{
    return slice_equal(method, SLICE("conversations")) || slice_equal(method, SLICE("receipts"));
}

/* The marks that this device moved before are on their way to the database: wait for them. */
static void wait_for_marks(struct worker *worker)
{
    uint64_t number = barrier_begin(&worker->barrier, (uint32_t)worker->options->shards_len);
    struct shard_event event = {.kind = SHARD_BARRIER, .barrier = &worker->barrier, .number = number};
    for (size_t i = 0; i < worker->options->shards_len; i++)
        if (!shard_post(worker->options->shards[i], &event))
            barrier_reach(&worker->barrier, number);
    if (!barrier_wait(&worker->barrier, RUNTIME_BARRIER_WAIT_MS))
        log_info("rpc", "marks-late"); /* the answer is a little older than it could be */
}

static void deliver_item(struct worker *worker, const struct rpc_request *request, struct slice conversation,
                         const PGresult *items, int row)
{
#define TEXT(column) ((struct slice){PQgetvalue(items, row, column), (size_t)PQgetlength(items, row, column)})
    bool is_event = slice_equal(TEXT(2), SLICE("event"));
    struct inbox inbox = {
        .kind = is_event ? INBOX_HISTORY_EVENT : INBOX_HISTORY_CHAT,
        .conversation = conversation,
        .seq = pg_read_bigint(PQgetvalue(items, row, 0)),
        .time_ms = pg_read_bigint(PQgetvalue(items, row, 1)),
        .user = TEXT(3),
        .device = TEXT(4),
        .id = TEXT(5),
        .word = TEXT(6),
    };
    char tail[LIMIT_INBOX_TOPIC_LEN + 1];
    size_t len = inbox_format(&inbox, tail, sizeof tail);
    struct courier_delivery delivery = {DOWN_DELIVER, 1, {tail, len}, TEXT(7), {NULL, 0}};
#undef TEXT
    if (len == 0)
        log_error("rpc", "bad-item", LOG_INT("seq", inbox.seq));
    else if ((uint32_t)request->session != 0)
        courier_deliver(&worker->courier, &request->session, 1, &delivery);
}

/* The items that the answer counts. */
static enum status history_deliver(struct worker *worker, const struct rpc_request *request, const cJSON *result)
{
    const cJSON *conversation = cJSON_GetObjectItemCaseSensitive(result, "conversation");
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(result, "count");
    const cJSON *first = cJSON_GetObjectItemCaseSensitive(result, "first_seq");
    const cJSON *last = cJSON_GetObjectItemCaseSensitive(result, "last_seq");
    if (!cJSON_IsString(conversation) || !cJSON_IsNumber(count))
        return STATUS_INTERNAL;
    if (!cJSON_IsNumber(first) || !cJSON_IsNumber(last))
        return STATUS_OK; /* there are none */
    struct slice name = slice_of(conversation->valuestring);
    struct pg_params *params = &worker->database.params;
    pg_params_begin(params);
    pg_bigint(params, request->user_id);
    pg_text(params, name);
    pg_bigint(params, (int64_t)last->valuedouble + 1);
    pg_bigint(params, (int64_t)first->valuedouble - 1);
    pg_int(params, (int32_t)count->valuedouble);
    PGresult *items = NULL;
    enum status status = ask(worker,
                             "select seq, time_ms, kind, sender_user, sender_device, message_id, event_type, payload"
                             " from gnatter.history_items($1, $2, $3, $4, $5)",
                             DATABASE_BINARY, &items);
    if (status != STATUS_OK)
        return status;
    uint64_t bytes = 0;
    for (int row = 0; row < PQntuples(items); row++) {
        deliver_item(worker, request, name, items, row);
        bytes += (uint64_t)PQgetlength(items, row, 7);
    }
    pace_spend(&worker->pace, request->device_id, (uint64_t)PQntuples(items), bytes, clock_monotonic_ms());
    PQclear(items);
    return STATUS_OK;
}

static enum status history(struct worker *worker, const struct rpc_request *request, struct slice answer)
{
    cJSON *root = cJSON_ParseWithLength(answer.at, answer.len);
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(root, "result");
    enum status status = STATUS_OK; /* an error is an answer, too */
    if (root == NULL)
        status = STATUS_INTERNAL;
    else if (result != NULL)
        status = history_deliver(worker, request, result);
    cJSON_Delete(root);
    return status;
}

static bool is_about_the_screen(struct slice method)
{
    return slice_equal(method, SLICE("conversation.open")) || slice_equal(method, SLICE("conversation.close"));
}

/* Which devices have a group on their screen only its shard knows, while they are live. */
static void tell_shard(const struct worker *worker, const struct rpc_request *request, struct slice answer)
{
    cJSON *root = cJSON_ParseWithLength(answer.at, answer.len);
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(root, "result");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "conversation"));
    if (name != NULL && name[0] == 'g') {
        struct shard_event event = {.kind = SHARD_OPEN,
                                    .session = request->session,
                                    .device = {.device_id = request->device_id},
                                    .conversation = slice_of(name),
                                    .is_on = slice_equal(request->method, SLICE("conversation.open"))};
        size_t shard = conversation_route(event.conversation) % worker->options->shards_len;
        (void)shard_post(worker->options->shards[shard], &event); /* refused: it stops */
    }
    cJSON_Delete(root);
}

/* Refused if it is not an object; the reason is told. */
static bool is_understood(struct worker *worker, const struct rpc_request *request)
{
    struct cJSON *params;
    char why[160];
    enum status status = rpc_request_parse(request->payload, &params);
    if (status == STATUS_OK)
        cJSON_Delete(params);
    else if (status == STATUS_TOO_LARGE)
        refuse(worker, request, "too-large", "a request of more than 64 KiB", 0);
    else if (status != STATUS_MALFORMED)
        refuse_status(worker, request, status);
    else {
        (void)snprintf(
            why, sizeof why,
            "the payload is not a JSON object, or has a name twice, more than %d members or more than %d levels",
            LIMIT_JSON_MEMBERS, LIMIT_JSON_DEPTH);
        refuse(worker, request, "bad-request", why, 0);
    }
    return status == STATUS_OK;
}

static void serve(struct worker *worker, const struct rpc_request *request)
{
    metrics_add(&metrics.rpcs, 1);
    if (!is_understood(worker, request))
        return;
    if (is_about_marks(request->method))
        wait_for_marks(worker);
    struct pg_params *params = &worker->database.params;
    pg_params_begin(params);
    pg_bigint(params, request->device_id);
    pg_text(params, request->id);
    pg_text(params, request->method);
    pg_text(params, request->payload);
    PGresult *result = NULL;
    enum status status = ask(worker, "select gnatter.rpc($1, $2, $3, $4::text::jsonb)::text", DATABASE_TEXT, &result);
    struct slice answer = {NULL, 0};
    if (status == STATUS_OK) {
        answer = (struct slice){PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)};
        if (strncmp(answer.at, ERROR_ANSWER, strlen(ERROR_ANSWER)) == 0)
            count_up(&worker->errors, 1);
        if (slice_equal(request->method, SLICE("history")))
            status = history(worker, request, answer);
        else if (is_about_the_screen(request->method))
            tell_shard(worker, request, answer);
    }
    if (status == STATUS_OK && answer.len > ANSWER_BYTES_MAX)
        refuse(worker, request, "too-large", "the answer is too long for one message", 0);
    else if (status == STATUS_OK)
        answer_rpc(&worker->courier, request->session, request->id, request->correlation, answer);
    else
        refuse_status(worker, request, status);
    PQclear(result);
}

static void serve_and_tell(struct worker *worker, const struct rpc_letter *letter)
{
    struct rpc_request request = request_read(letter);
    int64_t began_us = clock_monotonic_us();
    courier_set_life(&worker->courier, request.token.link, request.life);
    serve(worker, &request);
    courier_flush_done(&worker->courier, &request.token, 1);
    histogram_add(&worker->took_us, &histogram_us, (uint64_t)(clock_monotonic_us() - began_us));
}

/* A new request: now, or when its device has its turn again. */
static void take(struct worker *worker, const struct rpc_letter *letter)
{
    if (!pace_waits(&worker->pace, letter->device_id, clock_monotonic_ms())) {
        serve_and_tell(worker, letter);
        return;
    }
    if (pace_hold(&worker->pace, letter->device_id, &letter->head) == STATUS_OK)
        return;
    struct rpc_request request = request_read(letter);
    courier_set_life(&worker->courier, request.token.link, request.life);
    refuse(worker, &request, "overloaded", "too many requests of this device are waiting", OVERLOADED_RETRY_MS);
    courier_flush_done(&worker->courier, &request.token, 1);
}

static void serve_held(struct worker *worker)
{
    for (struct letter *letter; (letter = pace_next(&worker->pace, clock_monotonic_ms())) != NULL;) {
        serve_and_tell(worker, (const struct rpc_letter *)(const void *)letter);
        free(letter);
    }
}

static void *worker_run(void *arg)
{
    struct worker *worker = arg;
    for (;;) {
        bool is_last = atomic_load(&worker->is_stopping);
        for (const struct letter *letter; (letter = mailbox_next(&worker->mailbox)) != NULL;)
            take(worker, (const struct rpc_letter *)(const void *)letter);
        if (is_last)
            return NULL; /* what is held comes again from the journal */
        serve_held(worker);
        struct pollfd fd = {mailbox_fd(&worker->mailbox), POLLIN, 0};
        (void)poll(&fd, 1, worker->pace.held_len > 0 ? PACE_LOOK_MS : IDLE_WAIT_MS); /* interrupted or not: look */
    }
}

/* ---- life ---- */
/* What the methods in SQL need to know of the configuration. */
static enum status worker_set_up(struct worker *worker)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "set gnatter.edit_within_s = %" PRId64, worker->options->edit_within_s);
    return database_set_up(&worker->database, sql);
}

enum status rpc_new(const struct rpc_options *options, struct rpc **ret_rpc)
{
    struct rpc *rpc = calloc(1, sizeof *rpc);
    if (rpc == NULL)
        return STATUS_NO_MEMORY;
    rpc->options = *options;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < options->workers && status == STATUS_OK; i++) {
        struct worker *worker = &rpc->workers[i];
        worker->options = &rpc->options;
        barrier_init(&worker->barrier);
        status = mailbox_init(&worker->mailbox, RUNTIME_RPC_MAILBOX_BYTES);
        if (status == STATUS_OK)
            status = database_init(&worker->database, options->primary, options->name);
        if (status == STATUS_OK)
            status = worker_set_up(worker);
        if (status == STATUS_OK)
            status = courier_init(&worker->courier, options->links, options->links_len);
    }
    if (status != STATUS_OK) {
        rpc_free(rpc);
        return status;
    }
    *ret_rpc = rpc;
    return STATUS_OK;
}

enum status rpc_start(struct rpc *rpc)
{
    for (uint32_t i = 0; i < rpc->options.workers; i++) {
        if (pthread_create(&rpc->workers[i].thread, NULL, worker_run, &rpc->workers[i]) != 0)
            return STATUS_UNAVAILABLE;
        rpc->workers[i].is_started = true;
    }
    return STATUS_OK;
}

bool rpc_stop(struct rpc *rpc, int64_t deadline_ms)
{
    bool has_ended = true;
    for (uint32_t i = 0; i < rpc->options.workers; i++) {
        atomic_store(&rpc->workers[i].is_stopping, true);
        mailbox_close(&rpc->workers[i].mailbox);
    }
    for (uint32_t i = 0; i < rpc->options.workers; i++) {
        if (rpc->workers[i].is_started)
            rpc->workers[i].is_started = !thread_join(rpc->workers[i].thread, deadline_ms);
        has_ended &= !rpc->workers[i].is_started;
    }
    return has_ended;
}

void rpc_free(struct rpc *rpc)
{
    if (rpc == NULL)
        return;
    for (uint32_t i = 0; i < rpc->options.workers; i++) {
        pace_done(&rpc->workers[i].pace);
        database_done(&rpc->workers[i].database);
        courier_done(&rpc->workers[i].courier);
        mailbox_done(&rpc->workers[i].mailbox);
    }
    free(rpc);
}

void rpc_state(struct rpc *rpc, struct rpc_state *ret_state)
{
    *ret_state = (struct rpc_state){0};
    for (uint32_t i = 0; i < rpc->options.workers; i++) {
        struct worker *worker = &rpc->workers[i];
        histogram_sum_up(&worker->took_us, &ret_state->took_us);
        ret_state->errors += atomic_load_explicit(&worker->errors, memory_order_relaxed);
        ret_state->waiting_bytes += mailbox_waiting_bytes(&worker->mailbox);
    }
}
