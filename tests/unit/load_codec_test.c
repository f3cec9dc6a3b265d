/* The load client's own parts: MQTT packets and the latency histogram.
 * link: tests/load/mqtt.c tests/load/histogram.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/load/histogram.h"
#include "tests/load/mqtt.h"

static void test_publish_comes_back(void **state)
{
    (void)state;
    static const size_t LENGTHS[] = {0, 1, 100, 119, 120, 16000, 20000}; /* around where the length takes a byte more */
    for (size_t i = 0; i < sizeof(LENGTHS) / sizeof(LENGTHS[0]); i++) {
        struct buffer out = {0};
        struct mqtt_packet packet;
        size_t len = 0;
        memset(mqtt_put_publish(&out, SLICE("a/b"), 1, true, 777, LENGTHS[i]), 'x', LENGTHS[i]);
        mqtt_put_puback(&out, 9);
        for (size_t part = 0; part < out.len - 4; part += 1 + part / 3)
            assert_int_equal(mqtt_read(out.at, part, &packet, &len), STATUS_NOT_FOUND);
        assert_int_equal(mqtt_read(out.at, out.len, &packet, &len), STATUS_OK);
        assert_int_equal(len, out.len - 4);
        assert_int_equal(packet.type, MQTT_PUBLISH);
        assert_int_equal(packet.qos, 1);
        assert_true(packet.flag);
        assert_int_equal(packet.packet_id, 777);
        assert_true(slice_equal(packet.topic, SLICE("a/b")));
        assert_int_equal(packet.payload.len, LENGTHS[i]);
        assert_int_equal(mqtt_read(out.at + len, out.len - len, &packet, &len), STATUS_OK);
        assert_int_equal(packet.type, MQTT_PUBACK);
        assert_int_equal(packet.packet_id, 9);
        buffer_free(&out);
    }
}

static void test_connect_bytes(void **state)
{
    (void)state;
    static const unsigned char EXPECTED[] = {0x10, 21, 0,   4,   'M', 'Q', 'T', 'T', 4, 0xc2, 0,  60,
                                             0,    3,  'a', ':', 'p', 0,   1,   'a', 0, 1,    't'};
    struct buffer out = {0};
    struct mqtt_connect connect = {.client_id = SLICE("a:p"),
                                   .user = SLICE("a"),
                                   .password = SLICE("t"),
                                   .keep_alive_s = 60,
                                   .clean_session = true};
    mqtt_put_connect(&out, &connect);
    assert_int_equal(out.len, sizeof(EXPECTED));
    assert_memory_equal(out.at, EXPECTED, sizeof(EXPECTED));
    buffer_free(&out);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        unsigned char bytes[8];
        size_t len;
    } cases[] = {
        {"length of five bytes", {0x40, 0x80, 0x80, 0x80, 0x80, 1}, 6},
        {"length above the limit", {0x30, 0xff, 0xff, 0xff, 0x7f}, 5},
        {"PUBACK with three bytes", {0x40, 3, 0, 1, 0}, 5},
        {"QoS 2 was never asked for", {0x34, 5, 0, 1, 'a', 0, 1}, 7},
        {"topic longer than the packet", {0x30, 3, 0, 9, 'a'}, 5},
        {"QoS 1 without a packet id", {0x32, 3, 0, 1, 'a'}, 5},
        {"a packet only clients send", {0x82, 1, 0}, 3},
        {"CONNACK too short", {0x20, 1, 0}, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mqtt_packet packet;
        size_t len;
        if (mqtt_read(cases[i].bytes, cases[i].len, &packet, &len) != STATUS_MALFORMED)
            fail_msg("taken: %s", cases[i].why);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_quantiles(void **state)
{
    (void)state;
    enum { VALUES = 20000 };
    static uint64_t values[VALUES];
    struct histogram *histogram = malloc(sizeof(*histogram));
    assert_non_null(histogram);
    histogram_reset(histogram);
    assert_int_equal(histogram_quantile(histogram, 0.5), 0);
    uint64_t random = 42;
    for (int i = 0; i < VALUES; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        values[i] = (random >> 33) >> (random % 30); /* from 0 to seconds, spread over the powers of two */
        histogram_add(histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    static const double QUANTILES[] = {0.0001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof(QUANTILES) / sizeof(QUANTILES[0]); i++) {
        size_t rank = (size_t)(QUANTILES[i] * VALUES + 0.999999);
        uint64_t exact = values[rank ? rank - 1 : 0], got = histogram_quantile(histogram, QUANTILES[i]);
        assert_true(got >= exact);
        assert_true(got <= exact + exact / 60 + 1);
    }
    histogram_add(histogram, UINT64_MAX);
    assert_true(histogram_quantile(histogram, 1) == UINT64_MAX);
    free(histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_comes_back),
        cmocka_unit_test(test_connect_bytes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
