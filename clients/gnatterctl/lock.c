#include "lock.h"
#include "file.h"
#include "output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int lock_take(const struct node *node)
{
    for (;;) {
        int fd = openat(node->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        struct stat about;
        if (fd < 0) {
            (void)fail("cannot write %s: %s", node_path(node, LOCK_FILE), strerror(errno));
            return -2;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            (void)close(fd);
            return -1;
        }
        if (fstat(fd, &about) == 0 && about.st_nlink > 0)
            return fd;
        (void)close(fd); /* its holder has just stopped and removed it: there will be another file */
    }
}

bool lock_find(const struct node *node, struct process *ret_process)
{
    char *text;
    struct stat about;
    *ret_process = (struct process){0};
    int fd = openat(node->dir_fd, LOCK_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* no supervisor is without it */
    bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (is_held && fstat(fd, &about) == 0 && file_read(node->dir_fd, LOCK_FILE, &text, NULL) == STATUS_OK) {
        pid_t pid = (pid_t)strtol(text, NULL, 10);
        /* the id may be a stranger's by now: who has the lock has the file open */
        if (!process_has_open(pid, &about) || !process_identify(pid, ret_process))
            ret_process->pid = 0;
    }
    (void)close(fd); /* was only looked at */
    return is_held;
}
