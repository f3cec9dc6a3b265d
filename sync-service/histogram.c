#include "histogram.h"

const struct histogram_scale histogram_items = {10, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, 1};
const struct histogram_scale histogram_us = {
    14,
    {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000},
    1e-6};

void histogram_add(struct histogram *histogram, const struct histogram_scale *scale, uint64_t value)
{
    size_t bucket = 0;
    while (bucket < scale->len && value > scale->bounds[bucket])
        bucket++;
    count_up(&histogram->counts[bucket], 1);
    count_up(&histogram->sum, value);
}

void histogram_sum_up(const struct histogram *histogram, struct histogram_sum *sum)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++) {
        uint64_t count = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        sum->counts[i] += count;
        sum->count += count;
    }
    sum->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}
