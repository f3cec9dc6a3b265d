#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* else it ends the broker */
#include <uthash.h>

#define SWEEP_PAUSE_MS 1000 /* when it is full of what is not */

struct ledger_entry {
    UT_hash_handle hh;
    struct bucket bucket;
    char key[];
};

void ledger_init(struct ledger *ledger, uint32_t max)
{
    *ledger = (struct ledger){.max = max};
}

static struct ledger_entry *find(const struct ledger *ledger, struct slice key)
{
    struct ledger_entry *entry;
    HASH_FIND(hh, ledger->entries, key.at, key.len, entry);
    return entry;
}

static void drop(struct ledger *ledger, struct ledger_entry *entry)
{
    HASH_DEL(ledger->entries, entry); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
    ledger->len--;
    free(entry);
}

void ledger_done(struct ledger *ledger)
{
    while (ledger->entries != NULL)
        drop(ledger, ledger->entries);
}

uint32_t ledger_len(const struct ledger *ledger)
{
    return ledger->len;
}

void ledger_sweep(struct ledger *ledger, struct rate rate, uint32_t now_ms)
{
    struct ledger_entry *entry, *next;
    HASH_ITER (hh, ledger->entries, entry, next) {
        if (bucket_is_full(&entry->bucket, rate, now_ms))
            drop(ledger, entry);
    }
    ledger->swept_ms = now_ms;
}

static void make_room(struct ledger *ledger, struct rate rate, uint32_t now_ms)
{
    if (ledger->len < ledger->max)
        return;
    if (now_ms - ledger->swept_ms >= SWEEP_PAUSE_MS)
        ledger_sweep(ledger, rate, now_ms);
    if (ledger->len >= ledger->max)
        drop(ledger, ledger->entries); /* NOLINT(clang-analyzer-unix.Malloc): the list moves on */
}

bool ledger_take(struct ledger *ledger, struct slice key, struct rate rate, uint32_t now_ms, uint32_t tokens,
                 uint32_t *ret_retry_after_ms)
{
    struct ledger_entry *entry = find(ledger, key);
    if (entry == NULL) {
        make_room(ledger, rate, now_ms);
        entry = malloc(sizeof *entry + key.len);
        if (entry == NULL)
            return true; /* nothing is refused for our lack of memory */
        memcpy(entry->key, key.at, key.len);
        bucket_fill(&entry->bucket, rate, now_ms);
        HASH_ADD_KEYPTR(hh, ledger->entries, entry->key, key.len, entry); /* NOLINT(clang-analyzer-unix.Malloc) */
        if (entry->hh.tbl == NULL) {
            free(entry);
            return true; /* as above */
        }
        ledger->len++;
    }
    if (bucket_take(&entry->bucket, rate, now_ms, tokens))
        return true;
    *ret_retry_after_ms = bucket_wait_for_ms(&entry->bucket, rate, tokens);
    return false;
}

bool ledger_could_take(const struct ledger *ledger, struct slice key, struct rate rate, uint32_t now_ms,
                       uint32_t tokens, uint32_t *ret_retry_after_ms)
{
    const struct ledger_entry *entry = find(ledger, key);
    if (entry == NULL)
        return true;
    struct bucket copy = entry->bucket;
    if (bucket_take(&copy, rate, now_ms, tokens))
        return true;
    *ret_retry_after_ms = bucket_wait_for_ms(&copy, rate, tokens);
    return false;
}

void ledger_return(struct ledger *ledger, struct slice key, struct rate rate, uint32_t tokens)
{
    struct ledger_entry *entry = find(ledger, key);
    if (entry != NULL)
        bucket_return(&entry->bucket, rate, tokens);
}
