#ifndef GNATTER_CTL_PRIMARY_H
#define GNATTER_CTL_PRIMARY_H
/*
 * Connecting when `database` names several servers: to the one that takes writes, and never to one that was replaced.
 * Which is the newest the service remembers in a file (sync-service/primary.h says why that is needed).
 */
#include <libpq-fe.h>
#include "node.h"

/* What came of it: PQfinish it. *ret_why says it when there is something to say beside the connection's own message,
 * else NULL; *ret_is_coming: servers answer, and none takes writes yet. */
PGconn *primary_connect(const struct node *node, const char **ret_why, bool *ret_is_coming);
/* Does `database` name several? */
bool primary_is_chosen(const struct node *node);
#endif
