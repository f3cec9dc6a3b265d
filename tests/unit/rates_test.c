/* Token buckets, rates, overload. link: broker-plugin/bucket.c broker-plugin/rates.c broker-plugin/overload.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker-plugin/overload.h"
#include "broker-plugin/rates.h"

static void burst_then_rate(void **state)
{
    (void)state;
    const struct rate rate = {.per_second = 100, .burst = 2000};
    struct bucket bucket;
    uint32_t taken = 0;
    bucket_fill(&bucket, rate, 5);
    while (bucket_take(&bucket, rate, 5, 1))
        taken++;
    assert_int_equal(taken, 2000);
    assert_int_equal(bucket_wait_ms(&bucket, rate), 10);
    assert_false(bucket_take(&bucket, rate, 14, 1));
    assert_int_equal(bucket_wait_ms(&bucket, rate), 1);
    assert_true(bucket_take(&bucket, rate, 15, 1));
    assert_false(bucket_take(&bucket, rate, 15, 1));
    for (taken = 0; bucket_take(&bucket, rate, 10015, 1); taken++) {}
    assert_int_equal(taken, 1000);
    assert_false(bucket_is_full(&bucket, rate, 30014));
    assert_true(bucket_is_full(&bucket, rate, 30015));
    assert_true(bucket_take(&bucket, rate, 4000000000u, 2000)); /* full is full, however long ago */
    assert_false(bucket_take(&bucket, rate, 4000000000u, 1));
}

static void at_the_edges(void **state)
{
    (void)state;
    const struct rate slow = {1, 1}, largest = {BUCKET_BURST_MAX, BUCKET_BURST_MAX};
    struct bucket bucket;
    bucket_fill(&bucket, slow, UINT32_MAX - 400); /* the clock wraps */
    assert_true(bucket_take(&bucket, slow, UINT32_MAX - 400, 1));
    assert_false(bucket_take(&bucket, slow, UINT32_MAX, 1));
    assert_false(bucket_take(&bucket, slow, 598, 1));
    assert_true(bucket_take(&bucket, slow, 599, 1));
    bucket_fill(&bucket, largest, 0);
    assert_true(bucket_take(&bucket, largest, 0, BUCKET_BURST_MAX));
    assert_false(bucket_take(&bucket, largest, 0, 1));
    assert_true(bucket_take(&bucket, largest, UINT32_MAX, BUCKET_BURST_MAX));
    assert_false(bucket_take(&bucket, slow, UINT32_MAX, 2)); /* more than it ever holds */
    bucket_fill(&bucket, slow, 0);
    bucket_return(&bucket, slow, 5);
    assert_true(bucket_take(&bucket, slow, 0, 1));
    assert_false(bucket_take(&bucket, slow, 0, 1));
}

static void a_user_has_four_times_as_much(void **state)
{
    (void)state;
    struct rates rates;
    struct rates_session devices[6];
    struct bucket user;
    uint32_t retry_ms, taken = 0;
    bool is_user;
    rates_make(&rates, &(struct rate_options){.messages_per_second = 10, .messages_burst = 100}, false);
    bucket_fill(&user, rates.chat_user, 0);
    for (int i = 0; i < 6; i++) {
        rates_session_start(&devices[i], &rates, 0);
        while (rates_take_chat(&rates, &devices[i], &user, 0, &retry_ms, &is_user))
            taken++;
    }
    assert_int_equal(taken, 400);
    assert_true(is_user);
    assert_int_equal(retry_ms, 25);                                 /* of the user: 40 a second */
    assert_true(bucket_take(&devices[5].chat, rates.chat, 0, 100)); /* nothing was taken in vain */
    rates.is_off = true;
    assert_true(rates_take_chat(&rates, &devices[0], &user, 0, &retry_ms, &is_user));
    assert_true(rates_take(&rates, &devices[0].rpc, rates.rpc, 0, 1000000));
    rates_make(&rates,
               &(struct rate_options){.messages_per_second = BUCKET_BURST_MAX, .messages_burst = BUCKET_BURST_MAX},
               false);
    assert_int_equal(rates.chat_user.burst, BUCKET_BURST_MAX);
}

static void levels(void **state)
{
    (void)state;
    static const struct {
        unsigned fill;
        enum overload_level level;
    } cases[] = {
        {0, OVERLOAD_NONE},   {500, OVERLOAD_NONE},   {501, OVERLOAD_SHED},
        {900, OVERLOAD_SHED}, {901, OVERLOAD_REFUSE}, {1000, OVERLOAD_REFUSE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(overload_level(cases[i].fill), cases[i].level);
}

static void retry(void **state)
{
    (void)state;
    const uint64_t capacity = 100000000;
    struct overload overload = {0};
    assert_int_equal(overload_retry_ms(&overload, 95000000, capacity, 1000, 0), OVERLOAD_RETRY_MAX_MS);
    for (int64_t now_ms = 1000; now_ms <= 21000; now_ms += 100) /* 5 MB a second for 20 s */
        overload_freed(&overload, 500000, now_ms);
    uint32_t retry_ms = overload_retry_ms(&overload, 95000000, capacity, 21000, 0);
    assert_in_range(retry_ms, 2700, 3300); /* 15 MB above the mark */
    assert_int_equal(overload_retry_ms(&overload, 80000001, capacity, 21000, 0), OVERLOAD_RETRY_MIN_MS);
    for (uint32_t spread = 0; spread < 200; spread++) {
        uint32_t spread_ms = overload_retry_ms(&overload, 95000000, capacity, 21000, spread);
        assert_in_range(spread_ms, retry_ms * 3 / 4, retry_ms);
    }
    for (int64_t now_ms = 100; now_ms <= 1100; now_ms += 100) /* the clock has begun again */
        overload_freed(&overload, 500000, now_ms);
    assert_in_range(overload_retry_ms(&overload, 95000000, capacity, 1100, 0), 2400, 3300);
    assert_int_equal(overload_retry_ms(&overload, 95000000, capacity, 90000, 0), OVERLOAD_RETRY_MAX_MS); /* stalled */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(at_the_edges),
        cmocka_unit_test(a_user_has_four_times_as_much),
        cmocka_unit_test(levels),
        cmocka_unit_test(retry),
    };
    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
