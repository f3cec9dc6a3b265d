/* What goes down to devices, from a frame to the broker's publishes, turn by turn.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/connect.c broker-plugin/corks.c broker-plugin/deliver.c
 * link: broker-plugin/gateway.c broker-plugin/ingest.c broker-plugin/journal.c broker-plugin/kept.c
 * link: broker-plugin/lanes.c broker-plugin/ledger.c broker-plugin/limiter.c broker-plugin/link.c
 * link: broker-plugin/locked_file.c broker-plugin/options.c broker-plugin/overload.c broker-plugin/rates.c
 * link: broker-plugin/remembered.c broker-plugin/revoked.c broker-plugin/sessions.c broker-plugin/small_file.c
 * link: broker-plugin/subscribe.c broker-plugin/subscriptions.c broker-plugin/uplink.c
 */
#include "gateway_stage.h"

#include "broker-plugin/kept.h"

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

/* It is taken from us, and then dropped without a word. */
static void what_the_broker_may_have_no_room_for_is_given_again(void **state)
{
    (void)state;
    static char payload[1000];
    link_up();
    const struct session *both[] = {arrive(10, "alice", "d", true), arrive(11, "bob", "d", true)},
                         *carol = arrive(12, "carol", "d", true);
    gateway_tick(&the_gateway, at(0));
    kicked = to_devices = 0;
    room_bytes = 2 * sizeof payload - 1;
    deliver_to(both, 2, (struct slice){payload, sizeof payload});
    down();
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(kicked, 2);
    deliver_to(&carol, 1, (struct slice){payload, sizeof payload});
    down();
    gateway_tick(&the_gateway, at(0)); /* what was given before is not counted again */
    assert_int_equal(to_devices, 3);
    assert_int_equal(kicked, 2);
    assert_int_equal(chat(carol, (struct slice){payload, sizeof payload}, 0), VERDICT_OK);
    room_bytes = sizeof payload;
    gateway_tick(&the_gateway, at(0));
    assert_false(the_gateway.uplink.is_up); /* a frame with more than that; the next link has it again */
}

/* `items` to alice; false: her connection is ended. */
static bool give(const struct session *alice, unsigned items, struct slice payload)
{
    unsigned char number[4];
    frame_session_put(number, 0, alice->number);
    struct frame_op op = {.type = DOWN_DELIVER,
                          .deliver = {.qos = 1,
                                      .tail = SLICE("chat/u/bob/1/5/bob:d/x"),
                                      .payload = payload,
                                      .sessions = number,
                                      .sessions_len = 1}};
    for (; items > 0; items--) {
        if (frame_put(&writer, &op) == STATUS_OK)
            continue;
        down();
        items++;
        while (the_gateway.deliver.backlog_publishes > 0)
            gateway_tick(&the_gateway, at(0));
    }
    down();
    while (the_gateway.deliver.backlog_publishes > 0)
        gateway_tick(&the_gateway, at(0));
    return alice->is_current;
}

/* Whoever acknowledges seqs, and at MQTT's level nothing, has the broker keep all of it. */
static void what_the_broker_keeps_is_bounded(void **state)
{
    (void)state;
    static char payload[65000];
    const struct slice none = {NULL, 0}, large = {payload, sizeof payload};
    link_up();
    const struct session *alice = arrive(10, "alice", "d", true);
    gateway_tick(&the_gateway, at(0));
    assert_true(give(alice, KEPT_ITEMS, none));
    assert_false(give(alice, 1, none));
    assert_int_equal(to_devices, KEPT_ITEMS);
    assert_int_equal(kicked, 1);

    alice = arrive(11, "alice", "d", true);
    given_bytes = 0;
    assert_true(give(alice, KEPT_BYTES / (sizeof payload + 100), large));
    assert_true(given_bytes > KEPT_BYTES - 300000);
    assert_false(give(alice, 4, large));

    alice = arrive(12, "alice", "d", true);
    given_bytes = 0;
    for (unsigned i = 0; i < 20; i++) { /* all but the last has got there */
        assert_true(give(alice, KEPT_ITEMS / 4, none));
        bytes_across = given_bytes;
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_true(give(alice, 250, large));
        bytes_across = given_bytes;
    }
    assert_true(give(alice, KEPT_ITEMS / 2, none));
    assert_false(give(alice, KEPT_ITEMS, none));

    alice = arrive(13, "alice", "d", true);
    is_across_known = false;
    assert_true(give(alice, KEPT_ITEMS, none));
    assert_false(give(alice, 1, none));
}

/* What is not published to it gets nowhere. */
static void what_was_not_subscribed_to_is_not_kept(void **state)
{
    (void)state;
    link_up();
    struct session *alice = arrive(10, "alice", "d", true);
    assert_int_equal(gateway_unsubscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"), at(0)), VERDICT_OK);
    assert_int_equal(gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/rpc/#"), at(0)), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_true(give(alice, KEPT_ITEMS + 1, (struct slice){NULL, 0}));
    assert_int_equal(to_devices, 0);
}

static void present(const struct session *session, struct slice user)
{
    unsigned char number[4];
    frame_session_put(number, 0, session->number);
    add((struct frame_op){
        .type = DOWN_PRESENCE,
        .deliver = {.tail = user, .payload = SLICE("online"), .sessions = number, .sessions_len = 1}});
}

/* The presence of somebody she watches and of somebody else, an item, and her own typing: what comes through. */
static void assert_shown(const struct session *alice, unsigned published, unsigned taken)
{
    uint64_t position = the_gateway.journal.head.position;
    to_devices = 0;
    present(alice, SLICE("bob"));
    present(alice, SLICE("carol"));
    deliver_to(&alice, 1, SLICE("x"));
    down();
    assert_int_equal(
        gateway_publish(&the_gateway, alice->client, SLICE("typing/u/bob"), SLICE("1"), (struct slice){NULL, 0}, at(0)),
        VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(to_devices, published);
    assert_string_equal(last_topic, "inbox/alice/synced");
    assert_int_equal(the_gateway.journal.head.position, position + taken);
}

/* What promises nothing is dropped first, and nothing else is. */
static void presence_and_typing_are_shed(void **state)
{
    (void)state;
    static char payload[60000];
    link_up();
    const struct session *alice = arrive(10, "alice", "d", true);
    assert_int_equal(gateway_subscribe(&the_gateway, alice->client, SLICE("presence/bob"), at(0)), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_shown(alice, 2, 1);
    while (journal_fill(&the_gateway.journal) <= OVERLOAD_SHED_FILL)
        assert_int_equal(chat(alice, (struct slice){payload, sizeof payload}, 0), VERDICT_OK);
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(the_gateway.level, OVERLOAD_SHED);
    assert_shown(alice, 1, 0);
    while (journal_used(&the_gateway.journal) > 0) { /* the service takes all of it */
        acknowledge(the_gateway.uplink.cursor.position);
        gateway_tick(&the_gateway, at(0));
    }
    assert_shown(alice, 2, 1);
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
        TEST(what_the_broker_may_have_no_room_for_is_given_again),
        TEST(what_the_broker_keeps_is_bounded),
        TEST(what_was_not_subscribed_to_is_not_kept),
        TEST(presence_and_typing_are_shed),
        TEST(what_is_for_few_goes_first),
        TEST(a_backlog_is_worked_off_by_its_share),
    };
    return cmocka_run_group_tests_name("gateway_deliver", tests, NULL, NULL);
}
