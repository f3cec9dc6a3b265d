#ifndef GNATTER_QUOTA_H
#define GNATTER_QUOTA_H
/*
 * Inbox quotas: for whom so much waits in direct conversations that no more is taken for her there. Who that is, is
 * found out here, a second later and in the database; whoever loads a conversation is told, so that appending a message
 * decides nothing more than before. Groups do not count: a message there is stored once, and one member must not stop
 * the others.
 */
#include "database.h"
#include "notes.h"

struct quota;
struct quota_options {
    int64_t items_max, bytes_max; /* 0: any number; both: quotas are off */
};
MUST_CHECK enum status quota_new(const struct quota_options *options, struct quota **ret_quota);
void quota_free(struct quota *quota); /* NULL is allowed; after the shards */
bool quota_is_on(const struct quota *quota);
/* For one shard; freed with the quota. NULL: quotas are off, or no memory. */
struct notes *quota_notes_new(struct quota *quota);

/* Does what is due, over that thread's connection; *due_ms becomes earlier where that is needed. One thread. */
void quota_turn(struct quota *quota, struct database *database, int64_t now_ms, int64_t *due_ms);
/* Any thread: users whose inbox is full. */
uint64_t quota_full(const struct quota *quota);

#endif
