#include "shard.h"
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "message_log.h"
#include "notes.h"
#include "runtime.h"
#include "shard_letter.h"

#define IDLE_WAIT_MS      1000 /* the longest wait: the watchdog wants to see the thread move */
#define STATS_EVERY_MS    250
#define BUSY_EVERY_MS     1000
#define CONGESTED_WAIT_MS 100

struct caught_up {
    session_ref session;
    uint64_t ready_number, replayed;
};
struct waiting_barrier {
    struct barrier *barrier;
    uint64_t number, flush;
};

struct shard {
    struct shard_options options;
    struct mailbox mailbox;
    struct core *core;
    struct message_log *log;
    struct courier courier;
    pthread_t thread;
    bool is_started, is_stopping, is_finished;
    _Atomic int64_t stop_at_ms;
    int64_t now_ms, due_ms;
    /* of this turn */
    struct core_token *tokens;
    size_t tokens_len, tokens_size;
    struct caught_up *caught_up;
    size_t caught_up_len, caught_up_size;
    struct waiting_barrier *barriers;
    size_t barriers_len, barriers_size;
    int64_t stats_at_ms, busy_at_ms;
    struct busy busy;
    pthread_mutex_t state_lock; /* the rest */
    struct shard_state state;
    struct shard_busy busy_state;
};

/* An array of the shard's own, grown. The process cannot go on without memory for what it has promised: abort, and what
 * was accepted comes again from the journal. */
static void *grown(void *items, size_t len, size_t *size, size_t item_bytes)
{
    if (len < *size)
        return items;
    *size = *size == 0 ? 64 : *size * 2;
    items = realloc(items, *size * item_bytes);
    if (items == NULL) {
        log_error("shard", "no-memory", LOG_INT("bytes", *size * item_bytes));
        abort();
    }
    return items;
}

/* ---- the core's port: turned into questions, ops and notes ---- */
static void port_deliver(void *ctx, const session_ref sessions[], size_t sessions_len, int qos, struct slice tail,
                         struct slice payload)
{
    struct shard *shard = ctx;
    struct courier_delivery delivery = {.type = DOWN_DELIVER, .qos = qos, .tail = tail, .payload = payload};
    courier_deliver(&shard->courier, sessions, sessions_len, &delivery);
}

static void port_done(void *ctx, struct core_token token)
{
    struct shard *shard = ctx;
    shard->tokens = grown(shard->tokens, shard->tokens_len, &shard->tokens_size, sizeof *shard->tokens);
    shard->tokens[shard->tokens_len++] = token;
}

static void port_caught_up(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed)
{
    struct shard *shard = ctx;
    shard->caught_up = grown(shard->caught_up, shard->caught_up_len, &shard->caught_up_size, sizeof *shard->caught_up);
    shard->caught_up[shard->caught_up_len++] = (struct caught_up){session, ready_number, replayed};
}

static void port_load(void *ctx, const struct slice names[], const int64_t senders[], size_t len)
{
    message_log_load(((struct shard *)ctx)->log, names, senders, len);
}

static void port_append(void *ctx, const struct core_append_batch *batch)
{
    message_log_append(((struct shard *)ctx)->log, batch);
}

static void port_page(void *ctx, const struct core_page_request *request)
{
    message_log_page(((struct shard *)ctx)->log, request);
}

static void port_senders(void *ctx, const struct core_senders_request *request)
{
    message_log_senders(((struct shard *)ctx)->log, request);
}

static void port_scan(void *ctx, uint64_t scan, const int64_t device_ids[], size_t len)
{
    message_log_scan(((struct shard *)ctx)->log, scan, device_ids, len);
}

static void port_flush(void *ctx, const struct core_mark_batch *batch)
{
    message_log_marks(((struct shard *)ctx)->log, batch);
}

static void port_log(void *ctx, int level, const char *what, struct slice about)
{
    (void)ctx;
    enum log_level known = level < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : (enum log_level)level;
    log_line(known, "core", what, LOG_SLICE("about", about));
}

