#ifndef GNATTER_PUSHER_H
#define GNATTER_PUSHER_H
/*
 * Push notifications: devices that are away are woken for messages that none of their user's devices has.
 *
 *   shards  --conversation ids, once per turn-->  watcher  --one statement per batch, after the grace-->  jobs
 *   clerk   --devices that went away---------->  (thread)                                                  |
 *                                                 workers, one per provider  <--for update skip locked----'
 *
 * Nothing here is waited for by anybody: the watcher and each worker have a thread and a connection of their own. What
 * the watcher is told lives in memory, and only while anybody is registered; a service that starts, or counts the first
 * registration, or that an operator resumes, looks at all registered devices once.
 */
#include "../notes.h"
#include "worker.h"

struct pusher;
struct pusher_setup {
    const struct push_options *options; /* borrowed for the pusher's life, as all below */
    struct primary *primary;            /* of the service */
    const char *name;
};
/* Is there any provider to send with? */
bool pusher_is_configured(const struct push_options *options);
/* STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status pusher_new(const struct pusher_setup *setup, struct pusher **ret_pusher);
MUST_CHECK enum status pusher_start(struct pusher *pusher);
/* What is under way goes back to the database. False: not everything had ended by then (monotonic): not to be freed. */
MUST_CHECK bool pusher_stop(struct pusher *pusher, int64_t deadline_ms);
void pusher_free(struct pusher *pusher); /* stopped, and so are who note; NULL is allowed */

/* For one thread that appends; freed with the pusher. NULL: no memory, or `pusher` is NULL. */
struct notes *pusher_notes_new(struct pusher *pusher);
/* Any thread; `pusher` may be NULL. These devices are no longer connected, and the database knows. */
void pusher_note_gone(struct pusher *pusher, const int64_t device_ids[], size_t len);
/* The same, when it is not known which devices these are: all are looked at. */
void pusher_note_everybody(struct pusher *pusher);
/*
 * The same; a notification says that this device has registered, or that an operator resumes (0). Which is not
 * believed: the device is looked at, and when anything was resumed is counted.
 */
void pusher_note_news(struct pusher *pusher, int64_t device_id);
/* The same; notifications were missed, whatever they said: all that is registered is looked at, and counted. */
void pusher_note_missed(struct pusher *pusher);
/* The keys are read again, and providers that had stopped go on. */
void pusher_reload(struct pusher *pusher);

struct pusher_state {
    bool is_database_up;
    int64_t registrations, waiting, oldest_s; /* -1: not known */
    uint64_t evaluations, noted, made;
    size_t workers_len;
    struct worker_state workers[PUSH_PROVIDERS];
};
void pusher_state(struct pusher *pusher, struct pusher_state *ret_state);
/* The same as JSON, for the status; NULL: no memory. Free with cJSON_Delete. */
struct cJSON *pusher_json(struct pusher *pusher);

#endif
