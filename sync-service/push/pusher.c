#include "pusher.h"
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#define HASH_NONFATAL_OOM 1 /* else it ends the process, without a word */
#include <uthash.h>
#include "../clock.h"
#include "../log.h"
#include "../thread.h"
#include "jobs.h"
#include "transport.h"

#define NOTES_THREADS_MAX    64     /* shards */
#define WAITING_MAX          200000 /* conversations and devices in their grace; above: everything is looked at instead */
#define BATCH                500    /* of one statement */
#define SWEEP_BATCH          200
#define SWEEP_AFTER_START_MS 10000   /* until then devices have come back that had only lost the service */
#define SWEEP_EVERY_MS       3600000 /* and what was missed by mischance is found within the hour */
#define COUNT_EVERY_MS       10000
#define COUNT_AGAIN_MS       1000 /* whatever is heard meanwhile */
#define PRUNE_EVERY_MS       60000
#define RETRY_MS             500
#define READ_ONLY_RETRY_MS   5000 /* each refusal is logged */
#define IDLE_MS              1000

/* A conversation or a device in its grace. In the order of noting, which is that of falling due. */
struct waiting {
    UT_hash_handle hh;
    struct {
        int64_t id;
        int64_t is_device; /* of this width: it is part of the key */
    } key;
    int64_t due_ms;
    bool is_again; /* noted again meanwhile */
};

struct pusher {
    struct pusher_setup setup;
    struct worker *workers[PUSH_PROVIDERS];
    size_t workers_len;
    struct notes *notes[NOTES_THREADS_MAX];
    size_t notes_len;
    atomic_bool is_wanted, is_stopping;
    /* handed over, under the lock */
    pthread_mutex_t lock;
    int64_t *conversation_ids, *device_ids;
    size_t conversations_len, conversations_size, devices_len, devices_size;
    bool is_everything, is_news; /* to look at all devices; to count */
    bool is_awake;               /* a wake-up was written, and not read yet */
    struct pusher_state state;
    int wake_fd;
    /* the watcher's own */
    struct waiting *waiting;
    struct database database;
    int64_t sweep_at_ms, sweep_after_id, count_at_ms, counted_at_ms, prune_at_ms, not_before_ms;
    bool is_sweep_wanted; /* another one, behind the next */
    int64_t resumed_ms;   /* as counted; -1: not yet */
    pthread_t thread;
    bool is_started;
};

bool pusher_is_configured(const struct push_options *options)
{
    for (size_t i = 0; i < PUSH_PROVIDERS; i++)
        if (push_provider_types[i]->is_configured(options))
            return true;
    return false;
}

/* ---- handing over ---- */
static void wake(struct pusher *pusher)
{
    if (pusher->is_awake)
        return;
    pusher->is_awake = true;
    ssize_t written = write(pusher->wake_fd, &(uint64_t){1}, sizeof(uint64_t)); /* a counter: it cannot be full */
    (void)written;
}

/* Under the lock. Without room everything is looked at instead. */
static void put_ids(struct pusher *pusher, int64_t **ids, size_t *len, size_t *size, const int64_t more[],
                    size_t more_len)
{
    if (*len + more_len > WAITING_MAX) {
        pusher->is_everything = true;
        return;
    }
    if (*len + more_len > *size) {
        size_t larger = 2 * (*len + more_len);
        int64_t *grown = realloc(*ids, larger * sizeof **ids);
        if (grown == NULL) {
            pusher->is_everything = true;
            return;
        }
        *ids = grown;
        *size = larger;
    }
    memcpy(*ids + *len, more, more_len * sizeof *more);
    *len += more_len;
}

static void notes_take(void *ctx, const struct notes *notes)
{
    struct pusher *pusher = ctx;
    (void)pthread_mutex_lock(&pusher->lock);
    put_ids(pusher, &pusher->conversation_ids, &pusher->conversations_len, &pusher->conversations_size, notes->ids,
            notes->len);
    pusher->is_everything |= notes->is_overflown;
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
}

