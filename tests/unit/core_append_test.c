/* From a publish to `sent`: order, duplicates, membership, a database that is away. The notation: core_script.h */
#include "core_script.h"

/* Alice and bob live with a phone each; their conversation is not loaded. */
static void both_live(struct stage *stage)
{
    stage_open(stage);
    stage->options.flush_after_ms = 60000; /* marks are another test's */
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"});
}

static void first_message_between_two(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone d/alice/bob m1", "load d/alice/bob+"},
         {"loaded d/alice/bob last=0 alice=1- bob=1-", "append d/alice/bob@1 alice:phone/m1"},
         {"appended 1", "0 alice:phone sent/u/bob/1/1000/m1\n"
                        "1 bob:phone chat/u/alice/1/1000/alice:phone/m1\n"
                        "done 1"});
    stage_close(&stage);
}

static void nothing_is_told_before_the_commit(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=bob:phone:1 cursor=alice:phone:1", "append g/x@1 alice:phone/m1"},
         {"wait 100", ""}, {"chat alice:phone g/x m2", ""}, /* one append at a time keeps the order */
         {"chat bob:phone g/x b1", ""},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m1\n"
                        "1 bob:phone chat/g/x/2/1000/alice:phone/m1\n"
                        "done 1\n"
                        "append g/x@1 alice:phone/m2 bob:phone/b1"},
         {"appended 3 4", "0 alice:phone sent/g/x/3/1000/m2\n"
                          "1 bob:phone chat/g/x/3/1000/alice:phone/m2\n"
                          "done 2\n"
                          "0 bob:phone sent/g/x/4/1000/b1\n"
                          "1 alice:phone chat/g/x/4/1000/bob:phone/b1\n"
                          "done 3"});
    stage_close(&stage);
}

static void a_batch_holds_what_has_gathered(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.appends_max = 1;
    stage.options.append_items_max = 3;
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"chat alice:phone g/y a1", "load g/y"},
         {"loaded g/x last=1 alice=1- bob=1-", "append g/x@1 bob:phone/b1"}, {"loaded g/y last=1 alice=1- bob=1-", ""},
         {"chat bob:phone g/x b2", ""}, {"chat bob:phone g/x b3", ""}, {"chat alice:phone g/y a2", ""},
         {"appended 2", "done 1\nappend g/x@1 bob:phone/b2\nappend g/y@1 alice:phone/a1 alice:phone/a2"},
         {"appended 3 2 3", "done 3\ndone 2\ndone 5\nappend g/x@1 bob:phone/b3"}, /* three is the most */
         {"appended 4", "done 4"});
    stage_close(&stage);
}

/* Else the second of two batches could be committed, and the first not: a device's messages would change places. */
static void one_append_per_conversation(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.append_worth_items = 1;
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"chat alice:phone g/y a1", "load g/y"},
         {"loaded g/x last=1 alice=1- bob=1-", "append g/x@1 bob:phone/b1"}, {"chat bob:phone g/x b2", ""});
    uint64_t first = stage.batch;
    PLAY(&stage, {"loaded g/y last=1 alice=1- bob=1-", "append g/y@1 alice:phone/a1"}, /* another may be under way */
         {"chat bob:phone g/x b3", ""}, {"chat alice:phone g/y a2", ""},
         {"appended 2", "done 2\nappend g/y@1 alice:phone/a2"});
    uint64_t last = stage.batch;
    stage.batch = first;
    PLAY(&stage, {"appended 2", "done 1\nappend g/x@1 bob:phone/b2 bob:phone/b3"}, {"appended 3 4", "done 3\ndone 4"});
    stage.batch = last;
    PLAY(&stage, {"appended 3", "done 5"});
    stage_close(&stage);
}

static void a_batch_holds_so_many_bytes(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.append_bytes_max = 10; /* a payload has 5 */
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"chat bob:phone g/x b2", ""}, {"chat bob:phone g/x b3", ""},
         {"loaded g/x last=1 alice=1- bob=1-", "append g/x@1 bob:phone/b1 bob:phone/b2"},
         {"appended 2 3", "done 1\ndone 2\nappend g/x@1 bob:phone/b3"}, {"appended 4", "done 3"});
    stage_close(&stage);
    stage_open(&stage);
    stage.options.append_bytes_max = 4; /* one that is larger goes alone */
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"chat bob:phone g/x b2", ""},
         {"loaded g/x last=1 alice=1- bob=1-", "append g/x@1 bob:phone/b1"},
         {"appended 2", "done 1\nappend g/x@1 bob:phone/b2"}, {"appended 3", "done 2"});
    stage_close(&stage);
}

