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

/* As many messages at once as its window, and then the longest pause it was asked for, for an hour. */
static void who_keeps_the_pauses_is_not_closed(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 10, 100};
    struct rates rates;
    const struct rate_options options = {.messages_per_second = 100, .messages_burst = 2000};
    rates_make(&rates, &options, false);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        struct rates_session session;
        struct bucket user;
        uint32_t now_ms = 7, taken = 0, retry_ms;
        bool is_user;
        rates_session_start(&session, &rates, now_ms);
        bucket_fill(&user, rates.chat_user, now_ms);
        while (now_ms < 3600000) {
            uint32_t pause_ms = 0;
            for (uint32_t k = 0; k < windows[i]; k++) {
                if (rates_take_chat(&rates, &session, &user, now_ms, &retry_ms, &is_user)) {
                    taken++;
                    continue;
                }
                uint32_t asked_ms = rates_pause_ms(&rates, &session, retry_ms, now_ms);
                assert_true(asked_ms >= retry_ms && asked_ms <= RATES_PAUSE_MAX_MS);
                pause_ms = asked_ms > pause_ms ? asked_ms : pause_ms;
                assert_true(bucket_take(&session.errors, rates.errors, now_ms, 1)); /* else it is closed */
            }
            now_ms += pause_ms;
        }
        assert_true(taken >= 100 * 3600 * 9 / 10); /* and loses nothing by waiting */
    }
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
    const struct overload overload = {.wait_ms = 8000};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct overload_journal journal = {cases[i].fill * 1000, 1000000, 0};
        const struct overload_journal away = {cases[i].fill * 1000, 1000000, 1000000};
        assert_int_equal(overload_level(&overload, &journal), cases[i].level);
        assert_int_equal(overload_level(&overload, &away), cases[i].level); /* for however long */
    }
}

/* A megabyte a second is taken out, in steps, for that long. */
static void drained(struct overload *overload, int64_t from_ms, int64_t to_ms)
{
    for (int64_t now_ms = from_ms; now_ms <= to_ms; now_ms += 50)
        overload_freed(overload, 50000, now_ms);
}

static void what_would_wait_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t used;
        int64_t age_ms;
        enum overload_level level;
    } cases[] = {
        {"little waits", 1000000, 900, OVERLOAD_NONE},
        {"a burst: not for long yet, so it is not known how fast it will go", 50000000, 1500, OVERLOAD_NONE},
        {"three seconds' worth", 3000000, 3000, OVERLOAD_SHED},
        {"nine seconds' worth", 9000000, 9000, OVERLOAD_REFUSE},
        {"one record waits for something of its own, the rest flows", 3000000, 60000, OVERLOAD_SHED},
        {"and very little", 100000, 60000, OVERLOAD_NONE},
    };
    struct overload overload = {.wait_ms = 8000};
    drained(&overload, 1000, 21000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct overload_journal journal = {cases[i].used, 100000000, cases[i].age_ms};
        assert_string_equal(overload_level(&overload, &journal) == cases[i].level ? "" : cases[i].why, "");
    }
    /* The database is gone: all there is room for is taken. It is back, and as fast as before: not at once refused for
     * what it was not there. */
    const struct overload_journal waiting = {5000000, 100000000, 48000}, much = {20000000, 100000000, 48000};
    for (int64_t now_ms = 21100; now_ms <= 28000; now_ms += 100)
        overload_turn(&overload, now_ms);
    assert_int_equal(overload_level(&overload, &much), OVERLOAD_NONE);
    drained(&overload, 60000, 61500);
    assert_int_equal(overload_level(&overload, &waiting), OVERLOAD_SHED);
    assert_int_equal(overload_level(&overload, &much), OVERLOAD_REFUSE);
    overload.wait_ms = 0;
    assert_int_equal(overload_level(&overload, &much), OVERLOAD_NONE);
}

static void retry(void **state)
{
    (void)state;
    const struct overload_journal full = {95000000, 100000000, 1000}, near = {80000001, 100000000, 1000};
    struct overload overload = {0};
    assert_int_equal(overload_refused(&overload, &full, 1000, 0), OVERLOAD_RETRY_MAX_MS);
    for (int64_t now_ms = 1000; now_ms <= 21000; now_ms += 100) /* 5 MB a second for 20 s */
        overload_freed(&overload, 500000, now_ms);
    uint32_t retry_ms = overload_refused(&overload, &full, 21000, 0);
    assert_in_range(retry_ms, 2700, 3300); /* 15 MB above the mark */
    assert_int_equal(overload_refused(&overload, &near, 21000, 0), OVERLOAD_RETRY_MIN_MS);
    for (uint32_t spread = 0; spread < 200; spread++) {
        uint32_t spread_ms = overload_refused(&overload, &full, 21000, spread);
        assert_in_range(spread_ms, retry_ms / 2, retry_ms);
    }
    for (int64_t now_ms = 100; now_ms <= 3100; now_ms += 100) /* the clock has begun again */
        overload_freed(&overload, 500000, now_ms);
    assert_in_range(overload_refused(&overload, &full, 3100, 0), 2400, 3300);
    assert_int_equal(overload_refused(&overload, &full, 90000, 0), OVERLOAD_RETRY_MAX_MS); /* stalled */
}

/* While most of what comes is refused, it comes more and more rarely; then sooner again. */
static void retries_keep_away(void **state)
{
    (void)state;
    const struct overload_journal journal = {9000000, 100000000, 1000};
    struct overload overload = {.wait_ms = 8000};
    uint32_t before_ms = 0, retry_ms = 0;
    int64_t now_ms = 4000;
    drained(&overload, 1000, 3000);
    for (int second = 0; second < 6; second++, now_ms += 1000) {
        overload_freed(&overload, 1000000, now_ms);
        for (int i = 0; i < 30; i++) {
            retry_ms = overload_refused(&overload, &journal, now_ms, 0);
            if (i % 3 == 0)
                overload_taken(&overload);
        }
        assert_true(retry_ms >= before_ms);
        before_ms = retry_ms;
    }
    assert_in_range(retry_ms, 8000, OVERLOAD_RETRY_MAX_MS);
    for (int second = 0; second < 8; second++, now_ms += 1000) {
        overload_freed(&overload, 1000000, now_ms);
        for (int i = 0; i < 30; i++)
            overload_taken(&overload);
    }
    assert_int_equal(overload_refused(&overload, &journal, now_ms, 0), OVERLOAD_RETRY_MIN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(at_the_edges),
        cmocka_unit_test(who_keeps_the_pauses_is_not_closed),
        cmocka_unit_test(a_user_has_four_times_as_much),
        cmocka_unit_test(levels),
        cmocka_unit_test(what_would_wait_is_refused),
        cmocka_unit_test(retry),
        cmocka_unit_test(retries_keep_away),
    };
    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
