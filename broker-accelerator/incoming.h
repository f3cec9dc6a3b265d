#ifndef GNATTER_INCOMING_H
#define GNATTER_INCOMING_H
/*
 * The broker reads one byte, then the bytes of the length one by one, then the rest: these come out of one read of
 * whatever is there. What stays in memory is reported as readable by readiness.h. Broker's thread.
 */
#include <sys/types.h>
#include "client.h"

/* As read(2) on the client's socket. The first decides what kind of client it is. */
ssize_t incoming_read(struct client *client, void *bytes, size_t len);
/* Whole MQTT packets in memory; at most `max`. Only between two packets: the broker reads none by halves and then
 * waits. */
unsigned int incoming_packets(const struct client *client, unsigned int max);
#endif
