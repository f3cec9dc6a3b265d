#include <stdlib.h>
#include <string.h>
#include "message_log_state.h"

/* one question for pages asks for no more than this, so that a thousand devices that catch up do not fill memory */
#define PAGE_BYTES_MAX (4u * 1024 * 1024)
/* ... and for no more than this, so that the first page is delivered while the database reads the next */
#define PAGE_ITEMS_MAX 512

/* An array that grows; the item's place, or NULL: no memory, and the log has failed. */
static void *grow(struct message_log *log, void **items, size_t len, size_t *size, size_t item_bytes)
{
    if (len == *size) {
        size_t wanted = *size == 0 ? 64 : *size * 2;
        void *fresh = realloc(*items, wanted * item_bytes);
        if (fresh == NULL) {
            message_log_fail(log, "no memory");
            return NULL;
        }
        *items = fresh;
        *size = wanted;
    }
    return (char *)*items + len * item_bytes;
}

static struct gathered *gathered_new(struct message_log *log)
{
    struct gathered *gathered = calloc(1, sizeof *gathered);
    if (gathered == NULL)
        message_log_fail(log, "no memory");
    return gathered;
}

void message_log_load(struct message_log *log, const struct slice names[], const int64_t senders[], size_t len)
{
    if (!message_log_is_up(log))
        return;
    size_t bytes = 0;
    for (size_t i = 0; i < len; i++)
        bytes += names[i].len;
    struct gathered *gathered = gathered_new(log);
    struct query *query = query_new(log, QUERY_LOAD, 1, len * sizeof *names + bytes);
    if (gathered == NULL || query == NULL) {
        free(gathered);
        query_free(query);
        return;
    }
    query->gathered = gathered;
    query->len = len;
    char *text = (char *)(query->names + len);
    for (size_t i = 0; i < len; i++) {
        memcpy(text, names[i].at, names[i].len);
        query->names[i] = (struct slice){text, names[i].len};
        text += names[i].len;
    }
    struct pg_params *params = &log->params;
    pg_params_begin(params);
    pg_texts(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bytes(params, names[i]);
    pg_booleans(params);
    for (size_t i = 0; i < len; i++)
        pg_put_boolean(params, senders[i] != 0);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, senders[i]);
    query_send(log, query);
}

static void put_items(struct pg_params *params, const struct core_append_batch *batch)
{
    pg_bigints(params);
    for (size_t i = 0; i < batch->items_len; i++)
        pg_put_bigint(params, batch->items[i].user_id);
    pg_bigints(params);
    for (size_t i = 0; i < batch->items_len; i++)
        pg_put_bigint(params, batch->items[i].device_id);
    pg_texts(params);
    for (size_t i = 0; i < batch->items_len; i++)
        pg_put_bytes(params, batch->items[i].message_id);
    pg_byteas(params);
    for (size_t i = 0; i < batch->items_len; i++)
        pg_put_bytes(params, batch->items[i].payload);
}

void message_log_append(struct message_log *log, const struct core_append_batch *batch)
{
    if (!message_log_is_up(log))
        return;
    struct query *query =
        query_new(log, batch->careful ? QUERY_APPEND_CAREFUL : QUERY_APPEND, batch->groups_len, sizeof *batch->groups);
    if (query == NULL)
        return;
    query->tag = batch->batch;
    query->items_len = batch->items_len;
    memcpy(query->groups, batch->groups, batch->groups_len * sizeof *batch->groups);
    struct pg_params *params = &log->params;
    pg_params_begin(params);
    pg_bigints(params);
    for (size_t i = 0; i < batch->groups_len; i++) {
        size_t times = batch->careful ? batch->groups[i].len : 1;
        while (times-- > 0)
            pg_put_bigint(params, batch->groups[i].conversation_id);
    }
    if (!batch->careful) {
        pg_bigints(params);
        for (size_t i = 0; i < batch->groups_len; i++)
            pg_put_bigint(params, batch->groups[i].membership_version);
        pg_ints(params);
        for (size_t i = 0; i < batch->groups_len; i++)
            pg_put_int(params, (int32_t)batch->groups[i].len);
    }
    put_items(params, batch);
    if (batch->careful)
        pg_boolean(params, batch->refuses_blocked);
    query_send(log, query);
}

void message_log_page(struct message_log *log, const struct core_page_request *request)
{
    struct core_page_request *page =
        grow(log, (void **)&log->pages, log->pages_len, &log->pages_size, sizeof *log->pages);
    if (page == NULL)
        return;
    *page = *request;
    log->pages_len++;
}

void message_log_senders(struct message_log *log, const struct core_senders_request *request)
{
    struct core_senders_request *senders =
        grow(log, (void **)&log->senders, log->senders_len, &log->senders_size, sizeof *log->senders);
    if (senders == NULL)
        return;
    *senders = *request;
    log->senders_len++;
}

