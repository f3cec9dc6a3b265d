/* up, down, reload: a node's life as its operator sees it. */
#include "bench.h"
#include "broker.h"
#include "certificate.h"
#include "init.h"
#include "lock.h"
#include "output.h"
#include "ports.h"
#include "postgres.h"
#include "state.h"
#include "supervise.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UP_MS     60000  /* until a device can chat: a crashed cluster may have much to recover */
#define DOWN_MS   110000 /* all the parts' own times together, and some more */
#define WHO_MS    3000   /* a supervisor that begins has written its process id */
#define SCHEMA_MS 7000   /* what was there serves: so long we wait to see whether the schema can be settled */
#define LOOK_MS   50

static cJSON *endpoints_json(const struct node_conf *conf)
{
    cJSON *array = cJSON_CreateArray();
    const char *plain = address_to_reach(conf->listen), *tls = address_to_reach(conf->tls_listen);
    const struct {
        const char *scheme, *address;
        int64_t port;
    } rows[] = {{"mqtt", plain, conf->mqtt_port},
                {"ws", plain, conf->ws_port},
                {"mqtts", tls, conf->mqtts_port},
                {"wss", tls, conf->wss_port}};
    for (size_t i = 0; i < (conf->tls_cert[0] ? 4U : 2U); i++) {
        bool is_v6 = strchr(rows[i].address, ':');
        (void)cJSON_AddItemToArray(
            array, cJSON_CreateString(text_format("%s://%s%s%s:%lld", rows[i].scheme, is_v6 ? "[" : "", rows[i].address,
                                                  is_v6 ? "]" : "", (long long)rows[i].port)));
    }
    return array;
}

static void print_up(const struct args *args, const struct node *node, bool was_up)
{
    bool limits = !broker_limits_are_off(node);
    cJSON *endpoints = endpoints_json(&node->conf);
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(object, "dir", node->dir);
        (void)cJSON_AddBoolToObject(object, "was_up", was_up);
        (void)cJSON_AddBoolToObject(object, "limits", limits);
        (void)cJSON_AddItemToObject(object, "endpoints", endpoints);
        output_json(object);
    } else {
        printf("the node in %s is %sup:\n", node->dir, was_up ? "already " : "");
        for (const cJSON *endpoint = endpoints->child; endpoint; endpoint = endpoint->next)
            printf("  %s\n", endpoint->valuestring);
        cJSON_Delete(endpoints);
    }
    (void)fflush(stdout);                        /* checked at the end */
    if (!address_is_loopback(node->conf.listen)) /* with --plain-exposed, then or now, or by hand in gnatter.conf */
        note("%s CAN BE REACHED FROM OUTSIDE WITHOUT TLS: tokens travel as they are, unless something in front adds it",
             node->conf.listen);
    if (!limits)
        note("RATE LIMITS ARE OFF until the next up without --limits off");
    if (bench_is_on(node))
        note("BENCH MODE IS ON: one password opens the node to load generators (gnatterctl bench-mode off)");
}

/* The schema is this version's when a fresh node serves; where an earlier supervisor's parts do, it may not be. */
static void note_schema(const struct node *node, int kind, const char *words)
{
    if (kind == REPORT_LATER)
        note("the schema is not this version's: %s; the node goes on with the one it has, and tries again: see %s",
             words, node_path(node, "log/supervisor.log"));
    else if (kind != REPORT_SETTLED)
        note("the schema is still being brought up to date: %s says when it is", node_path(node, "log/supervisor.log"));
}

/* Until a device could chat, or the supervisor says or shows that this will not be. */
static enum result wait_up(const struct node *node, int report_fd, int64_t until_ms)
{
    char record[1024] = "", *words = record + 1;
    int kind = report_fd < 0 ? REPORT_SETTLED : 0; /* what was reported last */
    int64_t settle_ms = 0;
    for (;;) {
        struct node_state state;
        const void *mark = text_mark();
        node_state_look(node, &state);
        node_state_done(&state);
        if (!state.why && !state.parts.is_told)
            state.why = "its supervisor has not begun"; /* what runs may be what the last one left */
        bool is_up = !state.why || state.is_standing_by;
        if (is_up && !settle_ms)
            settle_ms = clock_ms() + SCHEMA_MS < until_ms ? clock_ms() + SCHEMA_MS : until_ms;
        if (is_up && (kind == REPORT_SETTLED || kind == REPORT_LATER || clock_ms() >= settle_ms)) {
            if (state.is_standing_by)
                note("%s", state.why);
            note_schema(node, kind, words);
            return DONE;
        }
        struct pollfd waiting = {.fd = report_fd, .events = POLLIN};
        if (poll(&waiting, 1, LOOK_MS) == 1) {
            ssize_t len = read(report_fd, record, sizeof(record) - 1);
            record[len > 0 ? len : 0] = '\0';
            kind = (unsigned char)record[0];
            if (kind == REPORT_FAILED)
                return fail("the node does not come up: %s", words);
            if (!kind)
                return fail("the node does not come up: its supervisor ended; see %s",
                            node_path(node, "log/supervisor.log"));
        }
        if (clock_ms() >= until_ms)
            return fail("the node did not come up in %d s: %s; see the logs in %s", UP_MS / 1000,
                        kind == REPORT_AWAY || !state.why ? words : state.why, node_path(node, "log"));
        text_release(mark);
    }
}

