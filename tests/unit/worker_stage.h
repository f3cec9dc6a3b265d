#ifndef GNATTER_WORKER_STAGE_H
#define GNATTER_WORKER_STAGE_H
/*
 * One worker of push, with the test's own database, provider, way to it, and clock. The worker's thread waits in
 * transport_wait until the test lets it have its next turn, and the test until that is over: nothing is at the same
 * time, and nothing takes time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "sync-service/push/jobs.h"
#include "sync-service/push/transport.h"
#include "sync-service/push/worker.h"
#include "turns.h"

#define PARALLEL      10
#define MINUTE        60000
#define STOPPED       (15 * MINUTE)
#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* ---- turns: the worker waits for its next in transport_wait ---- */
static struct worker *the_worker;
static atomic_bool is_wanted;

int64_t clock_unix_ms(void)
{
    return time_ms;
}

/* ---- the database ---- */
struct job {
    int64_t id, user_id;
    int attempt;
    const char *endpoint;
};
static struct job waiting[64];
static size_t waiting_len, claimed_len; /* the first ones were claimed */
static int claims, rooms;               /* questions, and how many the last one asked for */
static struct jobs_result results[64];
static size_t results_len;
static enum status finish_status;
static int tells;
static bool told_stopped;
static char told_reason[PUSH_REASON_LEN];

enum status database_init(struct database *database, struct primary *primary, const char *name)
{
    (void)primary, (void)name;
    memset(database, 0, sizeof *database);
    return STATUS_OK;
}

void database_done(struct database *database)
{
    (void)database;
}

enum status jobs_claim(struct database *database, const struct push_provider_type *type, const char *worker,
                       int jobs_max, int64_t lease_ms, const struct push_options *options, PGresult **ret_rows)
{
    (void)database, (void)type, (void)worker, (void)options;
    assert_true(lease_ms > 2 * options->timeout_ms); /* it is not claimed again while it is under way */
    PGresAttDesc column = {.name = (char[]){"job"}};
    claims++;
    rooms = jobs_max;
    *ret_rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    (void)PQsetResultAttrs(*ret_rows, 1, &column);
    for (int row = 0; row < jobs_max && claimed_len < waiting_len; row++)
        (void)PQsetvalue(*ret_rows, row, 0, (char *)&waiting[claimed_len++], sizeof waiting[0]);
    return STATUS_OK;
}

void jobs_wake(const PGresult *rows, int row, const struct push_options *options, struct push_wake *ret_wake)
{
    struct job job;
    (void)options;
    memcpy(&job, PQgetvalue(rows, row, 0), sizeof job);
    *ret_wake = (struct push_wake){.job_id = job.id,
                                   .user_id = job.user_id,
                                   .attempt = job.attempt,
                                   .endpoint = slice_of(job.endpoint == NULL ? "" : job.endpoint)};
}

enum status jobs_finish(struct database *database, const char *worker, const struct jobs_result more[], size_t len)
{
    (void)database, (void)worker;
    if (finish_status != STATUS_OK)
        return finish_status;
    memcpy(results + results_len, more, len * sizeof *more);
    results_len += len;
    return STATUS_OK;
}

enum status jobs_tell(struct database *database, const struct push_provider_type *type, const char *public_key,
                      bool is_stopped, const char *reason, const char *worker)
{
    (void)database, (void)type, (void)public_key, (void)worker;
    tells++;
    told_stopped = is_stopped;
    (void)snprintf(told_reason, sizeof told_reason, "%s", reason);
    return STATUS_OK;
}

/* ---- the way to the provider ---- */
struct transport {
    int under_way;
};
static struct transport the_transport;
static struct transfer {
    transport_answer on_answer;
    void *ctx;
    bool is_answered;
} sent[128];
static size_t sent_len;
static struct {
    size_t sent;
    struct push_response response;
} answers[64]; /* that come in the next wait */
static size_t answers_len;

struct transport *transport_new(const struct transport_options *options)
{
    (void)options;
    return &the_transport;
}

void transport_end(struct transport *transport)
{
    transport->under_way = 0;
}

void transport_free(struct transport *transport)
{
    (void)transport;
}

enum status transport_send(struct transport *transport, const struct push_request *request, transport_answer on_answer,
                           void *ctx)
{
    (void)request;
    assert_true(sent_len < LENGTH(sent));
    sent[sent_len++] = (struct transfer){on_answer, ctx, false};
    transport->under_way++;
    return STATUS_OK;
}

void transport_wait(struct transport *transport, int timeout_ms)
{
    (void)timeout_ms;
    turn_is_over();
    for (size_t i = 0; i < answers_len; i++) {
        struct transfer *transfer = &sent[answers[i].sent];
        transport->under_way--;
        transfer->is_answered = true;
        transfer->on_answer(transfer->ctx, &answers[i].response);
    }
    answers_len = 0;
}

void transport_wake(struct transport *transport)
{
    (void)transport;
}

int transport_under_way(const struct transport *transport)
{
    return transport->under_way;
}

/* ---- the provider: an HTTP status is a verdict ---- */
struct push_provider {
    int number;
};
static struct push_provider opened[8];
static int opens, closes, credential_asks;
static enum status open_status, request_status, credential_status;
static bool is_same_key;

static bool is_always(const struct push_options *options)
{
    (void)options;
    return true;
}

