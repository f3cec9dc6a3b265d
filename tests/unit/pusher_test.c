/*
 * Who is looked at for a push notification, and when. The stage: pusher_stage.h
 * link: sync-service/push/pusher.c sync-service/log.c sync-service/thread.c
 */
#include "pusher_stage.h"

/* ---- the grace ---- */
static void what_is_noted_is_looked_at_after_its_grace(void **state)
{
    (void)state;
    say_in(7, 7);
    assert_int_equal(wait_ms, 1000);
    leave(8);
    pass(LOOK_MS - 1);
    assert_int_equal(evaluations, 0);
    assert_int_equal(wait_ms, 1);
    pass(1);
    assert_int_equal(evaluations, 1);
    assert_true(conversations_len == 1 && conversation_ids[0] == 7 && devices_len == 1 && device_ids[0] == 8);
    pass(LOOK_MS);
    assert_int_equal(evaluations, 1);
}

static void what_is_noted_again_is_looked_at_again(void **state)
{
    (void)state;
    say_in(7, 7);
    time_ms += 1000;
    say_in(7, 7);
    pass(LOOK_MS - 1000);
    assert_int_equal(evaluations, 1);
    pass(LOOK_MS - 1);
    assert_int_equal(evaluations, 1);
    pass(1);
    assert_int_equal(evaluations, 2);
    assert_int_equal(conversation_ids[0], 7);
}

static void no_question_is_too_long(void **state)
{
    (void)state;
    say_in(1, BATCH + 1);
    for (int64_t id = 1000; id < 1000 + BATCH + 1; id++)
        pusher_note_gone(the_pusher, &id, 1);
    turn();
    pass(LOOK_MS);
    assert_int_equal(evaluations, 3);
    assert_true(conversations_len == 0 && devices_len == 1 && device_ids[0] == 1000 + BATCH);
}

static void nobody_is_noted_where_nobody_is_registered(void **state)
{
    (void)state;
    struct pusher_state now;
    registrations = 0;
    pass(10000);
    say_in(7, 7);
    leave(8);
    pusher_state(the_pusher, &now);
    assert_int_equal(now.noted, 0);
    registrations = 1;
    pass(10000);
    leave(8);
    pusher_state(the_pusher, &now);
    assert_int_equal(now.noted, 1);
}

/* What was said between the first registration and its being counted was not noted. */
static void what_was_said_before_the_first_one_was_counted_is_found(void **state)
{
    (void)state;
    registrations = 0;
    pass(START_MS + GRACE_MS);
    registrations = 1;
    pusher_note_news(the_pusher, 0);
    say_in(7, 7);
    leave(1);
    pass(1000);
    assert_int_equal(looked_at[1], 0);
    pass(LOOK_MS - 1);
    assert_int_equal(looked_at[1], 0);
    pass(1);
    assert_int_equal(looked_at[1], 1);
    pass(10000);
    assert_int_equal(looked_at[1], 1); /* counted again, and nothing was missed */
}

static void the_database_is_asked_again_where_that_may_help(void **state)
{
    (void)state;
    say_in(7, 7);
    evaluate_status = STATUS_UNAVAILABLE;
    pass(LOOK_MS);
    assert_int_equal(evaluations, 1);
    assert_int_equal(wait_ms, 500);
    pass(499);
    assert_int_equal(evaluations, 1);
    pass(1);
    assert_int_equal(evaluations, 2);
    evaluate_status = STATUS_MALFORMED;
    pass(500);
    assert_int_equal(evaluations, 3);
    pass(500);
    assert_int_equal(evaluations, 3); /* it would be refused each time */
}

