/*
 * A machine in trouble, for those who may not make real trouble: preloaded into a node's processes, told what to play
 * by a file that all of them have mapped ($MACHINE_CONTROL, MACHINE_BYTES long, zeros: nothing).
 *
 * A full disk: while `folder` names a folder, no file below it grows, and what would make it grow fails with ENOSPC.
 * What is there can be overwritten. A clock that jumps: the wall clock of a part is `clock_ms` ahead, the monotonic one
 * is not touched, and who waits until a time of the wall clock waits for that time. (libfaketime, which can do the
 * latter, also moves waits on the monotonic clock, and has the service spin.) No memory for threads: while `library` is
 * the beginning of a library's file name, none that runs its code can be made. A name server that is silent: while
 * `asking` is the beginning of a library's file name, it waits for the address of a host.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ENTRY         __attribute__((visibility("default")))
#define FOLDER_BYTES  4096
#define LIBRARY_BYTES 64
#define SLICE_MS      50         /* how soon who waits notices that the clock has jumped */
#define WALL_AFTER    1000000000 /* seconds: a time above is one of the wall clock; no machine has been up for so long */

struct machine {
    char folder[FOLDER_BYTES];
    volatile int64_t clock_ms[3]; /* as in `played` */
    char library[LIBRARY_BYTES], asking[LIBRARY_BYTES];
};
#define MACHINE_BYTES 8192
_Static_assert(sizeof(struct machine) <= MACHINE_BYTES, "it fits");

static const char *const played[] = {"postgres", "mosquitto", "gnatter-syncd"};
static const struct machine *machine;    /* NULL: nothing is played */
static const volatile int64_t *clock_ms; /* NULL: as it is */

__attribute__((constructor)) static void machine_open(void)
{
    const char *path = getenv("MACHINE_CONTROL");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *place = mmap(NULL, MACHINE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (place != MAP_FAILED)
        machine = place;
    (void)close(fd); /* the mapping stays */
    for (size_t i = 0; machine != NULL && i < sizeof played / sizeof played[0]; i++)
        if (strcmp(program_invocation_short_name, played[i]) == 0)
            clock_ms = &machine->clock_ms[i];
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* ---- the disk ---- */
static bool is_below(int fd, const char *folder)
{
    char link[64], path[FOLDER_BYTES];
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
    char folder[FOLDER_BYTES];
    if (machine == NULL || machine->folder[0] == '\0')
        return false;
    memcpy(folder, machine->folder, sizeof folder); /* it may change under our eyes */
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

/* ---- the clock ---- */
static int64_t ms_of(const struct timespec *at)
{
    return (int64_t)at->tv_sec * 1000 + at->tv_nsec / 1000000;
}

static struct timespec time_of(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static int64_t true_ms(void)
{
    static __typeof__(&clock_gettime) next;
    struct timespec now = {0};
    if (next == NULL)
        next = NEXT(clock_gettime);
    (void)next(CLOCK_REALTIME, &now); /* cannot fail */
    return ms_of(&now);
}

static void shift(struct timespec *at)
{
    at->tv_sec += *clock_ms / 1000;
    at->tv_nsec += *clock_ms % 1000 * 1000000;
    if (at->tv_nsec >= 1000000000) {
        at->tv_nsec -= 1000000000;
        at->tv_sec++;
    } else if (at->tv_nsec < 0) {
        at->tv_nsec += 1000000000;
        at->tv_sec--;
    }
}

ENTRY int clock_gettime(clockid_t id, struct timespec *now)
{
    static __typeof__(&clock_gettime) next;
    if (next == NULL)
        next = NEXT(clock_gettime);
    int rc = next(id, now);
    if (rc == 0 && clock_ms != NULL && *clock_ms != 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        shift(now);
    return rc;
}

ENTRY int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at;
    (void)zone; /* nobody has used it for decades */
    (void)clock_gettime(CLOCK_REALTIME, &at);
    *now = (struct timeval){at.tv_sec, at.tv_nsec / 1000};
    return 0;
}

ENTRY time_t time(time_t *ret_now)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    if (ret_now != NULL)
        *ret_now = at.tv_sec;
    return at.tv_sec;
}

/* The end of the next slice of a wait until `until`, by the true clock; *ret_is_last: nothing is left after it. */
static struct timespec slice_end(const struct timespec *until, bool *ret_is_last)
{
    int64_t now_ms = true_ms(), until_ms = ms_of(until) - *clock_ms;
    *ret_is_last = until_ms <= now_ms + SLICE_MS;
    return *ret_is_last ? time_of(until_ms > 0 ? until_ms : 0) : time_of(now_ms + SLICE_MS);
}

static bool is_plain(const struct timespec *until)
{
    return clock_ms == NULL || until->tv_sec < WALL_AFTER;
}

ENTRY int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                                 const struct timespec *restrict until)
{
    static __typeof__(&pthread_cond_timedwait) next;
    if (next == NULL)
        next = (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (next == NULL)
        next = NEXT(pthread_cond_timedwait);
    if (is_plain(until))
        return next(cond, mutex, until);
    for (bool is_last = false;;) {
        struct timespec end = slice_end(until, &is_last);
        int rc = next(cond, mutex, &end);
        if (rc != ETIMEDOUT || is_last)
            return rc;
    }
}

ENTRY int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until)
{
    static __typeof__(&sem_timedwait) next;
    if (next == NULL)
        next = NEXT(sem_timedwait);
    if (is_plain(until))
        return next(sem, until);
    for (bool is_last = false;;) {
        struct timespec end = slice_end(until, &is_last);
        int rc = next(sem, &end);
        if (rc == 0 || errno != ETIMEDOUT || is_last)
            return rc;
    }
}

/* ---- libraries ---- */
static bool is_of(const void *code, const char *library)
{
    Dl_info of;
    return library[0] != '\0' && dladdr(code, &of) != 0 &&
           strncmp(basename(of.dli_fname), library, strlen(library)) == 0;
}

ENTRY int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*run)(void *),
                         void *restrict arg)
{
    static __typeof__(&pthread_create) next;
    const void *code;
    if (next == NULL)
        next = NEXT(pthread_create);
    memcpy(&code, &run, sizeof code); /* what runs is no object in C */
    if (machine != NULL && is_of(code, machine->library))
        return EAGAIN;
    return next(thread, attr, run, arg);
}

ENTRY int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                      struct addrinfo **restrict ret_addresses)
{
    static __typeof__(&getaddrinfo) next;
    const void *caller = __builtin_return_address(0);
    if (next == NULL)
        next = NEXT(getaddrinfo);
    while (machine != NULL && is_of(caller, machine->asking))
        (void)usleep(SLICE_MS * 1000);
    return next(name, service, hints, ret_addresses);
}
