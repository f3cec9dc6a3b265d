#ifndef GNATTER_OUTBOX_H
#define GNATTER_OUTBOX_H
/*
 * What waits for one link, as frames in the making. A thread gathers the ops of its turn in a parcel and puts the
 * parcel into the outbox at once, whole and within one frame, in the order of the calls. Memory is bounded by the
 * caller, who looks at `bytes`. Not thread-safe: the link has a lock.
 */
#include "../clients/protocol/frame.h"

/* room that a parcel leaves in a frame for the link's own DOWN_ACK: type, flags, two u64 */
#define OUTBOX_ACK_BYTES (FRAME_OP_HEADER_BYTES + 16)

struct parcel {
    struct frame_writer writer;
    unsigned char buf[LIMIT_FRAME_BYTES - OUTBOX_ACK_BYTES];
};
void parcel_begin(struct parcel *parcel);
bool parcel_is_empty(const struct parcel *parcel);
/* As frame_put; STATUS_FULL: put the parcel into the outbox and begin again. */
MUST_CHECK enum status parcel_put(struct parcel *parcel, const struct frame_op *op);

struct outbox_frame {
    struct outbox_frame *next;
    struct frame_writer writer;
    unsigned char buf[LIMIT_FRAME_BYTES];
};
struct outbox {
    struct outbox_frame *first, *last;
    struct outbox_frame *spares;
    size_t spares_len;
    size_t bytes; /* of ops waiting */
};
void outbox_init(struct outbox *outbox);
void outbox_done(struct outbox *outbox);
/* Forgets what waits. */
void outbox_clear(struct outbox *outbox);
bool outbox_is_empty(const struct outbox *outbox);
/* STATUS_NO_MEMORY: not put. */
MUST_CHECK enum status outbox_put(struct outbox *outbox, const struct parcel *parcel);
/* The oldest frame, unfinished so that the caller can add an ack; an empty one when nothing waits; NULL: no memory.
 * Give it back with outbox_recycle. */
struct outbox_frame *outbox_take(struct outbox *outbox);
void outbox_recycle(struct outbox *outbox, struct outbox_frame *frame);

#endif
