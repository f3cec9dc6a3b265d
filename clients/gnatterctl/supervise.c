#include "supervise.h"
#include "bench.h"
#include "broker.h"
#include "file.h"
#include "lock.h"
#include "migrate.h"
#include "output.h"
#include "postgres.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_FILE       "log/supervisor.log"
#define DEATHS         5      /* so many ... */
#define DEATHS_MS      10000  /* ... within so long are not an accident: */
#define PAUSE_LONG_MS  1000   /* no faster than this from then on */
#define PAUSE_SHORT_MS 100    /* after a life of less than a second: let go what its last life held */
#define STATE_MS       1000   /* the state is tried again after so long: the disk was full */
#define STATE_LOOK_MS  5000   /* is it still there? Who tidies up in run/ takes from gnatterctl what it looks for */
#define TURN_MS        50     /* between two looks at something that has no descriptor */
#define LOST           75     /* exit status of the child that migrates: the database went away, try again */
#define AWAY_MS        1000   /* the database is tried again after so long, when it does not answer */
#define SCHEMA_MS      30000  /* the schema is, when that fails and devices are served: each try may hold them up */
#define DESCRIPTORS    262144 /* more costs memory: libwebsockets has a table of them */

enum phase {
    PHASE_DATABASE, /* PostgreSQL is starting, or the schema is to be tried again */
    PHASE_SCHEMA,   /* a child brings the schema up to date */
    PHASE_SERVE,    /* everything runs, or is started again */
    PHASE_STOP,
};
struct life {
    struct process process; /* pid 0: not running */
    int watch_fd;           /* pidfd; -1: look at it each turn */
    int64_t started_ms;
    int64_t start_at_ms; /* when to start it; -1: not now */
    int64_t died_ms[DEATHS];
    unsigned int deaths;
};
struct supervisor {
    struct supervision *supervision;
    const struct node *node;
    enum phase phase;
    struct life life[PARTS];
    struct life schema;    /* the child that migrates */
    int schema_fd;         /* what it says */
    char schema_why[1024]; /* said last: why the schema is not this version's; "": it is, or was not tried */
    int signal_fd;
    int64_t state_at_ms; /* when to write the state again, which failed; 0: it is written */
    bool failed;
};

static void say(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const char *level, const char *format, ...)
{
    char time_text[32], text[1024];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    gmtime_r(&now.tv_sec, &utc);
    (void)strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    fprintf(stderr, "%s.%03ldZ %s supervisor %s\n", time_text, now.tv_nsec / 1000000, level, text);
}

/* To whoever waits for the start. */
static void tell(const struct supervisor *s, enum report_kind kind, const char *text)
{
    const char *record = text_format("%c%s", kind, text);
    if (s->supervision->report_fd >= 0)
        (void)!write(s->supervision->report_fd, record, strlen(record)); /* nobody waits any more */
}

static const char *one_line(const char *text)
{
    char *line = text_format("%s", text);
    for (char *at = line; *at; at++)
        if (*at == '\n')
            *at = ' ';
    return line;
}

static void report(struct supervisor *s, const char *text)
{
    const char *line = one_line(text);
    say("error", "start %s", line);
    tell(s, REPORT_FAILED, line);
}

static void write_state(struct supervisor *s)
{
    struct parts parts = {0};
    (void)process_identify(getpid(), &parts.supervisor); /* we are alive */
    for (int id = 0; id < PARTS; id++)
        parts.part[id] = s->life[id].process;
    if (parts_write(s->node, &parts) == DONE) {
        s->state_at_ms = 0;
        return;
    }
    if (!s->state_at_ms)
        say("error", "state not written: until it is, gnatterctl may not find the parts");
    s->state_at_ms = clock_ms() + STATE_MS;
}

static void watch(struct life *life, struct process process)
{
    life->process = process;
    life->watch_fd = process_watch(process);
    life->started_ms = clock_ms();
    life->start_at_ms = -1;
}

/* Plans its next start. True when it has died too often too fast. */
static bool plan(struct life *life, int64_t now_ms)
{
    life->died_ms[life->deaths++ % DEATHS] = now_ms;
    bool often = life->deaths >= DEATHS && now_ms - life->died_ms[life->deaths % DEATHS] < DEATHS_MS;
    int pause_ms = often ? PAUSE_LONG_MS : now_ms - life->started_ms < 1000 ? PAUSE_SHORT_MS : 0;
    life->start_at_ms = now_ms + pause_ms;
    return often;
}

