/* Who is told of a mark: the senders of what it newly covers. The notation: core_script.h */
#include "core_script.h"

/* Alice and carol are live, and hold g/x, which has five members. */
static void five_members(struct stage *stage, uint32_t receipts_members_max)
{
    stage_open(stage);
    stage->options.flush_after_ms = stage->options.redeliver_after_ms = stage->options.redeliver_max_ms = 1000000;
    stage->options.receipts_members_max = receipts_members_max;
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready carol:pad", "scan carol:pad"}, {"scanned", "caught-up carol:pad 0"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-@1/1 carol=1-@1/1 dave=1-@1/1 erin=1-@1/1 "
          "cursor=alice:phone:1 cursor=carol:pad:1",
          ""});
}

/* This device sends until this seq. */
static void sends_to(struct stage *stage, const char *client_id, int64_t *last_seq, int64_t to_seq)
{
    while (*last_seq < to_seq) {
        char chat[40], appended[40];
        (void)snprintf(chat, sizeof chat, "chat %s g/x m", client_id);
        (void)snprintf(appended, sizeof appended, "appended %d", (int)++*last_seq);
        happen(stage, chat);
        (void)core_turn(stage->core, stage->now_ms);
        happen(stage, appended);
        (void)core_turn(stage->core, stage->now_ms);
        stage->told[0] = '\0';
    }
}

/* Carol's is the first of the last 128, or lies before them. */
static void the_last_senders_are_known(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 32);
    sends_to(&stage, "carol:pad", &last_seq, 2);
    sends_to(&stage, "alice:phone", &last_seq, 129);
    PLAY(&stage, {"read bob:phone g/x 129", "0 alice:phone read/g/x/129/bob\n0 carol:pad read/g/x/129/bob"});
    sends_to(&stage, "alice:phone", &last_seq, 130);
    PLAY(&stage, {"read bob:phone g/x 130", "0 alice:phone read/g/x/130/bob"},
         {"read dave:phone g/x 3", "senders g/x 1..3"}, {"senders g/x alice", "0 alice:phone read/g/x/3/dave"},
         {"read dave:phone g/x 4", "0 alice:phone read/g/x/4/dave"});
    stage_close(&stage);
}

static void only_what_is_newly_covered(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 32);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    sends_to(&stage, "carol:pad", &last_seq, 3);
    PLAY(&stage, {"read bob:phone g/x 2", "0 alice:phone read/g/x/2/bob"},
         {"read bob:phone g/x 3", "0 carol:pad read/g/x/3/bob"});
    stage_close(&stage);
}

static void nobody_sent_what_is_purged(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"read bob:phone g/x 6", "load g/x"},
         {"loaded g/x last=9 first=5 alice=1- bob=1-@3/3", "senders g/x 4..6"});
    stage_close(&stage);
}

static void a_lost_question_is_asked_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"read bob:phone g/x 4", "load g/x"}, {"loaded g/x last=9 alice=1- bob=1-", "senders g/x 0..4"},
         {"chat alice:phone g/x m10", "append g/x@1 alice:phone/m10"}, {"lost", ""}, {"read bob:phone g/x 6", ""},
         {"back", "load g/x"},
         {"loaded g/x last=9 alice=1- bob=1-", "senders g/x 4..6\nappend-carefully g/x@1 alice:phone/m10"});
    stage_close(&stage);
}

static void a_group_is_large_above_its_bound(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 5);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    PLAY(&stage, {"read bob:phone g/x 2", "0 alice:phone read/g/x/2/bob"});
    stage_close(&stage);
    last_seq = 1;
    five_members(&stage, 4);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    PLAY(&stage, {"read bob:phone g/x 2", "0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":1}"});
    stage_close(&stage);
}

