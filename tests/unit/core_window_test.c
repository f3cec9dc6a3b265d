/* How much a device has outstanding, and what becomes of that. The notation: core_script.h */
#include "core_live.h"

static void a_slow_device_falls_behind_in_the_log(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    three_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n"
                        "1 bob:phone,bob:tab chat/g/x/2/1000/alice:phone/m1\ndone 1"},
         {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n"
                        "1 bob:phone,bob:tab chat/g/x/3/1000/alice:phone/m2\ndone 2"},
         {"ack bob:tab g/x 3", "done 3\n0 alice:phone delivered/g/x/3/bob"},
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m3\n" /* the phone has two outstanding */
                        "1 bob:tab chat/g/x/4/1000/alice:phone/m3\ndone 4"},
         {"ack bob:phone g/x 2", "done 5\npage g/x after 3"},
         {"page g/x 4:alice:phone/m3", "1 bob:phone chat/g/x/4/1000/alice:phone/m3"});
    stage_close(&stage);
}

static void who_acknowledges_fast_may_have_more_outstanding(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 1;
    stage.options.window_items_max = 2;
    three_live(&stage);
    PLAY(&stage, {"gone bob:tab", ""}, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n1 bob:phone chat/g/x/2/1000/alice:phone/m1\ndone 1"},
         {"ack bob:phone g/x 2", "done 2\n0 alice:phone delivered/g/x/2/bob"},
         {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n1 bob:phone chat/g/x/3/1000/alice:phone/m2\ndone 3"},
         {"ack bob:phone g/x 3", "done 4\n0 alice:phone delivered/g/x/3/bob"}, /* at once: now two may be */
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m3\n1 bob:phone chat/g/x/4/1000/alice:phone/m3\ndone 5"},
         {"chat alice:phone g/x m4", "append g/x@1 alice:phone/m4"},
         {"appended 5", "0 alice:phone sent/g/x/5/1000/m4\n1 bob:phone chat/g/x/5/1000/alice:phone/m4\ndone 6"},
         {"chat alice:phone g/x m5", "append g/x@1 alice:phone/m5"},
         {"appended 6", "0 alice:phone sent/g/x/6/1000/m5\ndone 7"}, {"wait 4999", ""},
         {"wait 1", "page g/x after 3"}, /* no answer: one at a time again */
         {"page g/x 4:alice:phone/m3 5:alice:phone/m4", "1 bob:phone chat/g/x/4/1000/alice:phone/m3"},
         {"chat alice:phone d/alice/bob m6", "load d/alice/bob+"}, /* in all its conversations together */
         {"loaded d/alice/bob last=0 alice=1- bob=1-", "append d/alice/bob@1 alice:phone/m6"},
         {"appended 1", "0 alice:phone sent/u/bob/1/1000/m6\ndone 8"});
    stage_close(&stage);
}

/* Alice sends so many; how many of them went out. */
static int taken_of(struct stage *stage, int64_t *last_seq, int len)
{
    struct core_stats before, now;
    core_stats(stage->core, &before);
    for (int i = 0; i < len; i++) {
        char appended[32];
        (void)snprintf(appended, sizeof appended, "appended %d", (int)++*last_seq);
        happen(stage, "chat alice:phone g/x m");
        (void)core_turn(stage->core, stage->now_ms);
        happen(stage, appended);
        (void)core_turn(stage->core, stage->now_ms);
        stage->told[0] = '\0';
    }
    core_stats(stage->core, &now);
    return (int)(now.pushed - before.pushed);
}

static void the_window_follows_what_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        struct {
            int sent, wait_ms, acked;
        } rounds[6];
        int room;
    } cases[] = {
        {"as configured", {{0}}, 2},
        {"the first is not timed", {{2, 0, 2}}, 2},
        {"taken at once: doubled", {{2, 0, 2}, {2, 0, 2}}, 4},
        {"only when a window was taken", {{2, 0, 2}, {1, 0, 1}}, 2},
        {"of which one is still out", {{2, 0, 2}, {2, 0, 1}}, 1},
        {"just fast", {{2, 0, 2}, {2, 100, 2}}, 4},
        {"just not", {{2, 0, 2}, {2, 101, 2}}, 2},
        {"doubled as often as it may", {{2, 0, 2}, {2, 0, 2}, {4, 0, 4}, {8, 0, 8}, {16, 0, 16}}, 16},
        {"neither fast nor slow", {{2, 0, 2}, {2, 0, 2}, {4, 400, 4}}, 4},
        {"slow: half as much", {{2, 0, 2}, {2, 0, 2}, {4, 401, 4}}, 2},
        {"but never less than configured", {{2, 0, 2}, {2, 401, 2}}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stage stage;
        int64_t last_seq = 1, acked_seq = 1;
        stage_open_quiet(&stage);
        stage.options.window_items = 2;
        stage.options.window_items_max = 16;
        three_live(&stage);
        PLAY(&stage, {"gone bob:tab", ""});
        for (size_t j = 0; j < 6; j++) {
            char ack[40];
            if (cases[i].rounds[j].sent == 0)
                break;
            assert_int_equal(taken_of(&stage, &last_seq, cases[i].rounds[j].sent), cases[i].rounds[j].sent);
            stage.now_ms += cases[i].rounds[j].wait_ms;
            acked_seq += cases[i].rounds[j].acked;
            (void)snprintf(ack, sizeof ack, "ack bob:phone g/x %d", (int)acked_seq);
            happen(&stage, ack);
        }
        int room = taken_of(&stage, &last_seq, 20);
        if (room != cases[i].room)
            fail_msg("%s: %d", cases[i].why, room);
        stage_close(&stage);
    }
}