static void start(struct supervisor *s, enum part_id id)
{
    struct life *life = &s->life[id];
    struct process process;
    if (part_start(s->node, id, &process)) {
        watch(life, process);
        say("info", "started part=%s pid=%ld", part_rows[id].name, (long)process.pid);
    } else {
        const char *why = strerror(errno);
        life->started_ms = clock_ms();
        say("error", "start-failed part=%s why=\"%s\"", part_rows[id].name, why);
        if (plan(life, life->started_ms))
            report(s, text_format("%s cannot be started: %s", part_rows[id].name, why));
    }
    write_state(s);
}

static void on_death(struct supervisor *s, enum part_id id, int state, bool has_state)
{
    struct life *life = &s->life[id];
    const char *how = !has_state           ? "unknown"
                      : WIFSIGNALED(state) ? text_format("signal-%d", WTERMSIG(state))
                                           : text_format("exit-%d", WEXITSTATUS(state));
    say("warning", "died part=%s pid=%ld how=%s", part_rows[id].name, (long)life->process.pid, how);
    if (life->watch_fd >= 0)
        (void)close(life->watch_fd);
    life->watch_fd = -1;
    life->process.pid = 0;
    if (plan(life, clock_ms()))
        report(s, text_format("%s keeps dying: %s (see %s)", part_rows[id].name,
                              part_last_words(s->node, part_rows[id].log_file),
                              node_path(s->node, part_rows[id].log_file)));
    write_state(s);
}

/* ---- the schema ---- */

/* Said when it is new, not at each try. */
static void schema_later(struct supervisor *s, bool is_away, const char *why)
{
    s->phase = PHASE_DATABASE;
    s->schema.start_at_ms = clock_ms() + (is_away ? AWAY_MS : SCHEMA_MS);
    if (!strcmp(s->schema_why, why))
        return;
    (void)snprintf(s->schema_why, sizeof(s->schema_why), "%s", why);
    tell(s, is_away ? REPORT_AWAY : REPORT_LATER, why);
    if (is_away)
        say("warning", "schema-again why=\"%s\" what=\"it is tried again each second\"", why);
    else
        say("error",
            "schema-failed why=\"%s\" what=\"mend this: the node goes on with the schema that is there, and tries "
            "again every %d s, or at once on gnatterctl reload\"",
            why, SCHEMA_MS / 1000);
}

static void schema_start(struct supervisor *s)
{
    int out[2];
    bool has_pipe = pipe(out) == 0;
    pid_t pid = has_pipe ? fork() : -1;
    if (pid < 0) {
        schema_later(s, true, text_format("no process could be started for it: %s", strerror(errno)));
        if (has_pipe)
            (void)close(out[0]), (void)close(out[1]); /* nothing was written there */
        return;
    }
    if (pid == 0) {
        int done;
        bool was_lost;
        sigset_t none;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail; its transaction is undone */
        (void)close(s->supervision->lock_fd);   /* or a killed supervisor would look alive as long as this runs */
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
        (void)dup2(out[1], STDERR_FILENO);
        const char *lock_wait = s->supervision->was_serving ? MIGRATE_LOCK_WAIT_SERVING : MIGRATE_LOCK_WAIT;
        enum result result = migrate(s->node, lock_wait, &done, &was_lost);
        _exit(was_lost ? LOST : (int)result);
    }
    (void)close(out[1]);
    struct process process;
    if (!process_identify(pid, &process))
        process = (struct process){pid, 0};
    s->schema_fd = out[0];
    watch(&s->schema, process);
    s->phase = PHASE_SCHEMA;
}

static void start_missing(struct supervisor *s)
{
    for (int id = PART_BROKER; id < PARTS; id++)
        if (!s->life[id].process.pid && s->life[id].start_at_ms < 0)
            start(s, (enum part_id)id);
}

static void on_schema_done(struct supervisor *s, int state)
{
    char words[1024];
    ssize_t len = read(s->schema_fd, words, sizeof(words) - 1);
    words[len > 0 ? len : 0] = '\0';
    (void)close(s->schema_fd);
    if (s->schema.watch_fd >= 0)
        (void)close(s->schema.watch_fd);
    s->schema = (struct life){.watch_fd = -1, .start_at_ms = -1};
    if (s->phase == PHASE_STOP)
        return;
    bool is_done = WIFEXITED(state) && WEXITSTATUS(state) == DONE, was_serving = s->supervision->was_serving;
    bool is_away = WIFEXITED(state) && WEXITSTATUS(state) == LOST;
    const char *text = one_line(text_trim(words));
    const char *why = !strncmp(text, "gnatterctl: ", 12) ? text + 12 : "the schema could not be brought up to date";
    if (is_done) {
        s->phase = PHASE_SERVE;
        if (s->schema_why[0])
            say("info", "schema-settled");
        s->schema_why[0] = '\0';
        tell(s, REPORT_SETTLED, "");
    } else if (is_away || was_serving) {
        schema_later(s, is_away, why);
    } else {
        report(s, why);
        s->failed = true;
        s->phase = PHASE_STOP;
    }
    if (is_done || was_serving)
        start_missing(s);
}

