#include "file.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_upto(int at_fd, const char *path, off_t bytes_max, char **ret_text, size_t *ret_len)
{
    int fd = openat(at_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE;
    enum status status = STATUS_UNAVAILABLE;
    struct stat about;
    if (fstat(fd, &about) != 0)
        goto out;
    if (about.st_size > bytes_max) {
        status = STATUS_TOO_LARGE;
        errno = EFBIG;
        goto out;
    }
    char *text = text_copy(NULL, 0);
    size_t len = 0;
    if (about.st_size > 0) {
        char *buf = text_room((size_t)about.st_size + 1);
        while (len < (size_t)about.st_size) {
            ssize_t got = read(fd, buf + len, (size_t)about.st_size - len);
            if (got < 0)
                goto out;
            if (got == 0)
                break;
            len += (size_t)got;
        }
        buf[len] = '\0';
        text = buf;
    }
    *ret_text = text;
    if (ret_len)
        *ret_len = len;
    status = STATUS_OK;
out:
    (void)close(fd); /* was only read */
    return status;
}

enum status file_read(int at_fd, const char *path, char **ret_text, size_t *ret_len)
{
    return read_upto(at_fd, path, FILE_BYTES_MAX, ret_text, ret_len);
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        text += done;
        len -= (size_t)done;
    }
    return true;
}

enum status file_write(int at_fd, const char *path, const char *text, size_t len, mode_t mode, uid_t uid, gid_t gid)
{
    const char *beside = text_format("%s.new.%ld", path, (long)getpid());
    /* Left by a process with our id that was killed: in a container it is always the same. */
    (void)unlinkat(at_fd, beside, 0);
    int fd = openat(at_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return STATUS_UNAVAILABLE;
    bool ok = write_all(fd, text, len) && ((uid == (uid_t)-1 && gid == (gid_t)-1) || fchown(fd, uid, gid) == 0) &&
              fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && renameat(at_fd, beside, at_fd, path) == 0)
        return STATUS_OK;
    error = ok ? errno : error;
    (void)unlinkat(at_fd, beside, 0); /* a leftover harms nobody */
    errno = error;
    return STATUS_UNAVAILABLE;
}

/* A library is a few hundred kilobytes, with a sanitizer some megabytes. */
#define COPY_BYTES_MAX (64 * 1024 * 1024)

enum status file_copy(const char *from, int at_fd, const char *to, mode_t mode, uid_t uid, gid_t gid, bool *ret_changed)
{
    char *text, *old;
    size_t len, old_len;
    enum status status = read_upto(AT_FDCWD, from, COPY_BYTES_MAX, &text, &len);
    if (status != STATUS_OK)
        return status;
    if (read_upto(at_fd, to, COPY_BYTES_MAX, &old, &old_len) == STATUS_OK && old_len == len &&
        !memcmp(old, text, len)) {
        *ret_changed = false;
        return STATUS_OK;
    }
    status = file_write(at_fd, to, text, len, mode, uid, gid);
    if (status == STATUS_OK)
        *ret_changed = true;
    return status;
}

enum status file_update(int at_fd, const char *path, const char *text, mode_t mode, bool *ret_changed)
{
    char *old;
    size_t old_len;
    size_t len = strlen(text);
    enum status status = file_read(at_fd, path, &old, &old_len);
    if (status == STATUS_OK && old_len == len && !memcmp(old, text, len)) {
        *ret_changed = false;
        return STATUS_OK;
    }
    status = file_write(at_fd, path, text, len, mode, (uid_t)-1, (gid_t)-1);
    if (status == STATUS_OK)
        *ret_changed = true;
    return status;
}

enum status file_folder(int at_fd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
    if (mkdirat(at_fd, path, 0700) != 0 && errno != EEXIST)
        return STATUS_UNAVAILABLE;
    int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return STATUS_UNAVAILABLE;
    bool ok = ((uid == (uid_t)-1 && gid == (gid_t)-1) || fchown(fd, uid, gid) == 0) && fchmod(fd, mode) == 0;
    int error = errno;
    (void)close(fd); /* was only read */
    errno = error;
    return ok ? STATUS_OK : STATUS_UNAVAILABLE;
}

bool file_exists(int at_fd, const char *path)
{
    return faccessat(at_fd, path, F_OK, 0) == 0;
}