static void bytes_grow_with_it_to_four_times(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    stage_open_quiet(&stage);
    stage.options.window_items = 1;
    stage.options.window_items_max = 8;
    stage.options.window_bytes = 133; /* one */
    three_live(&stage);
    PLAY(&stage, {"gone bob:tab", ""});
    for (int window = 1, round = 0; round < 4; window *= 1 + (round > 0), round++) {
        char ack[40];
        assert_int_equal(taken_of(&stage, &last_seq, window), window);
        (void)snprintf(ack, sizeof ack, "ack bob:phone g/x %d", (int)last_seq);
        happen(&stage, ack);
    }
    assert_int_equal(taken_of(&stage, &last_seq, 8), 4);
    stage_close(&stage);
}

static void bytes_count_too(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_bytes = 266; /* a payload of 5 and what goes with it, twice */
    three_live(&stage);
    PLAY(&stage, {"gone bob:tab", ""}, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n1 bob:phone chat/g/x/2/1000/alice:phone/m1\ndone 1"},
         {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n1 bob:phone chat/g/x/3/1000/alice:phone/m2\ndone 2"},
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m3\ndone 3"},
         {"ack bob:phone g/x 2", "done 4\n0 alice:phone delivered/g/x/2/bob\npage g/x after 3"},
         {"page g/x 4:alice:phone/m3", "1 bob:phone chat/g/x/4/1000/alice:phone/m3"});
    stage_close(&stage);
}

/* What a device sent itself it does not acknowledge: no window would hold a replay of it. */
static void own_messages_come_at_a_pace(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=3 alice=1- bob=1-@3/0", "page g/x after 0"},
         {"page g/x 1:bob:phone/m1 2:bob:phone/m2", "1 bob:phone sent/g/x/1/1000/m1\n1 bob:phone sent/g/x/2/1000/m2"},
         {"wait 249", ""}, {"wait 1", "page g/x after 2"},
         {"page g/x 3:bob:phone/m3", "1 bob:phone sent/g/x/3/1000/m3\ncaught-up bob:phone 3"},
         {"ready bob:phone", "flush bob:phone@g/x=3\nscan bob:phone"}, {"scanned", "caught-up bob:phone 0"});
    stage_close(&stage);
}

