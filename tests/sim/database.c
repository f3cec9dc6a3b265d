/* The truth: conversations, their logs and members, and what administrators do to them by SQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

bool db_is_visible(const struct db_conversation *conversation, int user, int64_t seq)
{
    const struct db_member *member = &conversation->members[user];
    for (int i = 0; i < member->intervals_len; i++)
        if (member->intervals[i].joined_seq <= seq &&
            (member->intervals[i].left_seq == 0 || seq <= member->intervals[i].left_seq))
            return true;
    return false;
}

bool db_is_current(const struct db_conversation *conversation, int user)
{
    const struct db_member *member = &conversation->members[user];
    return member->intervals_len && member->intervals[member->intervals_len - 1].left_seq == 0;
}

int64_t db_last_visible(const struct db_conversation *conversation, int user, int64_t seq)
{
    while (seq > 0 && !db_is_visible(conversation, user, seq))
        seq--;
    return seq;
}

bool db_is_blocking(const struct db_conversation *conversation, int user)
{
    const struct db_member *member = &conversation->members[user];
    return member->blocks_len && member->blocks[member->blocks_len - 1].to_seq == 0;
}

bool db_is_in_block(const struct db_conversation *conversation, int user, int64_t seq)
{
    const struct db_member *member = &conversation->members[user];
    for (int i = 0; i < member->blocks_len; i++)
        if (member->blocks[i].from_seq <= seq && (member->blocks[i].to_seq == 0 || seq <= member->blocks[i].to_seq))
            return true;
    return false;
}

bool db_is_withheld(const struct db_conversation *conversation, int user, int64_t seq)
{
    const struct db_item *item = &conversation->items[seq];
    return item->user >= 0 && item->user != user && db_is_in_block(conversation, user, seq);
}

bool db_is_quiet(const struct db_conversation *conversation)
{
    for (int user = 0; user < USERS_MAX; user++)
        if (db_is_blocking(conversation, user) || conversation->members[user].is_asked)
            return true;
    return false;
}

int db_conversation_by_name(const struct world *world, struct slice name)
{
    for (int i = 0; i < world->conversations_len; i++)
        if (slice_equal(slice_of(world->conversations[i].name), name))
            return i;
    return -1;
}

int message_named(struct slice id)
{
    int message = 0;
    for (size_t i = 1; i < id.len; i++)
        message = 10 * message + (id.at[i] - '0');
    return message;
}

void message_payload(int message, char buf[512], size_t *ret_len)
{
    int len = snprintf(buf, 512, "payload of %d ", message);
    size_t more = (size_t)(message * 37 % (message % 11 ? 20 : 400));
    memset(buf + len, 'x', more);
    *ret_len = (size_t)len + more;
}

static void notify(struct world *world, int conversation)
{
    if (!world->is_database_up || world->notified_len == 64)
        return;
    world->notified[world->notified_len++] = conversation;
}

static int64_t event(struct world *world, int conversation, enum event_type type, int actor)
{
    struct db_conversation *c = &world->conversations[conversation];
    c->last_seq++;
    if (c->last_time_ms < world->now_ms)
        c->last_time_ms = world->now_ms;
    c->items[c->last_seq] =
        (struct db_item){.time_ms = c->last_time_ms, .event = type, .user = actor, .device = -1, .message = -1};
    trace(world, "sql: event %d is %s/%ld", (int)type, c->name, (long)c->last_seq);
    return c->last_seq;
}

static void join(struct world *world, int conversation, int user)
{
    struct db_conversation *c = &world->conversations[conversation];
    struct db_member *member = &c->members[user];
    if (db_is_current(c, user) || member->intervals_len == INTERVALS_MAX)
        return;
    int64_t seq = event(world, conversation, EVENT_ADDED, -1);
    member->is_known = true;
    member->intervals[member->intervals_len++] = (struct core_interval){seq, 0};
    c->version++;
    trace(world, "sql: user %d joins %s at %ld", user, c->name, (long)seq);
}

static void leave(struct world *world, int conversation, int user)
{
    struct db_conversation *c = &world->conversations[conversation];
    struct db_member *member = &c->members[user];
    if (!db_is_current(c, user))
        return;
    int64_t seq = event(world, conversation, EVENT_REMOVED, user);
    member->intervals[member->intervals_len - 1].left_seq = seq;
    c->version++;
    for (int i = 0; i < world->messages_len; i++)
        if (world->messages[i].conversation == conversation && world->devices[world->messages[i].device].user == user)
            world->messages[i].may_be_refused = true;
    trace(world, "sql: user %d leaves %s at %ld", user, c->name, (long)seq);
}

void db_create_group(struct world *world, int conversation, uint32_t members)
{
    struct db_conversation *c = &world->conversations[conversation];
    c->exists = true;
    c->first_seq = 1;
    int64_t seq = event(world, conversation, EVENT_CREATED, 0);
    for (int user = 0; user < world->users_len; user++) {
        if (!(members & 1u << user))
            continue;
        c->members[user].is_known = true;
        c->members[user].intervals[c->members[user].intervals_len++] = (struct core_interval){seq, 0};
    }
}

/* The conversation has just been made for this sender's message. */
void db_request(struct world *world, int conversation, int sender)
{
    struct db_conversation *c = &world->conversations[conversation];
    int asked = c->users[c->users[0] == sender];
    if (asked == sender || !rng_one_in(&world->rng, world->plan.request))
        return;
    c->members[asked].is_asked = true;
    (void)event(world, conversation, EVENT_REQUEST, sender);
    c->version++;
    notify(world, conversation);
}