static enum status open_it(const struct push_options *options, struct push_provider **ret_provider,
                           char error[PUSH_ERROR_LEN])
{
    (void)options;
    (void)snprintf(error, PUSH_ERROR_LEN, "no such file");
    if (open_status == STATUS_OK)
        *ret_provider = &opened[opens++];
    return open_status;
}

static void close_it(struct push_provider *provider)
{
    closes += provider != NULL;
}

static bool is_same(const struct push_provider *a, const struct push_provider *b)
{
    (void)a, (void)b;
    return is_same_key;
}

static enum status request(struct push_provider *provider, const struct push_wake *wake, int64_t now_ms,
                           struct push_request *push, struct push_verdict *ret_verdict)
{
    (void)provider, (void)wake, (void)now_ms, (void)push;
    if (request_status == STATUS_MALFORMED)
        push_verdict_set(ret_verdict, PUSH_REFUSED, SLICE("endpoint"));
    return request_status;
}

static void verdict(struct push_provider *provider, const struct push_response *response, int64_t now_ms,
                    struct push_verdict *ret_verdict)
{
    static const struct {
        int status;
        enum push_outcome outcome;
        const char *reason;
        bool pauses, is_key_refusal;
    } table[] = {{200, PUSH_SENT, "", false, false},        {400, PUSH_REFUSED, "token", false, false},
                 {401, PUSH_REFUSED, "key", false, true},   {403, PUSH_STOPPED, "key", false, false},
                 {404, PUSH_STOPPED, "path", false, false}, {410, PUSH_GONE, "gone", false, false},
                 {413, PUSH_FAILED, "large", false, false}, {419, PUSH_RENEW, "old", false, false},
                 {429, PUSH_RETRY, "often", false, false},  {503, PUSH_RETRY, "busy", true, false}};
    (void)provider, (void)now_ms;
    for (size_t i = 0; i < LENGTH(table); i++)
        if (table[i].status == response->status) {
            push_verdict_set(ret_verdict, table[i].outcome, slice_of(table[i].reason));
            ret_verdict->pauses = table[i].pauses;
            ret_verdict->is_key_refusal = table[i].is_key_refusal;
            ret_verdict->after_ms = response->retry_after_ms;
            ret_verdict->gone_before_ms = table[i].outcome == PUSH_GONE ? 77 : 0;
        }
}

static enum status credential(struct push_provider *provider, int64_t now_ms, struct push_request *push)
{
    (void)provider, (void)now_ms, (void)push;
    credential_asks++;
    return credential_status;
}

static void credential_verdict(struct push_provider *provider, const struct push_response *response, int64_t now_ms,
                               struct push_verdict *ret_verdict)
{
    verdict(provider, response, now_ms, ret_verdict);
}

const struct push_provider_type push_apns, push_fcm, push_webpush, push_webhook; /* provider.c names them */
static const char *const serves[] = {"ours", NULL};
#define OURS                                                                                                           \
    .name = "ours", .serves = serves, .is_configured = is_always, .open = open_it, .close = close_it,                  \
    .is_same = is_same, .request = request, .verdict = verdict
static const struct push_provider_type ours = {OURS};
static const struct push_provider_type with_credential = {OURS, .credential = credential,
                                                          .credential_verdict = credential_verdict};
static const struct push_provider_type foreign = {OURS, .is_foreign = true};

/* ---- a case ---- */
static void begin(const struct push_provider_type *type)
{
    static const struct push_options push = {.parallel = PARALLEL, .timeout_ms = 10000, .ttl_s = 86400};
    const struct worker_options options = {type, &push, NULL, "test", &is_wanted};
    turns_begin();
    time_ms = 1000000;
    the_transport.under_way = 0;
    waiting_len = claimed_len = results_len = sent_len = answers_len = 0;
    claims = rooms = tells = opens = closes = credential_asks = 0;
    finish_status = request_status = credential_status = STATUS_OK;
    told_stopped = is_same_key = false;
    atomic_store(&is_wanted, true);
    assert_int_equal(worker_new(&options, &the_worker), STATUS_OK);
    assert_int_equal(worker_start(the_worker), STATUS_OK);
    (void)sem_wait(&turned);
}

/* Also after a case that has failed. */
static int end(void **state)
{
    (void)state;
    if (the_worker == NULL)
        return 0;
    worker_stop(the_worker);
    (void)sem_post(&go);
    bool has_ended = worker_join(the_worker, INT64_MAX);
    worker_free(has_ended ? the_worker : NULL);
    the_worker = NULL;
    open_status = STATUS_OK;
    return has_ended ? 0 : 1;
}

static void add(int64_t user_id, int attempt, const char *endpoint)
{
    waiting[waiting_len] = (struct job){(int64_t)waiting_len + 1, user_id, attempt, endpoint};
    waiting_len++;
}

static void add_some(int len)
{
    while (len-- > 0)
        add(1, 1, NULL);
}

static void answer_with(size_t which, struct push_response response)
{
    answers[answers_len].sent = which;
    answers[answers_len++].response = response;
}

static void answer(size_t which, int status)
{
    answer_with(which, (struct push_response){.status = status, .retry_after_ms = -1});
}

static struct worker_state state_now(void)
{
    struct worker_state state;
    worker_state(the_worker, &state);
    return state;
}

/* The last result. */
static void assert_result(const char *state, int64_t from_ms, int64_t to_ms)
{
    assert_true(results_len > 0);
    assert_string_equal(results[results_len - 1].state, state);
    assert_in_range(results[results_len - 1].after_ms, from_ms, to_ms);
}

#endif