static void another_batch_is_worth_it(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.append_worth_items = 2;
    stage.options.appends_max = 2;
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"loaded g/x last=1 bob=1-", "append g/x@1 bob:phone/b1"},
         {"chat bob:phone g/y b2", "load g/y"}, {"loaded g/y last=1 bob=1-", ""}); /* one waits */
    uint64_t first = stage.batch;
    PLAY(&stage, {"chat bob:phone g/y b3", "append g/y@1 bob:phone/b2 bob:phone/b3"},
         {"chat bob:phone g/z b4", "load g/z"}, {"chat bob:phone g/z b5", ""}, {"loaded g/z last=1 bob=1-", ""});
    uint64_t second = stage.batch;
    stage.batch = first;
    PLAY(&stage, {"appended 2", "done 1\nappend g/z@1 bob:phone/b4 bob:phone/b5"}); /* two are under way at most */
    uint64_t third = stage.batch;
    stage.batch = second;
    PLAY(&stage, {"appended 2 3", "done 2\ndone 3"}, {"chat bob:phone g/x b6", ""},
         {"chat bob:phone g/x b7", "append g/x@1 bob:phone/b6 bob:phone/b7"});
    stage.batch = third;
    PLAY(&stage, {"appended 2 3", "done 4\ndone 5"});
    stage_close(&stage);
}

static void a_message_id_is_one_message(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"},
         {"loaded g/x last=4 alice=1- bob=1- cursor=alice:phone:4 cursor=bob:phone:4", "append g/x@1 alice:phone/m1"},
         {"chat alice:phone g/x m2", ""},
         {"appended !exists", "append-carefully g/x@1 alice:phone/m1"}, /* m2 waits: order */
         {"appended dup 3", "0 alice:phone sent/g/x/3/1000/m1\ndone 1\nappend g/x@1 alice:phone/m2"},
         {"appended 5", "0 alice:phone sent/g/x/5/1000/m2\n"
                        "1 bob:phone chat/g/x/5/1000/alice:phone/m2\n"
                        "done 2"},
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"},
         {"appended !exists", "append-carefully g/x@1 alice:phone/m3"},            /* its own first answer was lost: */
         {"appended dup 6", "0 alice:phone sent/g/x/6/1000/m3\ndone 3\nload g/x"}, /* nobody was told of 6 */
         {"loaded g/x last=6 alice=1- bob=1-", "page g/x after 5"});
    struct core_stats stats;
    core_stats(stage.core, &stats);
    assert_int_equal(stats.appended, 1);
    assert_int_equal(stats.duplicates, 2);
    stage_close(&stage);
}

static void stale_membership_is_decided_again(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=alice:phone:1 cursor=bob:phone:1", "append g/x@1 alice:phone/m1"},
         {"appended stale", "load g/x"},
         {"loaded g/x last=2 version=2 alice=1- bob=1-2",
          "append g/x@2 alice:phone/m1\npage g/x after 1"}, /* both are to hear of seq 2 */
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m1\ndone 1"},
         {"page g/x 2:member-removed", "1 alice:phone,bob:phone event/g/x/2/1000/-/member-removed\npage g/x after 2"},
         {"page g/x 3:alice:phone/m1", "1 alice:phone sent/g/x/3/1000/m1"}); /* bob left at 2: 3 is not his */
    stage_close(&stage);
}

static void only_the_database_refuses(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat bob:phone g/x m1", "load g/x"},
         {"loaded g/x last=3 alice=1- bob=1-3 cursor=alice:phone:3 cursor=bob:phone:3",
          "append-carefully g/x@1 bob:phone/m1"}, /* it may be from the time when he was in */
         {"appended dup 2", "0 bob:phone sent/g/x/2/1000/m1\ndone 1"},
         {"chat bob:phone g/x m2", "append-carefully g/x@1 bob:phone/m2"},
         {"appended refused",
          "1 bob:phone error/g/x/m2/not-member {\"message\":\"you are not a member of this conversation\"}\ndone 2"},
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"},
         {"appended !exists", "append-carefully g/x@1 alice:phone/m3"},
         {"appended refused", "1 alice:phone error/g/x/m3/not-member {\"message\":\"you are not a member of this "
                              "conversation\"}\ndone 3\nload g/x"}); /* of whom we thought that she is one */
    stage_close(&stage);
}

