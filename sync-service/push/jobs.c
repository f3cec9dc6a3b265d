#include "jobs.h"
#include <string.h>

static void put_bigints(struct pg_params *params, const int64_t ids[], size_t len)
{
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, ids[i]);
}

static int32_t int_of(int64_t number)
{
    return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

/* ---- the watcher ---- */
enum status jobs_evaluate(struct database *database, const int64_t conversation_ids[], size_t conversations_len,
                          const int64_t device_ids[], size_t devices_len, const struct push_options *options,
                          void (*on_made)(void *ctx, const char *provider, int64_t jobs), void *ctx)
{
    PGresult *result;
    pg_params_begin(&database->params);
    put_bigints(&database->params, conversation_ids, conversations_len);
    put_bigints(&database->params, device_ids, devices_len);
    pg_int(&database->params, int_of(options->grace_ms));
    pg_int(&database->params, int_of(options->ttl_s));
    enum status status = database_ask(database, "select provider, jobs from gnatter.push_evaluate($1, $2, $3, $4)",
                                      DATABASE_BINARY, &result);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++)
        on_made(ctx, PQgetvalue(result, row, 0), pg_read_bigint(PQgetvalue(result, row, 1)));
    PQclear(result);
    return STATUS_OK;
}

enum status jobs_sweep(struct database *database, int64_t after_device_id, int64_t ids[], size_t ids_size,
                       size_t *ret_len)
{
    PGresult *result;
    pg_params_begin(&database->params);
    pg_bigint(&database->params, after_device_id);
    pg_int(&database->params, (int32_t)ids_size);
    enum status status = database_ask(database, "select unnest(gnatter.push_sweep($1, $2))", DATABASE_BINARY, &result);
    if (status != STATUS_OK)
        return status;
    size_t len = (size_t)PQntuples(result) < ids_size ? (size_t)PQntuples(result) : ids_size;
    for (size_t i = 0; i < len; i++)
        ids[i] = pg_read_bigint(PQgetvalue(result, (int)i, 0));
    PQclear(result);
    *ret_len = len;
    return STATUS_OK;
}

enum status jobs_count(struct database *database, struct jobs_count *ret_count)
{
    PGresult *result;
    pg_params_begin(&database->params);
    enum status status =
        database_ask(database, "select registrations, waiting, oldest_s, resumed_ms from gnatter.push_count()",
                     DATABASE_BINARY, &result);
    if (status != STATUS_OK)
        return status;
    *ret_count =
        (struct jobs_count){pg_read_bigint(PQgetvalue(result, 0, 0)), pg_read_bigint(PQgetvalue(result, 0, 1)),
                            pg_read_bigint(PQgetvalue(result, 0, 2)), pg_read_bigint(PQgetvalue(result, 0, 3))};
    PQclear(result);
    return STATUS_OK;
}

static enum status command(struct database *database, const char *sql)
{
    PGresult *result;
    enum status status = database_ask(database, sql, DATABASE_BINARY, &result);
    if (status == STATUS_OK)
        PQclear(result);
    return status;
}

enum status jobs_prune(struct database *database)
{
    pg_params_begin(&database->params);
    return command(database, "select gnatter.push_prune(1000)");
}

/* ---- workers ---- */
static void put_served(struct pg_params *params, const struct push_provider_type *type)
{
    pg_texts(params);
    for (const char *const *served = type->serves; *served != NULL; served++)
        pg_put_bytes(params, slice_of(*served));
}

enum status jobs_claim(struct database *database, const struct push_provider_type *type, const char *worker,
                       int jobs_max, int64_t lease_ms, const struct push_options *options, PGresult **ret_rows)
{
    static const char *const contents[] = {"wake", "sender", "full"};
    pg_params_begin(&database->params);
    put_served(&database->params, type);
    pg_text(&database->params, slice_of(worker));
    pg_int(&database->params, jobs_max);
    pg_int(&database->params, int_of(lease_ms));
    pg_int(&database->params, int_of(options->ttl_s));
    pg_text(&database->params, slice_of(contents[options->content]));
    return database_ask(database,
                        "select job_id, attempt, created_ms, device_id, user_id, client_id, registration_id, token,"
                        " endpoint, p256dh, auth, topic, is_sandbox, shows, badge, conversations, conversation, title,"
                        " sender, seq, time_ms, message from gnatter.push_claim($1, $2, $3, $4, $5, $6)",
                        DATABASE_BINARY, ret_rows);
}

static struct slice text_of(const PGresult *rows, int row, int column)
{
    return (struct slice){PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column)};
}

static int64_t bigint_of(const PGresult *rows, int row, int column)
{
    return pg_read_bigint(PQgetvalue(rows, row, column));
}

static void bytes_of(const PGresult *rows, int row, int column, unsigned char *bytes, size_t len)
{
    if ((size_t)PQgetlength(rows, row, column) == len) /* else it is null: of another provider */
        memcpy(bytes, PQgetvalue(rows, row, column), len);
}

void jobs_wake(const PGresult *rows, int row, const struct push_options *options, struct push_wake *ret_wake)
{
    *ret_wake = (struct push_wake){
        .job_id = bigint_of(rows, row, 0),
        .attempt = pg_read_int(PQgetvalue(rows, row, 1)),
        .created_ms = bigint_of(rows, row, 2),
        .device_id = bigint_of(rows, row, 3),
        .user_id = bigint_of(rows, row, 4),
        .client_id = text_of(rows, row, 5),
        .registration_id = bigint_of(rows, row, 6),
        .token = text_of(rows, row, 7),
        .endpoint = text_of(rows, row, 8),
        .topic = text_of(rows, row, 11),
        .is_sandbox = PQgetvalue(rows, row, 12)[0] != 0,
        .shows = PQgetvalue(rows, row, 13)[0] != 0,
        .badge = bigint_of(rows, row, 14),
        .conversations = pg_read_int(PQgetvalue(rows, row, 15)),
        .conversation = text_of(rows, row, 16),
        .title = text_of(rows, row, 17),
        .sender = text_of(rows, row, 18),
        .seq = bigint_of(rows, row, 19),
        .time_ms = bigint_of(rows, row, 20),
        .text = text_of(rows, row, 21),
    };
    bytes_of(rows, row, 9, ret_wake->p256dh, sizeof ret_wake->p256dh);
    bytes_of(rows, row, 10, ret_wake->auth, sizeof ret_wake->auth);
    ret_wake->expires_ms = ret_wake->created_ms + options->ttl_s * 1000;
}

enum status jobs_finish(struct database *database, const char *worker, const struct jobs_result results[], size_t len)
{
    struct pg_params *params = &database->params;
    pg_params_begin(params);
    pg_text(params, slice_of(worker));
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, results[i].job_id);
    pg_texts(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bytes(params, slice_of(results[i].state));
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, results[i].after_ms);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, results[i].registration_id);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, results[i].before_ms);
    pg_texts(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bytes(params, slice_of(results[i].reason));
    return command(database, "select gnatter.push_finish($1, $2, $3, $4, $5, $6, $7)");
}

enum status jobs_tell(struct database *database, const struct push_provider_type *type, const char *public_key,
                      bool is_stopped, const char *reason, const char *worker)
{
    pg_params_begin(&database->params);
    put_served(&database->params, type);
    pg_text(&database->params, slice_of(public_key == NULL ? "" : public_key));
    pg_int(&database->params, is_stopped);
    pg_text(&database->params, slice_of(reason));
    pg_text(&database->params, slice_of(worker));
    return command(database, "select gnatter.push_tell($1, nullif($2, ''), $3::int = 1, nullif($4, ''), $5)");
}
