#ifndef GNATTER_PUSH_JOBS_H
#define GNATTER_PUSH_JOBS_H
/*
 * What push asks of the database; schema/functions/push_*.sql says what it does. Each call waits for its answer, on the
 * connection of the thread that calls. STATUS_UNAVAILABLE: ask again later.
 */
#include "../database.h"
#include "provider.h"

/* ---- the watcher ---- */
/* Calls on_made for each provider that has new wake-ups. */
MUST_CHECK enum status jobs_evaluate(struct database *database, const int64_t conversation_ids[],
                                     size_t conversations_len, const int64_t device_ids[], size_t devices_len,
                                     const struct push_options *options,
                                     void (*on_made)(void *ctx, const char *provider, int64_t jobs), void *ctx);
/* The next registered devices after this one; at most `ids_size`. */
MUST_CHECK enum status jobs_sweep(struct database *database, int64_t after_device_id, int64_t ids[], size_t ids_size,
                                  size_t *ret_len);
struct jobs_count {
    int64_t registrations, waiting, oldest_s;
    int64_t resumed_ms; /* when an operator last had a provider go on; 0: never */
};
MUST_CHECK enum status jobs_count(struct database *database, struct jobs_count *ret_count);
MUST_CHECK enum status jobs_prune(struct database *database);

/* ---- workers ---- */
/* Gives rows for jobs_wake; PQclear them. */
MUST_CHECK enum status jobs_claim(struct database *database, const struct push_provider_type *type, const char *worker,
                                  int jobs_max, int64_t lease_ms, const struct push_options *options,
                                  PGresult **ret_rows);
/* Borrows from `rows`. */
void jobs_wake(const PGresult *rows, int row, const struct push_options *options, struct push_wake *ret_wake);

struct jobs_result {
    int64_t job_id, registration_id;
    const char *state; /* as push_finish names them */
    int64_t after_ms, before_ms;
    char reason[PUSH_REASON_LEN];
};
MUST_CHECK enum status jobs_finish(struct database *database, const char *worker, const struct jobs_result results[],
                                   size_t len);
MUST_CHECK enum status jobs_tell(struct database *database, const struct push_provider_type *type,
                                 const char *public_key, bool is_stopped, const char *reason, const char *worker);

#endif
