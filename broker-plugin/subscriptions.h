#ifndef GNATTER_SUBSCRIPTIONS_H
#define GNATTER_SUBSCRIPTIONS_H
/*
 * What one device is subscribed to: filters below its inbox, and users whose presence it watches. What is published to
 * a device goes by its client id and would reach it whatever it subscribed to, so its filters are honoured here.
 * Broker's thread only.
 */
#include "topic.h"

#define SUBSCRIPTIONS_FILTERS_MAX 64 /* of one device below its inbox; there are twelve kinds of things in it */

struct subscriptions {
    char **texts; /* filters below inbox/<user>/, then users watched; NULL when there are none */
    uint16_t filters_len, watched_len;
    bool has_all; /* inbox/<user>/#, what nearly every device has: takes no memory */
};

static inline struct slice subscriptions_watched(const struct subscriptions *subscriptions, uint16_t index)
{
    return slice_of(subscriptions->texts[subscriptions->filters_len + index]);
}
void subscriptions_done(struct subscriptions *subscriptions); /* empty again */
bool subscriptions_is_empty(const struct subscriptions *subscriptions);
/* Subscribed to anything below the inbox: live. */
bool subscriptions_has_inbox(const struct subscriptions *subscriptions);

/* `below`: the filter without inbox/<user>/; keeps a copy. Having it already is STATUS_OK too.
 * STATUS_FULL: too many. STATUS_NO_MEMORY. */
MUST_CHECK enum status subscriptions_add(struct subscriptions *subscriptions, struct slice below);
/* Was it there? */
bool subscriptions_remove(struct subscriptions *subscriptions, struct slice below);
/* STATUS_EXISTS: watched already. */
MUST_CHECK enum status subscriptions_watch(struct subscriptions *subscriptions, struct slice user);
/* Has it this very filter? */
bool subscriptions_has(const struct subscriptions *subscriptions, struct slice below);
bool subscriptions_unwatch(struct subscriptions *subscriptions, struct slice user);
bool subscriptions_watches(const struct subscriptions *subscriptions, struct slice user);

/* Does a publish to inbox/<user>/<tail> match one of the filters? */
bool subscriptions_match(const struct subscriptions *subscriptions, struct slice tail);
/* MQTT's rule for one filter and one topic. */
bool filter_matches(struct slice filter, struct slice topic);

/*
 * Where the broker keeps the subscription inbox/<user>/# of this client. Under its own name it would take about 900
 * bytes in the broker's tree, twice what a connection takes here, and nothing is ever found by it: deliveries go by
 * client id. So devices share a few thousand places; few enough in one that the broker may look at each of them.
 * False: `filter` is another, it stays as it is. The place's name is no longer than the filter, no device may publish
 * to it, and it is the same whenever the device comes.
 */
#define SUBSCRIPTIONS_PLACES      2048u
#define SUBSCRIPTIONS_PLACE_BYTES sizeof "i/2047"
bool subscriptions_place(struct slice filter, struct slice client_id, char ret_place[SUBSCRIPTIONS_PLACE_BYTES]);
/* Where a filter goes that the client has already: for each time that it is subscribed to again, the broker would lose
 * some memory, but not in a shared subscription. False: `filter` is too short to be overwritten with this. */
#define SUBSCRIPTIONS_AGAIN_BYTES sizeof "$share/a/b"
bool subscriptions_place_again(struct slice filter, struct slice client_id, char ret_place[SUBSCRIPTIONS_AGAIN_BYTES]);

#endif
