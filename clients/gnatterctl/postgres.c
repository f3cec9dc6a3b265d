#define _GNU_SOURCE /* memfd_create */
#include "postgres.h"
#include "database.h"
#include "file.h"
#include "output.h"
#include "ports.h"
#include "secret.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUPERUSER "postgres"
#define PACKAGES  "/usr/lib/postgresql/" /* one folder for each version */

/* Settings of ours; PostgreSQL's own defaults are good where nothing is said, above all fsync and synchronous_commit.
 * min_wal_size: files of the log that are kept are taken again; to make a new one of 16 MiB holds all commits up. */
static const char settings[] = "\n# ---- Gnatter ----\n"
                               "listen_addresses = '127.0.0.1'\n"
                               "unix_socket_directories = ''\n"
                               "password_encryption = 'scram-sha-256'\n"
                               "max_connections = 50\n"
                               "shared_buffers = '128MB'\n"
                               "fsync = on\n"
                               "synchronous_commit = on\n"
                               "full_page_writes = on\n"
                               "wal_compression = on\n"
                               "min_wal_size = '1GB'\n"
                               "max_wal_size = '2GB'\n"
                               "checkpoint_completion_target = 0.9\n"
                               "timezone = 'UTC'\n"
                               "log_timezone = 'UTC'\n"
                               "logging_collector = off\n"
                               "log_line_prefix = '%m [%p] %q%u@%d %a '\n"
                               "log_min_duration_statement = '1s'\n"
                               "log_checkpoints = off\n";

static const char *in_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        const char *candidate = text_format("%.*s/%s", (int)len, path, name);
        if (len && access(candidate, X_OK) == 0)
            return candidate;
        path += len + (path[len] == ':');
    }
    return NULL;
}

const char *postgres_program(const char *name)
{
    glob_t found;
    const char *best = NULL;
    int best_version = 0;
    if (glob(text_format(PACKAGES "*/bin/%s", name), 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            int version = atoi(found.gl_pathv[i] + strlen(PACKAGES));
            if (version > best_version) {
                best = text_copy(found.gl_pathv[i], strlen(found.gl_pathv[i]));
                best_version = version;
            }
        }
        globfree(&found);
    }
    if (!best)
        best = in_path(name);
    if (!best)
        (void)fail("PostgreSQL's %s is not installed: apt-get install postgresql", name);
    return best;
}

const char *postgres_server(const struct node *node)
{
    char *text;
    if (file_read(node->dir_fd, "postgres/PG_VERSION", &text, NULL) != STATUS_OK) {
        (void)fail("cannot read %s: %s", node_path(node, "postgres/PG_VERSION"), strerror(errno));
        return NULL;
    }
    int version = atoi(text);
    const char *packaged = text_format(PACKAGES "%d/bin/postgres", version);
    if (access(packaged, X_OK) == 0)
        return packaged;
    const char *other = postgres_program("postgres");
    if (!other || strncmp(other, PACKAGES, strlen(PACKAGES)) != 0)
        return other; /* built by somebody: it refuses files of another version itself */
    (void)fail("%s is of PostgreSQL %d, which is not installed: apt-get install postgresql-%d",
               node_path(node, "postgres"), version, version);
    return NULL;
}

static enum result folder_account(struct account *ret_account)
{
    if (account_find(ACCOUNT_DATABASE, ret_account))
        return DONE;
    return fail("PostgreSQL does not run as root, and this system has neither a user postgres nor nobody");
}

