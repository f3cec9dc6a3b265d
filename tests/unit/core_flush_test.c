/* Marks on their way to the database: under way, failed, of what is not loaded. The notation: core_script.h */
#include "core_script.h"

#define D      "d/alice/bob"
#define THREE  "loaded " D " last=3 alice=1- bob=1-@3/1 cursor=bob:phone:3 cursor=bob:tab:3"
#define FAILED "log 4 marks could not be flushed: internal"

/* Bob's phone and tab are live and hold all of D. */
static void both_hold_three(struct stage *stage)
{
    stage_open(stage);
    PLAY(stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"ready bob:tab", "scan bob:tab"}, {"scanned", "caught-up bob:tab 0"}, {"changed " D, "load " D}, {THREE, ""});
}

static void the_first_that_moved_says_when(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"ack bob:pad " D " 1", "done 1"}, {"wait 300", ""}, {"ack bob:watch " D " 2", "done 2"},
         {"wait 199", ""}, {"wait 1", "flush bob:pad@" D "=1 bob:watch@" D "=2"}, {"flushed!", FAILED},
         {"wait 499", ""}, {"wait 1", "flush bob:pad@" D "=1 bob:watch@" D "=2"}, {"flushed", ""});
    assert_true(core_is_flushed(stage.core));
    stage_close(&stage);
}

static void the_last_piece_is_a_piece(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    stage_close(&stage);
    stage.options.flush_marks_max = 1;
    PLAY(&stage, {"read bob:pad " D " 2", "load " D}, {"loaded " D " last=3 alice=1- bob=1-@1/1", ""},
         {"wait 500", "flush bob@" D "=2/2"}, {"ready alice:phone", ""}, /* her scan is to see both */
         {"flushed", "flush bob:pad@" D "=2\nscan alice:phone"}, {"flushed", "done 1"});
    stage_close(&stage);
}

/* The same again while it is under way is kept in the journal until that is stored. */
static void what_moves_nothing_waits_for_what_does(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"read bob:phone " D " 2", "0 bob:tab read/u/alice/2/bob"}, {"wait 500", "flush bob@" D "=3/2"},
         {"read bob:phone " D " 2", ""}, {"flushed!", FAILED}, {"removed bob:tab", ""},
         {"wait 500", "flush bob@" D "=3/2"}, {"flushed", "done 1\ndone 2"}, {"read bob:phone " D " 2", "done 3"});
    stage_close(&stage);
}

/* A load that does not see what has moved takes nothing back: neither what is under way nor what has failed. */
static void a_load_takes_nothing_back(void **state)
{
    (void)state;
    for (int has_failed = 0; has_failed < 2; has_failed++) {
        struct stage stage;
        stage_open(&stage);
        PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
             {"ready bob:phone", "scan bob:phone"},
             {"scanned "
              "bob:phone " D " 0",
              "load " D},
             {"loaded " D " last=3 alice=1- bob=1- cursor=alice:phone:3", "page " D " after 0"},
             {"page " D " 1:alice:phone/m1 2:alice:phone/m2 3:alice:phone/m3",
              "1 bob:phone chat/u/alice/1/1000/alice:phone/m1\n"
              "1 bob:phone chat/u/alice/2/1000/alice:phone/m2\n"
              "1 bob:phone chat/u/alice/3/1000/alice:phone/m3\ncaught-up bob:phone 3"},
             {"read bob:phone " D " 2", "0 alice:phone read/u/bob/2/bob"}, {"lost", ""},
             {"back", "flush bob:phone@" D "=2 bob@" D "=2/2\nscan alice:phone bob:phone"});
        if (has_failed)
            PLAY(&stage, {"flushed!", FAILED});
        PLAY(&stage, {"scanned bob:phone " D " 0", "load " D},
             {"loaded " D " last=3 alice=1- bob=1- cursor=alice:phone:3", "page " D " after 2"},
             {"page " D " 3:alice:phone/m3", "1 bob:phone chat/u/alice/3/1000/alice:phone/m3"},
             {"read bob:tab " D " 2", ""}); /* is told already */
        stage_close(&stage);
    }
}

