#ifndef GNATTER_CORE_SCRIPT_H
#define GNATTER_CORE_SCRIPT_H
/*
 * The core as a dialogue. A case is a list of steps: what happens, and what the core then asks for or tells, in order,
 * one line each. After each step there is a turn.
 *
 *   happens                                     told or asked
 *   ready alice:phone                           scan alice:phone
 *   scanned [alice:phone g/x 3] ...             caught-up alice:phone 0
 *   chat alice:phone g/x m1                     load g/x          (load d/alice/bob+ : makes it)
 *   loaded g/x last=2 alice=1- bob=1-2,4-@4/1 [first=1] [version=1] [cursor=alice:phone:2] [deleted]
 *     [blocks=alice:3-5,8-] [asked=alice] [hides=alice] [full=alice]: of a member named before
 *   nosuch g/x                                  append g/x@1 alice:phone/m1   (append-carefully ...)
 *   appended 3 | 3@2 (another version) | stale | dup 1 | refused | blocked | full | gone | !internal
 *                                               0 alice:phone sent/g/x/3/1000/m1   (QoS, sessions, tail, payload)
 *   page g/x 1:created 2:bob:tab/m1~5           page g/x after 0       (~5: edited by that event)
 *   ack, read, rewind alice:phone g/x 3         flush alice:phone@g/x=3 alice@g/x=3/0
 *   flushed | flushed!                          done 1            (the tokens count the chats and marks from 1)
 *   senders g/x bob                             senders g/x 1..4
 *   mark alice:phone g/x bob 3/2 | counts alice:phone g/x 5 2 1       (of a scan)
 *   typing, open, close, changed, gone, removed, lost, back, wait 5000
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../sync-service/core/core.h"

struct step {
    const char *happens;
    const char *told; /* lines */
};

struct stage {
    struct core *core;
    struct core_options options;
    int64_t now_ms;
    char told[4096], names[16][80], devices[16][40];
    int devices_len, conversations_len;
    uint64_t token, ready_number, batch, scan, flush;
    int64_t version; /* of the last append */
    struct core_page_request page;
    struct core_senders_request senders;
};

static const char *const stage_users[] = {"alice", "bob", "carol", "dave", "erin"};

static void say(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct stage *stage, const char *format, ...)
{
    size_t len = strlen(stage->told);
    va_list args;
    va_start(args, format);
    len += (size_t)vsnprintf(stage->told + len, sizeof stage->told - len, format, args);
    va_end(args);
    assert_true(len < sizeof stage->told);
}

/* Ids: users from 1, devices from 100, conversations from 1000; a session has its device's number. */
static int64_t user_id_of(const char *user, size_t len)
{
    for (size_t i = 0; i < sizeof stage_users / sizeof stage_users[0]; i++)
        if (strlen(stage_users[i]) == len && !strncmp(stage_users[i], user, len))
            return (int64_t)i + 1;
    fail_msg("who is %s", user);
    return 0;
}

static int index_in(char *table, size_t size_each, int *len, const char *name)
{
    for (int i = 0; i < *len; i++)
        if (!strcmp(table + (size_t)i * size_each, name))
            return i;
    assert_in_range(*len, 0, 15);
    (void)snprintf(table + (size_t)*len * size_each, size_each, "%s", name);
    return (*len)++;
}

static int device_index(struct stage *stage, const char *client_id)
{
    return index_in(stage->devices[0], sizeof stage->devices[0], &stage->devices_len, client_id);
}

static int64_t conversation_id_of(struct stage *stage, const char *name)
{
    return 1000 + index_in(stage->names[0], sizeof stage->names[0], &stage->conversations_len, name);
}

/* A device named auto-... acknowledges by taking. */
static struct core_device device_of(struct stage *stage, const char *client_id)
{
    const char *colon = strchr(client_id, ':');
    assert_non_null(colon);
    return (struct core_device){.device_id = 100 + device_index(stage, client_id),
                                .user_id = user_id_of(client_id, (size_t)(colon - client_id)),
                                .user = {client_id, (size_t)(colon - client_id)},
                                .device = slice_of(colon + 1),
                                .ack_auto = !strncmp(colon + 1, "auto", 4)};
}

/* ---- what the core says ---- */

