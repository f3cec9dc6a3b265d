#ifndef GNATTER_BARRIER_H
#define GNATTER_BARRIER_H
/*
 * Wait until every shard has done something. One thread waits, again and again; each time has a number, so that a shard
 * that comes late to one that was given up is not counted for the next. Lives as long as the shards.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct barrier {
    pthread_mutex_t lock;
    pthread_cond_t reached;
    uint64_t number;
    uint32_t missing;
};
void barrier_init(struct barrier *barrier);
/* A new wait, for so many; its number. */
uint64_t barrier_begin(struct barrier *barrier, uint32_t count);
/* A shard has done it, or never will. */
void barrier_reach(struct barrier *barrier, uint64_t number);
/* False: not all came in time. */
bool barrier_wait(struct barrier *barrier, int wait_ms);

#endif
