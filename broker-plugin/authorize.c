#include "authorize.h"

#include <string.h>

enum status authorize_publish(struct slice topic, bool is_retained, struct topic *ret_topic)
{
    if (is_retained || topic_parse(topic, ret_topic) != STATUS_OK)
        return STATUS_DENIED;
    return STATUS_OK;
}

const char *authorize_topic_advice(struct slice topic)
{
    static const struct {
        const char *first, *advice; /* first: the topic's first level */
    } rows[] = {
        {"chat", "a message goes to chat/u/<user>/<message id> or chat/g/<group>/<message id>, names in lower case, "
                 "ids up to 36 long"},
        {"ack", "an ack goes to ack/u/<user>/<seq> or ack/g/<group>/<seq>, or as lines to ack"},
        {"read", "a read mark goes to read/u/<user>/<seq> or read/g/<group>/<seq>, or as lines to read"},
        {"typing", "typing goes to typing/u/<user> or typing/g/<group>"},
        {"sync", "the topic is sync alone"},
        {"rpc", "a request goes to rpc/<method>/<request id>"},
    };
    const char *slash = memchr(topic.at, '/', topic.len);
    struct slice first = {topic.at, slash ? (size_t)(slash - topic.at) : topic.len};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_equal(first, slice_of(rows[i].first)))
            return rows[i].advice;
    return "not a topic that a device may publish to";
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

const char *authorize_payload_advice(enum topic_kind kind)
{
    switch (kind) {
    case TOPIC_ACK:
    case TOPIC_READ:
        return "the payload must be empty";
    case TOPIC_TYPING:
        return "the payload must be 1 or 0";
    case TOPIC_ACK_LIST:
    case TOPIC_READ_LIST:
    case TOPIC_SYNC:
        return "the payload must be lines of <conversation> <seq>, such as u/bob 17, without carriage return";
    case TOPIC_CHAT: /* any bytes */
    case TOPIC_RPC:  /* read by the service */
        break;
    }
    return "the payload is not of the form that belongs to the topic";
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
