#include "small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum status small_file_read(const char *path, char *buf, size_t size, size_t *ret_len, char *why, size_t why_size)
{
    size_t len = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        while (len < size && (got = read(fd, buf + len, size - len)) > 0)
            len += (size_t)got;
        (void)close(fd); /* nothing was written */
    }
    if (fd < 0 || got < 0) {
        int error = errno;
        (void)snprintf(why, why_size, "cannot read %s: %s (it must be readable by the broker's user)", path,
                       strerror(error));
        return fd < 0 && error == ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE;
    }
    if (len == size) {
        (void)snprintf(why, why_size, "%s is too large", path);
        return STATUS_TOO_LARGE;
    }
    buf[len] = '\0';
    *ret_len = len;
    return STATUS_OK;
}
