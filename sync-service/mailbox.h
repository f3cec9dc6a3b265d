#ifndef GNATTER_MAILBOX_H
#define GNATTER_MAILBOX_H
/*
 * A bounded queue of letters (flat structs of any size) from many threads to one, which takes all that has gathered at
 * once. The taker waits in poll() on the mailbox's descriptor. No letter is ever dropped: a writer waits, or is told.
 */
#include <pthread.h>
#include "../clients/protocol/topic.h"

/* The head of each letter. `bytes` counts the whole of it, and is a multiple of 8. */
struct letter {
    uint32_t bytes;
    uint32_t kind;
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t room;
    unsigned char *in, *out; /* being filled; being read by the taker */
    size_t in_len, in_size, out_len, out_size, out_at;
    size_t limit;
    bool is_closed;
    int wake_fd;
};

/* `limit`: bytes that may wait. STATUS_NO_MEMORY, or STATUS_UNAVAILABLE when there is no descriptor left. */
MUST_CHECK enum status mailbox_init(struct mailbox *box, size_t limit);
void mailbox_done(struct mailbox *box);

enum mailbox_patience {
    MAILBOX_WAIT,  /* until there is room */
    MAILBOX_TRY,   /* give up when it is full */
    MAILBOX_FORCE, /* over the limit if need be: for letters that are bounded by what they are about */
};
/*
 * Room for a letter of `bytes` (the head included), the first 256 zeroed but for the head, which is filled in. Holds
 * the mailbox's lock until mailbox_post: fill it in and post it, nothing else in between. NULL: full or closed, and
 * then nothing is held. Without memory for it MAILBOX_TRY is told the same; for the others the process ends.
 */
void *mailbox_write(struct mailbox *box, uint32_t kind, size_t bytes, enum mailbox_patience patience);
void mailbox_post(struct mailbox *box);
/* Writers are refused from now on, and those waiting give up; the taker wakes up. */
void mailbox_close(struct mailbox *box);
size_t mailbox_waiting_bytes(struct mailbox *box);

/* The taker's: the next letter, NULL when there is none; it borrows from the mailbox until the next call. */
struct letter *mailbox_next(struct mailbox *box);
/* Whether letters that were taken over have not been read yet. */
bool mailbox_has_more(const struct mailbox *box);
int mailbox_fd(const struct mailbox *box);

#endif