void message_log_ask_pages(struct message_log *log, const struct core_page_request pages[], size_t len)
{
    struct query *query = query_new(log, QUERY_PAGE, len, sizeof *pages);
    if (query == NULL)
        return;
    memcpy(query->pages, pages, len * sizeof *pages);
    struct pg_params *params = &log->params;
    pg_params_begin(params);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, pages[i].conversation_id);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, pages[i].after_seq);
    pg_ints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_int(params, (int32_t)pages[i].items_max);
    pg_ints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_int(params, (int32_t)pages[i].bytes_max);
    const int64_t *known_ids;
    size_t known_len = known_senders_ask(&log->known_senders, &known_ids);
    pg_bigints(params);
    for (size_t i = 0; i < known_len; i++)
        pg_put_bigint(params, known_ids[i]);
    query_send(log, query);
}

void message_log_ask_senders(struct message_log *log, const struct core_senders_request senders[], size_t len)
{
    struct query *query = query_new(log, QUERY_SENDERS, len, sizeof *senders);
    if (query == NULL)
        return;
    memcpy(query->senders, senders, len * sizeof *senders);
    struct pg_params *params = &log->params;
    pg_params_begin(params);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, senders[i].conversation_id);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, senders[i].after_seq);
    pg_bigints(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(params, senders[i].to_seq);
    query_send(log, query);
}

void message_log_ask_gathered(struct message_log *log)
{
    for (size_t first = 0; first < log->pages_len && message_log_is_up(log);) {
        size_t len = 0, bytes = 0, items = 0;
        do {
            bytes += log->pages[first + len].bytes_max;
            items += log->pages[first + len++].items_max;
        } while (first + len < log->pages_len && bytes + log->pages[first + len].bytes_max <= PAGE_BYTES_MAX &&
                 items + log->pages[first + len].items_max <= PAGE_ITEMS_MAX);
        message_log_ask_pages(log, log->pages + first, len);
        first += len;
    }
    if (log->senders_len > 0 && message_log_is_up(log))
        message_log_ask_senders(log, log->senders, log->senders_len);
    log->pages_len = log->senders_len = 0;
}

void message_log_scan(struct message_log *log, uint64_t scan, const int64_t device_ids[], size_t len)
{
    if (!message_log_is_up(log))
        return;
    struct query *query = query_new(log, QUERY_SCAN, 0, 0);
    if (query == NULL)
        return;
    query->tag = scan;
    pg_params_begin(&log->params);
    pg_bigints(&log->params);
    for (size_t i = 0; i < len; i++)
        pg_put_bigint(&log->params, device_ids[i]);
    pg_int(&log->params, (int32_t)log->options.shard);
    pg_int(&log->params, (int32_t)log->options.shards);
    query_send(log, query);
}

static void put_cursors(struct pg_params *params, const struct core_mark_batch *batch, bool is_set)
{
    pg_bigints(params);
    for (size_t i = 0; i < batch->cursors_len; i++)
        if (batch->cursors[i].is_set == is_set)
            pg_put_bigint(params, batch->cursors[i].device_id);
    pg_bigints(params);
    for (size_t i = 0; i < batch->cursors_len; i++)
        if (batch->cursors[i].is_set == is_set)
            pg_put_bigint(params, batch->cursors[i].conversation_id);
    pg_bigints(params);
    for (size_t i = 0; i < batch->cursors_len; i++)
        if (batch->cursors[i].is_set == is_set)
            pg_put_bigint(params, batch->cursors[i].acked_seq);
}

static void put_members(struct pg_params *params, const struct core_mark_batch *batch)
{
    pg_bigints(params);
    for (size_t i = 0; i < batch->members_len; i++)
        pg_put_bigint(params, batch->members[i].user_id);
    pg_bigints(params);
    for (size_t i = 0; i < batch->members_len; i++)
        pg_put_bigint(params, batch->members[i].conversation_id);
    pg_bigints(params);
    for (size_t i = 0; i < batch->members_len; i++)
        pg_put_bigint(params, batch->members[i].delivered_seq);
    pg_bigints(params);
    for (size_t i = 0; i < batch->members_len; i++)
        pg_put_bigint(params, batch->members[i].read_seq);
}

static bool has_rewinds(const struct core_mark_batch *batch)
{
    for (size_t i = 0; i < batch->cursors_len; i++)
        if (batch->cursors[i].is_set)
            return true;
    return false;
}

void message_log_marks(struct message_log *log, const struct core_mark_batch *batch)
{
    if (!message_log_is_up(log))
        return;
    bool rewinds = has_rewinds(batch);
    struct query *set = rewinds ? query_new(log, QUERY_CURSORS_SET, 0, 0) : NULL;
    struct query *raise = query_new(log, QUERY_MARKS, 0, 0);
    if (raise == NULL || (rewinds && set == NULL)) {
        query_free(set);
        query_free(raise);
        return;
    }
    if (rewinds) { /* a mark is set or raised, never both: their order does not matter */
        pg_params_begin(&log->params);
        put_cursors(&log->params, batch, true);
        query_send(log, set);
    }
    raise->tag = batch->batch;
    pg_params_begin(&log->params);
    put_cursors(&log->params, batch, false);
    put_members(&log->params, batch);
    query_send(log, raise);
}
