/* user ..., device ...: each a call of the SQL API. */
#include "database.h"
#include "output.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* The object {key: value, ...} of texts; ends with NULL. */
static cJSON *object_of(const char *key, const char *value, const char *key2, const char *value2)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, key, value);
    if (key2)
        (void)cJSON_AddStringToObject(object, key2, value2);
    return object;
}

enum result command_user_add(struct args *args)
{
    struct node node;
    PGconn *conn;
    const char *name = args->words[0];
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {name};
    const char *there_sql = "select from gnatter.users where user_name = $1 and removed_at is null";
    PGresult *there = args->if_missing ? database_query(conn, there_sql, 1, params) : NULL;
    if (args->if_missing && !there) {
        result = REFUSED;
    } else if (there && PQntuples(there)) {
        output_done(args, object_of("user", name, NULL, NULL), "user %s is there already", name);
    } else {
        result = database_do(conn, "select gnatter.create_user($1)", 1, params);
        if (result == DONE)
            output_done(args, object_of("user", name, NULL, NULL), "user %s added", name);
    }
    PQclear(there);
    database_end(&node, conn);
    return result;
}

/* Rows of one query, printed. */
static enum result list(struct args *args, const char *sql, int params_len, const char *const params[],
                        const char *none)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    PGresult *rows = database_query(conn, sql, params_len, params);
    if (rows)
        output_rows(args, rows, none);
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

enum result command_user_list(struct args *args)
{
    return list(
        args,
        "select u.user_name as user, " TIME("u.created_at") " as created, " TIME(
            "u.removed_at") " as removed,"
                            " (select count(*) from gnatter.devices d where d.user_name = u.user_name) as devices"
                            " from gnatter.users u order by u.user_name collate \"C\"",
        0, NULL, "no users");
}

static const char devices_sql[] =
    "select device_name as device, ack_mode as ack, " TIME("created_at") " as created, " TIME(
        "last_seen_at") " as last_seen,"
                        " is_live as live from gnatter.devices where user_name = $1 order by device_name collate \"C\"";
static const char user_groups_sql[] =
    "select group_name as group, role from gnatter.members where user_name = $1 and group_name is not null"
    " order by group_name collate \"C\"";
static const char user_sql[] =
    "select user_name as user, " TIME("created_at") " as created, " TIME("removed_at") " as removed, " TIME(
        "tokens_valid_after") " as tokens_valid_after from gnatter.users where user_name = $1";

static cJSON *rows_json(const PGresult *rows)
{
    cJSON *array = cJSON_CreateArray();
    for (int row = 0; row < PQntuples(rows); row++)
        (void)cJSON_AddItemToArray(array, output_row_json(rows, row));
    return array;
}

static void print_user(struct args *args, const PGresult *user, const PGresult *devices, const PGresult *groups)
{
    if (args->json) {
        cJSON *object = output_row_json(user, 0);
        (void)cJSON_AddItemToObject(object, "devices", rows_json(devices));
        (void)cJSON_AddItemToObject(object, "groups", rows_json(groups));
        output_json(object);
        return;
    }
    output_rows(args, user, "");
    putchar('\n');
    output_rows(args, devices, "no devices");
    putchar('\n');
    output_rows(args, groups, "no groups");
}

enum result command_user_show(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {args->words[0]};
    PGresult *user = database_query(conn, user_sql, 1, params);
    PGresult *devices = user ? database_query(conn, devices_sql, 1, params) : NULL;
    PGresult *groups = devices ? database_query(conn, user_groups_sql, 1, params) : NULL;
    if (!groups)
        result = REFUSED;
    else if (!PQntuples(user))
        result = fail("no such user: %s", args->words[0]);
    else
        print_user(args, user, devices, groups);
    PQclear(groups);
    PQclear(devices);
    PQclear(user);
    database_end(&node, conn);
    return result;
}

enum result command_user_remove(struct args *args)
{
    const char *name = args->words[0], *params[] = {name};
    enum result result = database_call(args, "select gnatter.remove_user($1)", 1, params);
    if (result == DONE)
        output_done(args, object_of("user", name, NULL, NULL), "user %s removed; the name is never given again", name);
    return result;
}

enum result command_user_revoke(struct args *args)
{
    const char *name = args->words[0], *params[] = {name};
    enum result result = database_call(args, "select gnatter.revoke_user($1)", 1, params);
    if (result == DONE)
        output_done(args, object_of("user", name, NULL, NULL),
                    "all tokens of %s are invalid now; gnatterctl token makes new ones", name);
    return result;
}

enum result command_device_add(struct args *args)
{
    const char *user = args->words[0], *device = args->words[1], *ack = args->ack ? args->ack : "explicit";
    struct node node;
    PGconn *conn;
    if (strcmp(ack, "auto") != 0 && strcmp(ack, "explicit") != 0)
        return fail_usage("--ack takes explicit or auto, not \"%s\"", ack);
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {user, device, ack};
    const char *there_sql = "select ack_mode = $3 from gnatter.devices where user_name = $1 and device_name = $2";
    PGresult *there = args->if_missing ? database_query(conn, there_sql, 3, params) : NULL;
    cJSON *object = object_of("client_id", text_format("%s:%s", user, device), "ack", ack);
    if (args->if_missing && !there)
        result = REFUSED;
    else if (there && PQntuples(there) && args->ack && PQgetvalue(there, 0, 0)[0] != 't')
        result = fail("device %s:%s is there with another ack mode: revoke it first", user, device);
    else if (!there || !PQntuples(there))
        result = database_do(conn, "select gnatter.add_device($1, $2, $3)", 3, params);
    if (result == DONE)
        output_done(args, object, "device %s:%s %s", user, device,
                    there && PQntuples(there) ? "is there already" : "registered");
    else
        cJSON_Delete(object);
    PQclear(there);
    database_end(&node, conn);
    return result;
}

enum result command_device_list(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {args->words[0]};
    PGresult *user = database_query(conn, user_sql, 1, params);
    PGresult *devices = user ? database_query(conn, devices_sql, 1, params) : NULL;
    if (!devices)
        result = REFUSED;
    else if (!PQntuples(user))
        result = fail("no such user: %s", args->words[0]);
    else
        output_rows(args, devices, "no devices");
    PQclear(devices);
    PQclear(user);
    database_end(&node, conn);
    return result;
}

enum result command_device_revoke(struct args *args)
{
    const char *user = args->words[0], *device = args->words[1], *params[] = {user, device};
    enum result result = database_call(args, "select gnatter.revoke_device($1, $2)", 2, params);
    if (result == DONE)
        output_done(args, object_of("client_id", text_format("%s:%s", user, device), NULL, NULL),
                    "device %s:%s revoked: its tokens are invalid for ever", user, device);
    return result;
}
