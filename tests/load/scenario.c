#include "device.h"
#include "talk.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY_S 5.0 /* a server that is there lets the first one in sooner */

bool scenario_until(struct bench *bench, bool (*reached)(struct bench *bench), double seconds)
{
    uint64_t until_ns = bench->loop.now_ns + (uint64_t)(seconds * 1e9), nobody_ns = (uint64_t)(NOBODY_S * 1e9);
    for (uint64_t let_in_ns = bench->loop.now_ns; bench->loop.now_ns < until_ns; bench_turn(bench)) {
        if (reached(bench))
            return true;
        if (bench->let_in)
            let_in_ns = bench->loop.now_ns;
        if (bench->loop.now_ns - let_in_ns < nobody_ns)
            continue;
        fprintf(stderr, "gnatter-load: %s:%ld has let nobody in for %.0f s\n", bench->options.host, bench->options.port,
                NOBODY_S);
        return false;
    }
    return reached(bench);
}

static bool all_live(struct bench *bench)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < bench->devices_used; i++)
        wanted += !bench->devices[i].absent;
    return bench->live == wanted;
}

bool scenario_connect(struct bench *bench, double seconds)
{
    for (uint32_t i = 0; i < bench->devices_used; i++)
        if (!bench->devices[i].absent)
            device_connect(bench, &bench->devices[i]);
    if (scenario_until(bench, all_live, seconds))
        return true;
    fprintf(stderr, "gnatter-load: only %u of %u devices became live; %s\n", bench->live, bench->devices_used,
            bench->last_error);
    return false;
}

struct talk *scenario_pair(struct bench *bench, struct load *load, struct device *sender, struct device *receiver)
{
    struct device *const members[] = {sender, receiver};
    bool both = bench->options.both_ways;
    struct talk *talk = talk_new(bench, members, 2, SLICE(""), 1, !bench->options.raw || both);
    load_add(load, &talk->seats[0]);
    if (both)
        load_add(load, &talk->seats[1]);
    return talk;
}

/* ---- groups ---- */

static bool rpc_done(struct bench *bench)
{
    return bench->rpc.done;
}

static bool group_create(struct bench *bench, const struct talk *talk)
{
    struct device *owner = talk->seats[0].device;
    cJSON *call = cJSON_CreateObject();
    cJSON_AddStringToObject(call, "group", talk->name + 2);
    cJSON *members = cJSON_AddArrayToObject(call, "members");
    for (uint32_t i = 1; i < talk->seats_len; i++) {
        struct slice user = talk->seats[i].device->user;
        char text[LIMIT_USER_LEN + 1];
        snprintf(text, sizeof(text), "%.*s", (int)user.len, user.at);
        cJSON_AddItemToArray(members, cJSON_CreateString(text));
    }
    char *text = cJSON_PrintUnformatted(call), topic_text[LIMIT_TOPIC_LEN + 1];
    cJSON_Delete(call);
    if (!text)
        abort();
    struct slice json = slice_of(text);
    bench->rpc.done = false;
    snprintf(bench->rpc.id, sizeof(bench->rpc.id), "%x-g%u", bench->run, talk->index);
    struct topic topic = {.kind = TOPIC_RPC, .method = SLICE("group.create"), .id = slice_of(bench->rpc.id)};
    size_t topic_len = topic_format(&topic, topic_text, sizeof(topic_text));
    memcpy(mqtt_put_publish(&owner->conn.out, (struct slice){topic_text, topic_len}, 1, false,
                            conn_packet_id(&owner->conn), json.len),
           json.at, json.len);
    free(text);
    loop_wake(&bench->loop, &owner->conn);
    bool ok = bench_until(bench, rpc_done, 30) && bench->rpc.ok;
    if (!ok)
        fprintf(stderr, "gnatter-load: group.create: %s\n", bench->rpc.done ? bench->rpc.code : "no answer");
    return ok;
}

