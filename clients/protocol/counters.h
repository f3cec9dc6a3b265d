#ifndef GNATTER_COUNTERS_H
#define GNATTER_COUNTERS_H
/*
 * What a broker's plugin counts and tells the service (UP_COUNTERS), in this order. Since the broker's start; new ones
 * are added at the end, and who is told fewer or more of them takes what both know.
 */
enum counter {
    COUNTER_CONNECTIONS, /* devices let in */
    COUNTER_ADDRESSES,   /* a gauge: addresses that connected or failed so often that they are remembered */
    /* what was refused, and why */
    COUNTER_CONNECTION_RATE,
    COUNTER_AUTH_FAILED,
    COUNTER_AUTH_BLOCKED,
    COUNTER_DEVICE_MESSAGES,
    COUNTER_USER_MESSAGES,
    COUNTER_CONVERSATION_MESSAGES,
    COUNTER_DEVICE_BYTES,
    COUNTER_DEVICE_REQUESTS,
    COUNTER_USER_GROUPS,
    COUNTER_DEVICE_MARKS,
    COUNTER_DEVICE_TYPING,
    COUNTER_DEVICE_ERRORS,
    COUNTER_OVERLOADED,
    COUNTER_JOURNAL_FULL,
    COUNTER_NOT_ALLOWED,
    COUNTER_NOT_UNDERSTOOD,
    COUNTERS,
};
#define COUNTER_REFUSED_FIRST COUNTER_CONNECTION_RATE
#define LIMIT_COUNTERS        256 /* that a frame may tell */

/* Of a reason to refuse: its word in metrics, a lower-case one. */
const char *counter_name(enum counter counter);

#endif
