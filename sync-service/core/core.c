/* The core's life, its turn, and what all parts use. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

#define EVICT_AGAIN_MS  10 /* each turn looks at some only */
#define TOKENS_PER_ITEM 16 /* a read that waits is that much smaller than a message; a mark that waits is as large */

void core_no_memory(void)
{
    abort();
}

void *core_alloc(size_t bytes)
{
    void *at = calloc(1, bytes);
    if (!at)
        core_no_memory();
    return at;
}

void *core_grow(void *at, size_t count, size_t size_each)
{
    at = reallocarray(at, count, size_each);
    if (!at)
        core_no_memory();
    return at;
}

void token_list_add(struct token_list *list, struct core_token token)
{
    if (list->len == list->size) {
        list->size = list->size ? 2 * list->size : 4;
        list->at = core_grow(list->at, list->size, sizeof list->at[0]);
    }
    list->at[list->len++] = token;
}

static void token_list_free(struct token_list *list)
{
    free(list->at);
    *list = (struct token_list){0};
}

void token_list_move(struct token_list *to, struct token_list *from)
{
    for (size_t i = 0; i < from->len; i++)
        token_list_add(to, from->at[i]);
    token_list_free(from);
}

void token_list_done(struct core *core, struct token_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        core->port.done(core->port.ctx, list->at[i]);
    token_list_free(list);
}

void core_options_default(struct core_options *ret_options)
{
    *ret_options = (struct core_options){
        .window_items = 256,
        .window_items_max = 4096,
        .window_bytes = 512 * 1024,
        .redeliver_after_ms = 5000,
        .redeliver_max_ms = 60000,
        .flush_after_ms = 500,
        .scan_every_ms = 8,
        .flush_marks_max = 128,
        .append_items_max = 512,
        .append_bytes_max = 4 * 1024 * 1024,
        .appends_max = 4,
        .append_worth_items = 64,
        .conversations_max = 100000,
        .pending_items_max = 65536,
        .pending_bytes_max = 256 * 1024 * 1024,
        .page_items = 512,
        .receipts_members_max = LIMIT_PUSHED_RECEIPTS_MEMBERS,
    };
}

/* A bound of nothing would stop everything. */
static uint32_t bounded(uint32_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : value;
}

struct core *core_new(const struct core_options *options, const struct core_port *port)
{
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->options = *options;
    core->options.window_items = bounded(options->window_items, 1, WINDOW_ITEMS_MAX);
    core->options.window_items_max = bounded(options->window_items_max, core->options.window_items, WINDOW_ITEMS_MAX);
    core->options.page_items = bounded(options->page_items, 1, WINDOW_ITEMS_MAX);
    core->options.append_items_max = bounded(options->append_items_max, 1, 65536);
    core->options.appends_max = bounded(options->appends_max, 1, 64);
    core->options.flush_marks_max = bounded(options->flush_marks_max, 1, 65536);
    core->port = *port;
    core->items = calloc(core->options.append_items_max, sizeof core->items[0]);
    core->groups = calloc(core->options.append_items_max, sizeof core->groups[0]);
    core->picked = calloc(core->options.append_items_max, sizeof core->picked[0]);
    if (!core->items || !core->groups || !core->picked) {
        core_free(core);
        return NULL;
    }
    return core;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    struct table_walk walk;
    for (struct session *session = session_first(core, &walk); session; session = session_next(&walk))
        session_free(core, session);
    batches_forget(core);
    struct conversation *conversation, *next_conversation;
    HASH_ITER (hh, core->conversations, conversation, next_conversation) {
        conversation->waiting_tokens.len = 0; /* not done: the journal keeps them */
        conversation_free(core, conversation);
    }
    marks_free(core);
    for (size_t i = 0; i < 2; i++)
        free(core->gathered[i].refs);
    free(core->withheld.refs);
    free(core->items);
    free(core->groups);
    free(core->picked);
    free(core);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_due(const struct core *core, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < REDELIVERY_LEVELS; i++)
        if (core->due[i])
            due_ms = earlier(due_ms, core->due[i]->due_ms);
    if (core->paced)
        due_ms = earlier(due_ms, core->paced->flow->pace_from_ms + PACE_SLICE_MS);
    if (core->is_away)
        return due_ms;
    if (core->unscanned && conversations_are_crowded(core))
        due_ms = earlier(due_ms, now_ms + EVICT_AGAIN_MS);
    if (core->unscanned && core->scan_due_ms > now_ms) /* else it waits for something else */
        due_ms = earlier(due_ms, core->scan_due_ms);
    if (core->dirty && !core->flight)
        due_ms = earlier(due_ms, core->flush_due_ms);
    return earlier(due_ms, receipts_due(core));
}

int64_t core_turn(struct core *core, int64_t now_ms)
{
    receipts_turn(core, now_ms);
    if (!core->is_away) {
        conversations_load(core);
        append_turn(core);
        subs_redeliver(core, now_ms);
        feed_turn(core, now_ms);
        conversations_evict(core);
        flush_turn(core, now_ms);
        scan_turn(core, now_ms); /* behind what makes a session scanned again, and what makes room for it */
    }
    return next_due(core, now_ms);
}

bool core_is_idle(const struct core *core)
{
    return core->stats.pending_items == 0;
}

/* All of it goes without further events, when the database is there: answered, loaded or refused, flushed. */
bool core_is_full(const struct core *core)
{
    size_t tokens = core->dirty_tokens.len + core->waiting_tokens;
    return core->stats.pending_items + core->waiting_marks + tokens / TOKENS_PER_ITEM >=
               core->options.pending_items_max ||
           core->pending_bytes >= core->options.pending_bytes_max;
}

void core_stats(const struct core *core, struct core_stats *ret_stats)
{
    *ret_stats = core->stats;
    ret_stats->conversations = HASH_COUNT(core->conversations);
    ret_stats->sessions = core->sessions.len;
}

struct slice core_conversation_name(const struct core *core, int64_t conversation_id)
{
    const struct conversation *conversation = conversation_find_id(core, conversation_id);
    return conversation ? conversation_name_of(conversation) : (struct slice){NULL, 0};
}