void pusher_note_gone(struct pusher *pusher, const int64_t device_ids[], size_t len)
{
    if (pusher == NULL || !atomic_load(&pusher->is_wanted))
        return;
    (void)pthread_mutex_lock(&pusher->lock);
    put_ids(pusher, &pusher->device_ids, &pusher->devices_len, &pusher->devices_size, device_ids, len);
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
}

void pusher_note_everybody(struct pusher *pusher)
{
    if (pusher == NULL || !atomic_load(&pusher->is_wanted))
        return;
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->is_everything = true;
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
}

void pusher_note_news(struct pusher *pusher, int64_t device_id)
{
    if (pusher == NULL)
        return;
    (void)pthread_mutex_lock(&pusher->lock);
    if (device_id > 0)
        put_ids(pusher, &pusher->device_ids, &pusher->devices_len, &pusher->devices_size, &device_id, 1);
    pusher->is_news = true;
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
}

void pusher_note_missed(struct pusher *pusher)
{
    if (pusher == NULL)
        return;
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->is_everything = pusher->is_news = true;
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
}

struct notes *pusher_notes_new(struct pusher *pusher)
{
    if (pusher == NULL || pusher->notes_len == NOTES_THREADS_MAX)
        return NULL;
    struct notes *notes = calloc(1, sizeof *notes);
    if (notes == NULL)
        return NULL;
    notes->ctx = pusher;
    notes->hand_over = notes_take;
    notes->is_wanted = &pusher->is_wanted;
    pusher->notes[pusher->notes_len++] = notes;
    return notes;
}

void pusher_reload(struct pusher *pusher)
{
    for (size_t i = 0; pusher != NULL && i < pusher->workers_len; i++)
        worker_reload(pusher->workers[i]);
}

/* ---- the watcher: who is in the grace ---- */
/*
 * Everybody is to be looked at, not before then. A sweep that is under way may have passed some, and for one that comes
 * sooner their messages may be too young: there is another one behind it.
 */
static void sweep_by(struct pusher *pusher, int64_t due_ms)
{
    if (pusher->sweep_after_id > 0 || pusher->sweep_at_ms < due_ms)
        pusher->is_sweep_wanted = true;
    else
        pusher->sweep_at_ms = due_ms;
}

static void wait_add(struct pusher *pusher, int64_t id, bool is_device, int64_t due_ms)
{
    struct waiting *waiting, probe = {.key = {id, is_device}};
    HASH_FIND(hh, pusher->waiting, &probe.key, sizeof probe.key, waiting);
    if (waiting != NULL) {
        waiting->is_again = true;
        return;
    }
    waiting = HASH_COUNT(pusher->waiting) < WAITING_MAX ? calloc(1, sizeof *waiting) : NULL;
    if (waiting == NULL) {
        sweep_by(pusher, due_ms);
        return;
    }
    waiting->key = probe.key;
    waiting->due_ms = due_ms;
    HASH_ADD(hh, pusher->waiting, key, sizeof waiting->key, waiting);
    if (waiting->hh.tbl == NULL) { /* no memory for the table */
        free(waiting);
        sweep_by(pusher, due_ms);
    }
}

static void take_notes(struct pusher *pusher, int64_t now_ms)
{
    /* what was noted later within the same slot is older than the grace by then, too */
    int64_t due_ms = now_ms + pusher->setup.options->grace_ms + NOTES_SLOT_MS;
    uint64_t counter;
    (void)pthread_mutex_lock(&pusher->lock);
    if (pusher->is_awake && read(pusher->wake_fd, &counter, sizeof counter) > 0)
        pusher->is_awake = false;
    for (size_t i = 0; i < pusher->conversations_len; i++)
        wait_add(pusher, pusher->conversation_ids[i], false, due_ms);
    for (size_t i = 0; i < pusher->devices_len; i++)
        wait_add(pusher, pusher->device_ids[i], true, due_ms);
    pusher->state.noted += pusher->conversations_len + pusher->devices_len;
    pusher->conversations_len = pusher->devices_len = 0;
    if (pusher->is_everything)
        sweep_by(pusher, due_ms);
    if (pusher->is_news && pusher->counted_at_ms + COUNT_AGAIN_MS < pusher->count_at_ms)
        pusher->count_at_ms = pusher->counted_at_ms + COUNT_AGAIN_MS;
    pusher->is_everything = pusher->is_news = false;
    (void)pthread_mutex_unlock(&pusher->lock);
}

