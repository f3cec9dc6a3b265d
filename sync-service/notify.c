#include "notify.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "database.h"
#include "hints.h"
#include "log.h"
#include "thread.h"

#define RETRY_WAIT_MS     50
#define CLAIM_WAIT_MS     250   /* between two tries to follow another service */
#define LOOK_EVERY_MS     500   /* is this still the server to listen to? */
#define PING_EVERY_MS     10000 /* a connection that died in silence is found out */
#define COMPLAIN_EVERY_MS 60000

struct notify {
    struct notify_options options;
    struct database database;
    pthread_t thread;
    bool is_started;
    int stop_fd;
    atomic_bool is_stopping, is_up;
    _Atomic enum notify_claim claim;
    bool is_claimed;     /* by this very connection */
    uint64_t claimed_on; /* the database's connection that asked for it last */
    int claimed_pid;     /* the backend that claimed last; 0: none yet */
    struct hints hints;
    struct database facts;                   /* its connection is for hint_facts */
    char asked[HINTS_MAX][HINT_LEN_MAX + 1]; /* of it */
    size_t asked_len;
    bool is_missed; /* one of these had no room */
    int64_t complain_at_ms;
};

static struct slice word(struct slice *rest)
{
    const char *blank = memchr(rest->at, ' ', rest->len);
    size_t len = blank == NULL ? rest->len : (size_t)(blank - rest->at);
    struct slice word = {rest->at, len};
    rest->at += len + (blank != NULL);
    rest->len -= len + (blank != NULL);
    return word;
}

/* ---- hints ----
 * "c <conversation>", "p <user>", "w <client id>", "u <user id>", "k <device id, or 0>" name what is to be looked at;
 * "r", "d" and "f" what gnatter.hint_facts is to be asked of. */
static const struct kind {
    char letter;
    bool is_fact;
    int64_t rest_ms;
} kinds[] = {
    {'c', false, 50},  {'f', true, 50},   {'r', true, 50},   {'d', true, 50},
    {'k', false, 200}, {'p', false, 200}, {'w', false, 200}, {'u', false, 200}, /* each may be a hundred questions */
};

static const struct kind *kind_of(const char *text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text[0] == kinds[i].letter && text[1] == ' ' && text[2] != '\0')
            return &kinds[i];
    return NULL;
}

/* What the database has answered. */
static void told(struct notify *notify, struct slice fact)
{
    const struct notify_options *options = &notify->options;
    struct slice rest = fact, kind = word(&rest), flags = rest, name = word(&rest);
    if (slice_equal(kind, SLICE("r")))
        options->on_revoked(options->ctx, name, strtoll(rest.at, NULL, 10));
    else if (slice_equal(kind, SLICE("d")))
        options->on_removed(options->ctx, name, strtoll(rest.at, NULL, 10));
    else if (slice_equal(kind, SLICE("f")))
        options->on_flags(options->ctx, flags);
}

static void facts_ask(struct notify *notify)
{
    PGresult *result = NULL;
    if (notify->asked_len == 0)
        return;
    pg_params_begin(&notify->facts.params);
    pg_texts(&notify->facts.params);
    for (size_t i = 0; i < notify->asked_len; i++)
        pg_put_bytes(&notify->facts.params, slice_of(notify->asked[i]));
    enum status status = database_ask(&notify->facts, "select gnatter.hint_facts($1)", DATABASE_BINARY, &result);
    if (status == STATUS_UNAVAILABLE)
        return; /* again in the next turn, unless the other connection is gone, too */
    notify->asked_len = 0;
    for (int row = 0; row < PQntuples(result); row++)
        told(notify, (struct slice){PQgetvalue(result, row, 0), (size_t)PQgetlength(result, row, 0)});
    PQclear(result);
    if (status != STATUS_OK)
        notify->options.on_missed(notify->options.ctx);
}

static void pass(void *ctx, const char *text)
{
    struct notify *notify = ctx;
    const struct notify_options *options = &notify->options;
    const struct kind *kind = kind_of(text);
    struct slice name = slice_of(text + 2);
    if (kind->is_fact && notify->asked_len == HINTS_MAX)
        facts_ask(notify);
    if (kind->is_fact && notify->asked_len < HINTS_MAX)
        (void)snprintf(notify->asked[notify->asked_len++], sizeof notify->asked[0], "%s", text); /* it fits */
    else if (kind->is_fact) /* the database does not answer, and this one is one too many */
        notify->is_missed = true;
    else if (kind->letter == 'c')
        options->on_changed(options->ctx, name);
    else if (kind->letter == 'p')
        options->on_presence(options->ctx, name);
    else if (kind->letter == 'w')
        options->on_watcher(options->ctx, name);
    else if (kind->letter == 'k')
        options->on_push(options->ctx, strtoll(name.at, NULL, 10));
    else
        options->on_reads(options->ctx, strtoll(name.at, NULL, 10));
}