static void note_appended(void *ctx, const struct core_append_group groups[], size_t len, uint64_t took_us)
{
    struct shard *shard = ctx;
    busy_note(&shard->busy, groups, len, took_us);
    struct notes *const notes[] = {shard->options.push_notes, shard->options.quota_notes};
    for (size_t n = 0; n < sizeof notes / sizeof notes[0]; n++)
        for (size_t i = 0; i < len && notes[n] != NULL; i++)
            notes_add(notes[n], groups[i].conversation_id, shard->now_ms);
}

/* ---- events ---- */
static void barrier_add(struct shard *shard, const struct shard_event *event)
{
    shard->barriers = grown(shard->barriers, shard->barriers_len, &shard->barriers_size, sizeof *shard->barriers);
    uint64_t flush = core_flush_now(shard->core, shard->now_ms);
    shard->barriers[shard->barriers_len++] = (struct waiting_barrier){event->barrier, event->number, flush};
}

static void barriers_reach(struct shard *shard)
{
    size_t kept = 0;
    for (size_t i = 0; i < shard->barriers_len; i++) {
        struct waiting_barrier *waiting = &shard->barriers[i];
        if (core_is_flushed_to(shard->core, waiting->flush))
            barrier_reach(waiting->barrier, waiting->number);
        else
            shard->barriers[kept++] = *waiting;
    }
    shard->barriers_len = kept;
}

static void event_do(struct shard *shard, const struct shard_event *event)
{
    struct core *core = shard->core;
    int64_t now_ms = shard->now_ms;
    switch (event->kind) {
    case SHARD_LINK:
        courier_set_life(&shard->courier, session_link(event->session), event->number);
        break;
    case SHARD_READY:
        core_on_ready(core, now_ms, event->session, event->number, &event->device);
        break;
    case SHARD_GONE:
        core_on_gone(core, now_ms, event->session, event->device.device_id);
        break;
    case SHARD_CHAT:
        core_on_chat(core, now_ms, event->token, &event->device, event->conversation, event->message_id,
                     event->payload);
        break;
    case SHARD_ACK:
    case SHARD_READ:
        core_on_mark(core, now_ms, event->token, event->kind == SHARD_ACK ? CORE_MARK_ACK : CORE_MARK_READ,
                     &event->device, event->conversation, event->seq);
        break;
    case SHARD_TYPING:
        core_on_typing(core, now_ms, &event->device, event->conversation, event->is_on);
        break;
    case SHARD_OPEN:
        core_on_open(core, now_ms, event->session, event->device.device_id, event->conversation, event->is_on);
        break;
    case SHARD_REWIND:
        core_on_rewind(core, now_ms, event->token, &event->device, event->conversation, event->seq);
        break;
    case SHARD_CHANGED:
        core_on_changed(core, now_ms, event->conversation);
        break;
    case SHARD_REMOVED:
        core_on_device_removed(core, now_ms, event->device.device_id);
        break;
    case SHARD_USER_CHANGED:
        core_on_user_changed(core, now_ms, event->device.user_id);
        break;
    case SHARD_BARRIER:
        barrier_add(shard, event);
        break;
    case SHARD_RESYNC:
        message_log_start_over(shard->log, now_ms);
        break;
    case SHARD_STOP:
        shard->is_stopping = true;
        break;
    }
}

/* The core holds as much as it may: messages wait in the mailbox, then in the journal. */
static bool takes_events(const struct shard *shard)
{
    return !shard->is_stopping && !core_is_full(shard->core);
}

static void take_events(struct shard *shard)
{
    size_t bytes = 0;
    while (takes_events(shard) && bytes < RUNTIME_SHARD_TURN_BYTES) {
        const struct letter *letter = mailbox_next(&shard->mailbox);
        if (letter == NULL)
            return;
        struct shard_event event;
        shard_letter_read(letter, &event);
        event_do(shard, &event);
        bytes += letter->bytes;
    }
}

