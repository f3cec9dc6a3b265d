/*
 * Direct conversations in which somebody keeps something back: one of the two blocks the other, has not accepted her
 * first messages yet, does not share what she has read, has a full inbox, or was removed. Most conversations have none
 * of that, and pay a comparison with NULL.
 */
#include "restraint.h"

#include <stdlib.h>
#include <string.h>

/* What is kept back by or from one of the two; in the order of conversation->members. */
struct side {
    struct core_block *blocks; /* ascending: what the other did there is withheld from this one */
    size_t blocks_len;
    bool is_blocking; /* now */
    bool is_asked;    /* it waits for this one as a request */
    bool hides_reads;
    bool is_full; /* no more is taken for this one */
};

struct restraint {
    struct side sides[2];
    bool is_quiet;    /* nothing is told of marks and typing, either way */
    bool hides_reads; /* one of the two does not share hers, so neither is told */
};

static size_t side_of(const struct conversation *conversation, int64_t user_id)
{
    return conversation->members[0]->user->user_id != user_id;
}

static const struct core_block *block_at(const struct side *side, int64_t seq)
{
    for (size_t i = side->blocks_len; i-- > 0;)
        if (side->blocks[i].from_seq <= seq)
            return side->blocks[i].to_seq == 0 || seq <= side->blocks[i].to_seq ? &side->blocks[i] : NULL;
    return NULL;
}

/* ---- what was loaded ---- */

void restraint_free(struct conversation *conversation)
{
    if (!conversation->restraint)
        return;
    for (size_t i = 0; i < 2; i++)
        free(conversation->restraint->sides[i].blocks);
    free(conversation->restraint);
    conversation->restraint = NULL;
}

static bool holds_back(const struct core_member *loaded)
{
    return loaded->blocks_len > 0 || loaded->is_asked || loaded->hides_reads || loaded->is_full;
}

static void side_take(struct side *side, const struct core_member *loaded)
{
    side->is_asked = loaded->is_asked;
    side->hides_reads = loaded->hides_reads;
    side->is_full = loaded->is_full;
    side->blocks_len = loaded->blocks_len;
    if (side->blocks_len == 0)
        return;
    side->blocks = core_grow(NULL, side->blocks_len, sizeof side->blocks[0]);
    memcpy(side->blocks, loaded->blocks, side->blocks_len * sizeof side->blocks[0]);
    side->is_blocking = side->blocks[side->blocks_len - 1].to_seq == 0;
}

/* What the marks are now was not told while it was quiet. */
static void tell_marks_again(struct core *core, struct conversation *conversation)
{
    for (uint32_t i = 0; i < conversation->members_len; i++) {
        struct member *member = conversation->members[i];
        member->told_delivered_seq = member->told_read_seq = 0;
        if (member->delivered_seq > 0)
            receipt_moved(core, member);
    }
}

void restraint_take(struct core *core, struct conversation *conversation, const struct core_conversation *loaded)
{
    if (conversation->is_group || conversation->members_len != 2)
        return;
    bool was_quiet = restraint_is_quiet(conversation), is_needed = false;
    restraint_free(conversation);
    for (size_t i = 0; i < loaded->members_len; i++)
        is_needed |= holds_back(&loaded->members[i]);
    if (is_needed) {
        struct restraint *restraint = core_alloc(sizeof *restraint);
        for (size_t i = 0; i < 2; i++) {
            struct side *side = &restraint->sides[side_of(conversation, loaded->members[i].user_id)];
            side_take(side, &loaded->members[i]);
            restraint->is_quiet |= side->is_blocking || side->is_asked;
            restraint->hides_reads |= side->hides_reads;
        }
        conversation->restraint = restraint;
    }
    if (was_quiet && !restraint_is_quiet(conversation))
        tell_marks_again(core, conversation);
}

/* ---- what follows ---- */

bool restraint_is_quiet(const struct conversation *conversation)
{
    return conversation->restraint && conversation->restraint->is_quiet;
}

bool restraint_hides_reads(const struct conversation *conversation)
{
    return conversation->restraint && conversation->restraint->hides_reads;
}

bool restraint_withholds(const struct sub *sub, const struct core_item *item)
{
    const struct conversation *conversation = sub->conversation;
    int64_t user_id = sub->session->user->user_id;
    if (!conversation->restraint || item->sender_user_id == 0 || item->sender_user_id == user_id)
        return false;
    return block_at(&conversation->restraint->sides[side_of(conversation, user_id)], item->seq) != NULL;
}

int64_t restraint_mark(const struct member *member, int64_t seq)
{
    const struct conversation *conversation = member->conversation;
    if (!conversation->restraint)
        return seq;
    const struct side *side = &conversation->restraint->sides[side_of(conversation, member->user->user_id)];
    const struct core_block *block;
    while (seq > 0 && (block = block_at(side, seq)) != NULL)
        seq = block->from_seq - 1;
    return seq;
}

bool restraint_needs_care(const struct core *core, const struct conversation *conversation, int64_t sender_id)
{
    if (!conversation->restraint)
        return false;
    size_t sender = side_of(conversation, sender_id);
    return conversation->restraint->sides[sender].is_asked || conversation->restraint->sides[!sender].is_full ||
           (core->options.refuses_blocked && conversation->restraint->sides[!sender].is_blocking);
}