/* It takes no changes for a while. */
static void a_read_only_database_is_asked_again(void **state)
{
    (void)state;
    say_in(7, 7);
    conversation_ids[0] = 0;
    evaluate_status = STATUS_DENIED;
    pass(LOOK_MS);
    assert_int_equal(evaluations, 1);
    pass(4999);
    assert_int_equal(evaluations, 1); /* each refusal is logged */
    pass(1);
    assert_int_equal(evaluations, 2);
    pass(START_MS);
    evaluate_status = STATUS_OK;
    pass(5000);
    assert_int_equal(conversation_ids[0], 7);
    assert_int_equal(looked_at[1], 1); /* the sweep after the start waited, too */
}

static void who_sends_it_is_woken(void **state)
{
    (void)state;
    struct pusher_state now;
    made_for = "another's";
    say_in(7, 7);
    pass(LOOK_MS);
    assert_int_equal(wakes, 0);
    made_for = "ours";
    say_in(7, 7);
    pass(LOOK_MS);
    assert_int_equal(wakes, 1);
    pusher_state(the_pusher, &now);
    assert_int_equal(now.made, 6);
}

/* ---- counting ---- */
static void it_counts_when_there_is_news(void **state)
{
    (void)state;
    assert_int_equal(counts, 1);
    pass(9999);
    assert_int_equal(counts, 1);
    pass(1);
    assert_int_equal(counts, 2);
    for (int i = 0; i < 10; i++) { /* anybody can notify */
        pusher_note_news(the_pusher, 0);
        pass(99);
    }
    assert_int_equal(counts, 2);
    pusher_note_news(the_pusher, 0);
    pass(10);
    assert_int_equal(counts, 3);
    pass(1000);
    assert_int_equal(counts, 3); /* no more news */
    pass(9000);
    assert_int_equal(counts, 4);
    assert_int_equal(prunes, 1);
    pass(60000);
    assert_int_equal(prunes, 2);
}

static void an_operator_who_resumes_is_heard_once(void **state)
{
    (void)state;
    pass(START_MS + GRACE_MS);
    assert_int_equal(reloads, 0);
    assert_int_equal(looked_at[1], 1);
    resumed_ms = 6;
    pass(10000);
    assert_int_equal(reloads, 1);
    pass(LOOK_MS);
    assert_int_equal(looked_at[1], 2); /* what was said to those who were refused was passed over */
    pass(10000);
    assert_int_equal(reloads, 1);
    assert_int_equal(looked_at[1], 2);
    resumed_ms = 7;
    pass(10000);
    assert_int_equal(reloads, 2);
}

static void who_registers_is_looked_at(void **state)
{
    (void)state;
    pusher_note_news(the_pusher, 1);
    turn();
    pass(LOOK_MS);
    assert_int_equal(looked_at[1], 1);
}

/* ---- sweeps ---- */
static void all_are_looked_at_after_the_start_and_each_hour(void **state)
{
    (void)state;
    registrations = SWEEP_BATCH + 50;
    pass(START_MS + GRACE_MS - 1);
    assert_int_equal(sweeps, 0);
    pass(1);
    assert_int_equal(sweeps, 1);
    assert_int_equal(wait_ms, 0); /* the rest at once */
    turn();
    assert_int_equal(sweeps, 2);
    assert_int_equal(looked_at[SWEEP_BATCH + 50], 1);
    pass(HOUR_MS - 1);
    assert_int_equal(sweeps, 2);
    registrations = 0;
    evaluations = 0;
    pass(1);
    assert_int_equal(sweeps, 3);
    assert_int_equal(evaluations, 0); /* nobody to ask about */
}

static void a_sweep_goes_on_where_it_was(void **state)
{
    (void)state;
    registrations = SWEEP_BATCH + 50;
    pass(START_MS + GRACE_MS);
    sweep_status = STATUS_UNAVAILABLE;
    turn();
    assert_int_equal(wait_ms, 500);
    sweep_status = STATUS_OK;
    pass(499);
    assert_int_equal(sweeps, 1);
    evaluate_status = STATUS_UNAVAILABLE;
    pass(1);
    evaluate_status = STATUS_OK;
    pass(500);
    assert_int_equal(looked_at[1], 1);
    assert_int_equal(looked_at[SWEEP_BATCH + 1], 1);
}

