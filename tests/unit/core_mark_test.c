/* Acknowledged and read: cursors, marks, who is told. The notation: core_script.h */
#include "core_script.h"

/* Alice, bob and carol live; alice has sent seq 2 and 3 of g/x, nobody has acknowledged them. */
static void two_messages_out(struct stage *stage)
{
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, {"ready bob:tab", "scan bob:tab"},
         {"scanned", "caught-up bob:tab 0"}, {"chat alice:phone g/x m2", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-@1/1 carol=1-@1/0 cursor=alice:phone:1 cursor=bob:phone:1 cursor=bob:tab:1",
          "append g/x@1 alice:phone/m2"},
         {"chat alice:phone g/x m3", ""},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m2\n"
                        "1 bob:phone,bob:tab chat/g/x/2/1000/alice:phone/m2\ndone 1\nappend g/x@1 alice:phone/m3"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m3\n"
                        "1 bob:phone,bob:tab chat/g/x/3/1000/alice:phone/m3\ndone 2"},
         {"wait 500", "flush alice:phone@g/x=3"}, {"flushed", ""}); /* her own are hers without an ack */
}

static void delivered_then_read(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob"},
         {"ack bob:tab g/x 2", "done 4"}, /* on one device is enough */
         {"read bob:tab g/x 3", "0 bob:phone read/g/x/3/bob\n0 alice:phone read/g/x/3/bob"}, /* implies delivered */
         {"wait 499", ""}, {"wait 1", "flush bob:phone@g/x=2 bob:tab@g/x=3 bob@g/x=3/3"},
         {"flushed", "done 5"}, /* a read is kept in the journal until it is stored */
         {"read bob:tab g/x 3", "done 6"});
    stage_close(&stage);
}

static void a_mark_is_never_above_what_is_hers(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"read bob:tab g/x 999", "0 bob:phone read/g/x/3/bob\n0 alice:phone read/g/x/3/bob"},
         {"wait 500", "flush bob:tab@g/x=3 bob@g/x=3/3"}, {"flushed", "done 3"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=6 alice=1- bob=1- carol=1-4", "page g/x after 3"},
         {"ack carol:pad g/x 6", "done 4\nsenders g/x 1..4"},
         {"senders g/x alice bob", "0 alice:phone delivered/g/x/4/carol\n"
                                   "0 bob:phone,bob:tab delivered/g/x/4/carol"},
         {"wait 500", "flush carol:pad@g/x=6 carol@g/x=4/0"}, {"flushed", ""}, {"ack dave:pad g/x 3", "done 5"},
         {"wait 500", ""}, {"read carol:pad g/x 6", "senders g/x 0..4"}, {"senders g/x", ""},
         {"wait 500", "flush carol:pad@g/x=6 carol@g/x=4/4"}, {"flushed", "done 6"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=9 alice=1- bob=1- carol=1-4,8- dave=5-", ""}, {"ack carol:pad g/x 7", "done 7"},
         {"ack dave:pad g/x 4", "done 8"}, {"ack carol:pad g/x 8", "done 9\nsenders g/x 7..8"},
         {"wait 500", "flush carol:pad@g/x=8 dave:pad@g/x=4 carol@g/x=8/4"});
    stage_close(&stage);
}

/* Of the history a device may have what the service has not heard of yet. */
static void a_mark_of_what_is_being_loaded_waits(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"changed g/x", "load g/x"}, {"read bob:tab g/x 5", ""}, {"changed g/x", ""},
         {"ack bob:phone g/x 2", "done 4\n0 alice:phone delivered/g/x/2/bob"}, /* what is known is not held up */
         {"loaded g/x last=4 alice=1- bob=1- carol=1-", "load g/x"},
         {"loaded g/x last=5 alice=1- bob=1- carol=1-",
          "0 bob:phone read/g/x/5/bob\nsenders g/x 1..5\npage g/x after 3"},
         {"wait 500", "flush bob:phone@g/x=2 bob:tab@g/x=5 bob@g/x=5/5"}, {"flushed", "done 3"});
    stage_close(&stage);
}

static void a_mark_of_what_is_being_appended_waits(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"chat alice:phone g/x m4", "append g/x@1 alice:phone/m4"}, {"read bob:tab g/x 4", ""},
         {"ack bob:phone g/x 3", "done 5\n0 alice:phone delivered/g/x/3/bob"},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m4\n1 bob:phone,bob:tab chat/g/x/4/1000/alice:phone/m4\ndone 3\n"
                        "0 bob:phone read/g/x/4/bob\n0 alice:phone read/g/x/4/bob"},
         {"wait 500", "flush bob:phone@g/x=3 alice:phone@g/x=4 bob:tab@g/x=4 bob@g/x=4/4"}, {"flushed", "done 4"});
    stage_close(&stage);
}