static void there_is_no_such(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/none m1", "load g/none"}, {"chat alice:phone g/none m2", ""},
         {"nosuch g/none",
          "1 alice:phone error/g/none/m1/no-such-group {\"message\":\"there is no such group\"}\ndone 1\n"
          "1 alice:phone error/g/none/m2/no-such-group {\"message\":\"there is no such group\"}\ndone 2"},
         {"typing alice:phone d/alice/carol", "load d/alice/carol"}, /* does not make the conversation; */
         {"chat alice:phone d/alice/carol m3", ""},
         {"nosuch d/alice/carol", "load d/alice/carol+"}, /* a message does */
         {"nosuch d/alice/carol",
          "1 alice:phone error/u/carol/m3/no-such-user {\"message\":\"there is no such user\"}\ndone 3"},
         {"chat alice:phone g/gone m4", "load g/gone"}, {"changed g/gone", ""}, {"nosuch g/gone", "load g/gone"},
         {"loaded g/gone last=2 deleted alice=1-2 cursor=alice:phone:2", "append-carefully g/gone@1 alice:phone/m4"},
         {"appended refused",
          "1 alice:phone error/g/gone/m4/no-such-group {\"message\":\"there is no such group\"}\ndone 4"});
    stage_close(&stage);
}

static void one_bad_message_does_not_stop_the_others(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"}, {"chat alice:phone g/x m2", ""},
         {"loaded g/x last=1 alice=1- bob=1- cursor=alice:phone:1 cursor=bob:phone:1",
          "append g/x@1 alice:phone/m1 alice:phone/m2"},
         {"appended !internal", "append-carefully g/x@1 alice:phone/m1"},
         {"appended !internal", "log 3 a message cannot be appended: g/x\n"
                                "1 alice:phone error/g/x/m1/internal {\"message\":\"this message could not be "
                                "stored\",\"retry_after_ms\":5000}\n"
                                "done 1\n"
                                "append-carefully g/x@1 alice:phone/m2"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m2\n"
                        "1 bob:phone chat/g/x/2/1000/alice:phone/m2\n"
                        "done 2"});
    stage_close(&stage);
}

/* Nothing that the database answers loses a message: what it does not answer is asked for again. */
static void an_answer_that_is_none(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"}, {"chat alice:phone g/x m2", ""},
         {"loaded g/x last=1 alice=1- cursor=alice:phone:1", "append g/x@1 alice:phone/m1 alice:phone/m2"},
         {"appended 2", "append-carefully g/x@1 alice:phone/m1"}, /* one answer for two */
         {"appended dup 2", "0 alice:phone sent/g/x/2/1000/m1\ndone 1\nload g/x"},
         {"loaded g/x last=2 alice=1-", "append-carefully g/x@1 alice:phone/m2\npage g/x after 1"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\ndone 2"}, {"appended 4", ""}, /* not asked for */
         {"chat alice:phone g/x m3", "append g/x@1 alice:phone/m3"}, {"chat alice:phone g/x m4", ""},
         {"chat alice:phone g/x m5", ""},
         {"appended 4", "0 alice:phone sent/g/x/4/1000/m3\ndone 3\nappend g/x@1 alice:phone/m4 alice:phone/m5"},
         {"appended 5 stale", "0 alice:phone sent/g/x/5/1000/m4\ndone 4\n" /* a group is, or is not */
                              "1 alice:phone error/g/x/m5/internal {\"message\":\"this message could not be "
                              "stored\",\"retry_after_ms\":5000}\ndone 5"});
    stage_close(&stage);
}

