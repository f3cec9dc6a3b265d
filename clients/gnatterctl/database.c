#include "database.h"
#include "output.h"
#include "parts.h"
#include "primary.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMING_MS 15000 /* to wait for a server that is on its way */
#define SILENT_MS 5000  /* that refuses at once; who says nothing for so long hangs */

/* Notices of "create ... if not exists" and the like are of no use to who runs a command. */
static void ignore_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

/* Is it only on its way: recovering, or being started again by the supervisor? */
static bool is_coming(const struct node *node)
{
    struct parts parts;
    const char *const keys[] = {"dbname", "connect_timeout", NULL};
    const char *const values[] = {node->conf.database, "2", NULL};
    PGPing ping = PQpingParams(keys, values, 1 /* dbname is a conninfo */);
    if (ping == PQPING_OK || ping == PQPING_REJECT)
        return ping == PQPING_REJECT;
    parts_read(node, &parts);
    return part_is_ours(node, PART_POSTGRES) && parts.supervisor.pid;
}

PGconn *database_open(const struct node *node)
{
    const char *why;
    bool is_coming_up;
    int64_t began_ms = clock_ms(), until_ms = began_ms + COMING_MS;
    PGconn *conn = primary_connect(node, &why, &is_coming_up);
    while (!(conn && PQstatus(conn) == CONNECTION_OK) && clock_ms() < until_ms &&
           (is_coming_up || (clock_ms() - began_ms < SILENT_MS && is_coming(node)))) {
        PQfinish(conn);
        nap_ms(50);
        began_ms = clock_ms();
        conn = primary_connect(node, &why, &is_coming_up);
    }
    if (conn && PQstatus(conn) == CONNECTION_OK) {
        (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
        return conn;
    }
    if (!why)
        why = conn ? text_trim(text_copy(PQerrorMessage(conn), strlen(PQerrorMessage(conn)))) : "out of memory";
    const char *owner = geteuid() ? node_other_owner(node) : NULL, *advice = ""; /* root can read the password */
    if (owner)
        advice = text_format("; the node was made by user %s: run this as that user", owner);
    else if (part_is_ours(node, PART_POSTGRES))
        advice = text_format("; is the node up? (gnatterctl --dir %s up)", node->dir);
    (void)fail("the database does not answer: %s%s", why, advice);
    PQfinish(conn);
    return NULL;
}

enum result database_begin(const struct args *args, struct node *ret_node, PGconn **ret_conn)
{
    enum result result = node_open(args, ret_node);
    if (result != DONE)
        return result;
    *ret_conn = database_open(ret_node);
    if (*ret_conn)
        return DONE;
    node_close(ret_node);
    return REFUSED;
}

void database_end(struct node *node, PGconn *conn)
{
    PQfinish(conn);
    node_close(node);
}

enum result database_fail(PGconn *conn, const PGresult *result)
{
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *code = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!primary || !code)
        return fail("the database went away: %s", PQerrorMessage(conn));
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    if (!strncmp(code, "GN", 2))
        return hint ? fail("%s (%s)", primary, hint) : fail("%s", primary);
    if (!strcmp(code, "3F000") || !strcmp(code, "42P01") || !strcmp(code, "42883"))
        return fail("%s: the database has not this version's schema (gnatterctl migrate)", primary);
    return fail("the database refused: %s (%s)", primary, code);
}

PGresult *database_query(PGconn *conn, const char *sql, int params_len, const char *const params[])
{
    PGresult *result = PQexecParams(conn, sql, params_len, NULL, params, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    (void)database_fail(conn, result);
    PQclear(result);
    return NULL;
}

PGresult *database_list(PGconn *conn, const char *sql, const char *user)
{
    const char *params[] = {user};
    PGresult *found = database_query(conn, "select from gnatter.users where user_name = $1", 1, params);
    bool is_known = found && (!user || PQntuples(found) > 0);
    if (found && !is_known)
        (void)fail("no such user: %s", user);
    PQclear(found);
    return is_known ? database_query(conn, sql, 1, params) : NULL;
}

enum result database_call(const struct args *args, const char *sql, int params_len, const char *const params[])
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    result = database_do(conn, sql, params_len, params);
    database_end(&node, conn);
    return result;
}

enum result database_do(PGconn *conn, const char *sql, int params_len, const char *const params[])
{
    PGresult *result = database_query(conn, sql, params_len, params);
    PQclear(result);
    return result ? DONE : REFUSED;
}

const char *database_array(const char *const texts[], int texts_len)
{
    size_t size = 3;
    for (int i = 0; i < texts_len; i++)
        size += 2 * strlen(texts[i]) + 3;
    char *array = text_room(size);
    char *at = array;
    *at++ = '{';
    for (int i = 0; i < texts_len; i++) {
        *at++ = '"';
        for (const char *from = texts[i]; *from; from++) {
            if (*from == '"' || *from == '\\')
                *at++ = '\\';
            *at++ = *from;
        }
        *at++ = '"';
        if (i + 1 < texts_len)
            *at++ = ',';
    }
    *at++ = '}';
    *at = '\0';
    return array;
}

void database_environment(const struct node *node, const PGconn *conn)
{
    (void)setenv("PGPASSFILE", node_path(node, NODE_PGPASS), 1); /* out of memory shows as a password prompt */
    PQconninfoOption *options = PQconninfoParse(node->conf.database, NULL);
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        if (option->val && option->envvar)
            (void)setenv(option->envvar, option->val, 1);
    PQconninfoFree(options);
    if (!primary_is_chosen(node))
        return;
    (void)setenv("PGHOST", PQhost(conn), 1); /* as above */
    (void)setenv("PGPORT", PQport(conn), 1);
    (void)unsetenv("PGHOSTADDR");
}
