/* From a publish to its seq: messages wait in their conversation, go in batches, and stay until the answer came. */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "restraint.h"

#define RETRY_AFTER       "5000"
#define QUOTA_RETRY_AFTER "60000"

static struct slice message_user(const struct message *message)
{
    return (struct slice){message->bytes, message->user_len};
}

static struct slice message_device(const struct message *message)
{
    return (struct slice){message->bytes + message->user_len, message->device_len};
}

static struct slice message_id(const struct message *message)
{
    return (struct slice){message->bytes + message->user_len + message->device_len, message->id_len};
}

static struct slice message_payload(const struct message *message)
{
    return (struct slice){message->bytes + message->user_len + message->device_len + message->id_len,
                          message->payload_len};
}

static char *put(char *at, struct slice text)
{
    if (text.len)
        memcpy(at, text.at, text.len);
    return at + text.len;
}

static struct message *message_new(struct core_token token, const struct core_device *device, struct slice id,
                                   struct slice payload)
{
    struct message *message =
        core_alloc(sizeof *message + device->user.len + device->device.len + id.len + payload.len);
    message->token = token;
    message->user_id = device->user_id;
    message->device_id = device->device_id;
    message->user_len = (uint8_t)device->user.len;
    message->device_len = (uint8_t)device->device.len;
    message->id_len = (uint8_t)id.len;
    message->payload_len = (uint32_t)payload.len;
    char *end = put(message->bytes, device->user);
    end = put(end, device->device);
    end = put(end, id);
    (void)put(end, payload);
    return message;
}

void core_on_chat(struct core *core, int64_t now_ms, struct core_token token, const struct core_device *device,
                  struct slice conversation_name, struct slice message_id, struct slice payload)
{
    (void)now_ms;
    struct conversation *conversation = conversation_want(core, conversation_name);
    struct message *message = message_new(token, device, message_id, payload);
    if (conversation->pending)
        conversation->pending_last->next = message;
    else
        conversation->pending = message;
    conversation->pending_last = message;
    if (!conversation_is_known(conversation)) {
        conversation_create(conversation);
    } else if (conversation->last_seq == 0 && conversation->pending == message) {
        /* nothing has been said yet: the load decides whether this is a request */
        conversation_create(conversation);
        conversation_reload(core, conversation);
    }
    core->stats.pending_items++;
    core->pending_bytes += payload.len;
    conversation_touch(core, conversation);
    conversation_sendable(core, conversation);
}

/* ---- its end ---- */

static void message_pop(struct core *core, struct conversation *conversation)
{
    struct message *message = conversation->pending;
    conversation->pending = message->next;
    if (conversation->flight_len)
        conversation->flight_len--;
    core->stats.pending_items--;
    core->pending_bytes -= message->payload_len;
    free(message);
}

static struct slice explained(const char *code)
{
    static const struct {
        const char *code, *payload;
    } why[] = {
        {"not-member", "{\"message\":\"you are not a member of this conversation\"}"},
        {"blocked", "{\"message\":\"this user does not take messages from you\"}"},
        {"quota-exceeded", "{\"message\":\"too much waits for this user\",\"retry_after_ms\":" QUOTA_RETRY_AFTER "}"},
        {"no-such-user", "{\"message\":\"there is no such user\"}"},
        {"no-such-group", "{\"message\":\"there is no such group\"}"},
        {"read-only", "{\"message\":\"nothing can be stored at the moment\",\"retry_after_ms\":" RETRY_AFTER "}"},
    };
    for (size_t i = 0; i < sizeof why / sizeof why[0]; i++)
        if (!strcmp(why[i].code, code))
            return slice_of(why[i].payload);
    return SLICE("{\"message\":\"this message could not be stored\",\"retry_after_ms\":" RETRY_AFTER "}");
}

/* The first one was not accepted: says so and forgets it. */
static void message_fail(struct core *core, struct conversation *conversation, const char *code)
{
    const struct message *message = conversation->pending;
    const struct session *session = session_find(core, message->device_id);
    if (session) {
        char view[LIMIT_CONVERSATION_LEN + 1];
        deliver(core, &session->ref, 1, 1,
                &(struct inbox){.kind = INBOX_ERROR,
                                .conversation = conversation_view_of(conversation, message_user(message), view),
                                .id = message_id(message),
                                .word = slice_of(code)},
                explained(code));
    }
    core->port.done(core->port.ctx, message->token);
    message_pop(core, conversation);
}

void message_fail_all(struct core *core, struct conversation *conversation, const char *code)
{
    while (conversation->pending) {
        if (code)
            message_fail(core, conversation, code);
        else
            message_pop(core, conversation);
    }
}

/* ---- asking ---- */

void conversation_sendable(struct core *core, struct conversation *conversation)
{
    if (conversation->state == CONVERSATION_LOADED && conversation->pending && !conversation->flight_len)
        conversation_work_set(core, conversation, CONVERSATION_TO_SEND);
}

static const char *not_member(const struct conversation *conversation)
{
    return conversation->is_deleted ? "no-such-group" : "not-member";
}

