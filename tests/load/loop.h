#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H
/*
 * Tens of thousands of MQTT connections in one thread: one epoll, one read per readable socket and turn, one write per
 * socket and turn. What an owner puts into conn->out leaves at the end of the turn after loop_wake(conn).
 * A connection's storage is its owner's and outlives it: opened and closed any number of times.
 */
#include <netinet/in.h>
#include "mqtt.h"

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN };

struct conn {
    enum conn_state state;
    int fd;
    bool woken, reading, writing; /* in the wake list; EPOLLIN wanted; EPOLLOUT wanted */
    bool narrow; /* before it is opened: its socket holds a few KB, so that it is full soon when it is not read */
    uint16_t packet_id;    /* the last one used */
    uint64_t wrote_ns;     /* for the keep alive */
    struct buffer in, out; /* in: an incomplete packet's start */
    struct conn *wake_next;
    void *owner;
};

struct loop_events {
    void (*on_open)(struct conn *conn);                                     /* TCP is up: put CONNECT */
    void (*on_packet)(struct conn *conn, const struct mqtt_packet *packet); /* borrows */
    void (*on_closed)(struct conn *conn, const char *why);                  /* not after loop_close */
    void (*on_flush)(struct conn *conn);                                    /* before what was put leaves */
    void (*on_flushed)(struct conn *conn);                                  /* all of it has left */
};

struct loop {
    int epoll_fd;
    uint64_t now_ns; /* CLOCK_MONOTONIC, read after every wait and every read */
    struct sockaddr_in server;
    bool spread_sources;          /* a loopback server: use 127.0.0.x as sources, one address has 28,000 ports */
    uint64_t pause_ns, waited_ns; /* at least so long from turn to turn: fewer, fuller ones; for throughput only */
    unsigned opened;
    const struct loop_events *events;
    struct conn *woken;
    unsigned char *read_buffer;
    uint64_t turns, reads, writes, bytes_in, bytes_out;
};

uint64_t clock_now_ns(void);
MUST_CHECK enum status loop_init(struct loop *loop, const char *host, int port, const struct loop_events *events);
void loop_done(struct loop *loop);
/* Starts connecting; on_open or on_closed follows. STATUS_UNAVAILABLE: not even that, errno says why. */
MUST_CHECK enum status loop_open(struct loop *loop, struct conn *conn, void *owner);
void loop_close(struct loop *loop, struct conn *conn); /* harmless when closed; what is in `out` is lost */
void loop_wake(struct loop *loop, struct conn *conn);
void loop_read(struct loop *loop, struct conn *conn, bool reading); /* false: leave what comes in the socket */
uint16_t conn_packet_id(struct conn *conn);
/* Waits at most until `until_ns` for sockets and handles what they have. */
void loop_wait(struct loop *loop, uint64_t until_ns);
/* Calls on_flush for every woken connection, then writes. */
void loop_flush(struct loop *loop);

#endif
