#include "push.h"
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>
#include "../clock.h"
#include "../log.h"
#include "jobs.h"

#define NOTES_THREADS_MAX 64     /* shards */
#define WAITING_MAX 200000       /* conversations and devices in their grace; above: everything is looked at instead */
#define BATCH 500                /* of one statement */
#define SWEEP_BATCH 200
#define SWEEP_AFTER_START_MS 10000 /* until then devices have come back that had only lost the service */
#define SWEEP_EVERY_MS 3600000     /* and what was missed by mischance is found within the hour */
#define COUNT_EVERY_MS 10000
#define PRUNE_EVERY_MS 60000
#define RETRY_MS 500
#define IDLE_MS 1000

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

struct push {
    struct push_setup setup;
    struct worker *workers[PUSH_PROVIDERS];
    size_t workers_len;
    struct push_notes *notes[NOTES_THREADS_MAX];
    size_t notes_len;
    atomic_bool is_wanted, is_stopping;
    /* handed over, under the lock */
    pthread_mutex_t lock;
    int64_t *conversation_ids, *device_ids;
    size_t conversations_len, conversations_size, devices_len, devices_size;
    bool is_everything, is_awake; /* a wake-up was written, and not read yet */
    struct push_state state;
    int wake_fd;
    /* the watcher's own */
    struct waiting *waiting;
    struct database database;
    PGconn *listening; /* the connection that listens */
    int64_t sweep_at_ms, sweep_after_id, count_at_ms, prune_at_ms, not_before_ms;
    pthread_t thread;
    bool is_started;
};

bool push_is_configured(const struct push_options *options)
{
    for (size_t i = 0; i < PUSH_PROVIDERS; i++)
        if (push_provider_types[i]->is_configured(options))
            return true;
    return false;
}

/* ---- handing over ---- */
static void wake(struct push *push)
{
    if (push->is_awake)
        return;
    push->is_awake = true;
    ssize_t written = write(push->wake_fd, &(uint64_t){1}, sizeof(uint64_t)); /* a counter: it cannot be full */
    (void)written;
}

/* Under the lock. Without room everything is looked at instead. */
static void put_ids(struct push *push, int64_t **ids, size_t *len, size_t *size, const int64_t more[], size_t more_len)
{
    if (*len + more_len > WAITING_MAX) {
        push->is_everything = true;
        return;
    }
    if (*len + more_len > *size) {
        size_t larger = 2 * (*len + more_len);
        int64_t *grown = realloc(*ids, larger * sizeof **ids);
        if (grown == NULL) {
            push->is_everything = true;
            return;
        }
        *ids = grown;
        *size = larger;
    }
    memcpy(*ids + *len, more, more_len * sizeof *more);
    *len += more_len;
}

void push_notes_hand_over_all(struct push_notes *notes)
{
    struct push *push = notes->push;
    (void)pthread_mutex_lock(&push->lock);
    put_ids(push, &push->conversation_ids, &push->conversations_len, &push->conversations_size, notes->ids, notes->len);
    push->is_everything |= notes->is_overflown;
    wake(push);
    (void)pthread_mutex_unlock(&push->lock);
    notes->len = 0;
    notes->is_overflown = false;
}

void push_note_gone(struct push *push, const int64_t device_ids[], size_t len)
{
    if (push == NULL || !atomic_load(&push->is_wanted))
        return;
    (void)pthread_mutex_lock(&push->lock);
    put_ids(push, &push->device_ids, &push->devices_len, &push->devices_size, device_ids, len);
    wake(push);
    (void)pthread_mutex_unlock(&push->lock);
}

struct push_notes *push_notes_new(struct push *push)
{
    if (push == NULL || push->notes_len == NOTES_THREADS_MAX)
        return NULL;
    struct push_notes *notes = calloc(1, sizeof *notes);
    if (notes == NULL)
        return NULL;
    notes->push = push;
    notes->is_wanted = &push->is_wanted;
    push->notes[push->notes_len++] = notes;
    return notes;
}

