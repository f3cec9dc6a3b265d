#include "bucket.h"

static uint32_t limit_to(uint64_t thousandths, struct rate rate)
{
    uint64_t full = (uint64_t)rate.burst * 1000;
    return (uint32_t)(thousandths < full ? thousandths : full);
}

void bucket_fill(struct bucket *bucket, struct rate rate, uint32_t now_ms)
{
    *bucket = (struct bucket){.thousandths = rate.burst * 1000, .at_ms = now_ms};
}

bool bucket_take(struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens)
{
    uint32_t passed_ms = now_ms - bucket->at_ms;
    bucket->at_ms = now_ms;
    bucket->thousandths = limit_to(bucket->thousandths + (uint64_t)passed_ms * rate.per_second, rate);
    if (bucket->thousandths < (uint64_t)tokens * 1000)
        return false;
    bucket->thousandths -= tokens * 1000;
    return true;
}

void bucket_return(struct bucket *bucket, struct rate rate, uint32_t tokens)
{
    bucket->thousandths = limit_to(bucket->thousandths + (uint64_t)tokens * 1000, rate);
}

bool bucket_is_full(struct bucket *bucket, struct rate rate, uint32_t now_ms)
{
    (void)bucket_take(bucket, rate, now_ms, 0); /* lets what has come in the meantime in */
    return bucket->thousandths >= rate.burst * 1000;
}

uint32_t bucket_wait_for_ms(const struct bucket *bucket, struct rate rate, uint32_t tokens)
{
    uint64_t wanted = (uint64_t)tokens * 1000;
    if (bucket->thousandths >= wanted)
        return 0;
    return (uint32_t)((wanted - bucket->thousandths + rate.per_second - 1) / rate.per_second);
}

uint32_t bucket_wait_ms(const struct bucket *bucket, struct rate rate)
{
    return bucket_wait_for_ms(bucket, rate, 1);
}
