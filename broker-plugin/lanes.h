#ifndef GNATTER_LANES_H
#define GNATTER_LANES_H
/*
 * What waits to be delivered, in a lane for each session: the order within a lane is that of putting, and of the lanes
 * each in its turn gives a few. So what one session has waiting goes out together, which costs broker and devices
 * less than going round, and nobody waits behind another's thousand.
 *
 * A lane in which something for many sessions waits stands in a queue of its own, so that a large fan-out can be given
 * less of a turn than what is between two.
 *
 * Steps are the caller's, and stay where they are until they are taken. Broker's thread.
 */
#include "table.h"

#define LANES_AT_ONCE 32 /* of one lane, before the next one has its turn */

struct step {
    struct step *next;
    void *what; /* the caller's */
};

struct lane;
struct lane_queue {
    struct lane *first, **last;
};
struct lanes {
    struct table by_session; /* those in which something waits */
    struct lane_queue few, many;
    struct lane *spares;
    uint32_t spares_len;
};

void lanes_init(struct lanes *lanes);
void lanes_done(struct lanes *lanes);
/* Keeps the step. STATUS_NO_MEMORY: not put. */
MUST_CHECK enum status lanes_put(struct lanes *lanes, uint32_t session, struct step *step, bool is_for_many);
/* Takes the next step of those lanes out; NULL: nothing waits there. */
struct step *lanes_take(struct lanes *lanes, bool of_many, uint32_t *ret_session);

#endif
