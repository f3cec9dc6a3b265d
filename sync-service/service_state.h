#ifndef GNATTER_SERVICE_STATE_H
#define GNATTER_SERVICE_STATE_H
/*
 * Inside the service: service.c makes the parts and ends them, service_status.c and scrape/page.c tell how they are.
 */
#include <stdatomic.h>
#include "clerk.h"
#include "ingest/hub.h"
#include "notify.h"
#include "push/pusher.h"
#include "quota.h"
#include "rpc.h"
#include "runtime.h"
#include "service.h"
#include "shard.h"

struct service {
    const struct config *config;
    struct primary *primary;
    int64_t since_unix_s;
    struct broker_link *links[RUNTIME_LINKS_MAX];
    size_t links_len;
    struct hub *hub;
    struct shard *shards[RUNTIME_SHARDS_MAX];
    size_t shards_len;
    struct rpc *rpc;
    struct clerk *clerk;
    struct quota *quota;
    struct pusher *pusher; /* NULL: no push provider is configured */
    struct notify *notify;
    atomic_bool is_started;
};

bool service_is_database_up(const struct service *service);
/* The shards' counts together. */
void service_core_stats(const struct service *service, struct core_stats *ret_stats);
struct append_stats {
    struct histogram_sum items, us;
    uint64_t failures;
};
void service_append_stats(const struct service *service, struct append_stats *ret_stats);

#endif
