#ifndef GNATTER_RPC_PACE_H
#define GNATTER_RPC_PACE_H
/*
 * How fast one device may be given history: nothing of it is acknowledged, and what a device does not read stays in the
 * broker's memory. Who has had its share waits, and all it asks meanwhile waits behind. One thread's own; time is
 * monotonic and passed in.
 */
#define HASH_NONFATAL_OOM 1 /* else it ends the process, without a word */
#include <uthash.h>
#include "mailbox.h"

#define PACE_ITEMS_PER_S 1000
#define PACE_BYTES_PER_S (4 * 1024 * 1024)
#define PACE_AHEAD_MS    2000 /* so much of it at once: ten full answers of small items */
#define PACE_HELD_MAX    64   /* requests of one device that wait; above: overloaded */
#define PACE_LOOK_MS     100  /* how often those who wait are looked at */

struct pace_held;
struct pace_device {
    UT_hash_handle hh;
    int64_t device_id;
    int64_t paid_at_ms; /* when what it was given is paid off */
    struct pace_held *held;
    uint32_t held_len;
};
struct pace {
    struct pace_device *devices;
    uint32_t held_len; /* of all */
    int64_t looked_at_ms;
};

/* It was given that much. */
void pace_spend(struct pace *pace, int64_t device_id, uint64_t items, uint64_t bytes, int64_t now_ms);
/* Whether its next request waits: for its time, or behind another. */
bool pace_waits(const struct pace *pace, int64_t device_id, int64_t now_ms);
/* Keeps a copy. STATUS_FULL: too many of this device wait. STATUS_NO_MEMORY. */
MUST_CHECK enum status pace_hold(struct pace *pace, int64_t device_id, const struct letter *letter);
/* One whose time has come: free(); NULL: none now. Forgets devices that owe nothing. */
struct letter *pace_next(struct pace *pace, int64_t now_ms);
void pace_done(struct pace *pace);

#endif
