/* The answers reach the core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "question.h"

static void tell_loaded(struct world *world, const struct asked_load *load)
{
    const struct db_conversation *c = &world->conversations[load->conversation];
    struct core_member members[USERS_MAX];
    struct core_cursor cursors[DEVICES_MAX];
    char names[USERS_MAX][16];
    size_t members_len = 0, cursors_len = 0;
    for (int i = world->users_len - 1; i >= 0; i--) { /* in no particular order */
        const struct db_member *member = &load->members[i];
        if (!member->is_known)
            continue;
        (void)snprintf(names[i], sizeof names[i], "u%d", i);
        members[members_len++] = (struct core_member){.user_id = USER_ID(i),
                                                      .user = slice_of(names[i]),
                                                      .intervals = member->intervals,
                                                      .intervals_len = (size_t)member->intervals_len,
                                                      .delivered_seq = member->delivered_seq,
                                                      .read_seq = member->read_seq,
                                                      .blocks = member->blocks,
                                                      .blocks_len = (size_t)member->blocks_len,
                                                      .is_asked = member->is_asked,
                                                      .hides_reads = world->hides_reads[i]};
    }
    for (int i = 0; i < world->devices_len; i++)
        if (load->cursors[i] >= 0 && load->members[world->devices[i].user].is_known)
            cursors[cursors_len++] =
                (struct core_cursor){DEVICE_ID(i), USER_ID(world->devices[i].user), load->cursors[i]};
    trace(world, "loaded: %s, state %d, last %ld", c->name, (int)load->state, (long)load->last_seq);
    core_on_loaded(world->core, world->now_ms,
                   &(struct core_conversation){.name = slice_of(c->name),
                                               .state = load->state,
                                               .conversation_id = CONVERSATION_ID(load->conversation),
                                               .last_seq = load->last_seq,
                                               .first_seq = load->first_seq,
                                               .membership_version = load->version,
                                               .is_group = c->is_group,
                                               .is_deleted = load->is_deleted,
                                               .members = members,
                                               .members_len = members_len,
                                               .cursors = cursors,
                                               .cursors_len = cursors_len});
}

static const char *const event_words[] = {[EVENT_CREATED] = "created",
                                          [EVENT_ADDED] = "member-added",
                                          [EVENT_REMOVED] = "member-removed",
                                          [EVENT_RENAMED] = "renamed",
                                          [EVENT_MESSAGE_DELETED] = "message-deleted",
                                          [EVENT_DELETED] = "deleted",
                                          [EVENT_REQUEST] = "request",
                                          [EVENT_ACCEPTED] = "request-accepted"};

static void tell_page(struct world *world, const struct question *q)
{
    struct core_item *items = copy(NULL, q->items_len, sizeof items[0]);
    struct texts {
        char user[16], device[8], id[16], payload[512];
    } *texts = copy(NULL, q->items_len, sizeof texts[0]);
    for (size_t i = 0; i < q->items_len; i++) {
        const struct db_item *item = &q->page_items[i];
        items[i] = (struct core_item){.seq = q->senders.after_seq + (int64_t)i, .time_ms = item->time_ms};
        (void)snprintf(texts[i].user, sizeof texts[i].user, item->user < 0 ? "-" : "u%d", item->user);
        items[i].sender_user = slice_of(texts[i].user);
        items[i].sender_user_id = item->user < 0 ? 0 : USER_ID(item->user);
        if (item->is_chat && !item->is_erased) {
            items[i].kind = CORE_ITEM_CHAT;
            items[i].sender_device_id = DEVICE_ID(item->device);
            (void)snprintf(texts[i].device, sizeof texts[i].device, "%s", world->devices[item->device].name);
            (void)snprintf(texts[i].id, sizeof texts[i].id, "m%d", item->message);
            items[i].sender_device = slice_of(texts[i].device);
            items[i].message_id = slice_of(texts[i].id);
            message_payload(item->message, texts[i].payload, &items[i].payload.len);
            items[i].payload.at = texts[i].payload;
        } else {
            items[i].kind = CORE_ITEM_EVENT;
            items[i].event_type = slice_of(item->is_chat ? "message-deleted" : event_words[item->event]);
            items[i].payload = SLICE("{}");
        }
    }
    trace(world, "page of %d: %zu items from %ld", q->page_conversation, q->items_len, (long)q->senders.after_seq);
    core_on_page(world->core, world->now_ms, &q->page, items, q->items_len);
    free(items);
    free(texts);
}

static void tell_scan(struct world *world, const struct question *q)
{
    for (size_t i = 0; i < q->rows_len; i++) {
        const struct asked_row *row = &q->rows[i];
        trace(world, "scan: device %d is behind in %d from %ld", row->device, row->conversation, (long)row->acked_seq);
        core_on_scan_behind(world->core, world->now_ms, q->number, DEVICE_ID(row->device),
                            slice_of(world->conversations[row->conversation].name), row->acked_seq);
    }
    for (size_t i = 0; i < q->marks_len; i++) {
        const struct asked_mark *mark = &q->marks[i];
        char name[16];
        (void)snprintf(name, sizeof name, "u%d", mark->user);
        core_on_scan_mark(world->core, world->now_ms, q->number, DEVICE_ID(mark->device),
                          slice_of(world->conversations[mark->conversation].name), slice_of(name), mark->delivered_seq,
                          mark->read_seq, false, 0, 0, 0);
    }
    trace(world, "scan %lu done", (unsigned long)q->number);
    core_on_scan_done(world->core, world->now_ms, q->number);
}

void question_tell(struct world *world, const struct question *q)
{
    switch (q->kind) {
    case ASK_LOAD:
        for (size_t i = 0; i < q->len; i++)
            tell_loaded(world, &q->loads[i]);
        break;
    case ASK_APPEND:
        trace(world, "batch %lu: %s", (unsigned long)q->number, status_name(q->status));
        core_on_appended(world->core, world->now_ms, q->number, q->status, q->answers, q->items_len);
        break;
    case ASK_PAGE:
        tell_page(world, q);
        break;
    case ASK_SENDERS:
        core_on_senders(world->core, world->now_ms, &q->senders, q->ids, q->len);
        break;
    case ASK_SCAN:
        tell_scan(world, q);
        break;
    case ASK_FLUSH:
        trace(world, "flush %lu: %s", (unsigned long)q->number, status_name(q->status));
        core_on_flushed(world->core, world->now_ms, q->number, q->status);
        break;
    }
}
