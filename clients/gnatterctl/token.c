/* token, bulk-add: tokens for devices, which are registered when they are new. */
#include "database.h"
#include "keys.h"
#include "output.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TTL_DEFAULT_S (30 * 86400)

/* A token must not be older than the last revocation, which is in the next second when it has just been. */
static struct claims claims_of(const struct args *args, const char *user, const char *device, int64_t valid_after_s)
{
    int64_t now_s = time(NULL);
    int64_t issued_at_s = valid_after_s > now_s ? valid_after_s : now_s;
    return (struct claims){user, device, issued_at_s, now_s + (args->ttl_s > 0 ? args->ttl_s : TTL_DEFAULT_S)};
}

static const char valid_after_sql[] =
    "select coalesce(ceil(extract(epoch from tokens_valid_after)), 0)::bigint from gnatter.devices"
    " where user_name = $1 and device_name = $2";

/* Registers the device when it is new; from which second on its tokens count. */
static enum result find_device(PGconn *conn, const char *user, const char *device, int64_t *ret_valid_after_s)
{
    const char *params[] = {user, device};
    for (int tries = 0; tries < 3; tries++) {
        PGresult *rows = database_query(conn, valid_after_sql, 2, params);
        if (!rows)
            return REFUSED;
        bool found = PQntuples(rows) == 1;
        if (found)
            *ret_valid_after_s = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
        PQclear(rows);
        if (found)
            return DONE;
        PGresult *added = PQexecParams(conn, "select gnatter.add_device($1, $2)", 2, NULL, params, NULL, NULL, 0);
        const char *code = PQresultErrorField(added, PG_DIAG_SQLSTATE);
        bool goes_on =
            PQresultStatus(added) == PGRES_TUPLES_OK || (code && !strcmp(code, "GN004")); /* by another, just now */
        enum result result = goes_on ? DONE : database_fail(conn, added);
        PQclear(added);
        if (result != DONE)
            return result;
    }
    return fail("device %s:%s comes and goes: try again", user, device);
}

enum result command_token(struct args *args)
{
    struct node node;
    PGconn *conn;
    struct key key;
    char token[KEY_TOKEN_BYTES_MAX];
    int64_t valid_after_s = 0;
    const char *user = args->words[0], *device = args->words[1];
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    result = find_device(conn, user, device, &valid_after_s);
    if (result == DONE)
        result = key_load(&node, &key);
    if (result == DONE) {
        struct claims claims = claims_of(args, user, device, valid_after_s);
        if (!key_sign(&key, &claims, token, sizeof(token))) {
            result = fail("the token is too long");
        } else {
            cJSON *object = cJSON_CreateObject();
            (void)cJSON_AddStringToObject(object, "client_id", text_format("%s:%s", user, device));
            (void)cJSON_AddStringToObject(object, "user", user);
            (void)cJSON_AddStringToObject(object, "token", token);
            (void)cJSON_AddNumberToObject(object, "expires_at", (double)claims.expires_at_s);
            output_done(args, object, "%s", token);
        }
        key_forget(&key);
    }
    database_end(&node, conn);
    return result;
}

/* A file only its owner can read, made anew. */
static FILE *open_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    struct stat about;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && fchmod(fd, 0600) != 0) {
        (void)close(fd); /* nothing is in it yet */
        return NULL;
    }
    FILE *file = fdopen(fd, "w");
    if (!file)
        (void)close(fd); /* nothing is in it yet */
    return file;
}

static enum result write_tokens(const struct args *args, const struct node *node, const char *const names[],
                                const PGresult *rows, const char *device)
{
    struct key key;
    char token[KEY_TOKEN_BYTES_MAX];
    enum result result = key_load(node, &key);
    if (result != DONE)
        return result;
    FILE *file = open_private(args->out);
    bool ok = file != NULL;
    for (int i = 0; ok && i < PQntuples(rows); i++) {
        struct claims claims = claims_of(args, names[i], device, strtoll(PQgetvalue(rows, i, 1), NULL, 10));
        ok = key_sign(&key, &claims, token, sizeof(token)) &&
             fprintf(file, "%s:%s\t%s\t%s\n", names[i], device, names[i], token) > 0;
    }
    key_forget(&key);
    if (file && fclose(file) != 0)
        ok = false;
    return ok ? DONE : fail("cannot write %s: %s", args->out, strerror(errno));
}

enum result command_bulk_add(struct args *args)
{
    struct node node;
    PGconn *conn;
    const char *prefix = args->prefix ? args->prefix : "load", *device = args->device ? args->device : "d";
    if (args->count < 1 || !args->out)
        return fail_usage("bulk-add needs --count N and --out FILE");
    if (args->count > 1000000 || strlen(prefix) > LIMIT_USER_LEN)
        return fail_usage("--count is at most 1000000, --prefix at most %d characters", LIMIT_USER_LEN);
    enum result result = database_begin(args, &node, &conn);
    if (result != DONE)
        return result;
    int count = (int)args->count;
    const char **names = calloc((size_t)count, sizeof(*names));
    if (!names) {
        database_end(&node, conn);
        return fail("out of memory");
    }
    for (int i = 0; i < count; i++)
        names[i] = text_format("%s%d", prefix, i);
    const char *params[] = {database_array(names, count), device};
    PGresult *rows = database_query(conn, "select ord, valid_after_s from gnatter.create_users($1, $2)", 2, params);
    result = rows ? write_tokens(args, &node, names, rows, device) : REFUSED;
    if (result == DONE) /* nobody waits until autovacuum has seen them; where this role may not, it does later */
        PQclear(PQexec(conn, "analyze gnatter.user_account, gnatter.device, gnatter.cursor"));
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(object, "count", count);
        (void)cJSON_AddStringToObject(object, "out", args->out);
        output_done(args, object, "%d users, %s%d to %s%d, with a device %s each; their tokens are in %s", count,
                    prefix, 0, prefix, count - 1, device, args->out);
    }
    PQclear(rows);
    free(names);
    database_end(&node, conn);
    return result;
}
