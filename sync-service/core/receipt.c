/* Marks that moved, told to those whose messages they cover; in large groups as counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "restraint.h"

#define SENDERS_DIRECT 16 /* what is usually acknowledged at once */
#define SENDERS_GROUP  128

/* ---- who sent what ---- */

static void senders_grow(struct senders *senders, uint16_t size)
{
    int64_t *user_ids = core_grow(NULL, size, sizeof user_ids[0]);
    for (int64_t seq = senders->first_seq; senders->size && seq < senders->end_seq; seq++)
        user_ids[seq % size] = senders->user_ids[seq % senders->size];
    free(senders->user_ids);
    senders->user_ids = user_ids;
    senders->size = size;
}

void senders_add(struct conversation *conversation, int64_t seq, int64_t user_id)
{
    struct senders *senders = &conversation->senders;
    uint16_t most = conversation->is_group ? SENDERS_GROUP : SENDERS_DIRECT;
    if (seq != senders->end_seq)
        senders->first_seq = senders->end_seq = seq; /* what lies between was not seen */
    if (senders->end_seq - senders->first_seq == senders->size) {
        if (senders->size < most)
            senders_grow(senders, senders->size ? most : SENDERS_DIRECT);
        else
            senders->first_seq++;
    }
    senders->user_ids[seq % senders->size] = user_id;
    senders->end_seq++;
}

static int64_t sender_of(const struct senders *senders, int64_t seq)
{
    return senders->user_ids[seq % senders->size];
}

/* The last message of (after, to] by another than those seen already: each sender once. */
static int64_t next_sender(const struct senders *senders, int64_t after_seq, int64_t to_seq, int64_t *at_seq)
{
    if (to_seq >= senders->end_seq)
        to_seq = senders->end_seq - 1;
    if (after_seq < senders->first_seq - 1)
        after_seq = senders->first_seq - 1;
    for (int64_t seq = *at_seq < to_seq ? *at_seq : to_seq; seq > after_seq; seq--) {
        int64_t user_id = sender_of(senders, seq);
        bool is_seen = user_id == 0;
        for (int64_t later = seq + 1; later <= to_seq && !is_seen; later++)
            is_seen = sender_of(senders, later) == user_id;
        if (is_seen)
            continue;
        *at_seq = seq - 1;
        return user_id;
    }
    return 0;
}

/* ---- telling ---- */

static void tell_sender(struct core *core, const struct conversation *conversation, const struct member *marked,
                        int64_t sender_id, bool is_read, int64_t seq)
{
    const struct member *sender = member_find(conversation, sender_id);
    if (!sender || sender == marked || !member_is_current(sender))
        return;
    struct inbox inbox = {.kind = is_read ? INBOX_READ : INBOX_DELIVERED, .seq = seq, .user = user_name(marked->user)};
    deliver_user(core, conversation, sender->user, 0, &inbox, SLICE(""));
}

static void ask_senders(struct core *core, struct conversation *conversation)
{
    const struct senders_wanted *wanted = conversation->senders_wanted;
    if (!wanted || conversation->is_asking_senders || core->is_away)
        return;
    conversation->is_asking_senders = true;
    core->port.senders(core->port.ctx, &(struct core_senders_request){conversation->conversation_id, wanted->after_seq,
                                                                      wanted->to_seq});
}

/* The mark of this member now covers (after, to]. */
static void tell_range(struct core *core, struct conversation *conversation, const struct member *member, bool is_read,
                       int64_t after_seq, int64_t to_seq)
{
    if (after_seq < conversation->first_seq - 1)
        after_seq = conversation->first_seq - 1;
    int64_t next_seq = member_next_visible(member, after_seq);
    if (next_seq > to_seq)
        return;
    if (next_seq >= conversation->senders.first_seq && conversation->senders.end_seq > to_seq) {
        int64_t at_seq = to_seq, sender_id;
        while ((sender_id = next_sender(&conversation->senders, next_seq - 1, to_seq, &at_seq)) != 0)
            tell_sender(core, conversation, member, sender_id, is_read, to_seq);
        return;
    }
    if (!conversation->is_group) { /* who else could have sent it */
        for (uint32_t i = 0; i < conversation->members_len; i++)
            tell_sender(core, conversation, member, conversation->members[i]->user->user_id, is_read, to_seq);
        return;
    }
    struct senders_wanted *wanted = core_alloc(sizeof *wanted);
    *wanted = (struct senders_wanted){
        .user_id = member->user->user_id, .after_seq = next_seq - 1, .to_seq = to_seq, .is_read = is_read};
    LL_APPEND(conversation->senders_wanted, wanted);
    ask_senders(core, conversation);
}