/* ---- one turn ---- */

static bool has_ended(const struct life *life)
{
    return life->process.pid && !process_alive(life->process);
}

/* Children first, with how they ended; then what an earlier supervisor started; grandchildren that came to us are let
 * go. */
static void reap(struct supervisor *s)
{
    int state;
    pid_t pid;
    while ((pid = waitpid(-1, &state, WNOHANG)) > 0) {
        if (pid == s->schema.process.pid)
            on_schema_done(s, state);
        for (int id = 0; id < PARTS; id++)
            if (pid == s->life[id].process.pid)
                on_death(s, (enum part_id)id, state, true);
    }
    for (int id = 0; id < PARTS; id++)
        if (has_ended(&s->life[id]))
            on_death(s, (enum part_id)id, 0, false);
}

static void on_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            say("info", "stopping signal=%u from=%u", info.ssi_signo, info.ssi_pid);
            s->phase = PHASE_STOP;
        } else if (info.ssi_signo == SIGHUP) {
            bool changed;
            struct node_conf conf;
            say("info", "reload");
            if (s->phase == PHASE_DATABASE)
                s->schema.start_at_ms = -1; /* what kept the schema back may be mended */
            if (node_conf_again(s->node, &conf) != DONE || broker_limits_write(s->node, &conf, &changed) != DONE)
                say("error", "limits-not-written what=\"the broker keeps its limits\"");
            if (file_exists(s->node->dir_fd, NODE_BROKER_BENCH))
                say("warning", "bench-mode-on until=\"gnatterctl bench-mode off\"");
            if (broker_files_copy(s->node, &changed) != DONE)
                say("error", "files-not-copied what=\"the broker keeps its certificates\"");
            for (int id = 0; id < PARTS; id++)
                if (s->life[id].process.pid)
                    (void)kill(s->life[id].process.pid, SIGHUP); /* it has just ended: the new one reads everything */
        }
    }
}

