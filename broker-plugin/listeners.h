#ifndef GNATTER_LISTENERS_H
#define GNATTER_LISTENERS_H
/*
 * A device that sends and does not read: each PUBACK, sent and delivered for it stays in the broker's memory, which bounds
 * none of them by a number that would do, and tells plugins of none. The kernel knows who does not read: what it has for
 * a peer stays unacknowledged, or the peer's window stays shut. A timeout for that is a property of sockets that accepted
 * ones have from the one that listens, and those are in this process. No lock, no memory.
 */

/* Connections that come from now on to any TCP listener of this process end when the peer has taken nothing for so long.
 * Returns how many listeners there are; -1: cannot be told (errno). */
int listeners_set_timeout(unsigned timeout_ms);

#endif