static void on_deliver(void *ctx, const session_ref sessions[], size_t sessions_len, int qos, struct slice tail,
                       struct slice payload)
{
    struct stage *stage = ctx;
    say(stage, "%d", qos);
    for (size_t i = 0; i < sessions_len; i++)
        say(stage, "%c%s", i ? ',' : ' ', stage->devices[sessions[i] - 100]);
    bool has_payload = payload.len > 0 && payload.at[0] == '{' && payload.len > 2;
    say(stage, " %.*s%s%.*s\n", (int)tail.len, tail.at, has_payload ? " " : "", has_payload ? (int)payload.len : 0,
        payload.at);
}

static void on_done(void *ctx, struct core_token token)
{
    say(ctx, "done %d\n", (int)token.position);
}

static void on_caught_up(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed)
{
    struct stage *stage = ctx;
    assert_true(ready_number <= stage->ready_number);
    say(stage, "caught-up %s %d\n", stage->devices[session - 100], (int)replayed);
}

static void on_load(void *ctx, const struct slice names[], const int64_t senders[], size_t len)
{
    for (size_t i = 0; i < len; i++)
        say(ctx, "load %.*s%s\n", (int)names[i].len, names[i].at, senders[i] ? "+" : "");
}

static void on_append(void *ctx, const struct core_append_batch *batch)
{
    struct stage *stage = ctx;
    stage->batch = batch->batch;
    stage->version = batch->groups[0].membership_version;
    for (size_t i = 0; i < batch->groups_len; i++) {
        const struct core_append_group *group = &batch->groups[i];
        say(stage, "append%s %s@%d", batch->careful ? "-carefully" : "", stage->names[group->conversation_id - 1000],
            (int)group->membership_version);
        for (size_t j = group->first; j < group->first + group->len; j++)
            say(stage, " %s/%.*s", stage->devices[batch->items[j].device_id - 100], (int)batch->items[j].message_id.len,
                batch->items[j].message_id.at);
        say(stage, "\n");
    }
}

static void on_page(void *ctx, const struct core_page_request *request)
{
    struct stage *stage = ctx;
    stage->page = *request;
    say(stage, "page %s after %d\n", stage->names[request->conversation_id - 1000], (int)request->after_seq);
}

static void on_senders(void *ctx, const struct core_senders_request *request)
{
    struct stage *stage = ctx;
    stage->senders = *request;
    say(stage, "senders %s %d..%d\n", stage->names[request->conversation_id - 1000], (int)request->after_seq,
        (int)request->to_seq);
}

static void on_scan(void *ctx, uint64_t scan, const int64_t device_ids[], size_t len)
{
    struct stage *stage = ctx;
    stage->scan = scan;
    say(stage, "scan");
    for (size_t i = 0; i < len; i++)
        say(stage, " %s", stage->devices[device_ids[i] - 100]);
    say(stage, "\n");
}

static void on_flush(void *ctx, const struct core_mark_batch *batch)
{
    struct stage *stage = ctx;
    stage->flush = batch->batch;
    say(stage, "flush");
    for (size_t i = 0; i < batch->cursors_len; i++)
        say(stage, " %s@%s%s%d", stage->devices[batch->cursors[i].device_id - 100],
            stage->names[batch->cursors[i].conversation_id - 1000], batch->cursors[i].is_set ? ":=" : "=",
            (int)batch->cursors[i].acked_seq);
    for (size_t i = 0; i < batch->members_len; i++)
        say(stage, " %s@%s=%d/%d", stage_users[batch->members[i].user_id - 1],
            stage->names[batch->members[i].conversation_id - 1000], (int)batch->members[i].delivered_seq,
            (int)batch->members[i].read_seq);
    say(stage, "\n");
}

static void on_log(void *ctx, int level, const char *what, struct slice about)
{
    say(ctx, "log %d %s: %.*s\n", level, what, (int)about.len, about.at);
}

/* ---- what happens ---- */

static char *next_word(char **at)
{
    return strtok_r(NULL, " ", at);
}

static char *there(char *found)
{
    if (found)
        return found;
    fail_msg("a step is not written as it must be");
    abort();
}

static char *word(char **at)
{
    return there(next_word(at));
}

static char *after(char *text, int c)
{
    return there(strchr(text, c)) + 1;
}

