#include "hints.h"
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* else it ends the process, without a word */
#include <uthash.h>

struct hint {
    UT_hash_handle hh;
    int64_t rest_ms, rested_at_ms;
    unsigned passed; /* since it last had nothing to rest from */
    bool is_again;
    char text[];
};

void hints_init(struct hints *hints)
{
    *hints = (struct hints){.due_ms = INT64_MAX};
}

static void pass_on(struct hints *hints, struct hint *hint, int64_t now_ms)
{
    hint->passed++;
    hint->is_again = false;
    hint->rested_at_ms = now_ms + hint->rest_ms;
    if (hint->rested_at_ms < hints->due_ms)
        hints->due_ms = hint->rested_at_ms;
}

bool hints_take(struct hints *hints, const char *text, int64_t rest_ms, int64_t now_ms)
{
    size_t len = strlen(text);
    struct hint *hint;
    HASH_FIND(hh, hints->by_text, text, len, hint);
    if (hint != NULL) {
        bool passes = hint->passed < HINT_PASSES;
        if (passes)
            pass_on(hints, hint, now_ms);
        else
            hint->is_again = true;
        return passes;
    }
    hint = calloc(1, sizeof *hint + len + 1);
    if (hint == NULL)
        return true; /* then it does not rest */
    memcpy(hint->text, text, len);
    hint->rest_ms = rest_ms;
    HASH_ADD_KEYPTR(hh, hints->by_text, hint->text, len, hint);
    if (hint->hh.tbl == NULL) { /* no memory for the table */
        free(hint);
        return true;
    }
    pass_on(hints, hint, now_ms);
    return true;
}

void hints_turn(struct hints *hints, int64_t now_ms, void (*pass)(void *ctx, const char *text), void *ctx)
{
    struct hint *hint, *next;
    if (now_ms < hints->due_ms)
        return;
    hints->due_ms = INT64_MAX;
    HASH_ITER (hh, hints->by_text, hint, next) {
        if (hint->rested_at_ms > now_ms) {
            if (hint->rested_at_ms < hints->due_ms)
                hints->due_ms = hint->rested_at_ms;
        } else if (hint->is_again) {
            pass_on(hints, hint, now_ms);
            pass(ctx, hint->text);
        } else {
            HASH_DEL(hints->by_text, hint); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
            free(hint);
        }
    }
}

bool hints_are_full(const struct hints *hints)
{
    return HASH_COUNT(hints->by_text) >= HINTS_MAX;
}

void hints_forget(struct hints *hints)
{
    struct hint *first = hints->by_text;
    HASH_CLEAR(hh, hints->by_text);
    for (struct hint *next; first != NULL; first = next) {
        next = first->hh.next;
        free(first);
    }
    hints_init(hints);
}
