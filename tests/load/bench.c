#define _GNU_SOURCE
#include "bench.h"
#include "device.h"
#include "talk.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS    10000000ull
#define TICK_PARTS 10 /* each device is looked at once in so many ticks */

static const char *const VIOLATION_NAMES[VIOLATION_KINDS] = {"lost",     "gap",        "disorder",
                                                             "not-sent", "not-marked", "strange"};

static uint32_t devices_wanted(const struct options *options)
{
    long pairs = 2 * options->pairs, groups = options->groups * options->members;
    if (strcmp(options->scenario, "pairs") == 0)
        return (uint32_t)pairs;
    if (strcmp(options->scenario, "group") == 0)
        return (uint32_t)groups;
    if (strcmp(options->scenario, "mixed") == 0)
        return (uint32_t)(pairs + groups);
    if (strcmp(options->scenario, "slow") == 0)
        return (uint32_t)(pairs + options->members + options->senders + 1);
    if (strcmp(options->scenario, "drain") == 0)
        return (uint32_t)(1 + options->senders);
    return (uint32_t)(options->idle + options->senders);
}

static void limits_raise(uint32_t devices)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t wanted = devices + 64;
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        fprintf(stderr, "gnatter-load: %u connections need `ulimit -n` of %lu\n", devices, (unsigned long)wanted);
}

enum status bench_init(struct bench *bench, const struct options *options)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *bench = (struct bench){.options = *options, .to_ns = 0, .from_ns = UINT64_MAX};
    bench->dialect = options->raw ? &DIALECT_RAW : &DIALECT_DURABLE;
    bench->run = (uint32_t)now.tv_sec ^ (uint32_t)now.tv_nsec << 4 ^ (uint32_t)getpid() << 12;
    histogram_reset(&bench->to_live);
    bench->random = (unsigned)options->seed;
    bench->result = cJSON_CreateObject();
    bench->series = cJSON_AddArrayToObject(bench->result, "series");
    uint32_t wanted = devices_wanted(options);
    limits_raise(wanted);
    enum status status = loop_init(&bench->loop, options->host, (int)options->port, &DEVICE_EVENTS);
    if (status) {
        fprintf(stderr, "gnatter-load: --host %s: not found\n", options->host);
        return status;
    }
    bench->loop.pause_ns = (uint64_t)options->pause_us * 1000ull;
    return devices_load(bench, wanted);
}

void bench_done(struct bench *bench)
{
    devices_free(bench);
    for (uint32_t i = 0; i < bench->talks_len; i++)
        talk_free(bench->talks[i]);
    for (size_t i = 0; i < bench->loads_len; i++)
        load_free(bench->loads[i]);
    free(bench->talks);
    free(bench->seat_table);
    loop_done(&bench->loop);
    cJSON_Delete(bench->result);
}

unsigned bench_random(struct bench *bench, unsigned below)
{
    return below ? (unsigned)rand_r(&bench->random) % below : 0;
}

void bench_phase(const char *name)
{
    fprintf(stderr, "phase %s\n", name);
}

bool bench_in_window(const struct bench *bench, uint64_t at_ns)
{
    return at_ns >= bench->from_ns && at_ns < bench->to_ns;
}

const char *violation_name(enum violation violation)
{
    return VIOLATION_NAMES[violation];
}

void bench_violation(struct bench *bench, enum violation violation, const struct device *device, const char *what)
{
    if (bench->violations[violation]++ < 5)
        fprintf(stderr, "violation %s: %.*s: %s\n", VIOLATION_NAMES[violation], device ? (int)device->client_id.len : 0,
                device ? device->client_id.at : "", what);
}

/* ---- a turn ---- */

static void bench_tick(struct bench *bench)
{
    if (bench->loop.now_ns < bench->tick_ns)
        return;
    bench->tick_ns = bench->loop.now_ns + TICK_NS;
    uint32_t part = bench->devices_used / TICK_PARTS + 1;
    for (uint32_t i = 0; i < part; i++) {
        if (bench->tick_at >= bench->devices_used)
            bench->tick_at = 0;
        if (bench->devices_used)
            device_tick(bench, &bench->devices[bench->tick_at++]);
    }
}

/* A stall shows here, whatever the averages say. */
static void bench_series(struct bench *bench)
{
    if (bench->loop.now_ns < bench->second_ns)
        return;
    const double second[] = {(double)(bench->sent - bench->second_sent), (double)(bench->taken - bench->second_taken),
                             (double)bench->live};
    if (bench->second_ns)
        cJSON_AddItemToArray(bench->series, cJSON_CreateDoubleArray(second, 3));
    bench->second_ns = bench->loop.now_ns + 1000000000ull;
    bench->second_sent = bench->sent;
    bench->second_taken = bench->taken;
}

static void bench_ack(struct bench *bench)
{
    while (bench->ack_first && bench->ack_first->ack_wake_ns <= bench->loop.now_ns) {
        struct device *device = bench->ack_first;
        bench->ack_first = device->ack_next;
        if (!bench->ack_first)
            bench->ack_last = NULL;
        device->ack_queued = false;
        loop_wake(&bench->loop, &device->conn);
    }
}

void bench_turn(struct bench *bench)
{
    uint64_t until_ns = bench->tick_ns;
    for (size_t i = 0; i < bench->loads_len; i++) {
        uint64_t due_ns = load_schedule(bench, bench->loads[i]);
        if (due_ns < until_ns)
            until_ns = due_ns;
    }
    if (bench->ack_first && bench->ack_first->ack_wake_ns < until_ns)
        until_ns = bench->ack_first->ack_wake_ns;
    loop_flush(&bench->loop);
    loop_wait(&bench->loop, until_ns);
    bench_tick(bench);
    bench_ack(bench);
    bench_series(bench);
    devices_connect_next(bench);
    loop_flush(&bench->loop);
}

bool bench_until(struct bench *bench, bool (*reached)(struct bench *bench), double seconds)
{
    uint64_t until_ns = bench->loop.now_ns + (uint64_t)(seconds * 1e9);
    while (bench->loop.now_ns < until_ns) {
        if (reached && reached(bench))
            return true;
        bench_turn(bench);
    }
    return reached ? reached(bench) : true;
}

/* ---- the end ---- */

bool bench_is_settled(struct bench *bench)
{
    if (bench->outstanding || bench->taken < bench->expected)
        return false;
    if (bench->options.raw)
        return true;
    for (uint32_t i = 0; i < bench->talks_len; i++)
        for (uint32_t k = 0; !bench->talks[i]->is_group && k < 2; k++)
            if (bench->talks[i]->seats[k].waiting_len && !bench->talks[i]->seats[!k].device->never_acks)
                return false;
    return true;
}

void bench_verify(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->talks_len; i++) {
        struct talk *talk = bench->talks[i];
        if (talk->load && talk->load->lossy)
            continue;
        for (uint32_t k = 0; k < talk->seats_len; k++)
            seat_verify(bench, &talk->seats[k]);
    }
    for (uint32_t i = 0; i < bench->devices_used; i++) {
        const struct outbox *outbox = &bench->devices[i].outbox;
        if (outbox->under_way)
            bench_violation(bench, VIOLATION_NOT_SENT, &bench->devices[i], "messages without an answer");
    }
}
