#ifndef GNATTER_PUSHER_STAGE_H
#define GNATTER_PUSHER_STAGE_H
/*
 * The watcher of push, with a database that has only devices, one provider's worker, and the test's clock. Its thread
 * waits in poll until the test lets it have its next turn, and the test until that is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include "sync-service/push/jobs.h"
#include "sync-service/push/pusher.h"
#include "sync-service/push/transport.h"
#include "turns.h"

#define GRACE_MS    3000
#define LOOK_MS     (GRACE_MS + NOTES_SLOT_MS) /* after it was noted */
#define START_MS    10000                      /* the first sweep, besides the grace */
#define HOUR_MS     3600000
#define BATCH       500
#define SWEEP_BATCH 200
#define WAITING_MAX 200000

static struct pusher *the_pusher;

/* ---- turns: the watcher waits for its next in poll ---- */
static int wait_ms; /* how long it would have waited */
static atomic_bool is_ending;

int poll(struct pollfd *fds, nfds_t fds_len, int timeout_ms)
{
    (void)fds, (void)fds_len;
    if (atomic_load(&is_ending))
        return 0;
    wait_ms = timeout_ms;
    turn_is_over();
    return 0;
}

/* ---- the database ---- */
static int64_t registrations, resumed_ms; /* devices 1 to that */
static enum status evaluate_status, sweep_status;
static int counts, prunes, sweeps, evaluations;
static int64_t conversation_ids[BATCH], device_ids[BATCH]; /* of the last evaluation */
static size_t conversations_len, devices_len;
static int looked_at[256]; /* by device id */
static const char *made_for;
static bool notes_everybody; /* when the first device is looked at */

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

bool database_connect(struct database *database)
{
    database->connections = 1;
    return true;
}

enum status jobs_count(struct database *database, struct jobs_count *ret_count)
{
    (void)database;
    counts++;
    *ret_count = (struct jobs_count){.registrations = registrations, .resumed_ms = resumed_ms};
    return STATUS_OK;
}

enum status jobs_prune(struct database *database)
{
    (void)database;
    prunes++;
    return STATUS_OK;
}

enum status jobs_sweep(struct database *database, int64_t after_device_id, int64_t ids[], size_t ids_size,
                       size_t *ret_len)
{
    (void)database;
    if (sweep_status != STATUS_OK)
        return sweep_status;
    sweeps++;
    assert_int_equal(ids_size, SWEEP_BATCH);
    for (*ret_len = 0; *ret_len < ids_size && after_device_id < registrations;)
        ids[(*ret_len)++] = ++after_device_id;
    return STATUS_OK;
}

enum status jobs_evaluate(struct database *database, const int64_t conversations[], size_t conversations_count,
                          const int64_t devices[], size_t devices_count, const struct push_options *options,
                          void (*on_made)(void *ctx, const char *provider, int64_t jobs), void *ctx)
{
    (void)database, (void)options;
    evaluations++;
    assert_true(conversations_count <= BATCH && devices_count <= BATCH);
    assert_true(conversations_count + devices_count > 0);
    if (evaluate_status != STATUS_OK)
        return evaluate_status;
    conversations_len = conversations_count;
    devices_len = devices_count;
    for (size_t i = 0; i < conversations_count; i++)
        conversation_ids[i] = conversations[i];
    for (size_t i = 0; i < devices_count; i++) {
        device_ids[i] = devices[i];
        if (devices[i] < 256)
            looked_at[devices[i]]++;
    }
    if (made_for != NULL)
        on_made(ctx, made_for, 3);
    if (notes_everybody && looked_at[1] == 1) {
        notes_everybody = false;
        pusher_note_everybody(the_pusher); /* the first ones are being passed just now */
    }
    return STATUS_OK;
}

/* ---- the one provider's worker ---- */
static int wakes, reloads;

static bool is_always(const struct push_options *options)
{
    (void)options;
    return true;
}

static bool is_never(const struct push_options *options)
{
    (void)options;
    return false;
}

static const struct push_provider_type ours = {.name = "ours", .is_configured = is_always};
static const struct push_provider_type none = {.name = "none", .is_configured = is_never};
const struct push_provider_type *const push_provider_types[PUSH_PROVIDERS] = {&none, &ours, &none, &none};

bool transport_init(void)
{
    return true;
}

enum status worker_new(const struct worker_options *options, struct worker **ret_worker)
{
    static char worker;
    assert_ptr_equal(options->type, &ours);
    *ret_worker = (struct worker *)(void *)&worker;
    return STATUS_OK;
}

enum status worker_start(struct worker *worker)
{
    (void)worker;
    return STATUS_OK;
}

void worker_stop(struct worker *worker)
{
    (void)worker;
}

bool worker_join(struct worker *worker, int64_t deadline_ms)
{
    (void)worker, (void)deadline_ms;
    return true;
}

void worker_free(struct worker *worker)
{
    (void)worker;
}

void worker_wake(struct worker *worker)
{
    (void)worker;
    wakes++;
}

void worker_reload(struct worker *worker)
{
    (void)worker;
    reloads++;
}

bool worker_serves(const struct worker *worker, const char *provider)
{
    (void)worker;
    return strcmp(provider, "ours") == 0;
}

void worker_state(struct worker *worker, struct worker_state *ret_state)
{
    (void)worker, (void)ret_state;
}

/* ---- a case ---- */
static int begin(void **state)
{
    (void)state;
    static const struct push_options options = {.grace_ms = GRACE_MS};
    const struct pusher_setup setup = {.options = &options, .name = "test"};
    turns_begin();
    time_ms = 1000000;
    registrations = 2;
    resumed_ms = 5; /* before it started */
    atomic_store(&is_ending, false);
    evaluate_status = sweep_status = STATUS_OK;
    counts = prunes = sweeps = evaluations = wakes = reloads = 0;
    conversations_len = devices_len = 0;
    memset(looked_at, 0, sizeof looked_at);
    made_for = NULL;
    notes_everybody = false;
    if (pusher_new(&setup, &the_pusher) != STATUS_OK || pusher_start(the_pusher) != STATUS_OK)
        return 1;
    (void)sem_wait(&turned);
    return 0;
}

static int end(void **state)
{
    (void)state;
    atomic_store(&is_ending, true);
    (void)sem_post(&go);
    if (!pusher_stop(the_pusher, INT64_MAX))
        return 1;
    pusher_free(the_pusher);
    return 0;
}

/* Conversations in which something was said, by one thread that appends. */
static void say_in(int64_t from_id, int64_t to_id)
{
    struct notes *notes = pusher_notes_new(the_pusher);
    for (int64_t id = from_id; id <= to_id; id++)
        notes_add(notes, id, time_ms);
    notes_hand_over(notes);
    turn();
}

static void leave(int64_t device_id)
{
    pusher_note_gone(the_pusher, &device_id, 1);
    turn();
}

#endif
