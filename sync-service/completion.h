#ifndef GNATTER_COMPLETION_H
#define GNATTER_COMPLETION_H
/*
 * Which journal records of one link are done. They are taken in order and done in any order; the journal may forget
 * everything below the first that is not done. A record may have several parts (a list of marks goes to several
 * shards).
 *
 * A ring of counters; a record is named by its index, which counts the records of one life of the link. Not
 * thread-safe: its owner has a lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../clients/protocol/status.h"

struct completion_record {
    uint64_t position; /* in the journal */
    uint32_t parts;    /* not done yet */
};
struct completion {
    struct completion_record *records;
    size_t size;         /* a power of two */
    uint64_t head, tail; /* index of the next to be taken, of the first that is not done */
    uint64_t position;   /* every record below it is done */
};

/* `size`: how many records may be between the first undone and the last, a power of two. */
MUST_CHECK enum status completion_init(struct completion *completion, size_t size);
void completion_done(struct completion *completion);
/* A new life: nothing is taken, everything below `position` is done. */
void completion_reset(struct completion *completion, uint64_t position);
/* Positions ascend. With 0 parts it is done at once. STATUS_FULL: later. */
MUST_CHECK enum status completion_take(struct completion *completion, uint64_t position, uint32_t parts,
                                       uint64_t *ret_index);
/* One part is done. An index that is not under way is ignored. */
void completion_part(struct completion *completion, uint64_t index);
/* Every record below this position is done. */
uint64_t completion_position(struct completion *completion);

#endif
