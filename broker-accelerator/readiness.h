#ifndef GNATTER_READINESS_H
#define GNATTER_READINESS_H
/*
 * epoll, as the broker sees it. A registration is changed in the kernel only when it differs at the moment the broker
 * sleeps: an epoll set is level-triggered and looked at only then. Input in memory is reported as readable. Broker's
 * thread.
 */
#include "client.h"

/* The broker's set; -1: none yet. */
extern int readiness_set;

/* As epoll_ctl(2) of a client in readiness_set. Events besides EPOLLIN and EPOLLOUT end our part in it. */
int readiness_control(struct client *client, int operation, struct epoll_event *event);
/* As epoll_wait(2) on readiness_set. It first sends what was written. */
int readiness_wait(struct epoll_event *events, int max, int timeout_ms);
#endif