/*
 * A member's message goes with the version that she is one in. Of anybody else only the database knows: she may have
 * become one just now, or send again what was accepted while she was.
 */
static bool is_member_now(const struct conversation *conversation, const struct message *message)
{
    const struct member *member = member_find(conversation, message->user_id);
    return member && member_is_current(member);
}

static bool needs_care(const struct core *core, const struct conversation *conversation, const struct message *message)
{
    return message->is_careful || !is_member_now(conversation, message) ||
           restraint_needs_care(core, conversation, message->user_id);
}

struct picking {
    size_t groups, items;
    uint64_t bytes;
    bool is_careful, is_alone;
};

static uint32_t pick_from(const struct core *core, struct picking *picking, struct conversation *conversation)
{
    uint32_t len = 0;
    for (struct message *message = conversation->pending; message; message = message->next) {
        if (len > 0 &&
            (picking->is_alone || message->is_alone || needs_care(core, conversation, message) != picking->is_careful))
            break;
        if (picking->items == core->options.append_items_max ||
            (picking->items > 0 && picking->bytes + message->payload_len > core->options.append_bytes_max))
            break;
        message->is_careful = picking->is_careful;
        picking->items++;
        picking->bytes += message->payload_len;
        len++;
    }
    return len;
}

static struct picking pick(struct core *core)
{
    struct picking picking = {0};
    struct conversation *conversation, *next;
    DL_FOREACH_SAFE2 (core->to_send, conversation, next, work_next) {
        const struct message *head = conversation->pending;
        bool is_careful = needs_care(core, conversation, head);
        if (picking.items == 0) {
            picking.is_careful = is_careful;
            picking.is_alone = head->is_alone;
        } else if (picking.is_alone || head->is_alone || is_careful != picking.is_careful) {
            continue;
        }
        uint32_t len = pick_from(core, &picking, conversation);
        if (len == 0)
            break;
        conversation->flight_len = len;
        conversation_work_set(core, conversation, CONVERSATION_AT_REST);
        core->picked[picking.groups++] = (struct batch_group){conversation, len};
    }
    return picking;
}

static int by_conversation_id(const void *a, const void *b)
{
    int64_t x = ((const struct batch_group *)a)->conversation->conversation_id;
    int64_t y = ((const struct batch_group *)b)->conversation->conversation_id;
    return (x > y) - (x < y);
}

static void send_picked(struct core *core, const struct picking *picking)
{
    qsort(core->picked, picking->groups, sizeof core->picked[0], by_conversation_id);
    size_t items = 0;
    for (size_t i = 0; i < picking->groups; i++) {
        const struct conversation *conversation = core->picked[i].conversation;
        core->groups[i] = (struct core_append_group){conversation->conversation_id, conversation->membership_version,
                                                     items, core->picked[i].len};
        const struct message *message = conversation->pending;
        for (uint32_t j = 0; j < core->picked[i].len; j++, message = message->next)
            core->items[items++] = (struct core_append_item){message->user_id, message->device_id, message_id(message),
                                                             message_payload(message)};
    }
    struct batch *batch = core_alloc(sizeof *batch + picking->groups * sizeof batch->groups[0]);
    batch->number = ++core->last_batch;
    batch->groups_len = picking->groups;
    batch->items_len = items;
    memcpy(batch->groups, core->picked, picking->groups * sizeof batch->groups[0]);
    DL_APPEND2(core->batches, batch, under_way_prev, under_way_next);
    core->batches_len++;
    core->flight_items += batch->items_len;
    core->port.append(core->port.ctx, &(struct core_append_batch){.batch = batch->number,
                                                                  .careful = picking->is_careful,
                                                                  .refuses_blocked = core->options.refuses_blocked,
                                                                  .groups = core->groups,
                                                                  .groups_len = picking->groups,
                                                                  .items = core->items,
                                                                  .items_len = items});
}

/* While a batch is under way another one has to be worth its commit: rows per commit are what an append costs. */
static bool may_append(const struct core *core)
{
    uint64_t waiting = core->stats.pending_items - core->flight_items;
    return core->batches_len == 0 ||
           (core->batches_len < core->options.appends_max && waiting >= core->options.append_worth_items);
}

void append_turn(struct core *core)
{
    while (core->to_send && may_append(core)) {
        struct picking picking = pick(core);
        if (picking.items == 0)
            return;
        send_picked(core, &picking);
    }
}

/* ---- the answer ---- */

void messages_retry(struct conversation *conversation)
{
    struct message *message = conversation->pending;
    for (uint32_t i = 0; i < conversation->flight_len; i++, message = message->next)
        message->is_careful = true;
    conversation->flight_len = 0;
}

static void messages_retry_alone(struct conversation *conversation)
{
    struct message *message = conversation->pending;
    for (uint32_t i = 0; i < conversation->flight_len; i++, message = message->next)
        message->is_alone = true;
    messages_retry(conversation);
}

