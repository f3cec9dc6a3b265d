#include "database.h"
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "pg_status.h"
#include "runtime.h"

#define PAUSE_MIN_MS  50
#define PAUSE_MAX_MS  2000
#define LOOK_EVERY_MS 500 /* while waiting for an answer: is this still the server to ask? */

/* Else libpq would write it to stderr, in its own form. */
static void hear_notice(void *ctx, const PGresult *notice)
{
    const struct database *database = ctx;
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("database", "said", LOG_TEXT("for", database->name),
              LOG_TEXT("message", message == NULL ? "-" : message));
}

enum status database_init(struct database *database, struct primary *primary, const char *name)
{
    memset(database, 0, sizeof *database);
    database->primary = primary;
    database->answer_wait_ms = RUNTIME_ANSWER_WAIT_MS;
    database->name = strdup(name);
    if (database->name != NULL)
        return STATUS_OK;
    database_done(database);
    return STATUS_NO_MEMORY;
}

enum status database_set_up(struct database *database, const char *sql)
{
    database->setup = strdup(sql);
    return database->setup == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void database_done(struct database *database)
{
    PQfinish(database->conn);
    free(database->name);
    free(database->setup);
    pg_params_free(&database->params);
    memset(database, 0, sizeof *database);
}

void database_drop(struct database *database)
{
    PQfinish(database->conn);
    database->conn = NULL;
    if (!primary_failed(database->primary, &database->at))
        return; /* the next host, at once */
    database->pause_ms = database->pause_ms == 0 ? PAUSE_MIN_MS : database->pause_ms * 2;
    if (database->pause_ms > PAUSE_MAX_MS)
        database->pause_ms = PAUSE_MAX_MS;
    database->retry_at_ms =
        clock_monotonic_ms() + database->pause_ms / 2 + randombytes_uniform(database->pause_ms / 2 + 1);
}

bool database_is_current(const struct database *database)
{
    return primary_is_current(database->primary, &database->at);
}

/* PQexecParams, but it does not wait for a server that was replaced meanwhile, nor for ever. NULL: no answer. */
static PGresult *exec(struct database *database, const char *sql, const struct pg_params *params,
                      enum database_format format)
{
    static const int binary[PG_PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    PGconn *conn = database->conn;
    PGresult *result = NULL;
    if (PQsendQueryParams(conn, sql, params->params, NULL, params->values, params->lengths, binary, (int)format) != 1)
        return NULL;
    int64_t heard_at_ms = clock_monotonic_ms();
    for (;;) {
        while (PQisBusy(conn)) {
            struct pollfd fd = {PQsocket(conn), POLLIN, 0};
            if (poll(&fd, 1, LOOK_EVERY_MS) > 0) /* interrupted: an early look */
                heard_at_ms = clock_monotonic_ms();
            bool is_silent = clock_monotonic_ms() - heard_at_ms >= database->answer_wait_ms;
            if (is_silent && database->answer_wait_ms < RUNTIME_ANSWER_WAIT_MAX_MS)
                database->answer_wait_ms *= 2;
            if (PQconsumeInput(conn) != 1 || is_silent || !database_is_current(database)) {
                PQclear(result);
                return NULL;
            }
        }
        PGresult *next = PQgetResult(conn);
        if (next == NULL)
            return result;
        PQclear(result);
        result = next;
    }
}

static const struct pg_params none;

static bool is_set_up(struct database *database)
{
    if (database->setup == NULL)
        return true;
    PGresult *result = exec(database, database->setup, &none, DATABASE_TEXT);
    bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return is_done;
}

/* Is it the server to ask? */
static bool is_primary(struct database *database)
{
    PGresult *result = exec(database, PRIMARY_QUESTION, &none, DATABASE_BINARY);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (message != NULL)
        log_warning("database", "refused", LOG_TEXT("for", database->name), LOG_TEXT("message", message));
    bool is_good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
                   primary_check(database->primary, &database->at, pg_read_bigint(PQgetvalue(result, 0, 0)),
                                 pg_read_bigint(PQgetvalue(result, 0, 1)));
    PQclear(result);
    return is_good;
}

bool database_connect(struct database *database)
{
    if (database->conn != NULL && !database_is_current(database))
        database_drop(database);
    if (database->conn != NULL)
        return true;
    if (clock_monotonic_ms() < database->retry_at_ms)
        return false;
    struct primary_params params;
    primary_begin(database->primary, &database->at, database->name, &params);
    database->conn = PQconnectdbParams(params.keywords, params.values, 1);
    (void)PQsetNoticeReceiver(database->conn, hear_notice, database); /* none: NULL */
    if (database->conn == NULL || PQstatus(database->conn) != CONNECTION_OK || !is_primary(database) ||
        !is_set_up(database)) {
        log_debug("database", "no-connection", LOG_TEXT("for", database->name),
                  LOG_TEXT("why", database->conn == NULL ? "no memory" : PQerrorMessage(database->conn)));
        database_drop(database);
        return false;
    }
    database->pause_ms = 0;
    database->connections++;
    return true;
}

enum status database_ask(struct database *database, const char *sql, enum database_format format, PGresult **ret_result)
{
    enum status status = pg_params_end(&database->params);
    if (status == STATUS_NO_MEMORY) /* as libpq says it of an answer: it may do the next time */
        return STATUS_UNAVAILABLE;
    if (status != STATUS_OK)
        return status;
    if (!database_connect(database))
        return STATUS_UNAVAILABLE;
    PGresult *result = exec(database, sql, &database->params, format);
    if (result == NULL) {
        log_warning("database", "no-answer", LOG_TEXT("for", database->name),
                    LOG_TEXT("why", PQerrorMessage(database->conn)));
        database_drop(database);
        return STATUS_UNAVAILABLE;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK) {
        *ret_result = result;
        database->answer_wait_ms = RUNTIME_ANSWER_WAIT_MS;
        return STATUS_OK;
    }
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    status = pg_status(sqlstate);
    log_warning("database", "refused", LOG_TEXT("for", database->name),
                LOG_TEXT("sqlstate", sqlstate == NULL ? "-" : sqlstate),
                LOG_TEXT("message", message == NULL ? PQerrorMessage(database->conn) : message));
    PQclear(result);
    if (status == STATUS_UNAVAILABLE || PQstatus(database->conn) != CONNECTION_OK) {
        database_drop(database);
        return STATUS_UNAVAILABLE;
    }
    return status;
}
