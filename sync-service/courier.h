#ifndef GNATTER_COURIER_H
#define GNATTER_COURIER_H
/*
 * A thread's way to the links: gathers its ops in one parcel per link and hands them over together. What is put in goes
 * out in that order, in one link's frames; what was meant for a life of a link that is over is dropped. One thread's
 * own.
 */
#include "broker_link.h"
#include "runtime.h"

struct courier {
    struct broker_link *const *links;
    size_t links_len;
    struct parcel *parcels[RUNTIME_LINKS_MAX]; /* made when first needed */
    uint64_t lives[RUNTIME_LINKS_MAX];
    size_t payload_at[RUNTIME_LINKS_MAX], payload_len[RUNTIME_LINKS_MAX]; /* of the parcel's last DELIVER */
    unsigned char *sessions;
};
/* Borrows the links for as long as it lives. STATUS_NO_MEMORY. */
MUST_CHECK enum status courier_init(struct courier *courier, struct broker_link *const links[], size_t links_len);
void courier_done(struct courier *courier);

/* What is put in from now on is for this life of the link. */
void courier_set_life(struct courier *courier, uint32_t link, uint64_t life);
void courier_put(struct courier *courier, uint32_t link, const struct frame_op *op);
/* DELIVER or PRESENCE to sessions of one link or several. */
struct courier_delivery {
    enum frame_op_type type;
    int qos;
    struct slice tail, payload, correlation;
};
void courier_deliver(struct courier *courier, const session_ref sessions[], size_t sessions_len,
                     const struct courier_delivery *delivery);
/* Hands everything over. */
void courier_flush(struct courier *courier);
/* The same, and then these parts of records are done: known to the links together. */
void courier_flush_done(struct courier *courier, const struct core_token tokens[], size_t tokens_len);

static inline uint32_t session_link(session_ref session)
{
    return (uint32_t)(session >> 32);
}

#endif
