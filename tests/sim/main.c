/* sim: runs the core under random schedules and says which seed violates which promise. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

static const char usage[] =
    "usage: sim [--seed N] [--schedules N] [--plant BUG] [--tap] [--verbose]\n"
    "  --seed N        the first seed (1)\n"
    "  --schedules N   how many, one seed each (10000)\n"
    "  --plant BUG     the core gets this defect: contiguity (pushes without its rule)\n"
    "  --tap           one TAP line instead of the summary; with --plant a violation is what is wanted\n"
    "  --verbose       every step, as comments; for one seed\n";

struct arguments {
    uint64_t seed, schedules;
    const char *plant;
    bool is_tap, is_verbose;
};

static bool number(const char *text, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end)
        return false;
    *ret_number = value;
    return true;
}

static bool read_arguments(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if ((!strcmp(argv[i], "--seed") && number(value, &arguments->seed)) ||
            (!strcmp(argv[i], "--schedules") && number(value, &arguments->schedules)))
            i++;
        else if (!strcmp(argv[i], "--plant") && !strcmp(value, "contiguity"))
            arguments->plant = argv[++i];
        else if (!strcmp(argv[i], "--tap"))
            arguments->is_tap = true;
        else if (!strcmp(argv[i], "--verbose"))
            arguments->is_verbose = true;
        else
            return false;
    }
    return true;
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_violation(const struct world *world, uint64_t seed, const char *plant)
{
    printf("# violated: %s\n# again: sim --seed %llu --schedules 1%s%s --verbose\n", world->violation,
           (unsigned long long)seed, plant ? " --plant " : "", plant ? plant : "");
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seed = 1, .schedules = 10000};
    if (!read_arguments(argc, argv, &arguments)) {
        (void)fputs(usage, argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr);
        return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
    }
    struct core_options base;
    core_options_default(&base);
    base.plant_contiguity_bug = arguments.plant;
    struct world *world = calloc(1, sizeof *world);
    struct db_conversation *conversations = calloc(CONVERSATIONS_MAX, sizeof *conversations);
    struct device *devices = calloc(DEVICES_MAX, sizeof *devices);
    if (!world || !conversations || !devices)
        abort();
    world->conversations = conversations;
    world->devices = devices;
    world->is_verbose = arguments.is_verbose;
    double start = seconds();
    uint64_t done = 0;
    bool is_ok = true;
    while (done < arguments.schedules && is_ok) {
        is_ok = schedule_run(world, arguments.seed + done, &base);
        if (!is_ok)
            print_violation(world, arguments.seed + done, arguments.plant);
        done++;
    }
    double took = seconds() - start;
    printf("# %llu schedules from seed %llu, %llu steps, %llu items taken, %.1f s, %.0f schedules/s\n",
           (unsigned long long)done, (unsigned long long)arguments.seed, (unsigned long long)world->steps,
           (unsigned long long)world->taken, took, (double)done / took);
    if (arguments.is_tap)
        printf("%s - %s\n", is_ok == !arguments.plant ? "ok" : "not ok",
               arguments.plant ? "the planted defect is found" : "all schedules keep every promise");
    free(world->records);
    free(world->feeds);
    free(world->up);
    free(world);
    free(conversations);
    free(devices);
    return is_ok == !arguments.plant ? 0 : 1;
}
