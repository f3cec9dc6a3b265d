#ifndef GNATTER_CTL_SUPERVISE_H
#define GNATTER_CTL_SUPERVISE_H
/*
 * The supervisor: starts the parts in order, starts again what dies, stops them in reverse order on SIGTERM or SIGINT,
 * and passes SIGHUP on. One thread, one loop over pidfds and signals; it runs until it is told to stop.
 *
 * When it is killed itself, the parts go on; the next one takes them over as they are.
 */
#include "parts.h"

/* How a start goes, for who waits for it: a record each, one of these characters and words. */
enum report_kind {
    REPORT_FAILED = '!',  /* it will not succeed, and why */
    REPORT_AWAY = '?',    /* the database does not answer: it is tried again */
    REPORT_LATER = '~',   /* the schema is not this version's, and why: what was there serves on, it is tried again */
    REPORT_SETTLED = '=', /* the schema is this version's */
};
struct supervision {
    const struct node *node;
    int lock_fd;   /* run/supervisor.pid, locked: see lock.h */
    int report_fd; /* -1, or where to tell how the start goes; closed at the other end when the reader is content */
    bool limits;
    bool was_serving;    /* an earlier supervisor's broker or service runs: no failure here is to end that */
    bool replace[PARTS]; /* what an earlier supervisor left runs with other settings: start it anew */
};
/* Until stopped. Not DONE: a part could not be started the first time (reported). */
enum result supervise(struct supervision *supervision);
#endif