void core_on_senders(struct core *core, int64_t now_ms, const struct core_senders_request *request,
                     const int64_t user_ids[], size_t len)
{
    (void)now_ms;
    struct conversation *conversation = conversation_find_id(core, request->conversation_id);
    if (!conversation || !conversation->is_asking_senders)
        return;
    struct senders_wanted *wanted = conversation->senders_wanted;
    const struct member *member = member_find(conversation, wanted->user_id);
    for (size_t i = 0; i < len && member; i++)
        tell_sender(core, conversation, member, user_ids[i], wanted->is_read, wanted->to_seq);
    LL_DELETE(conversation->senders_wanted, wanted);
    free(wanted);
    conversation->is_asking_senders = false;
    ask_senders(core, conversation);
}

/* ---- counts ---- */

static void tell_count(struct core *core, const struct conversation *conversation, int64_t sender_id, int64_t seq)
{
    const struct member *sender = member_find(conversation, sender_id);
    if (!sender || !member_is_current(sender) || !sender->user->sessions)
        return;
    unsigned delivered = 0, read = 0;
    for (uint32_t i = 0; i < conversation->members_len; i++) {
        const struct member *member = conversation->members[i];
        if (member == sender || !member_is_current(member))
            continue;
        delivered += member->delivered_seq >= seq;
        read += member->read_seq >= seq && !member->hides_reads;
    }
    char payload[64];
    int len = snprintf(payload, sizeof payload, "{\"delivered\":%u,\"read\":%u}", delivered, read);
    struct inbox inbox = {.kind = INBOX_RECEIPTS, .seq = seq};
    deliver_user(core, conversation, sender->user, 0, &inbox, (struct slice){payload, (size_t)len});
}

/* Is it its sender's last in the range? */
static bool is_last_of(const struct senders *senders, const struct seq_range *range, int64_t seq, int64_t sender_id)
{
    int64_t at_seq = range->to_seq, later_id;
    while (at_seq >= seq && (later_id = next_sender(senders, range->after_seq, range->to_seq, &at_seq)) != 0)
        if (later_id == sender_id)
            return at_seq + 1 == seq;
    return false;
}

/* Each sender is told about her last message in what marks newly cover: of those delivered, and of those read. */
static void tell_counts(struct core *core, struct conversation *conversation, int64_t now_ms)
{
    const struct senders *senders = &conversation->senders;
    const struct seq_range delivered = conversation->count_delivered, read = conversation->count_read;
    int64_t at_seq = delivered.to_seq, sender_id;
    while ((sender_id = next_sender(senders, delivered.after_seq, delivered.to_seq, &at_seq)) != 0)
        tell_count(core, conversation, sender_id, at_seq + 1);
    at_seq = read.to_seq;
    while ((sender_id = next_sender(senders, read.after_seq, read.to_seq, &at_seq)) != 0)
        if (!is_last_of(senders, &delivered, at_seq + 1, sender_id))
            tell_count(core, conversation, sender_id, at_seq + 1);
    conversation->count_delivered = conversation->count_read = (struct seq_range){0, 0};
    conversation->receipts_due_ms = now_ms + RECEIPTS_EVERY_MS;
    conversation->is_counted = true;
    DL_APPEND2(core->counted, conversation, count_prev, count_next);
}

static bool has_counts(const struct conversation *conversation)
{
    return conversation->count_delivered.to_seq > 0 || conversation->count_read.to_seq > 0;
}

static void range_add(struct seq_range *range, int64_t after_seq, int64_t to_seq)
{
    if (to_seq <= after_seq)
        return;
    if (range->to_seq == 0 || after_seq < range->after_seq)
        range->after_seq = after_seq;
    if (to_seq > range->to_seq)
        range->to_seq = to_seq;
}

/* ---- what moved ---- */

void receipt_moved(struct core *core, struct member *member)
{
    struct conversation *conversation = member->conversation;
    if (member->is_moved)
        return;
    member->is_moved = true;
    LL_PREPEND2(conversation->moved, member, moved_next);
    if (conversation->is_to_tell)
        return;
    conversation->is_to_tell = true;
    DL_APPEND2(core->to_tell, conversation, tell_prev, tell_next);
}

static int64_t more_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Read covers what delivered would: only what is delivered beyond is told besides. */
static void tell_ranges(struct core *core, struct conversation *conversation, const struct member *member,
                        int64_t old_read, int64_t old_delivered)
{
    int64_t read_seq = restraint_mark(member, member->read_seq);
    if (member->hides_reads || restraint_hides_reads(conversation))
        old_read = read_seq = 0;
    tell_range(core, conversation, member, true, old_read, read_seq);
    tell_range(core, conversation, member, false, more_of(old_delivered, read_seq),
               restraint_mark(member, member->delivered_seq));
}

