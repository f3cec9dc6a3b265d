#ifndef GNATTER_REVOKED_H
#define GNATTER_REVOKED_H
/*
 * Which tokens are void: for a user ("alice") or a device ("alice:phone") the second before which tokens were issued
 * that count no more. A hash table in a mapped file, so that the answer is there before the first connection after a
 * restart, whether or not a sync service is.
 *
 * The file holds two tables; one counts. A new list from the service is gathered in the other and then takes its place
 * by one store: whenever the process is killed, either the old or the new list counts. Within a table a time only
 * rises.
 *
 * When a table is full, what does not fit becomes the floor: tokens of everybody issued before that time are void.
 * Refusing too much is the safe side; the log says loudly what to do.
 *
 * The broker's thread only. No function but open and close does a system call.
 */
#include "locked_file.h"
#include "topic.h"

#define REVOKED_SLOTS       (256u * 1024u) /* 12 MiB with both tables; entries live as long as the longest token */
#define REVOKED_ENTRIES_MAX (REVOKED_SLOTS / 8 * 7)

struct revoked_file;
struct revoked {
    struct locked_file file;
    struct revoked_file *at;
    bool is_replacing;
    uint32_t slots; /* REVOKED_SLOTS, fewer in tests */
};

MUST_CHECK enum status revoked_open(struct revoked *revoked, const char *path, char *why, size_t why_size);
MUST_CHECK enum status revoked_open_sized(struct revoked *revoked, const char *path, uint32_t slots, char *why,
                                          size_t why_size); /* slots: a power of two */
void revoked_close(struct revoked *revoked);

/* From now on. STATUS_FULL: it has become the floor, everybody's older tokens are void. */
MUST_CHECK enum status revoked_add(struct revoked *revoked, struct slice name, int64_t valid_after_s);
/* The second from which this name's tokens count; 0 when nothing was revoked. */
int64_t revoked_valid_after(const struct revoked *revoked, struct slice name);

/* What is added between the two becomes the whole list at revoked_end; until then it counts besides the old one. */
void revoked_begin(struct revoked *revoked);
void revoked_end(struct revoked *revoked);
/* A list that never ended is forgotten; what was added counts. */
void revoked_abandon(struct revoked *revoked);

uint32_t revoked_entries(const struct revoked *revoked);

#endif
