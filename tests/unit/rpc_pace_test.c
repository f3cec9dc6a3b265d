/* How fast history goes to one device. link: sync-service/rpc_pace.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "no_memory.h"
#include "sync-service/rpc_pace.h"

static struct letter letter_of(uint32_t kind)
{
    return (struct letter){sizeof(struct letter), kind};
}

static void expect_next(struct pace *pace, int64_t now_ms, uint32_t kind)
{
    struct letter *letter = pace_next(pace, now_ms);
    if (kind == 0) {
        assert_null(letter);
        return;
    }
    assert_non_null(letter);
    assert_int_equal(letter->kind, kind);
    free(letter);
}

static void who_had_its_share_waits(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t now_ms = 1000000;
    for (int answers = 0; answers < 10; answers++) {
        assert_false(pace_waits(&pace, 1, now_ms));
        pace_spend(&pace, 1, 200, 1000, now_ms);
    }
    assert_false(pace_waits(&pace, 1, now_ms)); /* 2 s ahead, not more */
    pace_spend(&pace, 1, 200, 1000, now_ms);
    assert_true(pace_waits(&pace, 1, now_ms));
    assert_false(pace_waits(&pace, 2, now_ms)); /* another device */
    assert_false(pace_waits(&pace, 1, now_ms + 200));
    pace_done(&pace);
}

static void bytes_count_too(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_spend(&pace, 1, 1, 3 * PACE_BYTES_PER_S, 5000);
    assert_true(pace_waits(&pace, 1, 5999));
    assert_false(pace_waits(&pace, 1, 6000));
    pace_done(&pace);
}

static void what_is_held_comes_in_order_in_its_time(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct letter a = letter_of(1), b = letter_of(2);
    pace_spend(&pace, 1, 2500, 0, 1000);
    assert_int_equal(pace_hold(&pace, 1, &a), STATUS_OK);
    assert_int_equal(pace_hold(&pace, 1, &b), STATUS_OK);
    expect_next(&pace, 1100, 0);
    assert_true(pace_waits(&pace, 1, 1500)); /* its time has come, but others of its own are before it */
    expect_next(&pace, 1500, 1);
    pace_spend(&pace, 1, 200, 0, 1500);
    expect_next(&pace, 1550, 0);
    expect_next(&pace, 1700, 2);
    expect_next(&pace, 1700, 0);
    assert_int_equal(pace.held_len, 0);
    expect_next(&pace, 9000, 0);
    assert_null(pace.devices); /* nobody owes anything */
    pace_done(&pace);
}

static void not_more_than_the_limit_is_held(void **state)
{
    (void)state;
    struct pace pace = {0};
    struct letter letter = letter_of(1);
    pace_spend(&pace, 1, 100000, 0, 1000);
    for (int i = 0; i < PACE_HELD_MAX; i++)
        assert_int_equal(pace_hold(&pace, 1, &letter), STATUS_OK);
    assert_int_equal(pace_hold(&pace, 1, &letter), STATUS_FULL);
    assert_int_equal(pace_hold(&pace, 2, &letter), STATUS_OK);
    pace_done(&pace);
    assert_int_equal(pace.held_len, 0);
}

/* It has room for a device, and none for the table. */
static bool goes_on(void)
{
    struct pace pace = {0};
    struct letter a = letter_of(1);
    pace_spend(&pace, 1, 2500, 0, 1000);
    return !pace_waits(&pace, 1, 1000) && pace_hold(&pace, 1, &a) == STATUS_NO_MEMORY && pace.devices == NULL;
}

static void without_memory_it_goes_on(void **state)
{
    (void)state;
    assert_without_memory(goes_on, sizeof(struct pace_device));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_it_goes_on),
        cmocka_unit_test(who_had_its_share_waits),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(what_is_held_comes_in_order_in_its_time),
        cmocka_unit_test(not_more_than_the_limit_is_held),
    };
    return cmocka_run_group_tests_name("rpc_pace", tests, NULL, NULL);
}
