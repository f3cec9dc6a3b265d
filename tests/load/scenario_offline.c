/*
 * Devices that come back: a storm of them, or one to a long backlog; and devices that only stay connected.
 * Raw receivers have a persistent session for which the broker queues, the nearest a stock broker comes to it.
 */
#include "device.h"
#include "talk.h"
#include <cjson/cJSON.h>
#include <stdio.h>

#define PREPARE_S 600.0

static bool backlog_is_sent(struct bench *bench)
{
    return bench->outstanding == 0 && bench->loads[0]->quota == 0;
}

static bool is_drained(struct bench *bench)
{
    return bench->live == bench->devices_used && bench->taken >= bench->expected;
}

static bool all_closed(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->devices_used; i++)
        if (bench->devices[i].conn.state != CONN_CLOSED)
            return false;
    return true;
}

/* All were here before. Raw: that makes the receivers' sessions. */
static bool sessions_make(struct bench *bench, uint32_t receivers)
{
    for (uint32_t i = 0; i < receivers; i++)
        bench->devices[i].keep_session = bench->options.raw;
    if (!scenario_connect(bench, PREPARE_S))
        return false;
    for (uint32_t i = 0; i < bench->devices_used; i++)
        device_disconnect(bench, &bench->devices[i]);
    return bench_until(bench, all_closed, 30);
}

/* `messages` wait for the first `receivers` devices; the other devices have sent them, in turns. */
static bool backlog_make(struct bench *bench, uint32_t receivers, uint64_t messages)
{
    struct load *load = load_new(bench, "backlog", 0, bench->options.window);
    for (uint32_t i = 0; i < receivers; i++)
        if (!device_take(bench))
            return false;
    uint32_t senders = (uint32_t)bench->options.senders, talks = receivers > senders ? receivers : senders;
    for (uint32_t i = 0; i < senders; i++)
        if (!device_take(bench))
            return false;
    for (uint32_t i = 0; i < talks; i++)
        scenario_pair(bench, load, &bench->devices[receivers + i % senders], &bench->devices[i % receivers]);
    if (!sessions_make(bench, receivers))
        return false;
    load->quota = messages;
    for (uint32_t i = 0; i < senders; i++)
        device_connect(bench, &bench->devices[receivers + i]);
    load_start(bench, load);
    if (messages && !scenario_until(bench, backlog_is_sent, PREPARE_S)) {
        fprintf(stderr, "gnatter-load: the backlog could not be sent; %s\n", bench->last_error);
        return false;
    }
    return true;
}

/* They connect, all at once, until each has all that waited for it. */
static bool backlog_take(struct bench *bench, uint32_t receivers, const char *rate_name, double rate_of)
{
    uint64_t from_ns = bench->loop.now_ns;
    bench->from_ns = from_ns;
    bench->to_ns = UINT64_MAX;
    bench_phase("measure");
    for (uint32_t i = 0; i < receivers; i++)
        device_connect(bench, &bench->devices[i]);
    bool done = scenario_until(bench, is_drained, PREPARE_S);
    bench->to_ns = bench->loop.now_ns;
    bench_phase("measured");
    double seconds = (double)(bench->to_ns - from_ns) / 1e9;
    cJSON_AddNumberToObject(bench->result, "took_s", seconds);
    cJSON_AddNumberToObject(bench->result, rate_name, rate_of / seconds);
    cJSON *live = cJSON_AddObjectToObject(bench->result, "connect_to_live_ms");
    cJSON_AddNumberToObject(live, "p50", (double)histogram_quantile(&bench->to_live, 0.5) / 1e6);
    cJSON_AddNumberToObject(live, "p99", (double)histogram_quantile(&bench->to_live, 0.99) / 1e6);
    cJSON_AddNumberToObject(live, "max", (double)bench->to_live.max_ns / 1e6);
    fprintf(stderr, "%s %s: %u devices, %lu messages in %.2f s (%s %.0f)\n", bench->dialect->name,
            bench->options.scenario, receivers, bench->taken, seconds, rate_name, rate_of / seconds);
    if (!done)
        fprintf(stderr, "gnatter-load: not all came back; %s\n", bench->last_error);
    scenario_settle(bench);
    return done;
}

bool scenario_storm(struct bench *bench)
{
    uint32_t receivers = (uint32_t)bench->options.idle;
    return backlog_make(bench, receivers, (uint64_t)receivers * (uint64_t)bench->options.waiting) &&
           backlog_take(bench, receivers, "devices_per_s", receivers);
}

