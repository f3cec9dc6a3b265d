#include "worker.h"
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../clock.h"
#include "../log.h"
#include "../thread.h"
#include "jobs.h"
#include "lane.h"
#include "transport.h"

#define POLL_MS              1000 /* other services make jobs too, and what is to be tried again gets due */
#define STOPPED_MS           (15 * 60 * 1000)
#define LEASE_MORE_MS        30000
#define KEY_REFUSED_ATTEMPTS 4
#define KEY_REFUSED_MS       60000
#define CREDENTIAL_WAIT_MS   2000

/* A claimed job, from its claim until what became of it is written. */
struct slot {
    enum { SLOT_FREE, SLOT_SENT, SLOT_DONE } state;
    struct worker *worker;
    struct lane *lane;
    int64_t device_id, user_id, sent_at_ms;
    int attempt;
    struct jobs_result result;
};

struct worker {
    struct worker_options options;
    struct push_provider *provider; /* NULL: its keys could not be read */
    struct transport *transport;
    struct database database;
    struct lanes lanes;
    char name[128];
    struct slot *slots;
    size_t slots_len, used;
    int64_t claim_at_ms, probe_at_ms;
    int64_t credential_at_ms; /* not before; while one is under way: never */
    bool is_credential_missing, is_credential_under_way, is_told;
    bool is_stopped;
    char reason[PUSH_REASON_LEN];
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping, is_woken, is_reload_wanted;
    pthread_mutex_t lock; /* guards state */
    struct worker_state state;
};

/* ---- stopping for a wrong configuration, and going on ---- */
static void stop_sending(struct worker *worker, const char *reason, int64_t now_ms)
{
    worker->probe_at_ms = now_ms + STOPPED_MS;
    if (worker->is_stopped && strcmp(worker->reason, reason) == 0)
        return;
    worker->is_stopped = true;
    worker->is_told = false;
    (void)snprintf(worker->reason, sizeof worker->reason, "%s", reason); /* cut */
    log_error("push", "provider-stopped", LOG_TEXT("provider", worker->options.type->name), LOG_TEXT("why", reason),
              LOG_INT("probe_in_s", STOPPED_MS / 1000));
}

static void go_on(struct worker *worker)
{
    if (worker->is_stopped)
        log_notice("push", "provider-resumed", LOG_TEXT("provider", worker->options.type->name));
    worker->is_told &= !worker->is_stopped;
    worker->is_stopped = false;
    worker->reason[0] = '\0';
    worker->probe_at_ms = worker->claim_at_ms = 0;
}

static void provider_open(struct worker *worker, int64_t now_ms)
{
    const struct push_provider_type *type = worker->options.type;
    struct push_provider *fresh = NULL;
    char error[PUSH_ERROR_LEN] = "";
    if (type->open(worker->options.push, &fresh, error) != STATUS_OK) {
        log_error("push", "keys-not-read", LOG_TEXT("provider", type->name), LOG_TEXT("why", error));
        if (worker->provider == NULL)
            stop_sending(worker, "keys-not-read", now_ms); /* else the old ones may still be good */
        return;
    }
    lanes_resume(&worker->lanes);
    if (worker->provider != NULL && !worker->is_stopped && type->is_same != NULL &&
        type->is_same(worker->provider, fresh)) {
        type->close(fresh);
        return;
    }
    type->close(worker->provider);
    worker->provider = fresh;
    worker->is_told = worker->is_credential_missing = false;
    worker->credential_at_ms = 0;
    go_on(worker);
}

static void tell(struct worker *worker)
{
    const struct push_provider_type *type = worker->options.type;
    const char *key = worker->provider != NULL && type->public_key != NULL ? type->public_key(worker->provider) : NULL;
    if (!worker->is_told)
        worker->is_told =
            jobs_tell(&worker->database, type, key, worker->is_stopped, worker->reason, worker->name) == STATUS_OK;
}

/* ---- what became of a job ---- */
static void slot_done(struct slot *slot, const char *state, int64_t after_ms, const struct push_verdict *verdict)
{
    slot->state = SLOT_DONE;
    slot->result.state = state;
    slot->result.after_ms = after_ms;
    slot->result.before_ms = verdict->gone_before_ms;
    memcpy(slot->result.reason, verdict->reason, sizeof verdict->reason);
}

static void count(struct worker *worker, enum push_outcome outcome)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->state.by_outcome[outcome]++;
    (void)pthread_mutex_unlock(&worker->lock);
}

