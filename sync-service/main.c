#define _GNU_SOURCE /* SCHED_BATCH */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "clock.h"
#include "runtime.h"
#include "scrape/http.h"
#include "service.h"
#include "status_socket.h"
#include "systemd.h"
#include "../clients/protocol/version.h"

#define LOOK_EVERY_MS  100 /* at readiness, and how long a status waits at most */
#define START_EVERY_MS 10  /* until it serves: may it? */
#define STATUS_BYTES   32768

struct options {
    const char *config;
    enum { DO_RUN, DO_SHOW_CONFIG, DO_CHECK, DO_HELP, DO_VERSION, DO_USAGE } what;
};

static void print_help(FILE *out)
{
    fprintf(out, "usage: gnatter-syncd --config FILE [--check | --show-config]\n"
                 "       gnatter-syncd --help | --version\n\n"
                 "Takes messages from brokers with gnatter_plugin.so, keeps them in PostgreSQL and delivers them.\n"
                 "Logs to stderr; SIGTERM: orderly stop, SIGHUP: reload. With NOTIFY_SOCKET it tells systemd.\n\n"
                 "Keys of FILE, section [service], with their defaults:\n");
    config_print_help(out);
}

static struct options options_read(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"show-config", no_argument, NULL, 's'},
        {"check", no_argument, NULL, 'k'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0},
    };
    struct options options = {NULL, DO_RUN};
    for (int c; (c = getopt_long(argc, argv, "c:h", known, NULL)) != -1;) {
        if (c == 'c')
            options.config = optarg;
        else
            options.what = c == 's'   ? DO_SHOW_CONFIG
                           : c == 'k' ? DO_CHECK
                           : c == 'h' ? DO_HELP
                           : c == 'v' ? DO_VERSION
                                      : DO_USAGE;
    }
    if (optind < argc || (options.config == NULL && options.what < DO_HELP))
        options.what = DO_USAGE;
    return options;
}

/*
 * Its configuration's folder is where the service works: relative paths, also libpq's in `database`, mean from there,
 * and still work when it is another account, which may not enter the folders above. Changes *path to the name alone.
 */
static bool folder_enter(const char **path)
{
    const char *slash = strrchr(*path, '/');
    if (slash == NULL)
        return true;
    char *folder = strndup(*path, slash == *path ? 1 : (size_t)(slash - *path));
    bool ok = folder != NULL && chdir(folder) == 0;
    free(folder);
    if (ok)
        *path = slash + 1;
    else
        fprintf(stderr, "error config %s: %s\n", *path, strerror(errno));
    return ok;
}

static bool config_load(struct config *config, const char *path)
{
    struct config_error error;
    if (config_read(config, path, &error) == STATUS_OK)
        return true;
    if (error.line > 0)
        fprintf(stderr, "error config %s:%d: %s\n", path, error.line, error.text);
    else
        fprintf(stderr, "error config %s: %s\n", path, error.text);
    return false;
}

/* ---- running ---- */
static bool become(const char *user)
{
    if (user[0] == '\0' || geteuid() != 0)
        return true;
    const struct passwd *account = getpwnam(user);
    if (account == NULL || initgroups(user, account->pw_gid) != 0 || setgid(account->pw_gid) != 0 ||
        setuid(account->pw_uid) != 0) {
        log_error("main", "cannot-become", LOG_TEXT("user", user),
                  LOG_TEXT("why", account == NULL ? "no such account" : strerror(errno)));
        return false;
    }
    return true;
}

static int signals_open(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)signal(SIGPIPE, SIG_IGN); /* of a standard signal: cannot fail */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reload(struct config *config, const char *path)
{
    struct config fresh;
    int ignored;
    char reloading[64];
    (void)snprintf(reloading, sizeof reloading, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_ms() * 1000);
    config_init(&fresh);
    systemd_notify(reloading);
    if (config_load(&fresh, path)) {
        config_reload(config, &fresh, &ignored);
        log_set_level((enum log_level)config->log_level);
        log_notice("main", "reloaded", LOG_INT("need_restart", ignored));
    } else {
        log_error("main", "not-reloaded");
    }
    config_done(&fresh);
    systemd_notify("READY=1");
}

