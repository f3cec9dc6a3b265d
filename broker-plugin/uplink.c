#include "uplink.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "broker.h"

struct uplink_event {
    struct uplink_event *next;
    uint64_t serial;
    uint64_t before; /* it happened before the record of this position was written */
    struct frame_op op;
    char text[]; /* what the op's string borrows from */
};

enum status uplink_init(struct uplink *uplink)
{
    *uplink = (struct uplink){.is_up = false};
    uplink->last = &uplink->first;
    while (uplink->boot == 0)
        randombytes_buf(&uplink->boot, sizeof uplink->boot);
    uplink->buf = malloc(LIMIT_FRAME_BYTES);
    return uplink->buf != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void uplink_done(struct uplink *uplink)
{
    uplink_stop(uplink);
    free(uplink->buf);
    uplink->buf = NULL;
}

/* ---- the life of a link ---- */
static void event_drop(struct uplink *uplink)
{
    struct uplink_event *event = uplink->first;
    uplink->first = event->next;
    if (uplink->first == NULL)
        uplink->last = &uplink->first;
    uplink->events_len--;
    free(event);
}

void uplink_stop(struct uplink *uplink)
{
    while (uplink->first != NULL)
        event_drop(uplink);
    uplink->is_up = false;
    uplink->is_broken = false;
    uplink->client = NULL;
    free(uplink->client_id);
    uplink->client_id = NULL;
}

enum status uplink_start(struct uplink *uplink, const void *client, const char *client_id,
                         const struct journal *journal, struct sessions *sessions)
{
    uplink_stop(uplink);
    uplink->client_id = strdup(client_id);
    if (uplink->client_id == NULL)
        return STATUS_NO_MEMORY;
    uplink->client = client;
    uplink->is_up = true;
    uplink->sent = uplink->confirmed = 0;
    uplink->is_welcomed = uplink->is_listed = false;
    uplink->put_serial = uplink->serial;
    uplink->cursor = journal->tail;
    uplink->sessions = sessions;
    uplink->listing = 0;
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(sessions, &at)) != NULL;) {
        session->is_listed = false;
        session->ready_serial = 0;
    }
    return STATUS_OK;
}

enum status uplink_confirm(struct uplink *uplink, uint64_t frame_number)
{
    if (frame_number > uplink->sent)
        return STATUS_MALFORMED;
    if (frame_number > uplink->confirmed)
        uplink->confirmed = frame_number;
    return STATUS_OK;
}

/* ---- events ---- */
/* `text` is the string in `op`, if it has one. */
static void event_add(struct uplink *uplink, const struct journal *journal, const struct frame_op *op,
                      struct slice *text)
{
    if (uplink->is_broken)
        return;
    size_t text_len = text != NULL ? text->len : 0;
    struct uplink_event *event = uplink->events_len < UPLINK_EVENTS_MAX ? malloc(sizeof *event + text_len) : NULL;
    if (event == NULL) {
        broker_log(BROKER_ERROR, "uplink dropped why=too-many-events events=%u", uplink->events_len);
        uplink->is_broken = true;
        return;
    }
    if (text_len > 0) {
        memcpy(event->text, text->at, text_len);
        text->at = event->text; /* and so in `op` */
    }
    event->next = NULL;
    event->serial = ++uplink->serial;
    event->before = journal->head.position;
    event->op = *op;
    *uplink->last = event;
    uplink->last = &event->next;
    uplink->events_len++;
}

static bool wants(const struct uplink *uplink, const struct session *session)
{
    return uplink->is_up && session->is_listed;
}

static struct frame_op connected_op(const struct session *session)
{
    return (struct frame_op){.type = UP_CONNECTED,
                             .connected = {.session = session->number,
                                           .mqtt_version = session->mqtt_version,
                                           .at_ms = session->connected_ms,
                                           .expires_at_s = session->expires_at_s,
                                           .client_id = slice_of(session->client_id)}};
}

void uplink_connected(struct uplink *uplink, const struct journal *journal, struct session *session)
{
    struct frame_op op = connected_op(session);
    if (!uplink->is_up)
        return;
    session->is_listed = true;
    event_add(uplink, journal, &op, &op.connected.client_id);
}

void uplink_ready(struct uplink *uplink, const struct journal *journal, struct session *session)
{
    /* One that is still queued says it: the service has not begun to replay. */
    if (!wants(uplink, session) || session->ready_serial > uplink->put_serial)
        return;
    event_add(uplink, journal, &(struct frame_op){.type = UP_READY, .ready = {session->number}}, NULL);
    session->ready_serial = uplink->serial;
}

void uplink_unready(struct uplink *uplink, const struct journal *journal, struct session *session)
{
    if (!wants(uplink, session))
        return;
    event_add(uplink, journal, &(struct frame_op){.type = UP_UNREADY, .unready = {session->number}}, NULL);
    session->ready_serial = 0;
}

void uplink_watch(struct uplink *uplink, const struct journal *journal, const struct session *session,
                  struct slice user, bool is_watched)
{
    struct frame_op op = {.type = is_watched ? UP_WATCH : UP_UNWATCH, .watch = {session->number, user}};
    if (wants(uplink, session))
        event_add(uplink, journal, &op, &op.watch.user);
}

void uplink_counters(struct uplink *uplink, const struct journal *journal, struct slice values)
{
    struct frame_op op = {.type = UP_COUNTERS, .counters = {values}};
    event_add(uplink, journal, &op, &op.counters.values);
}

