#ifndef GNATTER_STATUS_SOCKET_H
#define GNATTER_STATUS_SOCKET_H
/* A unix stream socket: who connects reads one JSON object and the end. Main thread; never blocks it. */
#include "../clients/protocol/status.h"
#include "../clients/protocol/topic.h"

struct status_socket {
    int fd; /* -1: none */
    char *path;
};
/* Replaces what is left of an earlier process; others than owner and group cannot connect. STATUS_TOO_LARGE: even its
 * last part is longer than such a name may be. STATUS_UNAVAILABLE: errno says why. */
MUST_CHECK enum status status_socket_open(struct status_socket *socket, const char *path);
/* One who waits gets the text. False: could not be let in (no descriptor is left), and still waits. */
MUST_CHECK bool status_socket_serve(const struct status_socket *socket, struct slice text);
void status_socket_close(struct status_socket *socket);

#endif
