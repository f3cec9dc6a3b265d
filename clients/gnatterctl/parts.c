#define _GNU_SOURCE /* pipe2 */
#include "parts.h"
#include "broker.h"
#include "file.h"
#include "lock.h"
#include "orphan.h"
#include "output.h"
#include "postgres.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_LINES 3 /* an error and what it came from */
#define NO_SYNCD   "gnatter-syncd is not beside gnatterctl: run make, or set GNATTER_SYNCD"

const struct part_row part_rows[PARTS] = {
    [PART_POSTGRES] = {"postgres", "run/postgres.pid", "log/postgres.log", SIGINT /* fast shutdown */, 60000},
    [PART_BROKER] = {"mosquitto", "run/mosquitto.pid", "log/mosquitto.log", SIGTERM, 15000},
    [PART_SYNCD] = {"syncd", "run/syncd.pid", "log/syncd.log", SIGTERM, 20000},
};

void parts_read(const struct node *node, struct parts *ret_parts)
{
    *ret_parts = (struct parts){0};
    char *text;
    if (file_read(node->dir_fd, PARTS_FILE, &text, NULL) != STATUS_OK)
        text = NULL; /* not there */
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        char name[32];
        long pid;
        unsigned long long start_ticks;
        if (sscanf(line, "%31s %ld %llu", name, &pid, &start_ticks) == 3) {
            struct process process = {(pid_t)pid, start_ticks};
            if (!process_alive(process))
                process.pid = 0;
            if (!strcmp(name, "supervisor"))
                ret_parts->supervisor = process;
            for (int id = 0; id < PARTS; id++)
                if (!strcmp(name, part_rows[id].name))
                    ret_parts->part[id] = process;
        }
        line = end ? end + 1 : NULL;
    }
    ret_parts->is_told = ret_parts->supervisor.pid;
    if (!ret_parts->is_told)
        (void)lock_find(node, &ret_parts->supervisor); /* pid 0: nobody that could be named */
    for (int id = 0; id < PARTS && !ret_parts->is_told; id++)
        if (!ret_parts->part[id].pid && part_is_ours(node, (enum part_id)id))
            ret_parts->part[id] = orphan_find(node, (enum part_id)id);
}

static bool write_pid(const struct node *node, const char *name, pid_t pid)
{
    if (!pid)
        return unlinkat(node->dir_fd, name, 0) == 0 || errno == ENOENT;
    const char *text = text_format("%ld\n", (long)pid);
    return file_write(node->dir_fd, name, text, strlen(text), 0644, (uid_t)-1, (gid_t)-1) == STATUS_OK;
}

enum result parts_write(const struct node *node, const struct parts *parts)
{
    const char *text = text_format("supervisor %ld %llu\n", (long)parts->supervisor.pid,
                                   (unsigned long long)parts->supervisor.start_ticks);
    bool ok = true;
    for (int id = 0; id < PARTS; id++) {
        text = text_format("%s%s %ld %llu\n", text, part_rows[id].name, (long)parts->part[id].pid,
                           (unsigned long long)parts->part[id].start_ticks);
        ok = ok && write_pid(node, part_rows[id].pid_file, parts->part[id].pid);
    }
    ok = ok && file_write(node->dir_fd, PARTS_FILE, text, strlen(text), 0644, (uid_t)-1, (gid_t)-1) == STATUS_OK;
    return ok ? DONE : fail("cannot write below %s: %s", node_path(node, "run"), strerror(errno));
}

bool parts_are_written(const struct node *node)
{
    return file_exists(node->dir_fd, PARTS_FILE);
}

bool part_is_ours(const struct node *node, enum part_id id)
{
    return id != PART_POSTGRES || node->conf.postgres_port != 0;
}

static const char *syncd_program(void)
{
    return sibling_path("GNATTER_SYNCD", "gnatter-syncd", "../sbin/gnatter-syncd");
}

/* As root it reads what only root may, and then becomes the account of its configuration by itself. */
static bool syncd_start(const struct node *node, int log_fd, struct process *ret_process)
{
    const char *program = syncd_program();
    if (!program) {
        errno = ENOENT;
        return false;
    }
    char *argv[] = {text_format("%s", program), "--config", NODE_CONF, NULL};
    struct launch launch = {
        .program = program, .argv = argv, .cwd_fd = node->dir_fd, .input_fd = -1, .log_fd = log_fd, .keep_fd = -1};
    return process_start(&launch, ret_process);
}

