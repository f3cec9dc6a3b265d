/* The promises, held against the truth: as something is told, and at rest. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void violate(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!world->violation[0])
        (void)vsnprintf(world->violation, sizeof world->violation, format, args); /* NOLINT(clang-analyzer-valist*) */
    va_end(args);
    trace(world, "VIOLATED: %s", world->violation);
}

void trace(const struct world *world, const char *format, ...)
{
    if (!world->is_verbose)
        return;
    va_list args;
    va_start(args, format);
    printf("# %6ld ", (long)world->now_ms);
    vprintf(format, args); /* NOLINT(clang-analyzer-valist*) */
    putchar('\n');
    va_end(args);
}

bool is_violated(const struct world *world)
{
    return world->violation[0] != '\0';
}

/* ---- what the core tells devices ---- */

void forget_outstanding_of(struct device *device)
{
    memset(device->is_out, 0, sizeof device->is_out);
    device->out_len = 0;
}

void forget_outstanding(struct world *world)
{
    for (int i = 0; i < world->devices_len; i++)
        forget_outstanding_of(&world->devices[i]);
}

static void count_out(struct world *world, int device, int conversation, int64_t seq)
{
    struct device *d = &world->devices[device];
    struct core_stats stats;
    core_stats(world->core, &stats);
    if (stats.redelivered + stats.forgotten != world->seen_restarts) { /* the window starts over for somebody */
        world->seen_restarts = stats.redelivered + stats.forgotten;
        forget_outstanding(world);
    }
    if (d->is_out[conversation][seq] || seq <= d->core_held[conversation])
        return;
    d->is_out[conversation][seq] = true;
    uint32_t most = world->options.window_items > world->options.window_items_max ? world->options.window_items
                                                                                  : world->options.window_items_max;
    if (++d->out_len > (int)most)
        violate(world, "device %d has %d items outstanding", device, d->out_len);
}

static void check_item(struct world *world, int device, int conversation, const struct inbox *inbox,
                       struct slice payload)
{
    struct device *d = &world->devices[device];
    const struct db_conversation *c = &world->conversations[conversation];
    if (inbox->kind == INBOX_EVENT && slice_equal(inbox->word, SLICE("truncated"))) {
        if (inbox->seq >= c->first_seq)
            violate(world, "truncated %s/%ld, the first kept is %ld", c->name, (long)inbox->seq, (long)c->first_seq);
        for (int64_t seq = 1; seq <= inbox->seq; seq++)
            d->told[conversation][seq] = true;
        return;
    }
    if (inbox->seq > c->last_seq) {
        violate(world, "%s/%ld is told before it is committed", c->name, (long)inbox->seq);
        return;
    }
    if (!db_is_visible(c, d->user, inbox->seq)) {
        violate(world, "device %d is told %s/%ld, when its user was no member", device, c->name, (long)inbox->seq);
        return;
    }
    d->told[conversation][inbox->seq] = true;
    const struct db_item *item = &c->items[inbox->seq];
    char expected[512];
    size_t expected_len;
    if (inbox->kind == INBOX_CHAT) {
        message_payload(item->message, expected, &expected_len);
        if (!item->is_chat || message_named(inbox->id) != item->message || item->time_ms != inbox->time_ms ||
            !slice_equal((struct slice){expected, expected_len}, payload))
            violate(world, "%s/%ld is told as what it is not", c->name, (long)inbox->seq);
        if (item->device == device)
            violate(world, "device %d is told its own message %s/%ld", device, c->name, (long)inbox->seq);
        if (db_is_withheld(c, d->user, inbox->seq))
            violate(world, "device %d is told %s/%ld, which is withheld", device, c->name, (long)inbox->seq);
    } else if (slice_equal(inbox->word, SLICE("withheld"))) {
        if (!db_is_withheld(c, d->user, inbox->seq) || !slice_equal(payload, SLICE("{}")) ||
            !slice_equal(inbox->user, SLICE("-")) || item->time_ms != inbox->time_ms)
            violate(world, "%s/%ld is told as withheld from user %d", c->name, (long)inbox->seq, d->user);
    } else if (db_is_withheld(c, d->user, inbox->seq)) {
        violate(world, "device %d is told event %s/%ld, which is withheld", device, c->name, (long)inbox->seq);
    } else if (item->is_chat && !item->is_erased) {
        violate(world, "message %s/%ld is told as an event", c->name, (long)inbox->seq);
    }
    if (!d->ack_auto)
        count_out(world, device, conversation, inbox->seq);
}

