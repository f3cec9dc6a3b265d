#ifndef GNATTER_GATEWAY_STAGE_H
#define GNATTER_GATEWAY_STAGE_H
/* The whole plugin but Mosquitto: a list stands for the broker. A stage has one node, with a link where it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker-plugin/broker.h"
#include "broker-plugin/gateway.h"

/* ---- what stands for the broker ---- */
static unsigned publishes_left; /* 0: any number; else the last of so many fails */
static unsigned up_frames, up_ops, to_devices, kicked;
static uint64_t last_up_number;
static char last_topic[LIMIT_INBOX_TOPIC_LEN + 1], last_client[80], last_log[512], first_payload[512],
    last_payload[2048];
static uint64_t given_bytes, bytes_across; /* to devices; how much of it has got there */
static bool is_across_known;
static int kept_subscriptions;
static struct told {
    uint8_t connected, ready, gone;
} told[4096]; /* by session number, of the link's life */
static bool is_told_all;

static inline void listen_to(const struct frame_op *op)
{
    if (op->type == UP_WELCOME) {
        memset(told, 0, sizeof told);
        is_told_all = false;
    }
    is_told_all |= op->type == UP_SESSIONS_END;
    if (op->type == UP_CONNECTED)
        told[op->connected.session % 4096].connected++;
    if (op->type == UP_READY)
        told[op->ready.session % 4096].ready++;
    if (op->type == UP_GONE)
        told[op->gone.session % 4096].gone++;
}

void broker_log(enum broker_level level, const char *format, ...)
{
    va_list args;
    (void)level;
    va_start(args, format);
    (void)vsnprintf(last_log, sizeof last_log, format, args);
    va_end(args);
}

enum status broker_publish(const char *client_id, const char *topic, struct slice payload, int qos,
                           const struct broker_properties *properties)
{
    (void)qos;
    (void)properties;
    if (strcmp(topic, FRAME_TOPIC_UP) == 0) {
        struct frame_reader reader;
        struct frame_op op;
        up_frames++;
        assert_int_equal(frame_open(&reader, payload.at, payload.len), STATUS_OK);
        last_up_number = reader.header.number;
        for (; frame_next(&reader, &op) == STATUS_OK; up_ops += op.type != UP_COUNTERS)
            listen_to(&op);
        return STATUS_OK;
    }
    if (publishes_left > 0 && --publishes_left == 0)
        return STATUS_NO_MEMORY;
    given_bytes += strlen(topic) + payload.len;
    if (to_devices++ == 0)
        (void)snprintf(first_payload, sizeof first_payload, "%.*s", (int)payload.len, payload.at);
    (void)snprintf(last_topic, sizeof last_topic, "%s", topic);
    (void)snprintf(last_client, sizeof last_client, "%s", client_id);
    (void)snprintf(last_payload, sizeof last_payload, "%.*s", (int)payload.len, payload.at);
    return STATUS_OK;
}

static uint64_t room_bytes; /* 0: any number */
bool broker_has_room(uint64_t publishes, uint64_t bytes)
{
    assert_true(publishes > 0);
    return room_bytes == 0 || bytes <= room_bytes;
}

static struct gateway the_gateway;
static const void *kick_gives; /* the connection whose end the broker reports at once */
void broker_kick(const char *client_id)
{
    (void)client_id;
    kicked++;
    if (kick_gives != NULL)
        gateway_gone(&the_gateway, kick_gives);
}

static bool is_woken;
void broker_wake(bool is_wanted)
{
    is_woken = is_wanted;
}

void broker_wake_end(void)
{
    is_woken = false;
}

bool broker_bytes_across(int socket, uint64_t *ret_bytes)
{
    assert_true(socket > 0);
    *ret_bytes = bytes_across;
    return is_across_known;
}

bool broker_gathers(void)
{
    return false;
}

static int corked_sockets;
int broker_socket(const void *client)
{
    return (int)(uintptr_t)client;
}

void broker_cork(int socket, bool is_on)
{
    assert_true(socket > 0);
    corked_sockets += is_on ? 1 : -1;
}

static unsigned int urgent_calls;
void broker_urgent(void)
{
    urgent_calls++;
}

int broker_subscription_count(const void *client)
{
    (void)client;
    return kept_subscriptions;
}