/* Somebody else's push service says that this subscription is not of our key: hers is wrong, or ours. */
static void key_refused(struct slot *slot, const struct push_verdict *verdict, int64_t now_ms)
{
    if (lane_key_refused(slot->lane, slot->user_id)) {
        slot->lane->paused_until_ms = now_ms + STOPPED_MS;
        slot->lane->refused_len = 0;
        log_error("push", "key-refused", LOG_TEXT("by", slot->lane->origin), LOG_TEXT("why", verdict->reason));
        slot_done(slot, "held", STOPPED_MS, verdict);
    } else if (slot->attempt < KEY_REFUSED_ATTEMPTS) {
        slot_done(slot, "retry", KEY_REFUSED_MS * slot->attempt, verdict);
    } else {
        slot_done(slot, "refused", 0, verdict);
    }
}

static void retry(struct slot *slot, const struct push_verdict *verdict, int64_t now_ms)
{
    int64_t after_ms = push_backoff_ms(slot->attempt, randombytes_random());
    if (verdict->pauses)
        lane_failed(slot->lane, slot->sent_at_ms, now_ms, verdict->after_ms, randombytes_random());
    slot_done(slot, "retry", verdict->after_ms > after_ms ? verdict->after_ms : after_ms, verdict);
}

static void slot_judge(struct slot *slot, const struct push_verdict *verdict, int64_t now_ms)
{
    struct worker *worker = slot->worker;
    count(worker, verdict->outcome);
    log_debug("push", push_outcome_name(verdict->outcome), LOG_TEXT("provider", worker->options.type->name),
              LOG_INT("device_id", slot->device_id), LOG_INT("attempt", slot->attempt),
              LOG_TEXT("reason", verdict->reason));
    switch (verdict->outcome) {
    case PUSH_SENT:
        slot_done(slot, "sent", 0, verdict);
        break;
    case PUSH_RETRY:
        retry(slot, verdict, now_ms);
        break;
    case PUSH_RENEW:
        slot_done(slot, "defer", 0, verdict);
        break;
    case PUSH_GONE:
        slot_done(slot, "gone", 0, verdict);
        break;
    case PUSH_REFUSED:
        if (verdict->is_key_refusal)
            key_refused(slot, verdict, now_ms);
        else
            slot_done(slot, "refused", 0, verdict);
        break;
    case PUSH_FAILED:
        log_warning("push", "failed", LOG_TEXT("provider", worker->options.type->name),
                    LOG_INT("device_id", slot->device_id), LOG_TEXT("reason", verdict->reason));
        slot_done(slot, "failed", 0, verdict);
        break;
    case PUSH_STOPPED:
        stop_sending(worker, verdict->reason, now_ms);
        slot_done(slot, "held", STOPPED_MS, verdict);
        break;
    }
}

static void on_answer(void *ctx, const struct push_response *response)
{
    struct slot *slot = ctx;
    struct worker *worker = slot->worker;
    struct push_verdict verdict;
    worker->options.type->verdict(worker->provider, response, clock_unix_ms(), &verdict);
    slot->lane->under_way--;
    if (push_verdict_is_understood(&verdict)) {
        lane_taken(slot->lane);
        go_on(worker);
    }
    slot_judge(slot, &verdict, clock_monotonic_ms());
    worker->claim_at_ms = 0; /* there is room for another */
}

/* Keeps the slots whose results the database did not take: false. */
static bool write_results(struct worker *worker)
{
    struct jobs_result results[256];
    struct slot *done[256];
    size_t len = 0;
    for (size_t i = 0; i < worker->slots_len && len < 256; i++)
        if (worker->slots[i].state == SLOT_DONE) {
            done[len] = &worker->slots[i];
            results[len++] = worker->slots[i].result;
        }
    if (len == 0)
        return true;
    enum status status = jobs_finish(&worker->database, worker->name, results, len);
    if (status == STATUS_UNAVAILABLE || status == STATUS_DENIED) /* it is away, or takes no changes now */
        return false;
    if (status != STATUS_OK) /* their lease ends, and they are claimed again */
        log_error("push", "results-not-written", LOG_TEXT("why", status_name(status)));
    for (size_t i = 0; i < len; i++)
        done[i]->state = SLOT_FREE;
    worker->used -= len;
    return true;
}

/* ---- sending ---- */
static struct lane *lane_of(struct worker *worker, const struct push_wake *wake, int64_t now_ms)
{
    char origin[PUSH_ORIGIN_LEN] = "";
    if (worker->options.type->is_foreign && push_origin(wake->endpoint, false, origin) != STATUS_OK)
        origin[0] = '\0'; /* the provider refuses it */
    return lanes_find(&worker->lanes, origin, now_ms);
}

