/* The whole plugin but Mosquitto: a list stands for the broker.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/deliver.c broker-plugin/gateway.c broker-plugin/ingest.c
 * link: broker-plugin/journal.c broker-plugin/lanes.c broker-plugin/ledger.c broker-plugin/limiter.c
 * link: broker-plugin/link.c broker-plugin/locked_file.c broker-plugin/options.c broker-plugin/overload.c
 * link: broker-plugin/rates.c broker-plugin/remembered.c broker-plugin/revoked.c broker-plugin/sessions.c
 * link: broker-plugin/corks.c broker-plugin/small_file.c broker-plugin/subscriptions.c broker-plugin/uplink.c
 */
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
    last_payload[512];
static int kept_subscriptions;
static struct told {
    uint8_t connected, ready, gone;
} told[4096]; /* by session number, of the link's life */
static bool is_told_all;

static void listen_to(const struct frame_op *op)
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
    if (to_devices++ == 0)
        (void)snprintf(first_payload, sizeof first_payload, "%.*s", (int)payload.len, payload.at);
    (void)snprintf(last_topic, sizeof last_topic, "%s", topic);
    (void)snprintf(last_client, sizeof last_client, "%s", client_id);
    (void)snprintf(last_payload, sizeof last_payload, "%.*s", (int)payload.len, payload.at);
    return STATUS_OK;
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

static struct moment at(uint32_t clock_ms)
{
    return (struct moment){NOW_S * 1000 + clock_ms, clock_ms};
}

static void file_write(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    (void)fputs(text, file);
    (void)fclose(file);
}

static enum status start(const char *bytes, const char *burst)
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

static int setup(void **state)
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
    return start("4194304", "2000") != STATUS_OK;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    gateway_done(&the_gateway);
    (void)snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static const char *token_of(const char *user, const char *device, int64_t issued_at_s)
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
static const void *handle(uintptr_t number)
{
    return (const void *)number; /* NOLINT(performance-no-int-to-ptr) */
}

static struct session *arrive(uintptr_t number, const char *user, const char *device, bool is_clean)
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
    assert_int_equal(gateway_subscribe(&the_gateway, handle(number), slice_of(filter)), VERDICT_OK);
    return sessions_of_client(&the_gateway.sessions, handle(number));
}

static uint64_t down_number;
static unsigned char frame[LIMIT_FRAME_BYTES];
static struct frame_writer writer;

static void down(void)
{
    size_t len = frame_finish(&writer, 'D', 7, ++down_number);
    link_frame(&the_gateway, handle(1), (struct slice){(char *)frame, len}, at(0));
    frame_begin(&writer, frame, sizeof frame);
}

static void add(struct frame_op op)
{
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
}

static void acknowledge(uint64_t position)
{
    add((struct frame_op){.type = DOWN_ACK, .ack = {last_up_number, position}});
    down();
}

static void link_up(void)
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

static void deliver_to(const struct session *const sessions[], uint32_t len, struct slice payload)
{
    unsigned char *numbers = malloc(4 * (size_t)len);
    for (uint32_t i = 0; i < len; i++)
        frame_session_put(numbers, i, sessions[i]->number);
    add((struct frame_op){
        .type = DOWN_DELIVER,
        .deliver = {.qos = 1, .tail = SLICE("synced"), .payload = payload, .sessions = numbers, .sessions_len = len}});
    free(numbers);
}

static enum verdict chat(const struct session *session, struct slice payload, uint32_t clock_ms)
{
    return gateway_publish(&the_gateway, session->client, SLICE("chat/u/bob/m"), payload, (struct slice){NULL, 0},
                           at(clock_ms));
}

