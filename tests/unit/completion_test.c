/* Which records are done. link: sync-service/completion.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sync-service/completion.h"

#define SIZE 8

static int setup(void **state)
{
    static struct completion completion;
    *state = &completion;
    if (completion_init(&completion, SIZE) != STATUS_OK)
        return -1;
    completion_reset(&completion, 100);
    return 0;
}

static int teardown(void **state)
{
    completion_done(*state);
    return 0;
}

static uint64_t take(struct completion *completion, uint64_t position, uint32_t parts)
{
    uint64_t index;
    assert_int_equal(completion_take(completion, position, parts, &index), STATUS_OK);
    return index;
}

static void the_first_undone_holds_all_above(void **state)
{
    struct completion *completion = *state;
    assert_int_equal(completion_position(completion), 100);
    uint64_t a = take(completion, 100, 1), b = take(completion, 101, 1), c = take(completion, 102, 1);
    completion_part(completion, c);
    completion_part(completion, b);
    assert_int_equal(completion_position(completion), 100);
    completion_part(completion, a);
    assert_int_equal(completion_position(completion), 103);
}

static void parts_and_none(void **state)
{
    struct completion *completion = *state;
    uint64_t list = take(completion, 100, 3);
    (void)take(completion, 101, 0);
    completion_part(completion, list);
    completion_part(completion, list);
    assert_int_equal(completion_position(completion), 100);
    completion_part(completion, list);
    assert_int_equal(completion_position(completion), 102);
}

static void full_until_the_first_is_done(void **state)
{
    struct completion *completion = *state;
    uint64_t index, first = take(completion, 100, 1);
    for (uint64_t i = 1; i < SIZE; i++)
        completion_part(completion, take(completion, 100 + i, 1));
    assert_int_equal(completion_take(completion, 200, 1, &index), STATUS_FULL);
    completion_part(completion, first);
    assert_int_equal(completion_take(completion, 200, 1, &index), STATUS_OK);
    assert_int_equal(completion_position(completion), 108);
}

static void strange_indexes_do_nothing(void **state)
{
    struct completion *completion = *state;
    uint64_t a = take(completion, 100, 1);
    completion_part(completion, a + 1);
    completion_part(completion, UINT64_MAX);
    completion_part(completion, a);
    completion_part(completion, a); /* twice */
    assert_int_equal(completion_position(completion), 101);
    completion_part(completion, a);
    uint64_t b = take(completion, 101, 1);
    assert_int_equal(completion_position(completion), 101);
    completion_part(completion, b);
    assert_int_equal(completion_position(completion), 102);
}

static void many_laps(void **state)
{
    struct completion *completion = *state;
    for (uint64_t position = 100; position < 100 + SIZE * 50; position++) {
        completion_part(completion, take(completion, position, 1));
        if (position % 3 == 0)
            assert_int_equal(completion_position(completion), position + 1);
    }
    completion_reset(completion, 7);
    assert_int_equal(completion_position(completion), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_undone_holds_all_above), TEST(parts_and_none), TEST(full_until_the_first_is_done),
        TEST(strange_indexes_do_nothing),       TEST(many_laps),
    };
    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
