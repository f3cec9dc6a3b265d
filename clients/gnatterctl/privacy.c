/* block ...: what users keep from each other. */
#include "database.h"
#include "output.h"
#include "text.h"

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
    const char *params[] = {args->words_len > 0 ? args->words[0] : NULL};
    PGresult *rows = database_query(conn, sql, 1, params);
    if (rows)
        output_rows(args, rows, "nobody blocks anybody");
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}
