#ifndef LOAD_TALK_H
#define LOAD_TALK_H
/*
 * Conversations and what each device has seen of them: the checks that make a fast wrong answer worthless.
 */
#include "bench.h"

/* A talk of these devices; direct when `group` is empty (then exactly two). Receivers: all but the senders, or with
 * `senders_receive` all. Lives until bench_done. */
struct talk *talk_new(struct bench *bench, struct device *const members[], uint32_t members_len, struct slice group,
                      uint32_t senders, bool senders_receive);
void talk_free(struct talk *talk);
struct seat *seat_find(struct bench *bench, const struct device *device, struct slice view);

/* The seat's device got `sent` for its own message: first time only. seq 0: raw. */
void seat_sent(struct bench *bench, struct seat *seat, int64_t seq, uint64_t intended_ns);
/* A chat or event came. False: seen before, drop it. `stamp` NULL: an event, or a message of another run. */
bool seat_take(struct bench *bench, struct seat *seat, int64_t seq, const struct stamp *stamp);
/* `sent` for a message of another run, in a replay. */
void seat_sent_before(struct seat *seat, int64_t seq);
/* The other of a direct conversation holds everything up to seq. */
void seat_delivered(struct bench *bench, struct seat *seat, int64_t seq);
/* At the end: counts what is missing at this seat. */
void seat_verify(struct bench *bench, struct seat *seat);

#endif