/* ---- tests ---- */
static void a_large_fan_out_goes_in_slices(void **state)
{
    (void)state;
    const struct session *crowd[2500];
    link_up();
    for (uintptr_t i = 0; i < 2500; i++) {
        char user[16];
        (void)snprintf(user, sizeof user, "u%u", (unsigned)i);
        crowd[i] = arrive(10 + i, user, "d", true);
    }
    gateway_tick(&the_gateway, at(0));
    to_devices = 0;
    deliver_to(crowd, 2500, SLICE("x"));
    deliver_to(crowd, 1, SLICE("last"));
    down();
    assert_int_equal(to_devices, 0); /* only in the tick */
    for (unsigned waiting = 2501; waiting > DELIVER_MANY_PUBLISHES;) {
        unsigned share = waiting / DELIVER_MANY_SHARE;
        waiting -= share > DELIVER_MANY_PUBLISHES ? share : DELIVER_MANY_PUBLISHES;
        gateway_tick(&the_gateway, at(0));
        assert_int_equal(to_devices, 2501 - waiting);
        assert_true(is_woken); /* nothing else may be to come that would turn the loop */
    }
    gateway_gone(&the_gateway, crowd[2499]->client);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 2500); /* 2,499 and the last */
    gateway_tick(&the_gateway, at(0));  /* the corks of the last slice are out */
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(corked_sockets, 0);
    assert_false(is_woken);
    assert_int_equal(the_gateway.deliver.backlog_publishes, 0);
    assert_int_equal(the_gateway.deliver.backlog_bytes, 0);
}

static void what_one_gets_in_a_turn_leaves_together(void **state)
{
    (void)state;
    link_up();
    const struct session *alice = arrive(10, "alice", "d", true), *bob = arrive(11, "bob", "d", true);
    gateway_tick(&the_gateway, at(0));
    assert_false(is_woken);
    deliver_to(&alice, 1, SLICE("one"));
    deliver_to(&bob, 1, SLICE("alone"));
    deliver_to(&alice, 1, SLICE("two"));
    down();
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(corked_sockets, 1);
    assert_true(is_woken); /* nothing else may be to come that would turn the loop */
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(corked_sockets, 0);
    assert_false(is_woken);
}

/* What a device got after what was dropped would leave a gap, which only starting over fills. */
static void without_memory_whoever_got_something_starts_over(void **state)
{
    (void)state;
    link_up();
    const struct session *alice = arrive(10, "alice", "d", true), *bob = arrive(11, "bob", "d", true),
                         *carol = arrive(12, "carol", "d", true);
    gateway_tick(&the_gateway, at(0));
    kicked = to_devices = 0;
    deliver_to(&alice, 1, SLICE("one"));
    deliver_to(&bob, 1, SLICE("dropped"));
    deliver_to(&bob, 1, SLICE("behind it"));
    deliver_to(&carol, 1, SLICE("later"));
    down();
    publishes_left = 2;
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 1);
    assert_int_equal(kicked, 2); /* alice's may be dropped by the broker, bob's was */
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 2);
    assert_string_equal(last_payload, "later");
    assert_int_equal(kicked, 2);
}

static void what_is_for_few_goes_first(void **state)
{
    (void)state;
    const struct session *crowd[400];
    link_up();
    for (uintptr_t i = 0; i < 400; i++) {
        char user[16];
        (void)snprintf(user, sizeof user, "u%u", (unsigned)i);
        crowd[i] = arrive(10 + i, user, "d", true);
    }
    gateway_tick(&the_gateway, at(0));
    deliver_to(crowd, 399, SLICE("to all"));
    deliver_to(&crowd[398], 1, SLICE("behind it"));
    down();
    deliver_to(&crowd[399], 1, SLICE("to one"));
    down();
    to_devices = 0;
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 1 + DELIVER_MANY_PUBLISHES);
    assert_string_equal(first_payload, "to one");
    while (is_woken)
        gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 401);
    assert_string_equal(last_payload, "behind it"); /* the order of a session holds */
}

static void a_backlog_is_worked_off_by_its_share(void **state)
{
    (void)state;
    const struct session *crowd[100];
    static char payload[60000];
    uint64_t most_bytes = 0;
    link_up();
    for (uintptr_t i = 0; i < 100; i++) {
        char user[16];
        (void)snprintf(user, sizeof user, "u%u", (unsigned)i);
        crowd[i] = arrive(10 + i, user, "d", true);
    }
    for (int turn = 0; turn < 60; turn++) { /* a frame a turn, of 24 MB of copies each */
        for (int i = 0; i < 4; i++)
            deliver_to(crowd, 100, (struct slice){payload, sizeof payload});
        down();
        most_bytes = the_gateway.deliver.backlog_bytes > most_bytes ? the_gateway.deliver.backlog_bytes : most_bytes;
        gateway_tick(&the_gateway, at(0));
    }
    assert_true(most_bytes < 9 * 24000000ull);
    for (int turn = 0; turn < 60 && the_gateway.deliver.backlog_publishes > 0; turn++)
        gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, 60 * 400);
}

