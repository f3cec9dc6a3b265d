/* Blocks, requests, and reads that are not shared. The notation: core_script.h */
#include "core_script.h"

/* Alice and bob are live in their direct conversation, and have taken 3 items. */
#define LOADED  "loaded d/alice/bob last=3 alice=1-@2/2 bob=1-@2/2 "
#define CURSORS "cursor=alice:phone:3 cursor=bob:phone:3 cursor=bob:tab:3 "

static void both_live(struct stage *stage, const char *loaded)
{
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, {"ready bob:tab", "scan bob:tab"},
         {"scanned", "caught-up bob:tab 0"}, {"changed d/alice/bob", "load d/alice/bob"}, {loaded, ""});
}

static void what_the_blocked_one_says_is_withheld(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS "blocks=alice:3- version=2");
    PLAY(&stage, {"chat bob:phone d/alice/bob m4", "append d/alice/bob@2 bob:phone/m4"},
         {"appended 4", "0 bob:phone sent/u/alice/4/1000/m4\n"
                        "1 alice:phone event/u/bob/4/1000/-/withheld\n"
                        "1 bob:tab chat/u/alice/4/1000/bob:phone/m4\ndone 1"},
         {"ack alice:phone d/alice/bob 4", "done 2"}, /* nobody hears of that */
         {"read bob:tab d/alice/bob 4", "0 bob:phone read/u/alice/4/bob"},
         {"chat alice:phone d/alice/bob m5", "append d/alice/bob@2 alice:phone/m5"},
         {"appended 5", "0 alice:phone sent/u/bob/5/1000/m5\n"
                        "1 bob:phone,bob:tab chat/u/alice/5/1000/alice:phone/m5\ndone 4"});
    stage_close(&stage);
}

static void from_the_log_too(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned alice:phone d/alice/bob 0", "load d/alice/bob"},
         {"loaded d/alice/bob last=5 alice=1- bob=1- blocks=alice:2-3,5-", "page d/alice/bob after 0"},
         {"page d/alice/bob 1:bob:phone/m1 2:bob:phone/m2 3:alice:tab/m3 4:bob:phone/m4 5:message-deleted",
          "1 alice:phone chat/u/bob/1/1000/bob:phone/m1\n"
          "1 alice:phone event/u/bob/2/1000/-/withheld\n"
          "1 alice:phone chat/u/bob/3/1000/alice:tab/m3\n"
          "1 alice:phone chat/u/bob/4/1000/bob:phone/m4\n"
          "1 alice:phone event/u/bob/5/1000/-/message-deleted\n" /* by an administrator */
          "caught-up alice:phone 5"});
    stage_close(&stage);
}

static void an_append_that_did_not_know_is_asked_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS);
    PLAY(&stage, {"chat bob:phone d/alice/bob m4", "append d/alice/bob@1 bob:phone/m4"},
         {"appended stale", "load d/alice/bob"},
         {LOADED CURSORS "blocks=alice:4- version=2", "append d/alice/bob@2 bob:phone/m4"},
         {"appended 4", "0 bob:phone sent/u/alice/4/1000/m4\n"
                        "1 alice:phone event/u/bob/4/1000/-/withheld\n"
                        "1 bob:tab chat/u/alice/4/1000/bob:phone/m4\ndone 1"});
    stage_close(&stage);
}

static void a_careful_one_that_did_not_know_is_read_from_the_log(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS);
    PLAY(&stage, {"chat bob:phone d/alice/bob m4", "append d/alice/bob@1 bob:phone/m4"},
         {"appended !exists", "append-carefully d/alice/bob@1 bob:phone/m4"},
         {"appended 4@2", "0 bob:phone sent/u/alice/4/1000/m4\ndone 1\nload d/alice/bob"},
         {"loaded d/alice/bob last=4 alice=1-@2/2 bob=1-@2/2 " CURSORS "blocks=alice:4- version=2",
          "page d/alice/bob after 3"},
         {"page d/alice/bob 4:bob:phone/m4", "1 bob:phone sent/u/alice/4/1000/m4\n"
                                             "1 alice:phone event/u/bob/4/1000/-/withheld\n"
                                             "1 bob:tab chat/u/alice/4/1000/bob:phone/m4"});
    stage_close(&stage);
}

static void it_may_be_refused_instead(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.refuses_blocked = true;
    both_live(&stage, LOADED CURSORS "blocks=alice:3-");
    PLAY(&stage, {"chat bob:phone d/alice/bob m4", "append-carefully d/alice/bob@1 bob:phone/m4"},
         {"appended blocked",
          "1 bob:phone error/u/alice/m4/blocked {\"message\":\"this user does not take messages from you\"}\ndone 1"},
         {"chat bob:phone d/alice/bob m2", "append-carefully d/alice/bob@1 bob:phone/m2"},
         {"appended dup 2", "0 bob:phone sent/u/alice/2/1000/m2\ndone 2"}, /* from before */
         {"chat alice:phone d/alice/bob m5", "append d/alice/bob@1 alice:phone/m5"});
    stage_close(&stage);
}

