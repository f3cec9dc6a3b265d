#include "revoked.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#define MAGIC           "GNATRVK1"
#define NAME_HASH_BYTES crypto_shorthash_siphashx24_BYTES
_Static_assert(NAME_HASH_BYTES == 16, "128 bits: two names never meet");

struct slot {
    unsigned char hash[NAME_HASH_BYTES];
    _Atomic int64_t valid_after_s; /* 0: the slot is free, whatever the hash. Stored after the hash. */
};

struct table_state {
    _Atomic int64_t floor_s; /* for everybody */
    uint32_t entries;        /* counted again at open */
};

struct revoked_file {
    char magic[8]; /* stored last when the file is made */
    uint32_t slots;
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    _Atomic uint32_t active;
    struct table_state states[2];
    unsigned char padding[4096 - 8 - 4 - 16 - 4 - 2 * sizeof(struct table_state)];
    struct slot slots_of[]; /* two tables, one after the other */
};
_Static_assert(offsetof(struct revoked_file, slots_of) == 4096, "the header is one page");

static uint32_t active_of(const struct revoked *revoked)
{
    return atomic_load_explicit(&revoked->at->active, memory_order_relaxed) & 1;
}

static struct slot *table_of(const struct revoked *revoked, uint32_t table)
{
    return revoked->at->slots_of + (size_t)table * revoked->slots;
}

/* The slot of that hash, or the free one where it would go; NULL: neither is there. */
static struct slot *find(const struct revoked *revoked, uint32_t table, const unsigned char hash[NAME_HASH_BYTES])
{
    uint32_t index;
    memcpy(&index, hash, sizeof index);
    for (uint32_t i = 0; i < revoked->slots; i++) {
        struct slot *slot = table_of(revoked, table) + ((index + i) & (revoked->slots - 1));
        if (atomic_load_explicit(&slot->valid_after_s, memory_order_relaxed) == 0 ||
            memcmp(slot->hash, hash, NAME_HASH_BYTES) == 0)
            return slot;
    }
    return NULL;
}

static void hash_of(const struct revoked *revoked, struct slice name, unsigned char hash[NAME_HASH_BYTES])
{
    (void)crypto_shorthash_siphashx24(hash, (const unsigned char *)name.at, name.len, revoked->at->key);
}

static void clear(struct revoked *revoked, uint32_t table)
{
    struct table_state *state = &revoked->at->states[table];
    if (state->entries > 0)
        memset(table_of(revoked, table), 0, (size_t)revoked->slots * sizeof(struct slot));
    state->entries = 0;
    atomic_store(&state->floor_s, 0);
}

static void count(struct revoked *revoked, uint32_t table)
{
    uint32_t entries = 0;
    for (uint32_t i = 0; i < revoked->slots; i++)
        entries += atomic_load_explicit(&table_of(revoked, table)[i].valid_after_s, memory_order_relaxed) != 0;
    revoked->at->states[table].entries = entries;
}

static enum status recover(struct revoked *revoked, const char *path, char *why, size_t why_size)
{
    static const char blank[sizeof revoked->at->magic];
    struct revoked_file *at = revoked->at;
    if (revoked->file.was_made || memcmp(at->magic, blank, sizeof blank) == 0) {
        memset(at, 0, sizeof *at);
        at->slots = revoked->slots;
        randombytes_buf(at->key, sizeof at->key);
        atomic_thread_fence(memory_order_release);
        memcpy(at->magic, MAGIC, sizeof at->magic);
    }
    if (memcmp(at->magic, MAGIC, sizeof at->magic) != 0 || at->slots != revoked->slots) {
        (void)snprintf(why, why_size, "%s is not a revocation table of this version", path);
        return STATUS_MALFORMED;
    }
    count(revoked, 0);
    count(revoked, 1);
    return STATUS_OK;
}