static void who_goes_back_meanwhile_gets_it_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"changed g/x", "load g/x"}, {"ack bob:tab g/x 5", "done 3"}, {"rewind bob:tab g/x 1", ""},
         {"loaded g/x last=5 alice=1- bob=1- carol=1-", "senders g/x 1..5\npage g/x after 1"},
         {"wait 500", "flush bob:tab@g/x:=1 bob@g/x=5/1"});
    stage_close(&stage);
}

static void own_messages_are_passed_over(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"chat bob:phone g/x b4", "append g/x@1 bob:phone/b4"},
         {"appended 4", "0 bob:phone sent/g/x/4/1000/b4\n1 alice:phone,bob:tab chat/g/x/4/1000/bob:phone/b4\ndone 3"},
         {"chat bob:phone g/x b5", "append g/x@1 bob:phone/b5"},
         {"appended 5", "0 bob:phone sent/g/x/5/1000/b5\n1 alice:phone,bob:tab chat/g/x/5/1000/bob:phone/b5\ndone 4"},
         {"ack bob:phone g/x 3", "done 5\n0 alice:phone delivered/g/x/3/bob"},
         {"wait 500", "flush bob:phone@g/x=5 bob@g/x=3/1"}, {"flushed", ""}, /* and where others' lie between: */
         {"chat alice:phone g/x m6", "append g/x@1 alice:phone/m6"},
         {"appended 6", "0 alice:phone sent/g/x/6/1000/m6\n1 bob:phone,bob:tab chat/g/x/6/1000/alice:phone/m6\ndone 6"},
         {"chat bob:phone g/x b7", "append g/x@1 bob:phone/b7"},
         {"appended 7", "0 bob:phone sent/g/x/7/1000/b7\n1 alice:phone,bob:tab chat/g/x/7/1000/bob:phone/b7\ndone 7"},
         {"chat alice:phone g/x m8", "append g/x@1 alice:phone/m8"},
         {"appended 8", "0 alice:phone sent/g/x/8/1000/m8\n1 bob:phone,bob:tab chat/g/x/8/1000/alice:phone/m8\ndone 8"},
         {"chat bob:phone g/x b9", "append g/x@1 bob:phone/b9"},
         {"appended 9", "0 bob:phone sent/g/x/9/1000/b9\n1 alice:phone,bob:tab chat/g/x/9/1000/bob:phone/b9\ndone 9"},
         {"ack bob:phone g/x 8", "done 10\n0 alice:phone delivered/g/x/8/bob"},
         {"wait 500", "flush bob:phone@g/x=9 bob@g/x=8/1"}, {"flushed", ""});
    stage_close(&stage);
}

static void marks_that_wait_for_a_load(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ack bob:phone d/alice/bob 2", "done 1\nload d/alice/bob"}, {"read bob:phone d/alice/bob 3", ""},
         {"ack bob:phone d/alice/bob 4", "done 3"}, {"loaded d/alice/bob last=5 alice=1- bob=1-", ""},
         {"wait 500", "flush bob:phone@d/alice/bob=4 bob@d/alice/bob=4/3"}, {"flushed", "done 2"},
         {"read bob:phone g/none 3", "load g/none"}, {"nosuch g/none", "done 4"});
    stage_close(&stage);
}

/* What waits while the database is away is bounded, and is not for ever: the load answers it, or refuses it. */
static void marks_that_wait_are_counted(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.pending_items_max = 3;
    PLAY(&stage, {"lost", ""}, {"ack bob:phone g/x 1", "done 1"}, {"ack bob:phone g/x 2", "done 2"}, /* the same one */
         {"ack bob:phone g/none 1", "done 3"});
    assert_false(core_is_full(stage.core));
    PLAY(&stage, {"ack bob:tab g/x 1", "done 4"});
    assert_true(core_is_full(stage.core));
    PLAY(&stage, {"back", "load g/x\nload g/none"}, {"nosuch g/none", ""});
    assert_false(core_is_full(stage.core));
    PLAY(&stage, {"loaded g/x last=5 bob=1-", "senders g/x 0..2"},
         {"wait 500", "flush bob:tab@g/x=1 bob:phone@g/x=2 bob@g/x=2/0"}, {"flushed", ""});
    stage_close(&stage);
}

