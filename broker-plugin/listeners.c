#include "listeners.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define QUEUE_MAX 65535 /* more than any system allows by itself: it takes what it allows */

/* A TCP socket that listens? Of another kind the options do not even exist. */
static int is_listener(int fd)
{
    int listens = 0, protocol = 0;
    socklen_t len = sizeof listens, protocol_len = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) == 0 && protocol == IPPROTO_TCP;
}

int listeners_prepare(unsigned timeout_ms)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    int listeners = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != '\0' || !is_listener((int)fd))
            continue;
        if (setsockopt((int)fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) == 0 &&
            listen((int)fd, QUEUE_MAX) == 0) /* it listens already: this only changes how many may wait */
            listeners++;
    }
    (void)closedir(folder); /* read to its end */
    return listeners;
}
