#ifndef GNATTER_RPC_H
#define GNATTER_RPC_H
/*
 * Requests of devices. Some threads, each with a connection of its own; all of a device's requests go to the same one,
 * which answers them one after the other. What is asked about marks waits first until the marks that came before are in
 * the database.
 */
#include "courier.h"
#include "histogram.h"

struct rpc;
struct shard;
struct rpc_options {
    struct primary *primary; /* borrowed for the life of it, as all below */
    const char *name;
    uint32_t workers;
    int64_t edit_within_s;
    struct broker_link *const *links;
    size_t links_len;
    struct shard *const *shards;
    size_t shards_len;
};
MUST_CHECK enum status rpc_new(const struct rpc_options *options, struct rpc **ret_rpc);
MUST_CHECK enum status rpc_start(struct rpc *rpc);
/* Answers what was taken, as long as the database is there, and ends. False: it has not ended by then (monotonic). */
bool rpc_stop(struct rpc *rpc, int64_t deadline_ms);
void rpc_free(struct rpc *rpc); /* NULL is allowed */

struct rpc_request {
    session_ref session; /* to be answered */
    uint64_t life;       /* of its link */
    struct core_token token;
    int64_t device_id, user_id;
    struct slice method, id, payload, correlation;
};
/* The hub. Keeps a copy. False: too many are waiting, or it stops. */
bool rpc_post(struct rpc *rpc, const struct rpc_request *request);

/* Any thread. */
struct rpc_state {
    struct histogram_sum took_us; /* of answering; without waiting for its turn */
    uint64_t errors;              /* answers that were errors */
    size_t waiting_bytes;
};
void rpc_state(struct rpc *rpc, struct rpc_state *ret_state);

#endif