struct talk *scenario_group(struct bench *bench, struct load *load, struct device *const members[],
                            uint32_t members_len, uint32_t senders)
{
    char name[40];
    snprintf(name, sizeof(name), "load-%x-%u", bench->run, bench->talks_len);
    struct talk *talk = talk_new(bench, members, members_len, slice_of(name), senders, !bench->options.raw);
    for (uint32_t i = 0; i < senders && i < members_len; i++)
        load_add(load, &talk->seats[i]);
    if (bench->options.absent) {
        load->lossy = true;
        talk->receivers = 0;
        for (uint32_t i = senders; i < members_len; i++)
            members[i]->absent = true;
    }
    return talk;
}

bool groups_create(struct bench *bench)
{
    for (uint32_t i = 0; !bench->options.raw && i < bench->talks_len; i++)
        if (bench->talks[i]->is_group && !group_create(bench, bench->talks[i]))
            return false;
    return true;
}

/* ---- measuring ---- */

void scenario_measure(struct bench *bench, struct load *const loads[], size_t loads_len)
{
    for (size_t i = 0; i < loads_len; i++)
        load_start(bench, loads[i]);
    (void)bench_until(bench, NULL, bench->options.warmup_s); /* only the time counts */
    bench->from_ns = bench->loop.now_ns;
    bench->to_ns = bench->from_ns + (uint64_t)(bench->options.seconds * 1e9);
    bench_phase("measure");
    (void)bench_until(bench, NULL, bench->options.seconds);
    bench_phase("measured");
    (void)bench_until(bench, NULL, bench->options.cool_down_s); /* only the time counts */
    for (size_t i = 0; i < loads_len; i++)
        load_stop(loads[i]);
    for (uint32_t i = 0; bench->options.give_up && i < bench->devices_used; i++)
        outbox_give_up(bench, &bench->devices[i]);
}

void scenario_settle(struct bench *bench)
{
    uint64_t from_ns = bench->loop.now_ns;
    (void)bench_until(bench, bench_is_settled, bench->options.settle_s); /* bench_verify says what is missing */
    cJSON_AddNumberToObject(bench->result, "settle_s", (double)(bench->loop.now_ns - from_ns) / 1e9);
    bench_verify(bench);
}

/* ---- pairs, group, mixed ---- */

static bool pairs_add(struct bench *bench, struct load *load)
{
    for (long i = 0; i < bench->options.pairs; i++) {
        struct device *sender = device_take(bench), *receiver = device_take(bench);
        if (!sender || !receiver)
            return false;
        scenario_pair(bench, load, sender, receiver);
    }
    return true;
}

static bool groups_add(struct bench *bench, struct load *load)
{
    struct device *members[LIMIT_GROUP_MEMBERS];
    for (long i = 0; i < bench->options.groups; i++) {
        for (long k = 0; k < bench->options.members; k++)
            if (!(members[k] = device_take(bench)))
                return false;
        scenario_group(bench, load, members, (uint32_t)bench->options.members, (uint32_t)bench->options.senders);
    }
    return true;
}

static bool scenario_live(struct bench *bench, bool with_pairs, bool with_groups)
{
    struct load *loads[2];
    size_t loads_len = 0;
    const struct options *options = &bench->options;
    if (with_pairs) {
        struct load *load = load_new(bench, "pairs", options->rate, options->window);
        loads[loads_len++] = load;
        if (!pairs_add(bench, load))
            return false;
    }
    if (with_groups) {
        struct load *load =
            load_new(bench, "groups", with_pairs ? options->group_rate : options->rate, options->window);
        loads[loads_len++] = load;
        if (!groups_add(bench, load))
            return false;
    }
    if (!scenario_connect(bench, 60) || !groups_create(bench))
        return false;
    scenario_measure(bench, loads, loads_len);
    scenario_settle(bench);
    return true;
}

bool scenario_run(struct bench *bench)
{
    const char *name = bench->options.scenario;
    bool pairs = strcmp(name, "pairs") == 0, group = strcmp(name, "group") == 0, mixed = strcmp(name, "mixed") == 0;
    if (pairs || group || mixed)
        return scenario_live(bench, pairs || mixed, group || mixed);
    if (strcmp(name, "storm") == 0)
        return scenario_storm(bench);
    if (strcmp(name, "drain") == 0)
        return scenario_drain(bench);
    if (strcmp(name, "herd") == 0)
        return scenario_herd(bench);
    if (strcmp(name, "idle") == 0)
        return scenario_idle(bench);
    return scenario_slow(bench);
}
