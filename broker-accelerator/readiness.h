#ifndef GNATTER_READINESS_H
#define GNATTER_READINESS_H
/*
 * epoll, as the broker sees it. A registration is changed in the kernel only when it differs at the moment the broker
 * sleeps: an epoll set is level-triggered and looked at only then. Input in memory is reported as readable. Broker's
 * thread.
 *
 * Before it sleeps, what it has written is sent. While there is more to do it does not sleep, and what is written to
 * one client waits for company: a call that sends costs several times what a message costs otherwise. Not longer than
 * HOLD_US, and not the bytes of clients_urgent.
 */
#include "client.h"

#define HOLD_US 10000 /* of a fan-out to a thousand: half a turn of the broker's loop */

/* The broker's set; -1: none yet. */
extern int readiness_set;
/* The broker has more to do in its next turn: it is not to sleep. */
extern bool readiness_is_busy;

/* As epoll_ctl(2) of a client in readiness_set. Events besides EPOLLIN and EPOLLOUT end our part in it. */
int readiness_control(struct client *client, int operation, struct epoll_event *event);
/* As epoll_wait(2) on readiness_set, at this time of a clock that only goes on. */
int readiness_wait(struct epoll_event *events, int max, int timeout_ms, uint64_t now_us);
#endif
