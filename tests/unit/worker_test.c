/*
 * What a worker claims, when, and what becomes of it. The stage: worker_stage.h
 * link: sync-service/push/worker.c sync-service/push/lane.c sync-service/push/provider.c
 * link: sync-service/log.c sync-service/thread.c
 */
#include "worker_stage.h"

/* ---- claiming ---- */
static void no_more_is_claimed_than_there_is_room_for(void **state)
{
    (void)state;
    begin(&ours);
    add_some(PARALLEL + 3);
    pass(1000);
    assert_int_equal(rooms, PARALLEL);
    assert_int_equal(sent_len, PARALLEL);
    int before = claims;
    pass(1000);
    assert_int_equal(claims, before); /* full */
    answer(3, 200);
    answer(4, 200);
    turn(); /* at once: there is room again */
    assert_int_equal(claims, before + 1);
    assert_int_equal(rooms, 2);
    assert_int_equal(sent_len, PARALLEL + 2);
    assert_int_equal(results_len, 2);
    assert_int_equal(state_now().under_way, PARALLEL);
    assert_int_equal(state_now().by_outcome[PUSH_SENT], 2);
    for (size_t i = 5; i < 11; i++)
        answer(i, 200);
    turn();
    before = claims;
    turn();
    assert_int_equal(claims, before); /* there was less than there is room for */
    answer(11, 200);
    turn();
    assert_int_equal(claims, before + 1); /* but what became of one may have made another */
    assert_int_equal(end(NULL), 0);
    assert_int_equal(results_len, PARALLEL + 3); /* what was under way goes back */
    assert_result("defer", 0, 0);
    assert_string_equal(results[results_len - 1].reason, "service-stopped");
}

static void it_looks_once_a_second_and_when_it_is_woken(void **state)
{
    (void)state;
    begin(&ours);
    int before = claims;
    pass(999);
    assert_int_equal(claims, before);
    pass(1);
    assert_int_equal(claims, before + 1);
    worker_wake(the_worker);
    turn();
    assert_int_equal(claims, before + 2);
    add_some(2);
    atomic_store(&is_wanted, false); /* nobody is registered */
    pass(1000);
    worker_wake(the_worker);
    turn();
    assert_int_equal(claims, before + 2);
}

static void what_is_not_written_is_kept(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    int before = claims;
    finish_status = STATUS_UNAVAILABLE;
    answer(0, 200);
    turn();
    pass(5000);
    assert_int_equal(claims, before); /* first what was sent: it could be due again */
    finish_status = STATUS_DENIED;    /* it takes no changes now */
    pass(1000);
    assert_int_equal(claims, before);
    finish_status = STATUS_OK;
    turn();
    assert_int_equal(results_len, 1);
    assert_int_equal(claims, before + 1);
    add_some(1);
    pass(1000);
    finish_status = STATUS_MALFORMED; /* it will not do better */
    answer(1, 200);
    rooms = 0;
    turn();
    assert_int_equal(rooms, PARALLEL);
}

/* ---- verdicts ---- */
static void verdicts_are_written(void **state)
{
    static const struct {
        const char *state;
        int64_t from_ms, to_ms, before_ms;
        int status;
        bool goes_on; /* there is room for another, and no reason to wait with it */
    } table[] = {{"sent", 0, 0, 0, 200, true},         {"refused", 0, 0, 0, 400, true},
                 {"gone", 0, 0, 77, 410, true},        {"failed", 0, 0, 0, 413, true},
                 {"defer", 0, 0, 0, 419, true},        {"retry", 1000, 3000, 0, 429, true},
                 {"retry", 1000, 3000, 0, 503, false}, {"held", STOPPED, STOPPED, 0, 403, false}};
    (void)state;
    for (size_t i = 0; i < LENGTH(table); i++) {
        begin(&ours);
        add_some(1);
        pass(1000);
        int before = claims;
        answer(0, table[i].status);
        turn();
        assert_int_equal(claims, before + table[i].goes_on);
        assert_int_equal(results_len, 1);
        assert_result(table[i].state, table[i].from_ms, table[i].to_ms);
        assert_int_equal(results[0].before_ms, table[i].before_ms);
        assert_int_equal(end(NULL), 0);
    }
}