static void check_sent(struct world *world, int device, int conversation, int qos, const struct inbox *inbox)
{
    int message = message_named(inbox->id);
    struct message_truth *m = &world->messages[message];
    const struct db_conversation *c = &world->conversations[conversation];
    if (m->log_seq != inbox->seq || m->conversation != conversation || c->items[inbox->seq].time_ms != inbox->time_ms)
        violate(world, "sent for message %d says %s/%ld, the log %ld", message, c->name, (long)inbox->seq,
                (long)m->log_seq);
    if (m->sent_seq && m->sent_seq != inbox->seq)
        violate(world, "message %d is sent as %ld and as %ld", message, (long)m->sent_seq, (long)inbox->seq);
    m->sent_seq = inbox->seq;
    if (qos == 1)
        world->devices[device].told[conversation][inbox->seq] = true;
}

static void check_error(struct world *world, const struct inbox *inbox)
{
    int message = message_named(inbox->id);
    struct message_truth *m = &world->messages[message];
    m->was_refused = true;
    if (m->log_seq)
        violate(world, "message %d is refused and is in the log", message);
    bool is_fault = slice_equal(inbox->word, SLICE("internal")) || slice_equal(inbox->word, SLICE("read-only"));
    if (slice_equal(inbox->word, SLICE("internal")) && !m->is_poison)
        violate(world, "message %d is refused as internal", message);
    if (!is_fault && !m->may_be_refused)
        violate(world, "message %d of a member is refused as %.*s", message, (int)inbox->word.len, inbox->word.at);
}

static void check_mark(struct world *world, int device, int conversation, const struct inbox *inbox)
{
    const struct db_conversation *c = &world->conversations[conversation];
    int user = inbox->user.at[1] - '0';
    int64_t truth = world->fed_read[user][conversation];
    for (int i = 0; i < world->devices_len && inbox->kind == INBOX_DELIVERED; i++)
        if (world->devices[i].user == user && world->devices[i].fed_ack[conversation] > truth)
            truth = world->devices[i].fed_ack[conversation];
    if (inbox->seq > truth || inbox->seq > c->last_seq)
        violate(world, "mark of user %d in %s is told as %ld, it is %ld", user, c->name, (long)inbox->seq, (long)truth);
    if (!c->members[world->devices[device].user].is_known)
        violate(world, "device %d is told a mark of %s", device, c->name);
    int receiver = world->devices[device].user;
    if (receiver != user && c->is_group && !has_sent(c, receiver, inbox->seq))
        violate(world, "device %d, whose user sent nothing, is told a mark of %s", device, c->name);
    bool is_hidden = world->hides_reads[user] || (!c->is_group && world->hides_reads[receiver]);
    if (receiver != user && inbox->kind == INBOX_READ && is_hidden)
        violate(world, "device %d is told that user %d has read %s/%ld", device, user, c->name, (long)inbox->seq);
    if (receiver != user && db_is_in_block(c, user, inbox->seq))
        violate(world, "device %d is told that user %d has %s/%ld, which is withheld", device, user, c->name,
                (long)inbox->seq);
    if (inbox->kind == INBOX_DELIVERED && user == world->devices[device].user)
        violate(world, "device %d is told its own delivered", device);
}

