/* Who is let in and who is to go.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/connect.c broker-plugin/corks.c broker-plugin/deliver.c
 * link: broker-plugin/gateway.c broker-plugin/ingest.c broker-plugin/journal.c broker-plugin/kept.c
 * link: broker-plugin/lanes.c broker-plugin/ledger.c broker-plugin/limiter.c broker-plugin/link.c
 * link: broker-plugin/locked_file.c broker-plugin/options.c broker-plugin/overload.c broker-plugin/rates.c
 * link: broker-plugin/remembered.c broker-plugin/revoked.c broker-plugin/sessions.c broker-plugin/small_file.c
 * link: broker-plugin/subscribe.c broker-plugin/subscriptions.c broker-plugin/uplink.c
 */
#include <cjson/cJSON.h>

#include "gateway_stage.h"
#include "no_memory.h"

static void revoked(struct slice name)
{
    add((struct frame_op){.type = DOWN_REVOKE, .revoke = {name, NOW_S + 1, 1}});
    down();
}

/* Until the tick that ends its connection a device goes on sending. Denied, it would get a PUBACK for what nobody has.
 */
static void what_a_kicked_device_says_is_not_acknowledged(void **state)
{
    (void)state;
    link_up();
    gateway_tick(&the_gateway, at(0));
    struct session *alice = arrive(10, "alice", "phone", true), *bob = arrive(11, "bob", "phone", true),
                   *carol = arrive(12, "carol", "phone", true);
    assert_int_equal(chat(alice, SLICE("x"), 0), VERDICT_OK);
    revoked(SLICE("alice"));
    revoked(SLICE("bob"));
    revoked(SLICE("carol"));
    uint64_t head = the_gateway.journal.head.position;
    assert_int_equal(gateway_may_publish(&the_gateway, alice->client, SLICE("chat/u/bob/m"), false, at(0)),
                     VERDICT_CLOSE);
    assert_int_equal(chat(alice, SLICE("x"), 0), VERDICT_CLOSE);
    assert_int_equal(the_gateway.journal.head.position, head);
    gateway_gone(&the_gateway, bob->client); /* by itself, from the middle of those to be ended */
    assert_int_equal(kicked, 0);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(kicked, 2);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(kicked, 2); /* once each */
    gateway_gone(&the_gateway, alice->client);
    gateway_gone(&the_gateway, carol->client);
    assert_null(sessions_of_client(&the_gateway.sessions, handle(10)));
}

static enum verdict connect_as(uintptr_t number, const char *client_id, const char *user, const char *password)
{
    const struct gateway_connect connect = {
        .client = handle(number), .request = {client_id, user, password}, .address = "127.0.0.1", .mqtt_version = 4};
    return gateway_connect(&the_gateway, &connect, at(0));
}

/* The broker has given the id to another connection, of which it keeps the session: it would end that one again. */
static void a_kick_does_not_meet_who_came_later(void **state)
{
    (void)state;
    link_up();
    (void)arrive(10, "alice", "phone", false); /* by WebSocket: the broker reports its end late */
    revoked(SLICE("alice:tablet"));
    revoked(SLICE("alice:phone"));
    assert_int_equal(connect_as(11, "alice:phone", "alice", token_of("alice", "phone", NOW_S + 1)), VERDICT_OK);
    gateway_gone(&the_gateway, handle(11));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(kicked, 0);
    (void)arrive(12, "bob", "phone", false);
    (void)arrive(13, "bob", "phone", false);
    gateway_gone(&the_gateway, handle(13));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(kicked, 0);
}

static char pool[64 * 1024];
static size_t pool_len;

static void *from_pool(size_t bytes)
{
    pool_len += (bytes + 15) / 16 * 16;
    return pool_len <= sizeof pool ? pool + pool_len - (bytes + 15) / 16 * 16 : NULL;
}

static void never_back(void *at)
{
    (void)at;
}

/* Its token can be read, and that is all: it is not let in, nor told that it may not come. The older connection, which
 * nothing is given to any more, ends too. */
static bool ends_both(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){from_pool, never_back});
    if (connect_as(11, "alice:phone", "alice", token_of("alice", "phone", NOW_S)) != VERDICT_CLOSE)
        return false;
    gateway_tick(&the_gateway, at(0));
    return kicked == 1 && the_gateway.limiter.counted[COUNTER_AUTH_FAILED] == 0;
}

