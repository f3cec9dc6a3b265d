#ifndef GNATTER_SYSTEMD_H
#define GNATTER_SYSTEMD_H
/* sd_notify(3) in a few lines: one datagram to the socket that NOTIFY_SOCKET names; nothing without it. */
#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... */
void systemd_notify(const char *state);
/* How often the watchdog wants to be fed; 0: not at all. */
int64_t systemd_watchdog_ms(void);

#endif
