#include "table.h"

#include <stdlib.h>

#define HEADS_MIN    16u
#define HEADS_MAX    (1u << 30)
#define LEN_PER_HEAD 2u /* before there are more heads; a chain is one to two long then */

/* MurmurHash3's last step: each bit of the number moves about half of those of the result. */
uint64_t hash_number(uint64_t number)
{
    number = (number ^ number >> 33) * 0xff51afd7ed558ccdu;
    number = (number ^ number >> 33) * 0xc4ceb9fe1a85ec53u;
    return number ^ number >> 33;
}

uint64_t hash_text(struct slice text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 0x100000001b3u;
    return hash_number(hash);
}

static void put(struct table_link **heads, uint32_t heads_len, struct table_link *link, uint64_t hash)
{
    struct table_link **head = &heads[hash & (heads_len - 1)];
    link->next = *head;
    *head = link;
}

static enum status grow(struct table *table, table_hash *hash_of)
{
    uint32_t heads_len = table->heads_len > 0 ? 2 * table->heads_len : HEADS_MIN;
    struct table_link **heads = NULL;
    if (heads_len <= HEADS_MAX)
        heads = calloc(heads_len, sizeof *heads); /* NOLINT(bugprone-sizeof-expression): of pointers */
    if (heads == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < table->heads_len; i++) {
        struct table_link *next;
        for (struct table_link *link = table->heads[i]; link != NULL; link = next) {
            next = link->next;
            put(heads, heads_len, link, hash_of(link));
        }
    }
    free(table->heads);
    table->heads = heads;
    table->heads_len = heads_len;
    return STATUS_OK;
}

enum status table_add(struct table *table, struct table_link *link, table_hash *hash_of)
{
    if (table->len >= LEN_PER_HEAD * table->heads_len && grow(table, hash_of) != STATUS_OK && table->heads_len == 0)
        return STATUS_NO_MEMORY;
    put(table->heads, table->heads_len, link, hash_of(link));
    table->len++;
    return STATUS_OK;
}

void table_remove(struct table *table, struct table_link *link, table_hash *hash_of)
{
    struct table_link **at = &table->heads[hash_of(link) & (table->heads_len - 1)];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    if (--table->len > 0)
        return;
    free(table->heads);
    *table = (struct table){.heads = NULL};
}

struct table_link *table_first(const struct table *table, struct table_walk *walk)
{
    *walk = (struct table_walk){.table = table};
    return table_next(walk);
}

struct table_link *table_next(struct table_walk *walk)
{
    struct table_link *link = walk->next;
    while (link == NULL && walk->head < walk->table->heads_len)
        link = walk->table->heads[walk->head++];
    walk->next = link != NULL ? link->next : NULL;
    return link;
}