static void slot_send(struct slot *slot, const struct push_wake *wake, int64_t now_ms)
{
    struct worker *worker = slot->worker;
    struct push_request *request = malloc(sizeof *request);
    struct push_verdict verdict;
    push_verdict_set(&verdict, PUSH_RETRY, SLICE("no-memory"));
    enum status status =
        request == NULL ? STATUS_NO_MEMORY
                        : worker->options.type->request(worker->provider, wake, clock_unix_ms(), request, &verdict);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, request, on_answer, slot);
        if (status == STATUS_OK)
            slot->lane->under_way++;
        else
            push_verdict_set(&verdict, PUSH_RETRY, SLICE("no-memory"));
    }
    free(request);
    if (status == STATUS_STALE) {
        worker->is_credential_missing = true;
        push_verdict_set(&verdict, PUSH_RETRY, SLICE("no-credential"));
        slot_done(slot, "defer", CREDENTIAL_WAIT_MS, &verdict);
    } else if (status != STATUS_OK) { /* nobody else has looked at it: where one was to be tried, that is the next */
        worker->probe_at_ms = now_ms;
        slot_judge(slot, &verdict, now_ms);
    }
}

static void job_take(struct worker *worker, const struct push_wake *wake, int64_t now_ms)
{
    struct slot *slot = worker->slots;
    while (slot->state != SLOT_FREE) /* no more was claimed than there is room for */
        slot++;
    worker->used++;
    *slot = (struct slot){SLOT_SENT,
                          worker,
                          lane_of(worker, wake, now_ms),
                          wake->device_id,
                          wake->user_id,
                          now_ms,
                          wake->attempt,
                          {.job_id = wake->job_id, .registration_id = wake->registration_id}};
    if (lane_is_open(slot->lane, worker->options.type->is_foreign, now_ms)) {
        slot_send(slot, wake, now_ms);
        return;
    }
    struct push_verdict verdict;
    int64_t wait_ms = slot->lane->paused_until_ms - now_ms;
    push_verdict_set(&verdict, PUSH_RETRY, SLICE("waits-for-others"));
    slot_done(slot, "defer", (wait_ms > 0 ? wait_ms : POLL_MS) + randombytes_uniform(POLL_MS), &verdict);
}

static bool may_claim(const struct worker *worker, int64_t now_ms)
{
    if (worker->provider == NULL || worker->is_credential_missing || worker->used == worker->slots_len ||
        now_ms < worker->claim_at_ms || !atomic_load(worker->options.is_wanted) ||
        atomic_load(&worker->is_reload_wanted))
        return false;
    if (worker->is_stopped && (now_ms < worker->probe_at_ms || worker->used > 0))
        return false;
    /* a provider of ours has one lane */
    return worker->options.type->is_foreign || worker->lanes.len == 0 ||
           lane_is_open(&worker->lanes.lanes[0], false, now_ms);
}

static void claim(struct worker *worker, int64_t now_ms)
{
    PGresult *rows;
    if (!may_claim(worker, now_ms))
        return;
    const struct push_options *push = worker->options.push;
    int room = worker->is_stopped ? 1 : (int)(worker->slots_len - worker->used);
    worker->claim_at_ms = now_ms + POLL_MS;
    if (jobs_claim(&worker->database, worker->options.type, worker->name, room, 2 * push->timeout_ms + LEASE_MORE_MS,
                   push, &rows) != STATUS_OK)
        return;
    if (worker->is_stopped && PQntuples(rows) > 0) /* else there is nothing to try it with yet */
        worker->probe_at_ms = now_ms + STOPPED_MS;
    for (int row = 0; row < PQntuples(rows) && row < room; row++) {
        struct push_wake wake;
        jobs_wake(rows, row, push, &wake);
        job_take(worker, &wake, now_ms);
    }
    if (PQntuples(rows) == room)
        worker->claim_at_ms = 0;
    PQclear(rows);
}

/* ---- credentials ---- */
static void on_credential(void *ctx, const struct push_response *response)
{
    struct worker *worker = ctx;
    struct push_verdict verdict;
    int64_t now_ms = clock_monotonic_ms();
    worker->is_credential_under_way = false;
    worker->options.type->credential_verdict(worker->provider, response, clock_unix_ms(), &verdict);
    if (verdict.outcome == PUSH_SENT) {
        worker->claim_at_ms = 0;
        if (worker->is_credential_missing) /* it may have been stopped for want of it */
            go_on(worker);
        worker->is_credential_missing = false;
    } else if (verdict.outcome == PUSH_STOPPED) {
        worker->credential_at_ms = now_ms + STOPPED_MS;
        stop_sending(worker, verdict.reason, now_ms);
    } else {
        int64_t after_ms = push_backoff_ms(3, randombytes_random());
        worker->credential_at_ms = now_ms + (verdict.after_ms > after_ms ? verdict.after_ms : after_ms);
        log_warning("push", "no-credential", LOG_TEXT("provider", worker->options.type->name),
                    LOG_TEXT("why", verdict.reason));
    }
}

