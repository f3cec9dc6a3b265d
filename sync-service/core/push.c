/* What goes out to devices: a new item to those that have everything before it, in one call per view. */
#include <stdlib.h>
#include <syslog.h>

#include "restraint.h"

void deliver(struct core *core, const session_ref refs[], size_t refs_len, int qos, const struct inbox *inbox,
             struct slice payload)
{
    if (refs_len == 0)
        return;
    size_t len = inbox_format(inbox, core->tail, sizeof core->tail);
    if (len == 0) {
        core->port.log(core->port.ctx, LOG_ERR, "a topic cannot be formed in", inbox->conversation);
        return;
    }
    core->port.deliver(core->port.ctx, refs, refs_len, qos, (struct slice){core->tail, len}, payload);
}

bool item_is_own(const struct sub *sub, const struct core_item *item)
{
    return item->kind == CORE_ITEM_CHAT && item->sender_device_id == sub->session->device_id;
}

uint32_t item_bytes(const struct core_item *item)
{
    return (uint32_t)item->payload.len + ITEM_OVERHEAD_BYTES;
}

void push_sent(struct core *core, struct conversation *conversation, int qos, const struct core_item *item)
{
    const struct session *session = session_find(core, item->sender_device_id);
    if (!session)
        return;
    char view[LIMIT_CONVERSATION_LEN + 1];
    deliver(core, &session->ref, 1, qos,
            &(struct inbox){.kind = INBOX_SENT,
                            .conversation = conversation_view_of(conversation, item->sender_user, view),
                            .seq = item->seq,
                            .time_ms = item->time_ms,
                            .id = item->message_id},
            SLICE(""));
}

/* A group is called the same by everybody; in a direct conversation each of the two has her own name for it. */
static size_t view_index(const struct sub *sub)
{
    const struct conversation *conversation = sub->conversation;
    return !conversation->is_group && conversation->members[0] != sub->member;
}

void gathered_add(struct gathered *gathered, session_ref ref)
{
    if (gathered->len == gathered->size) {
        gathered->size = gathered->size ? 2 * gathered->size : 16;
        gathered->refs = core_grow(gathered->refs, gathered->size, sizeof gathered->refs[0]);
    }
    gathered->refs[gathered->len++] = ref;
}

/* What it says was written when she was not a member. */
static bool is_edited_unseen(const struct member *member, const struct core_item *item)
{
    return item->edit_seq != 0 && member_next_visible(member, item->edit_seq - 1) != item->edit_seq;
}

void push_gather(struct core *core, struct sub *sub, const struct core_item *item, int64_t now_ms)
{
    bool is_withheld = restraint_withholds(sub, item) || is_edited_unseen(sub->member, item);
    gathered_add(is_withheld ? &core->withheld : &core->gathered[view_index(sub)], sub->session->ref);
    sub_pushed(core, sub, item->seq, item_bytes(item), now_ms);
}

/* In a direct conversation all of them are devices of the one of the two who did not do it. */
static void push_withheld(struct core *core, struct conversation *conversation, const struct core_item *item)
{
    const struct member *member =
        conversation
            ->members[!conversation->is_group && conversation->members[0]->user->user_id == item->sender_user_id];
    char view[LIMIT_CONVERSATION_LEN + 1];
    struct inbox inbox = {.kind = INBOX_EVENT,
                          .conversation = conversation_view_of(conversation, user_name(member->user), view),
                          .seq = item->seq,
                          .time_ms = item->time_ms,
                          .user = SLICE("-"),
                          .word = SLICE("withheld")};
    deliver(core, core->withheld.refs, core->withheld.len, 1, &inbox, SLICE("{}"));
    core->withheld.len = 0;
}

void push_gathered(struct core *core, struct conversation *conversation, const struct core_item *item)
{
    if (core->withheld.len)
        push_withheld(core, conversation, item);
    for (size_t i = 0; i < 2; i++) {
        struct gathered *gathered = &core->gathered[i];
        if (gathered->len == 0)
            continue;
        char view[LIMIT_CONVERSATION_LEN + 1];
        struct inbox inbox = {.kind = item->kind == CORE_ITEM_CHAT ? INBOX_CHAT : INBOX_EVENT,
                              .conversation =
                                  conversation_view_of(conversation, user_name(conversation->members[i]->user), view),
                              .seq = item->seq,
                              .time_ms = item->time_ms,
                              .user = item->sender_user,
                              .device = item->sender_device,
                              .id = item->message_id,
                              .word = item->event_type};
        deliver(core, gathered->refs, gathered->len, 1, &inbox, item->payload);
        gathered->len = 0;
    }
}