/* ---- the watcher: making jobs ---- */
static void on_made(void *ctx, const char *provider, int64_t jobs)
{
    struct pusher *pusher = ctx;
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->state.made += (uint64_t)jobs;
    (void)pthread_mutex_unlock(&pusher->lock);
    for (size_t i = 0; i < pusher->workers_len; i++)
        if (worker_serves(pusher->workers[i], provider))
            worker_wake(pusher->workers[i]);
}

/* STATUS_UNAVAILABLE: later. */
static enum status evaluate(struct pusher *pusher, int64_t now_ms, const int64_t conversation_ids[],
                            size_t conversations_len, const int64_t device_ids[], size_t devices_len)
{
    enum status status = jobs_evaluate(&pusher->database, conversation_ids, conversations_len, device_ids, devices_len,
                                       pusher->setup.options, on_made, pusher);
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->state.evaluations++;
    (void)pthread_mutex_unlock(&pusher->lock);
    if (status == STATUS_UNAVAILABLE || status == STATUS_DENIED) { /* it is away, or takes no changes now */
        pusher->not_before_ms = now_ms + (status == STATUS_DENIED ? READ_ONLY_RETRY_MS : RETRY_MS);
        return STATUS_UNAVAILABLE;
    }
    if (status != STATUS_OK) /* said by the database's part; not again and again */
        log_error("push", "not-evaluated", LOG_TEXT("why", status_name(status)));
    return status;
}

/* One batch of those whose grace is over; they wait on while the database cannot say. False: then, or none is due. */
static bool evaluate_due(struct pusher *pusher, int64_t now_ms)
{
    int64_t conversation_ids[BATCH], device_ids[BATCH];
    size_t conversations_len = 0, devices_len = 0;
    struct waiting *waiting = pusher->waiting;
    for (; waiting != NULL; waiting = waiting->hh.next) {
        if (waiting->due_ms > now_ms || conversations_len == BATCH || devices_len == BATCH)
            break;
        if (waiting->key.is_device)
            device_ids[devices_len++] = waiting->key.id;
        else
            conversation_ids[conversations_len++] = waiting->key.id;
    }
    size_t len = conversations_len + devices_len;
    if (len == 0)
        return false;
    if (evaluate(pusher, now_ms, conversation_ids, conversations_len, device_ids, devices_len) == STATUS_UNAVAILABLE)
        return false;
    for (; len > 0 && (waiting = pusher->waiting) != NULL; len--) { /* the same ones: they are the oldest */
        bool is_again = waiting->is_again; /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        HASH_DEL(pusher->waiting, waiting);
        if (is_again)
            wait_add(pusher, waiting->key.id, waiting->key.is_device != 0,
                     now_ms + pusher->setup.options->grace_ms + NOTES_SLOT_MS);
        free(waiting);
    }
    return true;
}

/* All registered devices, some at a time: what happened while nobody watched. */
static void sweep(struct pusher *pusher, int64_t now_ms)
{
    int64_t ids[SWEEP_BATCH];
    size_t len;
    if (now_ms < pusher->sweep_at_ms)
        return;
    if (jobs_sweep(&pusher->database, pusher->sweep_after_id, ids, SWEEP_BATCH, &len) != STATUS_OK) {
        pusher->not_before_ms = now_ms + RETRY_MS;
        return;
    }
    if (len > 0 && evaluate(pusher, now_ms, NULL, 0, ids, len) == STATUS_UNAVAILABLE)
        return;
    if (len == SWEEP_BATCH) {
        pusher->sweep_after_id = ids[len - 1];
    } else {
        pusher->sweep_after_id = 0;
        pusher->sweep_at_ms =
            now_ms + (pusher->is_sweep_wanted ? pusher->setup.options->grace_ms + NOTES_SLOT_MS : SWEEP_EVERY_MS);
        pusher->is_sweep_wanted = false;
    }
}

