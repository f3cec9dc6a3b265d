#ifndef GNATTER_ORIGINAL_H
#define GNATTER_ORIGINAL_H
/*
 * libc's own functions behind the ones that preload.c puts in front of them. Only these are taken over:
 * Mosquitto 2.0.11 touches a client's socket with no others (src/net.c, lib/net_mosq.c, src/mux_epoll.c). Any thread
 * after original_find.
 */
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

struct original {
    int (*accept)(int fd, struct sockaddr *address, socklen_t *len);
    ssize_t (*read)(int fd, void *bytes, size_t len);
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    int (*close)(int fd);
    int (*shutdown)(int fd, int how);
    int (*epoll_ctl)(int set, int operation, int fd, struct epoll_event *event);
    int (*epoll_wait)(int set, struct epoll_event *events, int max, int timeout_ms);
};
extern struct original original;

/* May be called again. Without one of them the process ends: nothing could be passed on to it. */
void original_find(void);
#endif
