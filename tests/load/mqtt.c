#include "mqtt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_reserve(struct buffer *buffer, size_t len)
{
    if (buffer->size - buffer->len >= len)
        return;
    size_t size = buffer->size ? buffer->size : 256;
    while (size - buffer->len < len)
        size *= 2;
    unsigned char *at = realloc(buffer->at, size);
    if (!at) {
        fprintf(stderr, "gnatter-load: out of memory\n");
        abort();
    }
    buffer->at = at;
    buffer->size = size;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->at);
    *buffer = (struct buffer){0};
}

/* ---- writing ---- */

static void put_u8(struct buffer *out, unsigned value)
{
    out->at[out->len++] = (unsigned char)value;
}

static void put_u16(struct buffer *out, unsigned value)
{
    put_u8(out, value >> 8);
    put_u8(out, value & 0xff);
}

static void put_string(struct buffer *out, struct slice text)
{
    put_u16(out, (unsigned)text.len);
    memcpy(out->at + out->len, text.at, text.len);
    out->len += text.len;
}

/* The fixed header of a packet with `remaining` bytes, and room for all of it. */
static void put_header(struct buffer *out, unsigned first, size_t remaining)
{
    buffer_reserve(out, remaining + 5);
    put_u8(out, first);
    do {
        unsigned digit = (unsigned)(remaining & 0x7f);
        remaining >>= 7;
        put_u8(out, digit | (remaining ? 0x80 : 0));
    } while (remaining);
}

void mqtt_put_connect(struct buffer *out, const struct mqtt_connect *connect)
{
    bool named = connect->user.len > 0;
    size_t remaining = 10 + 2 + connect->client_id.len;
    if (named)
        remaining += 2 + connect->user.len + 2 + connect->password.len;
    put_header(out, MQTT_CONNECT << 4, remaining);
    put_string(out, SLICE("MQTT"));
    put_u8(out, 4);
    put_u8(out, (named ? 0xc0u : 0) | (connect->clean_session ? 0x02u : 0));
    put_u16(out, connect->keep_alive_s);
    put_string(out, connect->client_id);
    if (named) {
        put_string(out, connect->user);
        put_string(out, connect->password);
    }
}

void mqtt_put_subscribe(struct buffer *out, uint16_t packet_id, struct slice filter, int qos)
{
    put_header(out, MQTT_SUBSCRIBE << 4 | 2, 2 + 2 + filter.len + 1);
    put_u16(out, packet_id);
    put_string(out, filter);
    put_u8(out, (unsigned)qos);
}

unsigned char *mqtt_put_publish(struct buffer *out, struct slice topic, int qos, bool dup, uint16_t packet_id,
                                size_t payload_len)
{
    put_header(out, MQTT_PUBLISH << 4 | (dup ? 8u : 0) | (unsigned)qos << 1,
               2 + topic.len + (qos ? 2 : 0) + payload_len);
    put_string(out, topic);
    if (qos)
        put_u16(out, packet_id);
    unsigned char *payload = out->at + out->len;
    out->len += payload_len;
    return payload;
}

void mqtt_put_puback(struct buffer *out, uint16_t packet_id)
{
    put_header(out, MQTT_PUBACK << 4, 2);
    put_u16(out, packet_id);
}

void mqtt_put_pingreq(struct buffer *out)
{
    put_header(out, MQTT_PINGREQ << 4, 0);
}

void mqtt_put_disconnect(struct buffer *out)
{
    put_header(out, MQTT_DISCONNECT << 4, 0);
}

/* ---- reading ---- */

static uint16_t u16_at(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static enum status read_publish(unsigned flags, const unsigned char *body, size_t len, struct mqtt_packet *packet)
{
    packet->qos = (flags >> 1) & 3;
    packet->flag = flags & 8;
    if (packet->qos > 1 || len < 2)
        return STATUS_MALFORMED; /* QoS 2 is never asked for */
    size_t topic_len = u16_at(body), at = 2 + topic_len;
    if (len < at + (packet->qos ? 2u : 0u))
        return STATUS_MALFORMED;
    packet->topic = (struct slice){(const char *)body + 2, topic_len};
    if (packet->qos) {
        packet->packet_id = u16_at(body + at);
        at += 2;
    }
    packet->payload = (struct slice){(const char *)body + at, len - at};
    return STATUS_OK;
}

static enum status read_body(unsigned first, const unsigned char *body, size_t len, struct mqtt_packet *packet)
{
    packet->type = first >> 4;
    switch (first >> 4) {
    case MQTT_PUBLISH:
        return read_publish(first & 0x0f, body, len, packet);
    case MQTT_CONNACK:
        if (len != 2)
            return STATUS_MALFORMED;
        packet->flag = body[0] & 1;
        packet->code = body[1];
        return STATUS_OK;
    case MQTT_PUBACK:
        if (len != 2)
            return STATUS_MALFORMED;
        packet->packet_id = u16_at(body);
        return STATUS_OK;
    case MQTT_SUBACK:
        if (len < 3)
            return STATUS_MALFORMED;
        packet->packet_id = u16_at(body);
        packet->code = body[2];
        return STATUS_OK;
    case MQTT_PINGRESP:
        return len == 0 ? STATUS_OK : STATUS_MALFORMED;
    default:
        return STATUS_MALFORMED;
    }
}

enum status mqtt_read(const unsigned char *bytes, size_t bytes_len, struct mqtt_packet *ret_packet, size_t *ret_len)
{
    size_t remaining = 0, at = 1;
    for (unsigned shift = 0;; shift += 7) {
        if (shift > 21)
            return STATUS_MALFORMED;
        if (at >= bytes_len)
            return STATUS_NOT_FOUND;
        unsigned digit = bytes[at++];
        remaining |= (size_t)(digit & 0x7f) << shift;
        if (!(digit & 0x80))
            break;
    }
    if (remaining > MQTT_PACKET_BYTES_MAX)
        return STATUS_MALFORMED;
    if (bytes_len - at < remaining)
        return STATUS_NOT_FOUND;
    struct mqtt_packet packet = {0};
    enum status status = read_body(bytes[0], bytes + at, remaining, &packet);
    if (status)
        return status;
    *ret_packet = packet;
    *ret_len = at + remaining;
    return STATUS_OK;
}
