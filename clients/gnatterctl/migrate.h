#ifndef GNATTER_CTL_MIGRATE_H
#define GNATTER_CTL_MIGRATE_H
/* The schema in the database: the version built into this program. */
#include "node.h"
/*
 * Makes the database (private cluster), brings its schema to this version in one transaction, and lets the service's
 * role log in with the password of keys/service.pgpass. May be called as often as wanted, by several at once. Refuses a
 * database that is newer. Says what is wrong. *ret_was_lost: the connection broke, nothing was done, and it may go well
 * the next time.
 */
MUST_CHECK enum result migrate(const struct node *node, int *ret_migrations_done, bool *ret_was_lost);
#endif
