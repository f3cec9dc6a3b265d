#ifndef GNATTER_BUCKET_H
#define GNATTER_BUCKET_H
/*
 * Token buckets: so many a second, so many at once. Eight bytes each, because every session has some. Pure; time is
 * a millisecond count of the caller's that may wrap (an idle time of exactly 49.7 days gives too few, never too many).
 */
#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint32_t per_second, burst; /* burst at most BUCKET_BURST_MAX, at least 1 */
};
#define BUCKET_BURST_MAX 4000000u /* thousandths fit 32 bits */

struct bucket {
    uint32_t thousandths; /* of a token, in the bucket at at_ms */
    uint32_t at_ms;
};

void bucket_fill(struct bucket *bucket, struct rate rate, uint32_t now_ms);
/* Takes `tokens`, or nothing and false. */
bool bucket_take(struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens);
/* Gives back what was taken in vain. */
void bucket_return(struct bucket *bucket, struct rate rate, uint32_t tokens);
bool bucket_is_full(struct bucket *bucket, struct rate rate, uint32_t now_ms);
/* When one token will be there, from the last take on. */
uint32_t bucket_wait_ms(const struct bucket *bucket, struct rate rate);
/* The same for so many; at most a burst. */
uint32_t bucket_wait_for_ms(const struct bucket *bucket, struct rate rate, uint32_t tokens);

#endif
