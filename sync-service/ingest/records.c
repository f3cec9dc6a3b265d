/* What devices published, to the shard or worker whose it is. */
#include <poll.h>
#include <stdio.h>
#include "../answer.h"
#include "../log.h"
#include "../metrics.h"
#include "hub_state.h"

#define FULL_WAIT_MS        100
#define OVERLOADED_RETRY_MS 1000

struct taken {
    uint32_t link;
    session_ref session; /* with number 0: it has none that can be answered */
    const struct identity *identity;
    const struct frame_op *op;
    struct topic topic;
};

/* The record's token; false: that life of the link is over, or this one ends. */
static bool take(struct hub *hub, const struct taken *taken, uint32_t parts, struct core_token *ret_token)
{
    struct broker_link *link = hub->options.links[taken->link];
    enum status status;
    while ((status = broker_link_take_record(link, hub->links[taken->link].life, taken->op->record.position, parts,
                                             ret_token)) == STATUS_FULL &&
           !atomic_load(&hub->is_stopping))
        broker_link_wait_records(link, FULL_WAIT_MS);
    return status == STATUS_OK;
}

static void done_at_once(struct hub *hub, const struct taken *taken)
{
    struct core_token token;
    (void)take(hub, taken, 0, &token); /* if not: it comes again */
}

static void refuse(struct hub *hub, const struct taken *taken, const char *code, const char *message)
{
    char topic[LIMIT_TOPIC_LEN + 1];
    (void)snprintf(topic, sizeof topic, "%.*s", (int)taken->op->record.topic.len, taken->op->record.topic.at);
    metrics_add(&metrics.records_refused, 1);
    answer_error(&hub->courier, taken->session, code, topic, message);
    done_at_once(hub, taken);
}

/* To the shard of the conversation, which it is given here. */
static void post(struct hub *hub, const struct taken *taken, struct conversation_ref ref, struct shard_event event)
{
    struct conversation_name name;
    event.device = identity_device(taken->identity);
    conversation_name_make(ref, event.device.user, &name);
    event.conversation = (struct slice){name.text, name.len};
    size_t shards = hub->options.shards_len, shard = shards > 1 ? conversation_route(event.conversation) % shards : 0;
    (void)shard_post(hub->options.shards[shard], &event); /* if not: it comes again */
}

static void take_one(struct hub *hub, const struct taken *taken, enum shard_event_kind kind)
{
    struct shard_event event = {.kind = kind, .seq = taken->topic.seq, .message_id = taken->topic.id};
    if (kind == SHARD_CHAT)
        event.payload = taken->op->record.payload;
    if (take(hub, taken, 1, &event.token))
        post(hub, taken, taken->topic.conversation, event);
}

static void take_typing(struct hub *hub, const struct taken *taken)
{
    struct slice payload = taken->op->record.payload;
    struct shard_event event = {.kind = SHARD_TYPING, .is_on = slice_equal(payload, SLICE("1"))};
    if (event.is_on || slice_equal(payload, SLICE("0")))
        post(hub, taken, taken->topic.conversation, event);
    done_at_once(hub, taken);
}

/* How many lines, or -1: not such a list. */
static int lines_count(struct slice list, bool zero_too)
{
    struct conversation_ref ref;
    int64_t seq;
    int lines = 0;
    enum status status;
    while ((status = list_next(&list, zero_too, &ref, &seq)) == STATUS_OK)
        if (++lines > LIMIT_LIST_LINES)
            return -1;
    return status == STATUS_NOT_FOUND ? lines : -1;
}

/* False: refused. */
static bool take_list(struct hub *hub, const struct taken *taken, enum shard_event_kind kind)
{
    struct slice list = taken->op->record.payload;
    bool zero_too = kind == SHARD_REWIND;
    int lines = lines_count(list, zero_too);
    if (lines < 0) {
        refuse(hub, taken, "bad-request", "the payload is not a list of at most 1000 lines <conversation> <seq>");
        return false;
    }
    struct shard_event event = {.kind = kind};
    struct conversation_ref ref;
    if (!take(hub, taken, (uint32_t)lines, &event.token))
        return true;
    while (list_next(&list, zero_too, &ref, &event.seq) == STATUS_OK)
        post(hub, taken, ref, event);
    return true;
}

static void take_sync(struct hub *hub, const struct taken *taken)
{
    struct session *session = sessions_find(&hub->sessions, taken->session);
    if (take_list(hub, taken, SHARD_REWIND) && session != NULL && session->is_ready)
        live_ready(hub, session);
}

static void take_rpc(struct hub *hub, const struct taken *taken)
{
    struct rpc_request request = {
        .session = taken->session,
        .life = hub->links[taken->link].life,
        .device_id = taken->identity->device_id,
        .user_id = taken->identity->user_id,
        .method = taken->topic.method,
        .id = taken->topic.id,
        .payload = taken->op->record.payload,
        .correlation = taken->op->record.correlation,
    };
    if (!take(hub, taken, 1, &request.token) || rpc_post(hub->options.rpc, &request))
        return;
    if (atomic_load(&hub->is_stopping))
        return; /* it comes again */
    metrics_add(&metrics.rpcs_refused, 1);
    answer_rpc_error(&hub->courier, taken->session, request.id, request.correlation, "overloaded",
                     "too many requests are waiting", OVERLOADED_RETRY_MS);
    broker_link_done(hub->options.links[taken->link], &request.token, 1);
}

static void record_do(struct hub *hub, const struct taken *taken)
{
    switch (taken->topic.kind) {
    case TOPIC_CHAT:
        take_one(hub, taken, SHARD_CHAT);
        break;
    case TOPIC_ACK:
        take_one(hub, taken, SHARD_ACK);
        break;
    case TOPIC_READ:
        take_one(hub, taken, SHARD_READ);
        break;
    case TOPIC_ACK_LIST:
        (void)take_list(hub, taken, SHARD_ACK);
        break;
    case TOPIC_READ_LIST:
        (void)take_list(hub, taken, SHARD_READ);
        break;
    case TOPIC_TYPING:
        take_typing(hub, taken);
        break;
    case TOPIC_SYNC:
        take_sync(hub, taken);
        break;
    case TOPIC_RPC:
        take_rpc(hub, taken);
        break;
    }
}

void records_take(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    struct taken taken = {
        .link = link,
        .session = (session_ref)link << 32 | op->record.session,
        .identity = identities_find(&hub->identities, op->record.client_id),
        .op = op,
    };
    metrics_add(&metrics.records_taken, 1);
    if (taken.identity == NULL) { /* removed since it published: nobody is waiting for an answer */
        log_info("hub", "record-of-unknown-device", LOG_SLICE("client", op->record.client_id));
        metrics_add(&metrics.records_refused, 1);
        done_at_once(hub, &taken);
    } else if (topic_parse(op->record.topic, &taken.topic) != STATUS_OK) {
        refuse(hub, &taken, "bad-request", "this topic is not known here");
    } else {
        record_do(hub, &taken);
    }
}