static void a_load_takes_no_delivered_back(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ack bob:pad " D " 2", "done 1\nload " D},
         {"loaded " D " last=3 alice=1- bob=1- cursor=alice:phone:3", "0 alice:phone delivered/u/bob/2/bob"},
         {"lost", ""}, {"back", "flush bob:pad@" D "=2 bob@" D "=2/0\nscan alice:phone"},
         {"ack bob:tab " D " 2", "done 2\nload " D}, {"loaded " D " last=3 alice=1- bob=1- cursor=alice:phone:3", ""});
    stage_close(&stage);
}

static void a_load_takes_no_rewind_back(void **state)
{
    (void)state;
    for (int has_failed = 0; has_failed < 2; has_failed++) {
        struct stage stage;
        both_hold_three(&stage);
        PLAY(&stage, {"rewind bob:phone " D " 1", "page " D " after 1"}, {"lost", ""},
             {"back", "flush bob:phone@" D ":=1\nscan bob:phone bob:tab"});
        if (has_failed)
            PLAY(&stage, {"flushed!", FAILED});
        PLAY(&stage, {"changed " D, "load " D}, {THREE, ""}, {"scanned", "page " D " after 1"});
        stage_close(&stage);
    }
}

/* Its scan was to see it, and could not; what is at hand knows better than the database. */
static void a_rewind_that_failed_is_scanned_for_again(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"rewind bob:phone " D " 1", "page " D " after 1"},
         {"read bob:tab " D " 2", "0 bob:phone read/u/alice/2/bob"}, {"lost", ""},
         {"back", "flush bob:phone@" D ":=1 bob@" D "=3/2\nscan bob:phone bob:tab"}, {"flushed!", FAILED},
         {"scanned", ""}, {"wait 500", "flush bob:phone@" D ":=1 bob@" D "=3/2"},
         {"flushed", "done 1\ndone 2\nscan bob:phone"}, {"scanned bob:phone " D " 1", "load " D},
         {"loaded " D " last=3 alice=1- bob=1-@3/2 cursor=bob:phone:1 cursor=bob:tab:3", "page " D " after 1"});
    stage_close(&stage);
    both_hold_three(&stage);
    PLAY(&stage, {"rewind bob:phone " D " 1", "page " D " after 1"}, {"wait 500", "flush bob:phone@" D ":=1"},
         {"flushed!", FAILED}, {"wait 500", "flush bob:phone@" D ":=1"}, {"flushed", "done 1"});
    stage_close(&stage);
    both_hold_three(&stage); /* nor where it did not fail, or is none */
    PLAY(&stage, {"rewind bob:phone " D " 1", "page " D " after 1"}, {"lost", ""},
         {"back", "flush bob:phone@" D ":=1\nscan bob:phone bob:tab"}, {"flushed", "done 1"});
    stage_close(&stage);
    both_hold_three(&stage);
    PLAY(&stage, {"ack bob:pad " D " 2", "done 1"}, {"lost", ""}, {"ready bob:pad", ""},
         {"back", "flush bob:pad@" D "=2\nscan bob:phone bob:tab bob:pad"}, {"flushed!", FAILED},
         {"scanned", "caught-up bob:pad 0"}, {"wait 500", "flush bob:pad@" D "=2"}, {"flushed", ""});
    stage_close(&stage);
}

/* Of a device that is not live when it rewinds, where others have the conversation loaded. */
static void a_rewind_that_failed_is_not_taken_to_be_held(void **state)
{
    (void)state;
    for (int is_under_way = 0; is_under_way < 2; is_under_way++) {
        struct stage stage;
        both_hold_three(&stage);
        PLAY(&stage, {"rewind bob:pad " D " 1", ""}, {"ready bob:pad", "flush bob:pad@" D ":=1\nscan bob:pad"},
             {"flushed!", FAILED});
        if (is_under_way)
            PLAY(&stage, {"wait 500", "flush bob:pad@" D ":=1"});
        PLAY(&stage, {"scanned", "page " D " after 1"});
        stage_close(&stage);
    }
}