void db_accept(struct world *world, int conversation, int user)
{
    struct db_conversation *c = &world->conversations[conversation];
    c->members[user].is_asked = false;
    (void)event(world, conversation, EVENT_ACCEPTED, user);
    c->version++;
    notify(world, conversation);
}

/* What a device marks before the service has heard of it counts as the last that the service has; it need not have
 * loaded it yet, or have its answer. */
bool db_is_heard_of(const struct world *world)
{
    return !world->notified_len;
}

/* A new device starts at the present of each of its user's conversations. */
void db_register_device(struct world *world, int device)
{
    struct device *d = &world->devices[device];
    bool may_mark = db_is_heard_of(world);
    d->is_registered = true;
    for (int i = 0; i < world->conversations_len; i++) {
        const struct db_conversation *c = &world->conversations[i];
        world->cursors[device][i] = -1;
        if (!c->exists || !c->members[d->user].is_known)
            continue;
        world->cursors[device][i] = c->last_seq;
        d->in_conversation[i].start_seq = c->last_seq;
        d->in_conversation[i].last_taken_seq = may_mark ? c->last_seq : 0;
    }
    trace(world, "sql: device %d of user %d registered", device, d->user);
}

static int any_group(struct world *world)
{
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    const struct db_conversation *c = &world->conversations[conversation];
    return c->is_group && c->exists && !c->is_deleted && c->last_seq < 300 ? conversation : -1;
}

/* One transaction; several changes in it are seen at once. */
void admin_change(struct world *world)
{
    int conversation = any_group(world);
    if (conversation < 0)
        return;
    for (uint32_t i = 0; i <= rng_below(&world->rng, 3) / 2; i++) {
        int user = (int)rng_below(&world->rng, (uint32_t)world->users_len);
        switch (rng_below(&world->rng, 5)) {
        case 0:
            (void)event(world, conversation, EVENT_RENAMED, -1);
            break;
        case 1:
        case 2:
            leave(world, conversation, user);
            break;
        default:
            join(world, conversation, user);
        }
    }
    notify(world, conversation);
}

void admin_purge(struct world *world)
{
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    struct db_conversation *c = &world->conversations[conversation];
    if (!c->exists || c->last_seq < c->first_seq)
        return;
    c->first_seq += 1 + (int64_t)rng_below(&world->rng, (uint32_t)(c->last_seq - c->first_seq + 1));
    trace(world, "sql: %s is purged below %ld", c->name, (long)c->first_seq);
    notify(world, conversation);
}

void admin_erase(struct world *world)
{
    int conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    struct db_conversation *c = &world->conversations[conversation];
    if (!c->exists || c->last_seq == 0 || c->last_seq >= 300)
        return;
    int64_t seq = 1 + (int64_t)rng_below(&world->rng, (uint32_t)c->last_seq);
    if (!c->items[seq].is_chat || c->items[seq].is_erased || seq < c->first_seq)
        return;
    c->items[seq].is_erased = true;
    (void)event(world, conversation, EVENT_MESSAGE_DELETED, c->items[seq].user);
    notify(world, conversation);
}

void admin_delete_group(struct world *world)
{
    int conversation = any_group(world);
    if (conversation < 0)
        return;
    struct db_conversation *c = &world->conversations[conversation];
    int64_t seq = event(world, conversation, EVENT_DELETED, -1);
    for (int user = 0; user < world->users_len; user++)
        if (db_is_current(c, user))
            c->members[user].intervals[c->members[user].intervals_len - 1].left_seq = seq;
    c->is_deleted = true;
    c->version++;
    for (int i = 0; i < world->messages_len; i++)
        if (world->messages[i].conversation == conversation)
            world->messages[i].may_be_refused = true;
    notify(world, conversation);
}

/* One of the two of a direct conversation; -1: there is none. */
static int any_of_two(struct world *world, int *conversation)
{
    *conversation = (int)rng_below(&world->rng, (uint32_t)world->conversations_len);
    const struct db_conversation *c = &world->conversations[*conversation];
    if (c->is_group || !c->exists || c->users[0] == c->users[1] || c->last_seq >= 300)
        return -1;
    return c->users[rng_below(&world->rng, 2)];
}

void admin_block(struct world *world)
{
    int conversation, user = any_of_two(world, &conversation);
    if (user < 0)
        return;
    struct db_conversation *c = &world->conversations[conversation];
    struct db_member *member = &c->members[user];
    if (db_is_blocking(c, user) && member->blocks[member->blocks_len - 1].from_seq > c->last_seq) {
        member->blocks_len--;
    } else if (db_is_blocking(c, user)) {
        member->blocks[member->blocks_len - 1].to_seq = c->last_seq;
    } else if (member->blocks_len < BLOCKS_MAX) {
        member->blocks[member->blocks_len++] = (struct core_block){c->last_seq + 1, 0};
        for (int i = 0; i < world->messages_len && world->options.refuses_blocked; i++)
            if (world->messages[i].conversation == conversation)
                world->messages[i].may_be_refused = true;
    }
    c->version++;
    trace(world, "sql: user %d %s in %s after %ld", user, db_is_blocking(c, user) ? "blocks" : "does not block",
          c->name, (long)c->last_seq);
    notify(world, conversation);
}

void admin_accept(struct world *world)
{
    int conversation, user = any_of_two(world, &conversation);
    if (user >= 0 && world->conversations[conversation].members[user].is_asked)
        db_accept(world, conversation, user);
}
