#ifndef GNATTER_OVERLOAD_H
#define GNATTER_OVERLOAD_H
/*
 * What is refused when, and when it is worth trying again. Two signals, both the journal's: how full it is, and how
 * long what is accepted now would wait. The second comes first where the database is slow: a journal that takes a
 * hundred thousand messages would make them wait for minutes, and devices send again what has no `sent` for so long.
 * While nothing at all is taken out (the database is away), only the room counts: that is what the journal is for.
 * Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#define OVERLOAD_SHED_FILL    500 /* thousandths: above, typing and presence are dropped */
#define OVERLOAD_REFUSE_FILL  900 /* above, new messages and rpc are refused; marks are still taken */
#define OVERLOAD_RELAXED_FILL 800 /* a retry is meant for when this is reached again */
/* Typing and presence are dropped when a message would wait for this part of the longest wait; and only where something
 * has waited for so long already is the journal known to be emptied as fast as it can be. */
#define OVERLOAD_WAIT_PART    4
#define OVERLOAD_RETRY_MIN_MS 500
#define OVERLOAD_RETRY_MAX_MS 30000

enum overload_level { OVERLOAD_NONE, OVERLOAD_SHED, OVERLOAD_REFUSE };

/* All zero at first, but for wait_ms. By the monotonic clock: nobody is told a wrong time when the other one is set. */
struct overload {
    int64_t wait_ms; /* the longest that is accepted to wait; 0: any */
    /* how fast the journal is emptied */
    int64_t from_ms;                                  /* of the measure under way; 0: nothing measured yet */
    uint64_t freed_bytes;                             /* since then */
    uint64_t bytes_per_second, last_bytes_per_second; /* over some seconds; in the last one */
    int64_t moved_ms;                                 /* when something was taken out last */
    bool is_moving;                                   /* of late: some records wait for something of their own, and
                                                         what is done behind them does not show until they are */
    /* what was refused */
    uint32_t refused, taken; /* since from_ms */
    uint32_t pause_ms;       /* a retry comes no sooner; grows while most of what comes is refused */
};

struct overload_journal {
    uint64_t used, capacity;
    int64_t oldest_ms; /* for how long the oldest record has been waiting */
};
/* To be called all the time: time passes also when nothing is taken out. */
void overload_turn(struct overload *overload, int64_t now_ms);
void overload_freed(struct overload *overload, uint64_t bytes, int64_t now_ms);
enum overload_level overload_level(const struct overload *overload, const struct overload_journal *journal);
void overload_taken(struct overload *overload);
/* Something is refused: when to try again. `spread` (any number of the device) moves the answer by up to a half, so
 * that not all come back at once. */
uint32_t overload_refused(struct overload *overload, const struct overload_journal *journal, int64_t now_ms,
                          uint32_t spread);

#endif
