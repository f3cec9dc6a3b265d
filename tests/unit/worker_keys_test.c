/*
 * Keys and credentials of a worker: without them nothing is claimed. The stage: worker_stage.h
 * link: sync-service/push/worker.c sync-service/push/lane.c sync-service/push/provider.c
 * link: sync-service/log.c sync-service/thread.c
 */
#include "worker_stage.h"

/* ---- credentials ---- */
static void without_a_credential_nothing_is_claimed(void **state)
{
    (void)state;
    begin(&with_credential);
    assert_int_equal(sent_len, 1); /* for the first one */
    turn();
    assert_int_equal(sent_len, 1); /* one at a time */
    request_status = STATUS_STALE;
    add_some(2);
    pass(1000);
    turn();
    assert_int_equal(results_len, 2);
    assert_result("defer", 2000, 2000);
    assert_string_equal(results[0].reason, "no-credential");
    add_some(1);
    int before = claims;
    pass(5000);
    assert_int_equal(claims, before);
    request_status = STATUS_OK;
    credential_status = STATUS_NOT_FOUND; /* when this one is there, none is due */
    answer(0, 200);
    turn();
    assert_int_equal(claims, before + 1);
    assert_int_equal(sent_len, 2);
    int asks = credential_asks;
    turn();
    assert_int_equal(credential_asks, asks); /* whether one is due is asked once a second */
    pass(1000);
    assert_int_equal(credential_asks, asks + 1);
    assert_int_equal(sent_len, 2);
    request_status = STATUS_STALE;
    add_some(1);
    pass(1000);
    request_status = STATUS_OK;
    worker_reload(the_worker); /* it is another provider: what the old one lacked is nothing */
    answer(1, 200);
    turn();
    add_some(1);
    pass(1000);
    assert_int_equal(sent_len, 3);
}

static void a_credential_is_asked_for_again(void **state)
{
    (void)state;
    begin(&with_credential);
    answer(0, 503);
    turn();
    pass(3000);
    assert_int_equal(sent_len, 1); /* 8 s, half as much at least */
    pass(10000);
    assert_int_equal(sent_len, 2);
    answer(1, 403);
    turn();
    turn();
    assert_true(state_now().is_stopped);
    pass(STOPPED - 1);
    assert_int_equal(sent_len, 2);
    pass(1);
    assert_int_equal(sent_len, 3);
    answer_with(2, (struct push_response){.status = 503, .retry_after_ms = 60000});
    turn();
    pass(59999);
    assert_int_equal(sent_len, 3);
    pass(1);
    assert_int_equal(sent_len, 4);
}

static void who_was_stopped_for_want_of_a_credential_goes_on_with_it(void **state)
{
    (void)state;
    begin(&with_credential);
    request_status = STATUS_STALE;
    add_some(1);
    pass(1000);
    answer(0, 403);
    turn();
    pass(STOPPED);
    assert_true(state_now().is_stopped);
    request_status = STATUS_OK;
    credential_status = STATUS_NOT_FOUND;
    add_some(1);
    answer(1, 200);
    turn();
    assert_false(state_now().is_stopped);
    assert_int_equal(sent_len, 3);
}

/* ---- keys ---- */
static void keys_are_read_again_with_nothing_under_way(void **state)
{
    (void)state;
    begin(&ours);
    add_some(1);
    pass(1000);
    worker_reload(the_worker);
    add_some(1);
    pass(1000);
    assert_int_equal(opens, 1);
    assert_int_equal(sent_len, 1); /* and nothing new is begun */
    answer(0, 200);
    turn();
    assert_int_equal(opens, 2);
    assert_int_equal(closes, 1);
    assert_int_equal(tells, 2);
    assert_int_equal(sent_len, 2);
    answer(1, 200);
    turn();
    is_same_key = true; /* then what it has of it stays */
    worker_reload(the_worker);
    turn();
    assert_int_equal(opens, 3);
    assert_int_equal(closes, 2);
    assert_int_equal(tells, 2);
    open_status = STATUS_MALFORMED; /* the old one may still be good */
    worker_reload(the_worker);
    add_some(1);
    pass(1000);
    assert_false(state_now().is_stopped);
    assert_int_equal(sent_len, 3);
}

static void without_keys_it_is_stopped(void **state)
{
    (void)state;
    open_status = STATUS_NOT_FOUND;
    begin(&ours);
    add_some(1);
    pass(1000);
    assert_int_equal(claims, 0);
    assert_true(told_stopped);
    assert_string_equal(told_reason, "keys-not-read");
    open_status = STATUS_OK;
    worker_reload(the_worker);
    turn();
    assert_false(told_stopped);
    assert_int_equal(sent_len, 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_credential_nothing_is_claimed),
        TEST(a_credential_is_asked_for_again),
        TEST(who_was_stopped_for_want_of_a_credential_goes_on_with_it),
        TEST(keys_are_read_again_with_nothing_under_way),
        TEST(without_keys_it_is_stopped),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