static void heard(struct notify *notify, const char *text, int64_t now_ms)
{
    const struct kind *kind = kind_of(text);
    if (kind != NULL && strlen(text) <= HINT_LEN_MAX) {
        if (hints_take(&notify->hints, text, kind->rest_ms, now_ms))
            pass(notify, text);
    } else if (now_ms >= notify->complain_at_ms) {
        notify->complain_at_ms = now_ms + COMPLAIN_EVERY_MS;
        log_warning("notify", "not-understood", LOG_INT("bytes", strlen(text)),
                    LOG_TEXT("note", "not ours: somebody else is connected to the database and notifies"));
    }
}

static bool ask(struct notify *notify, const char *sql)
{
    PGresult *result = NULL;
    pg_params_begin(&notify->database.params);
    enum status status = database_ask(&notify->database, sql, DATABASE_TEXT, &result);
    PQclear(result);
    return status == STATUS_OK;
}

/* As long as there is room; false: nothing was heard. */
static bool hear(struct notify *notify, int64_t now_ms)
{
    PGnotify *note;
    bool is_something = false;
    hints_turn(&notify->hints, now_ms, pass, notify);
    while (!hints_are_full(&notify->hints) && (note = PQnotifies(notify->database.conn)) != NULL) {
        is_something = true;
        heard(notify, note->extra, now_ms);
        PQfreemem(note);
    }
    facts_ask(notify);
    if (notify->is_missed && notify->asked_len == 0) {
        notify->is_missed = false;
        notify->options.on_missed(notify->options.ctx);
    }
    return is_something;
}

static void nap(const struct notify *notify, int wait_ms)
{
    struct pollfd fd = {notify->stop_fd, POLLIN, 0};
    (void)poll(&fd, 1, wait_ms); /* interrupted: an early look */
}

static void claim_tell(const struct notify *notify, enum notify_claim now, const char *holder)
{
    enum notify_claim before = notify_claim(notify);
    if (now == before)
        return;
    if (now == NOTIFY_CLAIM_OTHER)
        log_warning("main", "standing-by", LOG_TEXT("holder", holder),
                    LOG_TEXT("note", "a database has one service at a time; this one follows when that one is gone"));
    else if (now == NOTIFY_CLAIM_LOST)
        log_error("main", "another-service-took-over", LOG_TEXT("holder", holder));
    else if (before == NOTIFY_CLAIM_OTHER)
        log_notice("main", "taking-over");
}

/* True: the claim is ours. */
static bool claim_once(struct notify *notify)
{
    PGresult *result = NULL;
    pg_params_begin(&notify->database.params);
    if (database_ask(&notify->database, "select is_claimed, holder_pid, holder from gnatter.service_claim()",
                     DATABASE_TEXT, &result) != STATUS_OK)
        return false;
    notify->claimed_on = notify->database.connections;
    int holder_pid = (int)strtol(PQgetvalue(result, 0, 1), NULL, 10);
    notify->is_claimed = PQgetvalue(result, 0, 0)[0] == 't';
    /* A connection of ours that the database takes for alive is no other service. */
    bool is_ours = notify->is_claimed || (holder_pid != 0 && holder_pid == notify->claimed_pid);
    bool was_ours = notify_claim(notify) == NOTIFY_CLAIM_OURS;
    enum notify_claim now = is_ours ? NOTIFY_CLAIM_OURS : was_ours ? NOTIFY_CLAIM_LOST : NOTIFY_CLAIM_OTHER;
    if (notify->is_claimed)
        notify->claimed_pid = PQbackendPID(notify->database.conn);
    claim_tell(notify, now, PQgetvalue(result, 0, 2));
    atomic_store(&notify->claim, now);
    PQclear(result);
    return is_ours;
}

/* False: it was ours, and is no more; or there is no connection. */
static bool claim(struct notify *notify)
{
    while (!claim_once(notify)) {
        if (notify->database.conn == NULL || notify_claim(notify) == NOTIFY_CLAIM_LOST ||
            atomic_load(&notify->is_stopping))
            return false;
        nap(notify, CLAIM_WAIT_MS);
    }
    return true;
}