/* ---- the watcher: the database's side ---- */
static void count(struct pusher *pusher, int64_t now_ms)
{
    struct jobs_count counted;
    if (now_ms < pusher->count_at_ms || jobs_count(&pusher->database, &counted) != STATUS_OK)
        return;
    pusher->counted_at_ms = now_ms;
    pusher->count_at_ms = now_ms + COUNT_EVERY_MS;
    bool is_first = pusher->resumed_ms < 0;
    bool is_resumed = !is_first && counted.resumed_ms > pusher->resumed_ms;
    if (is_resumed)
        pusher_reload(pusher);
    pusher->resumed_ms = counted.resumed_ms;
    bool is_wanted = counted.registrations > 0, was_wanted = atomic_exchange(&pusher->is_wanted, is_wanted);
    if (is_wanted && (!was_wanted || is_resumed)) /* until now nothing was noted, or who was refused passed over */
        sweep_by(pusher, now_ms + pusher->setup.options->grace_ms + (is_first ? SWEEP_AFTER_START_MS : NOTES_SLOT_MS));
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->state.registrations = counted.registrations;
    pusher->state.waiting = counted.waiting;
    pusher->state.oldest_s = counted.oldest_s;
    (void)pthread_mutex_unlock(&pusher->lock);
    if (now_ms >= pusher->prune_at_ms && jobs_prune(&pusher->database) == STATUS_OK)
        pusher->prune_at_ms = now_ms + PRUNE_EVERY_MS;
}

static void connection_check(struct pusher *pusher)
{
    bool is_up = database_connect(&pusher->database);
    (void)pthread_mutex_lock(&pusher->lock);
    pusher->state.is_database_up = is_up;
    (void)pthread_mutex_unlock(&pusher->lock);
}

static void wait_for_work(struct pusher *pusher, int64_t now_ms)
{
    int64_t due_ms = now_ms + IDLE_MS;
    if (pusher->waiting != NULL && pusher->waiting->due_ms < due_ms)
        due_ms = pusher->waiting->due_ms;
    if (pusher->sweep_after_id > 0 || pusher->sweep_at_ms < due_ms)
        due_ms = pusher->sweep_after_id > 0 ? now_ms : pusher->sweep_at_ms;
    if (due_ms < pusher->not_before_ms)
        due_ms = pusher->not_before_ms;
    struct pollfd fd = {pusher->wake_fd, POLLIN, 0};
    (void)poll(&fd, 1, due_ms <= now_ms ? 0 : (int)(due_ms - now_ms)); /* interrupted: an early turn */
}

static void *watch(void *arg)
{
    struct pusher *pusher = arg;
    while (!atomic_load(&pusher->is_stopping)) {
        int64_t now_ms = clock_monotonic_ms();
        connection_check(pusher);
        take_notes(pusher, now_ms);
        if (now_ms >= pusher->not_before_ms) {
            count(pusher, now_ms);
            while (!atomic_load(&pusher->is_stopping) && evaluate_due(pusher, now_ms))
                continue;
            sweep(pusher, now_ms);
        }
        wait_for_work(pusher, clock_monotonic_ms());
    }
    return NULL;
}

