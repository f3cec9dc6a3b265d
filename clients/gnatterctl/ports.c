#include "ports.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_PICKED_FIRST 20000

union endpoint {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t endpoint_make(const char *address, int port, union endpoint *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        return sizeof(ret->v4);
    }
    if (inet_pton(AF_INET6, address, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        return sizeof(ret->v6);
    }
    return 0;
}

bool address_is_valid(const char *address)
{
    union endpoint endpoint;
    return endpoint_make(address, 0, &endpoint) != 0;
}

bool address_is_loopback(const char *address)
{
    union endpoint endpoint;
    if (!endpoint_make(address, 0, &endpoint))
        return false;
    if (endpoint.any.sa_family == AF_INET)
        return ntohl(endpoint.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&endpoint.v6.sin6_addr);
}

const char *address_to_reach(const char *address)
{
    if (!strcmp(address, "0.0.0.0"))
        return "127.0.0.1";
    return !strcmp(address, "::") ? "::1" : address;
}

/* Listens as a server would: SO_REUSEADDR, so that connections of before that linger do not count. */
static int try_listen(const char *address, int port)
{
    union endpoint endpoint;
    socklen_t len = endpoint_make(address, port, &endpoint);
    if (!len) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(endpoint.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, &endpoint.any, len) != 0 ||
        listen(fd, 1) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool port_is_free(const char *address, int port)
{
    int fd = try_listen(address, port);
    if (fd < 0)
        return false;
    (void)close(fd); /* nothing was sent */
    return true;
}

/* The lowest port that the kernel gives to outgoing connections (both families), as ip(7) says. */
static int outgoing_first(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    int first = 0;
    if (file && fscanf(file, "%d", &first) != 1)
        first = 0;
    if (file)
        (void)fclose(file); /* was only read */
    return first > PORT_PICKED_FIRST ? first : 32768;
}

int port_free_one(const char *address)
{
    uint32_t count = (uint32_t)(outgoing_first() - PORT_PICKED_FIRST);
    uint32_t start = randombytes_uniform(count); /* two that pick at once pick differently */
    for (uint32_t i = 0; i < count; i++) {
        int port = PORT_PICKED_FIRST + (int)((start + i) % count);
        if (port_is_free(address, port))
            return port;
    }
    return 0;
}

/* The socket's inode number of a listener on the port; 0: none. */
static unsigned long listener_inode(const char *table, int port)
{
    FILE *file = fopen(table, "re");
    char line[512];
    unsigned long inode = 0, number;
    unsigned int local_port, state;
    if (!file)
        return 0;
    while (!inode && fgets(line, sizeof(line), file))
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu", &local_port, &state,
                   &number) == 3 &&
            (int)local_port == port && state == 0x0a /* TCP_LISTEN */)
            inode = number;
    (void)fclose(file); /* was only read */
    return inode;
}

static bool holds_socket(const char *pid, unsigned long inode)
{
    char path[300], wanted[48], link[48];
    (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(dir))) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        if (len > 0) {
            link[len] = '\0';
            found = !strcmp(link, wanted);
        }
    }
    (void)closedir(dir); /* was only read */
    return found;
}

pid_t port_owner(int port)
{
    unsigned long inode = listener_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listener_inode("/proc/net/tcp6", port);
    DIR *proc = inode ? opendir("/proc") : NULL;
    if (!proc)
        return 0;
    pid_t owner = 0;
    const struct dirent *entry;
    while (!owner && (entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && holds_socket(entry->d_name, inode))
            owner = (pid_t)strtol(entry->d_name, NULL, 10);
    (void)closedir(proc); /* was only read */
    return owner;
}

int port_connect(const char *address, int port, int timeout_ms)
{
    union endpoint endpoint;
    socklen_t len = endpoint_make(address, port, &endpoint);
    int fd = len ? socket(endpoint.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0)
        return -1;
    int error = connect(fd, &endpoint.any, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};
        socklen_t error_len = sizeof(error);
        error = poll(&waiting, 1, timeout_ms) == 1 ? 0 : ETIMEDOUT;
        if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0)
            error = errno;
    }
    if (error) {
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}
