#ifndef GNATTER_CTL_POSTGRES_H
#define GNATTER_CTL_POSTGRES_H
/*
 * The private PostgreSQL cluster in DIR/postgres: 127.0.0.1 only, no socket file, scram. Its files belong to an account
 * of its own when root runs the node; it is then given its folder as an open descriptor, as it may not enter those
 * above.
 */
#include "node.h"
#include "process.h"

/* A PostgreSQL program's path, of the newest version installed; NULL and says so when there is none. */
const char *postgres_program(const char *name);
/* The server that the cluster's files are of, which need not be the newest; NULL and says so when it is not there. */
const char *postgres_server(const struct node *node);
/* Makes cluster and settings; sets conf.postgres_port and conf.database, writes keys/pgpass. Says what is wrong. */
MUST_CHECK enum result postgres_make(struct node *node);
/* Starts the server. False with errno. */
bool postgres_start(const struct node *node, int log_fd, struct process *ret_process);
/* Does it take connections? Waits at most two seconds. */
bool postgres_answers(const struct node *node);
/* A fresh port when somebody else has taken ours meanwhile. */
MUST_CHECK enum result postgres_port_check(struct node *node);
#endif
