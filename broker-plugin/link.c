#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"

/* A connection that proved itself with the link secret. */
struct service {
    UT_hash_handle hh;
    const void *client;
    bool is_bad; /* to be ended */
    char client_id[];
};

static struct service *service_of(const struct gateway *gateway, const void *client)
{
    struct service *service;
    HASH_FIND(hh, gateway->services, &client, sizeof client, service);
    return service;
}

bool link_is_service(const struct gateway *gateway, const void *client)
{
    return service_of(gateway, client) != NULL;
}

enum verdict link_connect(struct gateway *gateway, const struct gateway_connect *connect)
{
    if (admit_service(&gateway->admit, &connect->request) != STATUS_OK) {
        broker_log(BROKER_WARNING, "link refused why=secret-or-name address=%s", connect->address);
        return VERDICT_DENY;
    }
    size_t size = strlen(connect->request.client_id) + 1;
    struct service *service = calloc(1, sizeof *service + size);
    if (service == NULL)
        return VERDICT_CLOSE;
    memcpy(service->client_id, connect->request.client_id, size);
    service->client = connect->client;
    HASH_ADD(hh, gateway->services, client, sizeof service->client, service);
    if (service->hh.tbl == NULL) {
        free(service);
        return VERDICT_CLOSE;
    }
    broker_log(BROKER_INFO, "link connected client=%s address=%s", service->client_id, connect->address);
    return VERDICT_OK;
}

static void link_down(struct gateway *gateway)
{
    broker_log(BROKER_NOTICE, "link down client=%s", gateway->uplink.client_id);
    uplink_stop(&gateway->uplink);
    revoked_abandon(&gateway->revoked);
}

static void service_remove(struct gateway *gateway, struct service *service)
{
    if (gateway->uplink.is_up && gateway->uplink.client == service->client)
        link_down(gateway);
    HASH_DEL(gateway->services, service); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
    free(service);
}

bool link_gone(struct gateway *gateway, const void *client)
{
    struct service *service = service_of(gateway, client);
    if (service == NULL)
        return false;
    service_remove(gateway, service);
    return true;
}

void link_done(struct gateway *gateway)
{
    struct service *service, *next;
    HASH_ITER (hh, gateway->services, service, next) {
        service_remove(gateway, service);
    }
}

void link_tick(struct gateway *gateway)
{
    struct service *service, *next;
    if (gateway->uplink.is_up && gateway->uplink.is_broken) {
        service = service_of(gateway, gateway->uplink.client);
        link_down(gateway);
        if (service != NULL)
            service->is_bad = true;
    }
    HASH_ITER (hh, gateway->services, service, next) {
        if (!service->is_bad)
            continue;
        service->is_bad = false;
        broker_kick(service->client_id); /* its end is reported meanwhile, and it is freed */
        return;                          /* the next one at the next tick: `next` may be gone too */
    }
}

