#include "device.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_NS     30000000000ull
#define BACKOFF_FIRST_MS 250u
#define BACKOFF_MOST_MS  30000u

/* ---- who there is ---- */

static struct slice slice_copy(const char *at, size_t len)
{
    return (struct slice){strndup(at, len), len};
}

static enum status device_from_line(struct device *device, const char *line)
{
    const char *first = strchr(line, '\t'), *second = first ? strchr(first + 1, '\t') : NULL;
    if (!second)
        return STATUS_MALFORMED;
    device->client_id = slice_copy(line, (size_t)(first - line));
    device->user = slice_copy(first + 1, (size_t)(second - first - 1));
    device->token = slice_copy(second + 1, strcspn(second + 1, "\r\n"));
    struct slice user, name;
    return client_id_parse(device->client_id, &user, &name);
}

static enum status devices_read(struct bench *bench, FILE *file)
{
    char *line = NULL;
    size_t line_size = 0;
    uint32_t size = 0;
    enum status status = STATUS_OK;
    while (!status && getline(&line, &line_size, file) > 0) {
        if (*line == '#' || *line == '\n')
            continue;
        if (bench->devices_len == size) {
            size = size ? size * 2 : 1024;
            struct device *devices = realloc(bench->devices, size * sizeof(*devices));
            if (!devices)
                abort();
            bench->devices = devices;
        }
        struct device *device = &bench->devices[bench->devices_len++];
        *device = (struct device){0};
        status = device_from_line(device, line);
    }
    free(line);
    return status;
}

enum status devices_load(struct bench *bench, uint32_t raw_count)
{
    enum status status = STATUS_OK;
    if (bench->options.raw) {
        bench->devices = calloc(raw_count, sizeof(struct device));
        bench->devices_len = raw_count;
        if (!bench->devices)
            return STATUS_NO_MEMORY;
        for (uint32_t i = 0; i < raw_count; i++) {
            char name[40];
            snprintf(name, sizeof(name), "raw%x-%u", bench->run, i);
            bench->devices[i].client_id = slice_copy(name, strlen(name));
            bench->devices[i].user = slice_copy(name, strlen(name));
        }
    } else {
        FILE *file = fopen(bench->options.devices_file, "r");
        status = file ? devices_read(bench, file) : STATUS_NOT_FOUND;
        if (status)
            fprintf(stderr, "gnatter-load: --devices %s: %s\n", bench->options.devices_file,
                    file ? "not lines of client id, user name, token" : strerror(errno));
        if (file)
            fclose(file);
    }
    for (uint32_t i = 0; i < bench->devices_len; i++) {
        struct device *device = &bench->devices[i];
        device->index = i;
        device->bench = bench;
        device->conn.fd = -1;
        device->window = bench->options.window;
    }
    bench->connect_queue = calloc(bench->devices_len + 1, sizeof(struct device *));
    return status;
}

void devices_free(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->devices_len; i++) {
        struct device *device = &bench->devices[i];
        loop_close(&bench->loop, &device->conn);
        outbox_free(&device->outbox);
        free(device->seats);
        free((char *)device->client_id.at);
        free((char *)device->user.at);
        free((char *)device->token.at);
    }
    free(bench->devices);
    free(bench->connect_queue);
}

struct device *device_take(struct bench *bench)
{
    if (bench->devices_used < bench->devices_len)
        return &bench->devices[bench->devices_used++];
    fprintf(stderr, "gnatter-load: the scenario needs more than the %u devices there are\n", bench->devices_len);
    return NULL;
}

/* ---- states ---- */

/* The one place where a state changes, so that the counts are right. */
static void device_set(struct bench *bench, struct device *device, enum device_state state)
{
    bool was_under_way = device->state == DEVICE_CONNECTING || device->state == DEVICE_SUBSCRIBING;
    bool is_under_way = state == DEVICE_CONNECTING || state == DEVICE_SUBSCRIBING;
    bench->under_way += is_under_way;
    bench->under_way -= was_under_way;
    bench->let_in += state >= DEVICE_SUBSCRIBING;
    bench->let_in -= device->state >= DEVICE_SUBSCRIBING;
    bench->live += state == DEVICE_LIVE;
    bench->live -= device->state == DEVICE_LIVE;
    device->state = state;
}

void device_connect(struct bench *bench, struct device *device)
{
    if (device->state != DEVICE_OFF && device->state != DEVICE_WAITING)
        return;
    device_set(bench, device, DEVICE_QUEUED);
    bench->connect_queue[(bench->connect_head + bench->connect_len++) % (bench->devices_len + 1)] = device;
}

static void device_wait(struct bench *bench, struct device *device)
{
    unsigned most_ms = BACKOFF_FIRST_MS << (device->failures < 7 ? device->failures : 7);
    if (most_ms > BACKOFF_MOST_MS)
        most_ms = BACKOFF_MOST_MS;
    device->failures++;
    device->due_ns = bench->loop.now_ns + (most_ms / 2 + bench_random(bench, most_ms / 2 + 1)) * 1000000ull;
    device_set(bench, device, DEVICE_WAITING);
}

void devices_connect_next(struct bench *bench)
{
    while (bench->connect_len && bench->under_way < (uint32_t)bench->options.connects_at_once) {
        struct device *device = bench->connect_queue[bench->connect_head];
        bench->connect_head = (bench->connect_head + 1) % (bench->devices_len + 1);
        bench->connect_len--;
        if (device->state != DEVICE_QUEUED)
            continue;
        loop_close(&bench->loop, &device->conn); /* its DISCONNECT may not have left yet */
        device->subscriptions = 0;
        if (loop_open(&bench->loop, &device->conn, device)) {
            snprintf(bench->last_error, sizeof(bench->last_error), "connect: %s", strerror(errno));
            device_wait(bench, device);
            continue;
        }
        device->due_ns = bench->loop.now_ns + HANDSHAKE_NS;
        device_set(bench, device, DEVICE_CONNECTING);
    }
}

