/* Bench mode: whom a load generator's client id stands for, and what its topics.
 * link: broker-plugin/bench.c broker-plugin/small_file.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker-plugin/bench.h"

static char path[] = "/tmp/gnatter-bench-test-XXXXXX";

static void file_is(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static struct bench bench_of(const char *text)
{
    struct bench bench = {.is_on = false};
    char why[256];
    file_is(text);
    assert_int_equal(bench_load(&bench, path, why, sizeof why), STATUS_OK);
    return bench;
}

#define GOOD "prefix bench-0a1b2c\npassword 12345678\nusers 20\nexposed 0\n"

static void client_ids(void **state)
{
    (void)state;
    static const struct {
        const char *client_id;
        enum bench_side side;
        uint32_t number;
        const char *why;
    } cases[] = {
        {"box_bench_pub_4022250974_7", BENCH_PUB, 7, "emqtt-bench pub"},
        {"box_bench_sub_4022250974_12", BENCH_SUB, 12, "emqtt-bench sub"},
        {"box_bench_conn_4022250974_3", BENCH_PUB, 3, "emqtt-bench conn"},
        {"subway_bench_conn_4022250974_3", BENCH_PUB, 3, "emqtt-bench conn on a host named subway"},
        {"10.0.0.7_bench_sub_1_3", BENCH_SUB, 3, "emqtt-bench --ifaddr"},
        {"rack-worker3-b_bench_pub_4022250974_7", BENCH_PUB, 7,
         "emqtt-bench on a host with a name like mqtt-stresser's"},
        {"subway_bench_pub_3", BENCH_PUB, 3, "emqtt-bench --prefix subway"},
        {"pub3", BENCH_PUB, 3, "mqttx -I pub%i"},
        {"my-sub_3", BENCH_SUB, 3, "mqttx -I my-sub"},
        {"mqttx_0cf668d0_3", BENCH_PUB, 3, "mqttx without -I"},
        {"17", BENCH_PUB, 17, "emqtt-bench --shortids true"},
        {"pub", BENCH_PUB, 1, "one alone"},
        {"", BENCH_PUB, 1, "none"},
        {"mqtt-stresser-pub-box-worker0-1298498081", BENCH_PUB, 1, "mqtt-stresser counts from 0"},
        {"mqtt-stresser-sub-box-worker41-1298498081", BENCH_SUB, 42, "mqtt-stresser"},
        {"mqtt-stresser-pub-sub-worker7-3-worker2-9", BENCH_PUB, 3, "a host with a name like that"},
        {"pub0", BENCH_PUB, 0, "nobody: numbers begin with 1"},
        {"pub00000007", BENCH_PUB, UINT32_MAX, "too long to be one"},
        {"pub9999999", BENCH_PUB, 9999999, "the longest"},
        {"pub-worker", BENCH_PUB, 1, "no worker"},
        {"pub-worker-3", BENCH_PUB, 3, "no worker either"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum bench_side side;
        uint32_t number;
        bench_client_parse(slice_of(cases[i].client_id), &side, &number);
        if (side != cases[i].side || number != cases[i].number)
            fail_msg("%s: %s is %d %u", cases[i].why, cases[i].client_id, (int)side, number);
    }
}

static void topics(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *becomes; /* NULL: denied; * stands for an id that is given */
        const char *why;
    } cases[] = {
        {"chat/u/7", "chat/u/bench-0a1b2c-sub-7/*", "a number"},
        {"chat/u/load7", "chat/u/bench-0a1b2c-sub-7/*", "a name with a number"},
        {"chat/u/bench-0a1b2c-sub-7/m1", "chat/u/bench-0a1b2c-sub-7/m1", "as the protocol has it"},
        {"chat/u/alice", "chat/u/bench-0a1b2c-sub-3/*", "no number: one's own"},
        {"chat/u/alice/m1", "chat/u/bench-0a1b2c-sub-3/m1", "and never alice"},
        {"chat/g/all", "chat/g/bench-0a1b2c/*", "the group"},
        {"chat/g/kitchen/m1", "chat/g/bench-0a1b2c/m1", "and no other"},
        {"bench/3", "chat/u/bench-0a1b2c-sub-3/*", "any other topic"},
        {"internal/mqtt-stresser/box/worker2-99", "chat/u/bench-0a1b2c-sub-3/*", "mqtt-stresser"},
        {"ab", "chat/u/bench-0a1b2c-sub-3/*", "the shortest"},
        {"a", NULL, "too short to be taken out"},
        {"", NULL, "nothing"},
        {"chat", NULL, "not a whole topic"},
        {"chat/", NULL, "nor this"},
        {"chat/u", NULL, "nor this"},
        {"chat/u/", NULL, "nor this"},
        {"chat/x/7", NULL, "no such kind"},
        {"chat/u/7/", NULL, "an empty id"},
        {"chat/u/7/m1/x", NULL, "something after the id"},
        {"chat/u/7/0123456789012345678901234567890123456", NULL, "too long an id"},
        {"ack/u/7/1", NULL, "not for load generators"},
        {"ack", NULL, "nor this"},
        {"rpc/devices/r1", NULL, "nor this"},
        {"typing/u/7", NULL, "nor this"},
        {"inbox/alice/x", NULL, "nor this"},
        {"$SYS/x", NULL, "the broker's own"},
    };
    struct bench bench = bench_of(GOOD);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[LIMIT_TOPIC_LEN + 1] = "", wanted[LIMIT_TOPIC_LEN + 1] = "";
        size_t len =
            bench_topic(&bench, SLICE("bench-0a1b2c-pub-3"), slice_of(cases[i].topic), true, text, sizeof text);
        if (cases[i].becomes != NULL)
            (void)snprintf(wanted, sizeof wanted, "%s", cases[i].becomes);
        char *star = strchr(wanted, '*');
        if (star != NULL && len > 0)
            (void)snprintf(star, sizeof wanted - (size_t)(star - wanted), "%016llx-%llx",
                           (unsigned long long)bench.boot, (unsigned long long)bench.messages);
        struct topic parsed;
        if (len != strlen(wanted) || strcmp(text, wanted) != 0 ||
            (len > 0 && topic_parse((struct slice){text, len}, &parsed) != STATUS_OK))
            fail_msg("%s: %s becomes %s, not %s", cases[i].why, cases[i].topic, text, wanted);
    }
    char text[LIMIT_TOPIC_LEN + 1];
    uint64_t given = bench.messages;
    assert_true(bench_topic(&bench, SLICE("bench-0a1b2c-sub-3"), SLICE("chat/u/9"), false, text, sizeof text) > 0);
    assert_int_equal(bench.messages, given); /* only asked */
    assert_memory_equal(text, "chat/u/bench-0a1b2c-pub-9/", 26);
    assert_int_equal(bench_topic(&bench, SLICE("alice"), SLICE("chat/u/9"), true, text, sizeof text), 0);
    bench_done(&bench);
}

