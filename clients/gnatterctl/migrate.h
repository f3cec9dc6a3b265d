#ifndef GNATTER_CTL_MIGRATE_H
#define GNATTER_CTL_MIGRATE_H
/* The schema in the database: the version built into this program. */
#include "node.h"

/* So long it waits for somebody's lock, and then fails: who waits in turn for what it asks for waits as long. */
#define MIGRATE_LOCK_WAIT         "20s" /* longer than any statement of ours: a transaction was left open */
#define MIGRATE_LOCK_WAIT_SERVING "5s"  /* while devices are served */

/*
 * Makes the database (private cluster), brings its schema to this version in one transaction, and lets the service's
 * role log in with the password of keys/service.pgpass. May be called as often as wanted, by several at once. Refuses a
 * database that is newer. Says what is wrong. *ret_was_lost: there was no connection, or it broke; nothing was done,
 * and it may go well the next time.
 */
MUST_CHECK enum result migrate(const struct node *node, const char *lock_wait, int *ret_migrations_done,
                               bool *ret_was_lost);
#endif
