#define _GNU_SOURCE /* asprintf */
#include "primary.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "log.h"
#include "pg_wire.h"
#include "thread.h"

#define HOSTS_MAX     16
#define LOOK_EVERY_MS 5000 /* at the hosts that are not in use */
#define LOOK_WAIT     "3"  /* seconds to connect to one of them */
#define LOOK_WAIT_MS  3000 /* ... and for its answer */
#define WAIT_ONE_MS   10000
#define WAIT_EACH_MS  5000
#define FILE_BYTES    64

struct host {
    char *host, *address, *port; /* NULL: not given */
    atomic_bool is_told;         /* that it was replaced */
};
struct primary {
    char *conninfo;
    struct host hosts[HOSTS_MAX];
    size_t hosts_len;
    bool wants_read_write; /* several hosts, and nothing else is asked for */
    _Atomic size_t good;   /* the host that worked last */
    _Atomic uint64_t epoch;
    pthread_mutex_t lock; /* the newest that was seen; 0: none */
    int64_t system_id, timeline;
    int file_fd;
    pthread_t thread;
    bool is_started;
    int stop_fd;
    atomic_bool is_stopping;
};

/* ---- the list of hosts ---- */
static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val == NULL || options->val[0] == '\0' ? NULL : options->val;
    return NULL;
}

static size_t list_len(const char *list)
{
    size_t len = list == NULL ? 0 : 1;
    for (; list != NULL && *list != '\0'; list++)
        len += *list == ',';
    return len;
}

/* One of a list; a list of one counts for all. *ret_item is NULL for what is not given. */
static enum status list_item(const char *list, size_t index, char **ret_item)
{
    *ret_item = NULL;
    if (list == NULL)
        return STATUS_OK;
    if (list_len(list) == 1)
        index = 0;
    for (; index > 0; index--)
        list = strchr(list, ',') + 1;
    size_t len = strcspn(list, ",");
    if (len == 0)
        return STATUS_OK;
    *ret_item = strndup(list, len);
    return *ret_item == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status hosts_read(struct primary *primary, const PQconninfoOption *options)
{
    const char *hosts = value_of(options, "host"), *addresses = value_of(options, "hostaddr");
    const char *ports = value_of(options, "port");
    size_t len = list_len(hosts != NULL ? hosts : addresses);
    if (len > HOSTS_MAX || (hosts != NULL && addresses != NULL && list_len(addresses) != len) ||
        (list_len(ports) > 1 && list_len(ports) != len))
        return STATUS_MALFORMED;
    primary->hosts_len = len < 2 ? 1 : len; /* one: libpq finds it by itself */
    enum status status = STATUS_OK;
    for (size_t i = 0; len > 1 && i < len && status == STATUS_OK; i++) {
        struct host *host = &primary->hosts[i];
        status = list_item(hosts, i, &host->host);
        if (status == STATUS_OK)
            status = list_item(addresses, i, &host->address);
        if (status == STATUS_OK)
            status = list_item(ports, i, &host->port);
    }
    primary->wants_read_write = len > 1 && value_of(options, "target_session_attrs") == NULL;
    return status;
}

/* ---- what is remembered ---- */
static void file_open(struct primary *primary, const char *path)
{
    char text[FILE_BYTES] = "";
    if (path[0] == '\0')
        return;
    primary->file_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (primary->file_fd < 0) {
        log_warning("database", "primary-not-remembered", LOG_TEXT("file", path), LOG_TEXT("why", strerror(errno)));
        return;
    }
    if (read(primary->file_fd, text, sizeof text - 1) <= 0)
        return; /* new */
    size_t good;
    if (sscanf(text, "%" SCNd64 " %" SCNd64 " %zu", &primary->system_id, &primary->timeline, &good) != 3 ||
        primary->timeline < 0) {
        log_warning("database", "primary-file-bad", LOG_TEXT("file", path));
        primary->system_id = primary->timeline = 0;
        return;
    }
    atomic_store(&primary->good, good < primary->hosts_len ? good : 0); /* the list may be another now */
}

/* With the lock. */
static void file_write(struct primary *primary)
{
    char text[FILE_BYTES];
    int len = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %zu\n", primary->system_id, primary->timeline,
                       atomic_load(&primary->good));
    if (primary->file_fd < 0)
        return;
    if (pwrite(primary->file_fd, text, (size_t)len, 0) != len || ftruncate(primary->file_fd, len) != 0 ||
        fsync(primary->file_fd) != 0)
        log_warning("database", "primary-not-remembered", LOG_TEXT("why", strerror(errno)));
}

