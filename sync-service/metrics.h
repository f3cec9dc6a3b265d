#ifndef GNATTER_METRICS_H
#define GNATTER_METRICS_H
/* Counters of the running service, for the status socket and the log. Any thread adds; nothing is decided by them. */
#include <stdatomic.h>
#include <stdint.h>

struct metrics {
    _Atomic uint64_t frames_taken, records_taken, records_refused, frames_sent, ops_sent, bytes_sent;
    _Atomic uint64_t ops_dropped; /* for a link that is down or started over */
    _Atomic uint64_t database_losses, rpcs, rpcs_refused, messages_expired;
};
extern struct metrics metrics;

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
