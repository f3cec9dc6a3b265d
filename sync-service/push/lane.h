#ifndef GNATTER_PUSH_LANE_H
#define GNATTER_PUSH_LANE_H
/*
 * The ways out of one worker: one per push service, so that one which hangs, or says no, holds up nobody else. A
 * provider of our own configuration has a single lane; for Web Push there is one per origin, as anybody may run a push
 * service. Pure; one thread's own.
 */
#include "provider.h"

#define LANES_MAX 256 /* origins remembered; the one unused for the longest time is forgotten */
#define LANE_REFUSERS                                                                                                  \
    5 /* so many users' subscriptions refused for our key, and nothing taken in between: it is wrong */
#define LANE_PAUSE_MS_MAX  60000
#define LANE_UNDER_WAY_MAX 8 /* where there are many */

struct lane {
    char origin[PUSH_ORIGIN_LEN]; /* empty: the only one */
    int under_way;
    uint32_t failures;    /* in a row */
    int64_t failed_at_ms; /* what was sent earlier and fails too tells nothing new */
    int64_t paused_until_ms;
    int64_t refused_user_ids[LANE_REFUSERS];
    int refused_len;
    int64_t used_ms;
};
struct lanes {
    struct lane lanes[LANES_MAX];
    size_t len;
};

/* Never NULL: when all are in use, origins share the one that is paused for the shortest time. */
struct lane *lanes_find(struct lanes *lanes, const char *origin, int64_t now_ms);
/* Nothing keeps another one from going this way now. is_of_many: the others' ways need room, too. */
bool lane_is_open(const struct lane *lane, bool is_of_many, int64_t now_ms);
void lane_taken(struct lane *lane);
/* None is paused any more: an operator has said so. */
void lanes_resume(struct lanes *lanes);
/* Something for all of it failed: pauses, longer each time; `after_ms` as the other side says, or -1. */
void lane_failed(struct lane *lane, int64_t sent_at_ms, int64_t now_ms, int64_t after_ms, uint32_t random);
/* The push service has refused our key for this user. True: it has done so for enough of them. */
bool lane_key_refused(struct lane *lane, int64_t user_id);

#endif
