#include "talk.h"
#include "device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table of seats: by device and how that device names the conversation ---- */

static size_t seat_hash(const struct device *device, struct slice view)
{
    uint64_t hash = 14695981039346656037ull ^ ((uint64_t)device->index * 0x9e3779b97f4a7c15ull);
    for (size_t i = 0; i < view.len; i++)
        hash = (hash ^ (unsigned char)view.at[i]) * 1099511628211ull;
    return (size_t)(hash ^ hash >> 29);
}

static struct seat **seat_slot(struct bench *bench, const struct device *device, struct slice view)
{
    size_t mask = bench->seat_table_size - 1, at = seat_hash(device, view) & mask;
    while (bench->seat_table[at]) {
        struct seat *seat = bench->seat_table[at];
        if (seat->device == device && slice_equal(seat->view, view))
            break;
        at = (at + 1) & mask;
    }
    return &bench->seat_table[at];
}

static void seat_table_grow(struct bench *bench)
{
    struct seat **old = bench->seat_table;
    size_t old_size = bench->seat_table_size;
    bench->seat_table_size = old_size ? old_size * 2 : 1024;
    bench->seat_table = calloc(bench->seat_table_size, sizeof(struct seat *));
    if (!bench->seat_table)
        abort();
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            *seat_slot(bench, old[i]->device, old[i]->view) = old[i];
    free(old);
}

struct seat *seat_find(struct bench *bench, const struct device *device, struct slice view)
{
    return bench->seat_table_size ? *seat_slot(bench, device, view) : NULL;
}

static void seat_enter(struct bench *bench, struct seat *seat)
{
    if (bench->seats_len * 2 >= bench->seat_table_size)
        seat_table_grow(bench);
    *seat_slot(bench, seat->device, seat->view) = seat;
    bench->seats_len++;
    struct device *device = seat->device;
    if (device->seats_len == device->seats_size) {
        device->seats_size = device->seats_size ? device->seats_size * 2 : 2;
        device->seats = realloc(device->seats, device->seats_size * sizeof(struct seat *));
        if (!device->seats)
            abort();
    }
    device->seats[device->seats_len++] = seat;
}

/* ---- talks ---- */

static struct slice copy_text(const char *prefix, struct slice text)
{
    size_t prefix_len = strlen(prefix);
    char *copy = malloc(prefix_len + text.len + 1);
    if (!copy)
        abort();
    memcpy(copy, prefix, prefix_len);
    memcpy(copy + prefix_len, text.at, text.len);
    copy[prefix_len + text.len] = '\0';
    return (struct slice){copy, prefix_len + text.len};
}

static void seat_name(struct seat *seat)
{
    struct talk *talk = seat->talk;
    if (talk->is_group) {
        seat->view = slice_of(talk->name);
        seat->ref = (struct conversation_ref){CONVERSATION_GROUP, {seat->view.at + 2, seat->view.len - 2}};
        return;
    }
    seat->view = copy_text("u/", talk->seats[!seat->place].device->user);
    seat->ref = (struct conversation_ref){CONVERSATION_DIRECT, {seat->view.at + 2, seat->view.len - 2}};
}

struct talk *talk_new(struct bench *bench, struct device *const members[], uint32_t members_len, struct slice group,
                      uint32_t senders, bool senders_receive)
{
    struct talk *talk = calloc(1, sizeof(*talk));
    if (bench->talks_len == bench->talks_size) {
        bench->talks_size = bench->talks_size ? bench->talks_size * 2 : 64;
        bench->talks = realloc(bench->talks, bench->talks_size * sizeof(struct talk *));
    }
    if (!talk || !bench->talks || !(talk->seats = calloc(members_len, sizeof(struct seat))))
        abort();
    talk->index = bench->talks_len;
    talk->is_group = group.len > 0;
    talk->many_senders = talk->is_group && senders > 1;
    talk->seats_len = members_len;
    if (talk->is_group)
        snprintf(talk->name, sizeof(talk->name), "g/%.*s", (int)group.len, group.at);
    for (uint32_t i = 0; i < members_len; i++) {
        talk->seats[i] = (struct seat){.device = members[i], .talk = talk, .place = i};
        talk->seats[i].receives = senders_receive || i >= senders;
        talk->receivers += talk->seats[i].receives;
    }
    for (uint32_t i = 0; i < members_len; i++) {
        seat_name(&talk->seats[i]);
        seat_enter(bench, &talk->seats[i]);
    }
    bench->talks[bench->talks_len++] = talk;
    return talk;
}

void talk_free(struct talk *talk)
{
    if (!talk)
        return;
    for (uint32_t i = 0; i < talk->seats_len; i++) {
        if (!talk->is_group)
            free((char *)talk->seats[i].view.at);
        free(talk->seats[i].waiting);
    }
    free(talk->seats);
    free(talk);
}

/* ---- what a seat sees ---- */

static void seat_seen(struct seat *seat, int64_t seq)
{
    seat->items++;
    if (seat->min_seq == 0 || seq < seat->min_seq)
        seat->min_seq = seq;
    if (seq > seat->max_seq)
        seat->max_seq = seq;
}

