#ifndef GNATTER_LISTENERS_H
#define GNATTER_LISTENERS_H
/*
 * What the sockets that listen need and the broker has no setting for. They are in this process, so they can be found.
 * No lock, no memory.
 *
 * A device that sends and does not read: each PUBACK, sent and delivered for it stays in the broker's memory, which
 * bounds none of them by a number that would do, and tells plugins of none. The kernel knows who does not read: what it
 * has for a peer stays unacknowledged, or the peer's window stays shut. Accepted sockets have a timeout for that from
 * the one that listens.
 *
 * All devices that come back at once: the broker asks for room for 100 connections that it has not accepted yet. Those
 * beyond are dropped by the kernel, and try again after 1 s, 3 s, 7 s; so does the sync service, without which no
 * device becomes live.
 */

/* For any TCP listener of this process: connections that come from now on end when the peer has taken nothing for so
 * long (0: never), and as many may wait to be accepted as the system allows (net.core.somaxconn).
 * Returns how many listeners there are; -1: cannot be told (errno). */
int listeners_prepare(unsigned timeout_ms);

#endif