/* A sweep that has passed somebody already does not do for what is noted behind it. */
static void who_was_passed_is_looked_at_again(void **state)
{
    (void)state;
    registrations = SWEEP_BATCH + 50;
    notes_everybody = true;
    pass(START_MS + GRACE_MS);
    turn();
    assert_int_equal(looked_at[SWEEP_BATCH + 50], 1);
    pass(LOOK_MS);
    turn();
    assert_int_equal(looked_at[1], 2);
    assert_int_equal(looked_at[SWEEP_BATCH + 50], 2);
    pass(LOOK_MS);
    turn();
    assert_int_equal(looked_at[1], 2); /* once */
}

/* A sweep that comes sooner finds messages that are too young. */
static void who_was_swept_too_soon_is_looked_at_again(void **state)
{
    (void)state;
    pass(START_MS + GRACE_MS - 1);
    pusher_note_everybody(the_pusher);
    turn();
    pass(1);
    assert_int_equal(looked_at[1], 1);
    pass(LOOK_MS);
    assert_int_equal(looked_at[1], 2);
    pass(LOOK_MS);
    assert_int_equal(looked_at[1], 2);
}

/* Notifications were missed: one of them may have said that a device has registered. */
static void who_has_registered_unheard_is_looked_at(void **state)
{
    (void)state;
    pass(START_MS + GRACE_MS);
    registrations = 3;
    pusher_note_missed(the_pusher);
    turn();
    pass(LOOK_MS - 1);
    assert_int_equal(looked_at[3], 0);
    pass(1);
    assert_int_equal(looked_at[3], 1);
    pass(LOOK_MS);
    assert_int_equal(looked_at[3], 1);
}

/* So many have gone, and then the first one, who is registered; how often all were looked at for that. */
static int sweeps_for(size_t len, bool is_at_once)
{
    static int64_t ids[WAITING_MAX];
    for (size_t i = 0; i < len; i++)
        ids[i] = 1000 + (int64_t)i;
    sweeps = looked_at[1] = 0;
    pusher_note_gone(the_pusher, ids, len);
    if (!is_at_once)
        turn();
    leave(1);
    pass(LOOK_MS);
    assert_int_equal(looked_at[1], 1);
    return sweeps;
}

static void what_there_is_no_room_for_is_found_by_looking_at_all(void **state)
{
    (void)state;
    pass(START_MS + GRACE_MS);
    assert_int_equal(sweeps_for(WAITING_MAX - 1, false), 0);
    assert_int_equal(sweeps_for(WAITING_MAX, false), 1);
    assert_int_equal(sweeps_for(WAITING_MAX - 1, true), 0);
    assert_int_equal(sweeps_for(WAITING_MAX, true), 1);
    sweeps = 0;
    say_in(1, 10 * NOTES_MAX); /* nor in one thread's notes */
    pass(LOOK_MS);
    assert_int_equal(sweeps, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_noted_is_looked_at_after_its_grace),
        TEST(what_is_noted_again_is_looked_at_again),
        TEST(no_question_is_too_long),
        TEST(nobody_is_noted_where_nobody_is_registered),
        TEST(what_was_said_before_the_first_one_was_counted_is_found),
        TEST(the_database_is_asked_again_where_that_may_help),
        TEST(a_read_only_database_is_asked_again),
        TEST(who_sends_it_is_woken),
        TEST(it_counts_when_there_is_news),
        TEST(an_operator_who_resumes_is_heard_once),
        TEST(who_registers_is_looked_at),
        TEST(all_are_looked_at_after_the_start_and_each_hour),
        TEST(a_sweep_goes_on_where_it_was),
        TEST(who_was_passed_is_looked_at_again),
        TEST(who_was_swept_too_soon_is_looked_at_again),
        TEST(who_has_registered_unheard_is_looked_at),
        TEST(what_there_is_no_room_for_is_found_by_looking_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
