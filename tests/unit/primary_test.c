/* Which of several servers is asked. link: sync-service/primary.c sync-service/log.c sync-service/clock.c
 * link: sync-service/pg_wire.c sync-service/thread.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "false_server.h"
#include "sync-service/clock.h"
#include "sync-service/primary.h"

#define WAIT_MS 20000 /* for what comes much sooner */

static struct primary *the_primary;

static int setup(void **state)
{
    (void)state;
    return primary_new("host=a,b,c port=1,2,3", "", &the_primary) != STATUS_OK;
}

static int teardown(void **state)
{
    (void)state;
    primary_free(the_primary);
    return 0;
}

/* The host that is to be connected to. */
static const char *begin(struct primary_try *at)
{
    struct primary_params params;
    const char *host = NULL;
    primary_begin(the_primary, at, "test", &params);
    for (size_t i = 0; params.keywords[i] != NULL; i++)
        if (strcmp(params.keywords[i], "host") == 0)
            host = params.values[i];
    return host;
}

static void each_has_its_turn(void **state)
{
    (void)state;
    struct primary_try at = {.failures = 0};
    assert_string_equal(begin(&at), "a");
    assert_false(primary_failed(the_primary, &at));
    assert_string_equal(begin(&at), "b");
    assert_false(primary_failed(the_primary, &at));
    assert_string_equal(begin(&at), "c");
    assert_true(primary_failed(the_primary, &at)); /* a pause */
    assert_string_equal(begin(&at), "a");
}

static void what_worked_is_asked_first(void **state)
{
    (void)state;
    struct primary_try at = {.failures = 0}, other = {.failures = 0};
    (void)begin(&at);
    (void)primary_failed(the_primary, &at);
    assert_string_equal(begin(&at), "b");
    assert_true(primary_check(the_primary, &at, 7, 1));
    assert_string_equal(begin(&other), "b");
    assert_true(primary_is_current(the_primary, &other));
}

/* A standby was promoted: whoever is elsewhere goes to it, and not to the next of the list. */
static void a_newer_one_is_followed(void **state)
{
    (void)state;
    struct primary_try at = {.failures = 0}, finder = {.failures = 0};
    assert_string_equal(begin(&at), "a");
    assert_true(primary_check(the_primary, &at, 7, 1));
    (void)begin(&finder);
    (void)primary_failed(the_primary, &finder);
    (void)primary_failed(the_primary, &finder);
    assert_string_equal(begin(&finder), "c");
    assert_true(primary_check(the_primary, &finder, 7, 2));
    assert_false(primary_is_current(the_primary, &at));
    assert_false(primary_failed(the_primary, &at));
    assert_string_equal(begin(&at), "c");
    assert_true(primary_is_current(the_primary, &at));
    assert_false(primary_failed(the_primary, &at)); /* it is away: the others' turn */
    assert_string_equal(begin(&at), "a");
    assert_false(primary_check(the_primary, &at, 7, 1)); /* the one that was replaced */
    assert_true(primary_check(the_primary, &finder, 7, 2));
}

/* A server that takes connections and says nothing more hides no promotion, and holds up no end. */
static void a_server_that_hangs_is_passed(void **state)
{
    (void)state;
    struct false_server hangs = {.answers_max = 0};
    struct false_server promoted = {.system_id = 7, .timeline = 2, .answers_max = 1};
    struct primary_try at = {.failures = 0};
    char conninfo[160];
    false_server_start(&hangs);
    false_server_start(&promoted);
    (void)snprintf(conninfo, sizeof conninfo,
                   "host=127.0.0.1,127.0.0.1,127.0.0.1 port=1,%u,%u user=x sslmode=disable gssencmode=disable",
                   hangs.port, promoted.port);
    primary_free(the_primary);
    assert_int_equal(primary_new(conninfo, "", &the_primary), STATUS_OK);
    assert_string_equal(begin(&at), "127.0.0.1");
    assert_true(primary_check(the_primary, &at, 7, 1));
    assert_int_equal(primary_start(the_primary), STATUS_OK);
    int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
    while (primary_is_current(the_primary, &at) && clock_monotonic_ms() < until_ms)
        (void)poll(NULL, 0, 10);
    assert_false(primary_is_current(the_primary, &at));
    assert_true(atomic_load(&hangs.asked) >= 1); /* each time that they are looked at */
    assert_true(primary_stop(the_primary, clock_monotonic_ms() + WAIT_MS));
    false_server_stop(&promoted);
    false_server_stop(&hangs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_has_its_turn),
        TEST(what_worked_is_asked_first),
        TEST(a_newer_one_is_followed),
        TEST(a_server_that_hangs_is_passed),
    };
    return cmocka_run_group_tests_name("primary", tests, NULL, NULL);
}