/* ---- turns ---- */
/* `synced` goes behind what was delivered before: the hub hears of it when the links have it. */
static void hand_on(struct shard *shard)
{
    courier_flush_done(&shard->courier, shard->tokens, shard->tokens_len);
    shard->tokens_len = 0;
    for (size_t i = 0; i < shard->caught_up_len; i++)
        shard->options.on_caught_up(shard->options.ctx, shard->caught_up[i].session, shard->caught_up[i].ready_number,
                                    shard->caught_up[i].replayed);
    shard->caught_up_len = 0;
}

static void name_rows(const struct shard *shard, struct busy_row rows[], size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct slice name = core_conversation_name(shard->core, rows[i].conversation_id);
        if (name.len > 0 && name.len < sizeof rows[i].conversation)
            memcpy(rows[i].conversation, name.at, name.len); /* the rest is zero */
    }
}

static void note_busy(struct shard *shard, int64_t now_ms)
{
    struct shard_busy fresh = {0};
    if (now_ms < shard->busy_at_ms)
        return;
    shard->busy_at_ms = now_ms + BUSY_EVERY_MS;
    busy_fade(&shard->busy, now_ms);
    fresh.busiest_len = busy_busiest(&shard->busy, fresh.busiest);
    fresh.slowest_len = busy_slowest(&shard->busy, fresh.slowest);
    name_rows(shard, fresh.busiest, fresh.busiest_len);
    name_rows(shard, fresh.slowest, fresh.slowest_len);
    (void)pthread_mutex_lock(&shard->state_lock);
    shard->busy_state = fresh;
    (void)pthread_mutex_unlock(&shard->state_lock);
}

static void note_state(struct shard *shard, int64_t now_ms)
{
    note_busy(shard, now_ms);
    if (now_ms < shard->stats_at_ms && shard->state.is_database_up == message_log_is_up(shard->log))
        return;
    shard->stats_at_ms = now_ms + STATS_EVERY_MS;
    (void)pthread_mutex_lock(&shard->state_lock);
    shard->state.turned_at_ms = now_ms;
    shard->state.is_database_up = message_log_is_up(shard->log);
    shard->state.database_wait_ms = message_log_waiting_ms(shard->log);
    core_stats(shard->core, &shard->state.stats);
    (void)pthread_mutex_unlock(&shard->state_lock);
}

static void turn(struct shard *shard)
{
    message_log_step(shard->log, shard->now_ms);
    take_events(shard);
    shard->due_ms = core_turn(shard->core, shard->now_ms);
    if (!message_log_is_up(shard->log)) /* what is due has to wait for the database */
        shard->due_ms = INT64_MAX;
    message_log_flush(shard->log);
    hand_on(shard);
    notes_hand_over(shard->options.push_notes);
    notes_hand_over(shard->options.quota_notes);
    barriers_reach(shard);
    note_state(shard, shard->now_ms);
}

static bool has_room_everywhere(struct shard *shard)
{
    for (size_t i = 0; i < shard->options.links_len; i++)
        if (!broker_link_has_room(shard->options.links[i], CONGESTED_WAIT_MS))
            return false;
    return true;
}

static void wait_for_work(struct shard *shard)
{
    bool takes = takes_events(shard);
    int64_t now_ms = clock_steady_ms(), due_ms = now_ms + IDLE_WAIT_MS;
    if (shard->due_ms < due_ms)
        due_ms = shard->due_ms;
    if (message_log_due_ms(shard->log) < due_ms)
        due_ms = message_log_due_ms(shard->log);
    if (takes && mailbox_has_more(&shard->mailbox))
        due_ms = now_ms;
    struct pollfd fds[2] = {
        {takes ? mailbox_fd(&shard->mailbox) : -1, POLLIN, 0},
        {message_log_fd(shard->log), message_log_events(shard->log), 0},
    };
    (void)poll(fds, 2, due_ms <= now_ms ? 0 : (int)(due_ms - now_ms)); /* interrupted: an early turn */
}