/* A device that says the same again and again moves one mark, and each of its records waits. */
static void reads_that_wait_are_counted(void **state)
{
    (void)state;
    static const char *const ends[] = {"nosuch g/x", "loaded g/x alice=1-"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct stage stage;
        stage_open(&stage);
        stage.options.pending_items_max = 3;
        for (size_t n = 0; n < 2 * 16; n++) /* is over */
            PLAY(&stage, {"read bob:phone g/y 1", n ? "" : "load g/y"});
        happen(&stage, i ? "loaded g/y alice=1-" : "nosuch g/y");
        assert_false(core_is_full(stage.core));
        PLAY(&stage, {"lost", ""});
        for (size_t n = 1; n < (3 - 1) * 16; n++)
            PLAY(&stage, {"read bob:phone g/x 1", ""});
        assert_false(core_is_full(stage.core));
        PLAY(&stage, {"read bob:phone g/x 1", ""});
        assert_true(core_is_full(stage.core));
        PLAY(&stage, {"back", "load g/x"});
        happen(&stage, ends[i]);
        assert_false(core_is_full(stage.core));
        assert_non_null(strstr(stage.told, "done 64\n"));
        stage_close(&stage);
    }
}

static void a_flush_that_failed_goes_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"read bob:phone g/x 2", "0 bob:tab read/g/x/2/bob\n0 alice:phone read/g/x/2/bob"},
         {"wait 500", "flush bob:phone@g/x=2 bob@g/x=2/2"},
         {"ack bob:phone g/x 3", "done 4\n0 alice:phone delivered/g/x/3/bob"},
         {"flushed!", "log 4 marks could not be flushed: internal"}, {"wait 500", "flush bob:phone@g/x=3 bob@g/x=3/2"},
         {"flushed", "done 3"});
    stage_close(&stage);
}

static void a_barrier_ends(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone delivered/g/x/2/bob"});
    stage.told[0] = '\0';
    uint64_t flush = core_flush_now(stage.core, stage.now_ms);
    assert_string_equal(stage.told, "flush bob:phone@g/x=2 bob@g/x=2/1\n");
    assert_false(core_is_flushed_to(stage.core, flush));
    PLAY(&stage, {"ack bob:phone g/x 3", "done 4\n0 alice:phone delivered/g/x/3/bob"}, {"flushed", ""});
    assert_true(core_is_flushed_to(stage.core, flush)); /* though more has moved since */
    assert_false(core_is_flushed(stage.core));
    stage_close(&stage);
}

static void a_long_flush_goes_in_pieces(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_marks_max = 2;
    two_messages_out(&stage);
    PLAY(&stage, {"read bob:phone g/x 2", "0 bob:tab read/g/x/2/bob\n0 alice:phone read/g/x/2/bob"},
         {"ack carol:pad g/x 2", "done 4\n0 alice:phone delivered/g/x/2/carol"},
         {"wait 500", "flush bob@g/x=2/2 carol@g/x=2/0"}, /* of members first */
         {"flushed", "flush bob:phone@g/x=2 carol:pad@g/x=2"}, {"flushed", "done 3"});
    stage_close(&stage);
}

static void a_scan_sees_all_of_a_flush(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_marks_max = 1;
    two_messages_out(&stage);
    PLAY(&stage, {"read bob:phone g/x 2", "0 bob:tab read/g/x/2/bob\n0 alice:phone read/g/x/2/bob"},
         {"ack carol:pad g/x 2", "done 4\n0 alice:phone delivered/g/x/2/carol"}, {"wait 500", "flush bob@g/x=2/2"},
         {"ready dave:pad", ""}, {"flushed", "flush bob:phone@g/x=2 carol:pad@g/x=2 carol@g/x=2/0\nscan dave:pad"},
         {"flushed", "done 3"});
    stage_close(&stage);
}

static void large_groups_get_counts(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.receipts_members_max = 2;
    two_messages_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 3\n0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":0}"},
         {"ack carol:pad g/x 3", "done 4"}, {"read bob:tab g/x 3", "0 bob:phone read/g/x/3/bob"},
         {"wait 499", ""}, /* at most once a second */
         {"wait 1", "flush bob:phone@g/x=2 carol:pad@g/x=3 bob:tab@g/x=3 bob@g/x=3/3 carol@g/x=3/0"},
         {"wait 500", "0 alice:phone receipts/g/x/3 {\"delivered\":2,\"read\":1}"}, {"wait 5000", "page g/x after 2"});
    stage_close(&stage);
}

