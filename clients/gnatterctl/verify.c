/* verify, psql: a look at the stored state. */
#include "database.h"
#include "output.h"
#include "postgres.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum result command_verify(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    PGresult *rows = database_query(conn, "select * from gnatter.verify()", 0, NULL);
    int violations = rows ? PQntuples(rows) : -1;
    if (rows)
        output_rows(args, rows, "every invariant holds");
    PQclear(rows);
    database_end(&node, conn);
    if (violations > 0)
        return fail(
            "%d violation%s of the design's invariants, listed above: see docs/operating.md before anything is changed",
            violations, violations == 1 ? "" : "s");
    return violations == 0 ? DONE : REFUSED;
}

/* How her psql shows things, whatever the server: the only ones that node_open takes away and she may have meant. */
static const char *const wishes[] = {"PGOPTIONS", "PGTZ", "PGDATESTYLE", "PGCLIENTENCODING"};
enum { WISHES = sizeof(wishes) / sizeof(wishes[0]) };

enum result command_psql(struct args *args)
{
    const char *wished[WISHES];
    for (size_t i = 0; i < WISHES; i++)
        wished[i] = getenv(wishes[i]) ? text_format("%s", getenv(wishes[i])) : NULL;
    struct node node;
    PGconn *conn; /* a database that is away is said as everywhere; psql would end with a status of its own */
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *program = postgres_program("psql");
    char **argv = calloc((size_t)args->words_len + 2, sizeof(*argv));
    if (program && argv) {
        argv[0] = text_format("%s", program);
        memcpy(argv + 1, args->words, (size_t)args->words_len * sizeof(*argv));
        for (size_t i = 0; i < WISHES; i++)
            if (wished[i])
                (void)setenv(wishes[i], wished[i], 1); /* out of memory shows as what psql does without */
        database_environment(&node, conn);
        PQfinish(conn);
        conn = NULL;
        (void)execv(program, argv);
        (void)fail("cannot run %s: %s", program, strerror(errno));
    }
    free(argv);
    database_end(&node, conn);
    return REFUSED;
}
