#include "service_state.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "metrics.h"

#define LAST_WAIT_MS 2000 /* for the last steps, when the earlier ones have used up the time */

struct metrics metrics;

/* ---- notifications go to the shard whose conversation it is, or to the hub ---- */
static void conversation_changed(void *ctx, struct slice conversation)
{
    struct service *service = ctx;
    struct shard_event event = {.kind = SHARD_CHANGED, .conversation = conversation};
    uint16_t route = conversation_route(conversation);
    (void)shard_post(service->shards[route % service->shards_len], &event); /* refused: it stops */
}

static void tokens_revoked(void *ctx, struct slice name, int64_t valid_after_s)
{
    hub_revoked(((struct service *)ctx)->hub, name, valid_after_s);
}

static void device_removed(void *ctx, struct slice client_id, int64_t device_id)
{
    hub_device_removed(((struct service *)ctx)->hub, client_id, device_id);
}

static void presence_changed(void *ctx, struct slice user)
{
    hub_presence_changed(((struct service *)ctx)->hub, user);
}

static void watcher_changed(void *ctx, struct slice client_id)
{
    hub_watcher_changed(((struct service *)ctx)->hub, client_id);
}

static void reads_changed(void *ctx, int64_t user_id)
{
    struct service *service = ctx;
    struct shard_event event = {.kind = SHARD_USER_CHANGED, .device = {.user_id = user_id}};
    for (size_t i = 0; i < service->shards_len; i++)
        (void)shard_post(service->shards[i], &event); /* refused: it stops */
}

static void push_changed(void *ctx, int64_t device_id)
{
    pusher_note_news(((struct service *)ctx)->pusher, device_id);
}

static void flags_changed(void *ctx, struct slice told)
{
    hub_flags(((struct service *)ctx)->hub, told);
}

/* Before the shards have read anything there is nothing that could be out of date. */
static void notifications_missed(void *ctx)
{
    struct service *service = ctx;
    if (atomic_load(&service->is_started))
        hub_resync(service->hub);
    pusher_note_missed(service->pusher);
}

/* ---- making ---- */
static enum status link_make(struct service *service, const char *uri)
{
    const struct config *config = service->config;
    if (service->links_len == RUNTIME_LINKS_MAX) {
        log_error("main", "too-many-links", LOG_INT("max", RUNTIME_LINKS_MAX));
        return STATUS_TOO_LARGE;
    }
    const struct broker_link_options options = {
        .index = (uint32_t)service->links_len,
        .uri = uri,
        .name = config->name,
        .secret_file = config->link_secret_file,
        .ca_file = config->link_ca_file,
        .ctx = service->hub,
        .on_frame = hub_frame,
        .on_down = hub_link_down,
    };
    enum status status = broker_link_new(&options, &service->links[service->links_len]);
    if (status == STATUS_OK)
        service->links_len++;
    else
        log_error("main", "bad-link", LOG_TEXT("uri", uri),
                  LOG_TEXT("expected", "mqtt://host:port or mqtts://host:port"));
    return status;
}

static enum status links_make(struct service *service)
{
    char *list = strdup(service->config->links), *rest = list;
    enum status status = list == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (char *uri; status == STATUS_OK && (uri = strtok_r(rest, ", \t", &rest)) != NULL;)
        status = link_make(service, uri);
    free(list);
    if (status == STATUS_OK && service->links_len == 0) {
        log_error("main", "no-links");
        status = STATUS_MALFORMED;
    }
    return status;
}

static size_t shards_wanted(const struct config *config)
{
    if (config->shards > 0)
        return (size_t)config->shards;
    /* One keeps up with several brokers. Measured on two processors: with a second one batches are half as large, which
     * costs PostgreSQL and the service a fifth each, and every idle device 480 bytes more. */
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors <= 4 ? 1 : processors > 12 ? 4 : (size_t)(processors + 3) / 4;
}

static enum status pusher_make(struct service *service)
{
    const struct pusher_setup setup = {&service->config->push, service->primary, service->config->name};
    return pusher_is_configured(setup.options) ? pusher_new(&setup, &service->pusher) : STATUS_OK;
}

