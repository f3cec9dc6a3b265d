#include "deliver.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "kept.h"

/* An op that is to be delivered, ready for each of its steps. */
struct deliver_op {
    struct deliver_frame *frame;
    struct frame_op op;
    struct broker_properties properties;
    bool has_properties;
};

/* One frame, kept while an op of it waits: its ops, their steps, and the bytes that both borrow from. */
struct deliver_frame {
    uint64_t steps_left;
    struct deliver_op ops[];
};

struct deliver_reply {
    struct deliver_reply *next;
    uint32_t session;
    struct slice tail, payload, correlation; /* in text */
    char text[];
};

void deliver_init(struct deliver *deliver)
{
    *deliver = (struct deliver){.backlog_bytes = 0};
    lanes_init(&deliver->lanes);
    corks_init(&deliver->corks, false);
    deliver->last_reply = &deliver->first_reply;
}

static void reply_drop(struct deliver *deliver)
{
    struct deliver_reply *reply = deliver->first_reply;
    deliver->first_reply = reply->next;
    if (deliver->first_reply == NULL)
        deliver->last_reply = &deliver->first_reply;
    free(reply);
}

static void steps_done(struct deliver_frame *frame, uint64_t steps)
{
    frame->steps_left -= steps;
    if (frame->steps_left == 0)
        free(frame);
}

void deliver_forget(struct deliver *deliver)
{
    struct step *step;
    uint32_t session;
    while ((step = lanes_take(&deliver->lanes, false, &session)) != NULL ||
           (step = lanes_take(&deliver->lanes, true, &session)) != NULL)
        steps_done(((struct deliver_op *)step->what)->frame, 1);
    deliver->backlog_publishes = deliver->backlog_bytes = 0;
}

