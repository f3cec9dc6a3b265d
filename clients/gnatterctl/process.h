#ifndef GNATTER_CTL_PROCESS_H
#define GNATTER_CTL_PROCESS_H
/* Processes: starting one with a working directory, account and log of its own; knowing one again later. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "account.h"

/* A process id is given anew after its process is gone; with its start time it names one process for ever. */
struct process {
    pid_t pid; /* 0: none */
    uint64_t start_ticks;
};
struct launch {
    const char *program;
    char *const *argv;
    const struct account *account; /* NULL: ours */
    int cwd_fd;                    /* -1: "/" */
    int input_fd;                  /* -1: /dev/null */
    int log_fd;                    /* its output and errors */
    int keep_fd;                   /* -1, or one that stays open as PROCESS_KEPT_FD */
    char *const *environment;      /* NULL: ours */
};
#define PROCESS_KEPT_FD 3
/* A link that the kernel follows without looking at the folders above: works where those are closed to the account. */
#define PROCESS_KEPT_PATH "/proc/self/fd/3"

/* Starts it with default signals and no other descriptors. False with errno, also when the program cannot be run. */
bool process_start(const struct launch *launch, struct process *ret_process);
/* Starts it and waits; the exit status, 128 + signal, or -1 with errno. */
int process_run(const struct launch *launch);
bool process_alive(struct process process);
bool process_identify(pid_t pid, struct process *ret_process); /* its start time, if it is alive */
bool process_has_open(pid_t pid, const struct stat *file);     /* false also when this may not be seen */
int64_t process_since_unix_s(struct process process);
/* Becomes readable when the process ends, also when it is not our child. -1 with errno. */
int process_watch(struct process process);
/* Waits that long for its end. */
bool process_wait(struct process process, int timeout_ms);
/* The program's name and its listeners' owner for messages: "mosquitto (pid 12)" or "another process". */
const char *process_describe(pid_t pid);
int64_t clock_ms(void); /* monotonic */
void nap_ms(int ms);
#endif
