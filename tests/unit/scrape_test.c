/* What is counted and how it is written. link: sync-service/histogram.c sync-service/busy.c
 * link: sync-service/scrape/exposition.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "sync-service/busy.h"
#include "sync-service/scrape/exposition.h"

static char *written(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void write_samples(FILE *out)
{
    const struct label labels[] = {{"a", "x\"y\\z\nw"}, {"b", ""}};
    exposition_counter(out, "n_total", "Help.", 9007199254740.0);
    exposition_sample(out, "m", labels, 2, 0.091);
}

static void samples(void **state)
{
    (void)state;
    char *text = written(write_samples);
    assert_string_equal(text, "# HELP n_total Help.\n# TYPE n_total counter\nn_total 9007199254740\n"
                              "m{a=\"x\\\"y\\\\z\\nw\",b=\"\"} 0.091\n");
    free(text);
}

static const struct {
    uint64_t value;
    size_t bucket;
    const char *why;
} buckets[] = {
    {0, 0, "below all"},
    {1, 0, "a bound is in its bucket"},
    {2, 1, "the next bound"},
    {3, 2, "between"},
    {512, 9, "the last"},
    {513, 10, "above all"},
    {UINT64_MAX / 2, 10, "far above"},
};

static void each_bucket(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        struct histogram histogram = {0};
        struct histogram_sum sum = {0};
        histogram_add(&histogram, &histogram_items, buckets[i].value);
        histogram_sum_up(&histogram, &sum);
        histogram_sum_up(&histogram, &sum);
        assert_int_equal(sum.count, 2);
        assert_int_equal(sum.counts[buckets[i].bucket], 2);
        assert_true(sum.sum == 2 * buckets[i].value);
    }
}

static void write_histogram(FILE *out)
{
    static const struct histogram_scale scale = {2, {500, 1000}, 1e-6};
    struct histogram histogram = {0};
    struct histogram_sum sum = {0};
    histogram_add(&histogram, &scale, 500);
    histogram_add(&histogram, &scale, 700);
    histogram_add(&histogram, &scale, 2000000);
    histogram_sum_up(&histogram, &sum);
    exposition_histogram(out, "h", &scale, &sum);
}

static void buckets_add_up(void **state)
{
    (void)state;
    char *text = written(write_histogram);
    assert_string_equal(text, "h_bucket{le=\"0.0005\"} 1\nh_bucket{le=\"0.001\"} 2\nh_bucket{le=\"+Inf\"} 3\n"
                              "h_sum 2.0012\nh_count 3\n");
    free(text);
}

/* Two that are busy stand out from a crowd of others that is larger than the table. */
static void busiest_and_slowest(void **state)
{
    (void)state;
    static struct busy busy;
    struct busy_row rows[BUSY_ROWS];
    busy_fade(&busy, 1000);
    for (int64_t second = 2; second < 30; second++) {
        for (int64_t i = 0; i < 100; i++) {
            const struct core_append_group groups[] = {{.conversation_id = 7, .len = 3},
                                                       {.conversation_id = 1000 + i, .len = 1},
                                                       {.conversation_id = 9, .len = 2}};
            busy_note(&busy, groups, 3, i == 5 ? 900000 : 1000);
        }
        busy_fade(&busy, second * 1000);
    }
    assert_int_equal(busy_busiest(&busy, rows), BUSY_ROWS);
    assert_int_equal(rows[0].conversation_id, 7);
    assert_int_equal(rows[1].conversation_id, 9);
    assert_true(rows[0].items_per_s > 200 && rows[0].items_per_s < 400);
    assert_true(rows[0].append_ms > 5 && rows[0].append_ms < 20);
    assert_int_equal(busy_slowest(&busy, rows), BUSY_ROWS);
    for (size_t i = 1; i < BUSY_ROWS; i++)
        assert_true(rows[i - 1].append_ms >= rows[i].append_ms);
    busy_fade(&busy, 200 * 1000);
    assert_int_equal(busy_busiest(&busy, rows), 0); /* all is forgotten */
}

/* Of a large batch some are looked at; over time all of them count alike. */
static void large_batches_are_sampled(void **state)
{
    (void)state;
    static struct busy busy;
    struct core_append_group groups[4 * BUSY_LOOKS];
    struct busy_row rows[BUSY_ROWS];
    for (size_t i = 0; i < 4 * BUSY_LOOKS; i++)
        groups[i] = (struct core_append_group){.conversation_id = (int64_t)i + 1, .len = i == 13 ? 10 : 1};
    busy_fade(&busy, 1000);
    for (int64_t second = 2; second < 30; second++) {
        for (int batch = 0; batch < 40; batch++)
            busy_note(&busy, groups, 4 * BUSY_LOOKS, 1000);
        busy_fade(&busy, second * 1000);
    }
    assert_int_equal(busy_busiest(&busy, rows), BUSY_ROWS);
    assert_int_equal(rows[0].conversation_id, 14);
    assert_true(rows[0].items_per_s > 250 && rows[0].items_per_s < 450);
    assert_true(rows[1].items_per_s > 25 && rows[1].items_per_s < 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(each_bucket),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(busiest_and_slowest),
        cmocka_unit_test(large_batches_are_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