/* Alice sent 2 to 129, carol 130, the database 131: the senders of 3 to 130 are known. */
static void counts_are_of_the_last_128(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 4);
    sends_to(&stage, "alice:phone", &last_seq, 129);
    sends_to(&stage, "carol:pad", &last_seq, 130);
    PLAY(&stage, {"read bob:phone g/x 2", ""}, {"wait 1000", ""},
         {"read bob:phone g/x 3", "0 alice:phone receipts/g/x/3 {\"delivered\":1,\"read\":1}"}, {"wait 1000", ""},
         {"read bob:phone g/x 129", "0 alice:phone receipts/g/x/129 {\"delivered\":1,\"read\":1}"}, {"wait 1000", ""},
         {"read bob:phone g/x 130", "0 carol:pad receipts/g/x/130 {\"delivered\":1,\"read\":1}"}, {"wait 1000", ""},
         {"changed g/x", "load g/x"},
         {"loaded g/x last=131 alice=1- bob=1- carol=1- dave=1- erin=1-", "page g/x after 130"},
         {"read erin:phone g/x 3", "0 alice:phone receipts/g/x/3 {\"delivered\":2,\"read\":2}"}, {"wait 1000", ""},
         {"read dave:phone g/x 131", "0 carol:pad receipts/g/x/130 {\"delivered\":2,\"read\":2}\n"
                                     "0 alice:phone receipts/g/x/129 {\"delivered\":2,\"read\":2}"});
    stage_close(&stage);
}

/* What moves within a second is told as one: from the lowest to the highest. */
static void counts_gather(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 4);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    PLAY(&stage, {"read dave:phone g/x 2", "0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":1}"});
    assert_int_equal(core_turn(stage.core, stage.now_ms), stage.now_ms + 1000);
    sends_to(&stage, "carol:pad", &last_seq, 3);
    PLAY(&stage, {"read bob:phone g/x 3", ""}, {"read dave:phone g/x 3", ""}, {"read erin:phone g/x 2", ""},
         {"wait 1000", "0 carol:pad receipts/g/x/3 {\"delivered\":2,\"read\":2}\n"
                       "0 alice:phone receipts/g/x/2 {\"delivered\":3,\"read\":3}"},
         {"wait 1000", ""}, {"ack erin:phone g/x 3", "done 7\n0 carol:pad receipts/g/x/3 {\"delivered\":3,\"read\":2}"},
         {"wait 1000", ""}, /* and where it was delivered before: */
         {"read erin:phone g/x 3", "0 carol:pad receipts/g/x/3 {\"delivered\":3,\"read\":3}"});
    sends_to(&stage, "alice:phone", &last_seq, 4);
    sends_to(&stage, "carol:pad", &last_seq, 5);
    PLAY(&stage, {"wait 1000", ""},
         {"read bob:phone g/x 4", "0 alice:phone receipts/g/x/4 {\"delivered\":1,\"read\":1}"},
         {"read dave:phone g/x 5", ""}, {"read bob:phone g/x 5", ""},
         {"wait 1000", "0 carol:pad receipts/g/x/5 {\"delivered\":2,\"read\":2}\n"
                       "0 alice:phone receipts/g/x/4 {\"delivered\":2,\"read\":2}"});
    stage_close(&stage);
}

static void counts_of_read_are_told_once(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 4);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    PLAY(&stage, {"read dave:phone g/x 2", "0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":1}"});
    sends_to(&stage, "carol:pad", &last_seq, 3);
    PLAY(&stage, {"ack bob:phone g/x 3", "done 4"}, {"read bob:phone g/x 2", ""},
         {"wait 1000", "0 carol:pad receipts/g/x/3 {\"delivered\":1,\"read\":0}\n"
                       "0 alice:phone receipts/g/x/2 {\"delivered\":2,\"read\":2}"});
    stage_close(&stage);
}

static void counts_are_not_for_who_has_left(void **state)
{
    (void)state;
    struct stage stage;
    int64_t last_seq = 1;
    five_members(&stage, 3);
    sends_to(&stage, "alice:phone", &last_seq, 2);
    sends_to(&stage, "carol:pad", &last_seq, 3);
    PLAY(&stage, {"changed g/x", "load g/x"},
         {"loaded g/x last=3 version=2 alice=1- bob=1- carol=1-3 dave=1- erin=1-", ""},
         {"read bob:phone g/x 3", "0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":1}"});
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_senders_are_known),
        cmocka_unit_test(only_what_is_newly_covered),
        cmocka_unit_test(nobody_sent_what_is_purged),
        cmocka_unit_test(a_lost_question_is_asked_again),
        cmocka_unit_test(a_group_is_large_above_its_bound),
        cmocka_unit_test(counts_are_of_the_last_128),
        cmocka_unit_test(counts_gather),
        cmocka_unit_test(counts_of_read_are_told_once),
        cmocka_unit_test(counts_are_not_for_who_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