static void wait_for_more(const struct notify *notify, int64_t now_ms)
{
    bool has_room = !hints_are_full(&notify->hints);
    int64_t wait_ms = notify->asked_len > 0 ? RETRY_WAIT_MS : LOOK_EVERY_MS;
    if (notify->hints.due_ms - now_ms < wait_ms)
        wait_ms = notify->hints.due_ms > now_ms ? notify->hints.due_ms - now_ms : 0;
    struct pollfd fds[2] = {{has_room ? PQsocket(notify->database.conn) : -1, POLLIN, 0}, {notify->stop_fd, POLLIN, 0}};
    (void)poll(fds, 2, (int)wait_ms); /* interrupted: an early look */
}

/* On a connection: an answer may have come over a later one, which neither listens nor has the claim. */
static void listen_on(struct notify *notify, uint64_t connection)
{
    int64_t now_ms = clock_monotonic_ms(), ping_at_ms = now_ms + PING_EVERY_MS;
    while (!atomic_load(&notify->is_stopping) && notify->database.conn != NULL &&
           notify->database.connections == connection) {
        wait_for_more(notify, now_ms);
        now_ms = clock_monotonic_ms();
        if ((!hints_are_full(&notify->hints) && PQconsumeInput(notify->database.conn) != 1) ||
            !database_is_current(&notify->database)) {
            database_drop(&notify->database);
            return;
        }
        /* What is heard shows that the connection lives. An answer would come behind all that waits to be heard. */
        if (hear(notify, now_ms) && notify->is_claimed)
            ping_at_ms = now_ms + PING_EVERY_MS;
        if (now_ms >= ping_at_ms) {
            if (!(notify->is_claimed ? ask(notify, "select 1") : claim_once(notify)))
                return;
            ping_at_ms = now_ms + PING_EVERY_MS;
        }
    }
}

static void *notify_run(void *arg)
{
    struct notify *notify = arg;
    while (!atomic_load(&notify->is_stopping) && notify_claim(notify) != NOTIFY_CLAIM_LOST) {
        if (claim(notify) && ask(notify, "listen gnatter") && notify->database.connections == notify->claimed_on) {
            atomic_store(&notify->is_up, true);
            notify->options.on_missed(notify->options.ctx);
            listen_on(notify, notify->claimed_on);
            atomic_store(&notify->is_up, false);
            hints_forget(&notify->hints); /* all that waits is looked at with the next connection */
            notify->asked_len = 0;
            notify->is_missed = false;
        }
        nap(notify, RETRY_WAIT_MS); /* the connection has its own pauses */
    }
    return NULL;
}

enum status notify_new(const struct notify_options *options, struct notify **ret_notify)
{
    struct notify *notify = calloc(1, sizeof *notify);
    if (notify == NULL)
        return STATUS_NO_MEMORY;
    notify->options = *options;
    hints_init(&notify->hints);
    notify->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status =
        notify->stop_fd < 0 ? STATUS_UNAVAILABLE : database_init(&notify->database, options->primary, options->name);
    if (status == STATUS_OK)
        status = database_init(&notify->facts, options->primary, options->name);
    if (status != STATUS_OK) {
        notify_free(notify);
        return status;
    }
    *ret_notify = notify;
    return STATUS_OK;
}

enum status notify_start(struct notify *notify)
{
    if (pthread_create(&notify->thread, NULL, notify_run, notify) != 0)
        return STATUS_UNAVAILABLE;
    notify->is_started = true;
    return STATUS_OK;
}

bool notify_stop(struct notify *notify, int64_t deadline_ms)
{
    if (!notify->is_started)
        return true;
    uint64_t one = 1;
    atomic_store(&notify->is_stopping, true);
    ssize_t written = write(notify->stop_fd, &one, sizeof one);
    (void)written; /* an eventfd takes its first byte */
    notify->is_started = !thread_join(notify->thread, deadline_ms);
    return !notify->is_started;
}

void notify_free(struct notify *notify)
{
    if (notify == NULL)
        return;
    if (notify->stop_fd >= 0)
        (void)close(notify->stop_fd);
    database_done(&notify->database);
    database_done(&notify->facts);
    hints_forget(&notify->hints);
    free(notify);
}

enum notify_claim notify_claim(const struct notify *notify)
{
    return atomic_load(&notify->claim);
}

bool notify_is_up(const struct notify *notify)
{
    return atomic_load(&notify->is_up);
}