void push_reload(struct push *push)
{
    for (size_t i = 0; push != NULL && i < push->workers_len; i++)
        worker_reload(push->workers[i]);
}

/* ---- the watcher: who is in the grace ---- */
static void wait_add(struct push *push, int64_t id, bool is_device, int64_t due_ms)
{
    struct waiting *waiting, probe = {.key = {id, is_device}};
    HASH_FIND(hh, push->waiting, &probe.key, sizeof probe.key, waiting);
    if (waiting != NULL) {
        waiting->is_again = true;
        return;
    }
    waiting = HASH_COUNT(push->waiting) < WAITING_MAX ? calloc(1, sizeof *waiting) : NULL;
    if (waiting == NULL) {
        push->sweep_at_ms = due_ms < push->sweep_at_ms ? due_ms : push->sweep_at_ms;
        return;
    }
    waiting->key = probe.key;
    waiting->due_ms = due_ms;
    HASH_ADD(hh, push->waiting, key, sizeof waiting->key, waiting);
}

static void take_notes(struct push *push, int64_t now_ms)
{
    /* what was noted later within the same slot is older than the grace by then, too */
    int64_t due_ms = now_ms + push->setup.options->grace_ms + PUSH_NOTES_SLOT_MS;
    uint64_t counter;
    (void)pthread_mutex_lock(&push->lock);
    if (push->is_awake && read(push->wake_fd, &counter, sizeof counter) > 0)
        push->is_awake = false;
    for (size_t i = 0; i < push->conversations_len; i++)
        wait_add(push, push->conversation_ids[i], false, due_ms);
    for (size_t i = 0; i < push->devices_len; i++)
        wait_add(push, push->device_ids[i], true, due_ms);
    push->state.noted += push->conversations_len + push->devices_len;
    push->conversations_len = push->devices_len = 0;
    if (push->is_everything && push->sweep_at_ms > due_ms)
        push->sweep_at_ms = due_ms;
    push->is_everything = false;
    (void)pthread_mutex_unlock(&push->lock);
}

/* ---- the watcher: making jobs ---- */
static void on_made(void *ctx, const char *provider, int64_t jobs)
{
    struct push *push = ctx;
    (void)pthread_mutex_lock(&push->lock);
    push->state.made += (uint64_t)jobs;
    (void)pthread_mutex_unlock(&push->lock);
    for (size_t i = 0; i < push->workers_len; i++)
        if (worker_serves(push->workers[i], provider))
            worker_wake(push->workers[i]);
}

static enum status evaluate(struct push *push, const int64_t conversation_ids[], size_t conversations_len,
                            const int64_t device_ids[], size_t devices_len)
{
    enum status status = jobs_evaluate(&push->database, conversation_ids, conversations_len, device_ids, devices_len,
                                       push->setup.options, on_made, push);
    (void)pthread_mutex_lock(&push->lock);
    push->state.evaluations++;
    (void)pthread_mutex_unlock(&push->lock);
    if (status != STATUS_OK && status != STATUS_UNAVAILABLE) /* said by the database's part; not again and again */
        log_error("push", "not-evaluated", LOG_TEXT("why", status_name(status)));
    return status;
}