static void who_may(void **state)
{
    (void)state;
    struct bench bench = bench_of(GOOD), exposed = bench_of("prefix p\npassword 12345678\nusers 1\nexposed 1\n");
    struct admit_request request = {"sub20", "bench", "12345678"};
    struct token_claims claims;
    const char *why;
    assert_true(bench_is_request(&bench, &request));
    static const char *const here[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        assert_int_equal(bench_admit(&bench, &request, here[i], 1000, &claims, &why), STATUS_OK);
    assert_string_equal(claims.user, "bench-0a1b2c-sub-20");
    assert_string_equal(claims.device, BENCH_DEVICE);
    assert_true(claims.issued_at_s == 1000 && claims.expires_at_s > 1000);
    static const char *const elsewhere[] = {"10.0.0.1", "::2", "?", "", "1127.0.0.1"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        assert_int_equal(bench_admit(&bench, &request, elsewhere[i], 1000, &claims, &why), STATUS_DENIED);
    request.client_id = "pub1";
    assert_int_equal(bench_admit(&exposed, &request, "10.0.0.1", 1000, &claims, &why), STATUS_OK);
    static const char *const nobody[] = {"sub21", "sub0", "sub99999999", "mqtt-stresser-sub-x-worker20-1", NULL};
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        request.client_id = nobody[i];
        assert_int_equal(bench_admit(&bench, &request, "127.0.0.1", 1000, &claims, &why), STATUS_DENIED);
    }
    static const char *const wrong[] = {"12345679", "1234567", "123456789", "", NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        request.password = wrong[i];
        assert_false(bench_is_request(&bench, &request));
    }
    bench_done(&bench);
    request.password = "";
    assert_false(bench_is_request(&bench, &request)); /* off: not even the empty one */
    bench_done(&exposed);
    assert_true(bench_may_subscribe(SLICE("#")) && bench_may_subscribe(SLICE("inbox/7/#")));
    assert_false(bench_may_subscribe(SLICE("$share/g/x")) || bench_may_subscribe(SLICE("")));
}

static void files(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "password 12345678\nusers 2\n",
        "prefix p\nusers 2\n",
        "prefix p\npassword 1234567\nusers 2\n",
        "prefix p\npassword 12345678\n",
        "prefix p\npassword 12345678\nusers 0\n",
        "prefix p\npassword 12345678\nusers 1000001\n",
        "prefix p\npassword 12345678\nusers -1\n",
        "prefix P\npassword 12345678\nusers 2\n",
        "prefix p2345678901234567\npassword 12345678\nusers 2\n",
        GOOD "exposed 2\n",
        GOOD "password 87654321\n",
        GOOD "what 1\n",
        GOOD "what\n",
    };
    struct bench bench = bench_of(GOOD), other = bench_of(GOOD);
    char why[256];
    assert_true(bench.is_on && bench_equal(&bench, &other));
    other.users++;
    assert_false(bench_equal(&bench, &other));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bench = bench_of(GOOD);
        file_is(bad[i]);
        if (bench_load(&bench, path, why, sizeof why) != STATUS_MALFORMED || bench.is_on || bench.password_len > 0)
            fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(bench_load(&bench, "/tmp", why, sizeof why), STATUS_UNAVAILABLE);
    assert_false(bench.is_on);
    assert_int_equal(bench_load(&bench, "/tmp/gnatter-no-such-file", why, sizeof why), STATUS_OK);
    assert_false(bench.is_on);
    assert_int_equal(bench_load(&bench, "", why, sizeof why), STATUS_OK);
    assert_false(bench.is_on);
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return sodium_init() < 0 || fd < 0 || close(fd) != 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_ids),
        cmocka_unit_test(topics),
        cmocka_unit_test(who_may),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests_name("bench", tests, begin, end);
}