static void message_appended(struct core *core, struct conversation *conversation, bool was_careful,
                             const struct core_append_answer *answer, int64_t now_ms)
{
    const struct message *message = conversation->pending;
    struct core_item item = {.seq = answer->seq,
                             .time_ms = answer->time_ms,
                             .kind = CORE_ITEM_CHAT,
                             .sender_user_id = message->user_id,
                             .sender_device_id = message->device_id,
                             .sender_user = message_user(message),
                             .sender_device = message_device(message),
                             .message_id = message_id(message),
                             .payload = message_payload(message)};
    push_sent(core, conversation, 0, &item);
    if (answer->state == CORE_APPEND_DUPLICATE) {
        core->stats.duplicates++;
        if (answer->seq > conversation->last_seq)
            conversation_reload(core, conversation);
    } else {
        core->stats.appended++;
        /* The careful path does not compare versions: it may have changed who is a member, or who blocks. */
        if (was_careful && (answer->seq != conversation->last_seq + 1 ||
                            answer->membership_version != conversation->membership_version))
            conversation_reload(core, conversation);
        else
            push_new(core, conversation, &item, now_ms);
    }
    core->port.done(core->port.ctx, message->token);
    message_pop(core, conversation);
}

static void group_appended(struct core *core, struct conversation *conversation, uint32_t len,
                           const struct core_append_answer *answers, int64_t now_ms)
{
    if (answers[0].state == CORE_APPEND_STALE) {
        conversation->flight_len = 0;
        if (conversation->state == CONVERSATION_LOADED) /* else a load that sees the change is on its way */
            conversation_reload(core, conversation);
        return;
    }
    for (uint32_t i = 0; i < len; i++) {
        switch (answers[i].state) {
        case CORE_APPEND_NEW:
        case CORE_APPEND_DUPLICATE:
            message_appended(core, conversation, conversation->pending->is_careful, &answers[i], now_ms);
            break;
        case CORE_APPEND_NOT_MEMBER: {
            const struct member *member = member_find(conversation, conversation->pending->user_id);
            if (member && member_is_current(member))
                conversation_reload(core, conversation);
            message_fail(core, conversation, not_member(conversation));
            break;
        }
        case CORE_APPEND_BLOCKED:
            message_fail(core, conversation, "blocked");
            break;
        case CORE_APPEND_FULL:
            message_fail(core, conversation, "quota-exceeded");
            break;
        case CORE_APPEND_NO_SUCH_USER:
            message_fail(core, conversation, "no-such-user");
            break;
        case CORE_APPEND_STALE: /* a group is stale as a whole */
            message_fail(core, conversation, "internal");
            break;
        }
    }
    conversation_sendable(core, conversation);
}

/* Refused is what fails alone and carefully: then it is not in the log from an earlier time either. */
static void message_failed_alone(struct core *core, struct conversation *conversation, enum status status)
{
    if (!conversation->pending->is_alone) {
        messages_retry_alone(conversation);
        return;
    }
    if (status != STATUS_DENIED)
        core->port.log(core->port.ctx, LOG_ERR, "a message cannot be appended", conversation_name_of(conversation));
    message_fail(core, conversation, status == STATUS_DENIED ? "read-only" : "internal");
}

static void group_failed(struct core *core, struct conversation *conversation, enum status status)
{
    switch (status) {
    case STATUS_DENIED:
    case STATUS_MALFORMED:
    case STATUS_TOO_LARGE:
    case STATUS_INTERNAL:
        message_failed_alone(core, conversation, status);
        break;
    case STATUS_OK:
    case STATUS_EXISTS:
    case STATUS_EXPIRED:
    case STATUS_NOT_FOUND:
    case STATUS_STALE:
    case STATUS_FULL:
    case STATUS_UNAVAILABLE:
    case STATUS_NO_MEMORY:
        messages_retry(conversation);
        break;
    }
    conversation_sendable(core, conversation);
}

static struct batch *batch_take(struct core *core, uint64_t number)
{
    struct batch *batch;
    DL_FOREACH2 (core->batches, batch, under_way_next)
        if (batch->number == number) {
            DL_DELETE2(core->batches, batch, under_way_prev, under_way_next);
            core->batches_len--;
            core->flight_items -= batch->items_len;
            return batch;
        }
    return NULL;
}

void core_on_appended(struct core *core, int64_t now_ms, uint64_t number, enum status status,
                      const struct core_append_answer *answers, size_t answers_len)
{
    struct batch *batch = batch_take(core, number);
    if (!batch)
        return;
    if (status == STATUS_OK && answers_len != batch->items_len)
        status = STATUS_INTERNAL;
    for (size_t i = 0, first = 0; i < batch->groups_len; i++) {
        struct batch_group group = batch->groups[i];
        if (status == STATUS_OK)
            group_appended(core, group.conversation, group.len, answers + first, now_ms);
        else
            group_failed(core, group.conversation, status);
        marks_apply_waiting(core, group.conversation, now_ms);
        first += group.len;
    }
    free(batch);
}

void batches_forget(struct core *core)
{
    struct batch *batch, *next;
    DL_FOREACH_SAFE2 (core->batches, batch, next, under_way_next)
        free(batch);
    core->batches = NULL;
    core->batches_len = 0;
    core->flight_items = 0;
}
