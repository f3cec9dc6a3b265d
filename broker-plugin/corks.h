#ifndef GNATTER_CORKS_H
#define GNATTER_CORKS_H
/*
 * What goes to one connection in one turn of the broker's loop leaves together. The broker writes each packet by
 * itself, and for each the kernel makes a segment, and wakes the reader. A socket that is corked (TCP_CORK, tcp(7))
 * sends full segments only, until the cork is out.
 *
 *   - A second publish to a session in a turn corks its socket, before either is written, until the next turn.
 *   - While turn after turn publishes to many alike, each has one in a turn: then the first one corks, for
 *     CORKS_HOLD_MS, or until a turn has nothing of this kind.
 *
 * So while little is going on nothing is held. Broker's thread.
 */
#include "sessions.h"

#define CORKS_HOLD_MS 10 /* measured: 3 gathers enough in some runs only, 20 no more */

struct corked {
    uint32_t *numbers; /* of sessions */
    size_t len, size;
};

struct corks {
    struct corked until_turn, held;
    uint16_t turn;
    uint32_t held_ms;             /* since when */
    bool is_of_many, was_of_many; /* this turn, the one before */
    bool is_on;
};

void corks_init(struct corks *corks, bool is_on);
/* The sessions' sockets stay as they are: for when their connections end, too. */
void corks_done(struct corks *corks);
/* A publish to it, one of many alike or not, is about to be handed to the broker. Without memory nothing is corked. */
void corks_publish(struct corks *corks, struct session *session, bool is_of_many);
/* A new turn. */
void corks_turn(struct corks *corks, const struct sessions *sessions, uint32_t clock_ms);
/* There are some to be taken out in a turn to come. */
bool corks_are_in(const struct corks *corks);

#endif
