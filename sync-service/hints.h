#ifndef GNATTER_HINTS_H
#define GNATTER_HINTS_H
/*
 * Notifications of the database. Whoever is connected to it can send them, so each is a hint to look at something, and
 * believed in nothing. A hint passes at once, and the same one again a few times; from then on when it has rested, and
 * what comes meanwhile is one. As many as HINTS_MAX rest at a time: while there are, no more are to be taken from the
 * connection, where they wait. So those who send them make nothing grow, and looking costs so much at most. Pure; one
 * thread's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../clients/protocol/limits.h"

#define HINTS_MAX 512
/* In a row: a few changes of the same are nothing special. */
#define HINT_PASSES  4
#define HINT_LEN_MAX (2 + LIMIT_CONVERSATION_LEN) /* the longest: a kind and a direct conversation */

struct hint;
struct hints {
    struct hint *by_text;
    int64_t due_ms; /* of the first whose rest ends; INT64_MAX: none */
};
void hints_init(struct hints *hints);
/* Heard: true, do it now. False: it is resting, and comes out of hints_turn. Up to HINT_LEN_MAX bytes. */
bool hints_take(struct hints *hints, const char *text, int64_t rest_ms, int64_t now_ms);
/* Those that were heard again and have rested; it may be called early. */
void hints_turn(struct hints *hints, int64_t now_ms, void (*pass)(void *ctx, const char *text), void *ctx);
bool hints_are_full(const struct hints *hints);
/* All of them, also those that wait. */
void hints_forget(struct hints *hints);

#endif