int conversation_named(const struct world *world, int device, struct slice view)
{
    char user[8];
    (void)snprintf(user, sizeof user, "u%d", world->devices[device].user);
    struct conversation_ref ref;
    struct conversation_name name;
    if (conversation_ref_parse(view, &ref) != STATUS_OK)
        return -1;
    conversation_name_make(ref, slice_of(user), &name);
    return db_conversation_by_name(world, (struct slice){name.text, name.len});
}

void check_handed_over(struct world *world, int device, struct slice tail)
{
    struct inbox inbox;
    struct device *d = &world->devices[device];
    if (!d->ack_auto || inbox_parse(tail, &inbox) != STATUS_OK ||
        (inbox.kind != INBOX_CHAT && inbox.kind != INBOX_EVENT))
        return;
    int conversation = conversation_named(world, device, inbox.conversation);
    if (d->fed_ack[conversation] < inbox.seq)
        d->fed_ack[conversation] = inbox.seq;
}

void check_delivered(struct world *world, int device, int qos, struct slice tail, struct slice payload)
{
    struct inbox inbox;
    if (inbox_parse(tail, &inbox) != STATUS_OK) {
        violate(world, "a topic that is none: %.*s", (int)tail.len, tail.at);
        return;
    }
    int conversation = conversation_named(world, device, inbox.conversation);
    if (conversation < 0) {
        violate(world, "device %d is told of %.*s", device, (int)tail.len, tail.at);
        return;
    }
    if (inbox.kind == INBOX_CHAT || inbox.kind == INBOX_EVENT)
        check_item(world, device, conversation, &inbox, payload);
    else if (inbox.kind == INBOX_SENT)
        check_sent(world, device, conversation, qos, &inbox);
    else if (inbox.kind == INBOX_ERROR)
        check_error(world, &inbox);
    else if (inbox.kind == INBOX_DELIVERED || inbox.kind == INBOX_READ)
        check_mark(world, device, conversation, &inbox);
}

/* Everything that was there when it became ready has gone to this session, or its device had said that it has it. */
void check_caught_up(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    for (int i = 0; i < world->conversations_len; i++) {
        const struct db_conversation *c = &world->conversations[i];
        const struct device_conversation *dc = &d->in_conversation[i];
        int64_t held = d->ack_auto ? d->fed_ack[i] : d->held[i];
        if (world->plan.failing && held < d->fed_ack[i])
            continue; /* rewound, and that could not be stored: it comes later */
        int64_t first = held > dc->start_seq ? held : dc->start_seq;
        for (int64_t seq = first + 1; seq <= d->last_at_ready[i]; seq++) {
            if (!db_is_visible(c, d->user, seq) || d->told[i][seq] || seq < c->first_seq)
                continue;
            if (c->items[seq].is_chat && c->items[seq].device == device)
                continue;
            violate(world, "device %d is caught up without %s/%ld", device, c->name, (long)seq);
            return;
        }
    }
}

/* ---- what the core writes ---- */

void check_flush(struct world *world, const struct core_mark_batch *batch)
{
    for (size_t i = 0; i < batch->cursors_len; i++) {
        int device = (int)(batch->cursors[i].device_id - 500),
            conversation = (int)(batch->cursors[i].conversation_id - 7000);
        const struct device *d = &world->devices[device];
        const struct db_conversation *c = &world->conversations[conversation];
        if (batch->cursors[i].is_set)
            continue;
        int64_t from = d->fed_ack[conversation];
        if (from < d->in_conversation[conversation].start_seq)
            from = d->in_conversation[conversation].start_seq;
        for (int64_t seq = from + 1; seq <= batch->cursors[i].acked_seq; seq++)
            if (db_is_visible(c, d->user, seq) && !(c->items[seq].is_chat && c->items[seq].device == device))
                violate(world, "cursor of device %d in %s becomes %ld, it acknowledged %ld", device, c->name,
                        (long)batch->cursors[i].acked_seq, (long)d->fed_ack[conversation]);
    }
    for (size_t i = 0; i < batch->members_len; i++) {
        int user = (int)(batch->members[i].user_id - 100),
            conversation = (int)(batch->members[i].conversation_id - 7000);
        int64_t truth = world->fed_read[user][conversation];
        if (batch->members[i].read_seq > truth)
            violate(world, "read of user %d becomes %ld, it is %ld", user, (long)batch->members[i].read_seq,
                    (long)truth);
        for (int j = 0; j < world->devices_len; j++)
            if (world->devices[j].user == user && world->devices[j].fed_ack[conversation] > truth)
                truth = world->devices[j].fed_ack[conversation];
        if (batch->members[i].delivered_seq > truth)
            violate(world, "delivered of user %d becomes %ld, it is %ld", user, (long)batch->members[i].delivered_seq,
                    (long)truth);
    }
}