static void push_to(struct core *core, struct sub *sub, const struct core_item *item, int64_t now_ms)
{
    bool is_planted = core->options.plant_contiguity_bug && (sub->state == SUB_HUNGRY || sub->state == SUB_FED);
    if (sub->state != SUB_LIVE && !is_planted)
        return;
    int64_t next_seq = member_next_visible(sub->member, sub->pushed_seq);
    if (next_seq > item->seq)
        return;
    bool is_next = next_seq == item->seq || core->options.plant_contiguity_bug;
    bool is_own = item_is_own(sub, item);
    if (is_next && is_own)
        sub_pushed_own(core, sub, item->seq, now_ms);
    else if (is_next && sub_room(core, sub) && session_may_take(core, sub->session, true, item_bytes(item), now_ms))
        push_gather(core, sub, item, now_ms);
    else
        sub_settle(core, sub); /* something lies between, or it has enough for now: from the log */
}

void push_new(struct core *core, struct conversation *conversation, const struct core_item *item, int64_t now_ms)
{
    if (conversation->last_seq < item->seq)
        conversation->last_seq = item->seq;
    senders_add(conversation, item->seq, item->sender_user_id);
    struct sub *sub, *next;
    DL_FOREACH_SAFE2 (conversation->subs, sub, next, conversation_next)
        push_to(core, sub, item, now_ms);
    push_gathered(core, conversation, item);
}

void deliver_user(struct core *core, const struct conversation *conversation, const struct user *user,
                  int64_t but_device_id, struct inbox *inbox, struct slice payload)
{
    struct gathered *gathered = &core->gathered[0];
    const struct session *session;
    gathered->len = 0;
    LL_FOREACH2 (user->sessions, session, user_next) {
        if (session->device_id == but_device_id)
            continue;
        gathered_add(gathered, session->ref);
    }
    char view[LIMIT_CONVERSATION_LEN + 1];
    inbox->conversation = conversation_view_of(conversation, user_name(user), view);
    deliver(core, gathered->refs, gathered->len, 0, inbox, payload);
    gathered->len = 0;
}

void core_on_open(struct core *core, int64_t now_ms, session_ref ref, int64_t device_id, struct slice conversation_name,
                  bool is_open)
{
    (void)now_ms;
    struct session *session = session_find(core, device_id);
    if (!session || session->ref != ref)
        return;
    session_open(session, conversation_name, is_open);
    if (core->is_away)
        return;
    struct conversation *conversation =
        is_open ? conversation_want(core, conversation_name) : conversation_find(core, conversation_name);
    if (!conversation)
        return;
    if (is_open && !conversation_is_known(conversation))
        sub_wait_for_load(session, conversation);
    struct sub *sub;
    DL_FOREACH2 (conversation->subs, sub, conversation_next)
        if (sub->session == session)
            sub->is_open = is_open;
}

static void type_to_open(struct core *core, const struct conversation *conversation, const struct member *typist,
                         struct inbox *inbox, struct slice payload)
{
    struct gathered *gathered = &core->gathered[0];
    const struct sub *sub;
    gathered->len = 0;
    DL_FOREACH2 (conversation->subs, sub, conversation_next)
        if (sub->is_open && sub->member && sub->member != typist && member_is_current(sub->member))
            gathered_add(gathered, sub->session->ref);
    inbox->conversation = conversation_name_of(conversation);
    deliver(core, gathered->refs, gathered->len, 0, inbox, payload);
    gathered->len = 0;
}

/*
 * To the other current members, if the conversation is at hand: the first thing dropped. Nor does typing have more
 * conversations wait to be loaded than are loaded at once, for whatever is typed into.
 */
void core_on_typing(struct core *core, int64_t now_ms, const struct core_device *device, struct slice conversation_name,
                    bool is_typing)
{
    (void)now_ms;
    struct conversation *conversation = conversation_find(core, conversation_name);
    if (!conversation && !core->is_away && conversations_unknown(core) < LOADS_MAX)
        (void)conversation_want(core, conversation_name); /* at hand when she types on */
    if (core->is_away || !conversation || !conversation_is_known(conversation) || restraint_is_quiet(conversation))
        return;
    const struct member *typist = member_find(conversation, device->user_id);
    if (!typist || !member_is_current(typist))
        return;
    struct inbox inbox = {.kind = INBOX_TYPING, .user = device->user, .device = device->device};
    struct slice payload = is_typing ? SLICE("1") : SLICE("0");
    if (conversation->current_len > core->options.receipts_members_max) {
        type_to_open(core, conversation, typist, &inbox, payload);
        return;
    }
    for (uint32_t i = 0; i < conversation->members_len; i++) {
        const struct member *member = conversation->members[i];
        if (member != typist && member_is_current(member))
            deliver_user(core, conversation, member->user, 0, &inbox, payload);
    }
}