static struct core_member *member_of(struct core_member members[], size_t len, const char *name, size_t name_len)
{
    for (size_t i = 0; i < len; i++)
        if (members[i].user_id == user_id_of(name, name_len))
            return &members[i];
    fail_msg("%s is not named before", name);
    abort();
}

static void happen_loaded(struct stage *stage, char **at)
{
    struct core_member members[8];
    struct core_interval intervals[8][4];
    struct core_cursor cursors[8];
    struct core_block blocks[8][4];
    char *name = word(at);
    struct core_conversation loaded = {.name = slice_of(name),
                                       .conversation_id = conversation_id_of(stage, name),
                                       .first_seq = 1,
                                       .membership_version = 1,
                                       .is_group = name[0] == 'g',
                                       .members = members,
                                       .cursors = cursors};
    for (char *part = next_word(at); part; part = next_word(at)) {
        if (!strcmp(part, "deleted")) {
            loaded.is_deleted = true;
            continue;
        }
        char *value = after(part, '=');
        size_t len = (size_t)(value - 1 - part);
        if (!strncmp(part, "last=", 5)) {
            loaded.last_seq = atoi(value);
        } else if (!strncmp(part, "first=", 6)) {
            loaded.first_seq = atoi(value);
        } else if (!strncmp(part, "version=", 8)) {
            loaded.membership_version = atoi(value);
        } else if (!strncmp(part, "cursor=", 7)) {
            char *seq = after(after(value, ':'), ':');
            seq[-1] = '\0';
            struct core_device device = device_of(stage, value);
            cursors[loaded.cursors_len++] = (struct core_cursor){device.device_id, device.user_id, atoi(seq)};
        } else if (!strncmp(part, "blocks=", 7)) {
            char *spans = after(value, ':');
            struct core_member *member = member_of(members, loaded.members_len, value, (size_t)(spans - 1 - value));
            member->blocks = blocks[member - members];
            for (char *rest = spans; rest; rest = strchr(rest, ',') ? after(rest, ',') : NULL)
                blocks[member - members][member->blocks_len++] =
                    (struct core_block){atoi(rest), atoi(after(rest, '-'))};
        } else if (!strncmp(part, "asked=", 6)) {
            member_of(members, loaded.members_len, value, strlen(value))->is_asked = true;
        } else if (!strncmp(part, "hides=", 6)) {
            member_of(members, loaded.members_len, value, strlen(value))->hides_reads = true;
        } else if (!strncmp(part, "full=", 5)) {
            member_of(members, loaded.members_len, value, strlen(value))->is_full = true;
        } else { /* alice=1-3,5- */
            struct core_member *member = &members[loaded.members_len];
            *member = (struct core_member){.user_id = user_id_of(part, len), .user = {part, len}};
            member->intervals = intervals[loaded.members_len];
            for (char *rest = value; rest; rest = strchr(rest, ',') ? after(rest, ',') : NULL)
                intervals[loaded.members_len][member->intervals_len++] =
                    (struct core_interval){atoi(rest), atoi(after(rest, '-'))};
            char *marks = strchr(value, '@');
            if (marks) {
                member->delivered_seq = atoi(marks + 1);
                member->read_seq = atoi(after(marks, '/'));
            }
            loaded.members_len++;
        }
    }
    core_on_loaded(stage->core, stage->now_ms, &loaded);
}

static void happen_appended(struct stage *stage, char **at)
{
    struct core_append_answer answers[16];
    size_t len = 0;
    enum status status = STATUS_OK;
    for (char *part = next_word(at); part; part = next_word(at)) {
        answers[len].time_ms = 1000;
        answers[len].seq = 0;
        answers[len].membership_version = strchr(part, '@') ? atoi(after(part, '@')) : stage->version;
        if (!strcmp(part, "!exists"))
            status = STATUS_EXISTS;
        else if (!strcmp(part, "!internal"))
            status = STATUS_INTERNAL;
        else if (!strcmp(part, "!denied"))
            status = STATUS_DENIED;
        else if (!strcmp(part, "stale"))
            answers[len++].state = CORE_APPEND_STALE;
        else if (!strcmp(part, "refused"))
            answers[len++].state = CORE_APPEND_NOT_MEMBER;
        else if (!strcmp(part, "blocked"))
            answers[len++].state = CORE_APPEND_BLOCKED;
        else if (!strcmp(part, "full"))
            answers[len++].state = CORE_APPEND_FULL;
        else if (!strcmp(part, "gone"))
            answers[len++].state = CORE_APPEND_NO_SUCH_USER;
        else {
            answers[len].state = strcmp(part, "dup") ? CORE_APPEND_NEW : CORE_APPEND_DUPLICATE;
            answers[len++].seq = atoi(strcmp(part, "dup") ? part : word(at));
        }
    }
    core_on_appended(stage->core, stage->now_ms, stage->batch, status, answers, len);
}

