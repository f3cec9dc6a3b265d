#include "readiness.h"
#include "incoming.h"
#include "original.h"
#include "outgoing.h"
#include <errno.h>
#include <utlist.h>

/*
 * The broker takes one packet per event. A client with many packets in memory is reported so often in one turn: fewer
 * turns, and no client gets far ahead of the others. The broker looks at each event on its own, and leaves one alone
 * whose client has gone since.
 */
#define PACKETS_PER_TURN 16
/* What the kernel gives back for our clients is not the broker's pointer but this and the descriptor; no pointer has
 * it. */
#define TAG      (UINT64_C(0xacce1e7a) << 32)
#define TAG_MASK (UINT64_C(0xffffffff) << 32)

int readiness_set = -1;
bool readiness_is_busy;
static uint64_t turn;
static uint64_t held_since_us; /* the oldest of what was written and not sent; 0: nothing is held */

static int ask_kernel(struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = TAG | (uint32_t)client->fd};
    int failed = original.epoll_ctl(readiness_set, operation, client->fd, &event);
    if (failed == 0)
        client->asked = events;
    return failed;
}

static uint32_t needed(const struct client *client)
{
    return client->wanted | (client->is_blocked ? EPOLLOUT : 0);
}

static int add(struct client *client, struct epoll_event *event)
{
    if (client->is_registered) {
        errno = EEXIST;
        return -1;
    }
    if (event->events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) {
        int failed = original.epoll_ctl(readiness_set, EPOLL_CTL_ADD, client->fd, event);
        client_remove(client); /* not how we know the broker: nothing was read or written yet */
        return failed;
    }
    int failed = ask_kernel(client, EPOLL_CTL_ADD, event->events);
    client->is_registered = failed == 0;
    client->wanted = event->events;
    client->data = event->data;
    return failed;
}

int readiness_control(struct client *client, int operation, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && event)
        return add(client, event);
    if (operation == EPOLL_CTL_MOD && event && client->is_registered) {
        client->wanted = event->events;
        client->data = event->data;
        if (needed(client) != client->asked)
            client_set_due(client);
        return 0;
    }
    if (operation == EPOLL_CTL_DEL)
        client->is_registered = false;
    return original.epoll_ctl(readiness_set, operation, client->fd, event);
}

/* Sends what was written, and tells the kernel what the broker, or we, now wait for. */
static void prepare(void)
{
    outgoing_send_all();
    while (clients_due) {
        struct client *client = clients_due;
        client_done(client);
        if (client->is_registered && needed(client) != client->asked)
            (void)ask_kernel(client, EPOLL_CTL_MOD, needed(client)); /* it is registered, so it cannot fail */
    }
}

/* The kernel's event as the broker is to see it. False: it is not for the broker. */
static bool translate(struct epoll_event *event)
{
    if ((event->data.u64 & TAG_MASK) != TAG)
        return true;
    struct client *client = client_find((int)(uint32_t)event->data.u64);
    if (!client)
        return false;
    if (client->is_blocked && event->events & EPOLLOUT)
        outgoing_send(client);
    event->events &= client->wanted | EPOLLERR | EPOLLHUP; /* the kernel may have been asked for more */
    if (client->is_blocked)
        event->events &= ~(uint32_t)EPOLLOUT;
    if (client->in)
        event->events |= client->wanted & EPOLLIN;
    event->data = client->data;
    client->seen_turn = turn;
    return event->events != 0;
}

/* One event for each packet in memory, behind the `len` that are there; each client in turn comes first. */
static int add_ready(struct epoll_event *events, int len, int max)
{
    for (size_t left = clients_ready_len; left > 0 && len < max; left--) {
        struct client *client = clients_ready;
        DL_DELETE2(clients_ready, client, ready_prev, ready_next);
        DL_APPEND2(clients_ready, client, ready_prev, ready_next);
        if (!client->is_registered || !(client->wanted & EPOLLIN))
            continue;
        unsigned int packets = incoming_packets(client, PACKETS_PER_TURN);
        if (packets == 0)
            packets = 1; /* the beginning of one: read, or it could not be found out that the rest has come */
        if (client->seen_turn == turn)
            packets--; /* that one is in the kernel's event */
        for (; packets > 0 && len < max; packets--)
            events[len++] = (struct epoll_event){.events = EPOLLIN, .data = client->data};
    }
    return len;
}

static int look(struct epoll_event *events, int max, int timeout_ms)
{
    /* At least half is for the kernel's, so that nobody who keeps us busy keeps it out. */
    int ready_max = clients_ready_len < (size_t)max / 2 ? (int)clients_ready_len : max / 2;
    int len = original.epoll_wait(readiness_set, events, max - ready_max, ready_max ? 0 : timeout_ms);
    if (len < 0)
        return len;
    turn++;
    int kept = 0;
    for (int i = 0; i < len; i++) {
        struct epoll_event event = events[i];
        if (translate(&event))
            events[kept++] = event;
    }
    return add_ready(events, kept, max);
}

static bool may_hold(uint64_t now_us)
{
    if (!clients_due)
        held_since_us = 0;
    else if (held_since_us == 0)
        held_since_us = now_us;
    return clients_due && now_us - held_since_us < HOLD_US;
}

int readiness_wait(struct epoll_event *events, int max, int timeout_ms, uint64_t now_us)
{
    if (may_hold(now_us)) {
        if (clients_urgent && clients_urgent->out)
            outgoing_send(clients_urgent);
        int len = look(events, max, 0);
        if (len != 0 || readiness_is_busy)
            return len;
    }
    prepare();
    held_since_us = 0;
    return look(events, max, readiness_is_busy ? 0 : timeout_ms);
}
