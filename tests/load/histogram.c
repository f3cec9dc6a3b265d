#include "histogram.h"
#include <math.h>
#include <string.h>

void histogram_reset(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram->min_ns = UINT64_MAX;
}

/* Values below HISTOGRAM_SUB have a bucket each; above, the top HISTOGRAM_SUB_BITS + 1 bits choose it. */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

/* The highest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(bucket - (shift << HISTOGRAM_SUB_BITS)) << shift;
    return first + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->count++;
    histogram->sum_ns += (double)value_ns;
    if (value_ns < histogram->min_ns)
        histogram->min_ns = value_ns;
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
    histogram->buckets[bucket_of(value_ns)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    uint64_t wanted = (uint64_t)ceil(quantile * (double)histogram->count), seen = 0;
    if (wanted < 1)
        wanted = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->max_ns ? end : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
