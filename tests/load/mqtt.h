#ifndef LOAD_MQTT_H
#define LOAD_MQTT_H
/*
 * The MQTT 3.1.1 packets a load client needs: written at the end of a growing buffer, read from its start. No I/O.
 * Fields of a read packet borrow from the bytes it was read from.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../clients/protocol/topic.h"

#define MQTT_PACKET_BYTES_MAX (1024 * 1024) /* four times LIMIT_MESSAGE_BYTES_MAX and more: nothing larger is ours */

/* Bytes waiting to leave; `at` is malloc'd, `done` of them have left. */
struct buffer {
    unsigned char *at;
    size_t len, size, done;
};
/* Room for `len` more bytes at at + len. Ends the process when memory does: a load figure without it means nothing. */
void buffer_reserve(struct buffer *buffer, size_t len);
void buffer_free(struct buffer *buffer);

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
};

struct mqtt_connect {
    struct slice client_id, user, password; /* an empty user: neither user name nor password is sent */
    uint16_t keep_alive_s;
    bool clean_session;
};
void mqtt_put_connect(struct buffer *out, const struct mqtt_connect *connect);
void mqtt_put_subscribe(struct buffer *out, uint16_t packet_id, struct slice filter, int qos);
/* Returns where the payload's `payload_len` bytes belong: the caller fills them before anything else is put. */
unsigned char *mqtt_put_publish(struct buffer *out, struct slice topic, int qos, bool dup, uint16_t packet_id,
                                size_t payload_len);
void mqtt_put_puback(struct buffer *out, uint16_t packet_id);
void mqtt_put_pingreq(struct buffer *out);
void mqtt_put_disconnect(struct buffer *out);

struct mqtt_packet {
    enum mqtt_type type;
    int qos;            /* PUBLISH */
    uint8_t code;       /* CONNACK: return code; SUBACK: the first */
    bool flag;          /* CONNACK: session present; PUBLISH: DUP */
    uint16_t packet_id; /* PUBLISH (QoS 1), PUBACK, SUBACK */
    struct slice topic, payload;
};
/* STATUS_NOT_FOUND: the packet is not complete yet. STATUS_OK: *ret_len bytes were it. STATUS_MALFORMED: end the
 * connection. */
MUST_CHECK enum status mqtt_read(const unsigned char *bytes, size_t bytes_len, struct mqtt_packet *ret_packet,
                                 size_t *ret_len);

#endif
