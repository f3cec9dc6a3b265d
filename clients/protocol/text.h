#ifndef GNATTER_TEXT_H
#define GNATTER_TEXT_H
/*
 * Inside clients/protocol only: cutting topics into their levels and writing them again. Pure; everything borrows.
 */
#include <string.h>
#include "topic.h"

/* The levels of a topic not yet taken. "a/" has two levels, the second empty; `is_done` tells that from "a". */
struct levels {
    struct slice rest;
    bool is_done;
};

static inline struct levels levels_of(struct slice topic)
{
    return (struct levels){topic, false};
}

/* The next level; false when there is none. */
static inline bool levels_next(struct levels *levels, struct slice *ret_level)
{
    if (levels->is_done)
        return false;
    size_t len = 0;
    while (len < levels->rest.len && levels->rest.at[len] != '/')
        len++;
    *ret_level = (struct slice){levels->rest.at, len};
    if (len == levels->rest.len) {
        levels->is_done = true;
    } else {
        levels->rest.at += len + 1;
        levels->rest.len -= len + 1;
    }
    return true;
}

/* Two levels that name a conversation, or one more of some kind; false when it is not there. In names.c. */
bool levels_conversation(struct levels *levels, struct conversation_ref *ret_ref);
bool levels_conversation_text(struct levels *levels, struct slice *ret_text); /* "u/bob", "g/kitchen" */
bool levels_number(struct levels *levels, bool zero_too, int64_t *ret_number);
bool levels_client_id(struct levels *levels, struct slice *ret_user, struct slice *ret_device);
/* [a-z][a-z0-9-]{0,31}, for method too with '.': event types, error codes, rpc methods */
bool name_is_word(struct slice word, bool dot_too);

/* A text growing in the caller's buffer. Once something did not fit, nothing is added any more. */
struct text {
    char *buf;
    size_t size, len;
    bool has_overflowed;
};

static inline struct text text_in(char *buf, size_t size)
{
    return (struct text){buf, size, 0, false};
}

static inline void text_add(struct text *text, struct slice part)
{
    if (text->has_overflowed || part.len >= text->size - text->len) { /* one byte stays for the NUL */
        text->has_overflowed = true;
        return;
    }
    if (part.len > 0)
        memcpy(text->buf + text->len, part.at, part.len);
    text->len += part.len;
}

/* '/' and a level */
static inline void text_level(struct text *text, struct slice level)
{
    text_add(text, SLICE("/"));
    text_add(text, level);
}

void text_level_number(struct text *text, int64_t number); /* a negative one counts as not fitting */
void text_level_conversation(struct text *text, struct conversation_ref ref);
/* Ends the text with a NUL: its length, or 0 when it did not fit. */
size_t text_end(struct text *text);

#endif
