#ifndef GNATTER_TABLE_H
#define GNATTER_TABLE_H
/*
 * A hash table for what there is one of per connection: an entry pays one link and its share of the heads, together 12
 * to 16 bytes, where uthash takes 60. The entries are the caller's and hold their link; a table of zeros is empty, and
 * an empty one holds no memory. The same key may be in it more than once. In whatever thread its owner is.
 */
#include <stddef.h>
#include "status.h"
#include "topic.h"

struct table_link {
    struct table_link *next;
};
struct table {
    struct table_link **heads;
    uint32_t heads_len; /* a power of two; half of `len` or more, memory permitting */
    uint32_t len;
};
/* Of an entry's key; the same for as long as it is in the table. */
typedef uint64_t table_hash(const struct table_link *link);

uint64_t hash_number(uint64_t number);
uint64_t hash_text(struct slice text);

/* Bytes of a struct that ends in an array of this many bytes, begun in what would be padding. */
#define SIZE_WITH(type, array, len)                                                                                    \
    (offsetof(type, array) + (len) > sizeof(type) ? offsetof(type, array) + (len) : sizeof(type))

#define TABLE_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* The entries among which are those with this hash; follow `next` and compare keys. NULL: none. */
static inline struct table_link *table_chain(const struct table *table, uint64_t hash)
{
    return table->len > 0 ? table->heads[hash & (table->heads_len - 1)] : NULL;
}
/* STATUS_NO_MEMORY: only when it was empty; one that cannot grow becomes slower. */
MUST_CHECK enum status table_add(struct table *table, struct table_link *link, table_hash *hash_of);
/* It must be there. */
void table_remove(struct table *table, struct table_link *link, table_hash *hash_of);

/* One entry after the other, in no order that means anything; NULL at the end. The one given last may be removed, no
 * other one, and none added. */
struct table_walk {
    const struct table *table;
    uint32_t head;
    struct table_link *next;
};
struct table_link *table_first(const struct table *table, struct table_walk *walk);
struct table_link *table_next(struct table_walk *walk);

#endif
