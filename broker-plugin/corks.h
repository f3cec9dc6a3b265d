#ifndef GNATTER_CORKS_H
#define GNATTER_CORKS_H
/*
 * What goes to one connection in one turn of the broker's loop leaves together. The broker writes each packet by
 * itself, and for each the kernel makes a segment, and wakes the reader. A second publish to a session in a turn corks
 * its socket (TCP_CORK, tcp(7)) before either is written; the next turn takes the corks out. Full segments leave
 * meanwhile, and what goes out alone is never held. Broker's thread.
 */
#include "sessions.h"

struct corks {
    uint32_t *numbers; /* of corked sessions */
    size_t len, size;
    uint32_t turn;
    bool is_on;
};

void corks_init(struct corks *corks, bool is_on);
/* The sessions' sockets stay as they are: for when their connections end, too. */
void corks_done(struct corks *corks);
/* A publish to it is about to be handed to the broker. Without memory nothing is corked. */
void corks_publish(struct corks *corks, struct session *session);
/* A new turn: what was written in the last one leaves. */
void corks_turn(struct corks *corks, const struct sessions *sessions);

#endif