void uplink_gone(struct uplink *uplink, const struct journal *journal, const struct session *session,
                 enum gone_reason reason)
{
    if (wants(uplink, session))
        event_add(uplink, journal, &(struct frame_op){.type = UP_GONE, .gone = {session->number, (uint8_t)reason}},
                  NULL);
}

/* ---- frames ---- */
/* All of one session, or nothing of it. */
static enum status put_session(struct frame_writer *writer, const struct session *session)
{
    struct frame_writer before = *writer;
    const struct subscriptions *subscriptions = &session->subscriptions;
    struct frame_op op = connected_op(session);
    enum status status = frame_put(writer, &op);
    if (status == STATUS_OK && subscriptions_has_inbox(subscriptions)) {
        op = (struct frame_op){.type = UP_READY, .ready = {session->number}};
        status = frame_put(writer, &op);
    }
    for (uint16_t i = 0; status == STATUS_OK && i < subscriptions->watched_len; i++) {
        op = (struct frame_op){.type = UP_WATCH, .watch = {session->number, subscriptions_watched(subscriptions, i)}};
        status = frame_put(writer, &op);
    }
    if (status != STATUS_OK)
        *writer = before;
    return status;
}

static enum status put_list(struct uplink *uplink, const struct journal *journal, struct slice node,
                            struct frame_writer *writer)
{
    if (!uplink->is_welcomed) {
        struct frame_op op = {.type = UP_WELCOME, .welcome = {journal->tail.position, journal->head.position, node}};
        enum status status = frame_put(writer, &op);
        if (status != STATUS_OK)
            return status;
        uplink->is_welcomed = true;
    }
    struct session *session;
    for (uint32_t at = uplink->listing; (session = sessions_next(uplink->sessions, &at)) != NULL;
         uplink->listing = at) {
        enum status status = session->is_listed ? STATUS_OK : put_session(writer, session);
        if (status != STATUS_OK)
            return status;
        session->is_listed = true;
    }
    struct frame_op end = {.type = UP_SESSIONS_END};
    enum status status = frame_put(writer, &end);
    if (status == STATUS_OK)
        uplink->is_listed = true;
    return status;
}

static enum status put_record(struct uplink *uplink, const struct journal *journal, struct frame_writer *writer)
{
    struct journal_cursor cursor = uplink->cursor;
    struct journal_record record;
    enum status status = journal_read(journal, &cursor, &record);
    if (status != STATUS_OK)
        return status;
    if (record.correlation.len > LIMIT_CORRELATION_BYTES) /* an older version kept it, and no frame may have room */
        record.correlation.len = 0;
    struct frame_op op = {.type = UP_RECORD,
                          .record = {.position = record.position,
                                     .at_ms = record.at_ms,
                                     .session = record.session,
                                     .client_id = record.client_id,
                                     .topic = record.topic,
                                     .payload = record.payload,
                                     .correlation = record.correlation}};
    status = frame_put(writer, &op);
    if (status == STATUS_OK)
        uplink->cursor = cursor;
    return status;
}

/* STATUS_NOT_FOUND: there is nothing more; STATUS_FULL: the frame is full. */
static enum status put_next(struct uplink *uplink, const struct journal *journal, struct frame_writer *writer)
{
    struct uplink_event *event = uplink->first;
    if (event == NULL || event->before > uplink->cursor.position)
        return put_record(uplink, journal, writer);
    enum status status = frame_put(writer, &event->op);
    if (status == STATUS_OK) {
        uplink->put_serial = event->serial;
        event_drop(uplink);
    }
    return status;
}

static enum status fill(struct uplink *uplink, const struct journal *journal, struct slice node,
                        struct frame_writer *writer)
{
    enum status status = STATUS_OK;
    if (!uplink->is_listed)
        status = put_list(uplink, journal, node, writer);
    while (status == STATUS_OK)
        status = put_next(uplink, journal, writer);
    return status;
}

/* Measured: with a frame for every turn of the broker's loop, of four records each, taking frames apart and the threads
 * it wakes cost the service as much as all the rest. */
static bool may_send(const struct uplink *uplink, const struct journal *journal)
{
    uint64_t under_way = uplink->sent - uplink->confirmed;
    uint64_t waiting = journal->head.offset - uplink->cursor.offset + uplink->events_len * sizeof(struct uplink_event);
    return under_way < LIMIT_FRAME_CREDIT_SHORT ||
           (under_way < LIMIT_FRAME_CREDIT && (!uplink->is_listed || waiting >= LIMIT_FRAME_LONG_BYTES));
}

void uplink_flush(struct uplink *uplink, const struct journal *journal, struct slice node)
{
    while (uplink->is_up && !uplink->is_broken && may_send(uplink, journal)) {
        struct frame_writer writer;
        frame_begin(&writer, uplink->buf, LIMIT_FRAME_BYTES);
        enum status status = fill(uplink, journal, node, &writer);
        if (status != STATUS_NOT_FOUND && status != STATUS_FULL) {
            broker_log(BROKER_ERROR, "uplink dropped why=%s", status_name(status));
            uplink->is_broken = true;
            return;
        }
        if (writer.ops == 0)
            return;
        size_t len = frame_finish(&writer, 'U', uplink->boot, uplink->sent + 1);
        if (broker_publish(uplink->client_id, FRAME_TOPIC_UP, (struct slice){(const char *)uplink->buf, len}, 0,
                           NULL) != STATUS_OK ||
            !broker_has_room(1, len)) {
            broker_log(BROKER_ERROR, "uplink dropped why=no-memory");
            uplink->is_broken = true; /* what was taken from the queue is in the next link's list */
            return;
        }
        uplink->sent++;
    }
}
