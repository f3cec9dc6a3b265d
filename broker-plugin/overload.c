#include "overload.h"

#define MEASURED_MS 1000 /* over so long */
#define MOVING_MS   5000 /* when nothing was taken out for so long, the database is away */

/* Who is refused comes again, so what is refused grows with all that waits outside: the pause follows, until no more is
 * refused than taken. Else answering refusals would cost what is left to do the work with. */
static void pause_follows(struct overload *overload)
{
    uint32_t pause_ms = overload->pause_ms < OVERLOAD_RETRY_MIN_MS ? OVERLOAD_RETRY_MIN_MS : overload->pause_ms;
    if (overload->refused > overload->taken)
        pause_ms = pause_ms > OVERLOAD_RETRY_MAX_MS / 2 ? OVERLOAD_RETRY_MAX_MS : pause_ms * 2;
    else if (overload->refused <= overload->taken / 2)
        pause_ms /= 2;
    overload->pause_ms = pause_ms;
    overload->refused = overload->taken = 0;
}

void overload_turn(struct overload *overload, int64_t now_ms)
{
    int64_t passed_ms = now_ms - overload->from_ms;
    if (overload->from_ms == 0 || passed_ms < 0) { /* 32 bits of milliseconds begin again after 49 days */
        overload->from_ms = now_ms;
        overload->freed_bytes = 0;
        return;
    }
    if (passed_ms < MEASURED_MS)
        return;
    uint64_t rate = overload->freed_bytes * 1000 / (uint64_t)passed_ms;
    bool is_fresh =
        passed_ms >= MOVING_MS || (rate > 0 && !overload->is_moving); /* after a pause the past says nothing */
    overload->bytes_per_second = is_fresh ? rate : (overload->bytes_per_second * 3 + rate) / 4;
    overload->last_bytes_per_second = rate;
    overload->is_moving = overload->bytes_per_second > 0 && now_ms - overload->moved_ms < MOVING_MS;
    overload->freed_bytes = 0;
    overload->from_ms = now_ms;
    pause_follows(overload);
}

void overload_freed(struct overload *overload, uint64_t bytes, int64_t now_ms)
{
    if (!overload->is_moving && overload->freed_bytes == 0)
        overload->from_ms = now_ms; /* what is measured begins here, and not with the time nothing moved */
    overload->freed_bytes += bytes;
    overload->moved_ms = now_ms;
    overload_turn(overload, now_ms);
}

/* Does what is accepted now wait for longer than so? */
static bool waits_longer(const struct overload *overload, const struct overload_journal *journal, int64_t wait_ms)
{
    uint64_t rate = overload->bytes_per_second;
    if (rate < overload->last_bytes_per_second) /* before it was busy, there was no more to take out */
        rate = overload->last_bytes_per_second;
    return overload->is_moving && journal->oldest_ms > overload->wait_ms / OVERLOAD_WAIT_PART &&
           journal->used > rate * (uint64_t)wait_ms / 1000;
}

enum overload_level overload_level(const struct overload *overload, const struct overload_journal *journal)
{
    uint64_t fill = journal->used * 1000 / journal->capacity;
    int64_t wait_ms = overload->wait_ms;
    if (fill > OVERLOAD_REFUSE_FILL || (wait_ms > 0 && waits_longer(overload, journal, wait_ms)))
        return OVERLOAD_REFUSE;
    if (fill > OVERLOAD_SHED_FILL || (wait_ms > 0 && waits_longer(overload, journal, wait_ms / OVERLOAD_WAIT_PART)))
        return OVERLOAD_SHED;
    return OVERLOAD_NONE;
}

void overload_taken(struct overload *overload)
{
    overload->taken++;
}

uint32_t overload_refused(struct overload *overload, const struct overload_journal *journal, int64_t now_ms,
                          uint32_t spread)
{
    overload_turn(overload, now_ms);
    overload->refused++;
    uint64_t relaxed = journal->capacity / 1000 * OVERLOAD_RELAXED_FILL;
    uint64_t over = journal->used > relaxed ? journal->used - relaxed : 0;
    uint64_t retry_ms = OVERLOAD_RETRY_MAX_MS;
    if (overload->bytes_per_second > 0)
        retry_ms = over * 1000 / overload->bytes_per_second;
    if (retry_ms < overload->pause_ms)
        retry_ms = overload->pause_ms;
    if (retry_ms < OVERLOAD_RETRY_MIN_MS)
        retry_ms = OVERLOAD_RETRY_MIN_MS;
    if (retry_ms > OVERLOAD_RETRY_MAX_MS)
        retry_ms = OVERLOAD_RETRY_MAX_MS;
    /* Down, not up, so that the bound holds. */
    retry_ms -= spread % 64 * (retry_ms - OVERLOAD_RETRY_MIN_MS) / 128;
    return (uint32_t)retry_ms;
}
