#ifndef GNATTER_PAHO_WAKER_H
#define GNATTER_PAHO_WAKER_H
/*
 * Paho's receiving thread sees that a connection is made only when its poll() returns: when something arrives on any of
 * its connections, or after a second (Socket_getReadySocket, 1.3.12). A link that comes back would wait for that
 * second, and all devices with it. So Paho has one connection more, to this process itself, on which something can be
 * made to arrive.
 *
 * That connection also keeps Paho's threads: destroying the last handle ends them, which takes up to a second too.
 */

#include <stdbool.h>

/* Once per process, from any thread; waits for it 5 s at most. Without it (no loopback, no descriptors) all works, and
 * takes a second longer. */
void paho_waker_start(void);
/* Any thread. Paho has said that its connection is made: it has both its threads, and keeps them. */
bool paho_waker_has_answered(void);
/* Any thread. The receiving thread looks at what it has. */
void paho_waker_wake(void);

#endif
