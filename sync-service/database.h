#ifndef GNATTER_DATABASE_H
#define GNATTER_DATABASE_H
/*
 * A connection for a thread that may wait for its answers (requests, lookups, notifications). Reconnects by itself,
 * with a growing pause. One thread's own.
 */
#include <libpq-fe.h>
#include "pg_wire.h"
#include "primary.h"

struct database {
    struct primary *primary;
    char *name;
    char *setup; /* one statement for each new connection; NULL: none */
    PGconn *conn;
    uint64_t connections; /* so far: which one it is, as `conn` may be the same for two */
    struct primary_try at;
    int64_t retry_at_ms, answer_wait_ms;
    uint32_t pause_ms;
    struct pg_params params; /* of the next question: pg_params_begin, pg_..., database_ask */
};
/* Borrows `primary`. `name`: of the application. Does not connect yet. */
MUST_CHECK enum status database_init(struct database *database, struct primary *primary, const char *name);
/* What each connection begins with. Before the first question; keeps a copy. */
MUST_CHECK enum status database_set_up(struct database *database, const char *sql);
void database_done(struct database *database);

/* Connects when it is time to; false: not connected. */
bool database_connect(struct database *database);
/* False: there is a newer primary, and what is connected to is not to be used. Cheap. */
bool database_is_current(const struct database *database);
enum database_format { DATABASE_TEXT = 0, DATABASE_BINARY = 1 };
/*
 * Asks and waits. STATUS_OK gives the result: PQclear. STATUS_UNAVAILABLE: no connection, or it broke, or the database
 * is in no state to answer, or no memory: ask again later. Another status: what the database said, logged.
 */
MUST_CHECK enum status database_ask(struct database *database, const char *sql, enum database_format format,
                                    PGresult **ret_result);
/* Ends the connection; the next question makes another. */
void database_drop(struct database *database);

#endif
