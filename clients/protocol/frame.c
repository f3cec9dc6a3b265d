#include "frame.h"

#include <string.h>

#include "counters.h"

/* ---- little-endian numbers ---- */
static void u16_put(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static void u32_put(unsigned char *at, uint32_t value)
{
    u16_put(at, (uint16_t)value);
    u16_put(at + 2, (uint16_t)(value >> 16));
}

static void u64_put(unsigned char *at, uint64_t value)
{
    u32_put(at, (uint32_t)value);
    u32_put(at + 4, (uint32_t)(value >> 32));
}

static uint16_t u16_get(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t u32_get(const unsigned char *at)
{
    return (uint32_t)u16_get(at) | (uint32_t)u16_get(at + 2) << 16;
}

static uint64_t u64_get(const unsigned char *at)
{
    return (uint64_t)u32_get(at) | (uint64_t)u32_get(at + 4) << 32;
}

uint32_t frame_session(const struct frame_op *op, uint32_t index)
{
    return u32_get(op->deliver.sessions + (size_t)index * 4);
}

void frame_session_put(unsigned char *sessions, uint32_t index, uint32_t session)
{
    u32_put(sessions + (size_t)index * 4, session);
}

uint64_t frame_counter(const struct frame_op *op, uint32_t index)
{
    const unsigned char *values = (const unsigned char *)op->counters.values.at;
    return index < op->counters.values.len / 8 ? u64_get(values + (size_t)index * 8) : 0;
}

void frame_counter_put(char *values, uint32_t index, uint64_t value)
{
    u64_put((unsigned char *)values + (size_t)index * 8, value);
}

/* ---- writing ---- */
static bool is_same_payload(const struct frame_op *op)
{
    return op->type == DOWN_DELIVER && (op->deliver.flags & DELIVER_SAME_PAYLOAD) != 0;
}

static size_t string_bytes(struct slice string)
{
    return 2 + string.len;
}

static size_t body_bytes(const struct frame_op *op)
{
    switch (op->type) {
    case UP_WELCOME:
        return 16 + string_bytes(op->welcome.node);
    case UP_CONNECTED:
        return 21 + string_bytes(op->connected.client_id);
    case UP_READY:
    case UP_UNREADY:
    case DOWN_KICK:
        return 4;
    case UP_GONE:
        return 5;
    case UP_SESSIONS_END:
    case DOWN_REVOKED_BEGIN:
    case DOWN_REVOKED_END:
        return 0;
    case UP_RECORD:
        return 20 + string_bytes(op->record.client_id) + string_bytes(op->record.topic) +
               string_bytes(op->record.correlation) + op->record.payload.len;
    case UP_WATCH:
    case UP_UNWATCH:
        return 4 + string_bytes(op->watch.user);
    case UP_COUNTERS:
        return op->counters.values.len;
    case DOWN_HELLO:
        return string_bytes(op->hello.service);
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
        return 5 + string_bytes(op->deliver.tail) + string_bytes(op->deliver.correlation) +
               (size_t)op->deliver.sessions_len * 4 + (is_same_payload(op) ? 0 : op->deliver.payload.len);
    case DOWN_REVOKE:
        return 9 + string_bytes(op->revoke.name);
    case DOWN_ACK:
        return 16;
    }
    return 0;
}

size_t frame_op_bytes(const struct frame_op *op)
{
    return FRAME_OP_HEADER_BYTES + body_bytes(op);
}

/* Whether every string's length fits its u16. */
static bool strings_fit(const struct frame_op *op)
{
    switch (op->type) {
    case UP_WELCOME:
        return op->welcome.node.len <= UINT16_MAX;
    case UP_CONNECTED:
        return op->connected.client_id.len <= UINT16_MAX;
    case UP_RECORD:
        return op->record.client_id.len <= UINT16_MAX && op->record.topic.len <= UINT16_MAX &&
               op->record.correlation.len <= UINT16_MAX;
    case UP_WATCH:
    case UP_UNWATCH:
        return op->watch.user.len <= UINT16_MAX;
    case DOWN_HELLO:
        return op->hello.service.len <= UINT16_MAX;
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
        return op->deliver.tail.len <= UINT16_MAX && op->deliver.correlation.len <= UINT16_MAX;
    case DOWN_REVOKE:
        return op->revoke.name.len <= UINT16_MAX;
    case UP_READY:
    case UP_UNREADY:
    case UP_GONE:
    case UP_SESSIONS_END:
    case UP_COUNTERS:
    case DOWN_KICK:
    case DOWN_REVOKED_BEGIN:
    case DOWN_REVOKED_END:
    case DOWN_ACK:
        break;
    }
    return true;
}

/* Each writes and moves on. */
static void add_u8(unsigned char **at, uint8_t value)
{
    *(*at)++ = value;
}

static void add_u32(unsigned char **at, uint32_t value)
{
    u32_put(*at, value);
    *at += 4;
}

static void add_u64(unsigned char **at, uint64_t value)
{
    u64_put(*at, value);
    *at += 8;
}

static void add_bytes(unsigned char **at, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(*at, bytes, len);
    *at += len;
}

static void add_string(unsigned char **at, struct slice string)
{
    u16_put(*at, (uint16_t)string.len);
    *at += 2;
    add_bytes(at, string.at, string.len);
}

static void record_write(unsigned char **at, const struct frame_op *op)
{
    add_u64(at, op->record.position);
    add_u64(at, (uint64_t)op->record.at_ms);
    add_u32(at, op->record.session);
    add_string(at, op->record.client_id);
    add_string(at, op->record.topic);
    add_string(at, op->record.correlation);
    add_bytes(at, op->record.payload.at, op->record.payload.len);
}

static void deliver_write(unsigned char **at, const struct frame_op *op)
{
    add_u8(at, op->deliver.qos);
    add_string(at, op->deliver.tail);
    add_string(at, op->deliver.correlation);
    add_u32(at, op->deliver.sessions_len);
    add_bytes(at, op->deliver.sessions, (size_t)op->deliver.sessions_len * 4);
    if (!is_same_payload(op))
        add_bytes(at, op->deliver.payload.at, op->deliver.payload.len);
}

static void body_write(unsigned char *at, const struct frame_op *op)
{
    switch (op->type) {
    case UP_WELCOME:
        add_u64(&at, op->welcome.journal_tail);
        add_u64(&at, op->welcome.journal_head);
        add_string(&at, op->welcome.node);
        break;
    case UP_CONNECTED:
        add_u32(&at, op->connected.session);
        add_u8(&at, op->connected.mqtt_version);
        add_u64(&at, (uint64_t)op->connected.at_ms);
        add_u64(&at, (uint64_t)op->connected.expires_at_s);
        add_string(&at, op->connected.client_id);
        break;
    case UP_READY:
        add_u32(&at, op->ready.session);
        break;
    case UP_UNREADY:
        add_u32(&at, op->unready.session);
        break;
    case DOWN_KICK:
        add_u32(&at, op->kick.session);
        break;
    case UP_GONE:
        add_u32(&at, op->gone.session);
        add_u8(&at, op->gone.reason);
        break;
    case UP_RECORD:
        record_write(&at, op);
        break;
    case UP_WATCH:
    case UP_UNWATCH:
        add_u32(&at, op->watch.session);
        add_string(&at, op->watch.user);
        break;
    case UP_COUNTERS:
        add_bytes(&at, op->counters.values.at, op->counters.values.len);
        break;
    case DOWN_HELLO:
        add_string(&at, op->hello.service);
        break;
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
        deliver_write(&at, op);
        break;
    case DOWN_REVOKE:
        add_string(&at, op->revoke.name);
        add_u64(&at, (uint64_t)op->revoke.valid_after_s);
        add_u8(&at, op->revoke.kick);
        break;
    case DOWN_ACK:
        add_u64(&at, op->ack.frame_number);
        add_u64(&at, op->ack.position);
        break;
    case UP_SESSIONS_END:
    case DOWN_REVOKED_BEGIN:
    case DOWN_REVOKED_END:
        break;
    }
}

void frame_begin(struct frame_writer *writer, unsigned char *buf, size_t size)
{
    *writer = (struct frame_writer){.buf = buf, .size = size, .len = FRAME_HEADER_BYTES};
}

enum status frame_put(struct frame_writer *writer, const struct frame_op *op)
{
    size_t bytes = frame_op_bytes(op);
    if (!strings_fit(op) || bytes > UINT32_MAX || bytes + FRAME_HEADER_BYTES > writer->size)
        return STATUS_TOO_LARGE;
    if (is_same_payload(op) && !writer->has_payload)
        return STATUS_MALFORMED;
    if (bytes > writer->size - writer->len)
        return STATUS_FULL;
    unsigned char *at = writer->buf + writer->len;
    at[0] = (unsigned char)op->type;
    at[1] = is_same_payload(op) ? DELIVER_SAME_PAYLOAD : 0;
    u16_put(at + 2, 0);
    u32_put(at + 4, (uint32_t)(bytes - FRAME_OP_HEADER_BYTES));
    body_write(at + FRAME_OP_HEADER_BYTES, op);
    writer->len += bytes;
    writer->ops++;
    writer->has_payload |= op->type == DOWN_DELIVER;
    return STATUS_OK;
}

size_t frame_finish(struct frame_writer *writer, char direction, uint64_t boot, uint64_t number)
{
    unsigned char *at = writer->buf;
    at[0] = FRAME_VERSION;
    at[1] = (unsigned char)direction;
    u16_put(at + 2, 0);
    u32_put(at + 4, writer->ops);
    u64_put(at + 8, boot);
    u64_put(at + 16, number);
    return writer->len;
}

/* ---- reading: what is short leaves `is_bad` set, and everything after it is zero ---- */
struct body {
    const unsigned char *at;
    size_t left;
    bool is_bad;
};

static const unsigned char *take(struct body *body, size_t len)
{
    if (body->is_bad || body->left < len) {
        body->is_bad = true;
        return NULL;
    }
    const unsigned char *at = body->at;
    body->at += len;
    body->left -= len;
    return at;
}

static uint8_t take_u8(struct body *body)
{
    const unsigned char *at = take(body, 1);
    return at != NULL ? at[0] : 0;
}

static uint32_t take_u32(struct body *body)
{
    const unsigned char *at = take(body, 4);
    return at != NULL ? u32_get(at) : 0;
}

static uint64_t take_u64(struct body *body)
{
    const unsigned char *at = take(body, 8);
    return at != NULL ? u64_get(at) : 0;
}

static struct slice take_bytes(struct body *body, size_t len)
{
    const unsigned char *at = take(body, len);
    return at != NULL ? (struct slice){(const char *)at, len} : (struct slice){NULL, 0};
}

static struct slice take_counted(struct body *body)
{
    const unsigned char *at = take(body, 2);
    return at != NULL ? take_bytes(body, u16_get(at)) : (struct slice){NULL, 0};
}

/* A name or topic: it will stand in C strings, so a NUL in it would be a second spelling. */
static struct slice take_string(struct body *body)
{
    struct slice string = take_counted(body);
    if (string.len > 0 && memchr(string.at, '\0', string.len) != NULL)
        body->is_bad = true;
    return string;
}

static uint32_t take_session(struct body *body)
{
    uint32_t session = take_u32(body);
    if (session == 0)
        body->is_bad = true;
    return session;
}

static struct slice take_rest(struct body *body)
{
    return take_bytes(body, body->left);
}

static void record_read(struct body *body, struct frame_op *op)
{
    op->record.position = take_u64(body);
    op->record.at_ms = (int64_t)take_u64(body);
    op->record.session = take_u32(body); /* 0: written for a connection of an earlier broker life */
    op->record.client_id = take_string(body);
    op->record.topic = take_string(body);
    op->record.correlation = take_counted(body);
    op->record.payload = take_rest(body);
}

static void deliver_read(struct body *body, struct frame_op *op, struct frame_reader *reader)
{
    op->deliver.qos = take_u8(body);
    op->deliver.tail = take_string(body);
    op->deliver.correlation = take_counted(body);
    op->deliver.sessions_len = take_u32(body);
    if (op->deliver.sessions_len > body->left / 4)
        body->is_bad = true;
    op->deliver.sessions = take(body, (size_t)op->deliver.sessions_len * 4);
    op->deliver.payload = take_rest(body);
    if (body->is_bad)
        return;
    for (uint32_t i = 0; i < op->deliver.sessions_len; i++)
        body->is_bad |= frame_session(op, i) == 0;
    if (op->deliver.qos > 1)
        body->is_bad = true;
    if (is_same_payload(op)) {
        if (op->deliver.payload.len > 0 || !reader->has_payload)
            body->is_bad = true;
        op->deliver.payload = reader->payload;
    }
}

static void body_read(struct body *body, struct frame_op *op, struct frame_reader *reader)
{
    switch (op->type) {
    case UP_WELCOME:
        op->welcome.journal_tail = take_u64(body);
        op->welcome.journal_head = take_u64(body);
        op->welcome.node = take_string(body);
        break;
    case UP_CONNECTED:
        op->connected.session = take_session(body);
        op->connected.mqtt_version = take_u8(body);
        op->connected.at_ms = (int64_t)take_u64(body);
        op->connected.expires_at_s = (int64_t)take_u64(body);
        op->connected.client_id = take_string(body);
        body->is_bad |= op->connected.mqtt_version < 3 || op->connected.mqtt_version > 5;
        break;
    case UP_READY:
        op->ready.session = take_session(body);
        break;
    case UP_UNREADY:
        op->unready.session = take_session(body);
        break;
    case DOWN_KICK:
        op->kick.session = take_session(body);
        break;
    case UP_GONE:
        op->gone.session = take_session(body);
        op->gone.reason = take_u8(body);
        body->is_bad |= op->gone.reason > GONE_OVERLOADED;
        break;
    case UP_RECORD:
        record_read(body, op);
        break;
    case UP_WATCH:
    case UP_UNWATCH:
        op->watch.session = take_session(body);
        op->watch.user = take_string(body);
        break;
    case UP_COUNTERS:
        op->counters.values = take_rest(body);
        body->is_bad |= op->counters.values.len % 8 != 0 || op->counters.values.len / 8 > LIMIT_COUNTERS;
        break;
    case DOWN_HELLO:
        op->hello.service = take_string(body);
        break;
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
        deliver_read(body, op, reader);
        break;
    case DOWN_REVOKE:
        op->revoke.name = take_string(body);
        op->revoke.valid_after_s = (int64_t)take_u64(body);
        op->revoke.kick = take_u8(body);
        body->is_bad |= op->revoke.kick > 1;
        break;
    case DOWN_ACK:
        op->ack.frame_number = take_u64(body);
        op->ack.position = take_u64(body);
        break;
    case UP_SESSIONS_END:
    case DOWN_REVOKED_BEGIN:
    case DOWN_REVOKED_END:
        break;
    default: /* a type of a later version */
        body->is_bad = true;
        break;
    }
}

enum status frame_open(struct frame_reader *reader, const void *frame, size_t frame_len)
{
    const unsigned char *at = frame;
    if (frame_len < FRAME_HEADER_BYTES || at[0] != FRAME_VERSION || (at[1] != 'U' && at[1] != 'D') ||
        u16_get(at + 2) != 0)
        return STATUS_MALFORMED;
    *reader = (struct frame_reader){
        .at = at + FRAME_HEADER_BYTES,
        .end = at + frame_len,
        .header = {.direction = (char)at[1],
                   .ops = u32_get(at + 4),
                   .boot = u64_get(at + 8),
                   .number = u64_get(at + 16)},
        .ops_left = u32_get(at + 4),
    };
    return STATUS_OK;
}

enum status frame_next(struct frame_reader *reader, struct frame_op *ret_op)
{
    size_t left = (size_t)(reader->end - reader->at);
    if (reader->ops_left == 0)
        return left == 0 ? STATUS_NOT_FOUND : STATUS_MALFORMED;
    if (left < FRAME_OP_HEADER_BYTES)
        return STATUS_MALFORMED;
    uint8_t type = reader->at[0], flags = reader->at[1];
    struct body body = {reader->at + FRAME_OP_HEADER_BYTES, u32_get(reader->at + 4), false};
    if (u16_get(reader->at + 2) != 0 || body.left > left - FRAME_OP_HEADER_BYTES ||
        (flags & ~(type == DOWN_DELIVER ? DELIVER_SAME_PAYLOAD : 0)) != 0 ||
        (type < DOWN_HELLO) != (reader->header.direction == 'U'))
        return STATUS_MALFORMED;
    size_t bytes = FRAME_OP_HEADER_BYTES + body.left;
    struct frame_op op = {.type = (enum frame_op_type)type};
    if (type == DOWN_DELIVER)
        op.deliver.flags = flags;
    body_read(&body, &op, reader);
    if (body.is_bad || body.left != 0)
        return STATUS_MALFORMED;
    if (type == DOWN_DELIVER) {
        reader->has_payload = true;
        reader->payload = op.deliver.payload;
    }
    reader->at += bytes;
    reader->ops_left--;
    *ret_op = op;
    return STATUS_OK;
}