/* What our caller left open, such as a lock of its own, would be held as long as the node is up. Ours all close at
 * exec. */
static void close_inherited(void)
{
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            (void)close(fd); /* nothing of ours was written there */
    }
}

/* The supervisor in the background. Returns in the caller only; *ret_report_fd ends when the supervisor does. */
static bool start_background(struct supervision *supervision, int *ret_report_fd)
{
    int report[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(report[0]);
        supervision->report_fd = report[1];
        (void)setsid(); /* a fresh child leads no group: cannot fail */
        if (fork() != 0)
            _exit(0);
        close_inherited();
        (void)!fchdir(supervision->node->dir_fd); /* anywhere but where the caller was, whose folder may go away */
        _exit((int)supervise(supervision));
    }
    (void)close(report[1]);
    if (pid < 0) {
        (void)close(report[0]);
        return false;
    }
    (void)waitpid(pid, NULL, 0); /* it has only started the other */
    *ret_report_fd = report[0];
    return true;
}

static enum result stop_node(const struct node *node, bool *ret_was_up);

static enum result up_background(const struct args *args, struct supervision *supervision)
{
    const struct node *node = supervision->node;
    int report_fd;
    bool was_up;
    if (!start_background(supervision, &report_fd))
        return fail("cannot start the supervisor: %s", strerror(errno));
    (void)close(supervision->lock_fd); /* the supervisor has it */
    enum result result = wait_up(node, report_fd, clock_ms() + UP_MS);
    (void)close(report_fd);
    if (result == DONE)
        print_up(args, node, false);
    else if (!supervision->was_serving)
        (void)stop_node(node, &was_up); /* nothing half-started stays; why was said */
    return result;
}

/* The supervisor is this process; a child of it waits and tells. */
static enum result up_foreground(const struct args *args, struct supervision *supervision)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail; what it has to tell is of no use then */
        (void)close(supervision->lock_fd);
        if (wait_up(supervision->node, -1, clock_ms() + UP_MS) == DONE)
            print_up(args, supervision->node, false);
        else
            note("it is tried on; SIGTERM ends that");
        _exit(0);
    }
    return supervise(supervision);
}

static enum result already_up(const struct args *args, struct node *node)
{
    bool changed;
    struct args asked = *args;
    int64_t *const ports[] = {&asked.mqtt_port, &asked.ws_port, &asked.mqtts_port, &asked.wss_port};
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        if (*ports[i] == 0)
            *ports[i] = -1; /* any port: the one it has */
    enum result result = node_apply_args(node, &asked, &changed);
    if (result != DONE)
        return result;
    if (changed)
        return fail("the node is up with other settings: gnatterctl down first, then up changes them");
    if (args->limits && !strcmp(args->limits, "off") != broker_limits_are_off(node))
        return fail("the node is up with limits %s: gnatterctl down first, then up changes that",
                    broker_limits_are_off(node) ? "off" : "on");
    result = wait_up(node, -1, clock_ms() + UP_MS); /* somebody may be starting it just now */
    if (result == DONE)
        print_up(args, node, true);
    return result;
}

/* A node stays its maker's: another account's parts could not open what is there. */
static enum result owner_check(const struct node *node)
{
    const char *owner = node_other_owner(node);
    return owner ? fail("the node in %s was made by user %s: run this as that user", node->dir, owner) : DONE;
}

/* Brings the configuration up to what the command line says, and finds what an earlier supervisor left behind. */
static enum result prepare(const struct args *args, struct node *node, bool is_new, struct supervision *supervision)
{
    bool changed = false;
    struct parts left;
    (void)unlinkat(node->dir_fd, NODE_UNFINISHED, 0); /* it is made: see init */
    parts_read(node, &left);
    supervision->was_serving = left.part[PART_BROKER].pid || left.part[PART_SYNCD].pid;
    enum result result = is_new ? DONE : node_apply_args(node, args, &changed);
    if (result == DONE && node->conf.postgres_port && !left.part[PART_POSTGRES].pid)
        result = postgres_port_check(node);
    if (result == DONE)
        result = broker_ports_check(node, left.part[PART_BROKER].pid);
    if (result == DONE)
        result = node_save(node, &supervision->replace[PART_SYNCD]);
    if (result == DONE)
        result = broker_files_copy(node, &changed);
    if (result == DONE)
        result = bench_apply(node);
    bool limits_changed = false;
    if (result == DONE)
        result = broker_limits_write(node, &node->conf, &limits_changed);
    if (result == DONE)
        result = broker_conf_write(node, supervision->limits, &supervision->replace[PART_BROKER]);
    supervision->replace[PART_BROKER] = supervision->replace[PART_BROKER] || changed || limits_changed;
    return result;
}

