/* group ..., timer, purge: each a call of the SQL API. */
#include "database.h"
#include "output.h"
#include "process.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cJSON *group_object(const char *group, const char *user)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "group", group);
    if (user)
        (void)cJSON_AddStringToObject(object, "user", user);
    return object;
}

enum result command_group_create(struct args *args)
{
    const char *group = args->words[0];
    if (!args->owner)
        return fail_usage("a group needs an owner: --owner USER");
    const char *params[] = {group, args->owner, database_array(args->members, args->members_len), args->title};
    enum result result = database_call(args, "select gnatter.create_group($1, $2, $3, $4)", 4, params);
    if (result == DONE)
        output_done(args, group_object(group, NULL), "group %s made, owned by %s", group, args->owner);
    return result;
}

enum result command_group_add(struct args *args)
{
    const char *group = args->words[0], *user = args->words[1], *params[] = {group, user};
    enum result result = database_call(args, "select gnatter.add_member($1, $2)", 2, params);
    if (result == DONE)
        output_done(args, group_object(group, user), "%s is in %s now", user, group);
    return result;
}

enum result command_group_remove(struct args *args)
{
    const char *group = args->words[0], *user = args->words[1], *params[] = {group, user};
    enum result result = database_call(args, "select gnatter.remove_member($1, $2)", 2, params);
    if (result == DONE)
        output_done(args, group_object(group, user), "%s is in %s no more", user, group);
    return result;
}

enum result command_group_role(struct args *args)
{
    const char *group = args->words[0], *user = args->words[1], *role = args->words[2], *params[] = {group, user, role};
    enum result result = database_call(args, "select gnatter.set_role($1, $2, $3)", 3, params);
    if (result == DONE) {
        cJSON *object = group_object(group, user);
        (void)cJSON_AddStringToObject(object, "role", role);
        output_done(args, object, "%s is %s of %s now", user, role, group);
    }
    return result;
}

enum result command_group_rename(struct args *args)
{
    const char *group = args->words[0], *title = args->words[1], *params[] = {group, title};
    enum result result = database_call(args, "select gnatter.rename_group($1, $2)", 2, params);
    if (result == DONE) {
        cJSON *object = group_object(group, NULL);
        (void)cJSON_AddStringToObject(object, "title", title);
        output_done(args, object, "%s is called %s now", group, title);
    }
    return result;
}

enum result command_group_delete(struct args *args)
{
    const char *group = args->words[0], *params[] = {group};
    enum result result = database_call(args, "select gnatter.delete_group($1)", 1, params);
    if (result == DONE)
        output_done(args, group_object(group, NULL), "group %s deleted; the name is never given again", group);
    return result;
}

#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define GROUPS                                                                                                         \
    "select group_name as group, title, " TIME("created_at") " as created, " TIME(                                     \
        "deleted_at") " as deleted, last_seq,"                                                                         \
                      " members from gnatter.groups"

static void print_group(struct args *args, const PGresult *group, const PGresult *members)
{
    if (!args->json) {
        output_rows(args, group, "");
        putchar('\n');
        output_rows(args, members, "no members");
        return;
    }
    cJSON *object = output_row_json(group, 0), *array = cJSON_CreateArray();
    for (int row = 0; row < PQntuples(members); row++)
        (void)cJSON_AddItemToArray(array, output_row_json(members, row));
    cJSON_DeleteItemFromObject(object, "members"); /* the list says how many */
    (void)cJSON_AddItemToObject(object, "members", array);
    output_json(object);
}

enum result command_group_show(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {args->words[0]};
    PGresult *group = database_query(conn, GROUPS " where group_name = $1", 1, params);
    PGresult *members = !group ? NULL
                               : database_query(conn,
                                                "select user_name as user, role, joined_seq, delivered_seq, read_seq"
                                                " from gnatter.members where group_name = $1"
                                                " order by user_name collate \"C\"",
                                                1, params);
    if (!members)
        result = REFUSED;
    else if (!PQntuples(group))
        result = fail("no such group: %s", args->words[0]);
    else
        print_group(args, group, members);
    PQclear(members);
    PQclear(group);
    database_end(&node, conn);
    return result;
}

