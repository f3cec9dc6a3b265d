#include "listeners.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A TCP socket that listens? Of another kind the options do not even exist. */
static int is_listener(int fd)
{
    int listens = 0, protocol = 0;
    socklen_t len = sizeof listens, protocol_len = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) == 0 && protocol == IPPROTO_TCP;
}

int listeners_set_timeout(unsigned timeout_ms)
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
        if (setsockopt((int)fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) == 0)
            listeners++;
    }
    (void)closedir(folder); /* read to its end */
    return listeners;
}