static void seat_marked(struct bench *bench, struct seat *seat, uint64_t intended_ns)
{
    struct load *load = seat->talk->load;
    if (!load)
        return;
    if (bench_in_window(bench, bench->loop.now_ns))
        load->stats.marked++;
    if (bench_in_window(bench, intended_ns))
        histogram_add(&load->stats.to_marked, bench->loop.now_ns - intended_ns);
}

static void seat_wait_mark(struct seat *seat, int64_t seq, uint64_t intended_ns)
{
    if (seat->waiting_len == seat->waiting_size) {
        uint32_t size = seat->waiting_size ? seat->waiting_size * 2 : 16;
        struct waiting *waiting = malloc(size * sizeof(*waiting));
        if (!waiting)
            abort();
        for (uint32_t i = 0; i < seat->waiting_len; i++)
            waiting[i] = seat->waiting[(seat->waiting_head + i) & (seat->waiting_size - 1)];
        free(seat->waiting);
        seat->waiting = waiting;
        seat->waiting_head = 0;
        seat->waiting_size = size;
    }
    seat->waiting[(seat->waiting_head + seat->waiting_len++) & (seat->waiting_size - 1)] =
        (struct waiting){seq, intended_ns};
}

void seat_sent(struct bench *bench, struct seat *seat, int64_t seq, uint64_t intended_ns)
{
    struct talk *talk = seat->talk;
    bench->sent++;
    talk->sent++;
    talk->sent_seqs += (uint64_t)seq;
    seat->own++;
    bench->expected += talk->receivers ? talk->receivers - seat->receives : 0;
    if (talk->load) {
        if (bench_in_window(bench, bench->loop.now_ns))
            talk->load->stats.sent++;
        if (bench_in_window(bench, intended_ns))
            histogram_add(&talk->load->stats.to_sent, bench->loop.now_ns - intended_ns);
    }
    if (seq == 0)
        return;
    seat->own_seqs += (uint64_t)seq;
    seat_seen(seat, seq);
    if (talk->is_group)
        return;
    if (seq > seat->own_max_seq)
        seat->own_max_seq = seq;
    if (seq <= seat->delivered_seq)
        seat_marked(bench, seat, intended_ns);
    else
        seat_wait_mark(seat, seq, intended_ns);
}

void seat_sent_before(struct seat *seat, int64_t seq)
{
    if (seq <= seat->foreign_own_seq)
        return;
    seat->foreign_own_seq = seq;
    seat_seen(seat, seq);
}

bool seat_take(struct bench *bench, struct seat *seat, int64_t seq, const struct stamp *stamp)
{
    bool repeated = seq ? seq <= seat->last_seq : !seat->talk->many_senders && stamp->counter <= seat->last_counter;
    if (repeated) {
        bench->duplicates++;
        return false;
    }
    if (seq) {
        seat->last_seq = seq;
        seat_seen(seat, seq);
    }
    if (!stamp)
        return true;
    struct talk *talk = seat->talk;
    if (seq && !talk->many_senders && !talk->reordered && stamp->counter <= seat->last_counter)
        bench_violation(bench, VIOLATION_DISORDER, seat->device, talk->is_group ? talk->name : seat->view.at);
    seat->last_counter = stamp->counter;
    seat->taken++;
    seat->taken_seqs += (uint64_t)seq;
    bench->taken++;
    if (talk->load) {
        if (bench_in_window(bench, bench->loop.now_ns))
            talk->load->stats.taken++;
        if (bench_in_window(bench, stamp->intended_ns))
            histogram_add(&talk->load->stats.to_delivery, bench->loop.now_ns - stamp->intended_ns);
    }
    return true;
}

void seat_delivered(struct bench *bench, struct seat *seat, int64_t seq)
{
    bench->receipts++;
    if (seq <= seat->delivered_seq)
        return;
    seat->delivered_seq = seq;
    while (seat->waiting_len && seat->waiting[seat->waiting_head].seq <= seq) {
        seat_marked(bench, seat, seat->waiting[seat->waiting_head].intended_ns);
        seat->waiting_head = (seat->waiting_head + 1) & (seat->waiting_size - 1);
        seat->waiting_len--;
    }
}

void seat_verify(struct bench *bench, struct seat *seat)
{
    char what[256];
    struct talk *talk = seat->talk;
    uint64_t has = seat->taken + seat->own, has_seqs = seat->taken_seqs + seat->own_seqs;
    if (seat->receives && (has < talk->sent || (has == talk->sent && has_seqs != talk->sent_seqs))) {
        snprintf(what, sizeof(what), "%s: %lu of %lu", seat->view.at, has, talk->sent);
        bench_violation(bench, VIOLATION_LOST, seat->device, what);
    }
    if (seat->items && (uint64_t)(seat->max_seq - seat->min_seq) + 1 != seat->items) {
        snprintf(what, sizeof(what), "%s: %lu items in seqs %ld to %ld", seat->view.at, seat->items, seat->min_seq,
                 seat->max_seq);
        bench_violation(bench, VIOLATION_GAP, seat->device, what);
    }
    if (!talk->is_group && seat->delivered_seq < seat->own_max_seq && !talk->seats[!seat->place].device->never_acks) {
        snprintf(what, sizeof(what), "%s: delivered %ld, own message %ld", seat->view.at, seat->delivered_seq,
                 seat->own_max_seq);
        bench_violation(bench, VIOLATION_NOT_MARKED, seat->device, what);
    }
}