/* ---- a node and its people ---- */
static char home[64], secret[65];
static unsigned char secret_key[crypto_sign_SECRETKEYBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
static const int64_t NOW_S = 1770000000;

static inline struct moment at(uint32_t clock_ms)
{
    return (struct moment){NOW_S * 1000 + clock_ms, clock_ms};
}

static inline void file_write(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    (void)fputs(text, file);
    (void)fclose(file);
}

static inline enum status start(const char *bytes, const char *burst)
{
    char paths[4][128];
    const char *names[] = {"keys", "secret", "journal", "revoked"};
    for (int i = 0; i < 4; i++)
        (void)snprintf(paths[i], sizeof paths[i], "%s/%s", home, names[i]);
    const struct option_given given[] = {
        {"keys_file", paths[0]},        {"link_secret_file", paths[1]}, {"journal_file", paths[2]},
        {"revocations_file", paths[3]}, {"journal_bytes", bytes},       {"messages_burst", burst},
    };
    return gateway_init(&the_gateway, given, 6);
}

static inline int setup(void **state)
{
    char line[128], encoded[64];
    (void)state;
    if (sodium_init() < 0)
        return 1;
    (void)snprintf(home, sizeof home, "/tmp/gnatter-gateway-XXXXXX");
    if (mkdtemp(home) == NULL)
        return 1;
    (void)crypto_sign_keypair(public_key, secret_key);
    (void)sodium_bin2base64(encoded, sizeof encoded, public_key, sizeof public_key,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(line, sizeof line, "k1 %s\n", encoded);
    file_write("keys", line);
    memset(secret, 'a', 64);
    file_write("secret", secret);
    up_frames = up_ops = to_devices = kicked = 0;
    kick_gives = NULL;
    kept_subscriptions = 0;
    corked_sockets = 0;
    publishes_left = 0;
    room_bytes = given_bytes = bytes_across = 0;
    is_across_known = true;
    return start("4194304", "2000") != STATUS_OK;
}

static inline int teardown(void **state)
{
    char command[128];
    (void)state;
    gateway_done(&the_gateway);
    (void)snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static inline const char *token_of(const char *user, const char *device, int64_t issued_at_s)
{
    static char token[1024];
    char claims[256], part[512];
    unsigned char signature[crypto_sign_BYTES];
    (void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"dev\":\"%s\",\"iat\":%lld,\"exp\":%lld}", user, device,
                   (long long)issued_at_s, (long long)NOW_S + 100000);
    (void)sodium_bin2base64(part, sizeof part, (const unsigned char *)claims, strlen(claims),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(token, sizeof token, "eyJhbGciOiJFZERTQSJ9.%s", part);
    (void)crypto_sign_detached(signature, NULL, (unsigned char *)token, strlen(token), secret_key);
    (void)sodium_bin2base64(part, sizeof part, signature, sizeof signature, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    size_t len = strlen(token);
    (void)snprintf(token + len, sizeof token - len, ".%s", part);
    return token;
}

/* Handles are numbers here. */
static inline const void *handle(uintptr_t number)
{
    return (const void *)number; /* NOLINT(performance-no-int-to-ptr) */
}

static inline struct session *arrive(uintptr_t number, const char *user, const char *device, bool is_clean)
{
    char client_id[80], filter[80];
    (void)snprintf(client_id, sizeof client_id, "%s:%s", user, device);
    (void)snprintf(filter, sizeof filter, "inbox/%s/#", user);
    struct gateway_connect connect = {.client = handle(number),
                                      .request = {client_id, user, token_of(user, device, NOW_S)},
                                      .address = "127.0.0.1",
                                      .mqtt_version = 4,
                                      .is_clean = is_clean};
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(0)), VERDICT_OK);
    assert_int_equal(gateway_subscribe(&the_gateway, handle(number), slice_of(filter), at(0)), VERDICT_OK);
    return sessions_of_client(&the_gateway.sessions, handle(number));
}

static uint64_t down_number;
static unsigned char frame[LIMIT_FRAME_BYTES];
static struct frame_writer writer;

static inline void down(void)
{
    size_t len = frame_finish(&writer, 'D', 7, ++down_number);
    link_frame(&the_gateway, handle(1), (struct slice){(char *)frame, len}, at(0));
    frame_begin(&writer, frame, sizeof frame);
}

static inline void add(struct frame_op op)
{
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
}

static inline void acknowledge(uint64_t position)
{
    add((struct frame_op){.type = DOWN_ACK, .ack = {last_up_number, position}});
    down();
}

static inline void link_up(void)
{
    struct gateway_connect connect = {
        .client = handle(1), .request = {"$gnatter:s", "$gnatter", secret}, .address = "127.0.0.1", .mqtt_version = 4};
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(0)), VERDICT_OK);
    frame_begin(&writer, frame, sizeof frame);
    down_number = 0;
    urgent_calls = 0;
    add((struct frame_op){.type = DOWN_HELLO, .hello = {SLICE("s")}});
    down();
    assert_int_equal(urgent_calls, 1); /* the link's, while its packet is handled */
}

static inline void deliver_to(const struct session *const sessions[], uint32_t len, struct slice payload)
{
    unsigned char *numbers = malloc(4 * (size_t)len);
    for (uint32_t i = 0; i < len; i++)
        frame_session_put(numbers, i, sessions[i]->number);
    add((struct frame_op){
        .type = DOWN_DELIVER,
        .deliver = {.qos = 1, .tail = SLICE("synced"), .payload = payload, .sessions = numbers, .sessions_len = len}});
    free(numbers);
}

static inline enum verdict chat(const struct session *session, struct slice payload, uint32_t clock_ms)
{
    return gateway_publish(&the_gateway, session->client, SLICE("chat/u/bob/m"), payload, (struct slice){NULL, 0},
                           at(clock_ms));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