static enum status quota_make(struct service *service)
{
    const struct quota_options options = {service->config->inbox_items_max, service->config->inbox_bytes_max};
    return quota_new(&options, &service->quota);
}

static enum status shards_make(struct service *service)
{
    const struct config *config = service->config;
    size_t wanted = shards_wanted(config);
    struct shard_options options = {
        .shards = (uint32_t)wanted,
        .primary = service->primary,
        .name = config->name,
        .links = service->links,
        .links_len = service->links_len,
        .ctx = service->hub,
        .on_caught_up = hub_caught_up,
    };
    core_options_default(&options.core);
    options.core.window_items = (uint32_t)config->window_items;
    options.core.window_items_max = (uint32_t)config->window_items_max;
    options.core.window_bytes = (uint32_t)config->window_bytes;
    options.core.redeliver_after_ms = (uint32_t)config->redeliver_after_ms;
    options.core.redeliver_max_ms = (uint32_t)config->redeliver_max_ms;
    options.core.flush_after_ms = (uint32_t)config->flush_after_ms;
    options.core.pending_items_max = (uint32_t)config->pending_items_max;
    options.core.conversations_max = (uint32_t)config->conversations_max;
    options.core.refuses_blocked = config->blocked_answer != 0;
    for (size_t i = 0; i < wanted; i++) {
        options.index = (uint32_t)i;
        options.push_notes = pusher_notes_new(service->pusher);
        options.quota_notes = quota_notes_new(service->quota);
        enum status status = STATUS_NO_MEMORY;
        if ((service->pusher == NULL) == (options.push_notes == NULL) &&
            quota_is_on(service->quota) == (options.quota_notes != NULL))
            status = shard_new(&options, &service->shards[i]);
        if (status != STATUS_OK)
            return status;
        service->shards_len++;
    }
    return STATUS_OK;
}

static enum status helpers_make(struct service *service)
{
    const struct config *config = service->config;
    const struct rpc_options rpc = {
        .primary = service->primary,
        .name = config->name,
        .workers = (uint32_t)config->rpc_workers,
        .edit_within_s = config->edit_within_s,
        .links = service->links,
        .links_len = service->links_len,
        .shards = service->shards,
        .shards_len = service->shards_len,
    };
    const struct clerk_options clerk = {
        .primary = service->primary,
        .name = config->name,
        .ctx = service->hub,
        .is_reciprocal = config->presence_reciprocal != 0,
        .on_presence = hub_presence,
        .on_revocations = hub_revocations,
        .on_flags = hub_flags,
        .on_lost = hub_clerk_lost,
        .pusher = service->pusher,
        .quota = service->quota,
    };
    const struct notify_options notify = {
        .primary = service->primary,
        .name = config->name,
        .ctx = service,
        .on_changed = conversation_changed,
        .on_revoked = tokens_revoked,
        .on_removed = device_removed,
        .on_presence = presence_changed,
        .on_watcher = watcher_changed,
        .on_reads = reads_changed,
        .on_push = push_changed,
        .on_flags = flags_changed,
        .on_missed = notifications_missed,
    };
    enum status status = rpc_new(&rpc, &service->rpc);
    if (status == STATUS_OK)
        status = clerk_new(&clerk, &service->clerk);
    if (status == STATUS_OK)
        status = notify_new(&notify, &service->notify);
    return status;
}

/* From the end of the journey to its start: what takes something finds everybody it needs. */
static enum status threads_start(struct service *service)
{
    const struct hub_options hub = {
        .primary = service->primary,
        .name = service->config->name,
        .presence_offline_after_ms = (uint32_t)service->config->presence_offline_after_ms,
        .links = service->links,
        .links_len = service->links_len,
        .shards = service->shards,
        .shards_len = service->shards_len,
        .rpc = service->rpc,
        .clerk = service->clerk,
    };
    enum status status = STATUS_OK;
    atomic_store(&service->is_started, true);
    if (service->pusher != NULL)
        status = pusher_start(service->pusher);
    if (status == STATUS_OK)
        status = clerk_start(service->clerk);
    if (status == STATUS_OK)
        status = rpc_start(service->rpc);
    for (size_t i = 0; i < service->shards_len && status == STATUS_OK; i++)
        status = shard_start(service->shards[i]);
    if (status == STATUS_OK)
        status = hub_start(service->hub, &hub);
    for (size_t i = 0; i < service->links_len && status == STATUS_OK; i++)
        status = broker_link_start(service->links[i]);
    return status;
}

