#ifndef GNATTER_CTL_DATABASE_H
#define GNATTER_CTL_DATABASE_H
/* The node's database, as its administrator. The SQL functions are the API; an error of theirs is said in their words.
 */
#include <libpq-fe.h>
#include "node.h"

/* Connects. Says what is wrong and returns NULL. PQfinish it. */
PGconn *database_open(const struct node *node);
/* Opens node and database; what was opened is closed again on failure. */
MUST_CHECK enum result database_begin(const struct args *args, struct node *ret_node, PGconn **ret_conn);
void database_end(struct node *node, PGconn *conn);
/* Runs one statement with text parameters (NULL: null). Says what is wrong and returns NULL. PQclear it. */
PGresult *database_query(PGconn *conn, const char *sql, int params_len, const char *const params[]);
/* The same, for its effect. */
MUST_CHECK enum result database_do(PGconn *conn, const char *sql, int params_len, const char *const params[]);
/* The rows of everybody, with `user` NULL, or of one, with $1: one that does not exist is said. As database_query. */
PGresult *database_list(PGconn *conn, const char *sql, const char *user);
/* Opens node and database, runs one statement for its effect, closes both. */
MUST_CHECK enum result database_call(const struct args *args, const char *sql, int params_len,
                                     const char *const params[]);
/* Says an error of a result (or of the connection) in one line. */
enum result database_fail(PGconn *conn, const PGresult *result);
/* An array of texts as PostgreSQL writes it. NULL elements are not allowed. */
const char *database_array(const char *const texts[], int texts_len);
/* What psql needs in its environment to connect as the administrator to the server that `conn` has. */
void database_environment(const struct node *node, const PGconn *conn);
#endif
