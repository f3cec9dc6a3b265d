#ifndef GNATTER_CLERK_H
#define GNATTER_CLERK_H
/*
 * Paperwork that nobody waits for, in a thread and a connection of its own: when devices came and went, who may see
 * whose presence, the list of revocations, messages that disappear. Takes what has gathered and asks once for all of it.
 */
#include "core/core.h"

struct clerk;
struct pusher;
struct quota;
struct clerk_options {
    struct primary *primary; /* borrowed for the clerk's life */
    const char *name;
    bool is_reciprocal; /* who hides her presence does not see others' */
    /* by the clerk's thread; they only leave a note */
    void *ctx;
    void (*on_presence)(void *ctx, session_ref session, struct slice user, uint32_t shown, int64_t seen_s); /* presence.h */
    /* lines "<name> <valid after, Unix seconds>\n", read after the list of this number was asked for, and all before */
    void (*on_revocations)(void *ctx, uint64_t number, struct slice lines);
    /* "<client id> <conversation> <JSON>": how a device's user keeps a conversation, changed while it was away */
    void (*on_flags)(void *ctx, struct slice told);
    /* too much waited, or the database took no changes: who came and went is not known. To be answered by clerk_reset,
     * and then who is live */
    void (*on_lost)(void *ctx);
    struct quota *quota;
    struct pusher *pusher; /* hears of devices that have gone; NULL: push is off */
};
MUST_CHECK enum status clerk_new(const struct clerk_options *options, struct clerk **ret_clerk);
MUST_CHECK enum status clerk_start(struct clerk *clerk);
/* Does what it was told so far, unless the database is away, and ends. False: it has not ended by then (monotonic). */
bool clerk_stop(struct clerk *clerk, int64_t deadline_ms);
void clerk_free(struct clerk *clerk); /* NULL is allowed */

/* Any thread. Dropped when too much waits: of devices that came and went on_lost tells so, of presence nothing is
 * promised. What is below clerk_ask_presence is never dropped. */
void clerk_device_live(struct clerk *clerk, int64_t device_id);
void clerk_device_gone(struct clerk *clerk, int64_t device_id, int64_t at_unix_ms);
void clerk_ask_presence(struct clerk *clerk, session_ref session, int64_t watcher_user_id, struct slice user);
/* `number` grows; what was asked for meanwhile is answered once, with the newest number. */
void clerk_ask_revocations(struct clerk *clerk, uint64_t number);
/* No device is live but those that are told from now on. */
void clerk_reset(struct clerk *clerk);
/* It is, and was before; once for each session, as nothing else bounds it. */
void clerk_device_still_live(struct clerk *clerk, int64_t device_id);

#endif