static void happen_page(struct stage *stage, char **at)
{
    struct core_item items[16];
    size_t len = 0;
    (void)word(at); /* its name is for the reader */
    for (char *part = next_word(at); part; part = next_word(at)) {
        char *rest = after(part, ':');
        rest[-1] = '\0';
        items[len] = (struct core_item){.seq = atoi(part), .time_ms = 1000, .payload = SLICE("{}")};
        char *id = strchr(rest, '/');
        if (id) {
            *id++ = '\0';
            struct core_device device = device_of(stage, rest);
            items[len].sender_user_id = device.user_id;
            items[len].sender_device_id = device.device_id;
            items[len].sender_user = device.user;
            items[len].sender_device = device.device;
            char *edited = strchr(id, '~');
            if (edited) {
                *edited++ = '\0';
                items[len].edit_seq = atoi(edited);
            }
            items[len].message_id = slice_of(id);
        } else {
            items[len].kind = CORE_ITEM_EVENT;
            items[len].sender_user = SLICE("-");
            items[len].event_type = slice_of(rest);
        }
        len++;
    }
    core_on_page(stage->core, stage->now_ms, &stage->page, items, len);
}

static void happen_scanned(struct stage *stage, char **at)
{
    char *client_id;
    while ((client_id = next_word(at)) != NULL) {
        char *name = word(at);
        core_on_scan_behind(stage->core, stage->now_ms, stage->scan, device_of(stage, client_id).device_id,
                            slice_of(name), atoi(word(at)));
    }
    core_on_scan_done(stage->core, stage->now_ms, stage->scan);
}

static void happen_scan_mark(struct stage *stage, char **at, bool is_counts)
{
    int64_t device_id = device_of(stage, word(at)).device_id;
    char *name = word(at);
    if (is_counts) {
        int64_t seq = atoi(word(at)), delivered = atoi(word(at)), read = atoi(word(at));
        core_on_scan_mark(stage->core, stage->now_ms, stage->scan, device_id, slice_of(name), SLICE(""), 0, 0, true,
                          seq, delivered, read);
        return;
    }
    char *user = word(at), *delivered = word(at);
    core_on_scan_mark(stage->core, stage->now_ms, stage->scan, device_id, slice_of(name), slice_of(user),
                      atoi(delivered), atoi(after(delivered, '/')), false, 0, 0, 0);
}

/* The events that begin with a device. */
static bool happen_to_device(struct stage *stage, const char *verb, char **at)
{
    static const char *const verbs[] = {"ready",  "gone",   "chat",    "ack",  "read",
                                        "rewind", "typing", "removed", "open", "close"};
    bool is_one = false;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        is_one |= !strcmp(verb, verbs[i]);
    if (!is_one)
        return false;
    char *client_id = word(at), *name = next_word(at), *last = next_word(at);
    struct core_device device = device_of(stage, client_id);
    session_ref session = (session_ref)device.device_id;
    struct core_token token = {0, stage->token + 1, 0};
    struct core *core = stage->core;
    if (!strcmp(verb, "ready"))
        core_on_ready(core, stage->now_ms, session, ++stage->ready_number, &device);
    else if (!strcmp(verb, "gone"))
        core_on_gone(core, stage->now_ms, session, device.device_id);
    else if (!strcmp(verb, "removed"))
        core_on_device_removed(core, stage->now_ms, device.device_id);
    else if (!strcmp(verb, "open") || !strcmp(verb, "close"))
        core_on_open(core, stage->now_ms, session, device.device_id, slice_of(name), verb[0] == 'o');
    else if (!strcmp(verb, "typing"))
        core_on_typing(core, stage->now_ms, &device, slice_of(name), true);
    else if (!strcmp(verb, "chat"))
        core_on_chat(core, stage->now_ms, token, &device, slice_of(name), slice_of(last), SLICE("hello"));
    else if (!strcmp(verb, "rewind"))
        core_on_rewind(core, stage->now_ms, token, &device, slice_of(name), atoi(last));
    else
        core_on_mark(core, stage->now_ms, token, strcmp(verb, "ack") ? CORE_MARK_READ : CORE_MARK_ACK, &device,
                     slice_of(name), atoi(last));
    stage->token += !strcmp(verb, "chat") || !strcmp(verb, "rewind") || !strcmp(verb, "ack") || !strcmp(verb, "read");
    return true;
}

