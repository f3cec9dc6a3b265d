#ifndef GNATTER_KNOWN_SENDERS_H
#define GNATTER_KNOWN_SENDERS_H
/*
 * What the devices are called that sent what is in the log, so that the database need not look it up for each item: a
 * question for pages says which devices are known, and the answer names the others. A device's name never changes.
 *
 * What a question called known has to be known when the answer comes: nothing is forgotten while one is under way.
 * One thread's.
 */
#include "../clients/protocol/table.h"

#define KNOWN_SENDERS_MAX    4096 /* about 100 bytes each, for each shard */
#define KNOWN_SENDERS_RECENT 16   /* told with a question: the database compares each item's sender with all of them */

struct known_senders {
    struct table by_device;
    int64_t recent[KNOWN_SENDERS_RECENT]; /* seen last, in no order */
    uint32_t recent_len, hand;
    uint32_t questions;     /* under way */
    int64_t last_device_id; /* most items have the sender of the one before */
    struct slice last_user, last_device;
};

void known_senders_done(struct known_senders *known);
/* A question begins: the devices it may call known; borrows until the next call. */
size_t known_senders_ask(struct known_senders *known, const int64_t **ret_device_ids);
/* It is answered. */
void known_senders_answered(struct known_senders *known);
/* No question is under way any more. */
void known_senders_forget_questions(struct known_senders *known);
/*
 * The sender of an item, `name` as the database told it: user:device, or nothing for a known one. The names are
 * borrowed until known_senders_ask or _done. STATUS_MALFORMED: no such name, or one that is not known;
 * STATUS_NO_MEMORY.
 */
MUST_CHECK enum status known_senders_find(struct known_senders *known, int64_t device_id, struct slice name,
                                          struct slice *ret_user, struct slice *ret_device);

#endif