static void what_failed_goes_under_what_moved_since(void **state)
{
    (void)state;
    static const struct {
        const char *first, *flushed, *then, *again;
    } cases[] = {
        {"rewind bob:pad " D " 2", "flush bob:pad@" D ":=2", "rewind bob:pad " D " 1", "flush bob:pad@" D ":=1"},
        {"rewind bob:pad " D " 1", "flush bob:pad@" D ":=1", "rewind bob:pad " D " 2", "flush bob:pad@" D ":=2"},
        {"rewind bob:pad " D " 1", "flush bob:pad@" D ":=1", "ack bob:pad " D " 2", "flush bob:pad@" D ":=2"},
        {"ack bob:pad " D " 2", "flush bob:pad@" D "=2", "rewind bob:pad " D " 1", "flush bob:pad@" D ":=1"},
        {"ack bob:pad " D " 1", "flush bob:pad@" D "=1", "ack bob:pad " D " 2", "flush bob:pad@" D "=2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stage stage;
        both_hold_three(&stage);
        happen(&stage, cases[i].first);
        PLAY(&stage, {"wait 500", cases[i].flushed});
        happen(&stage, cases[i].then);
        PLAY(&stage, {"flushed!", FAILED}, {"wait 500", cases[i].again});
        stage_close(&stage);
    }
}

static void a_removed_device_takes_its_own_marks_along(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"rewind bob:pad " D " 1", ""}, {"removed bob:pad", "done 1"}, /* nothing is left to be stored */
         {"ack bob:watch " D " 1", "done 2"}, {"rewind bob:pad " D " 1", ""}, {"removed bob:pad", ""},
         {"wait 500", "flush bob:watch@" D "=1"});
    uint64_t flush = core_flush_now(stage.core, stage.now_ms);
    PLAY(&stage, {"rewind bob:pad " D " 1", ""}, {"removed bob:pad", ""}, {"flushed", "done 3\ndone 4"});
    assert_true(core_is_flushed_to(stage.core, flush));
    stage_close(&stage);
}

/* It moved before the barrier, and was not known to: the conversation was not loaded. */
static void a_barrier_sees_what_waits_for_a_load(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"read bob:pad d/bob/carol 1", "load d/bob/carol"});
    uint64_t flush = core_flush_now(stage.core, stage.now_ms);
    assert_false(core_is_flushed_to(stage.core, flush));
    PLAY(&stage,
         {"loaded d/bob/carol last=1 bob=1- carol=1- cursor=bob:phone:1 cursor=bob:tab:1",
          "0 bob:phone,bob:tab read/u/carol/1/bob"},
         {"wait 500", "flush bob:pad@d/bob/carol=1 bob@d/bob/carol=1/1"}, {"ack bob:pad " D " 1", "done 2"});
    assert_false(core_is_flushed_to(stage.core, flush));
    PLAY(&stage, {"flushed", "done 1"});
    assert_true(core_is_flushed_to(stage.core, flush));
    PLAY(&stage, {"wait 500", "flush bob:pad@" D "=1"});
    flush = core_flush_now(stage.core, stage.now_ms); /* what is under way is all */
    PLAY(&stage, {"ack bob:pad " D " 2", "done 3"}, {"flushed", ""});
    assert_true(core_is_flushed_to(stage.core, flush));
    stage_close(&stage);
}

/* What had moved is forgotten with its device: nothing is left to wait for. */
static void a_barrier_does_not_wait_for_the_removed(void **state)
{
    (void)state;
    struct stage stage;
    both_hold_three(&stage);
    PLAY(&stage, {"ack bob:watch " D " 1", "done 1"}, {"wait 500", "flush bob:watch@" D "=1"},
         {"ack bob:pad " D " 1", "done 2"});
    uint64_t flush = core_flush_now(stage.core, stage.now_ms);
    PLAY(&stage, {"removed bob:pad", ""});
    assert_false(core_is_flushed_to(stage.core, flush));
    PLAY(&stage, {"flushed", ""});
    assert_true(core_is_flushed_to(stage.core, flush));
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_moved_says_when),
        cmocka_unit_test(the_last_piece_is_a_piece),
        cmocka_unit_test(what_moves_nothing_waits_for_what_does),
        cmocka_unit_test(a_load_takes_nothing_back),
        cmocka_unit_test(a_load_takes_no_delivered_back),
        cmocka_unit_test(a_load_takes_no_rewind_back),
        cmocka_unit_test(a_rewind_that_failed_is_scanned_for_again),
        cmocka_unit_test(a_rewind_that_failed_is_not_taken_to_be_held),
        cmocka_unit_test(what_failed_goes_under_what_moved_since),
        cmocka_unit_test(a_removed_device_takes_its_own_marks_along),
        cmocka_unit_test(a_barrier_sees_what_waits_for_a_load),
        cmocka_unit_test(a_barrier_does_not_wait_for_the_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
