#define _GNU_SOURCE /* RTLD_NEXT */
#include "original.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct original original;

static void find(void *ret_function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort(); /* a libc without it: we cannot do it either */
    memcpy(ret_function, &found, sizeof(found));
}

void original_find(void)
{
    if (original.epoll_wait)
        return;
    find(&original.accept, "accept");
    find(&original.read, "read");
    find(&original.write, "write");
    find(&original.close, "close");
    find(&original.shutdown, "shutdown");
    find(&original.epoll_ctl, "epoll_ctl");
    find(&original.epoll_wait, "epoll_wait");
}
