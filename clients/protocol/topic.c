#include "topic.h"
#include "text.h"

/* What follows the first level. */
static bool rest_parse(struct levels *levels, struct topic *topic)
{
    switch (topic->kind) {
    case TOPIC_CHAT:
        return levels_conversation(levels, &topic->conversation) && levels_next(levels, &topic->id) &&
               name_is_message_id(topic->id);
    case TOPIC_ACK:
    case TOPIC_READ:
        return levels_conversation(levels, &topic->conversation) && levels_number(levels, false, &topic->seq);
    case TOPIC_TYPING:
        return levels_conversation(levels, &topic->conversation);
    case TOPIC_RPC:
        return levels_next(levels, &topic->method) && name_is_word(topic->method, true) &&
               levels_next(levels, &topic->id) && name_is_message_id(topic->id);
    case TOPIC_ACK_LIST:
    case TOPIC_READ_LIST:
    case TOPIC_SYNC:
        return true;
    }
    return false;
}

enum status topic_parse(struct slice text, struct topic *ret_topic)
{
    struct topic topic = {0};
    struct levels levels = levels_of(text);
    struct slice word;
    (void)levels_next(&levels, &word); /* there is always a first level, if an empty one */
    if (slice_equal(word, SLICE("chat")))
        topic.kind = TOPIC_CHAT;
    else if (slice_equal(word, SLICE("ack")))
        topic.kind = levels.is_done ? TOPIC_ACK_LIST : TOPIC_ACK;
    else if (slice_equal(word, SLICE("read")))
        topic.kind = levels.is_done ? TOPIC_READ_LIST : TOPIC_READ;
    else if (slice_equal(word, SLICE("typing")))
        topic.kind = TOPIC_TYPING;
    else if (slice_equal(word, SLICE("sync")))
        topic.kind = TOPIC_SYNC;
    else if (slice_equal(word, SLICE("rpc")))
        topic.kind = TOPIC_RPC;
    else
        return STATUS_MALFORMED;
    if (!rest_parse(&levels, &topic) || !levels.is_done)
        return STATUS_MALFORMED;
    *ret_topic = topic;
    return STATUS_OK;
}

size_t topic_format(const struct topic *topic, char *buf, size_t buf_size)
{
    static const struct slice words[] = {
        [TOPIC_CHAT] = SLICE("chat"),    [TOPIC_ACK] = SLICE("ack"),        [TOPIC_READ] = SLICE("read"),
        [TOPIC_ACK_LIST] = SLICE("ack"), [TOPIC_READ_LIST] = SLICE("read"), [TOPIC_TYPING] = SLICE("typing"),
        [TOPIC_SYNC] = SLICE("sync"),    [TOPIC_RPC] = SLICE("rpc"),
    };
    struct text text = text_in(buf, buf_size);
    text_add(&text, words[topic->kind]);
    switch (topic->kind) {
    case TOPIC_CHAT:
        text_level_conversation(&text, topic->conversation);
        text_level(&text, topic->id);
        break;
    case TOPIC_ACK:
    case TOPIC_READ:
        text_level_conversation(&text, topic->conversation);
        text_level_number(&text, topic->seq);
        break;
    case TOPIC_TYPING:
        text_level_conversation(&text, topic->conversation);
        break;
    case TOPIC_RPC:
        text_level(&text, topic->method);
        text_level(&text, topic->id);
        break;
    case TOPIC_ACK_LIST:
    case TOPIC_READ_LIST:
    case TOPIC_SYNC:
        break;
    }
    return text_end(&text);
}

enum status list_next(struct slice *at, bool zero_too, struct conversation_ref *ret_ref, int64_t *ret_seq)
{
    if (at->len == 0)
        return STATUS_NOT_FOUND;
    const char *newline = memchr(at->at, '\n', at->len);
    struct slice line = {at->at, newline != NULL ? (size_t)(newline - at->at) : at->len};
    const char *space = line.len > 0 ? memchr(line.at, ' ', line.len) : NULL;
    if (space == NULL)
        return STATUS_MALFORMED;
    struct slice conversation = {line.at, (size_t)(space - line.at)};
    struct slice number = {space + 1, line.len - conversation.len - 1};
    struct conversation_ref ref;
    int64_t seq;
    if (conversation_ref_parse(conversation, &ref) != STATUS_OK || seq_parse(number, zero_too, &seq) != STATUS_OK)
        return STATUS_MALFORMED;
    size_t taken = line.len + (newline != NULL);
    at->at += taken;
    at->len -= taken;
    *ret_ref = ref;
    *ret_seq = seq;
    return STATUS_OK;
}