/* One batch of those whose grace is over; they wait on when the database is away. False: none is due, or it is away. */
static bool evaluate_due(struct push *push, int64_t now_ms)
{
    int64_t conversation_ids[BATCH], device_ids[BATCH];
    size_t conversations_len = 0, devices_len = 0;
    struct waiting *waiting, *next;
    HASH_ITER(hh, push->waiting, waiting, next)
    {
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
    if (evaluate(push, conversation_ids, conversations_len, device_ids, devices_len) == STATUS_UNAVAILABLE) {
        push->not_before_ms = now_ms + RETRY_MS;
        return false;
    }
    for (; len > 0; len--) { /* the same ones: nothing was added since */
        waiting = push->waiting;
        bool is_again = waiting->is_again;
        HASH_DEL(push->waiting, waiting);
        if (is_again)
            wait_add(push, waiting->key.id, waiting->key.is_device != 0,
                     now_ms + push->setup.options->grace_ms + PUSH_NOTES_SLOT_MS);
        free(waiting);
    }
    return true;
}

/* All registered devices, some at a time: what happened while nobody watched. */
static void sweep(struct push *push, int64_t now_ms)
{
    int64_t ids[SWEEP_BATCH];
    size_t len;
    if (now_ms < push->sweep_at_ms)
        return;
    if (jobs_sweep(&push->database, push->sweep_after_id, ids, SWEEP_BATCH, &len) != STATUS_OK ||
        (len > 0 && evaluate(push, NULL, 0, ids, len) == STATUS_UNAVAILABLE)) {
        push->not_before_ms = now_ms + RETRY_MS;
        return;
    }
    if (len == SWEEP_BATCH) {
        push->sweep_after_id = ids[len - 1];
    } else {
        push->sweep_after_id = 0;
        push->sweep_at_ms = now_ms + SWEEP_EVERY_MS;
    }
}

/* ---- the watcher: the database's side ---- */
static void count(struct push *push, int64_t now_ms)
{
    struct jobs_count counted;
    if (now_ms < push->count_at_ms || jobs_count(&push->database, &counted) != STATUS_OK)
        return;
    push->count_at_ms = now_ms + COUNT_EVERY_MS;
    atomic_store(&push->is_wanted, counted.registrations > 0);
    (void)pthread_mutex_lock(&push->lock);
    push->state.registrations = counted.registrations;
    push->state.waiting = counted.waiting;
    push->state.oldest_s = counted.oldest_s;
    (void)pthread_mutex_unlock(&push->lock);
    if (now_ms >= push->prune_at_ms && jobs_prune(&push->database) == STATUS_OK)
        push->prune_at_ms = now_ms + PRUNE_EVERY_MS;
}

/* A device has registered: it is looked at. Nothing named: an operator resumes what was stopped. */
static void take_notifications(struct push *push, int64_t now_ms)
{
    PGnotify *notification;
    if (push->database.conn == NULL)
        return;
    if (PQconsumeInput(push->database.conn) == 0) {
        database_drop(&push->database);
        return;
    }
    while ((notification = PQnotifies(push->database.conn)) != NULL) {
        int64_t device_id = strtoll(notification->extra, NULL, 10);
        push->count_at_ms = 0;
        if (device_id > 0)
            wait_add(push, device_id, true, now_ms + push->setup.options->grace_ms);
        else
            push_reload(push);
        PQfreemem(notification);
    }
}

static void listen_again(struct push *push)
{
    if (!database_connect(&push->database)) {
        push->listening = NULL;
    } else if (push->listening != push->database.conn) {
        if (jobs_listen(&push->database) == STATUS_OK)
            push->listening = push->database.conn;
        push->count_at_ms = 0; /* what was missed shows there */
    }
    (void)pthread_mutex_lock(&push->lock);
    push->state.is_database_up = push->database.conn != NULL;
    (void)pthread_mutex_unlock(&push->lock);
}

static void wait_for_work(struct push *push, int64_t now_ms)
{
    int64_t due_ms = now_ms + IDLE_MS;
    if (push->waiting != NULL && push->waiting->due_ms < due_ms)
        due_ms = push->waiting->due_ms;
    if (push->sweep_after_id > 0 || push->sweep_at_ms < due_ms)
        due_ms = push->sweep_after_id > 0 ? now_ms : push->sweep_at_ms;
    if (due_ms < push->not_before_ms)
        due_ms = push->not_before_ms;
    struct pollfd fds[2] = {
        {push->wake_fd, POLLIN, 0},
        {push->database.conn == NULL ? -1 : PQsocket(push->database.conn), POLLIN, 0},
    };
    (void)poll(fds, 2, due_ms <= now_ms ? 0 : (int)(due_ms - now_ms)); /* interrupted: an early turn */
}

static void *watch(void *arg)
{
    struct push *push = arg;
    while (!atomic_load(&push->is_stopping)) {
        int64_t now_ms = clock_monotonic_ms();
        listen_again(push);
        take_notes(push, now_ms);
        take_notifications(push, now_ms);
        if (now_ms >= push->not_before_ms) {
            count(push, now_ms);
            while (!atomic_load(&push->is_stopping) && evaluate_due(push, now_ms))
                continue;
            sweep(push, now_ms);
        }
        wait_for_work(push, clock_monotonic_ms());
    }
    return NULL;
}

/* ---- life ---- */
static enum status workers_make(struct push *push)
{
    for (size_t i = 0; i < PUSH_PROVIDERS; i++) {
        const struct push_provider_type *type = push_provider_types[i];
        if (!type->is_configured(push->setup.options))
            continue;
        const struct worker_options options = {type, push->setup.options, push->setup.database, push->setup.name,
                                               &push->is_wanted};
        enum status status = worker_new(&options, &push->workers[push->workers_len]);
        if (status != STATUS_OK)
            return status;
        push->workers_len++;
    }
    return STATUS_OK;
}

enum status push_new(const struct push_setup *setup, struct push **ret_push)
{
    struct push *push = calloc(1, sizeof *push);
    if (push == NULL)
        return STATUS_NO_MEMORY;
    push->setup = *setup;
    push->state.registrations = push->state.waiting = push->state.oldest_s = -1;
    (void)pthread_mutex_init(&push->lock, NULL);
    push->sweep_at_ms = clock_monotonic_ms() + SWEEP_AFTER_START_MS + setup->options->grace_ms;
    push->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status = push->wake_fd < 0 ? STATUS_UNAVAILABLE
                                           : database_init(&push->database, setup->database, setup->name);
    if (status == STATUS_OK)
        status = workers_make(push);
    if (status != STATUS_OK) {
        push_free(push);
        return status;
    }
    if (setup->options->allow_private_addresses)
        log_warning("push", "private-addresses-allowed", LOG_TEXT("note", "devices may name addresses in this network"));
    *ret_push = push;
    return STATUS_OK;
}

enum status push_start(struct push *push)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < push->workers_len && status == STATUS_OK; i++)
        status = worker_start(push->workers[i]);
    if (status == STATUS_OK && pthread_create(&push->thread, NULL, watch, push) != 0)
        status = STATUS_UNAVAILABLE;
    push->is_started = status == STATUS_OK;
    return status;
}