static void events_are_bounded(void **state)
{
    (void)state;
    link_up();
    gateway_tick(&the_gateway, at(0));
    kick_gives = handle(1);
    for (uintptr_t i = 0; i < UPLINK_EVENTS_MAX && the_gateway.uplink.is_up; i++) { /* two events a turn; no acks */
        (void)arrive(10, "alice", "phone", true);
        gateway_gone(&the_gateway, handle(10));
        if (i % 100 == 0)
            gateway_tick(&the_gateway, at(0));
    }
    assert_false(the_gateway.uplink.is_up);
    assert_int_equal(kicked, 1);
    assert_null(the_gateway.uplink.first);
    kick_gives = NULL;
    link_up(); /* and starts over */
    gateway_tick(&the_gateway, at(0));
    assert_true(the_gateway.uplink.is_up);
}

static void confirmation(void **state)
{
    (void)state;
    link_up();
    struct session *alice = arrive(10, "alice", "phone", true);
    gateway_tick(&the_gateway, at(0));
    static char payload[60000];
    for (int i = 0; i < 60; i++)
        assert_int_equal(chat(alice, (struct slice){payload, sizeof payload}, 0), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_frames, LIMIT_FRAME_CREDIT);
    acknowledge(0);
    gateway_tick(&the_gateway, at(0));
    assert_true(up_frames > LIMIT_FRAME_CREDIT);
    acknowledge(31);
    assert_int_equal(the_gateway.journal.tail.position, 31);
    acknowledge(11); /* backwards is nothing */
    assert_int_equal(the_gateway.journal.tail.position, 31);
    for (int i = 0; i < 8; i++) {
        gateway_tick(&the_gateway, at(0));
        acknowledge(0);
    }
    assert_int_equal(up_ops, 4 + 60); /* welcome, end of list, connected, ready */
    acknowledge(61);
    assert_int_equal(journal_used(&the_gateway.journal), 0);
    assert_true(the_gateway.uplink.is_up);
    acknowledge(62); /* was never sent */
    kick_gives = handle(1);
    gateway_tick(&the_gateway, at(0));
    assert_false(the_gateway.uplink.is_up);
    assert_int_equal(kicked, 1);
}

static void ready_is_told_once_per_frame(void **state)
{
    (void)state;
    link_up();
    gateway_tick(&the_gateway, at(0));
    up_ops = 0;
    (void)arrive(10, "alice", "phone", true);
    for (int i = 0; i < 1000; i++)
        (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_ops, 2);
    (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"));
    (void)gateway_unsubscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"));
    (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"));
    acknowledge(0);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_ops, 5);
}

static void short_frames_wait(void **state)
{
    (void)state;
    link_up();
    struct session *alice = arrive(10, "alice", "phone", true);
    gateway_tick(&the_gateway, at(0));
    acknowledge(0);
    unsigned before = (unsigned)up_frames;
    for (int i = 0; i < LIMIT_FRAME_CREDIT; i++) {
        assert_int_equal(chat(alice, SLICE("hello"), 0), VERDICT_OK);
        gateway_tick(&the_gateway, at(0));
    }
    assert_int_equal(up_frames, before + LIMIT_FRAME_CREDIT_SHORT);
    static char payload[LIMIT_FRAME_LONG_BYTES];
    assert_int_equal(chat(alice, (struct slice){payload, sizeof payload}, 0), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_frames, before + LIMIT_FRAME_CREDIT_SHORT + 1); /* long enough, with all that has waited */
    assert_int_equal(chat(alice, SLICE("hello"), 0), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_frames, before + LIMIT_FRAME_CREDIT_SHORT + 1);
    acknowledge(0);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_frames, before + LIMIT_FRAME_CREDIT_SHORT + 2);
}

