#include <cjson/cJSON.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "metrics.h"
#include "service_state.h"
#include "../clients/protocol/version.h"

/* ---- could a device chat? ---- */
static bool has_link(const struct service *service)
{
    for (size_t i = 0; i < service->links_len; i++) {
        struct broker_link_state state;
        broker_link_state(service->links[i], &state);
        if (state.is_up)
            return true;
    }
    return false;
}

bool service_is_database_up(const struct service *service)
{
    bool is_up = notify_is_up(service->notify);
    for (size_t i = 0; i < service->shards_len && is_up; i++) {
        struct shard_state state;
        shard_state(service->shards[i], &state);
        is_up = state.is_database_up;
    }
    return is_up;
}

static bool is_database_silent(const struct service *service)
{
    for (size_t i = 0; i < service->shards_len; i++) {
        struct shard_state state;
        shard_state(service->shards[i], &state);
        if (state.database_wait_ms >= RUNTIME_DATABASE_SILENT_MS)
            return true;
    }
    return false;
}

size_t service_why_not_ready(struct service *service, const char *whys[SERVICE_WHYS_MAX])
{
    size_t len = 0;
    if (notify_claim(service->notify) == NOTIFY_CLAIM_OTHER) {
        whys[len++] = "standing-by"; /* nothing else has begun */
        return len;
    }
    if (!service_is_database_up(service))
        whys[len++] = "database-away";
    else if (is_database_silent(service))
        whys[len++] = "database-silent";
    if (!has_link(service))
        whys[len++] = "no-broker-link";
    if (!service_is_alive(service))
        whys[len++] = "stalled";
    return len;
}

bool service_is_ready(struct service *service)
{
    const char *whys[SERVICE_WHYS_MAX];
    return service_why_not_ready(service, whys) == 0;
}

bool service_is_alive(struct service *service)
{
    int64_t since_ms = clock_steady_ms() - RUNTIME_STALLED_MS;
    if (!atomic_load(&service->is_started))
        return true;
    for (size_t i = 0; i < service->shards_len; i++) {
        struct shard_state state;
        shard_state(service->shards[i], &state);
        if (state.turned_at_ms < since_ms)
            return false;
    }
    return true;
}

/* ---- the shards together ---- */
void service_core_stats(const struct service *service, struct core_stats *ret_stats)
{
    *ret_stats = (struct core_stats){0};
    for (size_t i = 0; i < service->shards_len; i++) {
        struct shard_state state;
        shard_state(service->shards[i], &state);
        ret_stats->pending_items += state.stats.pending_items;
        ret_stats->behind += state.stats.behind;
        ret_stats->conversations += state.stats.conversations;
        ret_stats->outstanding += state.stats.outstanding;
        ret_stats->appended += state.stats.appended;
        ret_stats->duplicates += state.stats.duplicates;
        ret_stats->pushed += state.stats.pushed;
        ret_stats->redelivered += state.stats.redelivered;
        ret_stats->forgotten += state.stats.forgotten;
    }
}

void service_append_stats(const struct service *service, struct append_stats *ret_stats)
{
    *ret_stats = (struct append_stats){0};
    for (size_t i = 0; i < service->shards_len; i++) {
        const struct message_log_metrics *counted = shard_metrics(service->shards[i]);
        histogram_sum_up(&counted->append_items, &ret_stats->items);
        histogram_sum_up(&counted->append_us, &ret_stats->us);
        ret_stats->failures += atomic_load_explicit(&counted->append_failures, memory_order_relaxed);
    }
}

/* ---- as JSON ---- */
static void put(cJSON *object, const char *name, double value)
{
    (void)cJSON_AddNumberToObject(object, name, value);
}

/* What the broker's plugin has let in and refused. */
static void add_counted(cJSON *link, const struct broker_link_state *state)
{
    cJSON *broker = cJSON_AddObjectToObject(link, "broker");
    for (int i = 0; i < COUNTER_REFUSED_FIRST; i++)
        put(broker, counter_name((enum counter)i), (double)state->counted[i]);
    cJSON *refused = cJSON_AddObjectToObject(broker, "refused");
    for (int i = COUNTER_REFUSED_FIRST; i < COUNTERS; i++)
        put(refused, counter_name((enum counter)i), (double)state->counted[i]);
}

static cJSON *links_json(const struct service *service)
{
    cJSON *links = cJSON_CreateArray();
    for (size_t i = 0; i < service->links_len; i++) {
        struct broker_link_state state;
        broker_link_state(service->links[i], &state);
        cJSON *link = cJSON_CreateObject();
        char boot[20];
        (void)snprintf(boot, sizeof boot, "%016llx", (unsigned long long)state.boot);
        (void)cJSON_AddStringToObject(link, "uri", broker_link_uri(service->links[i]));
        (void)cJSON_AddBoolToObject(link, "up", state.is_up);
        (void)cJSON_AddStringToObject(link, "boot", boot);
        put(link, "journal_backlog", (double)state.records_waiting);
        put(link, "frames_taken", (double)state.frames_taken);
        put(link, "frames_sent", (double)state.frames_sent);
        put(link, "outbox_bytes", (double)state.outbox_bytes);
        put(link, "connections", (double)state.connections);
        add_counted(link, &state);
        (void)cJSON_AddItemToArray(links, link);
    }
    return links;
}