void check_done(struct world *world, int record)
{
    const struct record *r = &world->records[record];
    const struct message_truth *m = &world->messages[r->message];
    if (r->kind == RECORD_CHAT && !m->log_seq && !m->may_be_refused && !m->is_poison && !world->plan.read_only)
        violate(world, "message %d is done and is not in the log", r->message);
    for (int i = 0; i < r->lines_len && r->kind == RECORD_READ; i++) {
        const struct db_conversation *c = &world->conversations[r->lines[i].conversation];
        int user = world->devices[r->device].user;
        if (c->members[user].read_seq < db_last_visible(c, user, r->lines[i].seq))
            violate(world, "a read of %s/%ld is done and stored is %ld", c->name, (long)r->lines[i].seq,
                    (long)c->members[user].read_seq);
    }
}

/* A question asked in SQL behind a barrier sees every mark that was given before it. */
void set_barrier(struct world *world)
{
    if (!world->core || world->has_barrier)
        return;
    world->has_barrier = true;
    world->barrier = core_flush_now(world->core, world->now_ms);
    for (int user = 0; user < world->users_len; user++)
        for (int i = 0; i < world->conversations_len; i++) {
            const struct db_conversation *c = &world->conversations[i];
            int64_t seq = world->core_read[user][i] < c->last_seq ? world->core_read[user][i] : c->last_seq;
            world->barrier_read[user][i] = db_last_visible(c, user, seq);
        }
}

void check_barrier(struct world *world)
{
    if (!world->core || !world->has_barrier || !core_is_flushed_to(world->core, world->barrier))
        return;
    world->has_barrier = false;
    for (int user = 0; user < world->users_len; user++)
        for (int i = 0; i < world->conversations_len; i++)
            if (world->conversations[i].members[user].read_seq < world->barrier_read[user][i])
                violate(world, "behind a barrier user %d has read %s/%ld, stored is %ld", user,
                        world->conversations[i].name, (long)world->barrier_read[user][i],
                        (long)world->conversations[i].members[user].read_seq);
}

/* ---- at rest ---- */

static void check_complete(struct world *world, int device)
{
    const struct device *d = &world->devices[device];
    if (!d->is_registered)
        return;
    if (d->caught_up_number != d->ready_number)
        violate(world, "device %d never caught up", device);
    for (int i = 0; i < world->conversations_len && !d->ack_auto; i++) {
        const struct db_conversation *c = &world->conversations[i];
        const struct device_conversation *dc = &d->in_conversation[i];
        for (int64_t seq = dc->start_seq + 1; seq <= c->last_seq; seq++) {
            if (!db_is_visible(c, d->user, seq) || dc->taken[seq] || seq <= dc->covered_seq ||
                (c->items[seq].is_chat && c->items[seq].device == device))
                continue;
            violate(world, "device %d never got %s/%ld", device, c->name, (long)seq);
            return;
        }
    }
}

