#include "topic.h"
#include "text.h"

/* The first level (after "history/") of each kind. */
static const struct slice words[] = {
    [INBOX_CHAT] = SLICE("chat"),
    [INBOX_EVENT] = SLICE("event"),
    [INBOX_SENT] = SLICE("sent"),
    [INBOX_DELIVERED] = SLICE("delivered"),
    [INBOX_READ] = SLICE("read"),
    [INBOX_RECEIPTS] = SLICE("receipts"),
    [INBOX_TYPING] = SLICE("typing"),
    [INBOX_ERROR] = SLICE("error"),
    [INBOX_RPC] = SLICE("rpc"),
    [INBOX_HISTORY_CHAT] = SLICE("history/chat"),
    [INBOX_HISTORY_EVENT] = SLICE("history/event"),
    [INBOX_SYNCED] = SLICE("synced"),
    [INBOX_FLAGS] = SLICE("flags"),
};

static bool kind_parse(struct levels *levels, enum inbox_kind *ret_kind)
{
    struct slice word;
    if (!levels_next(levels, &word))
        return false;
    if (slice_equal(word, SLICE("history"))) {
        if (!levels_next(levels, &word))
            return false;
        if (slice_equal(word, SLICE("chat")))
            *ret_kind = INBOX_HISTORY_CHAT;
        else if (slice_equal(word, SLICE("event")))
            *ret_kind = INBOX_HISTORY_EVENT;
        else
            return false;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(word, words[i])) { /* those with a '/' never equal one level */
            *ret_kind = (enum inbox_kind)i;
            return true;
        }
    }
    return false;
}

static bool id_parse(struct levels *levels, struct slice *ret_id)
{
    return levels_next(levels, ret_id) && name_is_message_id(*ret_id);
}

static bool word_parse(struct levels *levels, struct slice *ret_word)
{
    return levels_next(levels, ret_word) && name_is_word(*ret_word, false);
}

static bool is_dash(struct slice level)
{
    return level.len == 1 && level.at[0] == '-';
}

/* error/<conversation>/<message id>/<code>, or error/-/-/<code> for what is not about a message */
static bool error_parse(struct levels *levels, struct inbox *inbox)
{
    struct levels ahead = *levels;
    struct slice level;
    if (levels_next(&ahead, &level) && is_dash(level)) {
        inbox->conversation = level;
        *levels = ahead;
        return levels_next(levels, &inbox->id) && is_dash(inbox->id) && word_parse(levels, &inbox->word);
    }
    return levels_conversation_text(levels, &inbox->conversation) && id_parse(levels, &inbox->id) &&
           word_parse(levels, &inbox->word);
}

static bool rest_parse(struct levels *levels, struct inbox *inbox)
{
    switch (inbox->kind) {
    case INBOX_CHAT:
    case INBOX_HISTORY_CHAT:
        return levels_conversation_text(levels, &inbox->conversation) && levels_number(levels, false, &inbox->seq) &&
               levels_number(levels, true, &inbox->time_ms) && levels_client_id(levels, &inbox->user, &inbox->device) &&
               id_parse(levels, &inbox->id);
    case INBOX_EVENT:
    case INBOX_HISTORY_EVENT:
        return levels_conversation_text(levels, &inbox->conversation) && levels_number(levels, false, &inbox->seq) &&
               levels_number(levels, true, &inbox->time_ms) && levels_next(levels, &inbox->user) &&
               (is_dash(inbox->user) || name_is_user(inbox->user)) && word_parse(levels, &inbox->word);
    case INBOX_SENT:
        return levels_conversation_text(levels, &inbox->conversation) && levels_number(levels, false, &inbox->seq) &&
               levels_number(levels, true, &inbox->time_ms) && id_parse(levels, &inbox->id);
    case INBOX_DELIVERED:
    case INBOX_READ:
        return levels_conversation_text(levels, &inbox->conversation) && levels_number(levels, false, &inbox->seq) &&
               levels_next(levels, &inbox->user) && name_is_user(inbox->user);
    case INBOX_RECEIPTS:
        return levels_conversation_text(levels, &inbox->conversation) && levels_number(levels, false, &inbox->seq);
    case INBOX_TYPING:
        return levels_conversation_text(levels, &inbox->conversation) &&
               levels_client_id(levels, &inbox->user, &inbox->device);
    case INBOX_ERROR:
        return error_parse(levels, inbox);
    case INBOX_RPC:
        return id_parse(levels, &inbox->id);
    case INBOX_SYNCED:
        return true;
    case INBOX_FLAGS:
        return levels_conversation_text(levels, &inbox->conversation);
    }
    return false;
}

enum status inbox_parse(struct slice tail, struct inbox *ret_inbox)
{
    struct inbox inbox = {0};
    struct levels levels = levels_of(tail);
    if (!kind_parse(&levels, &inbox.kind) || (inbox.kind == INBOX_SYNCED) != levels.is_done ||
        !rest_parse(&levels, &inbox) || !levels.is_done)
        return STATUS_MALFORMED;
    *ret_inbox = inbox;
    return STATUS_OK;
}

static void client_id_add(struct text *text, const struct inbox *inbox)
{
    text_level(text, inbox->user);
    text_add(text, SLICE(":"));
    text_add(text, inbox->device);
}

size_t inbox_format(const struct inbox *inbox, char *buf, size_t buf_size)
{
    struct text text = text_in(buf, buf_size);
    text_add(&text, words[inbox->kind]);
    if (inbox->kind != INBOX_RPC && inbox->kind != INBOX_SYNCED)
        text_level(&text, inbox->conversation);
    switch (inbox->kind) {
    case INBOX_CHAT:
    case INBOX_HISTORY_CHAT:
        text_level_number(&text, inbox->seq);
        text_level_number(&text, inbox->time_ms);
        client_id_add(&text, inbox);
        text_level(&text, inbox->id);
        break;
    case INBOX_EVENT:
    case INBOX_HISTORY_EVENT:
        text_level_number(&text, inbox->seq);
        text_level_number(&text, inbox->time_ms);
        text_level(&text, inbox->user);
        text_level(&text, inbox->word);
        break;
    case INBOX_SENT:
        text_level_number(&text, inbox->seq);
        text_level_number(&text, inbox->time_ms);
        text_level(&text, inbox->id);
        break;
    case INBOX_DELIVERED:
    case INBOX_READ:
        text_level_number(&text, inbox->seq);
        text_level(&text, inbox->user);
        break;
    case INBOX_RECEIPTS:
        text_level_number(&text, inbox->seq);
        break;
    case INBOX_TYPING:
        client_id_add(&text, inbox);
        break;
    case INBOX_ERROR:
        text_level(&text, inbox->id);
        text_level(&text, inbox->word);
        break;
    case INBOX_RPC:
        text_level(&text, inbox->id);
        break;
    case INBOX_SYNCED:
    case INBOX_FLAGS:
        break;
    }
    return text_end(&text);
}
