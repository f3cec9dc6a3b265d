/*
 * The I/O accelerator: preloaded under a stock Mosquitto, it stands between the broker and libc. It looks at no message
 * and decides nothing; it makes fewer system calls of the same reads, writes and waits.
 * docs/decisions/0007-accelerator.md says what is relied on. In doubt, a call goes to libc as it came.
 */
#define _GNU_SOURCE
#include "client.h"
#include "host.h"
#include "incoming.h"
#include "original.h"
#include "outgoing.h"
#include "readiness.h"
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* In the broker's one thread; what others do is not ours. Looked at in each call, and it is there from the start. */
static __thread bool is_active __attribute__((tls_model("initial-exec")));

/* NULL: the call goes to libc. */
static struct client *ours(int fd)
{
    original_find();
    return is_active ? client_find(fd) : NULL;
}

/* Mosquitto takes MQTT clients, TLS or not, with accept(fd, NULL, 0); libwebsockets asks for the address. */
EXPORT int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    original_find();
    if (!is_active || address || len)
        return original.accept(fd, address, len);
    peer.ss_family = AF_UNSPEC;
    int accepted = original.accept(fd, (struct sockaddr *)&peer, &peer_len);
    if (accepted >= 0 && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
        (void)client_add(accepted); /* no room: it stays the kernel's */
    return accepted;
}

EXPORT ssize_t read(int fd, void *bytes, size_t len)
{
    struct client *client = ours(fd);
    if (client)
        clients_read = client;
    if (!client || client->kind == CLIENT_OPAQUE || !client->is_registered) {
        if (client && client->kind == CLIENT_NEW)
            client->kind = CLIENT_OPAQUE; /* OpenSSL's first look, before the broker waits for it */
        return original.read(fd, bytes, len);
    }
    return incoming_read(client, bytes, len);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
    struct client *client = ours(fd);
    return client && client->kind == CLIENT_PLAIN ? outgoing_write(client, bytes, len) : original.write(fd, bytes, len);
}

EXPORT int close(int fd)
{
    struct client *client = ours(fd);
    if (client) {
        if (client->out)
            outgoing_send(client); /* what a full socket does not take, the broker could not have sent either */
        client_remove(client);
    }
    if (is_active && fd == readiness_set)
        readiness_set = -1;
    return original.close(fd);
}

EXPORT int shutdown(int fd, int how)
{
    struct client *client = ours(fd);
    if (client && client->out)
        outgoing_send(client);
    return original.shutdown(fd, how);
}

EXPORT int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    struct client *client = ours(fd);
    if (client && readiness_set < 0 && operation == EPOLL_CTL_ADD)
        readiness_set = set;
    return client && set == readiness_set ? readiness_control(client, operation, event)
                                          : original.epoll_ctl(set, operation, fd, event);
}

EXPORT int epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
    struct timespec now;
    original_find();
    if (!is_active || set != readiness_set || max <= 1)
        return original.epoll_wait(set, events, max, timeout_ms);
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* every Linux has it */
    return readiness_wait(events, max, timeout_ms, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

/* ---- the plugin's, weak symbols there ---- */
/* The broker's loop is not to sleep, from now on until this is called with false. False: see to it yourself, we have no
 * part in how it sleeps. */
EXPORT bool gnatter_accelerator_busy(bool is_busy);
EXPORT bool gnatter_accelerator_busy(bool is_busy)
{
    bool is_ours = is_active && readiness_set >= 0;
    readiness_is_busy = is_ours && is_busy;
    return is_ours;
}

/* While a packet is handled: to this client nothing is held back. */
EXPORT void gnatter_accelerator_urgent(void);
EXPORT void gnatter_accelerator_urgent(void)
{
    if (is_active)
        clients_urgent = clients_read;
}

/* The broker's own fork, into the background, is before its first client. Any other child must not send what we hold.
 */
static void in_child(void)
{
    if (!clients_any())
        return;
    clients_forget();
    is_active = false;
}

__attribute__((constructor)) static void begin(void)
{
    original_find();
    enum host host = host_look();
    if (host == HOST_OTHER)
        return;
    const char *why = host == HOST_SWITCHED_OFF                   ? "off: GNATTER_ACCELERATOR says so"
                      : host == HOST_UNKNOWN                      ? "off: this is not Mosquitto " HOST_VERSION
                      : !clients_init()                           ? "off: no memory"
                      : pthread_atfork(NULL, NULL, in_child) != 0 ? "off: fork cannot be seen"
                                                                  : "on";
    is_active = why[1] == 'n';
    if (is_active)
        host_mark();
    fprintf(stderr, "accelerator %s\n", why);
}

__attribute__((destructor)) static void end(void)
{
    if (is_active)
        outgoing_send_all();
}
