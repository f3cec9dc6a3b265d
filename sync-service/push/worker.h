#ifndef GNATTER_PUSH_WORKER_H
#define GNATTER_PUSH_WORKER_H
/*
 * One provider's worker: a thread with its own connection to the database and its own transport, so that a provider
 * that hangs holds up nothing but its own wake-ups. It claims jobs, sends them, and writes what became of each.
 *
 * Several workers, also of several services, share the jobs: a job is claimed by one, for a lease; what a worker that
 * died had claimed is claimed again. A wake-up may so be sent twice; the collapse id makes one notification of it.
 */
#include <stdatomic.h>
#include "provider.h"

struct worker;
/* Read by any thread. */
struct worker_state {
    const char *provider;
    bool is_stopped; /* its configuration is wrong */
    char reason[PUSH_REASON_LEN];
    int under_way;
    uint64_t by_outcome[PUSH_STOPPED + 1];
    int64_t turned_at_ms;
};
struct worker_options {
    const struct push_provider_type *type;
    const struct push_options *push; /* borrowed for the worker's life, as all below */
    struct primary *primary;         /* of the service */
    const char *name;
    const atomic_bool *is_wanted; /* there are registrations at all */
};
/* STATUS_NO_MEMORY. A key that cannot be read is no failure: the worker then is stopped, and says so. */
MUST_CHECK enum status worker_new(const struct worker_options *options, struct worker **ret_worker);
MUST_CHECK enum status worker_start(struct worker *worker);
/* Ends what is under way; its jobs go back. False: it had not ended by then (monotonic), and must not be freed. */
void worker_stop(struct worker *worker);
MUST_CHECK bool worker_join(struct worker *worker, int64_t deadline_ms);
void worker_free(struct worker *worker); /* joined, or never started; NULL is allowed */

/* Any thread. */
void worker_wake(struct worker *worker);   /* there are new jobs */
void worker_reload(struct worker *worker); /* reads the keys again, and goes on if it was stopped */
bool worker_serves(const struct worker *worker, const char *provider);
void worker_state(struct worker *worker, struct worker_state *ret_state);

#endif