/* -1: another supervisor is at work. One that was killed may leave its lock with a child for a moment. */
static int lock_or_find(const struct node *node)
{
    for (int64_t until_ms = clock_ms() + UP_MS;;) {
        int fd = lock_take(node);
        struct parts parts;
        parts_read(node, &parts);
        if (fd != -1 || parts.supervisor.pid || clock_ms() >= until_ms)
            return fd;
        (void)poll(NULL, 0, LOOK_MS); /* a pause */
    }
}

enum result command_up(struct args *args)
{
    if (args->limits && strcmp(args->limits, "on") != 0 && strcmp(args->limits, "off") != 0)
        return fail_usage("--limits takes on or off, not \"%s\"", args->limits);
    bool is_new = !node_exists(args->dir);
    if (!is_new && args->database)
        return fail("--database is for a new node, and there is one in %s", args->dir);
    struct node node;
    enum result result = is_new ? node_make(args) : DONE;
    if (result != DONE || (result = node_open(args, &node)) != DONE)
        return result;
    struct supervision supervision = {
        .node = &node, .report_fd = -1, .limits = !args->limits || strcmp(args->limits, "off") != 0};
    if ((result = owner_check(&node)) != DONE || (result = parts_installed(&node)) != DONE)
        goto out;
    supervision.lock_fd = lock_or_find(&node);
    if (supervision.lock_fd == -1)
        result = already_up(args, &node);
    else if (supervision.lock_fd < 0)
        result = REFUSED;
    else if ((result = prepare(args, &node, is_new, &supervision)) == DONE)
        result = args->foreground ? up_foreground(args, &supervision) : up_background(args, &supervision);
out:
    node_close(&node);
    return result;
}

/* Until nobody has its lock: run/parts may be missing, or older than it. *ret_was_up: somebody had. */
static enum result stop_supervisor(const struct node *node, bool *ret_was_up)
{
    *ret_was_up = false;
    for (int64_t until_ms = clock_ms() + WHO_MS;;) {
        struct parts parts;
        parts_read(node, &parts);
        struct process process = parts.supervisor;
        if (!process.pid && !lock_find(node, &process))
            return DONE;
        *ret_was_up = true;
        if (!process.pid && clock_ms() >= until_ms)
            return fail("a supervisor is at work, but which process that is cannot be told: stop the gnatterctl that "
                        "has %s open, and try again",
                        node_path(node, LOCK_FILE));
        if (!process.pid)
            nap_ms(LOOK_MS); /* it begins just now */
        else if (kill(process.pid, SIGTERM) != 0 && errno != ESRCH)
            return fail("cannot stop the supervisor (pid %ld): %s", (long)process.pid, strerror(errno));
        else if (!process_wait(process, DOWN_MS))
            return fail("the supervisor (pid %ld) has not stopped in %d s; see %s", (long)process.pid, DOWN_MS / 1000,
                        node_path(node, "log/supervisor.log"));
        else
            until_ms = clock_ms() + WHO_MS;
    }
}

/* First who starts again what dies, then, had that been killed before, what it left. */
static enum result stop_node(const struct node *node, bool *ret_was_up)
{
    struct parts parts;
    enum result result = stop_supervisor(node, ret_was_up);
    if (result != DONE)
        return result;
    parts_read(node, &parts);
    for (int id = PARTS - 1; id >= 0; id--) {
        *ret_was_up = *ret_was_up || parts.part[id].pid;
        if (parts.part[id].pid && !part_stop((enum part_id)id, parts.part[id]))
            result = fail("%s did not stop in %d s and was killed", part_rows[id].name, part_rows[id].stop_ms / 1000);
        (void)unlinkat(node->dir_fd, part_rows[id].pid_file, 0); /* gone already when the supervisor stopped it */
    }
    (void)unlinkat(node->dir_fd, PARTS_FILE, 0);
    return result;
}

enum result command_down(struct args *args)
{
    struct node node;
    bool was_up;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    result = stop_node(&node, &was_up);
    if (result == DONE) {
        cJSON *object = cJSON_CreateObject();
        (void)cJSON_AddBoolToObject(object, "was_up", was_up);
        output_done(args, object, was_up ? "the node in %s is down" : "the node in %s was not up", node.dir);
    }
    node_close(&node);
    return result;
}

enum result command_reload(struct args *args)
{
    struct node node;
    struct parts parts;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    parts_read(&node, &parts);
    bool is_up = parts.supervisor.pid;
    for (int id = 0; id < PARTS; id++)
        is_up = is_up || parts.part[id].pid;
    if (is_up && (result = parts_service_check(&node)) != DONE)
        goto out; /* it would keep what it has, and only its log would say so */
    const char *why =
        is_up && node.conf.tls_cert[0] ? certificate_why_not(node.conf.tls_cert, node.conf.tls_key) : NULL;
    if (why) {
        result = fail("nothing is reloaded: %s", why);
        goto out;
    }
    if (is_up && node_reload(&node))
        output_done(args, NULL,
                    "broker and service read their keys and configuration again; what needs a restart is in %s",
                    node_path(&node, part_rows[PART_SYNCD].log_file));
    else
        result = fail("the node in %s is not up", node.dir);
out:
    node_close(&node);
    return result;
}
