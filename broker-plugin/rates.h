#ifndef GNATTER_RATES_H
#define GNATTER_RATES_H
/*
 * How much one device, and one user over all devices, may ask of a node. Pure.
 */
#include "bucket.h"

#define RATES_USER_FACTOR 4 /* a user's devices together may send this many times what one may */

struct rates {
    bool is_off; /* for load tests: nothing is refused for its rate */
    struct rate chat;
    struct rate chat_user;
    struct rate rpc;    /* rpc and sync: each is work for the database */
    struct rate typing; /* above: dropped, it promises nothing */
    struct rate marks;  /* ack and read; above: the connection is closed, a mark is never dropped in silence */
    struct rate denied; /* error/-/-/... in answer to what is not allowed */
    /* errors in answer to messages refused. Nothing tells us that a device acknowledges what we send it, so the number
     * of errors is what bounds the broker's queue for it; above: the connection is closed. */
    struct rate errors;
};

struct rates_session {
    struct bucket chat, rpc, typing, marks, denied, errors;
};

void rates_make(struct rates *ret_rates, uint32_t messages_per_second, uint32_t messages_burst, bool is_off);
void rates_session_start(struct rates_session *session, const struct rates *rates, uint32_t now_ms);
bool rates_are_full(const struct rates *rates, struct rates_session *session, uint32_t now_ms);

/* One message by this session of this user. False: *ret_retry_after_ms is when one will be let through. */
bool rates_take_chat(const struct rates *rates, struct rates_session *session, struct bucket *user, uint32_t now_ms,
                     uint32_t *ret_retry_after_ms);
/* From one of the others; true when rates are off. */
bool rates_take(const struct rates *rates, struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens);

#endif
