#ifndef GNATTER_RATES_H
#define GNATTER_RATES_H
/*
 * How much one device, one user over all devices, one conversation and one address may ask of a node. Pure.
 */
#include <stddef.h>

#include "bucket.h"

#define RATES_USER_FACTOR                                                                                              \
    4 /* a user's devices together may send this many times what one may, where not said otherwise */
#define RATES_BYTES_OF_TOKEN 64   /* so that a burst of bytes fits a bucket */
#define RATES_HOUR_TOKENS    3600 /* what happens so many times an hour takes so many tokens ... */
#define RATES_MINUTE_TOKENS  60   /* ... and these a minute */

#define RATES_PAUSE_MAX_MS 5000 /* the longest that errors alone ask for: a hundred of them come back in that time */

/* What an operator sets; bounds are those of the table in options.c. */
struct rate_options {
    uint64_t messages_per_second, messages_burst;
    uint64_t user_messages_per_second, user_messages_burst; /* 0: RATES_USER_FACTOR times a device's */
    uint64_t bytes_per_second, bytes_burst;
    uint64_t requests_per_second, requests_burst;
    uint64_t groups_per_hour, groups_burst;
    uint64_t conversation_messages_per_second, conversation_messages_burst;
    uint64_t connections_per_second, connections_burst;
    uint64_t auth_failures_per_minute, auth_failures_burst;
    char trusted_addresses[1024];
};

struct rates {
    bool is_off; /* for load tests: nothing is refused for its rate */
    struct rate chat;
    struct rate chat_user;
    struct rate bytes; /* of a device's messages and requests, in units of RATES_BYTES_OF_TOKEN */
    struct rate chat_conversation;
    struct rate rpc;    /* rpc and sync: each is work for the database */
    struct rate groups; /* made by one user; RATES_HOUR_TOKENS each */
    struct rate typing; /* above: dropped, it promises nothing */
    struct rate marks;  /* ack and read, and subscribing again; above: the connection is closed, a mark is never dropped
                           in silence */
    struct rate denied; /* error/-/-/... in answer to what is not allowed */
    /* errors in answer to messages refused: a device that goes on with what is refused is closed. How much of them the
     * broker keeps is bounded in kept.h. */
    struct rate errors;
    struct rate connections;   /* of one address */
    struct rate auth_failures; /* of one address; RATES_MINUTE_TOKENS each */
};

struct rates_session {
    struct bucket chat, rpc, typing, marks, denied, errors;
};

void rates_make(struct rates *ret_rates, const struct rate_options *options, bool is_off);
void rates_session_start(struct rates_session *session, const struct rates *rates, uint32_t now_ms);
uint32_t rates_bytes_tokens(size_t bytes);
bool rates_are_full(const struct rates *rates, struct rates_session *session, uint32_t now_ms);

/* One message by this session of this user. False: *ret_retry_after_ms is when one will be let through, and
 * *ret_is_user whose it was: the user's or the device's. */
bool rates_take_chat(const struct rates *rates, struct rates_session *session, struct bucket *user, uint32_t now_ms,
                     uint32_t *ret_retry_after_ms, bool *ret_is_user);
/* Gives back one that was taken in vain. */
void rates_return_chat(const struct rates *rates, struct rates_session *session, struct bucket *user);
/* The pause to ask for with one more error, retry_after_ms at least: who keeps it is never closed for errors, since as
 * many have come back by then. Without that, each message at the limit would have one. */
uint32_t rates_pause_ms(const struct rates *rates, struct rates_session *session, uint32_t retry_after_ms,
                        uint32_t now_ms);
/* From one of the others; true when rates are off. */
bool rates_take(const struct rates *rates, struct bucket *bucket, struct rate rate, uint32_t now_ms, uint32_t tokens);

#endif
