#include "remembered.h"

#include <stdlib.h>
#include <string.h>

struct remembered_entry {
    UT_hash_handle hh;
    struct subscriptions subscriptions;
    char client_id[];
};

static void drop(struct remembered *remembered, struct remembered_entry *entry)
{
    HASH_DEL(remembered->entries, entry); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
    subscriptions_done(&entry->subscriptions);
    free(entry);
}

void remembered_put(struct remembered *remembered, const char *client_id, struct subscriptions *subscriptions)
{
    struct subscriptions none = {0}, older;
    if (remembered_take(remembered, client_id, &older))
        subscriptions_done(&older);
    if (subscriptions_is_empty(subscriptions))
        return;
    if (HASH_COUNT(remembered->entries) >= remembered->max) {
        drop(remembered, remembered->entries);
        remembered->has_forgotten = true;
    }
    size_t size = strlen(client_id) + 1;
    struct remembered_entry *entry = calloc(1, sizeof *entry + size);
    if (entry != NULL) {
        memcpy(entry->client_id, client_id, size);
        HASH_ADD_KEYPTR(hh, remembered->entries, entry->client_id, size - 1, entry);
    }
    if (entry == NULL || entry->hh.tbl == NULL) { /* no memory for it, or for the table */
        free(entry);
        subscriptions_done(subscriptions);
        remembered->has_forgotten = true;
        return;
    }
    entry->subscriptions = *subscriptions;
    *subscriptions = none;
}

bool remembered_take(struct remembered *remembered, const char *client_id, struct subscriptions *ret_subscriptions)
{
    struct remembered_entry *entry;
    HASH_FIND_STR(remembered->entries, client_id, entry);
    if (entry == NULL)
        return false;
    *ret_subscriptions = entry->subscriptions;
    entry->subscriptions = (struct subscriptions){0};
    drop(remembered, entry);
    return true;
}

void remembered_done(struct remembered *remembered)
{
    struct remembered_entry *entry, *next;
    HASH_ITER (hh, remembered->entries, entry, next) {
        drop(remembered, entry);
    }
}
