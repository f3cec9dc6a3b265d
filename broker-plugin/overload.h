#ifndef GNATTER_OVERLOAD_H
#define GNATTER_OVERLOAD_H
/*
 * The journal's fill level is the overload signal: what is refused when, and when it is worth trying again. Pure.
 */
#include <stdint.h>

#define OVERLOAD_SHED_FILL    500 /* thousandths: above, typing and presence are dropped */
#define OVERLOAD_REFUSE_FILL  900 /* above, new messages and rpc are refused; marks are still taken */
#define OVERLOAD_RELAXED_FILL 800 /* a retry is meant for when this is reached again */
#define OVERLOAD_RETRY_MIN_MS 500
#define OVERLOAD_RETRY_MAX_MS 30000

enum overload_level { OVERLOAD_NONE, OVERLOAD_SHED, OVERLOAD_REFUSE };
enum overload_level overload_level(unsigned fill);

/* How fast the journal is emptied. By the monotonic clock: nobody is told a wrong time when the other one is set. */
struct overload {
    uint64_t freed_bytes; /* since from_ms */
    uint64_t bytes_per_second;
    int64_t from_ms; /* 0: nothing measured yet */
};
void overload_freed(struct overload *overload, uint64_t bytes, int64_t now_ms);
/* `spread` (any number of the device) moves the answer by up to a quarter, so that not all come back at once. */
uint32_t overload_retry_ms(struct overload *overload, uint64_t used, uint64_t capacity, int64_t now_ms,
                           uint32_t spread);

#endif
