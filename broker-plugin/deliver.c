#include "deliver.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"

#define NUMBER_LEN 20

struct deliver_frame {
    struct deliver_frame *next;
    struct frame_reader reader;
    bool has_op;
    struct frame_op op;
    uint32_t index; /* of the op's session that is next */
    struct broker_properties properties;
    bool has_properties;
    unsigned char bytes[];
};

struct deliver_reply {
    struct deliver_reply *next;
    uint32_t session;
    struct slice tail, payload, correlation; /* in text */
    char text[];
};

void deliver_init(struct deliver *deliver)
{
    *deliver = (struct deliver){.first = NULL};
    deliver->last = &deliver->first;
    deliver->last_reply = &deliver->first_reply;
}

static void frame_drop(struct deliver *deliver)
{
    struct deliver_frame *frame = deliver->first;
    deliver->first = frame->next;
    if (deliver->first == NULL)
        deliver->last = &deliver->first;
    free(frame);
}

static void reply_drop(struct deliver *deliver)
{
    struct deliver_reply *reply = deliver->first_reply;
    deliver->first_reply = reply->next;
    if (deliver->first_reply == NULL)
        deliver->last_reply = &deliver->first_reply;
    free(reply);
}

void deliver_forget(struct deliver *deliver)
{
    while (deliver->first != NULL)
        frame_drop(deliver);
    deliver->backlog_publishes = deliver->backlog_bytes = 0;
}

void deliver_done(struct deliver *deliver)
{
    deliver_forget(deliver);
    while (deliver->first_reply != NULL)
        reply_drop(deliver);
}

/* ---- taking ---- */
static bool is_publish(const struct frame_op *op)
{
    return op->type == DOWN_DELIVER || op->type == DOWN_PRESENCE;
}

/* What an op asks for: a publish or a kick each. */
static uint32_t op_steps(const struct frame_op *op)
{
    return is_publish(op) ? op->deliver.sessions_len : op->type == DOWN_KICK ? 1 : 0;
}

static uint64_t step_bytes(const struct frame_op *op)
{
    return is_publish(op) ? op->deliver.payload.len : 0;
}

static void weigh(const void *bytes, size_t len, uint64_t *ret_publishes, uint64_t *ret_bytes)
{
    struct frame_reader reader;
    struct frame_op op;
    *ret_publishes = *ret_bytes = 0;
    if (frame_open(&reader, bytes, len) != STATUS_OK)
        return;
    while (frame_next(&reader, &op) == STATUS_OK) {
        *ret_publishes += op_steps(&op);
        *ret_bytes += op_steps(&op) * step_bytes(&op);
    }
}

enum status deliver_add(struct deliver *deliver, const void *bytes, size_t len)
{
    uint64_t publishes, payload_bytes;
    weigh(bytes, len, &publishes, &payload_bytes);
    if (publishes == 0)
        return STATUS_OK;
    struct deliver_frame *frame = malloc(sizeof *frame + len);
    if (frame == NULL)
        return STATUS_NO_MEMORY;
    memset(frame, 0, sizeof *frame);
    memcpy(frame->bytes, bytes, len);
    if (frame_open(&frame->reader, frame->bytes, len) != STATUS_OK) {
        free(frame);
        return STATUS_MALFORMED;
    }
    *deliver->last = frame;
    deliver->last = &frame->next;
    deliver->backlog_publishes += publishes;
    deliver->backlog_bytes += payload_bytes;
    return STATUS_OK;
}

static struct slice text_put(char **at, struct slice part)
{
    struct slice copy = {*at, part.len};
    if (part.len > 0)
        memcpy(*at, part.at, part.len);
    *at += part.len;
    return copy;
}

enum status deliver_reply(struct deliver *deliver, uint32_t session, struct slice tail, struct slice payload,
                          struct slice correlation)
{
    struct deliver_reply *reply = malloc(sizeof *reply + tail.len + payload.len + correlation.len);
    if (reply == NULL)
        return STATUS_NO_MEMORY;
    char *at = reply->text;
    reply->next = NULL;
    reply->session = session;
    reply->tail = text_put(&at, tail);
    reply->payload = text_put(&at, payload);
    reply->correlation = text_put(&at, correlation);
    *deliver->last_reply = reply;
    deliver->last_reply = &reply->next;
    return STATUS_OK;
}

/* ---- publishing ---- */
static void publish_to(const struct session *session, struct slice tail, struct slice payload, int qos,
                       const struct broker_properties *properties)
{
    char topic[LIMIT_INBOX_TOPIC_LEN + 1];
    struct slice parts[] = {SLICE("inbox/"), slice_of(session->user->name), SLICE("/"), tail};
    size_t len = 0;
    if (!subscriptions_match(&session->subscriptions, tail))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len >= sizeof topic - len)
            return; /* the tail was checked: it is of the grammar, and that fits */
        memcpy(topic + len, parts[i].at, parts[i].len);
        len += parts[i].len;
    }
    topic[len] = '\0';
    if (broker_publish(session_broker_id(session), topic, payload, qos,
                       session->mqtt_version >= 5 ? properties : NULL) != STATUS_OK)
        broker_log(BROKER_ERROR, "deliver dropped client=%s why=no-memory", session->client_id);
}

