#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H
/*
 * Latencies in log-linear buckets: 64 buckets per power of two, so a quantile is at most 1.6 % too high, at a fixed
 * size whatever is recorded. Nanoseconds in and out. One thread.
 */
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count, min_ns, max_ns;
    double sum_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value_ns);
/* The value that `quantile` (0..1) of all values do not exceed, rounded up to its bucket's end, never above the
 * maximum. 0 when nothing was recorded. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