/* What is read is not always the last that is there. */
static void large_groups_get_counts_of_what_is_read(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.receipts_members_max = 2;
    two_messages_out(&stage);
    PLAY(&stage, {"ack bob:phone g/x 3", "done 3\n0 alice:phone receipts/g/x/3 {\"delivered\":1,\"read\":0}"},
         {"read bob:phone g/x 2", "0 bob:tab read/g/x/2/bob"}, {"ack carol:pad g/x 3", "done 5"},
         {"wait 1000", "0 alice:phone receipts/g/x/3 {\"delivered\":2,\"read\":0}\n"
                       "0 alice:phone receipts/g/x/2 {\"delivered\":2,\"read\":1}\n"
                       "flush bob:phone@g/x=3 carol:pad@g/x=3 bob@g/x=3/2 carol@g/x=3/0"});
    stage_close(&stage);
}

/* Carol has left at 4; dave has read everything, erin too and tells nobody; alice has a tab that holds all. */
#define CAROL_LEFT "loaded g/x last=4 version=2 alice=1- bob=1- carol=1-4 dave=1-@4/4 erin=1-@4/4 hides=erin"

static void who_has_left_is_told_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    two_messages_out(&stage);
    PLAY(&stage, {"ready carol:pad", "scan carol:pad"}, {"scanned", "caught-up carol:pad 0"},
         {"chat carol:pad g/x c4", "append g/x@1 carol:pad/c4"},
         {"appended 4", "0 carol:pad sent/g/x/4/1000/c4\n"
                        "1 alice:phone,bob:phone,bob:tab chat/g/x/4/1000/carol:pad/c4\ndone 3"},
         {"changed g/x", "load g/x"}, {CAROL_LEFT, ""},
         {"ack bob:tab g/x 4", "done 4\n0 alice:phone delivered/g/x/4/bob"});
    stage_close(&stage);
}

static void counts_are_of_the_other_members(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.receipts_members_max = 2;
    two_messages_out(&stage);
    PLAY(&stage, {"ack carol:pad g/x 3", "done 3\n0 alice:phone receipts/g/x/3 {\"delivered\":1,\"read\":0}"},
         {"ack alice:tab g/x 3", "done 4"}, {"changed g/x", "load g/x"}, {CAROL_LEFT, "page g/x after 3"},
         {"read bob:tab g/x 3", "0 bob:phone read/g/x/3/bob"},
         {"wait 1000", "0 alice:phone receipts/g/x/3 {\"delivered\":3,\"read\":2}\n"
                       "flush carol:pad@g/x=3 alice:tab@g/x=3 bob:tab@g/x=3 carol@g/x=3/0 alice@g/x=3/0 bob@g/x=3/3"});
    stage_close(&stage);
}

static void old_senders_are_asked_for(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ack bob:phone g/x 4", "done 1\nload g/x"},
         {"loaded g/x last=9 alice=1- bob=1- carol=1- cursor=alice:phone:9", "senders g/x 0..4"},
         {"ack bob:phone g/x 6", "done 2"}, /* one question at a time */
         {"senders g/x alice carol", "0 alice:phone delivered/g/x/4/bob\nsenders g/x 4..6"}, {"senders g/x bob", ""});
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered_then_read),
        cmocka_unit_test(a_mark_is_never_above_what_is_hers),
        cmocka_unit_test(a_mark_of_what_is_being_loaded_waits),
        cmocka_unit_test(a_mark_of_what_is_being_appended_waits),
        cmocka_unit_test(who_goes_back_meanwhile_gets_it_again),
        cmocka_unit_test(own_messages_are_passed_over),
        cmocka_unit_test(marks_that_wait_for_a_load),
        cmocka_unit_test(marks_that_wait_are_counted),
        cmocka_unit_test(reads_that_wait_are_counted),
        cmocka_unit_test(a_flush_that_failed_goes_again),
        cmocka_unit_test(a_barrier_ends),
        cmocka_unit_test(a_long_flush_goes_in_pieces),
        cmocka_unit_test(a_scan_sees_all_of_a_flush),
        cmocka_unit_test(large_groups_get_counts),
        cmocka_unit_test(large_groups_get_counts_of_what_is_read),
        cmocka_unit_test(who_has_left_is_told_nothing),
        cmocka_unit_test(counts_are_of_the_other_members),
        cmocka_unit_test(old_senders_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