static void nothing_more_goes_into_a_full_inbox(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS "full=alice");
    PLAY(&stage, {"chat bob:phone d/alice/bob m4", "append-carefully d/alice/bob@1 bob:phone/m4"},
         {"appended full", "1 bob:phone error/u/alice/m4/quota-exceeded {\"message\":\"too much waits for this user\","
                           "\"retry_after_ms\":60000}\ndone 1"},
         {"chat bob:phone d/alice/bob m2", "append-carefully d/alice/bob@1 bob:phone/m2"},
         {"appended dup 2", "0 bob:phone sent/u/alice/2/1000/m2\ndone 2"}, /* from before */
         {"chat bob:phone d/alice/bob m5", "append-carefully d/alice/bob@1 bob:phone/m5"},
         {"appended 4",
          "0 bob:phone sent/u/alice/4/1000/m5\n" /* she has got some just now */
          "1 alice:phone chat/u/bob/4/1000/bob:phone/m5\n1 bob:tab chat/u/alice/4/1000/bob:phone/m5\ndone 3"},
         {"chat bob:phone d/alice/bob m6", "append-carefully d/alice/bob@1 bob:phone/m6"},
         {"appended gone", /* an administrator has removed her */
          "1 bob:phone error/u/alice/m6/no-such-user {\"message\":\"there is no such user\"}\ndone 4"},
         {"chat alice:phone d/alice/bob m7", "append d/alice/bob@1 alice:phone/m7"}); /* she may write */
    stage_close(&stage);
}

static void marks_are_told_when_it_is_over(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS "blocks=alice:3-");
    PLAY(&stage, {"read alice:phone d/alice/bob 3", ""}, {"typing bob:phone d/alice/bob", ""},
         {"typing alice:phone d/alice/bob", ""}, {"changed d/alice/bob", "load d/alice/bob"},
         {LOADED "blocks=alice:3-3", "0 bob:phone,bob:tab read/u/alice/2/bob\n0 alice:phone read/u/bob/2/bob\n"
                                     "0 bob:phone,bob:tab read/u/alice/2/alice"}, /* 3 was never delivered */
         {"typing bob:phone d/alice/bob", "0 alice:phone typing/u/bob/bob:phone"});
    stage_close(&stage);
}

static void nothing_is_told_of_a_request(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS "asked=alice");
    PLAY(&stage, {"typing bob:phone d/alice/bob", ""}, {"read alice:phone d/alice/bob 3", ""},
         {"chat bob:phone d/alice/bob m4", "append d/alice/bob@1 bob:phone/m4"},
         {"appended 4", "0 bob:phone sent/u/alice/4/1000/m4\n"
                        "1 alice:phone chat/u/bob/4/1000/bob:phone/m4\n"
                        "1 bob:tab chat/u/alice/4/1000/bob:phone/m4\ndone 2"},
         {"chat alice:phone d/alice/bob m6", "append-carefully d/alice/bob@1 alice:phone/m6"}, /* who answers accepts */
         {"appended 6@2", "0 alice:phone sent/u/bob/6/1000/m6\ndone 3\nload d/alice/bob"},
         {"loaded d/alice/bob last=6 alice=1- bob=1- version=2",
          "0 bob:phone,bob:tab read/u/alice/2/bob\n0 alice:phone read/u/bob/2/bob\n"
          "0 bob:phone,bob:tab read/u/alice/3/alice\npage d/alice/bob after 4"});
    stage_close(&stage);
}

static void the_load_knows_who_begins(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"changed d/alice/bob", "load d/alice/bob"}, {"loaded d/alice/bob last=0 alice=1- bob=1-", ""},
         {"chat bob:phone d/alice/bob m1", "load d/alice/bob+"},
         {"loaded d/alice/bob last=1 alice=1- bob=1- asked=alice version=2",
          "append d/alice/bob@2 bob:phone/m1\npage d/alice/bob after 0"});
    stage_close(&stage);
}

static void reads_that_are_not_shared_are_told_as_delivered(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    both_live(&stage, LOADED CURSORS "hides=alice");
    PLAY(&stage, {"read alice:phone d/alice/bob 3", "0 bob:phone,bob:tab delivered/u/alice/3/alice"},
         {"read bob:phone d/alice/bob 3", "0 bob:tab read/u/alice/3/bob\n0 alice:phone delivered/u/bob/3/bob"});
    stage_close(&stage);
}

