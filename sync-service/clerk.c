#include "clerk.h"
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "database.h"
#include "ingest/presence.h"
#include "log.h"
#include "mailbox.h"
#include "metrics.h"
#include "push/pusher.h"
#include "quota.h"
#include "runtime.h"
#include "thread.h"

#define RETRY_WAIT_MS 100
#define BATCH_MAX     1000
/* When all devices come back at once, what they missed is read first: behind so many the next wait for each other. */
#define LIVE_MANY     8
#define LIVE_EVERY_MS 250
/* Disappearing messages: looked at so often, and so much at a time, so that nobody waits long for a locked conversation
 */
#define SWEEP_EVERY_MS   1000
#define SWEEP_TIMERS_MAX 64
#define SWEEP_ITEMS_MAX  256

enum job_kind { JOB_LIVE, JOB_GONE, JOB_PRESENCE, JOB_REVOCATIONS, JOB_RESET };
struct job {
    struct letter head;
    session_ref session;
    int64_t id; /* device, watching user, or the number of a list */
    int64_t at_ms;
    uint8_t user_len;
    char user[LIMIT_USER_LEN];
};

struct clerk {
    struct clerk_options options;
    struct mailbox mailbox;
    struct database database;
    pthread_t thread;
    bool is_started, is_reset;
    bool is_refused; /* who came and went, by a database that takes no changes */
    int64_t sweep_at_ms, live_at_ms;
    atomic_bool is_stopping, has_lost;
    struct job batch[BATCH_MAX]; /* of one kind */
    size_t batch_len;
};

static void post(struct clerk *clerk, enum job_kind kind, const struct job *job, enum mailbox_patience patience)
{
    /* presence leaves room for who came and went */
    if (kind == JOB_PRESENCE && mailbox_waiting_bytes(&clerk->mailbox) > RUNTIME_CLERK_MAILBOX_BYTES / 2)
        return;
    struct job *letter = mailbox_write(&clerk->mailbox, kind, sizeof *letter, patience);
    if (letter == NULL) {
        bool matters = (kind == JOB_LIVE || kind == JOB_GONE) && !atomic_load(&clerk->is_stopping);
        if (matters && !atomic_exchange(&clerk->has_lost, true))
            log_warning("clerk", "too-much-waits", LOG_INT("limit", RUNTIME_CLERK_MAILBOX_BYTES));
        return;
    }
    struct letter head = letter->head;
    *letter = *job;
    letter->head = head;
    mailbox_post(&clerk->mailbox);
}

void clerk_device_live(struct clerk *clerk, int64_t device_id)
{
    struct job job = {.id = device_id};
    post(clerk, JOB_LIVE, &job, MAILBOX_TRY);
}

void clerk_device_gone(struct clerk *clerk, int64_t device_id, int64_t at_unix_ms)
{
    struct job job = {.id = device_id, .at_ms = at_unix_ms};
    post(clerk, JOB_GONE, &job, MAILBOX_TRY);
}

void clerk_ask_presence(struct clerk *clerk, session_ref session, int64_t watcher_user_id, struct slice user)
{
    struct job job = {.session = session, .id = watcher_user_id, .user_len = (uint8_t)user.len};
    if (user.len > sizeof job.user)
        return;
    memcpy(job.user, user.at, user.len);
    post(clerk, JOB_PRESENCE, &job, MAILBOX_TRY);
}

void clerk_ask_revocations(struct clerk *clerk, uint64_t number)
{
    struct job job = {.id = (int64_t)number};
    post(clerk, JOB_REVOCATIONS, &job, MAILBOX_FORCE);
}

void clerk_reset(struct clerk *clerk)
{
    struct job job = {0};
    post(clerk, JOB_RESET, &job, MAILBOX_FORCE);
}

void clerk_device_still_live(struct clerk *clerk, int64_t device_id)
{
    struct job job = {.id = device_id};
    post(clerk, JOB_LIVE, &job, MAILBOX_FORCE);
}

/* ---- the clerk's thread ---- */
static void put_ids(struct clerk *clerk)
{
    pg_params_begin(&clerk->database.params);
    pg_bigints(&clerk->database.params);
    for (size_t i = 0; i < clerk->batch_len; i++)
        pg_put_bigint(&clerk->database.params, clerk->batch[i].id);
}

static enum status do_live(struct clerk *clerk, PGresult **ret_result)
{
    put_ids(clerk);
    enum status status = database_ask(&clerk->database, "select gnatter.device_live($1)", DATABASE_BINARY, ret_result);
    if (status != STATUS_OK)
        return status;
    if (clerk->batch_len >= LIVE_MANY)
        clerk->live_at_ms = clock_monotonic_ms() + LIVE_EVERY_MS;
    for (int row = 0; row < PQntuples(*ret_result); row++)
        clerk->options.on_flags(clerk->options.ctx, (struct slice){PQgetvalue(*ret_result, row, 0),
                                                                   (size_t)PQgetlength(*ret_result, row, 0)});
    return STATUS_OK;
}

