/* Start, reload and the tick. */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "broker.h"

#define SCAN_MS       15000 /* looking for expired tokens; the contract is a minute */
#define WHY_BYTES     1280
#define LEVEL_TOLD_MS 1000

/* ---- start ---- */
static enum status files_open(struct gateway *gateway, char *why, size_t why_size)
{
    const struct options *options = &gateway->options;
    enum status status = admit_load(&gateway->admit, options->keys_file, options->link_secret_file, why, why_size);
    if (status == STATUS_OK)
        status = journal_open(&gateway->journal, options->journal_file, options->journal_bytes, why, why_size);
    if (status == STATUS_OK)
        status = revoked_open(&gateway->revoked, options->revocations_file, why, why_size);
    if (status == STATUS_OK)
        status = bench_load(&gateway->bench, options->bench_file, why, why_size);
    return status;
}

static void bench_log(const struct gateway *gateway)
{
    if (gateway->bench.is_on)
        broker_log(BROKER_WARNING, "BENCH MODE IS ON: one password opens %u users twice, from %s; for load tests only",
                   gateway->bench.users, gateway->bench.is_exposed ? "ANYWHERE" : "this machine");
}

static void start_log(const struct gateway *gateway)
{
    const struct journal *journal = &gateway->journal;
    broker_log(BROKER_NOTICE, "start node=%s keys=%zu journal_bytes=%llu backlog=%llu revoked=%u boots=%llu",
               gateway->options.node, gateway->admit.keys_len, (unsigned long long)journal->capacity,
               (unsigned long long)(journal->head.position - journal->tail.position),
               revoked_entries(&gateway->revoked), (unsigned long long)journal->boots);
    if (journal->was_cut)
        broker_log(BROKER_ERROR, "journal cut at=%llu: damaged, what lay behind it is lost (a loss of power?)",
                   (unsigned long long)journal->head.position);
    if (journal->capacity < gateway->options.journal_bytes)
        broker_log(BROKER_WARNING, "journal keeps its size bytes=%llu until it is empty at a start",
                   (unsigned long long)journal->capacity);
    if (!gateway->options.limits)
        broker_log(BROKER_WARNING, "rate limits are OFF: any device may take the whole node; for load tests only");
    bench_log(gateway);
}

enum status gateway_init(struct gateway *gateway, const struct option_given given[], size_t given_len)
{
    char why[WHY_BYTES] = "no memory";
    memset(gateway, 0, sizeof *gateway);
    gateway->journal.file.fd = gateway->revoked.file.fd = -1;
    gateway->remembered.max = REMEMBERED_MAX;
    deliver_init(&gateway->deliver);
    if (sodium_init() < 0)
        return STATUS_INTERNAL;
    enum status status = options_read(&gateway->options, given, given_len, why, sizeof why);
    if (status == STATUS_OK)
        status = limiter_init(&gateway->limiter, &gateway->options, why, sizeof why);
    if (status == STATUS_OK)
        status = files_open(gateway, why, sizeof why);
    if (status == STATUS_OK)
        status = uplink_init(&gateway->uplink);
    if (status != STATUS_OK) {
        broker_log(BROKER_ERROR, "start failed why=%s", why);
        gateway_done(gateway);
        return status;
    }
    gateway->overload.wait_ms = (int64_t)gateway->options.overload_wait_ms;
    corks_init(&gateway->deliver.corks, gateway->options.coalesce && !broker_gathers());
    start_log(gateway);
    return STATUS_OK;
}

void gateway_done(struct gateway *gateway)
{
    broker_wake_end();
    link_done(gateway);
    uplink_done(&gateway->uplink);
    deliver_done(&gateway->deliver);
    sessions_done(&gateway->sessions);
    limiter_done(&gateway->limiter);
    remembered_done(&gateway->remembered);
    free(gateway->resuming.at);
    admit_done(&gateway->admit);
    bench_done(&gateway->bench);
    revoked_close(&gateway->revoked);
    journal_close(&gateway->journal);
}

/* Whatever the file says now, connections of what it said before have to prove themselves again. */
static void bench_reload(struct gateway *gateway)
{
    char why[WHY_BYTES];
    struct bench before = gateway->bench;
    if (bench_load(&gateway->bench, gateway->options.bench_file, why, sizeof why) != STATUS_OK)
        broker_log(BROKER_ERROR, "bench mode is off why=%s", why);
    bool is_same = gateway->bench.is_on && bench_equal(&before, &gateway->bench);
    if (before.is_on && !gateway->bench.is_on)
        broker_log(BROKER_NOTICE, "bench mode is off");
    bench_done(&before);
    bench_log(gateway);
    if (is_same)
        return;
    struct session *session;
    for (uint32_t at = 0; (session = sessions_next(&gateway->sessions, &at)) != NULL;)
        if (session->is_bench)
            gateway_kick(gateway, session, GONE_REVOKED);
}

