#include "migrate.h"
#include "database.h"
#include "output.h"
#include "schema_files.h"
#include "secret.h"
#include "text.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* What to do about it, where that is not in the database's own words. */
static const char *advice(const char *code)
{
    static const struct {
        const char *code, *what;
    } rows[] = {{"55P03", "; end the transaction that holds the lock: pg_stat_activity shows it"},
                {"25006", "; the database must take writes: see its default_transaction_read_only"},
                {"53100", "; make room on the database's disk"}};
    for (size_t i = 0; code && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(code, rows[i].code))
            return rows[i].what;
    return "";
}

/* A file of several statements. */
static enum result run_text(PGconn *conn, const char *what, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    enum result ret = DONE;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
        const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
        const char *at = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
        ret = fail("schema file %s was refused by the database: %s%s%s%s%s%s", what,
                   primary ? primary : PQerrorMessage(conn), at ? " at character " : "", at ? at : "",
                   context ? "; " : "", context ? context : "", advice(PQresultErrorField(result, PG_DIAG_SQLSTATE)));
    }
    PQclear(result);
    return ret;
}

static bool is_migration(const char *name)
{
    return !strncmp(name, "migrations/", strlen("migrations/"));
}

static int migration_version(const char *name)
{
    return atoi(name + strlen("migrations/"));
}