static enum status do_gone(struct clerk *clerk, PGresult **ret_result)
{
    put_ids(clerk);
    pg_bigints(&clerk->database.params);
    for (size_t i = 0; i < clerk->batch_len; i++)
        pg_put_bigint(&clerk->database.params, clerk->batch[i].at_ms);
    enum status status =
        database_ask(&clerk->database, "select gnatter.device_gone($1, $2)", DATABASE_BINARY, ret_result);
    for (size_t i = 0; i < clerk->batch_len && status == STATUS_OK; i++)
        pusher_note_gone(clerk->options.pusher, &clerk->batch[i].id, 1);
    return status;
}

static enum status do_presence(struct clerk *clerk, PGresult **ret_result)
{
    put_ids(clerk);
    pg_texts(&clerk->database.params);
    for (size_t i = 0; i < clerk->batch_len; i++)
        pg_put_bytes(&clerk->database.params, (struct slice){clerk->batch[i].user, clerk->batch[i].user_len});
    pg_boolean(&clerk->database.params, clerk->options.is_reciprocal);
    enum status status = database_ask(
        &clerk->database,
        "select ord, online_is_shown, last_seen_is_shown, last_seen_s from gnatter.presence_state($1, $2, $3)",
        DATABASE_BINARY, ret_result);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(*ret_result); row++) {
        const struct job *job = &clerk->batch[pg_read_int(PQgetvalue(*ret_result, row, 0)) - 1];
        int64_t seen_s = PQgetisnull(*ret_result, row, 3) ? 0 : pg_read_bigint(PQgetvalue(*ret_result, row, 3));
        uint32_t shown = (PQgetvalue(*ret_result, row, 1)[0] != 0 ? PRESENCE_SHOWS_ONLINE : 0) |
                         (PQgetvalue(*ret_result, row, 2)[0] != 0 ? PRESENCE_SHOWS_LAST_SEEN : 0);
        clerk->options.on_presence(clerk->options.ctx, job->session, (struct slice){job->user, job->user_len}, shown,
                                   seen_s);
    }
    return STATUS_OK;
}

static enum status do_revocations(struct clerk *clerk, PGresult **ret_result)
{
    /* One list answers all that asked so far; one that is asked for again stands behind newer ones. */
    uint64_t number = 0;
    for (size_t i = 0; i < clerk->batch_len; i++)
        if ((uint64_t)clerk->batch[i].id > number)
            number = (uint64_t)clerk->batch[i].id;
    pg_params_begin(&clerk->database.params);
    enum status status = database_ask(&clerk->database,
                                      "select coalesce(string_agg(name || ' ' || valid_after_s || e'\\n', ''), '')"
                                      " from gnatter.revocations(null)",
                                      DATABASE_BINARY, ret_result);
    if (status == STATUS_OK) {
        clerk->options.on_revocations(
            clerk->options.ctx, number,
            (struct slice){PQgetvalue(*ret_result, 0, 0), (size_t)PQgetlength(*ret_result, 0, 0)});
    } else if (status != STATUS_UNAVAILABLE) { /* never dropped: again, behind what else waits */
        (void)poll(NULL, 0, RETRY_WAIT_MS);
        clerk_ask_revocations(clerk, number);
    }
    return status;
}

/* A service that starts knows no session: what an earlier one has said is void. */
static enum status reset(struct clerk *clerk)
{
    PGresult *result = NULL;
    if (clerk->is_reset)
        return STATUS_OK;
    pg_params_begin(&clerk->database.params);
    enum status status = database_ask(&clerk->database, "select gnatter.devices_reset()", DATABASE_BINARY, &result);
    PQclear(result);
    clerk->is_reset = status == STATUS_OK;
    clerk->is_refused |= status == STATUS_DENIED;
    return status;
}

static enum status do_reset(struct clerk *clerk, PGresult **ret_result)
{
    (void)ret_result;
    clerk->is_reset = false;
    enum status status = reset(clerk);
    if (status == STATUS_OK)
        pusher_note_everybody(clerk->options.pusher);
    return status;
}

/*
 * A service that starts has the database know that nobody is live, before the first job: nobody would be woken for what
 * those miss who were live when an earlier one was killed. And what was refused is not known: it is told anew once the
 * database takes changes again.
 */
static void look_again(struct clerk *clerk)
{
    clerk->is_reset &= !clerk->is_refused;
    if (reset(clerk) != STATUS_OK || !clerk->is_refused)
        return;
    clerk->is_refused = false;
    atomic_store(&clerk->has_lost, true);
}