static void in_groups_they_are_hers_alone(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"chat alice:phone g/x m2", "load g/x"},
         {"loaded g/x last=1 alice=1-@1/1 bob=1-@1/1 cursor=alice:phone:1 cursor=bob:phone:1 hides=bob",
          "append g/x@1 alice:phone/m2"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m2\n1 bob:phone chat/g/x/2/1000/alice:phone/m2\ndone 1"},
         {"read bob:phone g/x 2", "0 alice:phone delivered/g/x/2/bob"},
         {"chat bob:phone g/x m3", "append g/x@1 bob:phone/m3"},
         {"appended 3", "0 bob:phone sent/g/x/3/1000/m3\n1 alice:phone chat/g/x/3/1000/bob:phone/m3\ndone 3"},
         {"read alice:phone g/x 3", "0 bob:phone read/g/x/3/alice"});
    stage_close(&stage);
}

static void typing_in_a_large_group_is_for_who_has_it_open(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.receipts_members_max = 2;
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, {"ready bob:tab", "scan bob:tab"},
         {"scanned", "caught-up bob:tab 0"}, {"open bob:tab g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- carol=1- cursor=alice:phone:1 cursor=bob:phone:1 cursor=bob:tab:1", ""},
         {"typing alice:phone g/x", "0 bob:tab typing/g/x/alice:phone"}, {"open bob:phone g/x", ""},
         {"open alice:phone g/x", ""}, {"typing alice:phone g/x", "0 bob:tab,bob:phone typing/g/x/alice:phone"},
         {"close bob:tab g/x", ""}, {"typing alice:phone g/x", "0 bob:phone typing/g/x/alice:phone"},
         {"changed g/x", "load g/x"}, {"loaded g/x last=2 alice=1- bob=1-2 carol=1- dave=1-", "page g/x after 1"},
         {"typing alice:phone g/x", ""}, /* bob has left */
         {"close dave:phone g/y", ""}, {"gone alice:phone", ""}, {"open alice:phone g/x", ""},
         {"typing carol:phone g/x", ""}); /* it is not live */
    stage_close(&stage);
}

/* It ends with the session, not with what was loaded. */
static void what_is_on_the_screen_stays_when_the_database_was_away(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.receipts_members_max = 2;
    PLAY(&stage, {"ready bob:tab", "scan bob:tab"}, {"scanned", "caught-up bob:tab 0"},
         {"open bob:tab g/x", "load g/x"}, {"loaded g/x last=1 alice=1- bob=1- carol=1- cursor=bob:tab:1", ""},
         {"open bob:tab g/y", "load g/y"}, {"loaded g/y last=1 alice=1- bob=1- carol=1- cursor=bob:tab:1", ""},
         {"close bob:tab g/y", ""}, {"lost", ""}, {"open bob:tab g/z", ""}, {"back", "scan bob:tab"}, {"scanned", ""},
         {"typing alice:phone g/x", "load g/x"}, {"loaded g/x last=1 alice=1- bob=1- carol=1- cursor=bob:tab:1", ""},
         {"typing alice:phone g/x", "0 bob:tab typing/g/x/alice:phone"}, {"typing alice:phone g/y", "load g/y"},
         {"loaded g/y last=1 alice=1- bob=1- carol=1- cursor=bob:tab:1", ""}, {"typing alice:phone g/y", ""},
         {"typing alice:phone g/z", "load g/z"}, {"loaded g/z last=1 alice=1- bob=1- carol=1- cursor=bob:tab:1", ""},
         {"typing alice:phone g/z", "0 bob:tab typing/g/z/alice:phone"}, {"gone bob:tab", ""},
         {"ready bob:tab", "scan bob:tab"}, {"scanned", "caught-up bob:tab 0"}, {"typing alice:phone g/x", ""});
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_blocked_one_says_is_withheld),
        cmocka_unit_test(nothing_more_goes_into_a_full_inbox),
        cmocka_unit_test(from_the_log_too),
        cmocka_unit_test(an_append_that_did_not_know_is_asked_again),
        cmocka_unit_test(a_careful_one_that_did_not_know_is_read_from_the_log),
        cmocka_unit_test(it_may_be_refused_instead),
        cmocka_unit_test(marks_are_told_when_it_is_over),
        cmocka_unit_test(nothing_is_told_of_a_request),
        cmocka_unit_test(the_load_knows_who_begins),
        cmocka_unit_test(reads_that_are_not_shared_are_told_as_delivered),
        cmocka_unit_test(in_groups_they_are_hers_alone),
        cmocka_unit_test(typing_in_a_large_group_is_for_who_has_it_open),
        cmocka_unit_test(what_is_on_the_screen_stays_when_the_database_was_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
