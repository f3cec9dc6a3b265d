#include "notify.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "database.h"
#include "log.h"
#include "thread.h"

#define RETRY_WAIT_MS 50
#define CLAIM_WAIT_MS 250   /* between two tries to follow another service */
#define LOOK_EVERY_MS 500   /* is this still the server to listen to? */
#define PING_EVERY_MS 10000 /* a connection that died in silence is found out */

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

/* "c <conversation>", "r <user or client id> <valid after, s>", "d <client id>", "f <client id> <conversation> <JSON>",
 * "p <user>", "w <client id>", "u <user id>" */
static void heard(struct notify *notify, const char *payload)
{
    const struct notify_options *options = &notify->options;
    struct slice rest = slice_of(payload), kind = word(&rest), told = rest, name = word(&rest);
    if (slice_equal(kind, SLICE("c")) && name.len > 0 && rest.len == 0)
        options->on_changed(options->ctx, name);
    else if (slice_equal(kind, SLICE("r")) && name.len > 0 && rest.len > 0)
        options->on_revoked(options->ctx, name, strtoll(rest.at, NULL, 10));
    else if (slice_equal(kind, SLICE("d")) && name.len > 0 && rest.len == 0)
        options->on_removed(options->ctx, name);
    else if (slice_equal(kind, SLICE("p")) && name.len > 0 && rest.len == 0)
        options->on_presence(options->ctx, name);
    else if (slice_equal(kind, SLICE("w")) && name.len > 0 && rest.len == 0)
        options->on_watcher(options->ctx, name);
    else if (slice_equal(kind, SLICE("u")) && name.len > 0 && rest.len == 0)
        options->on_reads(options->ctx, strtoll(name.at, NULL, 10));
    else if (slice_equal(kind, SLICE("f")) && name.len > 0 && rest.len > 0)
        options->on_flags(options->ctx, told);
    else
        log_warning("notify", "not-understood", LOG_TEXT("payload", payload));
}

static bool ask(struct notify *notify, const char *sql)
{
    PGresult *result = NULL;
    pg_params_begin(&notify->database.params);
    enum status status = database_ask(&notify->database, sql, DATABASE_TEXT, &result);
    PQclear(result);
    return status == STATUS_OK;
}

static void hear_all(struct notify *notify)
{
    for (PGnotify *note; (note = PQnotifies(notify->database.conn)) != NULL; PQfreemem(note))
        heard(notify, note->extra);
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

/* On a connection: an answer may have come over a later one, which neither listens nor has the claim. */
static void listen_on(struct notify *notify, uint64_t connection)
{
    int64_t ping_at_ms = clock_monotonic_ms() + PING_EVERY_MS;
    while (!atomic_load(&notify->is_stopping) && notify->database.conn != NULL &&
           notify->database.connections == connection) {
        struct pollfd fds[2] = {{PQsocket(notify->database.conn), POLLIN, 0}, {notify->stop_fd, POLLIN, 0}};
        (void)poll(fds, 2, LOOK_EVERY_MS); /* interrupted: an early look */
        if (PQconsumeInput(notify->database.conn) != 1 || !database_is_current(&notify->database)) {
            database_drop(&notify->database);
            return;
        }
        hear_all(notify);
        if (clock_monotonic_ms() >= ping_at_ms) {
            if (!(notify->is_claimed ? ask(notify, "select 1") : claim_once(notify)))
                return;
            hear_all(notify);
            ping_at_ms = clock_monotonic_ms() + PING_EVERY_MS;
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
    notify->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status =
        notify->stop_fd < 0 ? STATUS_UNAVAILABLE : database_init(&notify->database, options->primary, options->name);
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
