#ifndef GNATTER_NOTIFY_H
#define GNATTER_NOTIFY_H
/*
 * Listens to what administrators and requests change in the database. A thread and a connection of its own. When the
 * connection was away, what was missed is unknown: then everything is to be looked at again.
 *
 * Whoever is connected to the database can notify, so nothing that a notification says is believed: on_changed,
 * on_presence, on_watcher, on_reads and on_push only name what is to be looked at, and what the others tell was asked
 * of the database, on a second connection that is made when it is needed. (On the first one an answer would come behind
 * all that waits to be heard.)
 *
 * The same connection says who serves: a database has one service. Two would each believe that they know all of a
 * conversation, and devices would wait for messages that only the other one has heard of. The database keeps the claim
 * as long as the connection lives, so a service that is gone is followed by the next one that asks.
 */
#include "../clients/protocol/topic.h"

struct notify;
struct notify_options {
    struct primary *primary; /* borrowed for the life of it */
    const char *name;
    /* by the thread of this; they may wait */
    void *ctx;
    void (*on_changed)(void *ctx, struct slice conversation);
    void (*on_revoked)(void *ctx, struct slice name, int64_t valid_after_s);
    /* the device with this id is unregistered, as are lower ones of that name */
    void (*on_removed)(void *ctx, struct slice client_id, int64_t device_id);
    /* a user shows herself otherwise, or to others; a device's user sees others otherwise */
    void (*on_presence)(void *ctx, struct slice user);
    void (*on_watcher)(void *ctx, struct slice client_id);
    void (*on_reads)(void *ctx, int64_t user_id);   /* shares what she has read, takes more, or does no more */
    void (*on_push)(void *ctx, int64_t device_id);  /* has registered; 0: an operator resumes */
    void (*on_flags)(void *ctx, struct slice told); /* "<client id> <conversation> <JSON>" */
    void (*on_missed)(void *ctx);                   /* also with the first connection */
};
MUST_CHECK enum status notify_new(const struct notify_options *options, struct notify **ret_notify);
MUST_CHECK enum status notify_start(struct notify *notify);
/* False: it has not ended by then (monotonic). */
bool notify_stop(struct notify *notify, int64_t deadline_ms);
void notify_free(struct notify *notify); /* NULL is allowed */
/* Any thread: whether it is listening now. */
bool notify_is_up(const struct notify *notify);
enum notify_claim {
    NOTIFY_CLAIM_OPEN,  /* the database has not been asked yet */
    NOTIFY_CLAIM_OTHER, /* another service has it; asked again all the time */
    NOTIFY_CLAIM_OURS,  /* also while the connection is away: nobody has taken it as far as we know */
    NOTIFY_CLAIM_LOST,  /* another service has it since: end */
};
/* Any thread. */
enum notify_claim notify_claim(const struct notify *notify);

#endif
