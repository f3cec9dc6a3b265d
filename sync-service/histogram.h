#ifndef GNATTER_HISTOGRAM_H
#define GNATTER_HISTOGRAM_H
/*
 * How often a value was how large. One thread adds, without a lock or a locked instruction; any thread looks, and may
 * see the last value half counted.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 14
/* Which values count together: each bound is the largest of its bucket. */
struct histogram_scale {
    size_t len;
    uint64_t bounds[HISTOGRAM_BOUNDS_MAX];
    double unit; /* what is told is the value times this */
};
extern const struct histogram_scale histogram_items, histogram_us;

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* the last: above all bounds */
    _Atomic uint64_t sum;
};
struct histogram_sum {
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1], count, sum;
};
void histogram_add(struct histogram *histogram, const struct histogram_scale *scale, uint64_t value);
/* Adds what `histogram` has counted to *sum. */
void histogram_sum_up(const struct histogram *histogram, struct histogram_sum *sum);

/* A counter with one writer. */
static inline void count_up(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

#endif
