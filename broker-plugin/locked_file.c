#include "locked_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status allocate(int fd, const char *path, uint64_t bytes, char *why, size_t why_size)
{
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == 0)
        return STATUS_OK;
    (void)snprintf(why, why_size, "cannot allocate %llu bytes for %s: %s", (unsigned long long)bytes, path,
                   strerror(error));
    return STATUS_UNAVAILABLE;
}

/* Of one that has no content yet. */
static enum status make(int fd, const char *path, uint64_t bytes, char *why, size_t why_size)
{
    enum status status = allocate(fd, path, bytes, why, why_size);
    if (status != STATUS_OK && ftruncate(fd, 0) != 0) { /* best effort: its missing magic tells it, too */
    }
    return status;
}

enum status locked_file_open(struct locked_file *ret_file, const char *path, uint64_t bytes, char *why, size_t why_size)
{
    struct stat info;
    struct locked_file file = {.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (file.fd < 0) {
        (void)snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
        return STATUS_UNAVAILABLE;
    }
    if (flock(file.fd, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(why, why_size, "%s is in use by another broker", path);
        goto failed;
    }
    if (fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)snprintf(why, why_size, "%s is not a regular file", path);
        goto failed;
    }
    file.bytes = (uint64_t)info.st_size;
    file.was_made = file.bytes == 0;
    if (file.was_made)
        file.bytes = bytes;
    /* An existing one too: it may be sparse, copied that way. What is in it stays, whatever comes of that. */
    if ((file.was_made ? make : allocate)(file.fd, path, file.bytes, why, why_size) != STATUS_OK)
        goto failed;
    *ret_file = file;
    return STATUS_OK;
failed:
    (void)close(file.fd);
    return STATUS_UNAVAILABLE;
}

enum status locked_file_remake(struct locked_file *file, const char *path, uint64_t bytes, char *why, size_t why_size)
{
    if (ftruncate(file->fd, 0) != 0) {
        (void)snprintf(why, why_size, "cannot truncate %s: %s", path, strerror(errno));
        return STATUS_UNAVAILABLE;
    }
    enum status status = make(file->fd, path, bytes, why, why_size);
    if (status == STATUS_OK) {
        file->bytes = bytes;
        file->was_made = true;
    }
    return status;
}

void locked_file_close(struct locked_file *file)
{
    if (file->fd > 0)
        (void)close(file->fd);
    file->fd = -1;
}