void gateway_reload(struct gateway *gateway)
{
    char why[WHY_BYTES];
    gateway->is_rechecking = true;
    bench_reload(gateway);
    if (limiter_reload(&gateway->limiter, &gateway->options, why, sizeof why) != STATUS_OK)
        broker_log(BROKER_ERROR, "reload failed, the limits stay as they were, why=%s", why);
    if (admit_load(&gateway->admit, gateway->options.keys_file, gateway->options.link_secret_file, why, sizeof why) ==
        STATUS_OK)
        broker_log(BROKER_NOTICE, "reload keys=%zu", gateway->admit.keys_len);
    else
        broker_log(BROKER_ERROR, "reload failed, everything stays as it was, why=%s", why);
}

/* ---- the tick ---- */
static void scan(struct gateway *gateway, struct moment now)
{
    struct session *session;
    if (now.clock_ms - gateway->scanned_ms < SCAN_MS)
        return;
    gateway->scanned_ms = now.clock_ms;
    for (uint32_t at = 0; (session = sessions_next(&gateway->sessions, &at)) != NULL;)
        if (session->expires_at_s <= now.unix_ms / 1000)
            gateway_kick(gateway, session, GONE_EXPIRED);
    sessions_sweep(&gateway->sessions, &gateway->limiter.rates, now.clock_ms);
    limiter_sweep(&gateway->limiter, now.clock_ms);
}

struct overload_journal gateway_load(const struct gateway *gateway, struct moment now)
{
    const struct journal *journal = &gateway->journal;
    return (struct overload_journal){journal_used(journal), journal->capacity,
                                     now.unix_ms - journal_oldest_ms(journal, now.unix_ms)};
}

/* Going up at once; down when it has stayed there for a while: at its mark the journal goes above and below all the
 * time. */
static void level_turn(struct gateway *gateway, struct moment now)
{
    static const char *const NAMES[] = {"none", "shedding", "refusing"};
    const struct overload_journal journal = gateway_load(gateway, now);
    overload_turn(&gateway->overload, now.clock_ms);
    gateway->level = overload_level(&gateway->overload, &journal);
    if (gateway->level >= gateway->level_told)
        gateway->level_told_ms = now.clock_ms;
    if (gateway->level == gateway->level_told ||
        (gateway->level < gateway->level_told && now.clock_ms - gateway->level_told_ms < LEVEL_TOLD_MS))
        return;
    broker_log(gateway->level == OVERLOAD_NONE ? BROKER_NOTICE : BROKER_WARNING,
               "overload level=%s fill=%u/1000 oldest_ms=%lld bytes_per_second=%llu link=%s", NAMES[gateway->level],
               journal_fill(&gateway->journal), (long long)journal.oldest_ms,
               (unsigned long long)gateway->overload.bytes_per_second, gateway->uplink.is_up ? "up" : "down");
    gateway->level_told = gateway->level;
}

static void counters_tell(struct gateway *gateway, struct moment now)
{
    char values[COUNTERS * 8];
    if (gateway->uplink.is_up && gateway->uplink.is_listed && limiter_tell(&gateway->limiter, now.clock_ms, values))
        uplink_counters(&gateway->uplink, &gateway->journal, (struct slice){values, sizeof values});
}

static void kick_one(void *ctx, struct session *session)
{
    gateway_kick(ctx, session, GONE_KICKED);
}

void gateway_tick(struct gateway *gateway, struct moment now)
{
    gateway->has_ticked = true;
    gateway->is_rechecking = false;
    gateway_resume_all(gateway);
    scan(gateway, now);
    level_turn(gateway, now);
    struct deliver_turn turn = {&gateway->sessions, now.clock_ms, gateway->level != OVERLOAD_NONE, kick_one, gateway};
    deliver_slice(&gateway->deliver, &turn);
    broker_wake(deliver_wants_tick(&gateway->deliver));
    gateway_end_kicked(gateway);
    counters_tell(gateway, now);
    uplink_flush(&gateway->uplink, &gateway->journal, slice_of(gateway->options.node));
    link_tick(gateway);
}
