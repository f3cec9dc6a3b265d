#ifndef GNATTER_PUSH_ADDRESS_H
#define GNATTER_PUSH_ADDRESS_H
/* Which addresses a device may make us connect to: only those of the public Internet. Pure. */
#include <stdbool.h>
#include <sys/socket.h>

/* False for everything that is private, local, reserved, multicast, or leads there through a translation (IPv4-mapped,
 * NAT64, 6to4, Teredo), and for families other than IPv4 and IPv6. */
bool address_is_public(const struct sockaddr *address, socklen_t len);

#endif
