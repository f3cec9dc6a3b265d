#ifndef GNATTER_LEDGER_H
#define GNATTER_LEDGER_H
/*
 * Buckets by name, for what has no session to keep them in: addresses, users, conversations, devices over their
 * connections. Only those that are not full exist, so it takes memory for as long as somebody is busy, and it never has
 * more than `max`: then the oldest goes, which is the one that has had most time to fill. The broker's thread only.
 */
#include "bucket.h"
#include "topic.h"

struct ledger_entry;
struct ledger {
    struct ledger_entry *entries; /* in the order of coming */
    uint32_t len, max;
    uint32_t swept_ms;
};

void ledger_init(struct ledger *ledger, uint32_t max);
void ledger_done(struct ledger *ledger);
/* Takes `tokens`, or nothing and false: *ret_retry_after_ms is when they will be there. Keeps a copy of the key. */
bool ledger_take(struct ledger *ledger, struct slice key, struct rate rate, uint32_t now_ms, uint32_t tokens,
                 uint32_t *ret_retry_after_ms);
/* The same without taking. */
bool ledger_could_take(const struct ledger *ledger, struct slice key, struct rate rate, uint32_t now_ms,
                       uint32_t tokens, uint32_t *ret_retry_after_ms);
/* Gives back what was taken in vain. */
void ledger_return(struct ledger *ledger, struct slice key, struct rate rate, uint32_t tokens);
/* Forgets what is full again. */
void ledger_sweep(struct ledger *ledger, struct rate rate, uint32_t now_ms);
uint32_t ledger_len(const struct ledger *ledger);

#endif