static bool is_stuck(const struct service *service)
{
    for (size_t i = 0; i < service->links_len; i++) {
        struct broker_link_state state;
        broker_link_state(service->links[i], &state);
        if (state.is_stuck)
            return true;
    }
    return false;
}

/* Who listens before the shards read need not have them read everything again. */
enum status service_go_on(struct service *service)
{
    if (notify_claim(service->notify) == NOTIFY_CLAIM_LOST)
        return STATUS_DENIED;
    /* With some of its threads, or without Paho's, it would be there for ever and do nothing: better to end, and be
     * started again. */
    if (atomic_load(&service->is_started))
        return is_stuck(service) ? STATUS_NO_MEMORY : STATUS_OK;
    if (!notify_is_up(service->notify))
        return STATUS_UNAVAILABLE;
    return threads_start(service) == STATUS_OK ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status service_start(const struct config *config, struct primary *primary, struct service **ret_service)
{
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL)
        return STATUS_NO_MEMORY;
    service->config = config;
    service->primary = primary;
    service->since_unix_s = clock_unix_ms() / 1000;
    enum status status = hub_new(&service->hub);
    if (status != STATUS_OK) {
        log_error("main", "cannot-start", LOG_TEXT("why", status_name(status)));
        free(service);
        return status;
    }
    status = links_make(service);
    if (status == STATUS_OK)
        status = pusher_make(service);
    if (status == STATUS_OK)
        status = quota_make(service);
    if (status == STATUS_OK)
        status = shards_make(service);
    if (status == STATUS_OK)
        status = helpers_make(service);
    if (status == STATUS_OK)
        status = primary_start(primary);
    if (status == STATUS_OK)
        status = notify_start(service->notify);
    if (status != STATUS_OK) {
        log_error("main", "cannot-start", LOG_TEXT("why", status_name(status)));
        (void)service_stop(service); /* nothing was taken yet */
        return status;
    }
    *ret_service = service;
    return STATUS_OK;
}

/* ---- stopping: along the journey, each part when nothing can come any more ---- */
static void free_all(struct service *service)
{
    notify_free(service->notify);
    hub_free(service->hub);
    for (size_t i = 0; i < service->shards_len; i++)
        shard_free(service->shards[i]);
    rpc_free(service->rpc); /* after the shards: they reach its barriers */
    clerk_free(service->clerk);
    pusher_free(service->pusher);
    quota_free(service->quota);
    for (size_t i = 0; i < service->links_len; i++)
        broker_link_free(service->links[i]);
    free(service);
}

bool service_stop(struct service *service)
{
    int64_t deadline_ms = clock_monotonic_ms() + service->config->stop_after_ms;
    bool has_ended = true, is_finished = true;
    hub_stop_taking(service->hub);
    for (size_t i = 0; i < service->shards_len; i++)
        shard_stop(service->shards[i], deadline_ms); /* from here on nobody waits for room in a shard's mailbox */
    if (service->notify != NULL)
        has_ended &= notify_stop(service->notify, deadline_ms);
    if (service->rpc != NULL)
        has_ended &= rpc_stop(service->rpc, deadline_ms);
    for (size_t i = 0; i < service->shards_len; i++)
        is_finished &= shard_join(service->shards[i]);
    has_ended &= hub_stop(service->hub, deadline_ms + LAST_WAIT_MS);
    if (service->clerk != NULL)
        has_ended &= clerk_stop(service->clerk, deadline_ms + LAST_WAIT_MS);
    has_ended &= pusher_stop(service->pusher, deadline_ms + LAST_WAIT_MS);
    has_ended &= primary_stop(service->primary, deadline_ms + LAST_WAIT_MS);
    for (size_t i = 0; i < service->links_len; i++)
        is_finished &= broker_link_stop(service->links[i], deadline_ms + LAST_WAIT_MS);
    if (has_ended) /* who hangs in a question still uses it; the process ends anyway */
        free_all(service);
    return is_finished && has_ended;
}

void service_reload(struct service *service)
{
    pusher_reload(service->pusher);
}
