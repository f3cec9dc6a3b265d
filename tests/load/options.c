#include "options.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_type { OPTION_FLAG, OPTION_LONG, OPTION_DOUBLE, OPTION_TEXT };

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *initial;
    double least, most;
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row ROWS[] = {
    {"host", OPTION_TEXT, AT(host), "127.0.0.1", 0, 0, "the broker"},
    {"port", OPTION_LONG, AT(port), "1883", 1, 65535, "its MQTT port"},
    {"devices", OPTION_TEXT, AT(devices_file), "", 0, 0, "file of `gnatterctl bulk-add`: client id, user name, token"},
    {"raw", OPTION_FLAG, AT(raw), "", 0, 0, "plain topics against a stock broker instead of the device protocol"},
    {"label", OPTION_TEXT, AT(label), "", 0, 0, "goes into the JSON line as it is"},
    {"pairs", OPTION_LONG, AT(pairs), "100", 1, 100000, "senders with a receiver each (pairs, mixed, slow)"},
    {"both-ways", OPTION_FLAG, AT(both_ways), "", 0, 0, "in a pair both send"},
    {"groups", OPTION_LONG, AT(groups), "1", 1, 10000, "how many groups (group, mixed)"},
    {"members", OPTION_LONG, AT(members), "100", 2, 1024, "members of each group (group, mixed, slow)"},
    {"senders", OPTION_LONG, AT(senders), "1", 1, 1024, "senders of each group, or of the backlog (drain, storm)"},
    {"absent", OPTION_FLAG, AT(absent), "", 0, 0, "of a group only the senders are connected"},
    {"window", OPTION_LONG, AT(window), "8", 1, 30000, "messages a sender has without `sent` (raw: without PUBACK)"},
    {"rate", OPTION_DOUBLE, AT(rate), "0", 0, 1e7, "messages/s of all senders, open loop; 0: closed windows (herd: 1)"},
    {"group-rate", OPTION_DOUBLE, AT(group_rate), "0", 0, 1e7,
     "messages/s into the groups (mixed), to the neighbour (slow); 0: closed"},
    {"payload", OPTION_LONG, AT(payload_bytes), "100", 32, 190000, "bytes of a message"},
    {"ack-every", OPTION_LONG, AT(ack_every), "16", 1, 100000, "a receiver acknowledges after so many items"},
    {"ack-delay-ms", OPTION_LONG, AT(ack_delay_ms), "10", 0, 60000, "or so long after the first one"},
    {"read", OPTION_FLAG, AT(marks_read), "", 0, 0, "mark as read instead of only acknowledging"},
    {"waiting", OPTION_LONG, AT(waiting), "10", 0, 100000, "messages waiting for each device (storm)"},
    {"count", OPTION_LONG, AT(count), "100000", 1, 100000000, "messages of the backlog (drain)"},
    {"idle", OPTION_LONG, AT(idle), "1000", 1, 1000000, "connections (idle, storm, herd)"},
    {"disturb", OPTION_TEXT, AT(disturb), "noread", 0, 0, "slow: noread, noack or storm (a busy group)"},
    {"connects-at-once", OPTION_LONG, AT(connects_at_once), "64", 1, 100000, "connects under way at a time"},
    {"resend-ms", OPTION_LONG, AT(resend_ms), "10000", 100, 600000, "send again when `sent` has not come after"},
    {"give-up", OPTION_FLAG, AT(give_up), "", 0, 0,
     "at the end forget what was refused or not published yet: an overload leaves more of it than can be waited for"},
    {"keep-alive", OPTION_LONG, AT(keep_alive_s), "300", 5, 65535, "seconds"},
    {"seconds", OPTION_DOUBLE, AT(seconds), "5", 0.1, 86400, "what is measured (idle: for how long they are held)"},
    {"warm-up", OPTION_DOUBLE, AT(warmup_s), "1", 0, 3600, "seconds before that"},
    {"cool-down", OPTION_DOUBLE, AT(cool_down_s), "0", 0, 60,
     "seconds after that for which it goes on: who reads counters at \"phase measured\" reads them under the load"},
    {"settle", OPTION_DOUBLE, AT(settle_s), "20", 0, 3600, "seconds at most for what is under way at the end"},
    {"pause-us", OPTION_LONG, AT(pause_us), "0", 0, 100000,
     "at least so long from turn to turn; spares CPU, costs latency"},
    {"seed", OPTION_LONG, AT(seed), "1", 0, 1000000000, "of the jitter"},
    {"help", OPTION_FLAG, AT(help), "", 0, 0, "this"},
};
#define ROWS_LEN (sizeof(ROWS) / sizeof(ROWS[0]))

