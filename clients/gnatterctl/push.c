/* push ...: how devices that are away are woken. */
#include "database.h"
#include "output.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

static const char list_sql[] =
    "select user_name as user, device_name as device, provider, topic, is_sandbox as sandbox, not shows as silent, "
    "host,"
    " fingerprint, " TIME("registered_at") " as registered, refused_reason as refused, last_state, last_reason"
                                           " from gnatter.push_registrations where $1::text is null or user_name = $1"
                                           " order by user_name collate \"C\", device_name collate \"C\"";

enum result command_push_list(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *user = args->words_len > 0 ? args->words[0] : NULL;
    PGresult *rows = database_list(conn, list_sql, user);
    if (rows)
        output_rows(args, rows,
                    user ? text_format("none of %s's devices can be woken", user) : "no devices that can be woken");
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}

static const char *registration_json(const struct args *args)
{
    const struct {
        const char *key, *value;
    } texts[] = {
        {"provider", args->words[2]},
        {"token", args->token},
        {"endpoint", args->endpoint},
        {"p256dh", args->p256dh},
        {"auth", args->auth},
        {"topic", args->topic},
        {"environment", args->sandbox ? "sandbox" : NULL},
    };
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].value)
            (void)cJSON_AddStringToObject(object, texts[i].key, texts[i].value);
    if (args->silent)
        (void)cJSON_AddFalseToObject(object, "shows");
    char *printed = cJSON_PrintUnformatted(object);
    const char *text = printed ? text_copy(printed, strlen(printed)) : "{}"; /* the database refuses that */
    cJSON_free(printed);
    cJSON_Delete(object);
    return text;
}

static cJSON *device_object(const char *user, const char *device)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "client_id", text_format("%s:%s", user, device));
    return object;
}

enum result command_push_register(struct args *args)
{
    const char *user = args->words[0], *device = args->words[1], *provider = args->words[2];
    const char *params[] = {user, device, registration_json(args)};
    enum result result = database_call(args, "select gnatter.push_register($1, $2, $3)", 3, params);
    if (result == DONE) {
        cJSON *object = device_object(user, device);
        (void)cJSON_AddStringToObject(object, "provider", provider);
        output_done(args, object, "device %s:%s is woken by %s now", user, device, provider);
    }
    return result;
}

enum result command_push_unregister(struct args *args)
{
    const char *user = args->words[0], *device = args->words[1], *params[] = {user, device};
    enum result result = database_call(args, "select gnatter.push_unregister($1, $2)", 2, params);
    if (result == DONE)
        output_done(args, device_object(user, device), "device %s:%s is not woken any more", user, device);
    return result;
}

enum result command_push_resume(struct args *args)
{
    struct node node;
    PGconn *conn;
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    const char *params[] = {args->words_len > 0 ? args->words[0] : NULL};
    PGresult *rows = database_query(conn, "select gnatter.push_resume($1) as resumed", 1, params);
    if (rows)
        output_done(args, output_row_json(rows, 0), "providers go on; %s refused registrations are tried again",
                    PQgetvalue(rows, 0, 0));
    else
        result = REFUSED;
    PQclear(rows);
    database_end(&node, conn);
    return result;
}