static void credential(struct worker *worker, int64_t now_ms)
{
    const struct push_provider_type *type = worker->options.type;
    if (type->credential == NULL || worker->provider == NULL || worker->is_credential_under_way ||
        now_ms < worker->credential_at_ms || !atomic_load(worker->options.is_wanted))
        return;
    struct push_request *request = malloc(sizeof *request);
    if (request == NULL)
        return;
    if (type->credential(worker->provider, clock_unix_ms(), request) == STATUS_OK)
        worker->is_credential_under_way =
            transport_send(worker->transport, request, on_credential, worker) == STATUS_OK;
    else
        worker->credential_at_ms = now_ms + POLL_MS; /* none is due */
    free(request);
}

/* ---- the thread ---- */
static void note_state(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->state.is_stopped = worker->is_stopped;
    memcpy(worker->state.reason, worker->reason, sizeof worker->reason);
    worker->state.under_way = transport_under_way(worker->transport);
    worker->state.turned_at_ms = clock_monotonic_ms();
    (void)pthread_mutex_unlock(&worker->lock);
}

static void give_back(struct worker *worker)
{
    struct push_verdict verdict;
    push_verdict_set(&verdict, PUSH_RETRY, SLICE("service-stopped"));
    transport_end(worker->transport);
    for (size_t i = 0; i < worker->slots_len; i++)
        if (worker->slots[i].state == SLOT_SENT)
            slot_done(&worker->slots[i], "defer", 0, &verdict);
    (void)write_results(worker); /* else their lease ends */
}

static void *worker_run(void *arg)
{
    struct worker *worker = arg;
    while (!atomic_load(&worker->is_stopping)) {
        int64_t now_ms = clock_monotonic_ms();
        if (atomic_load(&worker->is_reload_wanted) && transport_under_way(worker->transport) == 0) {
            atomic_store(&worker->is_reload_wanted, false); /* until then nothing new is claimed */
            provider_open(worker, now_ms);
        }
        if (atomic_exchange(&worker->is_woken, false))
            worker->claim_at_ms = 0;
        tell(worker);
        credential(worker, now_ms);
        if (write_results(worker)) /* else what was sent could be due again, its lease being over */
            claim(worker, now_ms);
        note_state(worker);
        transport_wait(worker->transport, POLL_MS);
    }
    give_back(worker);
    return NULL;
}

/* ---- life ---- */
enum status worker_new(const struct worker_options *options, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return STATUS_NO_MEMORY;
    worker->options = *options;
    worker->state.provider = options->type->name;
    worker->slots_len = (size_t)options->push->parallel;
    (void)pthread_mutex_init(&worker->lock, NULL);
    /* another one in each life: what an earlier process has claimed is not this one's */
    (void)snprintf(worker->name, sizeof worker->name, "%.64s/%s/%ld-%08x", options->name, options->type->name,
                   (long)getpid(), randombytes_random());
    const struct transport_options transport = {
        .is_guarded = options->type->is_foreign && !options->push->allow_private_addresses,
        .needs_http2 = options->type->needs_http2,
        .takes_http = options->type->takes_http,
        .timeout_ms = options->push->timeout_ms,
        .ca_file = options->push->ca_file,
    };
    worker->transport = transport_new(&transport);
    worker->slots = calloc(worker->slots_len, sizeof *worker->slots);
    if (worker->transport == NULL || worker->slots == NULL ||
        database_init(&worker->database, options->primary, options->name) != STATUS_OK) {
        worker_free(worker);
        return STATUS_NO_MEMORY;
    }
    provider_open(worker, clock_monotonic_ms());
    *ret_worker = worker;
    return STATUS_OK;
}

enum status worker_start(struct worker *worker)
{
    if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0)
        return STATUS_UNAVAILABLE;
    worker->is_started = true;
    return STATUS_OK;
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->is_stopping, true);
    transport_wake(worker->transport);
}

bool worker_join(struct worker *worker, int64_t deadline_ms)
{
    if (worker->is_started)
        worker->is_started = !thread_join(worker->thread, deadline_ms);
    return !worker->is_started;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    transport_free(worker->transport);
    worker->options.type->close(worker->provider);
    database_done(&worker->database);
    free(worker->slots);
    free(worker);
}

void worker_wake(struct worker *worker)
{
    atomic_store(&worker->is_woken, true);
    transport_wake(worker->transport);
}

void worker_reload(struct worker *worker)
{
    atomic_store(&worker->is_reload_wanted, true);
    transport_wake(worker->transport);
}

bool worker_serves(const struct worker *worker, const char *provider)
{
    for (const char *const *served = worker->options.type->serves; *served != NULL; served++)
        if (strcmp(*served, provider) == 0)
            return true;
    return false;
}

void worker_state(struct worker *worker, struct worker_state *ret_state)
{
    (void)pthread_mutex_lock(&worker->lock);
    *ret_state = worker->state;
    (void)pthread_mutex_unlock(&worker->lock);
}
