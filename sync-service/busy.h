#ifndef GNATTER_BUSY_H
#define GNATTER_BUSY_H
/*
 * The busiest and the slowest conversations of a shard, for somebody who looks at a live node. An estimate of fixed
 * size and fixed cost: of a large batch only some groups are looked at, and count for the others. The shard's thread
 * only.
 */
#include "../clients/protocol/limits.h"
#include "core/core.h"

#define BUSY_SLOTS 64
#define BUSY_LOOKS 8 /* groups of a batch that are looked at */
#define BUSY_ROWS  8

struct busy_slot {
    int64_t conversation_id;        /* 0: free */
    double items, appends, took_us; /* fading: weighed by how long ago they were */
};
struct busy {
    struct busy_slot slots[BUSY_SLOTS];
    int64_t faded_at_ms;
    uint32_t start; /* which group of a large batch is looked at first */
};
/* These were appended together, which took so long. */
void busy_note(struct busy *busy, const struct core_append_group groups[], size_t groups_len, uint64_t took_us);
/* What was noted counts a fifth less for each second that has passed. */
void busy_fade(struct busy *busy, int64_t now_ms);

struct busy_row {
    int64_t conversation_id;
    char conversation[LIMIT_CONVERSATION_LEN + 1]; /* its name: the caller's to fill in */
    double items_per_s, append_ms;
};
/* At most BUSY_ROWS, the first has most; how many. */
size_t busy_busiest(const struct busy *busy, struct busy_row rows[BUSY_ROWS]);
size_t busy_slowest(const struct busy *busy, struct busy_row rows[BUSY_ROWS]);

/* Puts a row where it belongs among the first; `len` is how many there are, and what is returned how many then. */
enum busy_order { BUSY_BY_RATE, BUSY_BY_TIME };
size_t busy_insert(struct busy_row rows[BUSY_ROWS], size_t len, enum busy_order order, const struct busy_row *row);

#endif