static void check_messages(struct world *world)
{
    int64_t last_seq[DEVICES_MAX][CONVERSATIONS_MAX] = {0};
    int last_connection[DEVICES_MAX] = {0};
    for (int i = 0; i < world->messages_len; i++) {
        const struct message_truth *m = &world->messages[i];
        const struct device *d = &world->devices[m->device];
        if (!d->is_registered)
            continue;
        if (m->is_in_outbox && m->state == MESSAGE_OPEN)
            violate(world, "message %d was never answered", i);
        if (m->state == MESSAGE_SENT && !m->log_seq)
            violate(world, "message %d was sent and is not in the log", i);
        if (!m->log_seq && !m->may_be_refused && !m->is_poison && !m->was_refused && !world->plan.read_only)
            violate(world, "message %d was published and is not in the log", i);
        if (last_connection[m->device] != m->connection)
            memset(last_seq[m->device], 0, sizeof last_seq[0]);
        last_connection[m->device] = m->connection;
        if (!m->log_seq || m->was_refused || m->may_be_refused || world->plan.read_only)
            continue;
        if (m->log_seq < last_seq[m->device][m->conversation])
            violate(world, "message %d has overtaken what its device published before", i);
        last_seq[m->device][m->conversation] = m->log_seq;
    }
}

static void check_marks(struct world *world, int conversation, int user)
{
    const struct db_conversation *c = &world->conversations[conversation];
    const struct db_member *member = &c->members[user];
    for (int i = 0; i < world->devices_len; i++) {
        const struct device *d = &world->devices[i];
        if (!d->is_registered)
            continue;
        if (d->user == user && d->ack_auto)
            continue;
        if (d->user == user) {
            int64_t acked = db_last_visible(c, user, d->in_conversation[conversation].acked_seq);
            while (acked > 0 && c->items[acked].is_chat &&
                   c->items[acked].device == i) /* its own: nobody waits for that */
                acked = db_last_visible(c, user, acked - 1);
            if (member->delivered_seq < acked)
                violate(world, "user %d has acknowledged %s/%ld, stored is %ld", user, c->name, (long)acked,
                        (long)member->delivered_seq);
            continue;
        }
        if (!db_is_current(c, d->user) || world->options.receipts_members_max < USERS_MAX || db_is_quiet(c))
            continue;
        for (int64_t seq = member->delivered_seq; seq >= c->first_seq; seq--) {
            if (!c->items[seq].is_chat || c->items[seq].user != d->user || !db_is_visible(c, user, seq) ||
                db_is_in_block(c, user, seq))
                continue;
            if (d->in_conversation[conversation].known_delivered[user] < seq)
                violate(world, "device %d was not told that user %d has %s/%ld", i, user, c->name, (long)seq);
            break;
        }
    }
    for (int i = 0; i < world->devices_len; i++)
        if (world->devices[i].user == user && !world->devices[i].is_registered && world->devices[i].connection)
            return; /* what a removed device said last may have gone with it */
    if (member->read_seq < db_last_visible(c, user, world->fed_read[user][conversation]))
        violate(world, "user %d has read %s/%ld, stored is %ld", user, c->name,
                (long)world->fed_read[user][conversation], (long)member->read_seq);
}

void check_at_rest(struct world *world)
{
    for (int i = 0; i < world->devices_len; i++)
        check_complete(world, i);
    check_messages(world);
    for (int i = 0; i < world->conversations_len; i++)
        for (int user = 0; user < world->users_len; user++)
            if (world->conversations[i].members[user].is_known)
                check_marks(world, i, user);
    for (int i = world->core_first_feed; i < world->feeds_len; i++)
        if (world->feeds[i].done != world->feeds[i].expected)
            violate(world, "record %d is done %d of %d times", world->feeds[i].record, world->feeds[i].done,
                    world->feeds[i].expected);
    struct core_stats stats;
    core_stats(world->core, &stats);
    if (stats.outstanding || stats.pending_items)
        violate(world, "at rest %lu items are outstanding, %lu pending", (unsigned long)stats.outstanding,
                (unsigned long)stats.pending_items);
}
