/* The page that Prometheus reads: every metric of the service, by name. docs/operating.md says which of them matter. */
#include <stdlib.h>
#include "../clock.h"
#include "../metrics.h"
#include "../service_state.h"
#include "../../clients/protocol/version.h"
#include "exposition.h"
#include "process.h"

static double counted(const _Atomic uint64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void message_metrics(FILE *out, const struct service *service)
{
    struct core_stats core;
    struct append_stats appends;
    service_core_stats(service, &core);
    service_append_stats(service, &appends);
    exposition_counter(out, "gnatter_messages_appended_total", "Messages that got their seq.", (double)core.appended);
    exposition_counter(out, "gnatter_messages_duplicate_total", "Messages that were in the log already: sent again.",
                       (double)core.duplicates);
    exposition_counter(out, "gnatter_messages_expired_total",
                       "Messages that disappeared by their conversation's timer.", counted(&metrics.messages_expired));
    exposition_gauge(out, "gnatter_inboxes_full", "Users for whom too much waits: direct messages to them are refused.",
                     (double)quota_full(service->quota));
    exposition_counter(out, "gnatter_items_pushed_total", "Items handed to live devices.", (double)core.pushed);
    exposition_counter(out, "gnatter_items_redelivered_total", "Items handed over again, as no acknowledgement came.",
                       (double)core.redelivered);
    exposition_gauge(out, "gnatter_messages_pending", "Messages taken from brokers that have no seq yet.",
                     (double)core.pending_items);
    exposition_gauge(out, "gnatter_items_outstanding", "Items handed over and not acknowledged.",
                     (double)core.outstanding);
    exposition_gauge(out, "gnatter_devices_behind",
                     "Live devices that were not handed everything yet; one in several conversations counts in each.",
                     (double)core.behind);
    exposition_gauge(out, "gnatter_conversations_loaded", "Conversations in memory.", (double)core.conversations);
    exposition_counter(out, "gnatter_conversations_forgotten_total",
                       "Conversations dropped from memory for lack of room with something unacknowledged.",
                       (double)core.forgotten);
    exposition_counter(out, "gnatter_append_failures_total",
                       "Batches that the database did not take; they are asked again, or item by item.",
                       (double)appends.failures);
    exposition_family(out, FAMILY_HISTOGRAM, "gnatter_append_batch_messages", "Messages in a batch.");
    exposition_histogram(out, "gnatter_append_batch_messages", &histogram_items, &appends.items);
    exposition_family(out, FAMILY_HISTOGRAM, "gnatter_append_duration_seconds",
                      "From asking the database to append a batch to its answer.");
    exposition_histogram(out, "gnatter_append_duration_seconds", &histogram_us, &appends.us);
}

/* One family of a number that each shard or link has. */
struct column {
    enum family_type type;
    const char *name, *help;
};

static void shard_metrics_put(FILE *out, const struct service *service)
{
    static const struct column columns[] = {
        {FAMILY_GAUGE, "gnatter_shard_database_up", "1: the shard's connection to the database stands."},
        {FAMILY_GAUGE, "gnatter_shard_database_wait_seconds", "How long the oldest unanswered question waits."},
        {FAMILY_GAUGE, "gnatter_shard_mailbox_bytes", "What waits for the shard."},
        {FAMILY_GAUGE, "gnatter_shard_idle_seconds", "How long ago the shard was seen to move; above 30 it is stuck."},
    };
    int64_t now_ms = clock_steady_ms();
    for (size_t column = 0; column < sizeof columns / sizeof columns[0]; column++) {
        exposition_family(out, columns[column].type, columns[column].name, columns[column].help);
        for (size_t i = 0; i < service->shards_len; i++) {
            struct shard_state state;
            shard_state(service->shards[i], &state);
            int64_t idle_ms = now_ms > state.turned_at_ms ? now_ms - state.turned_at_ms : 0;
            const double values[] = {state.is_database_up, (double)state.database_wait_ms / 1000,
                                     (double)state.waiting_bytes, (double)idle_ms / 1000};
            char index[24];
            (void)snprintf(index, sizeof index, "%zu", i);
            exposition_sample(out, columns[column].name, &(struct label){"shard", index}, 1, values[column]);
        }
    }
}

static void link_metrics(FILE *out, const struct service *service)
{
    static const struct column columns[] = {
        {FAMILY_GAUGE, "gnatter_link_up", "1: the broker's plugin has answered, and messages flow."},
        {FAMILY_GAUGE, "gnatter_link_journal_backlog_records",
         "Records taken from the broker's journal, not done yet."},
        {FAMILY_GAUGE, "gnatter_link_outbox_bytes", "What waits to be sent to the broker."},
        {FAMILY_COUNTER, "gnatter_link_frames_received_total", "Frames from the broker's plugin."},
        {FAMILY_COUNTER, "gnatter_link_frames_sent_total", "Frames to the broker's plugin."},
        {FAMILY_COUNTER, "gnatter_link_connections_total", "How often the link came up."},
    };
    for (size_t column = 0; column < sizeof columns / sizeof columns[0]; column++) {
        exposition_family(out, columns[column].type, columns[column].name, columns[column].help);
        for (size_t i = 0; i < service->links_len; i++) {
            struct broker_link_state state;
            broker_link_state(service->links[i], &state);
            const double values[] = {state.is_up,
                                     (double)state.records_waiting,
                                     (double)state.outbox_bytes,
                                     (double)state.frames_received,
                                     (double)state.frames_out,
                                     (double)state.connections};
            const struct label link = {"link", broker_link_uri(service->links[i])};
            exposition_sample(out, columns[column].name, &link, 1, values[column]);
        }
    }
    exposition_counter(out, "gnatter_records_taken_total", "Publishes of devices, from all brokers.",
                       counted(&metrics.records_taken));
    exposition_counter(out, "gnatter_records_refused_total",
                       "Of these, what was not understood or of an unknown device.", counted(&metrics.records_refused));
    exposition_counter(out, "gnatter_operations_sent_total", "Deliveries and other operations sent to brokers.",
                       counted(&metrics.ops_sent));
    exposition_counter(out, "gnatter_operations_dropped_total",
                       "Operations for a link that went down; devices get what they miss when it is up again.",
                       counted(&metrics.ops_dropped));
    exposition_counter(out, "gnatter_sent_bytes_total", "Bytes of frames sent to brokers.",
                       counted(&metrics.bytes_sent));
}

/* What the brokers' plugins count, as they last told. */
static void admission_metrics(FILE *out, const struct service *service)
{
    struct broker_link_state states[RUNTIME_LINKS_MAX];
    for (size_t i = 0; i < service->links_len; i++)
        broker_link_state(service->links[i], &states[i]);
    exposition_family(out, FAMILY_COUNTER, "gnatter_broker_connections_total", "Connections of devices let in.");
    for (size_t i = 0; i < service->links_len; i++)
        exposition_sample(out, "gnatter_broker_connections_total",
                          &(struct label){"link", broker_link_uri(service->links[i])}, 1,
                          (double)states[i].counted[COUNTER_CONNECTIONS]);
    exposition_family(out, FAMILY_GAUGE, "gnatter_broker_addresses",
                      "Addresses that connected or failed to so often of late that they are remembered.");
    for (size_t i = 0; i < service->links_len; i++)
        exposition_sample(out, "gnatter_broker_addresses", &(struct label){"link", broker_link_uri(service->links[i])},
                          1, (double)states[i].counted[COUNTER_ADDRESSES]);
    exposition_family(out, FAMILY_COUNTER, "gnatter_broker_refused_total",
                      "Connections, messages and requests that a broker refused, by the limit or reason.");
    for (size_t i = 0; i < service->links_len; i++)
        for (int counter = COUNTER_REFUSED_FIRST; counter < COUNTERS; counter++) {
            const struct label labels[] = {{"link", broker_link_uri(service->links[i])},
                                           {"reason", counter_name((enum counter)counter)}};
            exposition_sample(out, "gnatter_broker_refused_total", labels, 2, (double)states[i].counted[counter]);
        }
}

static void rpc_metrics(FILE *out, const struct service *service)
{
    struct rpc_state state;
    rpc_state(service->rpc, &state);
    exposition_counter(out, "gnatter_rpc_requests_total", "Requests of devices.", counted(&metrics.rpcs));
    exposition_counter(out, "gnatter_rpc_errors_total", "Answers that were errors, whoever was to blame.",
                       (double)state.errors);
    exposition_counter(out, "gnatter_rpc_refused_total",
                       "Of these, what the service refused: overloaded, database away.",
                       counted(&metrics.rpcs_refused));
    exposition_gauge(out, "gnatter_rpc_waiting_bytes", "Requests that wait for their turn.",
                     (double)state.waiting_bytes);
    exposition_family(out, FAMILY_HISTOGRAM, "gnatter_rpc_duration_seconds", "How long answering a request took.");
    exposition_histogram(out, "gnatter_rpc_duration_seconds", &histogram_us, &state.took_us);
}

static void provider_metrics(FILE *out, const struct pusher_state *state)
{
    exposition_family(out, FAMILY_GAUGE, "gnatter_push_provider_up",
                      "0: stopped, as its key or address is wrong; the log and gnatterctl status say why.");
    for (size_t i = 0; i < state->workers_len; i++)
        exposition_sample(out, "gnatter_push_provider_up", &(struct label){"provider", state->workers[i].provider}, 1,
                          !state->workers[i].is_stopped);
    exposition_family(out, FAMILY_GAUGE, "gnatter_push_requests_under_way", "Wake-ups that wait for the provider.");
    for (size_t i = 0; i < state->workers_len; i++)
        exposition_sample(out, "gnatter_push_requests_under_way",
                          &(struct label){"provider", state->workers[i].provider}, 1, state->workers[i].under_way);
    exposition_family(out, FAMILY_COUNTER, "gnatter_push_answers_total", "What providers answered.");
    for (size_t i = 0; i < state->workers_len; i++)
        for (int outcome = 0; outcome <= PUSH_STOPPED; outcome++) {
            const struct label labels[] = {{"provider", state->workers[i].provider},
                                           {"outcome", push_outcome_name((enum push_outcome)outcome)}};
            exposition_sample(out, "gnatter_push_answers_total", labels, 2,
                              (double)state->workers[i].by_outcome[outcome]);
        }
}

static void push_metrics(FILE *out, const struct service *service)
{
    struct pusher_state state;
    if (service->pusher == NULL)
        return;
    pusher_state(service->pusher, &state);
    exposition_counter(out, "gnatter_push_jobs_total", "Wake-ups made by this service.", (double)state.made);
    if (state.registrations >= 0)
        exposition_gauge(out, "gnatter_push_registrations", "Devices that can be woken.", (double)state.registrations);
    if (state.waiting >= 0)
        exposition_gauge(out, "gnatter_push_jobs_waiting", "Wake-ups that are not finished.", (double)state.waiting);
    if (state.oldest_s >= 0)
        exposition_gauge(out, "gnatter_push_oldest_job_seconds", "How long the oldest of them waits.",
                         (double)state.oldest_s);
    provider_metrics(out, &state);
}

static void service_gauges(FILE *out, struct service *service)
{
    const char *whys[SERVICE_WHYS_MAX];
    struct hub_state hub;
    hub_state(service->hub, &hub);
    exposition_family(out, FAMILY_GAUGE, "gnatter_build_info", "Always 1; the label tells the version.");
    exposition_sample(out, "gnatter_build_info", &(struct label){"version", GNATTER_VERSION}, 1, 1);
    exposition_gauge(out, "gnatter_ready", "1: a device could chat now.", service_why_not_ready(service, whys) == 0);
    exposition_gauge(out, "gnatter_database_up", "1: every connection to the database stands.",
                     service_is_database_up(service));
    exposition_counter(out, "gnatter_database_losses_total", "Connections to the database that were lost.",
                       counted(&metrics.database_losses));
    exposition_gauge(out, "gnatter_sessions", "Connected devices.", (double)hub.sessions);
    exposition_gauge(out, "gnatter_sessions_subscribed", "Of these, those that are subscribed to their inbox.",
                     (double)hub.ready);
}

char *service_metrics(struct service *service, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);
    if (out == NULL)
        return NULL;
    service_gauges(out, service);
    message_metrics(out, service);
    shard_metrics_put(out, service);
    link_metrics(out, service);
    admission_metrics(out, service);
    rpc_metrics(out, service);
    push_metrics(out, service);
    process_metrics(out, service->since_unix_s);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