static void session_numbers_wrap(void **state)
{
    (void)state;
    struct session *first = arrive(10, "alice", "phone", true);
    assert_int_equal(first->number, 1);
    the_gateway.sessions.last_number = UINT32_MAX - 1;
    assert_int_equal(arrive(11, "bob", "phone", true)->number, UINT32_MAX);
    assert_int_equal(arrive(12, "carol", "phone", true)->number, 2); /* not 0, and 1 is in use */
}

static void a_handle_used_again(void **state)
{
    (void)state;
    (void)arrive(10, "alice", "phone", true);
    (void)arrive(10, "bob", "phone", true); /* the end of the first was not reported */
    assert_null(sessions_of_client_id(&the_gateway.sessions, SLICE("alice:phone")));
    assert_non_null(sessions_of_client_id(&the_gateway.sessions, SLICE("bob:phone")));
    gateway_gone(&the_gateway, handle(10));
    gateway_gone(&the_gateway, handle(10));
    assert_null(sessions_of_client(&the_gateway.sessions, handle(10)));
}

static void a_remembered_session_makes_room(void **state)
{
    (void)state;
    the_gateway.remembered.max = 2;
    for (uintptr_t i = 0; i < 3; i++) {
        char device[8];
        (void)snprintf(device, sizeof device, "d%u", (unsigned)i);
        (void)arrive(10 + i, "alice", device, false);
        gateway_tick(&the_gateway, at(0));
        gateway_gone(&the_gateway, handle(10 + i));
    }
    kept_subscriptions = 1;
    struct gateway_connect connect = {.client = handle(20),
                                      .request = {"alice:d0", "alice", token_of("alice", "d0", NOW_S)},
                                      .address = "127.0.0.1",
                                      .mqtt_version = 4};
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(0)), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    /* It was forgotten here, but the broker has it: everything below the inbox. */
    assert_true(sessions_of_client(&the_gateway.sessions, handle(20))->subscriptions.has_all);
}

static void refused_users_are_swept(void **state)
{
    (void)state;
    struct session *alice = arrive(10, "alice", "phone", true);
    for (int i = 0; i < 500; i++)
        assert_int_equal(chat(alice, SLICE("x"), 0), VERDICT_OK);
    gateway_gone(&the_gateway, handle(10));
    gateway_tick(&the_gateway, at(16000 - 14000));
    assert_non_null(sessions_user(&the_gateway.sessions, SLICE("alice")));
    alice = arrive(11, "alice", "phone", true);
    assert_in_range(alice->rates->chat.thousandths, 1500000, 1501000);
    gateway_gone(&the_gateway, handle(11));
    gateway_tick(&the_gateway, at(40000));
    assert_null(sessions_user(&the_gateway.sessions, SLICE("alice")));
}

static void without_ticks_nobody_is_let_in(void **state)
{
    (void)state;
    struct gateway_connect connect = {.client = handle(10),
                                      .request = {"alice:phone", "alice", token_of("alice", "phone", NOW_S)},
                                      .address = "127.0.0.1",
                                      .mqtt_version = 4};
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(0)), VERDICT_OK);
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(3000)), VERDICT_DENY);
    assert_non_null(strstr(last_log, "per_listener_settings false"));
    gateway_tick(&the_gateway, at(3000));
    assert_int_equal(gateway_connect(&the_gateway, &connect, at(6000)), VERDICT_OK);
}

static void watch_many(const struct session *session)
{
    for (int i = 0; i < LIMIT_WATCHED_USERS; i++) {
        char filter[48];
        (void)snprintf(filter, sizeof filter, "presence/somebody-with-a-long-name-%d", i);
        assert_int_equal(gateway_subscribe(&the_gateway, session->client, slice_of(filter)), VERDICT_OK);
    }
}

