/*
 * A disk that is full, for those who may not mount a small one. Preloaded into a node's processes: while the control
 * file names a folder, no file below it grows, and what would make it grow fails with ENOSPC, as on a full disk; what
 * is there can be overwritten. The control file ($FULL_DISK, CONTROL_BYTES long) is empty text when there is room.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONTROL_BYTES 4096
#define ENTRY         __attribute__((visibility("default")))

static const volatile char *control; /* NULL: not asked for */

__attribute__((constructor)) static void control_open(void)
{
    const char *path = getenv("FULL_DISK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *place = mmap(NULL, CONTROL_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (place != MAP_FAILED)
        control = place;
    (void)close(fd); /* the mapping stays */
}

static bool is_below(int fd, const char *folder)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0)
        return false;
    path[len] = '\0';
    size_t folder_len = strlen(folder);
    return strncmp(path, folder, folder_len) == 0 && (path[folder_len] == '/' || path[folder_len] == '\0');
}

/* `offset` < 0: where the descriptor is. */
static bool is_refused(int fd, off_t offset, size_t bytes)
{
    struct stat about;
    char folder[PATH_MAX];
    if (control == NULL || control[0] == '\0')
        return false;
    for (size_t i = 0; i < sizeof folder - 1; i++) {
        folder[i] = control[i];
        if (folder[i] == '\0')
            break;
    }
    folder[sizeof folder - 1] = '\0';
    int error = errno;
    bool is_refused = false;
    if (is_below(fd, folder) && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        if (offset < 0)
            offset = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? about.st_size : lseek(fd, 0, SEEK_CUR);
        is_refused = offset + (off_t)bytes > about.st_size;
    }
    errno = is_refused ? ENOSPC : error;
    return is_refused;
}

static size_t bytes_of(const struct iovec parts[], int len)
{
    size_t bytes = 0;
    for (int i = 0; i < len; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ENTRY ssize_t write(int fd, const void *bytes, size_t len)
{
    return is_refused(fd, -1, len) ? -1 : NEXT(write)(fd, bytes, len);
}

ENTRY ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return is_refused(fd, offset, len) ? -1 : NEXT(pwrite)(fd, bytes, len, offset);
}

ENTRY ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    return is_refused(fd, offset, len) ? -1 : NEXT(pwrite64)(fd, bytes, len, offset);
}

ENTRY ssize_t writev(int fd, const struct iovec *parts, int len)
{
    return is_refused(fd, -1, bytes_of(parts, len)) ? -1 : NEXT(writev)(fd, parts, len);
}

ENTRY ssize_t pwritev(int fd, const struct iovec *parts, int len, off_t offset)
{
    return is_refused(fd, offset, bytes_of(parts, len)) ? -1 : NEXT(pwritev)(fd, parts, len, offset);
}

ENTRY ssize_t pwritev64(int fd, const struct iovec *parts, int len, off64_t offset)
{
    return is_refused(fd, offset, bytes_of(parts, len)) ? -1 : NEXT(pwritev64)(fd, parts, len, offset);
}

ENTRY int posix_fallocate(int fd, off_t offset, off_t len)
{
    return is_refused(fd, offset, (size_t)len) ? ENOSPC : NEXT(posix_fallocate)(fd, offset, len);
}

ENTRY int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return is_refused(fd, offset, (size_t)len) ? ENOSPC : NEXT(posix_fallocate64)(fd, offset, len);
}
