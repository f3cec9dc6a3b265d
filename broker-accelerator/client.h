#ifndef GNATTER_CLIENT_H
#define GNATTER_CLIENT_H
/*
 * The sockets that the broker has accepted, by descriptor, and the memory lent to them. A descriptor that is not here
 * is none of our business. Broker's thread only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * One buffer holds what was read ahead of the broker, or what it has written and the kernel has not yet got. A client
 * has none while it is idle. It is some twenty short messages; the kernel's own buffers, which they stand before, are
 * larger. With its head it fills a page: in a fan-out a thousand are written to in turn, and larger ones were slower.
 * All together 32 MiB: with none left, calls go to the kernel as they come.
 */
#define BUFFER_BYTES (4096 - 32)
#define BUFFERS_MAX  8192
#define BUFFERS_KEPT 2048 /* for the next ones; the others go back to the heap */

struct buffer {
    size_t begin, end; /* what is in it */
    struct buffer *next;
    unsigned char bytes[BUFFER_BYTES];
};

enum client_kind {
    CLIENT_NEW,    /* nothing read yet */
    CLIENT_PLAIN,  /* began with MQTT's CONNECT: reads ahead, collects writes */
    CLIENT_OPAQUE, /* TLS, or what is not MQTT: only its registration with epoll is ours */
};

struct client {
    int fd;
    enum client_kind kind;
    bool is_registered; /* with the broker's epoll set */
    bool is_blocked;    /* the kernel would not take all of `out`: the broker is told EAGAIN until it has */
    bool is_due;        /* in the list of those with something to do before the broker sleeps */
    bool is_ready;      /* in the list of those with input in memory: `in` is not NULL */
    uint32_t wanted;    /* events that the broker has asked for */
    uint32_t asked;     /* events that the kernel was asked for */
    epoll_data_t data;  /* what the broker wants to have back with them */
    uint64_t seen_turn; /* the kernel has reported it in this turn */
    struct buffer *in, *out;
    struct client *due_prev, *due_next, *ready_prev, *ready_next;
};
extern struct client *clients_due, *clients_ready;
extern struct client *clients_read;   /* whom the broker has read last: it is about to handle a packet of his */
extern struct client *clients_urgent; /* whose bytes nobody holds back */
extern size_t clients_ready_len;

/* Room for descriptors below the process's limit. False: no memory. */
bool clients_init(void);
/* NULL: none of ours. */
struct client *client_find(int fd);
/* A fresh one; one that is there already under this number is forgotten. NULL: no room, it stays the kernel's. */
struct client *client_add(int fd);
/* Forgets it with all it holds. */
void client_remove(struct client *client);
/* Any at all? */
bool clients_any(void);
/* Forgets all, without a word to anybody: another process has the same sockets. */
void clients_forget(void);

void client_set_due(struct client *client);
void client_done(struct client *client);
/* `in` becomes the client's input to come; NULL: it has none any more. */
void client_set_in(struct client *client, struct buffer *in);

/* An empty one. NULL: there are none. */
struct buffer *buffer_take(void);
/* Takes it back; NULL is fine. */
void buffer_give(struct buffer *buffer);
bool buffers_all_lent(void);
#endif
