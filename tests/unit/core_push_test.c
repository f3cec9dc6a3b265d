/* What reaches a live device, in which order, and how much of it at once. The notation: core_script.h */
#include "core_script.h"
#include "../../sync-service/core/state.h"

/* Alice sends from her phone, bob has a phone and a tab; all hold what there is of g/x. */
static void three_live(struct stage *stage)
{
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, {"ready bob:tab", "scan bob:tab"},
         {"scanned", "caught-up bob:tab 0"}, {"typing alice:phone g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-@1/0 cursor=alice:phone:1 cursor=bob:phone:1 cursor=bob:tab:1", ""});
}

static void stage_open_quiet(struct stage *stage)
{
    stage_open(stage);
    stage->options.flush_after_ms = 1000000; /* marks are another test's */
}

static void each_device_gets_its_own(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"chat bob:phone g/x m1", "append g/x@1 bob:phone/m1"},
         {"appended 2", "0 bob:phone sent/g/x/2/1000/m1\n"
                        "1 alice:phone,bob:tab chat/g/x/2/1000/bob:phone/m1\n"
                        "done 1"});
    stage_close(&stage);
}

static void a_note_to_self_has_ones_own_name(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"chat bob:phone d/bob/bob m1", "load d/bob/bob+"},
         {"loaded d/bob/bob last=0 bob=1-", "append d/bob/bob@1 bob:phone/m1"},
         {"appended 1", "0 bob:phone sent/u/bob/1/1000/m1\n"
                        "1 bob:tab chat/u/bob/1/1000/bob:phone/m1\n"
                        "done 1"});
    stage_close(&stage);
}

static void what_lies_between_comes_from_the_log(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "append g/x@1 alice:phone/m1"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m1\ndone 1\npage g/x after 1"}, /* 2 was written by SQL */
         {"chat alice:phone g/x m2", "append g/x@1 alice:phone/m2"},
         {"page g/x 2:renamed 3:alice:phone/m1", "1 alice:phone,bob:phone,bob:tab event/g/x/2/1000/-/renamed\n"
                                                 "1 alice:phone sent/g/x/3/1000/m1\n"
                                                 "1 bob:phone,bob:tab chat/g/x/3/1000/alice:phone/m1"},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m2\n" /* and live again */
                        "1 bob:phone,bob:tab chat/g/x/4/1000/alice:phone/m2\n"
                        "done 2"});
    stage_close(&stage);
}

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

static void bytes_count_too(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_bytes = 300; /* a payload of 5 and what goes with it, three times, is more */
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
    happen(&stage, "wait 1000000");
    (void)core_turn(stage.core, stage.now_ms); /* the marks */
    happen(&stage, "flushed");
    assert_int_equal(core_turn(stage.core, stage.now_ms), INT64_MAX); /* nothing is to go again */
    stage_close(&stage);
}

static void a_member_sees_her_time(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready carol:pad", "scan carol:pad"}, {"scanned carol:pad g/x 0", "load g/x"},
         {"loaded g/x last=9 alice=1- carol=2-3,6-7", "page g/x after 1"},
         {"page g/x 2:member-added 3:member-removed 4:alice:phone/m4 5:alice:phone/m5 6:member-added",
          "1 carol:pad event/g/x/2/1000/-/member-added\n"
          "1 carol:pad event/g/x/3/1000/-/member-removed\n"
          "1 carol:pad event/g/x/6/1000/-/member-added\npage g/x after 6"},
         {"page g/x 7:member-removed 8:alice:phone/m8", "1 carol:pad event/g/x/7/1000/-/member-removed\n"
                                                        "caught-up carol:pad 4"},
         {"ack carol:pad g/x 9", "done 1\nsenders g/x 1..7"},
         {"chat alice:phone g/x m10", "append g/x@1 alice:phone/m10"}, {"appended 10", "done 2"});
    stage_close(&stage);
}

/* Carol was a member to 3 and from 7: what was written between is not for her, though it stands in an earlier place. */
static void an_edit_is_for_those_who_were_there(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"ready carol:pad", "scan carol:pad"}, {"scanned carol:pad g/x 0", ""},
         {"loaded g/x last=8 alice=1- bob=1- carol=1-4,7-", "page g/x after 0"},
         {"page g/x 1:alice:phone/m1~5 2:alice:phone/m2~3 3:message-edited 4:alice:phone/m4~8",
          "1 carol:pad event/g/x/1/1000/-/withheld\n"
          "1 bob:phone chat/g/x/1/1000/alice:phone/m1\n"
          "1 bob:phone,carol:pad chat/g/x/2/1000/alice:phone/m2\n"
          "1 bob:phone,carol:pad event/g/x/3/1000/-/message-edited\n"
          "1 bob:phone,carol:pad chat/g/x/4/1000/alice:phone/m4\n"
          "page g/x after 4"});
    stage_close(&stage);
}

static void who_was_there_for_an_edit_is_loaded_first(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready carol:pad", "scan carol:pad"}, {"scanned carol:pad g/x 0", "load g/x"},
         {"loaded g/x last=2 alice=1- carol=1-", "page g/x after 0"},
         {"page g/x 1:created 2:alice:phone/m2~4 3:member-removed",
          "1 carol:pad event/g/x/1/1000/-/created\nload g/x"}, /* she was removed a moment ago */
         {"loaded g/x last=4 alice=1- carol=1-3", "page g/x after 1"},
         {"page g/x 2:alice:phone/m2~4",
          "1 carol:pad event/g/x/2/1000/-/withheld\ncaught-up carol:pad 2\npage g/x after 2"},
         {"page g/x 3:member-removed", "1 carol:pad event/g/x/3/1000/-/member-removed"});
    stage_close(&stage);
}