/* ---- life ---- */
static enum status workers_make(struct pusher *pusher)
{
    for (size_t i = 0; i < PUSH_PROVIDERS; i++) {
        const struct push_provider_type *type = push_provider_types[i];
        if (!type->is_configured(pusher->setup.options))
            continue;
        const struct worker_options options = {type, pusher->setup.options, pusher->setup.primary, pusher->setup.name,
                                               &pusher->is_wanted};
        enum status status = worker_new(&options, &pusher->workers[pusher->workers_len]);
        if (status != STATUS_OK)
            return status;
        pusher->workers_len++;
    }
    return STATUS_OK;
}

enum status pusher_new(const struct pusher_setup *setup, struct pusher **ret_pusher)
{
    struct pusher *pusher = calloc(1, sizeof *pusher);
    if (pusher == NULL)
        return STATUS_NO_MEMORY;
    pusher->setup = *setup;
    pusher->resumed_ms = -1;
    pusher->state.registrations = pusher->state.waiting = pusher->state.oldest_s = -1;
    (void)pthread_mutex_init(&pusher->lock, NULL);
    pusher->sweep_at_ms = INT64_MAX; /* until anybody is registered */
    pusher->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status = pusher->wake_fd < 0 || !transport_init() ? STATUS_UNAVAILABLE : STATUS_OK;
    if (status == STATUS_OK)
        status = database_init(&pusher->database, setup->primary, setup->name);
    if (status == STATUS_OK)
        status = workers_make(pusher);
    if (status != STATUS_OK) {
        pusher_free(pusher);
        return status;
    }
    if (setup->options->allow_private_addresses)
        log_warning("push", "private-addresses-allowed",
                    LOG_TEXT("note", "devices may name addresses in this network"));
    *ret_pusher = pusher;
    return STATUS_OK;
}

enum status pusher_start(struct pusher *pusher)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < pusher->workers_len && status == STATUS_OK; i++)
        status = worker_start(pusher->workers[i]);
    if (status == STATUS_OK && pthread_create(&pusher->thread, NULL, watch, pusher) != 0)
        status = STATUS_UNAVAILABLE;
    pusher->is_started = status == STATUS_OK;
    return status;
}

bool pusher_stop(struct pusher *pusher, int64_t deadline_ms)
{
    bool has_ended = true;
    if (pusher == NULL)
        return true;
    atomic_store(&pusher->is_stopping, true);
    (void)pthread_mutex_lock(&pusher->lock);
    wake(pusher);
    (void)pthread_mutex_unlock(&pusher->lock);
    for (size_t i = 0; i < pusher->workers_len; i++)
        worker_stop(pusher->workers[i]);
    for (size_t i = 0; i < pusher->workers_len; i++)
        has_ended &= worker_join(pusher->workers[i], deadline_ms);
    if (pusher->is_started)
        pusher->is_started = !thread_join(pusher->thread, deadline_ms);
    return has_ended && !pusher->is_started;
}

static void waiting_forget(struct pusher *pusher)
{
    struct waiting *first = pusher->waiting;
    HASH_CLEAR(hh, pusher->waiting);
    for (struct waiting *next; first != NULL; first = next) {
        next = first->hh.next;
        free(first);
    }
}

void pusher_free(struct pusher *pusher)
{
    if (pusher == NULL)
        return;
    waiting_forget(pusher);
    for (size_t i = 0; i < pusher->workers_len; i++)
        worker_free(pusher->workers[i]);
    for (size_t i = 0; i < pusher->notes_len; i++)
        free(pusher->notes[i]);
    database_done(&pusher->database);
    if (pusher->wake_fd >= 0)
        (void)close(pusher->wake_fd);
    free(pusher->conversation_ids);
    free(pusher->device_ids);
    free(pusher);
}

void pusher_state(struct pusher *pusher, struct pusher_state *ret_state)
{
    (void)pthread_mutex_lock(&pusher->lock);
    *ret_state = pusher->state;
    (void)pthread_mutex_unlock(&pusher->lock);
    ret_state->workers_len = pusher->workers_len;
    for (size_t i = 0; i < pusher->workers_len; i++)
        worker_state(pusher->workers[i], &ret_state->workers[i]);
}