static int wait_ms(const struct supervisor *s)
{
    int64_t now_ms = clock_ms(), until_ms = now_ms + STATE_LOOK_MS;
    if (s->phase == PHASE_DATABASE)
        until_ms = s->schema.start_at_ms > now_ms + TURN_MS ? s->schema.start_at_ms : now_ms + TURN_MS;
    if (s->state_at_ms && s->state_at_ms < until_ms)
        until_ms = s->state_at_ms;
    for (int id = 0; id < PARTS; id++) {
        const struct life *life = &s->life[id];
        if (life->process.pid && life->watch_fd < 0 && until_ms > now_ms + 200)
            until_ms = now_ms + 200; /* a kernel without pidfds */
        if (life->start_at_ms >= 0 && life->start_at_ms < until_ms)
            until_ms = life->start_at_ms;
    }
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

static void turn(struct supervisor *s)
{
    struct pollfd polled[PARTS + 2];
    nfds_t polled_len = 0;
    polled[polled_len++] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
    for (int id = 0; id < PARTS; id++)
        polled[polled_len++] = (struct pollfd){.fd = s->life[id].watch_fd, .events = POLLIN};
    polled[polled_len++] = (struct pollfd){.fd = s->schema.watch_fd, .events = POLLIN};
    (void)poll(polled, polled_len, wait_ms(s)); /* whatever it says, everything is looked at */
    const void *mark = text_mark();
    on_signals(s);
    reap(s);
    int64_t now_ms = clock_ms();
    for (int id = 0; id < PARTS && s->phase != PHASE_STOP; id++)
        if (s->life[id].start_at_ms >= 0 && s->life[id].start_at_ms <= now_ms &&
            part_is_ours(s->node, (enum part_id)id))
            start(s, (enum part_id)id);
    bool is_state_due = s->state_at_ms ? s->state_at_ms <= now_ms : !parts_are_written(s->node);
    if (is_state_due && s->phase != PHASE_STOP)
        write_state(s);
    if (s->phase == PHASE_DATABASE && s->schema.start_at_ms <= now_ms &&
        (!s->node->conf.postgres_port || postgres_answers(s->node)))
        schema_start(s);
    text_release(mark);
}

/* ---- beginning and end ---- */

/* What an earlier supervisor left goes on undisturbed, unless its settings are others now. */
static void take_over(struct supervisor *s)
{
    struct parts left;
    parts_read(s->node, &left);
    for (int id = PARTS - 1; id >= 0; id--) {
        struct life *life = &s->life[id];
        *life = (struct life){.watch_fd = -1, .start_at_ms = -1};
        if (!left.part[id].pid)
            continue;
        if (s->supervision->replace[id]) {
            say("info", "replacing part=%s pid=%ld", part_rows[id].name, (long)left.part[id].pid);
            (void)part_stop((enum part_id)id, left.part[id]); /* killed or not: it is gone */
        } else {
            watch(life, left.part[id]);
            say("info", "taken-over part=%s pid=%ld", part_rows[id].name, (long)left.part[id].pid);
        }
    }
}

static void stop_all(struct supervisor *s)
{
    if (s->schema.process.pid)
        (void)kill(s->schema.process.pid, SIGKILL); /* its transaction is undone */
    for (int id = PARTS - 1; id >= 0; id--) {
        struct process process = s->life[id].process;
        if (process.pid && !part_stop((enum part_id)id, process))
            say("error", "killed part=%s pid=%ld why=\"did not stop in %d ms\"", part_rows[id].name, (long)process.pid,
                part_rows[id].stop_ms);
        else if (process.pid)
            say("info", "stopped part=%s pid=%ld", part_rows[id].name, (long)process.pid);
        s->life[id].process.pid = 0;
        write_state(s);
    }
}

static bool open_log(const struct node *node, bool keep_stderr)
{
    if (keep_stderr)
        return true;
    int fd = openat(node->dir_fd, LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0 && null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(null_fd, 1) == 1 && dup2(fd, 2) == 2;
    if (fd > 2)
        (void)close(fd);
    if (null_fd > 2)
        (void)close(null_fd);
    return ok;
}

/* A device is a descriptor of the broker: as many as we may, and as root at least enough for a large node. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    struct rlimit more = {DESCRIPTORS, limit.rlim_max > DESCRIPTORS ? limit.rlim_max : DESCRIPTORS};
    if (limit.rlim_max < DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &more) == 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* then it is as it was */
}

enum result supervise(struct supervision *supervision)
{
    struct supervisor s = {
        .supervision = supervision, .node = supervision->node, .schema = {.watch_fd = -1, .start_at_ms = -1}};
    sigset_t handled;
    (void)sigemptyset(&handled);
    for (int i = 0; i < 4; i++)
        (void)sigaddset(&handled, ((const int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD})[i]);
    (void)sigprocmask(SIG_BLOCK, &handled, NULL); /* cannot fail with these arguments */
    (void)signal(SIGPIPE, SIG_IGN);
    s.signal_fd = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    raise_descriptors();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* an old kernel: what a killed part leaves goes to init instead */
    if (s.signal_fd < 0 || !open_log(s.node, supervision->report_fd < 0))
        return fail("cannot supervise: %s", strerror(errno));
    const char *pid = text_format("%ld\n", (long)getpid());
    if (ftruncate(supervision->lock_fd, 0) != 0 || pwrite(supervision->lock_fd, pid, strlen(pid), 0) < 0)
        return fail("cannot write %s: %s", node_path(s.node, LOCK_FILE), strerror(errno));
    say("info", "begin dir=%s", s.node->dir);
    if (!supervision->limits)
        say("warning", "rate-limits-off until=\"the next up without --limits off\"");
    if (bench_is_on(s.node))
        say("warning", "bench-mode-on until=\"gnatterctl bench-mode off\"");
    take_over(&s);
    if (part_is_ours(s.node, PART_POSTGRES) && !s.life[PART_POSTGRES].process.pid)
        start(&s, PART_POSTGRES);
    write_state(&s);
    while (s.phase != PHASE_STOP)
        turn(&s);
    stop_all(&s);
    (void)unlinkat(s.node->dir_fd, LOCK_FILE, 0); /* still locked: see lock_take */
    (void)unlinkat(s.node->dir_fd, PARTS_FILE, 0);
    say("info", "end");
    (void)close(s.signal_fd);
    return s.failed ? REFUSED : DONE;
}
