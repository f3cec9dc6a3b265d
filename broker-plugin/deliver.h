#ifndef GNATTER_DELIVER_H
#define GNATTER_DELIVER_H
/*
 * The way down: what the service's frames, and the plugin itself, publish to devices. Everything waits for the tick
 * (broker.h says why), each session's in a lane of its own (lanes.h), in the order it came. A turn of the broker's loop
 * takes a slice: first of what is for few sessions, then of what is for many, so that a large fan-out does not hold up
 * everybody.
 *
 * A slice is a fixed number of publishes or a share of the backlog, whichever is more: the broker reads one frame per
 * turn, so what waits here stays some frames. Broker's thread.
 */
#include "corks.h"
#include "frame.h"
#include "lanes.h"
#include "sessions.h"

#define DELIVER_FEW            16   /* sessions of an op; more are many */
#define DELIVER_FEW_PUBLISHES  1000 /* about 15 ms of the broker's time */
#define DELIVER_FEW_SHARE      4
#define DELIVER_MANY_PUBLISHES 128 /* others wait no longer for it */
#define DELIVER_MANY_SHARE     8
#define DELIVER_SLICE_BYTES    (8ull * 1024 * 1024) /* each publish is a copy of its payload */

struct deliver_reply;
struct deliver {
    struct lanes lanes;
    struct corks corks;
    struct deliver_reply *first_reply, **last_reply;
    uint64_t backlog_publishes, backlog_bytes;
    uint64_t turn_publishes, turn_bytes; /* handed to the broker in this turn */
};

void deliver_init(struct deliver *deliver); /* nothing is corked yet: corks_init */
void deliver_done(struct deliver *deliver);

/* Keeps a copy of what is to be delivered by this frame, which the caller has checked to its end. */
MUST_CHECK enum status deliver_add(struct deliver *deliver, const void *frame, size_t frame_len);
/* Forgets frames not delivered: a new link starts over anyway. */
void deliver_forget(struct deliver *deliver);
/* To one session at the next tick, before what the service sends. Keeps copies. */
MUST_CHECK enum status deliver_reply(struct deliver *deliver, uint32_t session, struct slice tail, struct slice payload,
                                     struct slice correlation);

struct deliver_turn {
    const struct sessions *sessions;
    uint32_t clock_ms;
    bool is_shedding;                                 /* presence is dropped */
    void (*kick)(void *ctx, struct session *session); /* a KICK's turn, no memory, too much kept */
    void *ctx;
};
/* From the tick only. Without memory for a publish, or for the broker to keep those of this turn, it ends the
 * connections that it published to in it: they come back and miss nothing, where going on would leave a gap. The rest
 * waits for the next tick. */
void deliver_slice(struct deliver *deliver, const struct deliver_turn *turn);
/* There is something to do in the next tick, also when nothing comes. */
bool deliver_wants_tick(const struct deliver *deliver);

#endif
