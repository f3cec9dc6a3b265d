#include "database.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "pg_status.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 2000

enum status database_init(struct database *database, const char *conninfo, const char *name)
{
    memset(database, 0, sizeof *database);
    database->conninfo = strdup(conninfo);
    database->name = strdup(name);
    if (database->conninfo != NULL && database->name != NULL)
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
    free(database->conninfo);
    free(database->name);
    free(database->setup);
    pg_params_free(&database->params);
    memset(database, 0, sizeof *database);
}

void database_drop(struct database *database)
{
    PQfinish(database->conn);
    database->conn = NULL;
    database->pause_ms = database->pause_ms == 0 ? PAUSE_MIN_MS : database->pause_ms * 2;
    if (database->pause_ms > PAUSE_MAX_MS)
        database->pause_ms = PAUSE_MAX_MS;
    database->retry_at_ms =
        clock_monotonic_ms() + database->pause_ms / 2 + randombytes_uniform(database->pause_ms / 2 + 1);
}

static bool is_set_up(struct database *database)
{
    if (database->setup == NULL)
        return true;
    PGresult *result = PQexec(database->conn, database->setup);
    bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return is_done;
}

bool database_connect(struct database *database)
{
    if (database->conn != NULL)
        return true;
    if (clock_monotonic_ms() < database->retry_at_ms)
        return false;
    const char *const keywords[] = {"dbname",
                                    "application_name",
                                    "client_encoding",
                                    "connect_timeout",
                                    "tcp_user_timeout",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    NULL};
    const char *const values[] = {database->conninfo, database->name, "UTF8", "5", "15000", "10", "5", "3", NULL};
    database->conn = PQconnectdbParams(keywords, values, 1);
    if (database->conn == NULL || PQstatus(database->conn) != CONNECTION_OK || !is_set_up(database)) {
        log_debug("database", "no-connection", LOG_TEXT("for", database->name),
                  LOG_TEXT("why", database->conn == NULL ? "no memory" : PQerrorMessage(database->conn)));
        database_drop(database);
        return false;
    }
    database->pause_ms = 0;
    return true;
}

enum status database_ask(struct database *database, const char *sql, enum database_format format, PGresult **ret_result)
{
    static const int binary[PG_PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    enum status status = pg_params_end(&database->params);
    if (status != STATUS_OK)
        return status;
    if (!database_connect(database))
        return STATUS_UNAVAILABLE;
    PGresult *result = PQexecParams(database->conn, sql, database->params.params, NULL, database->params.values,
                                    database->params.lengths, binary, (int)format);
    if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK) {
        *ret_result = result;
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