void push_stop(struct push *push)
{
    if (push == NULL)
        return;
    atomic_store(&push->is_stopping, true);
    (void)pthread_mutex_lock(&push->lock);
    wake(push);
    (void)pthread_mutex_unlock(&push->lock);
    if (push->is_started)
        (void)pthread_join(push->thread, NULL); /* ours, joined once */
    push->is_started = false;
    for (size_t i = 0; i < push->workers_len; i++)
        worker_stop(push->workers[i]);
}

void push_free(struct push *push)
{
    if (push == NULL)
        return;
    struct waiting *waiting, *next;
    HASH_ITER(hh, push->waiting, waiting, next)
    {
        HASH_DEL(push->waiting, waiting);
        free(waiting);
    }
    for (size_t i = 0; i < push->workers_len; i++)
        worker_free(push->workers[i]);
    for (size_t i = 0; i < push->notes_len; i++)
        free(push->notes[i]);
    database_done(&push->database);
    if (push->wake_fd >= 0)
        (void)close(push->wake_fd);
    free(push->conversation_ids);
    free(push->device_ids);
    free(push);
}

void push_state(struct push *push, struct push_state *ret_state)
{
    (void)pthread_mutex_lock(&push->lock);
    *ret_state = push->state;
    (void)pthread_mutex_unlock(&push->lock);
    ret_state->workers_len = push->workers_len;
    for (size_t i = 0; i < push->workers_len; i++)
        worker_state(push->workers[i], &ret_state->workers[i]);
}
