#ifndef GNATTER_CTL_PORTS_H
#define GNATTER_CTL_PORTS_H
/* TCP ports of this machine. Addresses are numeric, IPv4 or IPv6. */
#include <stdbool.h>
#include <sys/types.h>

/*
 * One that nobody listens on now; 0 when there is none. It lies below those of outgoing connections, where these leave
 * room: one of them would hold the port when its server is started again.
 */
int port_free_one(const char *address);
/* Could we listen there now? errno says why not. */
bool port_is_free(const char *address, int port);
/* Who listens on it, 0 when that cannot be seen. */
pid_t port_owner(int port);
/* Does somebody take a connection there, within the time? Gives the connected socket, or -1. */
int port_connect(const char *address, int port, int timeout_ms);
bool address_is_loopback(const char *address);
bool address_is_valid(const char *address);
/* What to connect to for something that listens on `address`: itself, or loopback when it is the wildcard. */
const char *address_to_reach(const char *address);
#endif