/* Everything taken is in the database. */
static bool is_finished(struct shard *shard)
{
    if (!shard->is_stopping || !core_is_idle(shard->core))
        return false;
    if (core_is_flushed(shard->core))
        return true;
    (void)core_flush_now(shard->core, shard->now_ms);
    message_log_flush(shard->log);
    return false;
}

static void *shard_run(void *arg)
{
    struct shard *shard = arg;
    while (!shard->is_finished) {
        int64_t stop_at_ms = atomic_load(&shard->stop_at_ms);
        wait_for_work(shard);
        shard->now_ms = clock_steady_ms();
        if (stop_at_ms != 0 && clock_monotonic_ms() >= stop_at_ms)
            break;
        if (has_room_everywhere(shard))
            turn(shard);
        else
            note_state(shard, shard->now_ms);
        shard->is_finished = is_finished(shard);
    }
    return NULL;
}

/* ---- life ---- */
enum status shard_new(const struct shard_options *options, struct shard **ret_shard)
{
    struct shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL)
        return STATUS_NO_MEMORY;
    shard->options = *options;
    (void)pthread_mutex_init(&shard->state_lock, NULL);
    const struct core_port port = {shard,     port_deliver, port_done, port_caught_up, port_load, port_append,
                                   port_page, port_senders, port_scan, port_flush,     port_log};
    const struct message_log_options log = {options->primary, options->name, options->index,
                                            options->shards,  note_appended, shard};
    enum status status = mailbox_init(&shard->mailbox, RUNTIME_SHARD_MAILBOX_BYTES);
    if (status == STATUS_OK)
        status = courier_init(&shard->courier, options->links, options->links_len);
    if (status == STATUS_OK) {
        shard->log = message_log_new(&log);
        shard->core = core_new(&options->core, &port);
        if (shard->log == NULL || shard->core == NULL)
            status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        shard_free(shard);
        return status;
    }
    message_log_set_core(shard->log, shard->core);
    core_on_database_lost(shard->core, clock_steady_ms()); /* it is not there yet */
    shard->state.turned_at_ms = clock_steady_ms();
    *ret_shard = shard;
    return STATUS_OK;
}

enum status shard_start(struct shard *shard)
{
    if (pthread_create(&shard->thread, NULL, shard_run, shard) != 0)
        return STATUS_UNAVAILABLE;
    shard->is_started = true;
    return STATUS_OK;
}

void shard_stop(struct shard *shard, int64_t deadline_ms)
{
    struct shard_event stop = {.kind = SHARD_STOP};
    atomic_store(&shard->stop_at_ms, deadline_ms);
    (void)shard_letter_write(&shard->mailbox, &stop); /* refused: it stops already */
    mailbox_close(&shard->mailbox);
}

bool shard_join(struct shard *shard)
{
    if (!shard->is_started)
        return true;
    (void)pthread_join(shard->thread, NULL); /* ours, joined once */
    shard->is_started = false;
    return shard->is_finished;
}

void shard_free(struct shard *shard)
{
    if (shard == NULL)
        return;
    core_free(shard->core);
    message_log_free(shard->log);
    courier_done(&shard->courier);
    mailbox_done(&shard->mailbox);
    free(shard->tokens);
    free(shard->caught_up);
    free(shard->barriers);
    free(shard);
}

bool shard_post(struct shard *shard, const struct shard_event *event)
{
    return shard_letter_write(&shard->mailbox, event);
}

void shard_state(struct shard *shard, struct shard_state *ret_state)
{
    (void)pthread_mutex_lock(&shard->state_lock);
    *ret_state = shard->state;
    (void)pthread_mutex_unlock(&shard->state_lock);
    ret_state->waiting_bytes = mailbox_waiting_bytes(&shard->mailbox);
}

const struct message_log_metrics *shard_metrics(const struct shard *shard)
{
    return message_log_metrics(shard->log);
}

void shard_busy(struct shard *shard, struct shard_busy *ret_busy)
{
    (void)pthread_mutex_lock(&shard->state_lock);
    *ret_busy = shard->busy_state;
    (void)pthread_mutex_unlock(&shard->state_lock);
}