static void a_later_time_that_the_other_side_names_counts(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    answer_with(0, (struct push_response){.status = 429, .retry_after_ms = 77000});
    turn();
    assert_result("retry", 77000, 77000);
}

static void a_provider_that_fails_is_left_alone_for_a_while(void **state)
{
    (void)state;
    begin(&ours);
    add_some(3);
    pass(1000);
    answer(0, 503);
    turn();
    int before = claims;
    pass(900);
    assert_int_equal(claims, before);
    pass(2100); /* 2 s, half as much again at most */
    assert_int_equal(claims, before + 1);
    answer(1, 503);
    turn();
    turn();
    assert_int_equal(claims, before + 1);
    answer(2, 200); /* it is well */
    turn();
    assert_int_equal(claims, before + 2);
}

/* ---- a wrong configuration ---- */
static void a_stopped_provider_is_tried_with_one(void **state)
{
    (void)state;
    begin(&ours);
    add_some(2);
    pass(1000);
    assert_int_equal(tells, 1);
    answer(0, 403);
    turn();
    turn();
    assert_true(told_stopped && state_now().is_stopped);
    assert_string_equal(told_reason, "key");
    assert_int_equal(tells, 2);
    add_some(5);
    int before = claims;
    pass(STOPPED); /* one is under way still: what becomes of it says enough */
    assert_int_equal(claims, before);
    answer(1, 403);
    turn();
    turn();
    assert_int_equal(tells, 2); /* nothing new */
    pass(STOPPED - 1);
    assert_int_equal(claims, before);
    pass(1);
    assert_int_equal(rooms, 1);
    assert_int_equal(sent_len, 3);
    answer(2, 404);
    turn();
    turn();
    assert_string_equal(told_reason, "path");
    pass(STOPPED);
    assert_int_equal(sent_len, 4);
    answer(3, 413); /* it was looked at: the key is good */
    turn();
    turn();
    assert_false(told_stopped || state_now().is_stopped);
    assert_int_equal(tells, 4);
    assert_int_equal(rooms, PARALLEL);
}

static void whoever_looks_at_a_wake_up_takes_the_key(void **state)
{
    static const struct {
        int status;
        bool is_looked_at;
    } table[] = {{200, true},  {400, true},  {410, true},  {413, true},
                 {401, false}, {419, false}, {429, false}, {503, false}};
    (void)state;
    for (size_t i = 0; i < LENGTH(table); i++) {
        begin(&ours);
        add_some(2);
        pass(1000);
        answer(0, 403);
        answer(1, table[i].status);
        turn();
        turn();
        assert_int_equal(state_now().is_stopped, !table[i].is_looked_at);
        assert_int_equal(end(NULL), 0);
    }
}

/* Nobody has looked at it: the next one is tried instead. */
static void what_is_refused_here_says_nothing_of_the_key(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    answer(0, 403);
    turn();
    turn();
    add_some(2);
    request_status = STATUS_MALFORMED;
    pass(STOPPED);
    assert_int_equal(results_len, 1);
    assert_int_equal(sent_len, 1);
    request_status = STATUS_OK;
    turn();
    assert_result("refused", 0, 0);
    assert_true(state_now().is_stopped);
    assert_int_equal(rooms, 1);
    assert_int_equal(sent_len, 2);
}

static void an_operator_has_it_go_on_with_the_same_key(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    answer(0, 403);
    turn();
    pass(STOPPED); /* there is nothing: a look each second */
    is_same_key = true;
    worker_reload(the_worker);
    add_some(2);
    turn(); /* at once */
    assert_false(state_now().is_stopped);
    assert_int_equal(sent_len, 3);
}

/* There was nothing to try it with when its time came: the next wake-up does not wait for as long again. */
static void a_stopped_provider_is_tried_with_the_next_there_is(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    answer(0, 403);
    turn();
    pass(STOPPED);
    assert_int_equal(sent_len, 1);
    add_some(3);
    pass(1000);
    assert_int_equal(sent_len, 2);
    pass(1000);
    assert_int_equal(sent_len, 2); /* and with one only */
}

/* ---- somebody else's push service ---- */
#define PLACE "https://push.example/a"