bool scenario_drain(struct bench *bench)
{
    return backlog_make(bench, 1, (uint64_t)bench->options.count) &&
           backlog_take(bench, 1, "deliveries_per_s", (double)bench->options.count);
}

static bool somebody_is_lost(struct bench *bench)
{
    return bench->live < bench->devices_used;
}

static bool all_are_back(struct bench *bench)
{
    return bench->live == bench->devices_used;
}

/*
 * All are live and talk, and the server is killed, by whoever reads "phase kill". They go on writing, come back, get
 * what they had not acknowledged, and send again what had no answer.
 */
bool scenario_herd(struct bench *bench)
{
    const struct options *options = &bench->options;
    struct load *load = load_new(bench, "herd", options->rate > 0 ? options->rate : 1, options->window);
    load->lossy = options->raw;
    for (long i = 0; i + 1 < options->idle; i += 2) {
        struct device *sender = device_take(bench), *receiver = device_take(bench);
        if (!sender || !receiver)
            return false;
        scenario_pair(bench, load, sender, receiver);
    }
    if (!scenario_connect(bench, PREPARE_S))
        return false;
    load_start(bench, load);
    (void)bench_until(bench, NULL, options->warmup_s); /* only the time counts */
    bench_phase("kill");
    if (!bench_until(bench, somebody_is_lost, 60)) {
        fprintf(stderr, "gnatter-load: nobody has killed the server\n");
        return false;
    }
    uint64_t lost_ns = bench->from_ns = bench->loop.now_ns;
    bench->to_ns = UINT64_MAX;
    bench_phase("measure");
    (void)bench_until(bench, NULL, 0.2); /* until all have noticed */
    bool are_back = bench_until(bench, all_are_back, PREPARE_S);
    double back_s = (double)(bench->loop.now_ns - lost_ns) / 1e9;
    bench->to_ns = bench->loop.now_ns;
    load_stop(load);
    if (options->raw) /* a stock broker's queues died with it */
        bench->expected = bench->taken;
    bool is_settled = bench_until(bench, bench_is_settled, options->settle_s);
    cJSON_AddNumberToObject(bench->result, "all_back_s", back_s);
    cJSON_AddNumberToObject(bench->result, "caught_up_s", (double)(bench->loop.now_ns - lost_ns) / 1e9);
    cJSON_AddNumberToObject(bench->result, "us_per_device", back_s * 1e6 / bench->devices_used);
    bench_phase("measured");
    fprintf(stderr, "%s herd: %u devices back after %.2f s, %.0f us for each%s\n", bench->dialect->name,
            bench->devices_used, back_s, back_s * 1e6 / bench->devices_used,
            is_settled ? "" : "; not all was delivered");
    if (!options->raw)
        bench_verify(bench);
    return are_back;
}

/* Holds them; when the server goes and comes back, how long until all are live again. */
static void idle_hold(struct bench *bench)
{
    uint64_t until_ns = bench->loop.now_ns + (uint64_t)(bench->options.seconds * 1e9), lost_ns = 0;
    while (bench->loop.now_ns < until_ns || (lost_ns && bench->loop.now_ns < until_ns + 60000000000ull)) {
        bench_turn(bench);
        if (!lost_ns && bench->live < bench->devices_used)
            lost_ns = bench->loop.now_ns;
        if (!lost_ns || bench->live < bench->devices_used)
            continue;
        cJSON_AddNumberToObject(bench->result, "all_back_s", (double)(bench->loop.now_ns - lost_ns) / 1e9);
        fprintf(stderr, "all back after %.2f s\n", (double)(bench->loop.now_ns - lost_ns) / 1e9);
        return;
    }
}

bool scenario_idle(struct bench *bench)
{
    for (long i = 0; i < bench->options.idle; i++) {
        struct device *device = device_take(bench);
        char name[24];
        if (!device)
            return false;
        int len = snprintf(name, sizeof(name), "idle-%ld", i); /* raw: something to subscribe to */
        if (bench->options.raw)
            (void)talk_new(bench, &device, 1, (struct slice){name, (size_t)len}, 0, true); /* lives in the bench */
    }
    bench_phase("connect");
    uint64_t from_ns = bench->loop.now_ns;
    if (!scenario_connect(bench, PREPARE_S))
        return false;
    cJSON_AddNumberToObject(bench->result, "took_s", (double)(bench->loop.now_ns - from_ns) / 1e9);
    bench_phase("measure");
    idle_hold(bench);
    bench_phase("measured");
    return bench->live == bench->devices_used;
}
