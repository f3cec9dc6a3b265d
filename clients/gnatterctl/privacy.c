/* block ..., privacy ..., profile ...: what users keep from each other, and show of themselves. */
#include "database.h"
#include "output.h"
#include "text.h"
#include <string.h>

static enum result block_call(struct args *args, const char *sql, const char *verb)
{
    const char *user = args->words[0], *other = args->words[1], *params[] = {user, other};
    enum result result = database_call(args, sql, 2, params);
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "user", user);
        (void)cJSON_AddStringToObject(object, "blocked", other);
        output_done(args, object, "%s %s %s now", user, verb, other);
    }
    return result;
}

enum result command_block_add(struct args *args)
{
    return block_call(args, "select gnatter.block_user($1, $2)", "blocks");
}

enum result command_block_remove(struct args *args)
{
    return block_call(args, "select gnatter.unblock_user($1, $2)", "does not block");
}

enum result command_block_list(struct args *args)
{
    static const char sql[] = "select user_name as user, blocked, to_char(blocked_at at time zone 'UTC', "
                              "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as "
                              "since from gnatter.blocks where $1::text is null or user_name = $1"
                              " order by user_name collate \"C\", blocked collate \"C\"";
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *user = args->words_len > 0 ? args->words[0] : NULL;
    PGresult *rows = database_list(conn, sql, user);
    if (rows)
        output_rows(args, rows, user ? text_format("%s blocks nobody", user) : "nobody blocks anybody");
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

enum result command_privacy_show(struct args *args)
{
    static const char sql[] = "select user_name as user, read_receipts, online, last_seen, profile, messages, groups,"
                              " display_name, about, avatar from gnatter.users where user_name = $1";
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {args->words[0]};
    PGresult *rows = database_query(conn, sql, 1, params);
    if (rows && PQntuples(rows) == 1 && args->json)
        output_json(output_row_json(rows, 0));
    else if (rows && PQntuples(rows) == 1)
        output_rows(args, rows, "");
    else if (rows)
        result = fail("no such user: %s", args->words[0]);
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

/* One member of an object as text; what the database understands is for it to say. */
static const char *member_json(const char *key, cJSON *value)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddItemToObject(object, key, value);
    char *printed = cJSON_PrintUnformatted(object);
    const char *text = printed ? text_copy(printed, strlen(printed)) : "[]"; /* the database refuses that */
    cJSON_free(printed);
    cJSON_Delete(object);
    return text;
}

static void output_setting(const struct args *args, const char *what)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "user", args->words[0]);
    (void)cJSON_AddStringToObject(object, "set", args->words[1]);
    output_done(args, object, "%s of %s is %s now", args->words[1], args->words[0], what);
}

enum result command_privacy_set(struct args *args)
{
    const char *key = args->words[1], *value = args->words[2];
    bool is_flag = strcmp(key, "read_receipts") == 0, is_yes = strcmp(value, "yes") == 0;
    if (is_flag && !is_yes && strcmp(value, "no") != 0)
        return fail("%s is yes or no", key);
    const char *json = member_json(key, is_flag ? cJSON_CreateBool(is_yes) : cJSON_CreateString(value));
    const char *params[] = {args->words[0], json};
    enum result result = database_call(args, "select gnatter.set_privacy($1, $2)", 2, params);
    if (result == DONE)
        output_setting(args, value);
    return result;
}

enum result command_profile_set(struct args *args)
{
    const char *text = args->words_len > 2 ? args->words[2] : NULL;
    const char *json = member_json(args->words[1], text ? cJSON_CreateString(text) : cJSON_CreateNull());
    const char *params[] = {args->words[0], json};
    enum result result = database_call(args, "select gnatter.set_profile($1, $2)", 2, params);
    if (result == DONE)
        output_setting(args, text ? "set" : "gone");
    return result;
}