void deliver_done(struct deliver *deliver)
{
    deliver_forget(deliver);
    lanes_done(&deliver->lanes);
    corks_done(&deliver->corks);
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

static bool is_for_many(const struct frame_op *op)
{
    return op_steps(op) > DELIVER_FEW;
}

static uint64_t step_bytes(const struct frame_op *op)
{
    return is_publish(op) ? op->deliver.payload.len : 0;
}

struct weight {
    uint32_t ops;
    uint64_t steps;
};

static struct weight weigh(const void *bytes, size_t len)
{
    struct weight weight = {0, 0};
    struct frame_reader reader;
    struct frame_op op;
    if (frame_open(&reader, bytes, len) != STATUS_OK)
        return weight;
    while (frame_next(&reader, &op) == STATUS_OK) {
        weight.ops += op_steps(&op) > 0;
        weight.steps += op_steps(&op);
    }
    return weight;
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

/* False: not to be delivered. */
static bool op_prepare(struct deliver_op *ready)
{
    const struct frame_op *op = &ready->op;
    struct inbox inbox;
    if (op->type == DOWN_PRESENCE)
        return name_is_user(op->deliver.tail);
    if (op->type != DOWN_DELIVER)
        return op->type == DOWN_KICK;
    if (inbox_parse(op->deliver.tail, &inbox) != STATUS_OK) {
        broker_log(BROKER_ERROR, "deliver dropped why=malformed-tail len=%zu", op->deliver.tail.len);
        return false;
    }
    ready->properties = item_properties(op->deliver.tail, &inbox);
    ready->properties.correlation = op->deliver.correlation;
    ready->has_properties = ready->properties.seq.len > 0 || ready->properties.correlation.len > 0;
    return true;
}

static enum status op_put(struct deliver *deliver, struct deliver_op *ready, struct step steps[])
{
    const struct frame_op *op = &ready->op;
    uint32_t len = op_steps(op);
    for (uint32_t i = 0; i < len; i++) {
        uint32_t session = op->type == DOWN_KICK ? op->kick.session : frame_session(op, i);
        steps[i].what = ready;
        if (lanes_put(&deliver->lanes, session, &steps[i], is_for_many(op)) != STATUS_OK)
            return STATUS_NO_MEMORY; /* the link starts over, and so does what was put */
        ready->frame->steps_left++;
        deliver->backlog_publishes++;
        deliver->backlog_bytes += step_bytes(op);
    }
    return STATUS_OK;
}

static enum status ops_put(struct deliver *deliver, struct deliver_frame *frame, struct frame_reader *reader,
                           struct step *steps)
{
    enum status status = STATUS_OK;
    struct deliver_op *ready = frame->ops;
    struct frame_op op;
    while (status == STATUS_OK && frame_next(reader, &op) == STATUS_OK) {
        if (op_steps(&op) == 0)
            continue;
        *ready = (struct deliver_op){.frame = frame, .op = op};
        if (op_prepare(ready))
            status = op_put(deliver, ready, steps);
        steps += op_steps(&op);
        ready++;
    }
    return status;
}

enum status deliver_add(struct deliver *deliver, const void *bytes, size_t len)
{
    struct weight weight = weigh(bytes, len);
    if (weight.steps == 0)
        return STATUS_OK;
    size_t ops_bytes = weight.ops * sizeof(struct deliver_op), steps_bytes = weight.steps * sizeof(struct step);
    struct deliver_frame *frame = malloc(sizeof *frame + ops_bytes + steps_bytes + len);
    if (frame == NULL)
        return STATUS_NO_MEMORY;
    struct step *steps = (struct step *)(void *)&frame->ops[weight.ops];
    void *copy = &steps[weight.steps];
    struct frame_reader reader;
    memcpy(copy, bytes, len);
    frame->steps_left = 1; /* so that it stays until all is put */
    enum status status = frame_open(&reader, copy, len);
    if (status == STATUS_OK)
        status = ops_put(deliver, frame, &reader, steps);
    steps_done(frame, 1);
    return status;
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
/* False: the broker keeps too much for it already, and its connection is to be ended. */
static bool may_publish(struct deliver *deliver, const struct deliver_turn *turn, struct session *session, size_t bytes)
{
    if (!kept_add(session, bytes)) {
        broker_log(BROKER_WARNING, "kick client=%s why=not-acknowledged items=%u bytes=%u", session->client_id,
                   session->kept_items, session->kept_bytes);
        turn->kick(turn->ctx, session);
        return false;
    }
    deliver->turn_publishes++;
    deliver->turn_bytes += bytes;
    return true;
}

static enum status publish_to(struct deliver *deliver, const struct deliver_turn *turn, struct session *session,
                              const struct frame_op *op, const struct broker_properties *properties)
{
    char topic[LIMIT_INBOX_TOPIC_LEN + 1];
    struct slice tail = op->deliver.tail, payload = op->deliver.payload;
    struct slice parts[] = {SLICE("inbox/"), slice_of(session->user->name), SLICE("/"), tail};
    size_t len = 0;
    if (!subscriptions_match(&session->subscriptions, tail))
        return STATUS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len >= sizeof topic - len)
            return STATUS_OK; /* the tail was checked: it is of the grammar, and that fits */
        memcpy(topic + len, parts[i].at, parts[i].len);
        len += parts[i].len;
    }
    topic[len] = '\0';
    if (!may_publish(deliver, turn, session, len + payload.len))
        return STATUS_OK;
    return broker_publish(session_broker_id(session), topic, payload, op->deliver.qos,
                          session->mqtt_version >= 5 ? properties : NULL);
}

static enum status presence_to(struct deliver *deliver, const struct deliver_turn *turn, struct session *session,
                               const struct frame_op *op)
{
    char topic[sizeof "presence/" + LIMIT_USER_LEN];
    struct slice user = op->deliver.tail, payload = op->deliver.payload;
    if (!subscriptions_watches(&session->subscriptions, user))
        return STATUS_OK;
    memcpy(topic, "presence/", sizeof "presence/" - 1);
    memcpy(topic + sizeof "presence/" - 1, user.at, user.len);
    topic[sizeof "presence/" - 1 + user.len] = '\0';
    if (!may_publish(deliver, turn, session, strlen(topic) + payload.len))
        return STATUS_OK;
    return broker_publish(session_broker_id(session), topic, payload, op->deliver.qos, NULL);
}

/* Without memory: what a device got later would lack what was dropped, and what the broker has queued in this turn it
 * may drop without a word. All of them come back, and get it again. */
static void end_published(const struct deliver *deliver, const struct deliver_turn *turn)
{
    struct session *session;
    uint32_t ended = 0;
    for (uint32_t at = 0; (session = sessions_next(turn->sessions, &at)) != NULL;)
        if (session->published_turn == deliver->corks.turn) {
            turn->kick(turn->ctx, session);
            ended++;
        }
    broker_log(BROKER_ERROR, "deliver dropped why=no-memory connections_ended=%u", ended);
}

static enum status replies_publish(struct deliver *deliver, const struct deliver_turn *turn)
{
    enum status status = STATUS_OK;
    while (deliver->first_reply != NULL && status == STATUS_OK) {
        struct deliver_reply *reply = deliver->first_reply;
        struct session *session = sessions_of_number(turn->sessions, reply->session);
        const struct broker_properties properties = {.correlation = reply->correlation};
        const struct frame_op op = {.type = DOWN_DELIVER,
                                    .deliver = {.qos = 1, .tail = reply->tail, .payload = reply->payload}};
        if (session != NULL) {
            corks_publish(&deliver->corks, session, false);
            status = publish_to(deliver, turn, session, &op, &properties);
        }
        reply_drop(deliver);
    }
    return status;
}

static enum status step_do(struct deliver *deliver, const struct deliver_op *ready, uint32_t number,
                           const struct deliver_turn *turn)
{
    const struct frame_op *op = &ready->op;
    struct session *session = sessions_of_number(turn->sessions, number);
    if (session == NULL)
        return STATUS_OK;
    if (op->type == DOWN_KICK) {
        turn->kick(turn->ctx, session);
        return STATUS_OK;
    }
    if (op->type == DOWN_PRESENCE && turn->is_shedding)
        return STATUS_OK;
    corks_publish(&deliver->corks, session, is_for_many(op));
    if (op->type == DOWN_DELIVER)
        return publish_to(deliver, turn, session, op, ready->has_properties ? &ready->properties : NULL);
    return presence_to(deliver, turn, session, op);
}

static uint64_t share(uint64_t backlog, uint64_t part, uint64_t least)
{
    return backlog / part > least ? backlog / part : least;
}

static enum status slice(struct deliver *deliver, const struct deliver_turn *turn, bool of_many, uint64_t publishes,
                         uint64_t bytes)
{
    enum status status = STATUS_OK;
    struct step *step;
    uint32_t session;
    while (status == STATUS_OK && publishes > 0 && bytes > 0 &&
           (step = lanes_take(&deliver->lanes, of_many, &session)) != NULL) {
        struct deliver_op *ready = step->what;
        uint64_t len = step_bytes(&ready->op);
        status = step_do(deliver, ready, session, turn);
        deliver->backlog_publishes--;
        deliver->backlog_bytes -= len;
        publishes--;
        bytes -= len < bytes ? len : bytes;
        steps_done(ready->frame, 1);
    }
    return status;
}

void deliver_slice(struct deliver *deliver, const struct deliver_turn *turn)
{
    uint64_t publishes = deliver->backlog_publishes, bytes = deliver->backlog_bytes;
    deliver->turn_publishes = deliver->turn_bytes = 0;
    corks_turn(&deliver->corks, turn->sessions, turn->clock_ms);
    enum status status = replies_publish(deliver, turn);
    if (status == STATUS_OK)
        status = slice(deliver, turn, false, share(publishes, DELIVER_FEW_SHARE, DELIVER_FEW_PUBLISHES),
                       share(bytes, DELIVER_FEW_SHARE, DELIVER_SLICE_BYTES));
    if (status == STATUS_OK)
        status = slice(deliver, turn, true, share(publishes, DELIVER_MANY_SHARE, DELIVER_MANY_PUBLISHES),
                       share(bytes, DELIVER_MANY_SHARE, DELIVER_SLICE_BYTES));
    if (status == STATUS_OK && deliver->turn_publishes > 0 &&
        !broker_has_room(deliver->turn_publishes, deliver->turn_bytes))
        status = STATUS_NO_MEMORY;
    if (status != STATUS_OK)
        end_published(deliver, turn);
}

bool deliver_wants_tick(const struct deliver *deliver)
{
    return deliver->backlog_publishes > 0 || deliver->first_reply != NULL || corks_are_in(&deliver->corks);
}