static const char *const SCENARIOS[] = {"pairs", "group", "mixed", "storm", "slow", "drain", "idle", "herd"};
#define SCENARIOS_LEN (sizeof(SCENARIOS) / sizeof(SCENARIOS[0]))

void options_help(void)
{
    printf("usage: gnatter-load [options] SCENARIO\n\n"
           "  pairs   senders to one receiver each\n"
           "  group   senders to groups\n"
           "  mixed   pairs and groups at once\n"
           "  storm   many devices connect at once, messages wait for each\n"
           "  slow    pairs at a rate, without and with a slow or stormy neighbour\n"
           "  drain   one device comes back to a backlog\n"
           "  idle    connections that are only held\n"
           "  herd    all are live, and the server is killed (by who reads the line \"phase kill\")\n\n"
           "A JSON line goes to stdout. Exit 1: a promise of the protocol was broken, or it could not be done; 2: "
           "nothing\n"
           "was tried, and stderr says why.\n\n");
    for (size_t i = 0; i < ROWS_LEN; i++)
        printf("  --%-18s %s%s%s%s\n", ROWS[i].name, ROWS[i].help, *ROWS[i].initial ? " [" : "", ROWS[i].initial,
               *ROWS[i].initial ? "]" : "");
}

static enum status option_set(struct options *options, const struct option_row *row, const char *text)
{
    void *at = (char *)options + row->offset;
    char *end = NULL;
    double value = 0;
    if (row->type == OPTION_FLAG) {
        *(bool *)at = text != NULL && *text != '\0';
        return STATUS_OK;
    }
    if (row->type == OPTION_TEXT) {
        *(const char **)at = text;
        return STATUS_OK;
    }
    value = strtod(text, &end);
    if (end == text || *end || !(value >= row->least && value <= row->most) || /* also for what is no number */
        (row->type == OPTION_LONG && value != (double)(long)value)) {
        fprintf(stderr, "gnatter-load: --%s: %s is not a number of %g to %g\n", row->name, text, row->least, row->most);
        return STATUS_MALFORMED;
    }
    if (row->type == OPTION_LONG)
        *(long *)at = (long)value;
    else
        *(double *)at = value;
    return STATUS_OK;
}

/* "--name value", "--name=value" or "--flag" at argv[*at]; moves on to its last word. */
static enum status option_take(struct options *options, int argc, char *argv[], int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t name_len = equals ? (size_t)(equals - name) : strlen(name);
    for (size_t i = 0; i < ROWS_LEN; i++) {
        const struct option_row *row = &ROWS[i];
        if (strlen(row->name) != name_len || strncmp(row->name, name, name_len) != 0)
            continue;
        if (row->type == OPTION_FLAG && equals) {
            fprintf(stderr, "gnatter-load: --%s takes no value\n", row->name);
            return STATUS_MALFORMED;
        }
        if (row->type == OPTION_FLAG)
            return option_set(options, row, "yes");
        const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
        if (value)
            return option_set(options, row, value);
        fprintf(stderr, "gnatter-load: --%s needs a value\n", row->name);
        return STATUS_MALFORMED;
    }
    fprintf(stderr, "gnatter-load: unknown option --%s (see --help)\n", name);
    return STATUS_MALFORMED;
}

enum status options_parse(struct options *options, int argc, char *argv[])
{
    *options = (struct options){0};
    for (size_t i = 0; i < ROWS_LEN; i++)
        if (option_set(options, &ROWS[i], ROWS[i].initial))
            return STATUS_INTERNAL;
    for (int at = 1; at < argc; at++) {
        if (strncmp(argv[at], "--", 2) == 0) {
            enum status status = option_take(options, argc, argv, &at);
            if (status)
                return status;
        } else if (!options->scenario) {
            options->scenario = argv[at];
        } else {
            fprintf(stderr, "gnatter-load: one scenario at a time\n");
            return STATUS_MALFORMED;
        }
    }
    if (options->help)
        return STATUS_OK;
    for (size_t i = 0; options->scenario && i < SCENARIOS_LEN; i++)
        if (strcmp(options->scenario, SCENARIOS[i]) == 0)
            return STATUS_OK;
    fprintf(stderr, "gnatter-load: name a scenario (see --help)\n");
    return STATUS_MALFORMED;
}
