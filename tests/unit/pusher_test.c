/*
 * Who is looked at for a push notification, with a database that has only devices.
 * link: sync-service/push/pusher.c sync-service/log.c sync-service/thread.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include "sync-service/clock.h"
#include "sync-service/push/jobs.h"
#include "sync-service/push/pusher.h"
#include "sync-service/push/transport.h"

#define DEVICES 250 /* more than one batch of a sweep */

static struct pusher *the_pusher;
static atomic_int looked_at[DEVICES + 1]; /* by device id */

/* ---- the clock: a look at it takes ten seconds, so that nothing is waited for ---- */
static _Atomic int64_t time_ms;

int64_t clock_monotonic_ms(void)
{
    return atomic_fetch_add(&time_ms, 10000);
}

/* ---- the database ---- */
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

void database_drop(struct database *database)
{
    (void)database;
}

bool database_connect(struct database *database)
{
    database->connections = 1;
    return true;
}

enum status jobs_listen(struct database *database)
{
    (void)database;
    return STATUS_OK;
}

enum status jobs_count(struct database *database, struct jobs_count *ret_count)
{
    (void)database;
    *ret_count = (struct jobs_count){.registrations = DEVICES};
    return STATUS_OK;
}

enum status jobs_prune(struct database *database)
{
    (void)database;
    return STATUS_OK;
}

enum status jobs_sweep(struct database *database, int64_t after_device_id, int64_t ids[], size_t ids_size,
                       size_t *ret_len)
{
    (void)database;
    for (*ret_len = 0; *ret_len < ids_size && after_device_id < DEVICES;)
        ids[(*ret_len)++] = ++after_device_id;
    return STATUS_OK;
}

enum status jobs_evaluate(struct database *database, const int64_t conversation_ids[], size_t conversations_len,
                          const int64_t device_ids[], size_t devices_len, const struct push_options *options,
                          void (*on_made)(void *ctx, const char *provider, int64_t jobs), void *ctx)
{
    (void)database, (void)conversation_ids, (void)conversations_len, (void)options, (void)on_made, (void)ctx;
    for (size_t i = 0; i < devices_len; i++)
        if (atomic_fetch_add(&looked_at[device_ids[i]], 1) == 0 && device_ids[i] == 1)
            pusher_note_everybody(the_pusher); /* the first ones are being passed just now */
    return STATUS_OK;
}

/* ---- no provider ---- */
static bool is_never(const struct push_options *options)
{
    (void)options;
    return false;
}

static const struct push_provider_type none = {.name = "none", .is_configured = is_never};
const struct push_provider_type *const push_provider_types[PUSH_PROVIDERS] = {&none, &none, &none, &none};

bool transport_init(void)
{
    return true;
}

enum status worker_new(const struct worker_options *options, struct worker **ret_worker)
{
    (void)options, (void)ret_worker;
    return STATUS_INTERNAL;
}

enum status worker_start(struct worker *worker)
{
    (void)worker;
    return STATUS_INTERNAL;
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
}

void worker_reload(struct worker *worker)
{
    (void)worker;
}

bool worker_serves(const struct worker *worker, const char *provider)
{
    (void)worker, (void)provider;
    return false;
}

void worker_state(struct worker *worker, struct worker_state *ret_state)
{
    (void)worker, (void)ret_state;
}

/* ---- */
/* A sweep that has passed somebody already does not do for what is noted behind it. */
static void who_was_passed_is_looked_at_again(void **state)
{
    (void)state;
    static const struct push_options options = {.grace_ms = 0};
    const struct pusher_setup setup = {.options = &options, .name = "test"};
    assert_int_equal(pusher_new(&setup, &the_pusher), STATUS_OK);
    assert_int_equal(pusher_start(the_pusher), STATUS_OK);
    for (int i = 0; i < 10000 && atomic_load(&looked_at[DEVICES]) < 2; i++)
        (void)poll(NULL, 0, 1);
    int64_t end_ms = atomic_load(&time_ms);
    assert_true(pusher_stop(the_pusher, INT64_MAX));
    pusher_free(the_pusher);
    assert_int_equal(atomic_load(&looked_at[1]), 2);
    assert_int_equal(atomic_load(&looked_at[DEVICES]), 2);
    assert_true(end_ms < 3600 * 1000); /* and not because an hour is over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_was_passed_is_looked_at_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