static void who_is_taken_over_in_vain_comes_back(void **state)
{
    (void)state;
    (void)arrive(10, "alice", "phone", false);
    assert_without_memory(ends_both, 0);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static bool link_is_no_stranger(void)
{
    return connect_as(1, "$gnatter:s", "$gnatter", secret) == VERDICT_CLOSE &&
           the_gateway.limiter.counted[COUNTER_AUTH_FAILED] == 0;
}

/* That it cannot be looked at does not say that it is no good: a device that is refused need not try again. */
static void without_memory_nobody_is_a_stranger(void **state)
{
    (void)state;
    cJSON_InitHooks(&(cJSON_Hooks){no_memory, free});
    enum verdict verdict = connect_as(10, "alice:phone", "alice", token_of("alice", "phone", NOW_S));
    cJSON_InitHooks(NULL);
    assert_int_equal(verdict, VERDICT_CLOSE);
    assert_int_equal(the_gateway.limiter.counted[COUNTER_AUTH_FAILED], 0);
    assert_int_equal(connect_as(10, "alice:phone", "alice", "x.y.z"), VERDICT_DENY);
    assert_int_equal(the_gateway.limiter.counted[COUNTER_AUTH_FAILED], 1);
    the_gateway.limiter.counted[COUNTER_AUTH_FAILED] = 0;
    assert_without_memory(link_is_no_stranger, 0);
}

static bool subscribing_closes(void)
{
    return gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/chat/#"), at(0)) == VERDICT_CLOSE &&
           gateway_subscribe(&the_gateway, handle(10), SLICE("presence/bob"), at(0)) == VERDICT_CLOSE &&
           gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/bob/#"), at(0)) == VERDICT_DENY;
}

static void without_memory_no_filter_is_refused(void **state)
{
    (void)state;
    (void)arrive(10, "alice", "phone", true);
    assert_without_memory(subscribing_closes, 0);
}

/* One after the other, until it is closed for it; how many went before. */
static unsigned subscribe_until_closed(uintptr_t number, const char *filter, bool unsubscribes)
{
    unsigned count = 0;
    while (
        gateway_subscribe(&the_gateway, handle(number), slice_of(filter), at(0)) == VERDICT_OK &&
        (!unsubscribes || gateway_unsubscribe(&the_gateway, handle(number), slice_of(filter), at(0)) == VERDICT_OK) &&
        count < 100000)
        count++;
    return count;
}

/* Each waits for the service in a queue that is everybody's, or has it replay. */
static void subscribing_again_and_again_is_bounded(void **state)
{
    (void)state;
    link_up();
    gateway_tick(&the_gateway, at(0));
    const uint32_t burst = the_gateway.limiter.rates.marks.burst;
    uintptr_t number = 10;
    for (int unsubscribes = 0; unsubscribes < 2; unsubscribes++) {
        (void)arrive(number, unsubscribes ? "alice" : "bob", "phone", true);
        assert_int_equal(subscribe_until_closed(number++, "presence/carol", unsubscribes), burst + !unsubscribes);
        const char *filter = unsubscribes ? "inbox/dave/#" : "inbox/eve/#";
        (void)arrive(number, unsubscribes ? "dave" : "eve", "phone", true); /* which subscribes */
        assert_int_equal(subscribe_until_closed(number++, filter, unsubscribes), burst / 10 - (unsubscribes ? 1 : 0));
    }
    assert_int_equal(the_gateway.limiter.counted[COUNTER_DEVICE_MARKS], 4);
    assert_int_equal(
        gateway_publish(&the_gateway, handle(10), SLICE("chat/u/bob/m"), SLICE("x"), (struct slice){NULL, 0}, at(0)),
        VERDICT_CLOSE);
}

static bool hello_ends_the_link(void)
{
    add((struct frame_op){.type = DOWN_HELLO, .hello = {SLICE("s")}});
    down();
    gateway_tick(&the_gateway, at(0));
    return kicked == 1;
}

/* It would wait for its WELCOME for ever, and all devices for it. */
static void without_memory_a_link_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(connect_as(1, "$gnatter:s", "$gnatter", secret), VERDICT_OK);
    frame_begin(&writer, frame, sizeof frame);
    down_number = 0;
    assert_without_memory(hello_ends_the_link, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_kicked_device_says_is_not_acknowledged), TEST(a_kick_does_not_meet_who_came_later),
        TEST(who_is_taken_over_in_vain_comes_back),          TEST(without_memory_nobody_is_a_stranger),
        TEST(without_memory_no_filter_is_refused),           TEST(without_memory_a_link_begins_anew),
        TEST(subscribing_again_and_again_is_bounded),
    };
    return cmocka_run_group_tests_name("gateway_connect", tests, NULL, NULL);
}