/* The list takes several frames, and what the sessions are found by grows meanwhile. */
static void a_list_while_devices_come_and_go(void **state)
{
    (void)state;
    enum { BEFORE = 400, ALL = 1200 };
    static struct session *crowd[ALL];
    static uint32_t numbers[ALL];
    for (uintptr_t i = 0; i < ALL; i++) {
        char user[16];
        (void)snprintf(user, sizeof user, "u%u", (unsigned)i);
        if (i == BEFORE) {
            link_up();
            gateway_tick(&the_gateway, at(0));
            assert_int_equal(up_frames, LIMIT_FRAME_CREDIT);
            assert_false(is_told_all);
        }
        crowd[i] = arrive(10 + i, user, "d", true);
        numbers[i] = crowd[i]->number;
        if (i < BEFORE)
            watch_many(crowd[i]);
        else if (i % 5 == 0) /* of those before: told or not */
            gateway_gone(&the_gateway, handle(10 + (i - BEFORE) / 2));
        else if (i % 7 == 0)
            gateway_gone(&the_gateway, handle(10 + i));
    }
    for (int i = 0; i < 10; i++) {
        acknowledge(0);
        gateway_tick(&the_gateway, at(0));
    }
    assert_true(is_told_all);
    for (uintptr_t i = 0; i < ALL; i++) {
        const struct told *of = &told[numbers[i] % 4096];
        bool is_here = sessions_of_client(&the_gateway.sessions, handle(10 + i)) != NULL;
        assert_true(of->connected <= 1);
        assert_int_equal(of->gone, is_here ? 0 : of->connected);
        assert_true(!is_here || (of->connected == 1 && of->ready == 1));
        assert_ptr_equal(sessions_of_number(&the_gateway.sessions, numbers[i]), is_here ? crowd[i] : NULL);
    }
}

/* Buckets are made with the first publish, and go when they are full again. */
static void only_who_publishes_has_buckets(void **state)
{
    (void)state;
    struct session *alice = arrive(10, "alice", "phone", true);
    assert_null(alice->rates);
    assert_int_equal(gateway_may_publish(&the_gateway, handle(10), SLICE("nonsense"), false, at(0)), VERDICT_DENY);
    assert_non_null(alice->rates);
    assert_int_equal(chat(alice, SLICE("x"), 0), VERDICT_OK);
    gateway_tick(&the_gateway, at(16000));
    assert_null(alice->rates);
    for (int i = 0; i < 2500; i++) /* above what a device may send in a burst */
        assert_int_equal(chat(alice, SLICE("x"), 16000), VERDICT_OK);
    assert_in_range(the_gateway.journal.head.position, 2001, 2200);
    gateway_tick(&the_gateway, at(32000));
    assert_non_null(alice->rates); /* not full yet */
}

static void memory_of_an_idle_session(void **state)
{
    (void)state;
    const unsigned sessions = 20000;
    link_up();
    gateway_tick(&the_gateway, at(0));
    acknowledge(0);
    size_t before = mallinfo2().uordblks;
    for (uintptr_t i = 0; i < sessions; i++) {
        char user[24];
        (void)snprintf(user, sizeof user, "somebody%u", (unsigned)i);
        (void)arrive(10 + i, user, "phone", true);
        if (i % 1000 == 999) {
            gateway_tick(&the_gateway, at(0));
            acknowledge(0);
        }
    }
    gateway_tick(&the_gateway, at(0));
    assert_null(the_gateway.uplink.first);
    size_t each = (mallinfo2().uordblks - before) / sessions;
    print_message("# %zu bytes an idle session, its user and hash tables included\n", each);
#if !defined(__SANITIZE_ADDRESS__)
    assert_in_range(each, 1, 240);
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_fan_out_goes_in_slices),
        TEST(what_one_gets_in_a_turn_leaves_together),
        TEST(without_memory_whoever_got_something_starts_over),
        TEST(what_is_for_few_goes_first),
        TEST(a_backlog_is_worked_off_by_its_share),
        TEST(events_are_bounded),
        TEST(confirmation),
        TEST(ready_is_told_once_per_frame),
        TEST(short_frames_wait),
        TEST(session_numbers_wrap),
        TEST(a_handle_used_again),
        TEST(a_remembered_session_makes_room),
        TEST(refused_users_are_swept),
        TEST(without_ticks_nobody_is_let_in),
        TEST(a_list_while_devices_come_and_go),
        TEST(only_who_publishes_has_buckets),
        TEST(memory_of_an_idle_session),
    };
    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
