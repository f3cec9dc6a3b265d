#ifndef GNATTER_CORE_RESTRAINT_H
#define GNATTER_CORE_RESTRAINT_H
/* What is kept back in a direct conversation: see restraint.c. One thread, the core's. */
#include "state.h"

/* After its members. Frees what it knew before. */
void restraint_take(struct core *core, struct conversation *conversation, const struct core_conversation *loaded);
void restraint_free(struct conversation *conversation);
/* Nothing is told of marks and typing. */
bool restraint_is_quiet(const struct conversation *conversation);
/* What is read is told as delivered. */
bool restraint_hides_reads(const struct conversation *conversation);
/* An empty `withheld` goes in its place: the other one did this while she was blocked. */
bool restraint_withholds(const struct sub *sub, const struct core_item *item);
/* The mark as others are told it: not on what was withheld. */
int64_t restraint_mark(const struct member *member, int64_t seq);
/* More than the version decides whether this one's message is taken, or what becomes of it. */
bool restraint_needs_care(const struct core *core, const struct conversation *conversation, int64_t sender_id);

#endif
