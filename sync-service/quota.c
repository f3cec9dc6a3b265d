#include "quota.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "runtime.h"

#define TURN_EVERY_MS 1000
#define WAITING_MAX   65536 /* conversations; those above are counted after their next message */
#define IDS_MAX       1000  /* per question */
#define RELEASE_MAX   100   /* users looked at per turn */
#define ANY_NUMBER    (INT64_MAX / 4)

struct quota {
    struct quota_options options;
    atomic_bool is_on;
    struct notes *notes[RUNTIME_SHARDS_MAX];
    size_t notes_len;
    pthread_mutex_t lock; /* the next three */
    int64_t *ids;
    size_t len, size;
    /* the turn's thread */
    int64_t turn_at_ms;
    bool is_opened;
    _Atomic uint64_t full;
};

enum status quota_new(const struct quota_options *options, struct quota **ret_quota)
{
    struct quota *quota = calloc(1, sizeof *quota);
    if (quota == NULL)
        return STATUS_NO_MEMORY;
    (void)pthread_mutex_init(&quota->lock, NULL);
    atomic_init(&quota->is_on, options->items_max != 0 || options->bytes_max != 0);
    quota->options.items_max = options->items_max == 0 ? ANY_NUMBER : options->items_max;
    quota->options.bytes_max = options->bytes_max == 0 ? ANY_NUMBER : options->bytes_max;
    *ret_quota = quota;
    return STATUS_OK;
}

void quota_free(struct quota *quota)
{
    if (quota == NULL)
        return;
    for (size_t i = 0; i < quota->notes_len; i++)
        free(quota->notes[i]);
    free(quota->ids);
    free(quota);
}

bool quota_is_on(const struct quota *quota)
{
    return atomic_load(&quota->is_on);
}

uint64_t quota_full(const struct quota *quota)
{
    return atomic_load(&quota->full);
}

/* ---- what shards tell ---- */
static void notes_take(void *ctx, const struct notes *notes)
{
    struct quota *quota = ctx;
    (void)pthread_mutex_lock(&quota->lock);
    size_t len = quota->len + notes->len;
    if (len > quota->size && len <= WAITING_MAX) {
        int64_t *ids = realloc(quota->ids, 2 * len * sizeof *ids);
        if (ids != NULL) {
            quota->ids = ids;
            quota->size = 2 * len;
        }
    }
    if (len <= quota->size) {
        memcpy(quota->ids + quota->len, notes->ids, notes->len * sizeof *notes->ids);
        quota->len = len;
    }
    (void)pthread_mutex_unlock(&quota->lock);
}

struct notes *quota_notes_new(struct quota *quota)
{
    if (!quota_is_on(quota) || quota->notes_len == RUNTIME_SHARDS_MAX)
        return NULL;
    struct notes *notes = calloc(1, sizeof *notes);
    if (notes == NULL)
        return NULL;
    notes->ctx = quota;
    notes->hand_over = notes_take;
    notes->is_wanted = &quota->is_on;
    quota->notes[quota->notes_len++] = notes;
    return notes;
}

/* ---- turns ---- */
static enum status ask_number(struct database *database, const char *sql, int32_t *ret_number)
{
    PGresult *result = NULL;
    enum status status = database_ask(database, sql, DATABASE_BINARY, &result);
    if (status == STATUS_OK)
        *ret_number = pg_read_int(PQgetvalue(result, 0, 0));
    PQclear(result);
    return status;
}

/* What an earlier configuration has refused. */
static void open_all(struct quota *quota, struct database *database)
{
    int32_t opened;
    pg_params_begin(&database->params);
    quota->is_opened = ask_number(database, "select gnatter.inbox_open()", &opened) == STATUS_OK;
    if (quota->is_opened && opened > 0)
        log_notice("quota", "off", LOG_INT("opened", opened));
}

static enum status watch(struct quota *quota, struct database *database, const int64_t ids[], size_t len)
{
    int32_t fresh = 0;
    pg_params_begin(&database->params);
    pg_bigints(&database->params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(&database->params, ids[i]);
    pg_bigint(&database->params, quota->options.items_max);
    pg_bigint(&database->params, quota->options.bytes_max);
    enum status status = ask_number(database, "select gnatter.inbox_watch($1, $2, $3)", &fresh);
    if (fresh > 0)
        log_notice("quota", "inboxes-full", LOG_INT("users", fresh));
    return status;
}

static void watch_all(struct quota *quota, struct database *database)
{
    (void)pthread_mutex_lock(&quota->lock);
    int64_t *ids = quota->ids;
    size_t len = quota->len;
    quota->ids = NULL;
    quota->len = quota->size = 0;
    (void)pthread_mutex_unlock(&quota->lock);
    enum status status = STATUS_OK;
    for (size_t from = 0; from < len && status == STATUS_OK; from += IDS_MAX)
        status = watch(quota, database, ids + from, len - from < IDS_MAX ? len - from : IDS_MAX);
    free(ids); /* after a failure the rest is counted after its next message */
}

static void release(struct quota *quota, struct database *database)
{
    int32_t full;
    pg_params_begin(&database->params);
    pg_int(&database->params, RELEASE_MAX);
    pg_bigint(&database->params, quota->options.items_max);
    pg_bigint(&database->params, quota->options.bytes_max);
    if (ask_number(database, "select gnatter.inbox_release($1, $2, $3)", &full) == STATUS_OK)
        atomic_store(&quota->full, (uint64_t)full);
}

void quota_turn(struct quota *quota, struct database *database, int64_t now_ms, int64_t *due_ms)
{
    if (!quota_is_on(quota) && quota->is_opened)
        return;
    if (now_ms >= quota->turn_at_ms) {
        quota->turn_at_ms = now_ms + TURN_EVERY_MS;
        if (quota_is_on(quota)) {
            watch_all(quota, database);
            release(quota, database);
        } else {
            open_all(quota, database);
        }
    }
    if (quota->turn_at_ms < *due_ms)
        *due_ms = quota->turn_at_ms;
}
