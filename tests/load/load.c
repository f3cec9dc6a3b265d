#include "device.h"
#include <stdlib.h>
#include <string.h>

struct load *load_new(struct bench *bench, const char *name, double rate, long window)
{
    struct load *load = calloc(1, sizeof(*load));
    if (!load || bench->loads_len == BENCH_LOADS)
        abort();
    load->name = name;
    load->rate = rate;
    load->window = window;
    load->quota = UINT64_MAX;
    load_reset(load);
    bench->loads[bench->loads_len++] = load;
    return load;
}

void load_reset(struct load *load)
{
    memset(&load->stats, 0, sizeof(load->stats));
    histogram_reset(&load->stats.to_sent);
    histogram_reset(&load->stats.to_delivery);
    histogram_reset(&load->stats.to_marked);
    histogram_reset(&load->stats.accepted);
    histogram_reset(&load->stats.advised);
}

void load_free(struct load *load)
{
    if (load)
        free(load->seats);
    free(load);
}

/* Seats of one device in one load form a ring, so that its window goes round its conversations. */
void load_add(struct load *load, struct seat *seat)
{
    if ((load->seats_len & (load->seats_len + 1)) == 0 || !load->seats) {
        load->seats = realloc(load->seats, (load->seats_len + 1) * 2 * sizeof(struct seat *));
        if (!load->seats)
            abort();
    }
    load->seats[load->seats_len++] = seat;
    seat->cycle = seat;
    struct device *device = seat->device;
    for (uint32_t i = 0; i < device->seats_len; i++) {
        struct seat *other = device->seats[i];
        if (other == seat || !other->cycle || other->talk->load != load)
            continue;
        seat->cycle = other->cycle;
        other->cycle = seat;
        break;
    }
    seat->talk->load = load;
    if (device->window < load->window)
        device->window = load->window;
}

static bool load_one(struct bench *bench, struct load *load, struct seat *seat, uint64_t intended_ns)
{
    if (!load->quota) {
        load->active = false;
        return false;
    }
    load->quota--;
    outbox_add(bench, seat, intended_ns);
    return true;
}

/* The first seat of its device in the load starts the device's window. */
static bool load_is_first(const struct load *load, size_t index)
{
    const struct device *device = load->seats[index]->device;
    for (uint32_t i = 0; i < device->seats_len; i++)
        if (device->seats[i]->talk->load == load && device->seats[i]->cycle)
            return device->seats[i] == load->seats[index];
    return false;
}

void load_start(struct bench *bench, struct load *load)
{
    load->active = true;
    load->started_ns = bench->loop.now_ns;
    load->scheduled = 0;
    if (load->rate > 0)
        return;
    for (size_t i = 0; i < load->seats_len; i++) {
        if (!load_is_first(load, i))
            continue;
        struct seat *seat = load->seats[i];
        for (long n = 0; n < load->window && load_one(bench, load, seat, bench->loop.now_ns); n++)
            seat = seat->cycle;
        seat->device->next_seat = seat;
    }
}

void load_stop(struct load *load)
{
    load->active = false;
}

uint64_t load_schedule(struct bench *bench, struct load *load)
{
    if (!load->active || load->rate <= 0)
        return UINT64_MAX;
    for (;;) {
        uint64_t due_ns = load->started_ns + (uint64_t)((double)load->scheduled / load->rate * 1e9);
        if (due_ns > bench->loop.now_ns)
            return due_ns;
        struct seat *seat = load->seats[load->next_seat];
        if (!load_one(bench, load, seat, due_ns))
            return UINT64_MAX;
        load->scheduled++;
        load->next_seat = (load->next_seat + 1) % load->seats_len;
    }
}

void load_refill(struct bench *bench, struct seat *seat)
{
    struct load *load = seat->talk->load;
    if (!load || !load->active || load->rate > 0)
        return;
    /* the device's window goes round all its conversations, not only as far as it is wide */
    struct device *device = seat->device;
    if (!device->next_seat || device->next_seat->talk->load != load)
        device->next_seat = seat->cycle;
    if (load_one(bench, load, device->next_seat, bench->loop.now_ns)) /* false: the quota is used up */
        device->next_seat = device->next_seat->cycle;
}
