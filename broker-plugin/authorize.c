#include "authorize.h"

#include <string.h>

enum status authorize_publish(struct slice topic, bool is_retained, struct topic *ret_topic)
{
    if (is_retained || topic_parse(topic, ret_topic) != STATUS_OK)
        return STATUS_DENIED;
    return STATUS_OK;
}

static enum status check_list(struct slice payload, bool is_sync, uint32_t *ret_lines)
{
    struct conversation_ref ref;
    int64_t seq;
    uint32_t lines = 0;
    enum status status;
    while ((status = list_next(&payload, is_sync, &ref, &seq)) == STATUS_OK)
        if (++lines > LIMIT_LIST_LINES)
            return STATUS_TOO_LARGE;
    if (status != STATUS_NOT_FOUND)
        return STATUS_MALFORMED;
    *ret_lines = lines;
    return STATUS_OK;
}

enum status authorize_payload(const struct topic *topic, struct slice payload, size_t message_bytes_max,
                              uint32_t *ret_lines)
{
    if (payload.len > message_bytes_max)
        return STATUS_TOO_LARGE;
    *ret_lines = 1;
    switch (topic->kind) {
    case TOPIC_CHAT:
        return STATUS_OK;
    case TOPIC_ACK:
    case TOPIC_READ:
        return payload.len == 0 ? STATUS_OK : STATUS_MALFORMED;
    case TOPIC_TYPING:
        return slice_equal(payload, SLICE("1")) || slice_equal(payload, SLICE("0")) ? STATUS_OK : STATUS_MALFORMED;
    case TOPIC_ACK_LIST:
    case TOPIC_READ_LIST:
        return check_list(payload, false, ret_lines);
    case TOPIC_SYNC:
        return check_list(payload, true, ret_lines);
    case TOPIC_RPC:
        return payload.len <= LIMIT_RPC_BYTES ? STATUS_OK : STATUS_TOO_LARGE;
    }
    return STATUS_INTERNAL;
}

/* Takes `prefix` off the front of `text`. */
static bool take_prefix(struct slice *text, struct slice prefix)
{
    if (text->len < prefix.len || memcmp(text->at, prefix.at, prefix.len) != 0)
        return false;
    text->at += prefix.len;
    text->len -= prefix.len;
    return true;
}

static bool is_below_inbox(struct slice topic, struct slice user, struct slice *ret_below)
{
    if (!take_prefix(&topic, SLICE("inbox/")) || !take_prefix(&topic, user) || !take_prefix(&topic, SLICE("/")))
        return false;
    *ret_below = topic;
    return true;
}

enum status authorize_subscribe(struct slice filter, struct slice user, struct filter_wish *ret_wish)
{
    struct filter_wish wish = {.below = {NULL, 0}};
    enum status status = filter_parse(filter, user, &wish.kind, &wish.watched);
    if (status != STATUS_OK)
        return STATUS_DENIED;
    if (wish.kind == FILTER_INBOX && !is_below_inbox(filter, user, &wish.below))
        return STATUS_INTERNAL;
    *ret_wish = wish;
    return STATUS_OK;
}

bool authorize_receive(struct slice topic, struct slice user)
{
    struct slice below;
    return is_below_inbox(topic, user, &below) || take_prefix(&topic, SLICE("presence/"));
}
