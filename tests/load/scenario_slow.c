/*
 * What others feel of a bad neighbour: pairs at a steady rate, measured without and then with a receiver that does not
 * read, one that does not acknowledge, or a stormy group. Then the neighbour comes to its senses: nothing may be lost.
 */
#include "device.h"
#include "talk.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

enum disturbance { DISTURB_NOREAD, DISTURB_NOACK, DISTURB_STORM, DISTURB_KINDS };
static const char *const NAMES[DISTURB_KINDS] = {"noread", "noack", "storm"};

static bool disturbance_of(const char *name, enum disturbance *ret_kind)
{
    for (int i = 0; i < DISTURB_KINDS; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *ret_kind = (enum disturbance)i;
            return true;
        }
    fprintf(stderr, "gnatter-load: --disturb is noread, noack or storm\n");
    return false;
}

/* Returns the neighbour's talk. */
static struct talk *neighbour_add(struct bench *bench, struct load *load, enum disturbance kind)
{
    struct device *members[LIMIT_GROUP_MEMBERS];
    uint32_t members_len = kind == DISTURB_STORM ? (uint32_t)bench->options.members : 2;
    for (uint32_t i = 0; i < members_len; i++)
        if (!(members[i] = device_take(bench)))
            return NULL;
    if (kind == DISTURB_STORM)
        return scenario_group(bench, load, members, members_len, (uint32_t)bench->options.senders);
    load->lossy = bench->options.raw && kind == DISTURB_NOREAD;
    members[1]->conn.narrow =
        kind == DISTURB_NOREAD; /* or the kernel would hold all that it is sent, and nobody wait */
    return scenario_pair(bench, load, members[0], members[1]);
}

static void neighbour_behaves(struct bench *bench, enum disturbance kind, struct talk *talk, bool well)
{
    struct device *device = talk->seats[1].device;
    if (kind == DISTURB_NOREAD)
        loop_read(&bench->loop, &device->conn, well);
    if (kind == DISTURB_NOACK)
        device->never_acks = !well;
    loop_wake(&bench->loop, &device->conn);
}

/* Anything still queued in the broker does not matter when it may be lost. */
static void settle(struct bench *bench, const struct load *neighbour, const struct talk *talk)
{
    if (neighbour->lossy) {
        uint64_t missing = talk->sent - talk->seats[1].taken;
        bench->expected -= missing < bench->expected ? missing : bench->expected;
    }
    scenario_settle(bench);
}

bool scenario_slow(struct bench *bench)
{
    enum disturbance kind;
    const struct options *options = &bench->options;
    if (!disturbance_of(options->disturb, &kind))
        return false;
    struct load *without = load_new(bench, "without", options->rate, options->window);
    struct load *with = load_new(bench, "with", options->rate, options->window);
    struct load *neighbour = load_new(bench, "neighbour", options->group_rate, options->window);
    for (long i = 0; i < options->pairs; i++) {
        struct device *sender = device_take(bench), *receiver = device_take(bench);
        if (!sender || !receiver)
            return false;
        scenario_pair(bench, with, sender, receiver);
    }
    struct talk *talk = neighbour_add(bench, neighbour, kind);
    if (!talk || !scenario_connect(bench, 60) || !groups_create(bench))
        return false;
    scenario_measure(bench, &with, 1);
    (void)bench_until(bench, bench_is_settled, options->settle_s); /* or the last ones, if late, would not count */
    without->stats = with->stats;
    load_reset(with);
    neighbour_behaves(bench, kind, talk, false);
    struct load *const loads[] = {with, neighbour};
    scenario_measure(bench, loads, 2);
    neighbour_behaves(bench, kind, talk, true);
    settle(bench, neighbour, talk);
    double before = (double)histogram_quantile(&without->stats.to_delivery, 0.99);
    double after = (double)histogram_quantile(&with->stats.to_delivery, 0.99);
    if (before > 0)
        cJSON_AddNumberToObject(bench->result, "p99_ratio", after / before);
    return true;
}
