/*
 * gnatter-load: one process, one thread, tens of thousands of devices that check what they are told while they load.
 */
#include "bench.h"
#include <signal.h>
#include <stdio.h>

int main(int argc, char *argv[])
{
    struct options options;
    struct bench bench;
    if (options_parse(&options, argc, argv))
        return 2;
    if (options.help) {
        options_help();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (bench_init(&bench, &options))
        return 2;
    bool ran = scenario_run(&bench);
    uint64_t violations = 0;
    for (int i = 0; i < VIOLATION_KINDS; i++)
        violations += bench.violations[i];
    bench_report(&bench);
    bench_done(&bench);
    return ran && violations == 0 ? 0 : 1;
}