/* ---- one connection ---- */
static void put(struct primary_params *params, size_t *len, const char *keyword, const char *value)
{
    if (value == NULL)
        return;
    params->keywords[*len] = keyword;
    params->values[(*len)++] = value;
}

static void params_make(const struct primary *primary, size_t index, const char *name, const char *wait_s,
                        struct primary_params *ret_params)
{
    const struct host *host = &primary->hosts[index];
    size_t len = 0;
    memset(ret_params, 0, sizeof *ret_params);
    put(ret_params, &len, "dbname", primary->conninfo);
    put(ret_params, &len, "host", host->host);
    put(ret_params, &len, "hostaddr", host->address);
    put(ret_params, &len, "port", host->port);
    put(ret_params, &len, "target_session_attrs", primary->wants_read_write ? "read-write" : NULL);
    put(ret_params, &len, "application_name", name);
    put(ret_params, &len, "client_encoding", "UTF8");
    put(ret_params, &len, "connect_timeout", wait_s); /* of no effect where connecting does not wait */
    put(ret_params, &len, "tcp_user_timeout", "15000");
    put(ret_params, &len, "keepalives_idle", "10");
    put(ret_params, &len, "keepalives_interval", "5");
    put(ret_params, &len, "keepalives_count", "3");
}

void primary_begin(struct primary *primary, struct primary_try *at, const char *name, struct primary_params *ret_params)
{
    if (at->failures == 0)
        at->host = atomic_load(&primary->good);
    at->epoch = atomic_load(&primary->epoch);
    at->is_begun = true;
    params_make(primary, at->host, name, "5", ret_params);
}

bool primary_failed(struct primary *primary, struct primary_try *at)
{
    bool is_replaced = !primary_is_current(primary, at);
    at->is_begun = false;
    if (is_replaced) { /* of the new one nothing was asked yet: to it, at once */
        at->failures = 0;
        return false;
    }
    at->host = (at->host + 1) % primary->hosts_len;
    return ++at->failures % primary->hosts_len == 0;
}

/* May the server be used? Then it is the newest that was seen. With the lock. */
static bool take(struct primary *primary, size_t host, int64_t system_id, int64_t timeline)
{
    bool is_same = system_id == primary->system_id, is_newer = !is_same || timeline > primary->timeline;
    if (timeline == 0)
        return true; /* a standby, and no other host to go to */
    if (is_same && timeline < primary->timeline)
        return false;
    if (is_newer && primary->timeline != 0)
        log_notice("database", is_same ? "new-primary" : "another-cluster", LOG_INT("timeline", timeline),
                   LOG_INT("before", primary->timeline));
    if (is_newer)
        atomic_fetch_add(&primary->epoch, 1);
    atomic_store(&primary->hosts[host].is_told, false);
    if (is_newer || host != atomic_load(&primary->good)) {
        primary->system_id = system_id;
        primary->timeline = timeline;
        atomic_store(&primary->good, host);
        file_write(primary);
    }
    return true;
}

static void tell_replaced(struct primary *primary, size_t index, int64_t timeline, int64_t newest)
{
    struct host *host = &primary->hosts[index];
    if (!atomic_exchange(&host->is_told, true))
        log_error("database", "replaced-primary", LOG_TEXT("host", host->host == NULL ? "-" : host->host),
                  LOG_TEXT("port", host->port == NULL ? "-" : host->port), LOG_INT("timeline", timeline),
                  LOG_INT("newest", newest),
                  LOG_TEXT("note", "not used: it takes writes, and another server was promoted in its place"));
}

bool primary_check(struct primary *primary, struct primary_try *at, int64_t system_id, int64_t timeline)
{
    (void)pthread_mutex_lock(&primary->lock);
    bool is_good = take(primary, at->host, system_id, timeline);
    int64_t newest = primary->timeline;
    if (is_good)
        at->epoch = atomic_load(&primary->epoch);
    (void)pthread_mutex_unlock(&primary->lock);
    if (is_good)
        at->failures = 0;
    else
        tell_replaced(primary, at->host, timeline, newest);
    return is_good;
}

bool primary_is_current(const struct primary *primary, const struct primary_try *at)
{
    return !at->is_begun || at->epoch == atomic_load_explicit(&primary->epoch, memory_order_relaxed);
}

int primary_wait_ms(const struct primary *primary)
{
    return primary->hosts_len > 1 ? WAIT_EACH_MS : WAIT_ONE_MS;
}