enum status revoked_open_sized(struct revoked *revoked, const char *path, uint32_t slots, char *why, size_t why_size)
{
    uint64_t bytes = sizeof(struct revoked_file) + 2 * (uint64_t)slots * sizeof(struct slot);
    memset(revoked, 0, sizeof *revoked);
    revoked->slots = slots;
    enum status status = locked_file_open(&revoked->file, path, bytes, why, why_size);
    if (status != STATUS_OK)
        return status;
    if (revoked->file.bytes != bytes) {
        (void)snprintf(why, why_size, "%s is not a revocation table of this version", path);
        status = STATUS_MALFORMED;
        goto out;
    }
    void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, revoked->file.fd, 0);
    if (at == MAP_FAILED) {
        (void)snprintf(why, why_size, "cannot map %s: %s", path, strerror(errno));
        status = STATUS_UNAVAILABLE;
        goto out;
    }
    revoked->at = at;
    status = recover(revoked, path, why, why_size);
out:
    if (status != STATUS_OK)
        revoked_close(revoked);
    return status;
}

enum status revoked_open(struct revoked *revoked, const char *path, char *why, size_t why_size)
{
    return revoked_open_sized(revoked, path, REVOKED_SLOTS, why, why_size);
}

void revoked_close(struct revoked *revoked)
{
    if (revoked->at != NULL)
        (void)munmap(revoked->at, (size_t)revoked->file.bytes);
    revoked->at = NULL;
    locked_file_close(&revoked->file);
}

static enum status add_to(struct revoked *revoked, uint32_t table, struct slice name, int64_t valid_after_s)
{
    unsigned char hash[NAME_HASH_BYTES];
    struct table_state *state = &revoked->at->states[table];
    hash_of(revoked, name, hash);
    struct slot *slot = find(revoked, table, hash);
    int64_t known_s = slot != NULL ? atomic_load_explicit(&slot->valid_after_s, memory_order_relaxed) : 0;
    if (slot == NULL || (known_s == 0 && state->entries >= revoked->slots / 8 * 7)) {
        if (valid_after_s > atomic_load(&state->floor_s))
            atomic_store(&state->floor_s, valid_after_s);
        return STATUS_FULL;
    }
    if (known_s == 0) {
        memcpy(slot->hash, hash, sizeof hash);
        state->entries++;
    }
    if (valid_after_s > known_s)
        atomic_store_explicit(&slot->valid_after_s, valid_after_s, memory_order_release);
    return STATUS_OK;
}

enum status revoked_add(struct revoked *revoked, struct slice name, int64_t valid_after_s)
{
    if (valid_after_s <= 0)
        return STATUS_OK; /* nothing is issued before */
    enum status status = add_to(revoked, active_of(revoked), name, valid_after_s);
    if (revoked->is_replacing) /* the old table may be too full for what the new one has room for */
        status = add_to(revoked, active_of(revoked) ^ 1, name, valid_after_s);
    return status;
}

int64_t revoked_valid_after(const struct revoked *revoked, struct slice name)
{
    unsigned char hash[NAME_HASH_BYTES];
    hash_of(revoked, name, hash);
    const struct slot *slot = find(revoked, active_of(revoked), hash);
    int64_t found_s = slot != NULL ? atomic_load_explicit(&slot->valid_after_s, memory_order_acquire) : 0;
    int64_t floor_s = atomic_load(&revoked->at->states[active_of(revoked)].floor_s);
    return found_s > floor_s ? found_s : floor_s;
}

void revoked_begin(struct revoked *revoked)
{
    clear(revoked, active_of(revoked) ^ 1);
    revoked->is_replacing = true;
}

void revoked_end(struct revoked *revoked)
{
    if (!revoked->is_replacing)
        return;
    revoked->is_replacing = false;
    atomic_store_explicit(&revoked->at->active, active_of(revoked) ^ 1, memory_order_release);
}

void revoked_abandon(struct revoked *revoked)
{
    revoked->is_replacing = false;
}

uint32_t revoked_entries(const struct revoked *revoked)
{
    return revoked->at->states[active_of(revoked)].entries;
}
