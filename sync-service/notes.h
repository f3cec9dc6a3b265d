#ifndef GNATTER_NOTES_H
#define GNATTER_NOTES_H
/*
 * How a shard tells others that something was appended: one number per conversation, and nothing per member. Noted
 * again within the same quarter of a second it costs a look into a table. NULL where nobody wants to know.
 *
 * notes_add and notes_hand_over: the shard's thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTES_SLOT_MS 256 /* a conversation is handed over at most once in each such slot of time */
#define NOTES_TABLE   4096
#define NOTES_MAX     4096 /* more in one turn: everything is looked at once, instead */

struct notes {
    void *ctx;
    void (*hand_over)(void *ctx, const struct notes *notes); /* by the shard's thread; only takes a copy */
    const atomic_bool *is_wanted;
    size_t len;
    bool is_overflown;
    int64_t ids[NOTES_MAX];
    /* what was noted last in each place; two conversations in one place only cost a note too many */
    struct {
        int64_t id, slot;
    } table[NOTES_TABLE];
};

/* Messages of this conversation were committed. NULL: nobody wants to know. */
static inline void notes_add(struct notes *notes, int64_t conversation_id, int64_t now_ms)
{
    if (notes == NULL || !atomic_load_explicit(notes->is_wanted, memory_order_relaxed))
        return;
    size_t at = (size_t)((uint64_t)conversation_id * 0x9e3779b97f4a7c15u >> 52);
    int64_t slot = now_ms / NOTES_SLOT_MS;
    if (notes->table[at].id == conversation_id && notes->table[at].slot == slot)
        return;
    if (notes->len == NOTES_MAX) {
        notes->is_overflown = true;
        return;
    }
    notes->table[at].id = conversation_id;
    notes->table[at].slot = slot;
    notes->ids[notes->len++] = conversation_id;
}
/* Once per turn. */
static inline void notes_hand_over(struct notes *notes)
{
    if (notes == NULL || notes->len == 0)
        return;
    notes->hand_over(notes->ctx, notes);
    notes->len = 0;
    notes->is_overflown = false;
}

#endif