/* The next signal; 0: none. */
static int signal_take(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

static void look(struct service *service, bool *was_ready, int64_t *fed_at_ms)
{
    bool is_ready = service_is_ready(service);
    if (is_ready && !*was_ready) {
        log_notice("main", "ready");
        systemd_notify("READY=1");
    } else if (!is_ready && *was_ready) {
        log_warning("main", "not-ready");
    }
    *was_ready = is_ready;
    int64_t every_ms = systemd_watchdog_ms(), now_ms = clock_monotonic_ms();
    if (every_ms > 0 && now_ms >= *fed_at_ms + every_ms && service_is_alive(service)) {
        systemd_notify("WATCHDOG=1");
        *fed_at_ms = now_ms;
    }
}

/* False: it cannot be. */
static bool go_on(struct service *service, bool *is_serving)
{
    enum status status = service_go_on(service);
    if (status == STATUS_DENIED)
        _exit(1); /* what is not confirmed comes again, to the other one; nothing of ours may be said any more */
    if (status != STATUS_OK && status != STATUS_UNAVAILABLE)
        log_error("main", "cannot-start", LOG_TEXT("why", status_name(status)));
    *is_serving = status == STATUS_OK;
    return status == STATUS_OK || status == STATUS_UNAVAILABLE;
}

/* The exit status. */
static int run(struct service *service, struct config *config, const char *path, int signals,
               const struct status_socket *status)
{
    static char text[STATUS_BYTES];
    bool was_ready = false, is_serving = false;
    bool may_serve = true; /* not: no descriptor is left, and who asks waits until the next look */
    int64_t fed_at_ms = 0;
    while (go_on(service, &is_serving)) {
        struct pollfd fds[2] = {{signals, POLLIN, 0}, {may_serve ? status->fd : -1, POLLIN, 0}};
        (void)poll(fds, 2, is_serving ? LOOK_EVERY_MS : START_EVERY_MS); /* interrupted: an early look */
        int number = signal_take(signals);
        if (number == SIGTERM || number == SIGINT)
            return 0;
        if (number == SIGHUP) {
            reload(config, path);
            service_reload(service);
        }
        look(service, &was_ready, &fed_at_ms);
        may_serve = fds[1].revents == 0 ||
                    status_socket_serve(status, (struct slice){text, service_status(service, text, sizeof text)});
    }
    return 1;
}

/* Nobody's messages depend on being watched: without it the service goes on. */
static struct http *watch_start(const struct config *config, struct service *service)
{
    struct http *http = NULL;
    if (config->metrics_port == 0)
        return NULL;
    if (http_start(config->metrics_listen, config->metrics_port, service, &http) == STATUS_OK)
        log_notice("main", "metrics", LOG_TEXT("address", config->metrics_listen),
                   LOG_INT("port", config->metrics_port));
    else
        log_error("main", "no-metrics", LOG_TEXT("address", config->metrics_listen),
                  LOG_INT("port", config->metrics_port), LOG_TEXT("why", strerror(errno)));
    return http;
}

/*
 * For all threads that are made from here on: who wakes does not interrupt who runs. The broker ends its turn, and more
 * gathers for the next frame and the next commit. An operator's own policy stays.
 */
static void batch_policy_take(void)
{
    const struct sched_param param = {0};
    if (sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &param) != 0)
        log_warning("main", "no-batch-policy", LOG_TEXT("why", strerror(errno)));
}

static int serve(struct config *config, const char *path)
{
    struct status_socket status = {.fd = -1};
    struct service *service = NULL;
    static struct primary *primary; /* a thread that hangs in a question still uses it */
    log_set_level((enum log_level)config->log_level);
    int signals = signals_open();
    if (signals < 0 || sodium_init() < 0) {
        log_error("main", "cannot-start", LOG_TEXT("why", strerror(errno)));
        return 1;
    }
    log_notice("main", "starting", LOG_TEXT("version", GNATTER_VERSION), LOG_INT("pid", getpid()));
    batch_policy_take();
    if (config->status_socket[0] != '\0' && status_socket_open(&status, config->status_socket) != STATUS_OK)
        log_warning("main", "no-status-socket", LOG_TEXT("file", config->status_socket),
                    LOG_TEXT("why", strerror(errno)));
    if (primary_new(config->database, config->primary_file, &primary) != STATUS_OK || !become(config->user) ||
        service_start(config, primary, &service) != STATUS_OK) {
        status_socket_close(&status);
        primary_free(primary);
        return 1;
    }
    struct http *http = watch_start(config, service);
    int code = run(service, config, path, signals, &status);
    log_notice("main", "stopping");
    systemd_notify("STOPPING=1");
    http_stop(http);
    bool is_finished = service_stop(service);
    status_socket_close(&status);
    primary_free(is_finished ? primary : NULL); /* who hangs still uses it */
    (void)close(signals);
    if (is_finished)
        log_notice("main", "stopped");
    else
        log_warning("main", "stopped-unfinished",
                    LOG_TEXT("note", "what was not confirmed comes again from the journal"));
    return code;
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv);
    struct config config;
    int code = 0;
    if (options.what == DO_VERSION) {
        printf("gnatter-syncd %s\n", GNATTER_VERSION);
        return 0;
    }
    if (options.what == DO_HELP || options.what == DO_USAGE) {
        print_help(options.what == DO_HELP ? stdout : stderr);
        return options.what == DO_HELP ? 0 : 2;
    }
    config_init(&config);
    if (!folder_enter(&options.config) || !config_load(&config, options.config))
        code = 1;
    else if (options.what == DO_SHOW_CONFIG)
        config_print(&config, stdout);
    else if (options.what == DO_CHECK)
        printf("%s: good\n", options.config);
    else
        code = serve(&config, options.config);
    config_done(&config);
    return code;
}