enum result parts_service_check(const struct node *node)
{
    int told[2];
    const char *program = syncd_program();
    if (!program)
        return fail(NO_SYNCD);
    if (pipe2(told, O_CLOEXEC) != 0)
        return fail("cannot check %s: %s", node_path(node, NODE_CONF), strerror(errno));
    char *argv[] = {text_format("%s", program), "--config", NODE_CONF, "--check", NULL};
    struct launch launch = {
        .program = program, .argv = argv, .cwd_fd = node->dir_fd, .input_fd = -1, .log_fd = told[1], .keep_fd = -1};
    int status = process_run(&launch);
    int error = errno;
    (void)close(told[1]); /* was only inherited */
    char words[1024];
    ssize_t len = status > 0 ? read(told[0], words, sizeof(words) - 1) : 0; /* a line or two: a pipe holds them */
    (void)close(told[0]);                                                   /* was only read */
    if (status == 0)
        return DONE;
    words[len > 0 ? len : 0] = '\0';
    return fail("nothing is reloaded: %s", status < 0 ? strerror(error) : text_trim(words));
}

bool part_start(const struct node *node, enum part_id id, struct process *ret_process)
{
    int log_fd = openat(node->dir_fd, part_rows[id].log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return false;
    bool ok = false;
    switch (id) {
    case PART_POSTGRES:
        ok = postgres_start(node, log_fd, ret_process);
        break;
    case PART_BROKER:
        ok = broker_start(node, log_fd, ret_process);
        break;
    case PART_SYNCD:
        ok = syncd_start(node, log_fd, ret_process);
        break;
    case PARTS:
        break;
    }
    int error = errno;
    (void)close(log_fd); /* the part has its own */
    errno = error;
    return ok;
}

bool part_stop(enum part_id id, struct process process)
{
    bool in_time = true;
    if (!process_alive(process))
        return true;
    (void)kill(process.pid, part_rows[id].stop_signal); /* gone meanwhile: just as well */
    if (!process_wait(process, part_rows[id].stop_ms)) {
        in_time = false;
        (void)kill(process.pid, SIGKILL);
        (void)process_wait(process, 5000); /* nothing more can be done about it */
    }
    (void)waitpid(process.pid, NULL, WNOHANG); /* when it is a child of ours */
    return in_time;
}

/* Through the supervisor, or past one that was killed. */
bool node_reload(const struct node *node)
{
    struct parts parts;
    parts_read(node, &parts);
    if (parts.supervisor.pid)
        return kill(parts.supervisor.pid, SIGHUP) == 0;
    bool told = false, changed;
    if (broker_files_copy(node, &changed) != DONE || broker_limits_write(node, &node->conf, &changed) != DONE)
        return false;
    for (int id = 0; id < PARTS; id++)
        told = (parts.part[id].pid && kill(parts.part[id].pid, SIGHUP) == 0) || told;
    return told;
}

/* What is said again and again is said once. */
static void drop_repeats(char *text)
{
    char *last = text;
    for (char *end; (end = strchr(last, '\n'));) {
        size_t len = (size_t)(end - last);
        char *next = end + 1;
        if (strncmp(next, last, len) == 0 && (next[len] == '\n' || next[len] == '\0'))
            (void)memmove(last, next, strlen(next) + 1);
        else
            last = next;
    }
}

const char *part_last_words(const struct node *node, const char *log_file)
{
    char buf[4096];
    int fd = openat(node->dir_fd, log_file, O_RDONLY | O_CLOEXEC);
    struct stat about;
    ssize_t len = -1;
    if (fd >= 0 && fstat(fd, &about) == 0) {
        off_t from = about.st_size > (off_t)sizeof(buf) - 1 ? about.st_size - (off_t)sizeof(buf) + 1 : 0;
        len = pread(fd, buf, sizeof(buf) - 1, from);
    }
    if (fd >= 0)
        (void)close(fd); /* was only read */
    if (len <= 0)
        return "(its log is empty)";
    buf[len] = '\0';
    char *text = text_trim(buf), *from = text + strlen(text);
    for (int lines = 0; from > text; from--)
        if (from[-1] == '\n' && ++lines == LAST_LINES)
            break;
    drop_repeats(from);
    return text_copy(from, strlen(from));
}

enum result parts_installed(const struct node *node)
{
    if (!broker_program() || !broker_plugin())
        return REFUSED;
    if (!syncd_program())
        return fail(NO_SYNCD);
    if (node->conf.postgres_port && !postgres_server(node))
        return REFUSED;
    return DONE;
}
