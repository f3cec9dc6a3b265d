#define _GNU_SOURCE
#include "loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES     (64 * 1024)
#define EVENTS         512
#define KEEP_OUT_BYTES (4 * 1024) /* an empty output buffer above this is given back */
#define NARROW_SEGMENT 256        /* the server's side of a socket holds some segments, which are 64 KB on loopback */
#define WIDE_BYTES     (256 * 1024)

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

enum status loop_init(struct loop *loop, const char *host, int port, const struct loop_events *events)
{
    *loop = (struct loop){.epoll_fd = -1, .events = events};
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0 || !found)
        return STATUS_NOT_FOUND;
    memcpy(&loop->server, found->ai_addr, sizeof(loop->server));
    freeaddrinfo(found);
    loop->server.sin_port = htons((uint16_t)port);
    loop->spread_sources = ntohl(loop->server.sin_addr.s_addr) >> 24 == 127;
    loop->read_buffer = malloc(MQTT_PACKET_BYTES_MAX + READ_BYTES + 16);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->now_ns = clock_now_ns();
    return loop->read_buffer && loop->epoll_fd >= 0 ? STATUS_OK : STATUS_UNAVAILABLE;
}

void loop_done(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->read_buffer);
}

static void loop_control(struct loop *loop, struct conn *conn, int operation)
{
    uint32_t wanted = (conn->reading ? EPOLLIN : 0u) | (conn->writing ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = wanted, .data.ptr = conn};
    if (epoll_ctl(loop->epoll_fd, operation, conn->fd, &event) < 0)
        perror("gnatter-load: epoll_ctl");
}

static enum status loop_bind(struct loop *loop, int fd)
{
    if (!loop->spread_sources)
        return STATUS_OK;
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + loop->opened / 16 % 64);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)); /* without it: fewer ports, no harm */
    return bind(fd, (struct sockaddr *)&source, sizeof(source)) == 0 ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* As little as the system allows: both are asked for before connecting, and are hints. */
static void socket_narrow(int fd)
{
    int bytes = 1, segment = NARROW_SEGMENT;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
}

enum status loop_open(struct loop *loop, struct conn *conn, void *owner)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_UNAVAILABLE;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* cannot fail on a TCP socket */
    if (conn->narrow)
        socket_narrow(fd);
    loop->opened++;
    if (loop_bind(loop, fd) ||
        (connect(fd, (struct sockaddr *)&loop->server, sizeof(loop->server)) < 0 && errno != EINPROGRESS)) {
        int error = errno;
        close(fd);
        errno = error;
        return STATUS_UNAVAILABLE;
    }
    conn->state = CONN_CONNECTING;
    conn->fd = fd;
    conn->reading = conn->writing = true;
    conn->in.len = conn->out.len = conn->out.done = 0;
    conn->packet_id = 0;
    conn->owner = owner;
    loop_control(loop, conn, EPOLL_CTL_ADD);
    return STATUS_OK;
}

void loop_close(struct loop *loop, struct conn *conn)
{
    (void)loop;
    if (conn->state == CONN_CLOSED)
        return;
    close(conn->fd);
    conn->fd = -1;
    conn->state = CONN_CLOSED;
    buffer_free(&conn->in);
    buffer_free(&conn->out);
}

static void loop_lost(struct loop *loop, struct conn *conn, const char *why)
{
    loop_close(loop, conn);
    loop->events->on_closed(conn, why);
}

void loop_wake(struct loop *loop, struct conn *conn)
{
    if (conn->woken)
        return;
    conn->woken = true;
    conn->wake_next = loop->woken;
    loop->woken = conn;
}

void loop_read(struct loop *loop, struct conn *conn, bool reading)
{
    if (conn->reading == reading || conn->state == CONN_CLOSED)
        return;
    conn->reading = reading;
    int bytes = WIDE_BYTES;
    if (reading && conn->narrow)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* a hint: else it takes longer */
    loop_control(loop, conn, EPOLL_CTL_MOD);
}

uint16_t conn_packet_id(struct conn *conn)
{
    if (++conn->packet_id == 0)
        conn->packet_id = 1;
    return conn->packet_id;
}