/* The highest version the database has; -1: no schema yet. False: said why. */
static bool database_version(PGconn *conn, int *ret_version)
{
    PGresult *there = database_query(conn, "select to_regclass('gnatter.migration') is not null", 0, NULL);
    if (!there)
        return false;
    bool exists = PQgetvalue(there, 0, 0)[0] == 't';
    PQclear(there);
    *ret_version = -1;
    if (!exists)
        return true;
    PGresult *rows = database_query(conn, "select coalesce(max(version), 0) from gnatter.migration", 0, NULL);
    if (!rows)
        return false;
    *ret_version = atoi(PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return true;
}

static enum result run_migration(PGconn *conn, const struct schema_file *file)
{
    const char *name = file->name + strlen("migrations/");
    const char *params[] = {text_format("%d", migration_version(file->name)), name};
    enum result result = run_text(conn, file->name, file->sql);
    if (result == DONE)
        result = database_do(conn, "insert into gnatter.migration (version, name) values ($1, $2)", 2, params);
    return result;
}

/* An administrator who is not a superuser owns nothing of gnatter_owner's unless a member of it. */
static const char membership_sql[] =
    "do $$ begin"
    "  if to_regrole('gnatter_owner') is not null"
    "     and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)"
    "     and not (pg_has_role(current_user, 'gnatter_owner', 'member')"
    "              and pg_has_role(current_user, 'gnatter_admin', 'member')) then"
    "    execute format('grant gnatter_owner, gnatter_admin to %I', current_user);"
    "  end if;"
    "end $$";

static enum result run_files(PGconn *conn, int *ret_migrations_done)
{
    int version, newest = 0, done = 0;
    if (!database_version(conn, &version))
        return REFUSED;
    for (const struct schema_file *file = schema_files; file->name; file++)
        if (is_migration(file->name) && migration_version(file->name) > newest)
            newest = migration_version(file->name);
    if (version > newest)
        return fail("the database has schema version %d, this program knows %d: use the newer gnatterctl", version,
                    newest);
    for (const struct schema_file *file = schema_files; file->name; file++) {
        enum result result = DONE;
        if (!is_migration(file->name)) {
            result = run_text(conn, file->name, file->sql);
            if (result == DONE && !strcmp(file->name, "roles.sql"))
                result = run_text(conn, "roles.sql", membership_sql);
        } else if (migration_version(file->name) > version) {
            result = run_migration(conn, file);
            done++;
        }
        if (result != DONE)
            return result;
    }
    *ret_migrations_done = done;
    return DONE;
}

/*
 * One migration at a time. The table is the owner's to lock. Anybody who is connected can take the advisory lock, so
 * that is for a database without our schema only; its number is any, as long as it is ours.
 */
static const char lock_sql[] = "do $$ begin"
                               "  if to_regclass('gnatter.migration') is null then"
                               "    perform pg_advisory_xact_lock(4746413251);"
                               "  end if;"
                               "  if to_regclass('gnatter.migration') is not null then"
                               "    lock table gnatter.migration in share row exclusive mode;"
                               "  end if;"
                               "end $$";

static enum result run_schema(PGconn *conn, const char *lock_wait, int *ret_migrations_done)
{
    /* Should we be killed while we wait, the server is to notice; it would wait on, and hold a connection. */
    enum result result = run_text(conn, "(begin)",
                                  text_format("begin; set local client_min_messages = warning;"
                                              "set local client_connection_check_interval = '1s';"
                                              "%s; %s; set local lock_timeout = '%s'",
                                              membership_sql, lock_sql, lock_wait));
    if (result != DONE)
        return result;
    result = run_files(conn, ret_migrations_done);
    if (result == DONE)
        return run_text(conn, "(commit)", "commit");
    PQclear(PQexec(conn, "rollback")); /* what failed has been said */
    return result;
}

/* The private cluster's database, in a connection to the one that is always there. */
static enum result make_database(const struct node *node, bool *ret_was_lost)
{
    struct node initial = *node;
    initial.conf.database = text_format("%s dbname=postgres", node->conf.database);
    PGconn *conn = database_open(&initial);
    *ret_was_lost = !conn;
    if (!conn)
        return REFUSED;
    enum result result = REFUSED;
    PGresult *rows = database_query(conn, "select from pg_database where datname = 'gnatter'", 0, NULL);
    if (rows)
        result = PQntuples(rows) ? DONE : run_text(conn, "(create database)", "create database gnatter");
    PQclear(rows);
    *ret_was_lost = PQstatus(conn) != CONNECTION_OK;
    PQfinish(conn);
    return result;
}

static bool service_can_log_in(const struct node *node)
{
    const char *const keys[] = {"dbname", "user", "passfile", "application_name", "connect_timeout", NULL};
    const char *const values[] = {
        node->conf.database, node->conf.service_user, node_path(node, NODE_SERVICE_PGPASS), "gnatterctl", "10", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1 /* dbname is a conninfo */);
    bool ok = conn && PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    return ok;
}

/* Where we may look: has the role a password? Else trying is what is left. False: said why. */
static bool service_is_set(const struct node *node, PGconn *conn, bool *ret_is_set)
{
    const char *params[] = {node->conf.service_user};
    *ret_is_set = true;
    if (!node->conf.postgres_port)
        return true;
    PGresult *rows =
        database_query(conn, "select from pg_authid where rolname = $1 and rolpassword is not null", 1, params);
    if (rows)
        *ret_is_set = PQntuples(rows) == 1;
    PQclear(rows);
    return rows;
}

/* The password travels as its SCRAM verifier, so that no server log ever sees it. */
static enum result let_service_in(const struct node *node, PGconn *conn)
{
    char *password;
    bool is_set;
    if (!service_is_set(node, conn, &is_set))
        return REFUSED;
    if (is_set && service_can_log_in(node))
        return DONE;
    enum result result = secret_password(node, NODE_SERVICE_PGPASS, &password);
    if (result != DONE)
        return result;
    const char *role = node->conf.service_user;
    char *verifier = PQencryptPasswordConn(conn, password, role, "scram-sha-256");
    sodium_memzero(password, strlen(password));
    char *quoted_role = PQescapeIdentifier(conn, role, strlen(role));
    const char *params[] = {role};
    PGresult *there = NULL;
    result = REFUSED;
    if (!verifier || !quoted_role) {
        (void)fail("cannot prepare the service's password: %s", PQerrorMessage(conn));
        goto out;
    }
    there = database_query(conn, "select from pg_catalog.pg_roles where rolname = $1", 1, params);
    if (!there)
        goto out;
    result = database_do(conn,
                         text_format(PQntuples(there) ? "alter role %s login password '%s'"
                                                      : "create role %s login in role gnatter_service password '%s'",
                                     quoted_role, verifier),
                         0, NULL);
    if (result == DONE && !service_can_log_in(node))
        result = fail("the database does not let role %s in with a password: see its pg_hba.conf", role);
out:
    PQclear(there);
    PQfreemem(verifier);
    PQfreemem(quoted_role);
    return result;
}

enum result migrate(const struct node *node, const char *lock_wait, int *ret_migrations_done, bool *ret_was_lost)
{
    *ret_was_lost = false;
    if (node->conf.postgres_port) {
        enum result result = make_database(node, ret_was_lost);
        if (result != DONE)
            return result;
    }
    PGconn *conn = database_open(node);
    *ret_was_lost = !conn;
    if (!conn)
        return REFUSED;
    enum result result = run_schema(conn, lock_wait, ret_migrations_done);
    if (result == DONE)
        result = let_service_in(node, conn);
    *ret_was_lost = PQstatus(conn) != CONNECTION_OK;
    PQfinish(conn);
    return result;
}

enum result command_migrate(struct args *args)
{
    struct node node;
    int done = 0;
    bool was_lost;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    result = migrate(&node, MIGRATE_LOCK_WAIT, &done, &was_lost);
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(object, "migrations", done);
        output_done(args, object, "the database has this version's schema (%d migration%s done)", done,
                    done == 1 ? "" : "s");
    }
    node_close(&node);
    return result;
}