enum result command_group_list(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    PGresult *rows = database_query(conn, GROUPS " order by group_name collate \"C\"", 0, NULL);
    if (rows)
        output_rows(args, rows, "no groups");
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

enum result command_timer(struct args *args)
{
    struct node node;
    PGconn *conn;
    int64_t seconds = 0;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *conversation = args->words[0], *time = args->words[1];
    bool is_off = strcmp(time, "off") == 0 || strcmp(time, "0") == 0;
    if (!is_off && !text_duration(time, &seconds)) {
        database_end(&node, conn);
        return fail_usage("a timer is a time like 30s, 12h or 7d, or off: %s", time);
    }
    const char *params[] = {conversation, text_format("%lld", (long long)seconds)};
    PGresult *rows = database_query(conn, "select gnatter.set_timer($1, $2) as seq", 2, params);
    if (rows && is_off)
        output_done(args, output_row_json(rows, 0), "messages in %s stay", conversation);
    else if (rows)
        output_done(args, output_row_json(rows, 0), "messages in %s disappear after %s, from now on", conversation,
                    time);
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

#define PURGE_TRIES       5   /* of a conversation in which others keep somebody waiting in a circle */
#define PURGE_PROGRESS_MS 200 /* between two lines of progress, on a terminal */

/* Would the same statement do, once more? */
static bool is_passing(const PGresult *result)
{
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return code && (!strcmp(code, "40P01") || !strcmp(code, "40001")); /* deadlock, serialization */
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* One conversation, params[2], in a transaction of its own: who writes to it waits no longer than it takes. */
static enum result purge_one(PGconn *conn, const char *const params[3], long long *purged)
{
    static const char *const sql = "select gnatter.purge($1::interval, $2, $3)";
    PGresult *rows = PQexecParams(conn, sql, 3, NULL, params, NULL, NULL, 0);
    for (int tries = 1; PQresultStatus(rows) != PGRES_TUPLES_OK && is_passing(rows) && tries < PURGE_TRIES; tries++) {
        PQclear(rows);
        rows = PQexecParams(conn, sql, 3, NULL, params, NULL, NULL, 0);
    }
    bool is_done = PQresultStatus(rows) == PGRES_TUPLES_OK;
    if (is_done)
        *purged += strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    else
        progress_end();
    enum result result = is_done ? DONE : database_fail(conn, rows);
    PQclear(rows);
    return result;
}

static enum result purge_each(PGconn *conn, const PGresult *names, const char *params[3], long long *purged)
{
    bool is_terminal = isatty(STDERR_FILENO);
    int64_t told_ms = clock_ms();
    enum result result = DONE;
    for (int row = 0; result == DONE && row < PQntuples(names); row++) {
        params[2] = PQgetvalue(names, row, 0);
        result = purge_one(conn, params, purged);
        if (is_terminal && clock_ms() - told_ms >= PURGE_PROGRESS_MS) {
            fprintf(stderr, "\r%d of %d conversations, %lld erased", row + 1, PQntuples(names), *purged);
            told_ms = clock_ms();
        }
    }
    if (result == DONE)
        progress_end();
    return result;
}

enum result command_purge(struct args *args)
{
    struct node node;
    PGconn *conn;
    if (args->older_than_s < 0 && !args->delivered)
        return fail_usage("purge what? --older-than TIME, --delivered or both");
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    long long purged = 0;
    const char *age = args->older_than_s < 0 ? NULL : text_format("%lld seconds", (long long)args->older_than_s);
    const char *params[] = {age, args->delivered ? "true" : "false", args->conversation};
    PGresult *names = args->conversation ? NULL
                                         : database_query(conn,
                                                          "select name from gnatter.conversation"
                                                          " where last_seq >= first_seq order by conversation_id",
                                                          0, NULL);
    if (args->conversation)
        result = purge_one(conn, params, &purged);
    else
        result = names ? purge_each(conn, names, params, &purged) : REFUSED;
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(object, "purged", (double)purged);
        output_done(args, object, "%lld messages and events erased", purged);
    }
    PQclear(names);
    database_end(&node, conn);
    return result;
}