/* The user herself on her other devices, and those who sent what is covered. */
static void tell_member(struct core *core, struct conversation *conversation, struct member *member, bool is_large)
{
    int64_t old_read = member->told_read_seq, old_delivered = member->told_delivered_seq;
    member->told_read_seq = member->read_seq;
    member->told_delivered_seq = member->delivered_seq;
    if (member->read_seq > old_read) {
        struct inbox inbox = {.kind = INBOX_READ, .seq = member->read_seq, .user = user_name(member->user)};
        deliver_user(core, conversation, member->user, member->reader_device_id, &inbox, SLICE(""));
    }
    if (is_large) {
        range_add(&conversation->count_delivered, old_delivered, member->delivered_seq);
        range_add(&conversation->count_read, old_read, member->read_seq);
        return;
    }
    if (!restraint_is_quiet(conversation))
        tell_ranges(core, conversation, member, old_read, old_delivered);
}

static void tell_conversation(struct core *core, struct conversation *conversation, int64_t now_ms)
{
    conversation->is_to_tell = false;
    DL_DELETE2(core->to_tell, conversation, tell_prev, tell_next);
    bool is_large = conversation->is_group && conversation->current_len > core->options.receipts_members_max;
    while (conversation->moved) {
        struct member *member = conversation->moved;
        conversation->moved = member->moved_next;
        member->is_moved = false;
        tell_member(core, conversation, member, is_large);
    }
    if (has_counts(conversation) && !conversation->is_counted)
        tell_counts(core, conversation, now_ms);
}

static void uncount(struct core *core, struct conversation *conversation)
{
    conversation->is_counted = false;
    DL_DELETE2(core->counted, conversation, count_prev, count_next);
}

void receipts_turn(struct core *core, int64_t now_ms)
{
    while (core->to_tell)
        tell_conversation(core, core->to_tell, now_ms);
    while (core->counted && core->counted->receipts_due_ms <= now_ms) {
        struct conversation *conversation = core->counted;
        uncount(core, conversation);
        if (has_counts(conversation))
            tell_counts(core, conversation, now_ms);
    }
}

int64_t receipts_due(const struct core *core)
{
    return core->counted ? core->counted->receipts_due_ms : INT64_MAX;
}

void receipts_forget(struct core *core, struct conversation *conversation)
{
    if (conversation->is_to_tell)
        DL_DELETE2(core->to_tell, conversation, tell_prev, tell_next);
    conversation->is_to_tell = false;
    conversation->moved = NULL;
    if (conversation->is_counted)
        uncount(core, conversation);
    conversation->count_delivered = conversation->count_read = (struct seq_range){0, 0};
    while (conversation->senders_wanted) {
        struct senders_wanted *wanted = conversation->senders_wanted;
        conversation->senders_wanted = wanted->next;
        free(wanted);
    }
    conversation->is_asking_senders = false;
    free(conversation->senders.user_ids);
    conversation->senders = (struct senders){0};
}

/* ---- what changed while a device was away ---- */

void core_on_scan_mark(struct core *core, int64_t now_ms, uint64_t scan, int64_t device_id,
                       struct slice conversation_name, struct slice user, int64_t delivered_seq, int64_t read_seq,
                       bool is_group_counts, int64_t counts_seq, int64_t delivered_count, int64_t read_count)
{
    (void)now_ms;
    const struct session *session = session_scanned(core, scan, device_id);
    if (!session)
        return;
    char view[LIMIT_CONVERSATION_LEN + 1];
    size_t view_len = conversation_view(conversation_name, user_name(session->user), view, sizeof view);
    struct inbox inbox = {.conversation = {view, view_len}, .user = user};
    if (is_group_counts) {
        char payload[96];
        int len = snprintf(payload, sizeof payload, "{\"delivered\":%" PRId64 ",\"read\":%" PRId64 "}", delivered_count,
                           read_count);
        inbox.kind = INBOX_RECEIPTS;
        inbox.seq = counts_seq;
        deliver(core, &session->ref, 1, 0, &inbox, (struct slice){payload, (size_t)len});
        return;
    }
    if (read_seq > 0) {
        inbox.kind = INBOX_READ;
        inbox.seq = read_seq;
        deliver(core, &session->ref, 1, 0, &inbox, SLICE(""));
    }
    if (delivered_seq > read_seq) {
        inbox.kind = INBOX_DELIVERED;
        inbox.seq = delivered_seq;
        deliver(core, &session->ref, 1, 0, &inbox, SLICE(""));
    }
}
