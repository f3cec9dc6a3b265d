#include "incoming.h"
#include "original.h"
#include <errno.h>
#include <string.h>

#define CONNECT_BYTE 0x10 /* the first of every MQTT connection; TLS begins with 0x16, HTTP with a letter */
#define LENGTH_BYTES 4    /* of a packet's remaining length, seven bits each */

/* Mosquitto asks for one byte first; OpenSSL for the five of a record's head or more. In doubt the socket is left
 * alone. */
static ssize_t read_first(struct client *client, void *bytes, size_t len)
{
    ssize_t got = original.read(client->fd, bytes, len);
    if (len != 1 || (got == 1 && *(const unsigned char *)bytes != CONNECT_BYTE))
        client->kind = CLIENT_OPAQUE;
    else if (got == 1)
        client->kind = CLIENT_PLAIN;
    return got;
}

static ssize_t hand_over(struct client *client, struct buffer *in, void *bytes, size_t len)
{
    size_t there = in->end - in->begin;
    if (len > there)
        len = there;
    memcpy(bytes, in->bytes + in->begin, len);
    in->begin += len;
    bool is_empty = in->begin == in->end;
    if (is_empty)
        buffer_give(in);
    client_set_in(client, is_empty ? NULL : in);
    return (ssize_t)len;
}

ssize_t incoming_read(struct client *client, void *bytes, size_t len)
{
    if (client->kind == CLIENT_NEW)
        return read_first(client, bytes, len);
    if (client->in && len > 0)
        return hand_over(client, client->in, bytes, len);
    struct buffer *in = len > 0 && len < BUFFER_BYTES ? buffer_take() : NULL;
    if (!in)
        return original.read(client->fd, bytes, len);
    ssize_t got = recv(client->fd, in->bytes, BUFFER_BYTES, MSG_DONTWAIT);
    if (got <= 0) {
        int error = errno;
        buffer_give(in);
        errno = error;
        return got;
    }
    in->end = (size_t)got;
    return hand_over(client, in, bytes, len);
}

unsigned int incoming_packets(const struct client *client, unsigned int max)
{
    const struct buffer *in = client->in;
    unsigned int packets = 0;
    for (size_t at = in ? in->begin : 0; in && packets < max; packets++) {
        size_t length = 0, shift = 0;
        do {
            if (++at >= in->end || shift == 7 * LENGTH_BYTES)
                return packets; /* not whole, or not MQTT: the broker will see */
            length |= (size_t)(in->bytes[at] & 0x7f) << shift;
            shift += 7;
        } while (in->bytes[at] & 0x80);
        at++;
        if (length > in->end - at)
            return packets;
        at += length;
    }
    return packets;
}