/* A file in memory with the password, that the account can read and nobody can find. */
static int password_file(const char *password, const struct account *account)
{
    int fd = memfd_create("password", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = strlen(password);
    bool ok = write(fd, password, len) == (ssize_t)len && write(fd, "\n", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0 &&
              (!account->name || fchown(fd, account->uid, account->gid) == 0);
    if (!ok) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static enum result run_initdb(const struct node *node, const char *password, const struct account *account)
{
    const char *program = postgres_program("initdb");
    if (!program)
        return REFUSED;
    enum result result = REFUSED;
    int password_fd = password_file(password, account);
    int data_fd = openat(node->dir_fd, "postgres", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int log_fd = openat(node->dir_fd, "log/init.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char *argv[] = {text_format("%s", program),
                    "-D",
                    PROCESS_KEPT_PATH,
                    "-U",
                    SUPERUSER,
                    "--pwfile=/proc/self/fd/0",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    NULL};
    struct launch launch = {.program = program,
                            .argv = argv,
                            .account = account,
                            .cwd_fd = -1,
                            .input_fd = password_fd,
                            .log_fd = log_fd,
                            .keep_fd = data_fd};
    if (password_fd < 0 || data_fd < 0 || log_fd < 0) {
        (void)fail("cannot make the database cluster in %s: %s", node_path(node, "postgres"), strerror(errno));
        goto out;
    }
    int status = process_run(&launch);
    if (status < 0)
        (void)fail("cannot run %s: %s", program, strerror(errno));
    else if (status != 0)
        (void)fail("%s failed: see %s", program, node_path(node, "log/init.log"));
    else
        result = DONE;
out:
    if (password_fd >= 0)
        (void)close(password_fd);
    if (data_fd >= 0)
        (void)close(data_fd);
    if (log_fd >= 0)
        (void)close(log_fd); /* the log is not ours to complain about */
    return result;
}

static enum result write_settings(const struct node *node, const struct account *account)
{
    char *text;
    if (file_read(node->dir_fd, "postgres/postgresql.conf", &text, NULL) != STATUS_OK)
        return fail("cannot read %s: %s", node_path(node, "postgres/postgresql.conf"), strerror(errno));
    text = text_format("%s%s", text, settings);
    if (file_write(node->dir_fd, "postgres/postgresql.conf", text, strlen(text), 0600, account->uid, account->gid) !=
        STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, "postgres/postgresql.conf"), strerror(errno));
    return DONE;
}

static void set_port(struct node_conf *conf, int port)
{
    conf->postgres_port = port;
    conf->database = text_format("host=127.0.0.1 port=%d dbname=gnatter user=" SUPERUSER, port);
}

enum result postgres_make(struct node *node)
{
    struct account account;
    char password[SECRET_TEXT_SIZE];
    enum result result = folder_account(&account);
    if (result != DONE)
        return result;
    if (file_folder(node->dir_fd, "postgres", 0700, account.uid, account.gid) != STATUS_OK)
        return fail("cannot make %s: %s", node_path(node, "postgres"), strerror(errno));
    int port = port_free_one("127.0.0.1");
    if (!port)
        return fail("no free port at 127.0.0.1");
    set_port(&node->conf, port);
    secret_make(password);
    result = secret_pgpass(node, NODE_PGPASS, SUPERUSER, password, (uid_t)-1, (gid_t)-1);
    if (result == DONE)
        result = run_initdb(node, password, &account);
    sodium_memzero(password, sizeof(password));
    return result == DONE ? write_settings(node, &account) : result;
}

enum result postgres_port_check(struct node *node)
{
    if (port_is_free("127.0.0.1", (int)node->conf.postgres_port))
        return DONE;
    int port = port_free_one("127.0.0.1");
    if (!port)
        return fail("no free port at 127.0.0.1");
    set_port(&node->conf, port);
    return DONE;
}

/*
 * Where nobody waits for the children of a killed parent (a container without an init), a dead postmaster stays in the
 * list of processes, and PostgreSQL takes it for a living one. What runs in the folder has been looked for before we
 * come here.
 */
static void forget_dead_postmaster(int data_fd)
{
    char *text;
    struct process process;
    if (file_read(data_fd, "postmaster.pid", &text, NULL) != STATUS_OK)
        return;
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    if (pid > 0 && kill(pid, 0) == 0 && !process_identify(pid, &process))
        (void)unlinkat(data_fd, "postmaster.pid", 0); /* if not, PostgreSQL says why it does not start */
}

bool postgres_start(const struct node *node, int log_fd, struct process *ret_process)
{
    struct account account;
    const char *program = postgres_server(node);
    if (!program || !account_find(ACCOUNT_DATABASE, &account)) {
        errno = ENOENT;
        return false;
    }
    int data_fd = openat(node->dir_fd, "postgres", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_fd < 0)
        return false;
    forget_dead_postmaster(data_fd);
    char *argv[] = {text_format("%s", program),
                    "-D",
                    PROCESS_KEPT_PATH,
                    "-p",
                    text_format("%d", (int)node->conf.postgres_port),
                    NULL};
    struct launch launch = {.program = program,
                            .argv = argv,
                            .account = &account,
                            .cwd_fd = -1,
                            .input_fd = -1,
                            .log_fd = log_fd,
                            .keep_fd = data_fd};
    bool ok = process_start(&launch, ret_process);
    int error = errno;
    (void)close(data_fd); /* was only passed on */
    errno = error;
    return ok;
}

bool postgres_answers(const struct node *node)
{
    const char *const keys[] = {"dbname", "connect_timeout", NULL};
    const char *const values[] = {text_format("%s dbname=postgres", node->conf.database), "2", NULL};
    return PQpingParams(keys, values, 1 /* dbname is a conninfo */) == PQPING_OK;
}
