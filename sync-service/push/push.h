#ifndef GNATTER_PUSH_H
#define GNATTER_PUSH_H
/*
 * Push notifications: devices that are away are woken for messages that none of their user's devices has.
 *
 *   shards  --conversation ids, once per turn-->  watcher  --one statement per batch, after the grace-->  jobs
 *   clerk   --devices that went away---------->  (thread)                                                  |
 *                                                 workers, one per provider  <--for update skip locked----'
 *
 * Nothing here is waited for by anybody: the watcher and each worker have a thread and a connection of their own. What the
 * watcher is told lives in memory; a service that starts looks at all registered devices once.
 */
#include "notes.h"
#include "worker.h"

struct push;
struct push_setup {
    const struct push_options *options; /* borrowed for push's life, as all below */
    const char *database, *name;        /* of the service */
};
/* Is there any provider to send with? */
bool push_is_configured(const struct push_options *options);
/* STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status push_new(const struct push_setup *setup, struct push **ret_push);
MUST_CHECK enum status push_start(struct push *push);
/* What is under way goes back to the database. */
void push_stop(struct push *push);
void push_free(struct push *push); /* stopped, and so are who note; NULL is allowed */

/* For one thread that appends; freed with push. NULL: no memory, or `push` is NULL. */
struct push_notes *push_notes_new(struct push *push);
/* Any thread; `push` may be NULL. These devices are no longer connected, and the database knows. */
void push_note_gone(struct push *push, const int64_t device_ids[], size_t len);
/* The keys are read again, and providers that had stopped go on. */
void push_reload(struct push *push);

struct push_state {
    bool is_database_up;
    int64_t registrations, waiting, oldest_s; /* -1: not known */
    uint64_t evaluations, noted, made;
    size_t workers_len;
    struct worker_state workers[PUSH_PROVIDERS];
};
void push_state(struct push *push, struct push_state *ret_state);

#endif