static void an_origin_has_its_bound(void **state)
{
    (void)state;
    begin(&foreign);
    for (int i = 0; i < 9; i++)
        add(1, 1, PLACE);
    add(1, 1, "https://other.example/b");
    pass(1000);
    turn();
    assert_int_equal(sent_len, 9); /* eight, and one to the other */
    assert_int_equal(results_len, 1);
    assert_result("defer", 1000, 2000);
    assert_string_equal(results[0].reason, "waits-for-others");
    answer(0, 200);
    turn();
    for (int i = 0; i < 2; i++)
        add(1, 1, PLACE);
    pass(1000);
    assert_int_equal(sent_len, 10);
}

static void one_that_fails_holds_up_no_other(void **state)
{
    (void)state;
    begin(&foreign);
    add(1, 1, PLACE);
    pass(1000);
    answer_with(0, (struct push_response){.status = 503, .retry_after_ms = 30000});
    turn();
    add(1, 1, PLACE);
    add(1, 1, "https://other.example/b");
    pass(10000);
    turn();
    assert_int_equal(sent_len, 2);
    assert_result("defer", 20000, 21000);
    for (int i = 0; i < PARALLEL; i++)
        add(1, 1, PLACE);
    pass(1000);
    turn(); /* those that were claimed go back, and what is behind them is claimed at once */
    add(1, 1, PLACE);
    int before = claims;
    turn();
    assert_int_equal(claims, before);
    assert_int_equal(results_len, 2 + PARALLEL);
    assert_int_equal(claimed_len, waiting_len - 1);
    pass(19000); /* 30 s after it was told to wait */
    assert_int_equal(sent_len, 3);
}

static void a_key_that_one_user_refuses_is_hers(void **state)
{
    (void)state;
    begin(&foreign);
    for (int attempt = 1; attempt <= 4; attempt++) {
        add(1, attempt, PLACE);
        pass(1000);
        answer(sent_len - 1, 401);
        turn();
        if (attempt < 4)
            assert_result("retry", attempt * MINUTE, attempt * MINUTE);
        else
            assert_result("refused", 0, 0);
    }
    assert_false(state_now().is_stopped);
}

static void a_key_that_many_refuse_is_ours(void **state)
{
    (void)state;
    begin(&foreign);
    for (int user = 1; user <= 5; user++) {
        add(user, 1, PLACE);
        pass(1000);
        answer(sent_len - 1, 401);
        turn();
    }
    assert_result("held", STOPPED, STOPPED);
    add(6, 1, PLACE);
    pass(1000);
    turn();
    assert_int_equal(sent_len, 5); /* not sent */
    worker_reload(the_worker);
    turn();
    for (int user = 7; user <= 11; user++) {
        add(user, 1, PLACE);
        pass(1000);
        answer(sent_len - 1, 401);
        turn();
        assert_result(user < 11 ? "retry" : "held", user < 11 ? MINUTE : STOPPED, user < 11 ? MINUTE : STOPPED);
    }
    assert_int_equal(sent_len, 10);
    pass(STOPPED);
    add(12, 1, PLACE);
    pass(1000);
    answer(10, 401);
    turn();
    assert_result("retry", MINUTE, MINUTE); /* and counted from the start */
}

static void what_cannot_be_asked_for_is_refused(void **state)
{
    (void)state;
    begin(&foreign);
    request_status = STATUS_MALFORMED;
    add(1, 1, "no address");
    pass(1000);
    turn();
    assert_int_equal(sent_len, 0);
    assert_result("refused", 0, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_is_claimed_than_there_is_room_for),
        TEST(it_looks_once_a_second_and_when_it_is_woken),
        TEST(what_is_not_written_is_kept),
        TEST(verdicts_are_written),
        TEST(a_later_time_that_the_other_side_names_counts),
        TEST(a_provider_that_fails_is_left_alone_for_a_while),
        TEST(a_stopped_provider_is_tried_with_one),
        TEST(a_stopped_provider_is_tried_with_the_next_there_is),
        TEST(whoever_looks_at_a_wake_up_takes_the_key),
        TEST(what_is_refused_here_says_nothing_of_the_key),
        TEST(an_operator_has_it_go_on_with_the_same_key),
        TEST(an_origin_has_its_bound),
        TEST(one_that_fails_holds_up_no_other),
        TEST(a_key_that_one_user_refuses_is_hers),
        TEST(a_key_that_many_refuse_is_ours),
        TEST(what_cannot_be_asked_for_is_refused),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
