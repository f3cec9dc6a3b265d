/* Frames taken apart: checked, who they are about looked up first, op after op given to where it belongs. */
#include "../log.h"
#include "../metrics.h"
#include "hub_state.h"

static void welcome(struct hub *hub, uint32_t index, uint64_t life, const struct frame_reader *reader,
                    const struct frame_op *op)
{
    struct hub_link *link = &hub->links[index];
    if (link->boot != 0 && link->boot != reader->header.boot)
        log_notice("hub", "broker-restarted", LOG_TEXT("uri", broker_link_uri(hub->options.links[index])));
    link->life = life;
    link->boot = reader->header.boot;
    link->is_listing = true;
    link->backlog_end = op->welcome.journal_head;
    link->has_backlog = op->welcome.journal_tail < op->welcome.journal_head;
    broker_link_welcomed(hub->options.links[index], life, link->boot, op->welcome.journal_tail);
    live_link_up(hub, index, life);
    revoked_ask(hub);
}

static struct session *session_of(struct hub *hub, uint32_t link, uint32_t number)
{
    return sessions_find(&hub->sessions, (session_ref)link << 32 | number);
}

static enum status session_op(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    struct session *session;
    switch (op->type) {
    case UP_CONNECTED:
        live_connected(hub, link, op);
        return STATUS_OK;
    case UP_READY:
        if ((session = session_of(hub, link, op->ready.session)) != NULL)
            live_subscribed(hub, session);
        return STATUS_OK;
    case UP_UNREADY:
        if ((session = session_of(hub, link, op->unready.session)) != NULL)
            live_unready(hub, session);
        return STATUS_OK;
    case UP_GONE:
        if ((session = session_of(hub, link, op->gone.session)) != NULL)
            live_gone(hub, session);
        return STATUS_OK;
    case UP_WATCH:
        if ((session = session_of(hub, link, op->watch.session)) != NULL)
            presence_watch(&hub->presence, session, op->watch.user);
        return STATUS_OK;
    case UP_UNWATCH:
        if ((session = session_of(hub, link, op->watch.session)) != NULL)
            presence_unwatch(&hub->presence, session, op->watch.user);
        return STATUS_OK;
    case UP_WELCOME:
    case UP_SESSIONS_END:
    case UP_RECORD:
    case UP_COUNTERS:
    case DOWN_HELLO:
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
    case DOWN_KICK:
    case DOWN_REVOKE:
    case DOWN_REVOKED_BEGIN:
    case DOWN_REVOKED_END:
    case DOWN_ACK:
        break;
    }
    return STATUS_MALFORMED;
}

static enum status op_take(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    if (op->type == UP_RECORD) {
        records_take(hub, link, op);
        if (hub->links[link].has_backlog && op->record.position + 1 >= hub->links[link].backlog_end)
            live_backlog_taken(hub, link);
        return STATUS_OK;
    }
    if (op->type == UP_COUNTERS) {
        broker_link_counted(hub->options.links[link], op);
        return STATUS_OK;
    }
    if (op->type == UP_SESSIONS_END) {
        hub->links[link].is_listing = false;
        return STATUS_OK;
    }
    return session_op(hub, link, op);
}

static enum status ops_take(struct hub *hub, uint32_t link, uint64_t life, const struct link_frame *frame,
                            bool is_first)
{
    struct frame_reader reader;
    struct frame_op op;
    enum status status = frame_open(&reader, frame->bytes, frame->len);
    while (status == STATUS_OK && (status = frame_next(&reader, &op)) == STATUS_OK) {
        if (is_first != (op.type == UP_WELCOME))
            return STATUS_MALFORMED;
        if (is_first)
            welcome(hub, link, life, &reader, &op);
        else
            status = op_take(hub, link, &op);
        is_first = false;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void frames_take(struct hub *hub, uint32_t index, uint64_t life, struct link_frame *frame)
{
    struct hub_link *link = &hub->links[index];
    struct broker_link *broker = hub->options.links[index];
    struct frame_reader reader;
    bool is_first = link->life != life;
    enum status status = frame_open(&reader, frame->bytes, frame->len);
    if (status == STATUS_OK && reader.header.direction != 'U')
        status = STATUS_MALFORMED;
    if (status == STATUS_OK && !is_first &&
        (reader.header.boot != link->boot || reader.header.number != link->next_number))
        status = STATUS_STALE;
    /* Before WELCOME there may be frames that were meant for an older link. */
    bool is_early = status == STATUS_OK && is_first && reader.header.number != 1;
    if (status == STATUS_OK && !is_early) {
        status = lookup_frame(hub, frame);
        if (status == STATUS_OK)
            status = ops_take(hub, index, life, frame, is_first);
    }
    if (status == STATUS_OK && !is_early) {
        link->next_number = reader.header.number + 1;
        metrics_add(&metrics.frames_taken, 1);
        broker_link_frame_taken(broker, life, reader.header.number);
    } else if (status != STATUS_OK && !atomic_load(&hub->is_stopping)) {
        broker_link_drop(broker, life, status == STATUS_STALE ? "a gap in its frames" : status_name(status));
    }
    broker_link_frame_free(broker, frame);
}