/* ---- frames ---- */
/* Every op to the last byte, before anything is done. */
static enum status check(struct slice frame, struct frame_header *ret_header, bool *ret_is_hello,
                         struct frame_op *ret_first)
{
    struct frame_reader reader;
    struct frame_op op;
    bool is_first = true;
    enum status status = frame_open(&reader, frame.at, frame.len);
    if (status != STATUS_OK || reader.header.direction != 'D')
        return STATUS_MALFORMED;
    *ret_header = reader.header;
    *ret_is_hello = false;
    while ((status = frame_next(&reader, &op)) == STATUS_OK) {
        if (op.type == DOWN_HELLO) {
            if (!is_first)
                return STATUS_MALFORMED;
            *ret_is_hello = true;
            *ret_first = op;
        }
        is_first = false;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : STATUS_MALFORMED;
}

static enum status hello(struct gateway *gateway, const struct service *service, const struct frame_op *op)
{
    if (gateway->uplink.is_up && gateway->uplink.client != service->client)
        broker_log(BROKER_WARNING, "link replaced older=%s newer=%s", gateway->uplink.client_id, service->client_id);
    deliver_forget(&gateway->deliver);
    limiter_tell_anew(&gateway->limiter);
    revoked_abandon(&gateway->revoked);
    enum status status =
        uplink_start(&gateway->uplink, service->client, service->client_id, &gateway->journal, &gateway->sessions);
    if (status != STATUS_OK)
        return status;
    broker_urgent(); /* all messages go this way, and many devices' answers wait for what comes back */
    broker_log(BROKER_NOTICE, "link up client=%s service=%.*s sessions=%u backlog=%llu", service->client_id,
               (int)(op->hello.service.len < LIMIT_GROUP_LEN ? op->hello.service.len : LIMIT_GROUP_LEN),
               op->hello.service.at, gateway->sessions.len,
               (unsigned long long)(gateway->journal.head.position - gateway->journal.tail.position));
    return STATUS_OK;
}

static enum status acknowledge(struct gateway *gateway, const struct frame_op *op, struct moment now)
{
    /* Only what was sent can be done. */
    if (op->ack.position > gateway->uplink.cursor.position)
        return STATUS_MALFORMED;
    enum status status = uplink_confirm(&gateway->uplink, op->ack.frame_number);
    if (status != STATUS_OK)
        return status;
    uint64_t freed = journal_forget(&gateway->journal, op->ack.position);
    if (freed > 0)
        overload_freed(&gateway->overload, freed, now.clock_ms);
    return STATUS_OK;
}

static void revoke(struct gateway *gateway, const struct frame_op *op)
{
    if (revoked_add(&gateway->revoked, op->revoke.name, op->revoke.valid_after_s) != STATUS_OK)
        broker_log(BROKER_ERROR,
                   "revoked full entries=%u: every token issued before %lld is refused now; purge old revocations and "
                   "restart the sync service",
                   revoked_entries(&gateway->revoked), (long long)op->revoke.valid_after_s);
    if (op->revoke.kick)
        gateway_kick_revoked_user(gateway, op->revoke.name);
}

/* What is done at once; the rest has its turn in the tick. */
static enum status op_do(struct gateway *gateway, const struct frame_op *op, struct moment now)
{
    switch (op->type) {
    case DOWN_ACK:
        return acknowledge(gateway, op, now);
    case DOWN_REVOKE:
        revoke(gateway, op);
        return STATUS_OK;
    case DOWN_REVOKED_BEGIN:
        revoked_begin(&gateway->revoked);
        return STATUS_OK;
    case DOWN_REVOKED_END:
        revoked_end(&gateway->revoked);
        gateway_kick_revoked(gateway);
        broker_log(BROKER_INFO, "revoked entries=%u", revoked_entries(&gateway->revoked));
        return STATUS_OK;
    case DOWN_HELLO:
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
    case DOWN_KICK:
        return STATUS_OK;
    case UP_WELCOME:
    case UP_CONNECTED:
    case UP_READY:
    case UP_UNREADY:
    case UP_GONE:
    case UP_SESSIONS_END:
    case UP_RECORD:
    case UP_WATCH:
    case UP_UNWATCH:
    case UP_COUNTERS:
        break;
    }
    return STATUS_MALFORMED; /* frame_next has refused these in a frame down */
}

static enum status ops_do(struct gateway *gateway, struct slice frame, struct moment now)
{
    struct frame_reader reader;
    struct frame_op op;
    enum status status = frame_open(&reader, frame.at, frame.len);
    while (status == STATUS_OK && (status = frame_next(&reader, &op)) == STATUS_OK)
        status = op_do(gateway, &op, now);
    if (status != STATUS_NOT_FOUND)
        return status;
    return deliver_add(&gateway->deliver, frame.at, frame.len);
}

void link_frame(struct gateway *gateway, const void *client, struct slice frame, struct moment now)
{
    struct service *service = service_of(gateway, client);
    struct frame_header header;
    struct frame_op first;
    bool is_hello;
    if (service == NULL || service->is_bad)
        return;
    if (check(frame, &header, &is_hello, &first) != STATUS_OK || (is_hello && header.number != 1)) {
        broker_log(BROKER_ERROR, "link dropped client=%s why=malformed-frame bytes=%zu", service->client_id, frame.len);
        service->is_bad = true;
        return;
    }
    enum status status = STATUS_OK;
    if (is_hello) {
        status = hello(gateway, service, &first);
    } else if (!gateway->uplink.is_up || gateway->uplink.client != client) {
        return; /* a link that a newer one has replaced */
    } else if (header.boot != gateway->down_boot || header.number != gateway->down_number + 1) {
        broker_log(BROKER_ERROR, "link dropped client=%s why=gap expected=%llu got=%llu", service->client_id,
                   (unsigned long long)gateway->down_number + 1, (unsigned long long)header.number);
        service->is_bad = true;
        return;
    }
    gateway->down_boot = header.boot;
    gateway->down_number = header.number;
    if (status == STATUS_OK)
        status = ops_do(gateway, frame, now);
    if (status != STATUS_OK) {
        broker_log(BROKER_ERROR, "link dropped client=%s why=%s", service->client_id, status_name(status));
        service->is_bad = true;
    }
    if (gateway->flushes_early)
        uplink_flush(&gateway->uplink, &gateway->journal, slice_of(gateway->options.node));
}
