#define _GNU_SOURCE /* pipe2 */
#include "process.h"
#include "text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void nap_ms(int ms)
{
    (void)poll(NULL, 0, ms); /* cut short by a signal: the caller looks again sooner */
}

/* In the child: only calls that are safe after fork. */
static void child(const struct launch *launch, int error_fd)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
    for (int signo = 1; signo < NSIG; signo++)
        (void)signal(signo, SIG_DFL); /* fails for those that have only one meaning */
    (void)umask(077);
    int input = launch->input_fd >= 0 ? launch->input_fd : open("/dev/null", O_RDONLY);
    bool ok = input >= 0;
    /* Highest first, so that no descriptor still needed is overwritten: all originals are moved above 10 beforehand. */
    int kept = launch->keep_fd >= 0 ? fcntl(launch->keep_fd, F_DUPFD, 10) : -1;
    int log = fcntl(launch->log_fd, F_DUPFD, 10);
    input = ok ? fcntl(input, F_DUPFD, 10) : -1;
    int report = fcntl(error_fd, F_DUPFD_CLOEXEC, 10);
    ok = ok && input >= 0 && log >= 0 && report >= 0;
    ok = ok && (launch->cwd_fd >= 0 ? fchdir(launch->cwd_fd) : chdir("/")) == 0;
    ok = ok && dup2(input, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2;
    ok = ok && (kept < 0 || dup2(kept, PROCESS_KEPT_FD) == PROCESS_KEPT_FD);
    /* All others close at exec: ours do anyhow; these are what our caller left open. */
    for (int fd = kept < 0 ? PROCESS_KEPT_FD : PROCESS_KEPT_FD + 1; ok && fd < 1024; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* fails where there is none */
    ok = ok && (!launch->account || account_become(launch->account));
    if (ok)
        (void)execve(launch->program, launch->argv, launch->environment ? launch->environment : environ);
    int error = errno;
    (void)!write(report >= 0 ? report : error_fd, &error, sizeof(error)); /* nobody else to tell */
    _exit(127);
}

bool process_start(const struct launch *launch, struct process *ret_process)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        child(launch, report[1]);
    int error = errno;
    (void)close(report[1]);
    if (pid > 0) {
        int child_error;
        ssize_t got;
        while ((got = read(report[0], &child_error, sizeof(child_error))) < 0 && errno == EINTR)
            ;
        error = got == (ssize_t)sizeof(child_error) ? child_error : 0;
        if (error)
            (void)waitpid(pid, NULL, 0); /* it has ended itself */
    }
    (void)close(report[0]);
    if (pid < 0 || error) {
        errno = error;
        return false;
    }
    if (!process_identify(pid, ret_process))
        *ret_process = (struct process){pid, 0}; /* it has ended already: whoever watches it sees that */
    return true;
}

int process_run(const struct launch *launch)
{
    struct process process;
    if (!process_start(launch, &process))
        return -1;
    int state;
    while (waitpid(process.pid, &state, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

/* Field 3 (state) and field 22 (start time) of /proc/PID/stat; the name before them may hold anything but is in (). */
static bool read_stat(pid_t pid, char *ret_state, uint64_t *ret_start_ticks)
{
    char path[32], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    (void)close(fd); /* was only read */
    if (len <= 0)
        return false;
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    *ret_state = *at;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    *ret_start_ticks = strtoull(at, NULL, 10);
    return true;
}

bool process_identify(pid_t pid, struct process *ret_process)
{
    char state;
    uint64_t start_ticks;
    if (pid <= 0 || !read_stat(pid, &state, &start_ticks) || state == 'Z' || state == 'X')
        return false;
    *ret_process = (struct process){pid, start_ticks};
    return true;
}

bool process_alive(struct process process)
{
    struct process now;
    return process_identify(process.pid, &now) && now.start_ticks == process.start_ticks;
}

bool process_has_open(pid_t pid, const struct stat *file)
{
    struct stat about;
    bool is_found = false;
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    DIR *open_files = opendir(path);
    if (!open_files)
        return false;
    for (const struct dirent *entry; !is_found && (entry = readdir(open_files));)
        is_found = fstatat(dirfd(open_files), entry->d_name, &about, 0) == 0 && about.st_dev == file->st_dev &&
                   about.st_ino == file->st_ino;
    (void)closedir(open_files);
    return is_found;
}

int64_t process_since_unix_s(struct process process)
{
    struct timespec boot, real;
    (void)clock_gettime(CLOCK_BOOTTIME, &boot); /* cannot fail */
    (void)clock_gettime(CLOCK_REALTIME, &real);
    int64_t booted_ms = (real.tv_sec - boot.tv_sec) * 1000 + (real.tv_nsec - boot.tv_nsec) / 1000000;
    return (booted_ms + (int64_t)process.start_ticks * 1000 / sysconf(_SC_CLK_TCK)) / 1000;
}

int process_watch(struct process process)
{
    int fd = (int)syscall(SYS_pidfd_open, process.pid, 0);
    if (fd < 0)
        return -1;
    /* Between finding it alive and opening, another may have taken the number. A child of ours that has ended keeps it.
     */
    char state;
    uint64_t start_ticks;
    if (process.start_ticks && read_stat(process.pid, &state, &start_ticks) && start_ticks != process.start_ticks) {
        (void)close(fd);
        errno = ESRCH;
        return -1;
    }
    return fd;
}

bool process_wait(struct process process, int timeout_ms)
{
    int64_t until_ms = clock_ms() + timeout_ms;
    while (process_alive(process)) {
        if (clock_ms() >= until_ms)
            return false;
        nap_ms(10);
    }
    return true;
}

const char *process_describe(pid_t pid)
{
    char path[32], name[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
    int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t len = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
    if (fd >= 0)
        (void)close(fd); /* was only read */
    if (len <= 0)
        return "another process";
    name[len] = '\0';
    return text_format("%s (pid %ld)", text_trim(name), (long)pid);
}