/* ---- looking at the others ---- */
/* NULL: no answer in time, or this ends. A server that hangs must not keep us from seeing another one promoted. */
static PGresult *ask(const struct primary *primary, PGconn *conn)
{
    int64_t until_ms = clock_monotonic_ms() + LOOK_WAIT_MS, left_ms;
    if (PQsendQueryParams(conn, PRIMARY_QUESTION, 0, NULL, NULL, NULL, NULL, 1) != 1)
        return NULL;
    while (PQisBusy(conn)) {
        struct pollfd fds[2] = {{PQsocket(conn), POLLIN, 0}, {primary->stop_fd, POLLIN, 0}};
        left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0 || atomic_load(&primary->is_stopping))
            return NULL;
        (void)poll(fds, 2, (int)left_ms); /* interrupted: an early look */
        if (PQconsumeInput(conn) != 1)
            return NULL;
    }
    return PQgetResult(conn);
}

static void look_at(struct primary *primary, size_t index)
{
    struct primary_params params;
    params_make(primary, index, "gnatter-look", LOOK_WAIT, &params);
    PGconn *conn = PQconnectdbParams(params.keywords, params.values, 1);
    PGresult *result = NULL;
    if (conn != NULL && PQstatus(conn) == CONNECTION_OK)
        result = ask(primary, conn);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        int64_t system_id = pg_read_bigint(PQgetvalue(result, 0, 0));
        int64_t timeline = pg_read_bigint(PQgetvalue(result, 0, 1));
        (void)pthread_mutex_lock(&primary->lock);
        if (system_id == primary->system_id && timeline > primary->timeline) /* else it is not our affair */
            (void)take(primary, index, system_id, timeline);                 /* newer: true */
        bool is_replaced = system_id == primary->system_id && timeline < primary->timeline && timeline != 0;
        int64_t newest = primary->timeline;
        (void)pthread_mutex_unlock(&primary->lock);
        if (is_replaced)
            tell_replaced(primary, index, timeline, newest);
    }
    PQclear(result);
    PQfinish(conn);
}

static void *primary_run(void *arg)
{
    struct primary *primary = arg;
    while (!atomic_load(&primary->is_stopping)) {
        for (size_t i = 0; i < primary->hosts_len && !atomic_load(&primary->is_stopping); i++)
            if (i != atomic_load(&primary->good))
                look_at(primary, i);
        struct pollfd fd = {primary->stop_fd, POLLIN, 0};
        (void)poll(&fd, 1, LOOK_EVERY_MS); /* interrupted: an early look */
    }
    return NULL;
}

/* ---- life ---- */
enum status primary_new(const char *conninfo, const char *file, struct primary **ret_primary)
{
    struct primary *primary = calloc(1, sizeof *primary);
    if (primary == NULL)
        return STATUS_NO_MEMORY;
    (void)pthread_mutex_init(&primary->lock, NULL);
    primary->file_fd = -1;
    primary->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    primary->conninfo = strdup(conninfo);
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL); /* its words may quote a password */
    enum status status = primary->stop_fd < 0        ? STATUS_UNAVAILABLE
                         : primary->conninfo == NULL ? STATUS_NO_MEMORY
                         : options == NULL           ? STATUS_MALFORMED
                                                     : hosts_read(primary, options);
    if (status == STATUS_MALFORMED)
        log_error("database", "bad-conninfo",
                  LOG_TEXT("why", options == NULL ? "cannot be read" : "hosts and ports do not match"));
    PQconninfoFree(options);
    if (status != STATUS_OK) {
        primary_free(primary);
        return status;
    }
    file_open(primary, file);
    *ret_primary = primary;
    return STATUS_OK;
}

enum status primary_start(struct primary *primary)
{
    if (primary->hosts_len < 2)
        return STATUS_OK;
    if (pthread_create(&primary->thread, NULL, primary_run, primary) != 0)
        return STATUS_UNAVAILABLE;
    primary->is_started = true;
    return STATUS_OK;
}

bool primary_stop(struct primary *primary, int64_t deadline_ms)
{
    if (!primary->is_started)
        return true;
    uint64_t one = 1;
    atomic_store(&primary->is_stopping, true);
    ssize_t written = write(primary->stop_fd, &one, sizeof one);
    (void)written; /* an eventfd takes its first byte */
    primary->is_started = !thread_join(primary->thread, deadline_ms);
    return !primary->is_started;
}

void primary_free(struct primary *primary)
{
    if (primary == NULL)
        return;
    for (size_t i = 0; i < primary->hosts_len; i++) {
        free(primary->hosts[i].host);
        free(primary->hosts[i].address);
        free(primary->hosts[i].port);
    }
    if (primary->stop_fd >= 0)
        (void)close(primary->stop_fd);
    if (primary->file_fd >= 0)
        (void)close(primary->file_fd); /* written with fsync */
    free(primary->conninfo);
    free(primary);
}