static void auto_devices_take_at_a_pace(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    PLAY(&stage, {"ready bob:auto", "scan bob:auto"}, {"scanned bob:auto g/x 0", "load g/x"},
         {"loaded g/x last=3 alice=1- bob=1-@3/0", "page g/x after 0"},
         {"page g/x 1:created 2:alice:phone/m2", "1 bob:auto event/g/x/1/1000/-/created\n"
                                                 "1 bob:auto chat/g/x/2/1000/alice:phone/m2"},
         {"wait 249", ""}, {"wait 1", "page g/x after 2"},
         {"page g/x 3:alice:phone/m3", "1 bob:auto chat/g/x/3/1000/alice:phone/m3\ncaught-up bob:auto 3"},
         {"wait 60000", ""}, /* nothing to repeat, */
         {"ready bob:auto", "flush bob:auto@g/x=3\nscan bob:auto"}, {"scanned", "caught-up bob:auto 0"}); /* ever */
    stage_close(&stage);
}

static void a_pace_counts_bytes_too(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_bytes = 260; /* a payload of 2 and what goes with it, twice */
    PLAY(&stage, {"ready bob:auto", "scan bob:auto"}, {"scanned bob:auto g/x 0", "load g/x"},
         {"loaded g/x last=3 alice=1- bob=1-@3/0", "page g/x after 0"},
         {"page g/x 1:created 2:alice:phone/m2 3:alice:phone/m3", "1 bob:auto event/g/x/1/1000/-/created\n"
                                                                  "1 bob:auto chat/g/x/2/1000/alice:phone/m2"},
         {"wait 249", ""}, {"wait 1", "page g/x after 2"},
         {"page g/x 3:alice:phone/m3", "1 bob:auto chat/g/x/3/1000/alice:phone/m3\ncaught-up bob:auto 3"});
    stage_close(&stage);
}

static void the_window_is_shared_fairly(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    stage.options.page_items = 1;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/x 0 bob:phone g/y 0", "load g/x\nload g/y"},
         {"loaded g/x last=2 alice=1- bob=1-", "page g/x after 0"},
         {"loaded g/y last=1 alice=1- bob=1-", "page g/y after 0"},
         {"page g/y 1:created", "1 bob:phone event/g/y/1/1000/-/created"});
    stage_close(&stage);
}

static void a_page_holds_so_much(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.page_items = 4;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"ready bob:tab", "scan bob:tab"}, {"scanned bob:tab g/x 6", ""},
         {"loaded g/x last=9 alice=1- bob=1- cursor=bob:tab:6", "page g/x after 0"});
    assert_int_equal(stage.page.items_max, 4);
    assert_int_equal(stage.page.bytes_max, stage.options.window_bytes);
    PLAY(&stage, {"gone bob:phone", ""}, {"page g/x 1:created", "page g/x after 6"});
    assert_int_equal(stage.page.items_max, 3); /* what is wanted, and no more */
    stage_close(&stage);
}