void device_disconnect(struct bench *bench, struct device *device)
{
    if (device->conn.state == CONN_OPEN) {
        mqtt_put_disconnect(&device->conn.out);
        device_set(bench, device, DEVICE_OFF);
        loop_wake(&bench->loop, &device->conn);
        return; /* closed when that has left */
    }
    loop_close(&bench->loop, &device->conn);
    device_set(bench, device, DEVICE_OFF);
}

void device_subscribed(struct bench *bench, struct device *device)
{
    device_set(bench, device, DEVICE_SYNCING);
}

void device_is_live(struct bench *bench, struct device *device)
{
    if (device->state != DEVICE_SYNCING && device->state != DEVICE_SUBSCRIBING && device->state != DEVICE_CONNECTING)
        return;
    device->failures = 0;
    if (bench_in_window(bench, bench->loop.now_ns))
        histogram_add(&bench->to_live, bench->loop.now_ns - bench->from_ns);
    device_set(bench, device, DEVICE_LIVE);
    outbox_start_over(bench, device);
    loop_wake(&bench->loop, &device->conn);
}

/* ---- what the connection says ---- */

static void device_on_open(struct conn *conn)
{
    struct device *device = conn->owner;
    struct mqtt_connect connect = {.client_id = device->client_id,
                                   .user = device->token.len ? device->user : SLICE(""),
                                   .password = device->token,
                                   .clean_session = !device->keep_session,
                                   .keep_alive_s = (uint16_t)device->bench->options.keep_alive_s};
    mqtt_put_connect(&conn->out, &connect);
}

static void device_on_closed(struct conn *conn, const char *why)
{
    struct device *device = conn->owner;
    struct bench *bench = device->bench;
    device->ack_seats = NULL;
    device->unacked = 0;
    for (uint32_t i = 0; i < device->seats_len; i++)
        device->seats[i]->ack_listed = false;
    if (device->state == DEVICE_OFF)
        return;
    bench->reconnects++;
    snprintf(bench->last_error, sizeof(bench->last_error), "%.*s: %s", (int)device->client_id.len, device->client_id.at,
             why);
    device_wait(bench, device);
}

static void device_on_connack(struct bench *bench, struct device *device, const struct mqtt_packet *packet)
{
    if (packet->code == 0) {
        device_set(bench, device, DEVICE_SUBSCRIBING);
        bench->dialect->on_connack(bench, device);
        return;
    }
    char why[32];
    snprintf(why, sizeof(why), "refused: CONNACK %u", packet->code);
    loop_close(&bench->loop, &device->conn);
    device_on_closed(&device->conn, why);
}

static void device_on_packet(struct conn *conn, const struct mqtt_packet *packet)
{
    struct device *device = conn->owner;
    struct bench *bench = device->bench;
    switch (packet->type) {
    case MQTT_CONNACK:
        device_on_connack(bench, device, packet);
        break;
    case MQTT_SUBACK:
        if (packet->code > 2)
            bench_violation(bench, VIOLATION_STRANGE, device, "subscription refused");
        bench->dialect->on_suback(bench, device);
        break;
    case MQTT_PUBLISH:
        if (packet->qos)
            mqtt_put_puback(&conn->out, packet->packet_id);
        bench->dialect->on_publish(bench, device, packet);
        break;
    case MQTT_PUBACK:
        bench->dialect->on_puback(bench, device, packet->packet_id);
        break;
    case MQTT_CONNECT:
    case MQTT_SUBSCRIBE:
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
    case MQTT_DISCONNECT:
        break;
    }
    loop_wake(&bench->loop, conn);
}

static void device_on_flush(struct conn *conn)
{
    struct device *device = conn->owner;
    if (device->state == DEVICE_LIVE)
        outbox_pump(device->bench, device);
    if (device->state >= DEVICE_SYNCING)
        device->bench->dialect->on_flush(device->bench, device);
}

static void device_on_flushed(struct conn *conn)
{
    struct device *device = conn->owner;
    if (device->state == DEVICE_OFF)
        loop_close(&device->bench->loop, conn);
}

const struct loop_events DEVICE_EVENTS = {device_on_open, device_on_packet, device_on_closed, device_on_flush,
                                          device_on_flushed};

void device_tick(struct bench *bench, struct device *device)
{
    uint64_t now_ns = bench->loop.now_ns, quiet_ns = (uint64_t)bench->options.keep_alive_s * 750000000ull;
    switch (device->state) {
    case DEVICE_OFF:
    case DEVICE_QUEUED:
        return;
    case DEVICE_WAITING:
        if (now_ns >= device->due_ns)
            device_connect(bench, device);
        return;
    case DEVICE_CONNECTING:
    case DEVICE_SUBSCRIBING:
        if (now_ns >= device->due_ns) {
            loop_close(&bench->loop, &device->conn);
            device_on_closed(&device->conn, "no answer to the handshake");
        }
        return;
    case DEVICE_LIVE:
        outbox_resend(bench, device);
        break;
    case DEVICE_SYNCING:
        break;
    }
    if (now_ns - device->conn.wrote_ns > quiet_ns) {
        mqtt_put_pingreq(&device->conn.out);
        loop_wake(&bench->loop, &device->conn);
    }
}
