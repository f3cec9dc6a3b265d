#ifndef GNATTER_NOTIFY_H
#define GNATTER_NOTIFY_H
/*
 * Listens to what administrators and requests change in the database. A thread and a connection of its own. When the
 * connection was away, what was missed is unknown: then everything is to be looked at again.
 */
#include "../clients/protocol/topic.h"

struct notify;
struct notify_options {
    const char *database, *name; /* borrowed for the life of it */
    /* by the thread of this; they may wait */
    void *ctx;
    void (*on_changed)(void *ctx, struct slice conversation);
    void (*on_revoked)(void *ctx, struct slice name, int64_t valid_after_s);
    void (*on_removed)(void *ctx, struct slice client_id);
    void (*on_flags)(void *ctx, struct slice told); /* "<client id> <conversation> <JSON>" */
    void (*on_missed)(void *ctx); /* also with the first connection */
};
MUST_CHECK enum status notify_new(const struct notify_options *options, struct notify **ret_notify);
MUST_CHECK enum status notify_start(struct notify *notify);
/* False: it has not ended by then (monotonic). */
bool notify_stop(struct notify *notify, int64_t deadline_ms);
void notify_free(struct notify *notify); /* NULL is allowed */
/* Any thread: whether it is listening now. */
bool notify_is_up(const struct notify *notify);

#endif