static void happen(struct stage *stage, const char *happens)
{
    char text[400], *at;
    (void)snprintf(text, sizeof text, "%s", happens);
    const char *verb = strtok_r(text, " ", &at);
    if (happen_to_device(stage, verb, &at))
        return;
    if (!strcmp(verb, "scanned")) {
        happen_scanned(stage, &at);
    } else if (!strcmp(verb, "loaded")) {
        happen_loaded(stage, &at);
    } else if (!strcmp(verb, "nosuch")) {
        const char *name = word(&at);
        core_on_loaded(
            stage->core, stage->now_ms,
            &(struct core_conversation){.name = slice_of(name),
                                        .state = name[0] == 'g' ? CORE_LOAD_NO_SUCH_GROUP : CORE_LOAD_NO_SUCH_USER});
    } else if (!strcmp(verb, "appended")) {
        happen_appended(stage, &at);
    } else if (!strcmp(verb, "page")) {
        happen_page(stage, &at);
    } else if (!strcmp(verb, "mark") || !strcmp(verb, "counts")) {
        happen_scan_mark(stage, &at, !strcmp(verb, "counts"));
    } else if (!strcmp(verb, "changed")) {
        core_on_changed(stage->core, stage->now_ms, slice_of(word(&at)));
    } else if (!strcmp(verb, "senders")) {
        int64_t user_ids[8];
        size_t len = 0;
        (void)word(&at);
        for (char *user = next_word(&at); user; user = next_word(&at))
            user_ids[len++] = user_id_of(user, strlen(user));
        core_on_senders(stage->core, stage->now_ms, &stage->senders, user_ids, len);
    } else if (!strcmp(verb, "flushed") || !strcmp(verb, "flushed!")) {
        core_on_flushed(stage->core, stage->now_ms, stage->flush, verb[7] ? STATUS_INTERNAL : STATUS_OK);
    } else if (!strcmp(verb, "wait")) {
        stage->now_ms += atoi(word(&at));
    } else if (!strcmp(verb, "lost")) {
        core_on_database_lost(stage->core, stage->now_ms);
    } else if (!strcmp(verb, "back")) {
        core_on_database_back(stage->core, stage->now_ms);
    } else {
        fail_msg("what is %s", verb);
    }
}

/* ---- a case ---- */

static void stage_open(struct stage *stage)
{
    *stage = (struct stage){.now_ms = 1000};
    core_options_default(&stage->options);
    stage->options.scan_every_ms = 0; /* each step tells its own */
}

static void stage_play(struct stage *stage, const struct step steps[], size_t steps_len)
{
    struct core_port port = {stage,   on_deliver, on_done, on_caught_up, on_load, on_append,
                             on_page, on_senders, on_scan, on_flush,     on_log};
    if (!stage->core)
        stage->core = core_new(&stage->options, &port);
    assert_non_null(stage->core);
    for (size_t i = 0; i < steps_len; i++) {
        stage->told[0] = '\0';
        happen(stage, steps[i].happens);
        (void)core_turn(stage->core, stage->now_ms);
        size_t len = strlen(stage->told);
        if (len > 0)
            stage->told[len - 1] = '\0';
        if (strcmp(stage->told, steps[i].told))
            fail_msg("step %zu: %s\ntold:\n%s\nwanted:\n%s", i + 1, steps[i].happens, stage->told, steps[i].told);
    }
}

static void stage_close(struct stage *stage)
{
    core_free(stage->core);
    stage->core = NULL;
}

#define PLAY(stage, ...)                                                                                               \
    stage_play((stage), (const struct step[]){__VA_ARGS__},                                                            \
               sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

#endif
