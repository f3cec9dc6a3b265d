/* Frames taken apart: checked, who they are about looked up, op after op given to where it belongs. */
#include <poll.h>
#include <stdlib.h>
#include "../log.h"
#include "../metrics.h"
#include "hub_state.h"

#define DATABASE_RETRY_MS 100
#define LOOKUP_MAX        1000 /* client ids in one question */

/* ---- who it is about ---- */
static bool op_names_client(const struct frame_op *op, struct slice *ret_client_id)
{
    if (op->type == UP_CONNECTED)
        *ret_client_id = op->connected.client_id;
    else if (op->type == UP_RECORD)
        *ret_client_id = op->record.client_id;
    else
        return false;
    return true;
}

static enum status lookup(struct hub *hub, const struct slice client_ids[], size_t len)
{
    struct pg_params *params = &hub->database.params;
    PGresult *result = NULL;
    pg_params_begin(params);
    pg_texts(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bytes(params, client_ids[i]);
    enum status status =
        database_ask(&hub->database, "select ord, device_id, user_id, ack_auto from gnatter.device_open($1)",
                     DATABASE_BINARY, &result);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        struct slice client_id = client_ids[pg_read_int(PQgetvalue(result, row, 0)) - 1];
        if (identities_find(&hub->identities, client_id) == NULL)
            (void)identities_add(&hub->identities, client_id, pg_read_bigint(PQgetvalue(result, row, 1)),
                                 pg_read_bigint(PQgetvalue(result, row, 2)), PQgetvalue(result, row, 3)[0] != 0);
    }
    PQclear(result);
    return STATUS_OK;
}

/* Without the database nobody can be told apart: the frame waits, unconfirmed. */
static enum status lookup_patiently(struct hub *hub, const struct slice client_ids[], size_t len)
{
    enum status status;
    while ((status = lookup(hub, client_ids, len)) == STATUS_UNAVAILABLE && !atomic_load(&hub->is_stopping))
        (void)poll(NULL, 0, DATABASE_RETRY_MS);
    return status;
}

/* Every client id of the frame that is not known yet, in as few questions as can be. */
static enum status identify(struct hub *hub, const struct link_frame *frame)
{
    struct slice client_ids[LOOKUP_MAX];
    size_t len = 0;
    struct frame_reader reader;
    struct frame_op op;
    enum status status = frame_open(&reader, frame->bytes, frame->len);
    while (status == STATUS_OK && (status = frame_next(&reader, &op)) == STATUS_OK) {
        struct slice client_id;
        if (!op_names_client(&op, &client_id) || identities_find(&hub->identities, client_id) != NULL)
            continue;
        client_ids[len++] = client_id;
        if (len == LOOKUP_MAX) {
            status = lookup_patiently(hub, client_ids, len);
            len = 0;
        }
    }
    if (status == STATUS_NOT_FOUND)
        status = len > 0 ? lookup_patiently(hub, client_ids, len) : STATUS_OK;
    return status;
}

/* ---- op after op ---- */
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
        status = identify(hub, frame);
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