static void a_read_only_database_refuses_what_it_has_not(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"}, {"chat alice:phone g/x m2", ""},
         {"loaded g/x last=4 alice=1- bob=1- cursor=alice:phone:4 cursor=bob:phone:4",
          "append g/x@1 alice:phone/m1 alice:phone/m2"},
         {"appended !denied", "append-carefully g/x@1 alice:phone/m1"},
         {"appended dup 3", "0 alice:phone sent/g/x/3/1000/m1\ndone 1\nappend-carefully g/x@1 alice:phone/m2"},
         {"appended !denied", "1 alice:phone error/g/x/m2/read-only "
                              "{\"message\":\"nothing can be stored at the moment\",\"retry_after_ms\":5000}\ndone 2"});
    PLAY(&stage, {"chat alice:phone d/alice/bob m3", "load d/alice/bob+"});
    stage.told[0] = '\0';
    core_on_loaded(stage.core, stage.now_ms,
                   &(struct core_conversation){.name = SLICE("d/alice/bob"), .state = CORE_LOAD_READ_ONLY});
    assert_string_equal(stage.told,
                        "1 alice:phone error/u/bob/m3/read-only "
                        "{\"message\":\"nothing can be stored at the moment\",\"retry_after_ms\":5000}\ndone 3\n");
    stage_close(&stage);
}

static void a_lost_database_may_have_committed(void **state)
{
    (void)state;
    struct stage stage;
    both_live(&stage);
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=alice:phone:1 cursor=bob:phone:1", "append g/x@1 alice:phone/m1"},
         {"lost", ""}, {"appended 2", ""}, {"chat alice:phone g/x m2", ""}, {"wait 60000", ""}, /* too late */
         {"back", "load g/x\nscan alice:phone bob:phone"},
         {"loaded g/x last=2 alice=1- bob=1- cursor=alice:phone:1 cursor=bob:phone:1",
          "append-carefully g/x@1 alice:phone/m1"},
         {"appended dup 2", "0 alice:phone sent/g/x/2/1000/m1\ndone 1\nappend g/x@1 alice:phone/m2"},
         {"scanned bob:phone g/x 1 alice:phone g/x 1", "page g/x after 1"},
         {"page g/x 2:alice:phone/m1", "1 alice:phone sent/g/x/2/1000/m1\n"
                                       "1 bob:phone chat/g/x/2/1000/alice:phone/m1"},
         {"appended 3", "0 alice:phone sent/g/x/3/1000/m2\n"
                        "1 bob:phone chat/g/x/3/1000/alice:phone/m2\n"
                        "done 2"});
    stage_close(&stage);
}

static void full_until_it_is_answered(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.pending_items_max = 2;
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"});
    assert_false(core_is_full(stage.core));
    PLAY(&stage, {"chat alice:phone g/x m2", ""});
    assert_true(core_is_full(stage.core));
    assert_false(core_is_idle(stage.core));
    PLAY(&stage, {"nosuch g/x", "done 1\ndone 2"}); /* nobody is there to hear the error */
    assert_false(core_is_full(stage.core));
    assert_true(core_is_idle(stage.core));
    stage_close(&stage);
    stage_open(&stage);
    stage.options.pending_bytes_max = 10;
    PLAY(&stage, {"chat alice:phone g/x m1", "load g/x"});
    assert_false(core_is_full(stage.core));
    PLAY(&stage, {"chat alice:phone g/x m2", ""});
    assert_true(core_is_full(stage.core));
    PLAY(&stage, {"nosuch g/x", "done 1\ndone 2"}, {"chat alice:phone g/x m3", "load g/x"});
    assert_false(core_is_full(stage.core));
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_message_between_two),
        cmocka_unit_test(nothing_is_told_before_the_commit),
        cmocka_unit_test(a_batch_holds_what_has_gathered),
        cmocka_unit_test(one_append_per_conversation),
        cmocka_unit_test(a_batch_holds_so_many_bytes),
        cmocka_unit_test(another_batch_is_worth_it),
        cmocka_unit_test(a_message_id_is_one_message),
        cmocka_unit_test(stale_membership_is_decided_again),
        cmocka_unit_test(only_the_database_refuses),
        cmocka_unit_test(there_is_no_such),
        cmocka_unit_test(one_bad_message_does_not_stop_the_others),
        cmocka_unit_test(an_answer_that_is_none),
        cmocka_unit_test(a_read_only_database_refuses_what_it_has_not),
        cmocka_unit_test(a_lost_database_may_have_committed),
        cmocka_unit_test(full_until_it_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
