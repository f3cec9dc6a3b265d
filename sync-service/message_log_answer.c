#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "message_log_state.h"
#include "pg_status.h"
#include "runtime.h"

static struct slice text_of(const PGresult *result, int row, int column)
{
    return (struct slice){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

/* 0 for null */
static int64_t bigint_of(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : pg_read_bigint(PQgetvalue(result, row, column));
}

static size_t ord_of(const PGresult *result, int row)
{
    return (size_t)pg_read_int(PQgetvalue(result, row, 0)) - 1;
}

static bool boolean_of(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] != 0;
}

static enum status status_of(const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return STATUS_OK;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum status status = pg_status(sqlstate);
    if (status != STATUS_EXISTS)
        log_warning("database", "refused", LOG_TEXT("sqlstate", sqlstate == NULL ? "-" : sqlstate),
                    LOG_TEXT("message", message == NULL ? "-" : message));
    return status;
}

/* ---- load: conversations, then their members and cursors ---- */
static void ask_ids(struct message_log *log, enum query_kind kind, struct query *load, const PGresult *loaded)
{
    size_t bytes = 0;
    for (size_t i = 0; i < load->len; i++)
        bytes += load->names[i].len;
    struct query *query = query_new(log, kind, 1, load->len * sizeof *load->names + bytes);
    if (query == NULL)
        return;
    query->gathered = load->gathered;
    query->len = load->len;
    char *text = (char *)(query->names + load->len);
    for (size_t i = 0; i < load->len; i++) {
        memcpy(text, load->names[i].at, load->names[i].len);
        query->names[i] = (struct slice){text, load->names[i].len};
        text += load->names[i].len;
    }
    pg_params_begin(&log->params);
    pg_bigints(&log->params);
    for (int row = 0; row < PQntuples(loaded); row++)
        if (!PQgetisnull(loaded, row, 2))
            pg_put_bigint(&log->params, bigint_of(loaded, row, 2));
    query_send(log, query);
}

static void loaded_first(struct message_log *log, struct query *query)
{
    query->gathered->results[0] = query->result;
    query->result = NULL;
    ask_ids(log, QUERY_MEMBERS, query, query->gathered->results[0]);
    ask_ids(log, QUERY_CURSORS, query, query->gathered->results[0]);
}

/* Room for what one conversation's load is told with. */
struct load_room {
    struct core_member *members;
    struct core_interval *intervals;
    struct core_block *blocks;
    struct core_cursor *cursors;
};

static void load_room_free(struct load_room *room)
{
    free(room->members);
    free(room->intervals);
    free(room->blocks);
    free(room->cursors);
}

/* Two arrays as pairs: this column's and the next one's. False: there are no more. */
struct pairs {
    struct pg_array first, second;
};

static bool pairs_open(struct pairs *pairs, const PGresult *members, int row, int column)
{
    return !PQgetisnull(members, row, column) &&
           pg_array_open(&pairs->first, text_of(members, row, column)) == STATUS_OK &&
           pg_array_open(&pairs->second, text_of(members, row, column + 1)) == STATUS_OK &&
           pairs->first.left == pairs->second.left;
}

static bool pairs_next(struct pairs *pairs, int64_t *first, int64_t *second)
{
    bool is_null;
    return pg_array_next(&pairs->first, first, &is_null) == STATUS_OK &&
           pg_array_next(&pairs->second, second, &is_null) == STATUS_OK;
}

static size_t intervals_read(const PGresult *members, int row, struct core_interval intervals[])
{
    struct pairs pairs;
    struct core_interval interval = {0, 0};
    size_t len = 0;
    if (pairs_open(&pairs, members, row, 3))
        while (pairs_next(&pairs, &interval.joined_seq, &interval.left_seq))
            intervals[len++] = interval;
    return len;
}

static size_t blocks_read(const PGresult *members, int row, struct core_block blocks[])
{
    struct pairs pairs;
    struct core_block block = {0, 0};
    size_t len = 0;
    if (pairs_open(&pairs, members, row, 7))
        while (pairs_next(&pairs, &block.from_seq, &block.to_seq))
            blocks[len++] = block;
    return len;
}

/* An upper bound: each element of the array takes twelve bytes on the wire. */
static size_t elements_max(const PGresult *members, int column)
{
    size_t max = 0;
    for (int row = 0; row < PQntuples(members); row++)
        max += (size_t)PQgetlength(members, row, column) / 12 + 1;
    return max;
}

/* The first row of a conversation; rows come ordered by it. */
static int first_row(const PGresult *result, int64_t conversation_id)
{
    int from = 0, to = PQntuples(result);
    while (from < to) {
        int middle = from + (to - from) / 2;
        if (bigint_of(result, middle, 0) < conversation_id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is_row_of(const PGresult *result, int row, int64_t conversation_id)
{
    return row < PQntuples(result) && bigint_of(result, row, 0) == conversation_id;
}

static void tell_loaded(struct message_log *log, const struct query *load, const PGresult *loaded,
                        const PGresult *members, const PGresult *cursors, struct load_room *room)
{
    for (int row = 0; row < PQntuples(loaded); row++) {
        struct slice state = text_of(loaded, row, 1);
        struct core_conversation conversation = {.name = load->names[ord_of(loaded, row)], .state = CORE_LOAD_OK};
        if (slice_equal(state, SLICE("no-such-user")))
            conversation.state = CORE_LOAD_NO_SUCH_USER;
        else if (slice_equal(state, SLICE("no-such-group")))
            conversation.state = CORE_LOAD_NO_SUCH_GROUP;
        else if (slice_equal(state, SLICE("read-only")))
            conversation.state = CORE_LOAD_READ_ONLY;
        if (conversation.state != CORE_LOAD_OK) {
            core_on_loaded(log->core, log->now_ms, &conversation);
            continue;
        }
        conversation.conversation_id = bigint_of(loaded, row, 2);
        conversation.last_seq = bigint_of(loaded, row, 3);
        conversation.first_seq = bigint_of(loaded, row, 4);
        conversation.membership_version = bigint_of(loaded, row, 5);
        conversation.is_group = boolean_of(loaded, row, 6);
        conversation.is_deleted = boolean_of(loaded, row, 7);
        int64_t id = conversation.conversation_id;
        size_t interval_at = 0, block_at = 0, members_len = 0, cursors_len = 0;
        for (int m = first_row(members, id); is_row_of(members, m, id); m++) {
            struct core_member *member = &room->members[members_len++];
            *member = (struct core_member){
                .user_id = bigint_of(members, m, 1),
                .user = text_of(members, m, 2),
                .intervals = room->intervals + interval_at,
                .intervals_len = intervals_read(members, m, room->intervals + interval_at),
                .delivered_seq = bigint_of(members, m, 5),
                .read_seq = bigint_of(members, m, 6),
                .blocks = room->blocks + block_at,
                .blocks_len = blocks_read(members, m, room->blocks + block_at),
                .hides_reads = !boolean_of(members, m, 9),
                .is_asked = boolean_of(members, m, 10),
                .is_full = boolean_of(members, m, 11),
            };
            interval_at += member->intervals_len;
            block_at += member->blocks_len;
        }
        for (int c = first_row(cursors, id); is_row_of(cursors, c, id); c++)
            room->cursors[cursors_len++] =
                (struct core_cursor){bigint_of(cursors, c, 2), bigint_of(cursors, c, 1), bigint_of(cursors, c, 3)};
        conversation.members = room->members;
        conversation.members_len = members_len;
        conversation.cursors = room->cursors;
        conversation.cursors_len = cursors_len;
        core_on_loaded(log->core, log->now_ms, &conversation);
    }
}

static void loaded_all(struct message_log *log, struct query *query)
{
    struct gathered *gathered = query->gathered;
    gathered->results[2] = query->result;
    query->result = NULL;
    const PGresult *members = gathered->results[1], *cursors = gathered->results[2];
    if (gathered->results[0] == NULL || members == NULL) {
        message_log_fail(log, "a load without its first answers");
        return;
    }
    struct load_room room = {
        calloc((size_t)PQntuples(members) + 1, sizeof *room.members),
        calloc(elements_max(members, 3) + 1, sizeof *room.intervals),
        calloc(elements_max(members, 7) + 1, sizeof *room.blocks),
        calloc((size_t)PQntuples(cursors) + 1, sizeof *room.cursors),
    };
    if (room.members == NULL || room.intervals == NULL || room.blocks == NULL || room.cursors == NULL)
        message_log_fail(log, "no memory");
    else
        tell_loaded(log, query, gathered->results[0], members, cursors, &room);
    load_room_free(&room);
}

/* ---- append ---- */
static struct core_append_answer *answers_room(struct message_log *log, size_t len)
{
    if (len > log->answers_size) {
        free(log->answers);
        log->answers = calloc(len, sizeof *log->answers);
        log->answers_size = log->answers == NULL ? 0 : len;
    }
    if (log->answers == NULL)
        message_log_fail(log, "no memory");
    return log->answers;
}

static enum status groups_read(const struct query *query, struct core_append_answer answers[])
{
    struct pg_array seqs, times;
    if (PQntuples(query->result) != 1 || pg_array_open(&seqs, text_of(query->result, 0, 0)) != STATUS_OK ||
        pg_array_open(&times, text_of(query->result, 0, 1)) != STATUS_OK)
        return STATUS_INTERNAL;
    size_t at = 0;
    for (size_t group = 0; group < query->len; group++) {
        int64_t base_seq = 0, time_ms = 0;
        bool is_stale, has_no_time;
        if (pg_array_next(&seqs, &base_seq, &is_stale) != STATUS_OK ||
            pg_array_next(&times, &time_ms, &has_no_time) != STATUS_OK)
            return STATUS_INTERNAL;
        for (size_t i = 0; i < query->groups[group].len; i++, at++) {
            answers[at] = (struct core_append_answer){CORE_APPEND_NEW, base_seq + (int64_t)i, time_ms, 0};
            if (is_stale)
                answers[at] = (struct core_append_answer){.state = CORE_APPEND_STALE};
        }
    }
    return at == query->items_len ? STATUS_OK : STATUS_INTERNAL;
}

static enum status careful_read(const struct query *query, struct core_append_answer answers[])
{
    const PGresult *result = query->result;
    if ((size_t)PQntuples(result) != query->items_len)
        return STATUS_INTERNAL;
    for (int row = 0; row < PQntuples(result); row++) {
        struct slice state = text_of(result, row, 1);
        struct core_append_answer answer = {CORE_APPEND_NOT_MEMBER, bigint_of(result, row, 2),
                                            bigint_of(result, row, 3), bigint_of(result, row, 4)};
        if (slice_equal(state, SLICE("new")))
            answer.state = CORE_APPEND_NEW;
        else if (slice_equal(state, SLICE("duplicate")))
            answer.state = CORE_APPEND_DUPLICATE;
        else if (slice_equal(state, SLICE("blocked")))
            answer.state = CORE_APPEND_BLOCKED;
        else if (slice_equal(state, SLICE("full")))
            answer.state = CORE_APPEND_FULL;
        else if (slice_equal(state, SLICE("no-such-user")))
            answer.state = CORE_APPEND_NO_SUCH_USER;
        if (ord_of(result, row) >= query->items_len)
            return STATUS_INTERNAL;
        answers[ord_of(result, row)] = answer;
    }
    return STATUS_OK;
}

static void appended(struct message_log *log, const struct query *query, enum status status)
{
    struct core_append_answer *answers = answers_room(log, query->items_len);
    if (answers == NULL)
        return;
    if (status == STATUS_OK)
        status = query->kind == QUERY_APPEND ? groups_read(query, answers) : careful_read(query, answers);
    if (status == STATUS_NOT_FOUND || status == STATUS_TOO_LARGE)
        status = STATUS_INTERNAL; /* nothing that the core knows */
    core_on_appended(log->core, log->now_ms, query->tag, status, answers, status == STATUS_OK ? query->items_len : 0);
    if (status != STATUS_OK) {
        count_up(&log->metrics.append_failures, 1);
        return;
    }
    log->answer_wait_ms = RUNTIME_ANSWER_WAIT_MS; /* what is written is answered */
    uint64_t took_us = (uint64_t)(clock_monotonic_us() - query->asked_us);
    histogram_add(&log->metrics.append_items, &histogram_items, query->items_len);
    histogram_add(&log->metrics.append_us, &histogram_us, took_us);
    log->options.on_appended(log->options.ctx, query->groups, query->len, took_us);
}

/* ---- pages and senders: rows come ordered by request ---- */
/* STATUS_MALFORMED: no item of a log. */
static enum status item_read(struct message_log *log, const PGresult *result, int row, struct core_item *item)
{
    struct slice sender = text_of(result, row, 5), event_type = text_of(result, row, 7);
    *item = (struct core_item){
        .seq = bigint_of(result, row, 1),
        .time_ms = bigint_of(result, row, 2),
        .kind = event_type.len > 0 ? CORE_ITEM_EVENT : CORE_ITEM_CHAT,
        .sender_user_id = bigint_of(result, row, 3),
        .sender_device_id = bigint_of(result, row, 4),
        .sender_user = sender.len > 0 ? sender : SLICE("-"),
        .message_id = text_of(result, row, 6),
        .event_type = event_type,
        .payload = text_of(result, row, 8),
        .edit_seq = bigint_of(result, row, 9),
    };
    if (item->kind == CORE_ITEM_EVENT)
        return STATUS_OK;
    return known_senders_find(&log->known_senders, item->sender_device_id, sender, &item->sender_user,
                              &item->sender_device);
}

static void paged(struct message_log *log, const struct query *query)
{
    const PGresult *result = query->result;
    int rows = PQntuples(result), row = 0;
    enum status status = STATUS_OK;
    known_senders_answered(&log->known_senders);
    struct core_item *items = calloc((size_t)rows + 1, sizeof *items);
    if (items == NULL) {
        message_log_fail(log, "no memory");
        return;
    }
    for (size_t i = 0; i < query->len && status == STATUS_OK; i++) {
        size_t len = 0;
        for (; row < rows && ord_of(result, row) == i; row++) {
            status = item_read(log, result, row, &items[len]);
            if (status != STATUS_OK || (len > 0 && items[len].seq <= items[len - 1].seq))
                break; /* out of order, which log_page promises not to be */
            len++;
        }
        core_on_page(log->core, log->now_ms, &query->pages[i], items, len);
    }
    free(items);
    if (row < rows)
        message_log_fail(log,
                         status == STATUS_OK ? "a page of the log is out of order" : "a page of the log is no page");
}

static void senders_told(struct message_log *log, const struct query *query)
{
    const PGresult *result = query->result;
    int rows = PQntuples(result), row = 0;
    int64_t *user_ids = calloc((size_t)rows + 1, sizeof *user_ids);
    if (user_ids == NULL) {
        message_log_fail(log, "no memory");
        return;
    }
    for (size_t i = 0; i < query->len; i++) {
        size_t len = 0;
        for (; row < rows && ord_of(result, row) == i; row++)
            user_ids[len++] = bigint_of(result, row, 1);
        core_on_senders(log->core, log->now_ms, &query->senders[i], user_ids, len);
    }
    free(user_ids);
}

/* ---- scan ---- */
static void scanned(struct message_log *log, const struct query *query)
{
    const PGresult *result = query->result;
    struct core *core = log->core;
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t device_id = bigint_of(result, row, 0);
        struct slice conversation = text_of(result, row, 1);
        if (!PQgetisnull(result, row, 2))
            core_on_scan_behind(core, log->now_ms, query->tag, device_id, conversation, bigint_of(result, row, 2));
        else
            core_on_scan_mark(core, log->now_ms, query->tag, device_id, conversation, text_of(result, row, 3),
                              bigint_of(result, row, 4), bigint_of(result, row, 5), !PQgetisnull(result, row, 6),
                              bigint_of(result, row, 6), bigint_of(result, row, 7), bigint_of(result, row, 8));
    }
    core_on_scan_done(core, log->now_ms, query->tag);
}

static void keep(struct query *query, size_t place)
{
    query->gathered->results[place] = query->result;
    query->result = NULL;
}

/*
 * Something that is asked of the logs themselves: what one of them holds cannot be read, such as a damaged block. The
 * others are asked for again, each alone; the core hears that of this one there is nothing, and says so.
 */
static bool is_of_one_log(const struct query *query)
{
    const char *sqlstate = PQresultErrorField(query->result, PG_DIAG_SQLSTATE);
    return (query->kind == QUERY_PAGE || query->kind == QUERY_SENDERS) && sqlstate != NULL &&
           (strncmp(sqlstate, "XX", 2) == 0 || strncmp(sqlstate, "22", 2) == 0);
}

static void not_read(struct message_log *log, const struct query *query)
{
    bool is_page = query->kind == QUERY_PAGE;
    if (is_page)
        known_senders_answered(&log->known_senders);
    if (query->len == 1 && is_page)
        core_on_page(log->core, log->now_ms, &query->pages[0], NULL, 0);
    else if (query->len == 1)
        core_on_senders(log->core, log->now_ms, &query->senders[0], NULL, 0);
    for (size_t i = 0; query->len > 1 && i < query->len; i++)
        if (is_page)
            message_log_ask_pages(log, &query->pages[i], 1);
        else
            message_log_ask_senders(log, &query->senders[i], 1);
}

void message_log_answer(struct message_log *log, struct query *query)
{
    enum status status = status_of(query->result);
    bool may_fail = query->kind == QUERY_APPEND || query->kind == QUERY_APPEND_CAREFUL || query->kind == QUERY_MARKS;
    if (status != STATUS_OK && is_of_one_log(query)) {
        not_read(log, query);
        return;
    }
    /* Nobody knows what to do without these answers, or the database is in no state to give any: start over. */
    if (status == STATUS_UNAVAILABLE || (status != STATUS_OK && !may_fail)) {
        message_log_fail(log, "a question was refused");
        return;
    }
    switch (query->kind) {
    case QUERY_LOAD:
        loaded_first(log, query);
        break;
    case QUERY_MEMBERS:
        keep(query, 1);
        break;
    case QUERY_CURSORS:
        loaded_all(log, query);
        break;
    case QUERY_APPEND:
    case QUERY_APPEND_CAREFUL:
        appended(log, query, status);
        break;
    case QUERY_PAGE:
        paged(log, query);
        break;
    case QUERY_SENDERS:
        senders_told(log, query);
        break;
    case QUERY_SCAN:
        scanned(log, query);
        break;
    case QUERY_MARKS:
        core_on_flushed(log->core, log->now_ms, query->tag, status);
        break;
    case QUERY_CURSORS_SET: /* its marks follow */
    case QUERY_SERVER:      /* asked and answered before anything else */
    case QUERY_PREPARE:
        break;
    }
}
