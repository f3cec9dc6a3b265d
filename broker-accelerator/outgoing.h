#ifndef GNATTER_OUTGOING_H
#define GNATTER_OUTGOING_H
/*
 * What the broker writes to a client is collected, and sent before it sleeps. The broker sees what a kernel with a
 * socket buffer BUFFER_BYTES larger would show it: once that is full EAGAIN, and EPOLLOUT when there is room again.
 * Broker's thread.
 */
#include <sys/types.h>
#include "client.h"

/* As write(2) on the client's socket. */
ssize_t outgoing_write(struct client *client, const void *bytes, size_t len);
/*
 * Sends what the kernel will take. What is left makes the client blocked. A connection that is broken is shut down, so
 * that the broker reads its end. Keeps errno.
 */
void outgoing_send(struct client *client);
/* The same for all that are due. */
void outgoing_send_all(void);
#endif
