/* What goes down to devices, from a frame to the broker's publishes, turn by turn.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/connect.c broker-plugin/corks.c broker-plugin/deliver.c
 * link: broker-plugin/gateway.c broker-plugin/ingest.c broker-plugin/journal.c broker-plugin/lanes.c
 * link: broker-plugin/ledger.c broker-plugin/limiter.c broker-plugin/link.c broker-plugin/locked_file.c
 * link: broker-plugin/options.c broker-plugin/overload.c broker-plugin/rates.c broker-plugin/remembered.c
 * link: broker-plugin/revoked.c broker-plugin/sessions.c broker-plugin/small_file.c broker-plugin/subscribe.c
 * link: broker-plugin/subscriptions.c broker-plugin/uplink.c
 */
#include "gateway_stage.h"

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

/* Nothing tells us that a device acknowledges answers, so their number is what bounds the broker's queue. */
static void answers_are_bounded(void **state)
{
    (void)state;
    link_up();
    const struct session *alice = arrive(10, "alice", "d", true);
    gateway_tick(&the_gateway, at(0));
    kicked = to_devices = 0;
    unsigned char number[4];
    frame_session_put(number, 0, alice->number);
    struct frame_op op = {.type = DOWN_DELIVER,
                          .deliver = {.qos = 1, .tail = SLICE("rpc/1"), .sessions = number, .sessions_len = 1}};
    for (unsigned i = 0; i < DELIVER_ANSWERS; i++) {
        add(op);
        if (i % 1000 == 999) {
            down();
            while (is_woken || i != to_devices - 1)
                gateway_tick(&the_gateway, at(0));
        }
    }
    op.deliver.tail = SLICE("chat/u/bob/1/5/bob:d/x"); /* counted by the window of the device */
    add(op);
    down();
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, DELIVER_ANSWERS + 1);
    assert_int_equal(kicked, 0);
    op.deliver.tail = SLICE("rpc/1");
    add(op);
    down();
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, DELIVER_ANSWERS + 1);
    assert_int_equal(kicked, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_fan_out_goes_in_slices),
        TEST(what_one_gets_in_a_turn_leaves_together),
        TEST(without_memory_whoever_got_something_starts_over),
        TEST(answers_are_bounded),
        TEST(what_is_for_few_goes_first),
        TEST(a_backlog_is_worked_off_by_its_share),
    };
    return cmocka_run_group_tests_name("gateway_deliver", tests, NULL, NULL);
}
