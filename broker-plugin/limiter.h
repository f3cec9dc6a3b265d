#ifndef GNATTER_LIMITER_H
#define GNATTER_LIMITER_H
/*
 * The limits that operators set, and what is needed to keep them that no session holds. Reloadable; what is counted
 * goes to the service now and then. The broker's thread only.
 */
#include "addresses.h"
#include "counters.h"
#include "options.h"
#include "sessions.h"

#define LIMITER_NAMES_MAX 65536u /* devices, conversations, users that are busy: about 130 bytes each */

struct limiter {
    struct rate_options given; /* by the broker's configuration */
    struct rates rates;
    /* Whether these can be met at all: where the limits of messages keep everybody below them, as by default, nothing
     * is looked up. */
    bool needs_bytes, needs_direct;
    struct addresses addresses;
    struct ledger bytes;         /* by client id */
    struct ledger conversations; /* by the server's name */
    struct ledger groups;        /* by user */
    uint64_t counted[COUNTERS];
    uint64_t told[COUNTERS];
    bool has_told;
    uint32_t told_ms;
};

/* STATUS_MALFORMED, STATUS_UNAVAILABLE with the reason in `why`: the limits file. */
MUST_CHECK enum status limiter_init(struct limiter *limiter, const struct options *options, char *why, size_t why_size);
void limiter_done(struct limiter *limiter);
/* Takes what the file says now; on failure all stays as it was. */
MUST_CHECK enum status limiter_reload(struct limiter *limiter, const struct options *options, char *why,
                                      size_t why_size);
void limiter_sweep(struct limiter *limiter, uint32_t now_ms);

void limiter_count(struct limiter *limiter, enum counter counter);
/* Whether there is something to tell the service: at most once a second, and only news. `values`: COUNTERS times eight
 * bytes, as a frame has them. */
bool limiter_tell(struct limiter *limiter, uint32_t now_ms, char *values);
/* A new link: it knows nothing yet. */
void limiter_tell_anew(struct limiter *limiter);

/* Over a limit: which one, when to try again, and how a device is told. */
struct limit_hit {
    enum counter counter;
    uint32_t retry_after_ms;
    const char *message;
};
/* The session has its buckets (session_rates). One message to that conversation (its server name), or one request;
 * true: taken. False: *ret_hit. */
bool limiter_take_message(struct limiter *limiter, struct session *session, struct slice conversation, size_t bytes,
                          uint32_t now_ms, struct limit_hit *ret_hit);
bool limiter_take_request(struct limiter *limiter, struct session *session, bool makes_group, size_t bytes,
                          uint32_t now_ms, struct limit_hit *ret_hit);

#endif
