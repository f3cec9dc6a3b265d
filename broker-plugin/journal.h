#ifndef GNATTER_JOURNAL_H
#define GNATTER_JOURNAL_H
/*
 * The journal: a ring of records in a file mapped into memory. What a device published is in here before its PUBACK
 * leaves, and stays until the sync service says that it is done. It survives the broker's process being killed at any
 * instruction (the kernel keeps the pages); it is not meant to survive a loss of power, that is what `sent` is for.
 *
 * Positions count the records, without gaps, over the whole life of the file. A record becomes valid by its last store,
 * the one of its checksum; reading stops at the first record that does not check.
 *
 * The broker's thread only. No function but open and close does a system call.
 */
#include "locked_file.h"
#include "topic.h"

struct journal_record {
    uint64_t position; /* append: given, not taken */
    int64_t at_ms;
    uint32_t session; /* 0 when read back after a restart: that connection's number means nothing any more */
    struct slice client_id, topic, payload, correlation;
};

struct journal_cursor {
    uint64_t offset, position; /* of the record to be read next */
};

struct journal_header;
struct journal {
    struct locked_file file;
    struct journal_header *header;
    unsigned char *ring; /* mapped twice in a row, so that every record is in one piece */
    uint64_t capacity;
    struct journal_cursor tail, head; /* offsets only grow; the ring's index is offset % capacity */
    uint64_t opened_position;         /* what is below was written before this open */
    uint64_t boots;                   /* how often it was opened, this time included */
    bool was_cut;                     /* open stopped at a damaged record */
};

#define JOURNAL_BYTES_MIN (1024 * 1024) /* some of the largest records */

/*
 * Opens or makes it; `bytes` is rounded up to whole pages. An existing journal with records in it keeps its size
 * (`journal->capacity` tells). On failure `why` says what is wrong and nothing is open.
 */
MUST_CHECK enum status journal_open(struct journal *journal, const char *path, uint64_t bytes, char *why,
                                    size_t why_size);
void journal_close(struct journal *journal);

/* Keeps a copy. STATUS_FULL: no room until older ones are forgotten. STATUS_TOO_LARGE: it could never fit. */
MUST_CHECK enum status journal_append(struct journal *journal, const struct journal_record *record);
/* The record at the cursor, which moves on; slices borrow from the ring until journal_forget passes it.
 * STATUS_NOT_FOUND: the cursor is at the head. */
MUST_CHECK enum status journal_read(const struct journal *journal, struct journal_cursor *cursor,
                                    struct journal_record *ret_record);
/* Every record below `position` is done; above the head counts as the head. Returns the bytes that became free. */
uint64_t journal_forget(struct journal *journal, uint64_t position);

uint64_t journal_used(const struct journal *journal);
/* at_ms of the oldest record; none: `now_ms`. */
int64_t journal_oldest_ms(const struct journal *journal, int64_t now_ms);
/* In thousandths, 0..1000. */
unsigned journal_fill(const struct journal *journal);

#endif
