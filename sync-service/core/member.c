/* Who is in a conversation, from when to when, and so: which seqs are whose. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

struct member *member_find(const struct conversation *conversation, int64_t user_id)
{
    size_t low = 0, high = conversation->members_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct member *member = conversation->members[middle];
        if (member->user->user_id == user_id)
            return member;
        if (member->user->user_id < user_id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool member_is_current(const struct member *member)
{
    return member->intervals_len && member->intervals[member->intervals_len - 1].left_seq == 0;
}

int64_t member_next_visible(const struct member *member, int64_t seq)
{
    for (uint32_t i = 0; i < member->intervals_len; i++) {
        const struct core_interval *in = &member->intervals[i];
        if (in->left_seq != 0 && in->left_seq <= seq)
            continue;
        return in->joined_seq > seq ? in->joined_seq : seq + 1;
    }
    return INT64_MAX;
}

int64_t member_last_visible(const struct member *member, int64_t seq)
{
    for (uint32_t i = member->intervals_len; i-- > 0;) {
        const struct core_interval *in = &member->intervals[i];
        if (in->joined_seq > seq)
            continue;
        return in->left_seq != 0 && in->left_seq < seq ? in->left_seq : seq;
    }
    return 0;
}

static struct member *member_new(struct core *core, struct conversation *conversation, const struct core_member *loaded)
{
    struct member *member = core_alloc(sizeof *member);
    member->conversation = conversation;
    member->user = user_get(core, loaded->user_id, loaded->user);
    DL_APPEND2(member->user->members, member, user_prev, user_next);
    return member;
}

static void member_update(struct core *core, struct member *member, const struct core_member *loaded, bool is_new)
{
    free(member->intervals);
    member->intervals_len = (uint32_t)loaded->intervals_len;
    member->intervals = NULL;
    if (loaded->intervals_len) {
        member->intervals = core_grow(NULL, loaded->intervals_len, sizeof member->intervals[0]);
        memcpy(member->intervals, loaded->intervals, loaded->intervals_len * sizeof member->intervals[0]);
    }
    member->hides_reads = loaded->hides_reads;
    if (!is_new)
        return; /* this shard moves the marks: what it knows is never less than what is stored */
    member->delivered_seq = loaded->delivered_seq;
    member->read_seq = loaded->read_seq;
    mark_member_merge(core, loaded->user_id, member->conversation->conversation_id, &member->delivered_seq,
                      &member->read_seq);
    member->told_delivered_seq = member->delivered_seq;
    member->told_read_seq = member->read_seq;
}

void member_free(struct core *core, struct member *member)
{
    while (member->subs)
        sub_free(core, member->subs);
    DL_DELETE2(member->user->members, member, user_prev, user_next);
    user_put(core, member->user);
    free(member->intervals);
    free(member);
}

static int by_user_id(const void *a, const void *b)
{
    int64_t x = (*(struct member *const *)a)->user->user_id, y = (*(struct member *const *)b)->user->user_id;
    return (x > y) - (x < y);
}

void members_merge(struct core *core, struct conversation *conversation, const struct core_conversation *loaded)
{
    struct member **members = core_grow(NULL, loaded->members_len + 1, sizeof(struct member *));
    uint32_t members_len = 0, current_len = 0;
    for (size_t i = 0; i < loaded->members_len; i++) {
        struct member *member = member_find(conversation, loaded->members[i].user_id);
        bool is_new = !member;
        if (is_new)
            member = member_new(core, conversation, &loaded->members[i]);
        member_update(core, member, &loaded->members[i], is_new);
        current_len += member_is_current(member);
        members[members_len++] = member;
    }
    qsort(members, members_len, sizeof(struct member *), by_user_id);
    struct member **old = conversation->members;
    uint32_t old_len = conversation->members_len;
    conversation->members = members;
    conversation->members_len = members_len;
    conversation->current_len = current_len;
    for (uint32_t i = 0; i < old_len; i++) {
        if (member_find(conversation, old[i]->user->user_id))
            continue;
        if (old[i]->is_moved)
            LL_DELETE2(conversation->moved, old[i], moved_next);
        member_free(core, old[i]);
    }
    free(old);
}