/* Hands on every complete packet; the rest waits in conn->in. */
static void conn_take(struct loop *loop, struct conn *conn, const unsigned char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        struct mqtt_packet packet;
        size_t packet_len;
        enum status status = mqtt_read(bytes + at, len - at, &packet, &packet_len);
        if (status == STATUS_NOT_FOUND)
            break;
        if (status) {
            loop_lost(loop, conn, "malformed packet");
            return;
        }
        at += packet_len;
        loop->events->on_packet(conn, &packet);
        if (conn->state == CONN_CLOSED)
            return;
    }
    conn->in.len = 0;
    if (at < len) {
        buffer_reserve(&conn->in, len - at);
        memcpy(conn->in.at, bytes + at, len - at);
        conn->in.len = len - at;
    }
}

static void conn_read(struct loop *loop, struct conn *conn)
{
    size_t before = conn->in.len;
    if (before)
        memcpy(loop->read_buffer, conn->in.at, before);
    ssize_t len = recv(conn->fd, loop->read_buffer + before, READ_BYTES, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        loop_lost(loop, conn, len == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    loop->now_ns = clock_now_ns(); /* a turn can take milliseconds; a latency must not miss them */
    loop->reads++;
    loop->bytes_in += (uint64_t)len;
    conn_take(loop, conn, loop->read_buffer, before + (size_t)len);
}

static void conn_connected(struct loop *loop, struct conn *conn)
{
    int error = 0;
    socklen_t error_len = sizeof(error);
    (void)getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &error_len); /* cannot fail on a socket of ours */
    if (error) {
        loop_lost(loop, conn, strerror(error));
        return;
    }
    conn->state = CONN_OPEN;
    conn->writing = false;
    loop_control(loop, conn, EPOLL_CTL_MOD);
    loop->events->on_open(conn);
    loop_wake(loop, conn);
}

static void conn_write(struct loop *loop, struct conn *conn)
{
    struct buffer *out = &conn->out;
    if (conn->state != CONN_OPEN || out->done == out->len)
        return;
    ssize_t len = send(conn->fd, out->at + out->done, out->len - out->done, MSG_NOSIGNAL);
    if (len < 0 && errno != EAGAIN && errno != EINTR) {
        loop_lost(loop, conn, strerror(errno));
        return;
    }
    if (len > 0) {
        loop->writes++;
        loop->bytes_out += (uint64_t)len;
        out->done += (size_t)len;
        conn->wrote_ns = loop->now_ns;
    }
    bool full = out->done < out->len;
    if (!full) {
        out->done = out->len = 0;
        if (out->size > KEEP_OUT_BYTES)
            buffer_free(out);
    }
    if (full != conn->writing) {
        conn->writing = full;
        loop_control(loop, conn, EPOLL_CTL_MOD);
    }
    if (!full)
        loop->events->on_flushed(conn);
}

static void loop_pause(struct loop *loop)
{
    uint64_t now_ns = clock_now_ns(), next_ns = loop->waited_ns + loop->pause_ns;
    if (next_ns > now_ns) {
        struct timespec pause = {0, (long)(next_ns - now_ns)};
        (void)nanosleep(&pause, NULL); /* interrupted: only a shorter pause */
    }
    loop->waited_ns = next_ns > now_ns ? next_ns : now_ns;
}

void loop_wait(struct loop *loop, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    loop_pause(loop);
    uint64_t now_ns = clock_now_ns(), wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec timeout = {(time_t)(wait_ns / 1000000000ull), (long)(wait_ns % 1000000000ull)};
    int events_len = epoll_pwait2(loop->epoll_fd, events, EVENTS, &timeout, NULL);
    loop->now_ns = clock_now_ns();
    loop->turns++;
    for (int i = 0; i < events_len; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->state == CONN_CONNECTING) {
            conn_connected(loop, conn);
            continue;
        }
        if (conn->state == CONN_OPEN && (events[i].events & EPOLLOUT))
            loop_wake(loop, conn);
        if (conn->state == CONN_OPEN && conn->reading && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            conn_read(loop, conn);
        else if (conn->state == CONN_OPEN && (events[i].events & (EPOLLHUP | EPOLLERR)))
            loop_lost(loop, conn, "closed by the server");
    }
}

void loop_flush(struct loop *loop)
{
    while (loop->woken) {
        struct conn *conn = loop->woken;
        loop->woken = conn->wake_next;
        conn->woken = false;
        if (conn->state == CONN_OPEN)
            loop->events->on_flush(conn);
        conn_write(loop, conn);
    }
}
