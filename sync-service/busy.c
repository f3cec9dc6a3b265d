#include "busy.h"

#define KEPT_PER_S      0.8
#define SECONDS_WEIGHED (1 / (1 - KEPT_PER_S)) /* a steady rate gathers so many seconds' worth */
#define FORGET_BELOW    0.05                   /* items: a single one is seen for some 13 s */

static struct busy_slot *slot_for(struct busy *busy, int64_t conversation_id)
{
    struct busy_slot *least = &busy->slots[0];
    for (size_t i = 0; i < BUSY_SLOTS; i++) {
        struct busy_slot *slot = &busy->slots[i];
        if (slot->conversation_id == conversation_id)
            return slot;
        if (slot->items < least->items)
            least = slot;
    }
    *least = (struct busy_slot){.conversation_id = conversation_id};
    return least;
}

void busy_note(struct busy *busy, const struct core_append_group groups[], size_t groups_len, uint64_t took_us)
{
    size_t looks = groups_len < BUSY_LOOKS ? groups_len : BUSY_LOOKS;
    if (looks == 0)
        return;
    double weight = (double)groups_len / (double)looks;
    for (size_t i = 0; i < looks; i++) {
        const struct core_append_group *group = &groups[(busy->start + i) % groups_len];
        struct busy_slot *slot = slot_for(busy, group->conversation_id);
        slot->items += weight * (double)group->len;
        slot->appends += 1;
        slot->took_us += (double)took_us;
    }
    busy->start += BUSY_LOOKS;
}

void busy_fade(struct busy *busy, int64_t now_ms)
{
    if (busy->faded_at_ms == 0)
        busy->faded_at_ms = now_ms;
    double kept = 1;
    for (; now_ms - busy->faded_at_ms >= 1000 && kept > 1e-9; busy->faded_at_ms += 1000)
        kept *= KEPT_PER_S;
    if (kept <= 1e-9)
        busy->faded_at_ms = now_ms;
    for (size_t i = 0; i < BUSY_SLOTS && kept < 1; i++) {
        struct busy_slot *slot = &busy->slots[i];
        slot->items *= kept;
        slot->appends *= kept;
        slot->took_us *= kept;
        if (slot->items < FORGET_BELOW)
            *slot = (struct busy_slot){0};
    }
}

size_t busy_insert(struct busy_row rows[BUSY_ROWS], size_t len, enum busy_order order, const struct busy_row *row)
{
    size_t at = len;
    for (; at > 0; at--) {
        const struct busy_row *other = &rows[at - 1];
        if (order == BUSY_BY_RATE ? other->items_per_s >= row->items_per_s : other->append_ms >= row->append_ms)
            break;
        if (at < BUSY_ROWS)
            rows[at] = *other;
    }
    if (at < BUSY_ROWS)
        rows[at] = *row;
    return len < BUSY_ROWS ? len + 1 : len;
}

static size_t first_rows(const struct busy *busy, enum busy_order order, struct busy_row rows[BUSY_ROWS])
{
    size_t len = 0;
    for (size_t i = 0; i < BUSY_SLOTS; i++) {
        const struct busy_slot *slot = &busy->slots[i];
        if (slot->conversation_id == 0)
            continue;
        struct busy_row row = {.conversation_id = slot->conversation_id,
                               .items_per_s = slot->items / SECONDS_WEIGHED,
                               .append_ms = slot->took_us / slot->appends / 1000};
        len = busy_insert(rows, len, order, &row);
    }
    return len;
}

size_t busy_busiest(const struct busy *busy, struct busy_row rows[BUSY_ROWS])
{
    return first_rows(busy, BUSY_BY_RATE, rows);
}

size_t busy_slowest(const struct busy *busy, struct busy_row rows[BUSY_ROWS])
{
    return first_rows(busy, BUSY_BY_TIME, rows);
}