static void purged_is_told_once(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 2", "load g/x"},
         {"loaded g/x last=6 first=6 alice=1- bob=1- cursor=bob:phone:2",
          "1 bob:phone event/g/x/5/1000/-/truncated\npage g/x after 5"},
         {"page g/x 6:alice:phone/m6", "1 bob:phone chat/g/x/6/1000/alice:phone/m6\ncaught-up bob:phone 2"},
         {"ack bob:phone g/x 5", "done 1"}, {"ack bob:phone g/x 6", "done 2\nsenders g/x 5..6"});
    stage_close(&stage);
}

static void a_hole_is_loaded_again_then_passed(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=3 alice=1- bob=1-", "page g/x after 0"},
         {"page g/x 3:alice:phone/m3", "load g/x"}, /* purged a moment ago? */
         {"loaded g/x last=3 alice=1- bob=1-", "page g/x after 0"},
         {"page g/x 3:alice:phone/m3", "log 3 the log has a hole: g/x\n"
                                       "1 bob:phone chat/g/x/3/1000/alice:phone/m3\ncaught-up bob:phone 1"});
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

static void a_changed_conversation_is_loaded_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"ready carol:pad", "scan carol:pad"}, {"scanned", "caught-up carol:pad 0"},
         {"changed g/x", "load g/x"}, {"loaded g/x last=2 version=2 alice=1- bob=1- carol=2-", "page g/x after 1"},
         {"page g/x 2:member-added", "1 alice:phone,bob:phone,bob:tab,carol:pad event/g/x/2/1000/-/member-added"},
         {"changed g/x", "load g/x"}, {"changed g/x", ""}, /* the answer may be older than this */
         {"loaded g/x last=3 version=2 alice=1- bob=1- carol=2-", "load g/x"});
    stage_close(&stage);
}

static void typing_is_for_the_others(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"typing bob:phone g/x", "0 alice:phone typing/g/x/bob:phone"}, {"typing carol:pad g/x", ""},
         {"ready carol:pad", "scan carol:pad"}, {"scanned", "caught-up carol:pad 0"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=2 version=2 alice=1- bob=1-2 carol=1- dave=1-1 cursor=carol:pad:2", "page g/x after 1"},
         {"typing alice:phone g/x", "0 carol:pad typing/g/x/alice:phone"}, /* bob has left, */
         {"typing bob:phone g/x", ""}, {"lost", ""}, {"typing bob:phone g/x", ""});
    stage_close(&stage);
}

static void count_loads(void *ctx, const struct slice names[], const int64_t senders[], size_t len)
{
    (void)names, (void)senders;
    *(size_t *)ctx += len;
}

static void type_into(struct core *core, int group)
{
    char name[32];
    (void)snprintf(name, sizeof name, "g/%d", group);
    core_on_typing(core, 1000, &(struct core_device){.device_id = 1, .user_id = 1}, slice_of(name), true);
}

/* Of what is typed into something nobody has asked for yet, no more waits to be loaded than is loaded at once. */
static void typing_makes_no_queue_of_loads(void **state)
{
    (void)state;
    size_t loads = 0;
    struct core_options options;
    struct core_stats stats;
    core_options_default(&options);
    struct core *core = core_new(&options, &(struct core_port){.ctx = &loads, .load = count_loads});
    for (int group = 0; group < LOADS_MAX + 1; group++)
        type_into(core, group);
    core_stats(core, &stats);
    assert_int_equal(stats.conversations, LOADS_MAX);
    (void)core_turn(core, 1000);
    assert_int_equal(loads, LOADS_MAX);
    type_into(core, LOADS_MAX);
    (void)core_turn(core, 1000);
    assert_int_equal(loads, LOADS_MAX); /* the database has not answered yet */
    core_on_loaded(core, 1000, &(struct core_conversation){.name = SLICE("g/0"), .state = CORE_LOAD_NO_SUCH_GROUP});
    core_on_loaded(core, 1000,
                   &(struct core_conversation){
                       .name = SLICE("g/1"), .conversation_id = 1, .first_seq = 1, .is_group = true}); /* at hand */
    for (int group = LOADS_MAX; group < LOADS_MAX + 3; group++)
        type_into(core, group);
    (void)core_turn(core, 1000);
    assert_int_equal(loads, LOADS_MAX + 2);
    core_free(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_gets_its_own),
        cmocka_unit_test(a_note_to_self_has_ones_own_name),
        cmocka_unit_test(what_lies_between_comes_from_the_log),
        cmocka_unit_test(a_slow_device_falls_behind_in_the_log),
        cmocka_unit_test(who_acknowledges_fast_may_have_more_outstanding),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(own_messages_come_at_a_pace),
        cmocka_unit_test(what_is_not_acknowledged_goes_again),
        cmocka_unit_test(silence_does_not_get_more),
        cmocka_unit_test(silence_gets_no_more_of_what_is_new),
        cmocka_unit_test(silence_of_one_who_sends),
        cmocka_unit_test(silence_in_one_does_not_hold_up_another),
        cmocka_unit_test(what_is_outstanding_is_counted),
        cmocka_unit_test(a_member_sees_her_time),
        cmocka_unit_test(an_edit_is_for_those_who_were_there),
        cmocka_unit_test(who_was_there_for_an_edit_is_loaded_first),
        cmocka_unit_test(purged_is_told_once),
        cmocka_unit_test(a_hole_is_loaded_again_then_passed),
        cmocka_unit_test(auto_devices_take_at_a_pace),
        cmocka_unit_test(the_window_is_shared_fairly),
        cmocka_unit_test(a_changed_conversation_is_loaded_again),
        cmocka_unit_test(typing_is_for_the_others),
        cmocka_unit_test(typing_makes_no_queue_of_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
