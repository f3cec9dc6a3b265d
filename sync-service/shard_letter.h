#ifndef GNATTER_SHARD_LETTER_H
#define GNATTER_SHARD_LETTER_H
/* Inside shard: an event on its way through the mailbox, in one piece. */
#include "mailbox.h"
#include "shard.h"

/* False: closed, or TYPING while much waits. */
bool shard_letter_write(struct mailbox *box, const struct shard_event *event);
/* Borrows from the letter. */
void shard_letter_read(const struct letter *letter, struct shard_event *ret_event);

#endif