static void what_is_not_acknowledged_goes_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 4;
    three_live(&stage);
    PLAY(
        &stage, {"gone bob:tab", ""}, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
        {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n1 bob:phone chat/g/x/2/1000/alice:phone/m1\ndone 1"},
        {"wait 1000", ""}, {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"}, /* does not begin anew */
        {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n1 bob:phone chat/g/x/3/1000/alice:phone/m2\ndone 2"},
        {"wait 3999", ""}, {"wait 1", "page g/x after 1"},
        {"page g/x 2:alice:phone/m1 3:alice:phone/m2", "1 bob:phone chat/g/x/2/1000/alice:phone/m1\n"
                                                       "1 bob:phone chat/g/x/3/1000/alice:phone/m2"},
        {"wait 9999", ""}, {"wait 1", "page g/x after 1"},                           /* twice as long, */
        {"page g/x 2:alice:phone/m1", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"}, /* and half as much each time */
        {"wait 20000", "page g/x after 1"}, {"page g/x 2:alice:phone/m1", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"},
        {"wait 40000", "page g/x after 1"}, {"page g/x 2:alice:phone/m1", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"},
        {"wait 59999", ""}, {"wait 1", "page g/x after 1"}, /* but once a minute at least */
        {"page g/x 2:alice:phone/m1", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"}, {"wait 60000", "page g/x after 1"},
        {"page g/x 2:alice:phone/m1", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"},
        {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob\npage g/x after 2"},
        {"page g/x 3:alice:phone/m2", "1 bob:phone chat/g/x/3/1000/alice:phone/m2"}, {"wait 4999", ""},
        {"wait 1", "page g/x after 2"}); /* it answered: from the start */
    stage_close(&stage);
}

/* Alice sends bob's only device this and the next one, which it has room for. */
static void two_out(struct stage *stage)
{
    three_live(stage);
    PLAY(stage, {"gone bob:tab", ""}, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n1 bob:phone chat/g/x/2/1000/alice:phone/m1\ndone 1"},
         {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n1 bob:phone chat/g/x/3/1000/alice:phone/m2\ndone 2"});
}

static void silence_does_not_get_more(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.flush_after_ms = 100000000;
    stage.options.window_items = 4;
    two_out(&stage);
    PLAY(&stage, {"wait 5000", "page g/x after 1"},
         {"page g/x 2:alice:phone/m1 3:alice:phone/m2", "1 bob:phone chat/g/x/2/1000/alice:phone/m1\n"
                                                        "1 bob:phone chat/g/x/3/1000/alice:phone/m2"});
    for (unsigned i = 0; i < UINT8_MAX + 2; i++)
        PLAY(&stage, {"wait 60000", "page g/x after 1"},
             {"page g/x 2:alice:phone/m1 3:alice:phone/m2", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"});
    PLAY(&stage, {"ready bob:phone", "flush alice:phone@g/x=3\nscan bob:phone"},
         {"scanned bob:phone g/x 1", "page g/x after 1"},
         {"page g/x 2:alice:phone/m1 3:alice:phone/m2", "1 bob:phone chat/g/x/2/1000/alice:phone/m1\n"
                                                        "1 bob:phone chat/g/x/3/1000/alice:phone/m2\n"
                                                        "caught-up bob:phone 2"}); /* it has spoken */
    stage_close(&stage);
}

static void silence_gets_no_more_of_what_is_new(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 4;
    two_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob"},
         {"wait 5000", "page g/x after 2"}, {"page g/x 3:alice:phone/m2", "1 bob:phone chat/g/x/3/1000/alice:phone/m2"},
         {"changed g/x", "load g/x"},
         {"loaded g/x last=6 alice=1- bob=1-", "page g/x after 3"}, /* written by SQL; two may be out */
         {"page g/x 4:renamed 5:renamed 6:renamed", "1 alice:phone,bob:phone event/g/x/4/1000/-/renamed\n"
                                                    "1 alice:phone event/g/x/5/1000/-/renamed\n"
                                                    "1 alice:phone event/g/x/6/1000/-/renamed"});
    stage_close(&stage);
}

/* Where its own messages make more entries than it may have outstanding. */
static void silence_of_one_who_sends(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 4;
    two_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob"},
         {"wait 5000", "page g/x after 2"}, {"page g/x 3:alice:phone/m2", "1 bob:phone chat/g/x/3/1000/alice:phone/m2"},
         {"wait 10000", "page g/x after 2"},
         {"page g/x 3:alice:phone/m2", "1 bob:phone chat/g/x/3/1000/alice:phone/m2"},
         {"chat bob:phone g/x b4", "append g/x@1 bob:phone/b4"},
         {"appended 4", "0 bob:phone sent/g/x/4/1000/b4\n1 alice:phone chat/g/x/4/1000/bob:phone/b4\ndone 4"},
         {"chat alice:phone g/x m5", "append g/x@1 alice:phone/m5"},
         {"appended 5", "0 alice:phone sent/g/x/5/1000/m5\ndone 5"});
    stage_close(&stage);
}

static void silence_in_one_does_not_hold_up_another(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    two_out(&stage);
    PLAY(&stage, {"wait 5000", "page g/x after 1"},
         {"page g/x 2:alice:phone/m1 3:alice:phone/m2", "1 bob:phone chat/g/x/2/1000/alice:phone/m1"},
         {"open bob:phone g/y", "load g/y"},
         {"loaded g/y last=1 alice=1- bob=1-@1/0 cursor=alice:phone:1", "page g/y after 0"},
         {"page g/y 1:created", "1 bob:phone event/g/y/1/1000/-/created"});
    stage_close(&stage);
}

static void assert_stats(const struct stage *stage, uint64_t pushed, uint64_t outstanding, uint64_t redelivered,
                         uint64_t behind)
{
    struct core_stats stats;
    core_stats(stage->core, &stats);
    assert_int_equal(stats.pushed, pushed);
    assert_int_equal(stats.outstanding, outstanding);
    assert_int_equal(stats.redelivered, redelivered);
    assert_int_equal(stats.behind, behind);
}

static void what_is_outstanding_is_counted(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    two_out(&stage);
    assert_stats(&stage, 2, 2, 0, 0);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob"});
    for (int seq = 4; seq <= 8; seq++) {
        char appended[24];
        (void)snprintf(appended, sizeof appended, "appended %d", seq);
        happen(&stage, "chat alice:phone g/x more");
        (void)core_turn(stage.core, stage.now_ms);
        happen(&stage, appended);
    }
    assert_stats(&stage, 7, 6, 0, 0); /* 3 to 8 */
    PLAY(&stage, {"ack bob:phone g/x 6", "done 9\n0 alice:phone delivered/g/x/6/bob"});
    assert_stats(&stage, 7, 2, 0, 0);
    PLAY(&stage, {"wait 5000", "page g/x after 6"});
    assert_stats(&stage, 7, 0, 2, 1);
    PLAY(&stage, {"page g/x 7:alice:phone/more 8:alice:phone/more", "1 bob:phone chat/g/x/7/1000/alice:phone/more\n"
                                                                    "1 bob:phone chat/g/x/8/1000/alice:phone/more"});
    assert_stats(&stage, 9, 2, 2, 0);
    PLAY(&stage, {"ack bob:phone g/x 8", "done 10\n0 alice:phone delivered/g/x/8/bob"});
    assert_stats(&stage, 9, 0, 2, 0);
    (void)core_flush_now(stage.core, stage.now_ms);
    happen(&stage, "flushed");
    assert_int_equal(core_turn(stage.core, stage.now_ms), INT64_MAX); /* nothing is to go again */
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_device_falls_behind_in_the_log),
        cmocka_unit_test(who_acknowledges_fast_may_have_more_outstanding),
        cmocka_unit_test(the_window_follows_what_is_taken),
        cmocka_unit_test(bytes_grow_with_it_to_four_times),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(own_messages_come_at_a_pace),
        cmocka_unit_test(auto_devices_take_at_a_pace),
        cmocka_unit_test(a_pace_counts_bytes_too),
        cmocka_unit_test(the_window_is_shared_fairly),
        cmocka_unit_test(a_page_holds_so_much),
        cmocka_unit_test(what_is_not_acknowledged_goes_again),
        cmocka_unit_test(silence_does_not_get_more),
        cmocka_unit_test(silence_gets_no_more_of_what_is_new),
        cmocka_unit_test(silence_of_one_who_sends),
        cmocka_unit_test(silence_in_one_does_not_hold_up_another),
        cmocka_unit_test(what_is_outstanding_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
