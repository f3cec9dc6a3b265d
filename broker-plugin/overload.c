#include "overload.h"

#define MEASURED_MS 1000 /* over so long */

enum overload_level overload_level(unsigned fill)
{
    return fill > OVERLOAD_REFUSE_FILL ? OVERLOAD_REFUSE : fill > OVERLOAD_SHED_FILL ? OVERLOAD_SHED : OVERLOAD_NONE;
}

static void measure(struct overload *overload, int64_t now_ms)
{
    int64_t passed_ms = now_ms - overload->from_ms;
    if (overload->from_ms == 0 || passed_ms < 0) { /* 32 bits of milliseconds begin again after 49 days */
        overload->from_ms = now_ms;
        overload->freed_bytes = 0;
    } else if (passed_ms >= MEASURED_MS) {
        uint64_t rate = overload->freed_bytes * 1000 / (uint64_t)passed_ms;
        /* After a pause the past says nothing. */
        overload->bytes_per_second = passed_ms >= 4 * MEASURED_MS ? rate : (overload->bytes_per_second + rate) / 2;
        overload->freed_bytes = 0;
        overload->from_ms = now_ms;
    }
}

void overload_freed(struct overload *overload, uint64_t bytes, int64_t now_ms)
{
    overload->freed_bytes += bytes;
    measure(overload, now_ms);
}

uint32_t overload_retry_ms(struct overload *overload, uint64_t used, uint64_t capacity, int64_t now_ms, uint32_t spread)
{
    measure(overload, now_ms);
    uint64_t relaxed = capacity / 1000 * OVERLOAD_RELAXED_FILL;
    uint64_t over = used > relaxed ? used - relaxed : 0;
    uint64_t retry_ms = OVERLOAD_RETRY_MAX_MS;
    if (overload->bytes_per_second > 0)
        retry_ms = over * 1000 / overload->bytes_per_second;
    if (retry_ms < OVERLOAD_RETRY_MIN_MS)
        retry_ms = OVERLOAD_RETRY_MIN_MS;
    if (retry_ms > OVERLOAD_RETRY_MAX_MS)
        retry_ms = OVERLOAD_RETRY_MAX_MS;
    /* Down, not up, so that the bound holds. */
    retry_ms -= spread % 64 * (retry_ms - OVERLOAD_RETRY_MIN_MS) / 256;
    return (uint32_t)retry_ms;
}
