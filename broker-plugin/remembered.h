#ifndef GNATTER_REMEMBERED_H
#define GNATTER_REMEMBERED_H
/*
 * What devices that went away were subscribed to. The broker may keep such a session (clean session 0), and the device
 * is live again at once when it resumes it; the broker does not tell plugins what is in it. Bounded: the longest unused
 * is forgotten first. In memory only, like the broker's sessions. Broker's thread only.
 */
#define HASH_NONFATAL_OOM 1 /* else it ends the broker; what has no table then was not added */
#include <uthash.h>

#include "subscriptions.h"

#define REMEMBERED_MAX 100000u

struct remembered_entry;
struct remembered {
    struct remembered_entry *entries; /* in the order of being put */
    uint32_t max;                     /* REMEMBERED_MAX, fewer in tests */
    bool has_forgotten;               /* an entry was dropped for lack of room: not being here proves nothing */
};

/* Takes what is in `subscriptions`, which is empty afterwards. */
void remembered_put(struct remembered *remembered, const char *client_id, struct subscriptions *subscriptions);
/* Gives it back and forgets it; false: not there. */
bool remembered_take(struct remembered *remembered, const char *client_id, struct subscriptions *ret_subscriptions);
void remembered_done(struct remembered *remembered);

#endif