static void presence_to(const struct session *session, const struct frame_op *op)
{
    char topic[sizeof "presence/" + LIMIT_USER_LEN];
    if (!subscriptions_watches(&session->subscriptions, op->deliver.tail))
        return;
    memcpy(topic, "presence/", sizeof "presence/" - 1);
    memcpy(topic + sizeof "presence/" - 1, op->deliver.tail.at, op->deliver.tail.len);
    topic[sizeof "presence/" - 1 + op->deliver.tail.len] = '\0';
    if (broker_publish(session_broker_id(session), topic, op->deliver.payload, op->deliver.qos, NULL) != STATUS_OK)
        broker_log(BROKER_ERROR, "deliver dropped client=%s why=no-memory", session->client_id);
}

static void replies_publish(struct deliver *deliver, const struct sessions *sessions)
{
    while (deliver->first_reply != NULL) {
        struct deliver_reply *reply = deliver->first_reply;
        const struct session *session = sessions_of_number(sessions, reply->session);
        struct broker_properties properties = {.correlation = reply->correlation};
        if (session != NULL)
            publish_to(session, reply->tail, reply->payload, 1, &properties);
        reply_drop(deliver);
    }
}

/* The levels of a tail that chat and history items have: the properties an MQTT 5 device gets. The slices borrow from
 * the tail: seq and time are taken as they stand there. */
static struct broker_properties item_properties(struct slice tail, const struct inbox *inbox)
{
    struct broker_properties properties = {.seq = {NULL, 0}};
    if (inbox->kind != INBOX_CHAT && inbox->kind != INBOX_HISTORY_CHAT && inbox->kind != INBOX_HISTORY_EVENT)
        return properties;
    const char *seq = inbox->conversation.at + inbox->conversation.len + 1, *end = tail.at + tail.len;
    const char *time = memchr(seq, '/', (size_t)(end - seq));
    if (time == NULL)
        return properties;
    properties.seq = (struct slice){seq, (size_t)(time - seq)};
    time++;
    const char *sender = memchr(time, '/', (size_t)(end - time));
    if (sender == NULL)
        return properties;
    properties.time = (struct slice){time, (size_t)(sender - time)};
    if (inbox->kind == INBOX_HISTORY_EVENT)
        return properties; /* an event has no sender and no id */
    properties.sender = (struct slice){inbox->user.at, inbox->user.len + 1 + inbox->device.len};
    properties.id = inbox->id;
    return properties;
}

/* The next op of the frame; false: none, or not to be delivered. */
static bool op_prepare(struct deliver_frame *frame, const struct deliver_turn *turn)
{
    struct frame_op *op = &frame->op;
    struct inbox inbox;
    frame->index = 0;
    if (op->type == DOWN_PRESENCE)
        return !turn->is_shedding && name_is_user(op->deliver.tail);
    if (op->type != DOWN_DELIVER)
        return op->type == DOWN_KICK;
    if (inbox_parse(op->deliver.tail, &inbox) != STATUS_OK) {
        broker_log(BROKER_ERROR, "deliver dropped why=malformed-tail len=%zu", op->deliver.tail.len);
        return false;
    }
    frame->properties = item_properties(op->deliver.tail, &inbox);
    frame->properties.correlation = op->deliver.correlation;
    frame->has_properties = frame->properties.seq.len > 0 || frame->properties.correlation.len > 0;
    return true;
}

static void op_step(struct deliver_frame *frame, const struct deliver_turn *turn)
{
    const struct frame_op *op = &frame->op;
    uint32_t number = op->type == DOWN_KICK ? op->kick.session : frame_session(op, frame->index);
    struct session *session = sessions_of_number(turn->sessions, number);
    if (session == NULL)
        return;
    if (op->type == DOWN_KICK)
        turn->kick(turn->ctx, session);
    else if (op->type == DOWN_PRESENCE)
        presence_to(session, op);
    else
        publish_to(session, op->deliver.tail, op->deliver.payload, op->deliver.qos,
                   frame->has_properties ? &frame->properties : NULL);
}

static uint64_t share(uint64_t backlog, uint64_t least)
{
    uint64_t part = backlog / DELIVER_BACKLOG_SHARE;
    return part > least ? part : least;
}

/* So many steps of the frame's op are done with. */
static void account(struct deliver *deliver, const struct frame_op *op, uint32_t steps)
{
    deliver->backlog_publishes -= steps;
    deliver->backlog_bytes -= steps * step_bytes(op);
}

/* Makes the next op with something to do the current one; false: the frame has none. */
static bool frame_advance(struct deliver *deliver, struct deliver_frame *frame, const struct deliver_turn *turn)
{
    while (frame_next(&frame->reader, &frame->op) == STATUS_OK) {
        if (op_steps(&frame->op) == 0)
            continue;
        if (op_prepare(frame, turn))
            return true;
        account(deliver, &frame->op, op_steps(&frame->op));
    }
    return false;
}

void deliver_slice(struct deliver *deliver, const struct deliver_turn *turn)
{
    uint64_t publishes = share(deliver->backlog_publishes, DELIVER_SLICE_PUBLISHES);
    uint64_t bytes = share(deliver->backlog_bytes, DELIVER_SLICE_BYTES);
    replies_publish(deliver, turn->sessions);
    while (deliver->first != NULL && publishes > 0 && bytes > 0) {
        struct deliver_frame *frame = deliver->first;
        if (!frame->has_op && !frame_advance(deliver, frame, turn)) {
            frame_drop(deliver);
            continue;
        }
        uint64_t len = step_bytes(&frame->op);
        op_step(frame, turn);
        account(deliver, &frame->op, 1);
        publishes--;
        bytes -= len < bytes ? len : bytes;
        frame->has_op = ++frame->index < op_steps(&frame->op);
    }
}
