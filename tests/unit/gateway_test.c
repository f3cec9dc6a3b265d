/* Connections, the way up, and what is remembered of those who are away.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/connect.c broker-plugin/corks.c broker-plugin/deliver.c
 * link: broker-plugin/gateway.c broker-plugin/ingest.c broker-plugin/journal.c broker-plugin/kept.c
 * link: broker-plugin/lanes.c broker-plugin/ledger.c broker-plugin/limiter.c broker-plugin/link.c
 * link: broker-plugin/locked_file.c broker-plugin/options.c broker-plugin/overload.c broker-plugin/rates.c
 * link: broker-plugin/remembered.c broker-plugin/revoked.c broker-plugin/sessions.c broker-plugin/small_file.c
 * link: broker-plugin/subscribe.c broker-plugin/subscriptions.c broker-plugin/uplink.c
 */
#include "gateway_stage.h"

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
    for (int i = 0; i < 100; i++)
        (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"), at(0));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(up_ops, 2);
    (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"), at(0));
    (void)gateway_unsubscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"), at(0));
    (void)gateway_subscribe(&the_gateway, handle(10), SLICE("inbox/alice/#"), at(0));
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

/* A connection that ends before the broker has said whether it resumed a session leaves what is remembered to the next.
 */
static void a_short_connection_forgets_nothing(void **state)
{
    (void)state;
    (void)arrive(10, "alice", "phone", false);
    kept_subscriptions = 1;
    const struct session *session = NULL;
    for (uintptr_t number = 10; number < 13; number++) {
        gateway_gone(&the_gateway, handle(number));
        struct gateway_connect connect = {.client = handle(number + 1),
                                          .request = {"alice:phone", "alice", token_of("alice", "phone", NOW_S)},
                                          .address = "127.0.0.1",
                                          .mqtt_version = 4};
        assert_int_equal(gateway_connect(&the_gateway, &connect, at(0)), VERDICT_OK);
        session = sessions_of_client(&the_gateway.sessions, handle(number + 1));
        assert_false(subscriptions_has_inbox(&session->subscriptions));
    }
    gateway_tick(&the_gateway, at(0));
    assert_true(subscriptions_has_inbox(&session->subscriptions));
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
        assert_int_equal(gateway_subscribe(&the_gateway, session->client, slice_of(filter), at(0)), VERDICT_OK);
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

static enum verdict mark(const struct session *session, const char *topic, struct slice list)
{
    return gateway_publish(&the_gateway, session->client, slice_of(topic), list, (struct slice){NULL, 0}, at(0));
}

/* So many lines, as often as they are taken. */
static unsigned lists_taken(const struct session *session, const char *line)
{
    static char list[LIMIT_MESSAGE_BYTES_DEFAULT];
    char *end = list;
    unsigned taken = 0;
    for (size_t i = 0; i < LIMIT_LIST_LINES; i++)
        end = stpcpy(end, line);
    while (mark(session, "ack", (struct slice){list, (size_t)(end - list)}) == VERDICT_OK)
        taken++;
    return taken;
}

/* What had no room ends the connection. What is behind it may be small enough, and must not get past it. */
static void what_follows_a_refusal_is_not_taken(void **state)
{
    (void)state;
    gateway_done(&the_gateway);
    assert_int_equal(start("1048576", "2000"), STATUS_OK);
    struct session *alice = arrive(10, "alice", "phone", true), *bob = arrive(11, "bob", "phone", true);
    assert_in_range(lists_taken(alice, "u/somebody-with-a-long-name 1000000000000000000\n"), 10, 25);
    uint64_t head = the_gateway.journal.head.position;
    assert_int_equal(mark(alice, "ack/u/bob/1", SLICE("")), VERDICT_CLOSE);
    assert_int_equal(the_gateway.journal.head.position, head);
    assert_int_equal(mark(bob, "ack/u/alice/1", SLICE("")), VERDICT_OK);
}

static void a_list_of_marks_counts_as_many(void **state)
{
    (void)state;
    const struct session *alice = arrive(10, "alice", "phone", true);
    unsigned burst = the_gateway.limiter.rates.marks.burst;
    assert_in_range(lists_taken(alice, "u/bob 1\n"), 1, burst / 50);
}

static void only_requests_keep_their_correlation(void **state)
{
    (void)state;
    static char large[65535];
    struct slice correlation = {large, sizeof large};
    struct session *alice = arrive(10, "alice", "phone", true);
    uint64_t before = journal_used(&the_gateway.journal);
    for (const char *const *topic = (const char *const[]){"chat/u/bob/m", "typing/u/bob", "ack/u/bob/1", NULL};
         *topic != NULL; topic++)
        assert_int_equal(gateway_publish(&the_gateway, alice->client, slice_of(*topic), SLICE(""), correlation, at(0)),
                         VERDICT_OK);
    assert_in_range(journal_used(&the_gateway.journal) - before, 1, 1000);
}

/* In a journal of a version that kept them: with a message of the largest size it fits no frame. */
static void what_an_older_version_kept_leaves(void **state)
{
    (void)state;
    static char large[LIMIT_MESSAGE_BYTES_MAX];
    const struct journal_record record = {.client_id = SLICE("alice:phone"),
                                          .topic = SLICE("chat/u/bob/m"),
                                          .payload = {large, sizeof large},
                                          .correlation = {large, 65535}};
    assert_int_equal(journal_append(&the_gateway.journal, &record), STATUS_OK);
    link_up();
    gateway_tick(&the_gateway, at(0));
    assert_true(the_gateway.uplink.is_up);
    assert_int_equal(up_ops, 3); /* welcome, end of list, record */
}

/* A sync is answered by what it brings: one that is not taken is told, or not acknowledged. */
static void no_sync_is_dropped_in_silence(void **state)
{
    (void)state;
    struct slice none = {NULL, 0};
    enum verdict verdict = VERDICT_OK;
    struct session *alice = arrive(10, "alice", "phone", true);
    unsigned asked = 0;
    link_up();
    gateway_tick(&the_gateway, at(0));
    to_devices = 0;
    uint64_t before = the_gateway.journal.head.position;
    for (; asked < 500 && verdict == VERDICT_OK; asked++)
        verdict = gateway_publish(&the_gateway, alice->client, SLICE("sync"), none, none, at(0));
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(verdict, VERDICT_CLOSE);
    assert_true(to_devices > 0);
    assert_int_equal(asked - 1, the_gateway.journal.head.position - before + to_devices);
}

/* What is left of a burst is left on the next connection. */
static void reconnecting_gives_no_fresh_burst(void **state)
{
    (void)state;
    struct slice none = {NULL, 0};
    uint64_t taken[2];
    for (int i = 0; i < 2; i++) {
        struct session *alice = arrive(10, "alice", "phone", true);
        uint64_t before = the_gateway.journal.head.position;
        for (int n = 0; n < 500; n++)
            (void)gateway_publish(&the_gateway, alice->client, SLICE("rpc/ping/1"), SLICE("{}"), none, at(0));
        taken[i] = the_gateway.journal.head.position - before;
        gateway_gone(&the_gateway, handle(10));
    }
    assert_in_range(taken[0], 1, 499);
    assert_int_equal(taken[1], 0);
}

static void a_denied_topic_is_shown_in_whole_characters(void **state)
{
    (void)state;
    struct session *alice = arrive(10, "alice", "phone", true);
    char topic[60 + 2 * 100 + 1], shown[800] = "";
    memset(topic, '"', 60);
    for (int i = 0; i < 100; i++)
        memcpy(topic + 60 + 2 * i, "\xc3\xa9", 3);
    link_up();
    gateway_tick(&the_gateway, at(0));
    assert_int_equal(gateway_may_publish(&the_gateway, alice->client, slice_of(topic), false, at(0)), VERDICT_DENY);
    gateway_tick(&the_gateway, at(0));
    for (size_t i = 0; i < 60; i++)
        memcpy(shown + 6 * i, "\\u0022", 7);
    for (size_t i = 0; i < 34; i++) /* of 128 bytes */
        memcpy(shown + 360 + 2 * i, "\xc3\xa9", 3);
    assert_non_null(strstr(last_payload, shown));
    assert_non_null(strstr(last_payload, "\xa9\",\"message\":"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_bounded),
        TEST(confirmation),
        TEST(ready_is_told_once_per_frame),
        TEST(short_frames_wait),
        TEST(session_numbers_wrap),
        TEST(a_handle_used_again),
        TEST(a_remembered_session_makes_room),
        TEST(a_short_connection_forgets_nothing),
        TEST(refused_users_are_swept),
        TEST(without_ticks_nobody_is_let_in),
        TEST(a_list_while_devices_come_and_go),
        TEST(what_follows_a_refusal_is_not_taken),
        TEST(a_list_of_marks_counts_as_many),
        TEST(only_requests_keep_their_correlation),
        TEST(what_an_older_version_kept_leaves),
        TEST(no_sync_is_dropped_in_silence),
        TEST(reconnecting_gives_no_fresh_burst),
        TEST(a_denied_topic_is_shown_in_whole_characters),
        TEST(only_who_publishes_has_buckets),
        TEST(memory_of_an_idle_session),
    };
    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
