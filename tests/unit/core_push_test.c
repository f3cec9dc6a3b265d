/* What reaches a live device, and in which order. The notation: core_script.h */
#include "core_live.h"
#include "../../sync-service/core/state.h"

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

static void all_is_purged(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 2", "load g/x"},
         {"loaded g/x last=5 first=6 alice=1- bob=1- cursor=bob:phone:2",
          "1 bob:phone event/g/x/5/1000/-/truncated\ncaught-up bob:phone 1"});
    stage_close(&stage);
}

/* What came while it waited for room is not of the replay. */
static void what_is_replayed_is_counted(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 2;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/x 0 bob:phone g/y 0", "load g/x\nload g/y"},
         {"loaded g/x last=2 alice=1- bob=1-", "page g/x after 0"}, {"loaded g/y last=1 alice=1- bob=1-", ""},
         {"chat alice:phone g/y m2", "append g/y@1 alice:phone/m2"}, {"appended 2", "done 1"},
         {"page g/x 1:created 2:renamed",
          "1 bob:phone event/g/x/1/1000/-/created\n1 bob:phone event/g/x/2/1000/-/renamed"},
         {"ack bob:phone g/x 2", "done 2\nsenders g/x 0..2\npage g/y after 0"},
         {"page g/y 1:created 2:alice:phone/m2", "1 bob:phone event/g/y/1/1000/-/created\n"
                                                 "1 bob:phone chat/g/y/2/1000/alice:phone/m2\ncaught-up bob:phone 3"});
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
         {"loaded g/x last=4 alice=1- bob=1-", "page g/x after 0"},
         {"page g/x 3:alice:phone/m3 4:alice:phone/m4",
          "log 3 the log has a hole: g/x\n1 bob:phone chat/g/x/3/1000/alice:phone/m3\n"
          "1 bob:phone chat/g/x/4/1000/alice:phone/m4\ncaught-up bob:phone 1"});
    stage_close(&stage);
}

static void a_hole_at_the_end_is_not_asked_for_for_ever(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-", "page g/x after 0"}, {"page g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-", "page g/x after 0"}, {"page g/x", "log 3 the log has a hole: g/x"},
         {"wait 1000", ""});
    stage_close(&stage);
}

/* The tab stands before the hole, carol behind it; the phone, which has room for one, before what is before it. */
static void a_hole_is_passed_by_those_before_it(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    stage.options.window_items = 3;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/y 0 bob:phone g/x 0", "load g/y\nload g/x"},
         {"loaded g/y last=3 alice=1- bob=1-@3/0", "page g/y after 0"},
         {"page g/y 1:created 2:renamed 3:renamed", "1 bob:phone event/g/y/1/1000/-/created\n"
                                                    "1 bob:phone event/g/y/2/1000/-/renamed\n"
                                                    "1 bob:phone event/g/y/3/1000/-/renamed"},
         {"ready bob:tab", "scan bob:tab"}, {"scanned bob:tab g/x 0", ""}, {"ready carol:pad", "scan carol:pad"},
         {"scanned carol:pad g/x 4", ""},
         {"loaded g/x last=5 alice=1- bob=1-@5/0 carol=1- cursor=carol:pad:4", "page g/x after 0"},
         {"page g/x 1:created 2:renamed 4:renamed",
          "1 bob:tab event/g/x/1/1000/-/created\n1 bob:tab event/g/x/2/1000/-/renamed\nload g/x"},
         {"ack bob:phone g/y 1", "done 1"},
         {"loaded g/x last=5 alice=1- bob=1-@5/0 carol=1- cursor=carol:pad:4", "page g/x after 0"},
         {"page g/x 1:created 2:renamed 4:renamed", "1 bob:phone event/g/x/1/1000/-/created\n"
                                                    "log 3 the log has a hole: g/x\n"
                                                    "1 bob:tab event/g/x/4/1000/-/renamed\npage g/x after 4"},
         {"page g/x 5:renamed", "1 carol:pad event/g/x/5/1000/-/renamed\ncaught-up carol:pad 1"},
         {"ack bob:phone g/y 2", "done 2\npage g/x after 1"});
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
         {"loaded g/x last=3 version=2 alice=1- bob=1- carol=2-", "load g/x"}, {"changed g/x", ""},
         {"nosuch g/x", "load g/x"}, /* nor that it is not there */
         {"loaded g/x last=2 version=2 alice=1- bob=1- carol=2-", "page g/x after 2"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=3 version=2 alice=1- bob=1- carol=2-", ""}, /* its page is under way */
         {"loaded g/x last=4", "log 3 a conversation was loaded that was not asked for: g/x"},
         {"nosuch g/y", "log 3 a conversation was loaded that was not asked for: g/y"});
    core_on_user_changed(stage.core, stage.now_ms, 5);
    PLAY(&stage, {"wait 0", ""});
    core_on_user_changed(stage.core, stage.now_ms, 3);
    PLAY(&stage, {"wait 0", "load g/x"}); /* carol shares something else now */
    stage_close(&stage);
}

static void who_has_left_gets_what_was_hers(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"gone alice:phone", ""}, {"changed g/x", "load g/x"},
         {"loaded g/x last=2 version=2 alice=1- bob=1-2", "page g/x after 1"},
         {"page g/x 2:member-removed", "1 bob:phone,bob:tab event/g/x/2/1000/-/member-removed"},
         {"changed g/x", "load g/x"}, {"loaded g/x last=3 version=2 alice=1- bob=1-2", ""},
         {"wait 5000", "page g/x after 1"},
         {"page g/x 2:member-removed", "1 bob:phone,bob:tab event/g/x/2/1000/-/member-removed"});
    stage_close(&stage);
}

/* A user who is removed from the node is a member of nothing, and never was. */
static void who_is_removed_gets_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_quiet(&stage);
    three_live(&stage);
    PLAY(&stage, {"changed g/x", "load g/x"}, {"loaded g/x last=1 version=2 bob=1-@1/0", ""},
         {"chat bob:phone g/x b2", "append g/x@2 bob:phone/b2"},
         {"appended 2", "0 bob:phone sent/g/x/2/1000/b2\n1 bob:tab chat/g/x/2/1000/bob:phone/b2\ndone 1"});
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
        cmocka_unit_test(a_member_sees_her_time),
        cmocka_unit_test(an_edit_is_for_those_who_were_there),
        cmocka_unit_test(who_was_there_for_an_edit_is_loaded_first),
        cmocka_unit_test(purged_is_told_once),
        cmocka_unit_test(all_is_purged),
        cmocka_unit_test(what_is_replayed_is_counted),
        cmocka_unit_test(a_hole_is_loaded_again_then_passed),
        cmocka_unit_test(a_hole_at_the_end_is_not_asked_for_for_ever),
        cmocka_unit_test(a_hole_is_passed_by_those_before_it),
        cmocka_unit_test(a_changed_conversation_is_loaded_again),
        cmocka_unit_test(who_has_left_gets_what_was_hers),
        cmocka_unit_test(who_is_removed_gets_nothing),
        cmocka_unit_test(typing_is_for_the_others),
        cmocka_unit_test(typing_makes_no_queue_of_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