static void add_core(cJSON *object, const struct service *service)
{
    struct core_stats sum;
    service_core_stats(service, &sum);
    put(object, "pending", (double)sum.pending_items);
    put(object, "behind", (double)sum.behind);
    put(object, "conversations", (double)sum.conversations);
    put(object, "outstanding", (double)sum.outstanding);
    put(object, "appended", (double)sum.appended);
    put(object, "duplicates", (double)sum.duplicates);
    put(object, "pushed", (double)sum.pushed);
    put(object, "redelivered", (double)sum.redelivered);
}

static void add_counters(cJSON *object, const struct service *service)
{
    const struct {
        const char *name;
        const _Atomic uint64_t *counter;
    } counters[] = {
        {"frames_taken", &metrics.frames_taken},
        {"records_taken", &metrics.records_taken},
        {"records_refused", &metrics.records_refused},
        {"frames_sent", &metrics.frames_sent},
        {"ops_sent", &metrics.ops_sent},
        {"bytes_sent", &metrics.bytes_sent},
        {"ops_dropped", &metrics.ops_dropped},
        {"database_losses", &metrics.database_losses},
        {"rpcs", &metrics.rpcs},
        {"rpcs_refused", &metrics.rpcs_refused},
        {"messages_expired", &metrics.messages_expired},
    };
    cJSON *totals = cJSON_AddObjectToObject(object, "counters");
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        put(totals, counters[i].name, (double)atomic_load_explicit(counters[i].counter, memory_order_relaxed));
    struct append_stats appends;
    struct rpc_state rpcs;
    service_append_stats(service, &appends);
    rpc_state(service->rpc, &rpcs);
    put(totals, "appends", (double)appends.us.count);
    put(totals, "append_items", (double)appends.items.sum);
    put(totals, "append_us", (double)appends.us.sum);
    put(totals, "append_failures", (double)appends.failures);
    put(totals, "rpcs_answered", (double)rpcs.took_us.count);
    put(totals, "rpc_us", (double)rpcs.took_us.sum);
    put(totals, "rpc_errors", (double)rpcs.errors);
}

static cJSON *rows_json(const struct busy_row rows[], size_t len)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < len; i++) {
        cJSON *row = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(row, "conversation", rows[i].conversation);
        put(row, "messages_per_s", rows[i].items_per_s);
        put(row, "append_ms", rows[i].append_ms);
        (void)cJSON_AddItemToArray(array, row);
    }
    return array;
}

/* Of all shards those with most; what is no longer in memory has no name, and is left out. */
static void add_busy(cJSON *object, const struct service *service)
{
    struct busy_row busiest[BUSY_ROWS], slowest[BUSY_ROWS];
    size_t busiest_len = 0, slowest_len = 0;
    for (size_t i = 0; i < service->shards_len; i++) {
        struct shard_busy busy;
        shard_busy(service->shards[i], &busy);
        for (size_t row = 0; row < busy.busiest_len; row++)
            if (busy.busiest[row].conversation[0] != '\0')
                busiest_len = busy_insert(busiest, busiest_len, BUSY_BY_RATE, &busy.busiest[row]);
        for (size_t row = 0; row < busy.slowest_len; row++)
            if (busy.slowest[row].conversation[0] != '\0')
                slowest_len = busy_insert(slowest, slowest_len, BUSY_BY_TIME, &busy.slowest[row]);
    }
    (void)cJSON_AddItemToObject(object, "busiest", rows_json(busiest, busiest_len));
    (void)cJSON_AddItemToObject(object, "slowest", rows_json(slowest, slowest_len));
}

/* As /readyz has them; empty: ready. */
static cJSON *whys_json(struct service *service)
{
    const char *whys[SERVICE_WHYS_MAX];
    size_t len = service_why_not_ready(service, whys);
    return cJSON_CreateStringArray(whys, (int)len);
}

size_t service_status(struct service *service, char *buf, size_t buf_size)
{
    struct hub_state hub;
    hub_state(service->hub, &hub);
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "version", GNATTER_VERSION);
    put(object, "pid", getpid());
    put(object, "since", (double)service->since_unix_s);
    (void)cJSON_AddBoolToObject(object, "standing_by", notify_claim(service->notify) == NOTIFY_CLAIM_OTHER);
    (void)cJSON_AddBoolToObject(object, "database", service_is_database_up(service));
    (void)cJSON_AddItemToObject(object, "why", whys_json(service));
    (void)cJSON_AddItemToObject(object, "links", links_json(service));
    put(object, "shards", (double)service->shards_len);
    put(object, "sessions", (double)hub.sessions);
    put(object, "live", (double)hub.ready);
    add_core(object, service);
    add_counters(object, service);
    add_busy(object, service);
    if (service->pusher != NULL)
        (void)cJSON_AddItemToObject(object, "push", pusher_json(service->pusher));
    size_t len = 0;
    if (cJSON_PrintPreallocated(object, buf, (int)buf_size - 8, false)) {
        len = strlen(buf);
        buf[len++] = '\n';
    }
    cJSON_Delete(object);
    return len;
}
