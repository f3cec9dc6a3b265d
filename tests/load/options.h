#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H
/*
 * The command line of gnatter-load: one table in options.c gives name, default and help of each.
 */
#include <stdbool.h>
#include "../../clients/protocol/status.h"

struct options {
    const char *scenario, *host, *devices_file, *label, *disturb;
    bool give_up; /* what was refused or not published yet is forgotten when the measuring ends */
    bool raw, both_ways, marks_read, absent, help;
    long port, pairs, groups, members, senders, window, payload_bytes, connects_at_once, ack_every, ack_delay_ms,
        waiting, count, idle, resend_ms, keep_alive_s, pause_us, seed;
    double rate, group_rate, seconds, warmup_s, cool_down_s, settle_s;
};

/* STATUS_MALFORMED: a line on stderr has said why. Strings borrow from argv. */
MUST_CHECK enum status options_parse(struct options *options, int argc, char *argv[]);
void options_help(void);

#endif