/* Until the database has answered, or this ends. */
static void do_batch(struct clerk *clerk, enum job_kind kind)
{
    static enum status (*const by_kind[])(struct clerk *, PGresult **) = {
        [JOB_LIVE] = do_live,   [JOB_GONE] = do_gone, [JOB_PRESENCE] = do_presence, [JOB_REVOCATIONS] = do_revocations,
        [JOB_RESET] = do_reset,
    };
    for (;;) {
        PGresult *result = NULL;
        enum status status = reset(clerk);
        if (status != STATUS_UNAVAILABLE)
            status = by_kind[kind](clerk, &result);
        PQclear(result);
        clerk->is_refused |= status == STATUS_DENIED && (kind == JOB_LIVE || kind == JOB_GONE);
        if (status != STATUS_UNAVAILABLE || atomic_load(&clerk->is_stopping))
            break;
        (void)poll(NULL, 0, RETRY_WAIT_MS);
    }
    clerk->batch_len = 0;
}

/* Besides looking again, erases the messages whose time has come. Where there is more, the next turn comes at once. */
static void sweep(struct clerk *clerk, int64_t now_ms)
{
    PGresult *result = NULL;
    if (now_ms < clerk->sweep_at_ms)
        return;
    clerk->sweep_at_ms = now_ms + SWEEP_EVERY_MS;
    look_again(clerk);
    pg_params_begin(&clerk->database.params);
    pg_int(&clerk->database.params, SWEEP_TIMERS_MAX);
    pg_int(&clerk->database.params, SWEEP_ITEMS_MAX);
    if (database_ask(&clerk->database, "select gone, is_more from gnatter.timer_sweep($1, $2)", DATABASE_BINARY,
                     &result) != STATUS_OK)
        return; /* the next turn asks again */
    int32_t gone = pg_read_int(PQgetvalue(result, 0, 0));
    bool is_more = PQgetvalue(result, 0, 1)[0] != 0;
    PQclear(result);
    metrics_add(&metrics.messages_expired, (uint64_t)gone);
    if (is_more)
        clerk->sweep_at_ms = now_ms;
}

static void *clerk_run(void *arg)
{
    struct clerk *clerk = arg;
    enum job_kind kind = JOB_LIVE;
    for (;;) {
        bool is_last = atomic_load(&clerk->is_stopping);
        for (const struct letter *letter; (letter = mailbox_next(&clerk->mailbox)) != NULL;) {
            if (clerk->batch_len > 0 && (kind != (enum job_kind)letter->kind || clerk->batch_len == BATCH_MAX))
                do_batch(clerk, kind);
            kind = (enum job_kind)letter->kind;
            clerk->batch[clerk->batch_len++] = *(const struct job *)(const void *)letter;
        }
        int64_t now_ms = clock_monotonic_ms();
        bool waits = kind == JOB_LIVE && now_ms < clerk->live_at_ms && !is_last;
        if (clerk->batch_len > 0 && !waits)
            do_batch(clerk, kind);
        if (is_last)
            return NULL;
        sweep(clerk, now_ms);
        if (clerk->batch_len == 0 && atomic_exchange(&clerk->has_lost, false)) /* there is room again */
            clerk->options.on_lost(clerk->options.ctx);
        int64_t due_ms = clerk->sweep_at_ms;
        if (clerk->batch_len > 0 && clerk->live_at_ms < due_ms)
            due_ms = clerk->live_at_ms;
        quota_turn(clerk->options.quota, &clerk->database, now_ms, &due_ms);
        struct pollfd fd = {mailbox_fd(&clerk->mailbox), POLLIN, 0};
        (void)poll(&fd, 1, due_ms > now_ms ? (int)(due_ms - now_ms) : 0); /* interrupted or not: look */
    }
}

enum status clerk_new(const struct clerk_options *options, struct clerk **ret_clerk)
{
    struct clerk *clerk = calloc(1, sizeof *clerk);
    if (clerk == NULL)
        return STATUS_NO_MEMORY;
    clerk->options = *options;
    enum status status = mailbox_init(&clerk->mailbox, RUNTIME_CLERK_MAILBOX_BYTES);
    if (status == STATUS_OK)
        status = database_init(&clerk->database, options->primary, options->name);
    if (status != STATUS_OK) {
        clerk_free(clerk);
        return status;
    }
    *ret_clerk = clerk;
    return STATUS_OK;
}

enum status clerk_start(struct clerk *clerk)
{
    if (pthread_create(&clerk->thread, NULL, clerk_run, clerk) != 0)
        return STATUS_UNAVAILABLE;
    clerk->is_started = true;
    return STATUS_OK;
}

bool clerk_stop(struct clerk *clerk, int64_t deadline_ms)
{
    if (!clerk->is_started)
        return true;
    atomic_store(&clerk->is_stopping, true);
    mailbox_close(&clerk->mailbox);
    clerk->is_started = !thread_join(clerk->thread, deadline_ms);
    return !clerk->is_started;
}

void clerk_free(struct clerk *clerk)
{
    if (clerk == NULL)
        return;
    database_done(&clerk->database);
    mailbox_done(&clerk->mailbox);
    free(clerk);
}
