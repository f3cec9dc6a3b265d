#include "journal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#define MAGIC        "GNATJRN1"
#define HEADER_BYTES 4096u
#define ALIGN        8u

struct journal_header {
    char magic[8]; /* stored last when the file is made */
    uint64_t capacity;
    uint64_t boots;
    unsigned char key[crypto_shorthash_KEYBYTES]; /* of the checksums, so that no peer can make up a record */
    /* The tail is two numbers that must change as one: the other pair is written, then the index flips. */
    _Atomic uint64_t tail_index;
    struct journal_cursor tails[2];
};
_Static_assert(sizeof(struct journal_header) <= HEADER_BYTES, "the header is one page");

struct record_head {
    _Atomic uint64_t check; /* of everything after it; 0: no record here */
    uint64_t position;
    int64_t at_ms;
    uint32_t bytes; /* of all, with this head and the padding */
    uint32_t session;
    uint32_t payload_len;
    uint16_t correlation_len;
    uint8_t client_id_len;
    uint8_t topic_len;
};
_Static_assert(sizeof(struct record_head) % ALIGN == 0, "records follow each other aligned");
_Static_assert(LIMIT_CLIENT_ID_LEN <= UINT8_MAX && LIMIT_TOPIC_LEN <= UINT8_MAX, "lengths fit");

static struct record_head *head_at(const struct journal *journal, uint64_t offset)
{
    return (struct record_head *)(void *)(journal->ring + offset % journal->capacity);
}

static uint64_t body_len(uint64_t client_id, uint64_t topic, uint64_t correlation, uint64_t payload)
{
    uint64_t len = sizeof(struct record_head) + client_id + topic + correlation + payload;
    return (len + ALIGN - 1) / ALIGN * ALIGN;
}

static uint64_t check_of(const struct journal *journal, const struct record_head *record)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t check;
    const unsigned char *from = (const unsigned char *)record + sizeof record->check;
    (void)crypto_shorthash(hash, from, record->bytes - sizeof record->check, journal->header->key);
    memcpy(&check, hash, sizeof check);
    return check != 0 ? check : 1;
}

static bool is_record(const struct journal *journal, const struct journal_cursor *at)
{
    uint64_t used = at->offset - journal->tail.offset;
    if (used + sizeof(struct record_head) > journal->capacity)
        return false;
    const struct record_head *record = head_at(journal, at->offset);
    uint64_t check = atomic_load_explicit(&record->check, memory_order_acquire);
    return check != 0 && record->bytes % ALIGN == 0 && record->bytes <= journal->capacity - used &&
           record->bytes ==
               body_len(record->client_id_len, record->topic_len, record->correlation_len, record->payload_len) &&
           record->position == at->position && check == check_of(journal, record);
}

static void move_on(struct journal_cursor *cursor, const struct record_head *record)
{
    cursor->offset += record->bytes;
    cursor->position++;
}

/* ---- opening ---- */
static enum status map(struct journal *journal, char *why, size_t why_size)
{
    size_t capacity = (size_t)journal->capacity;
    unsigned char *place =
        mmap(NULL, HEADER_BYTES + 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED)
        goto failed;
    journal->header = (struct journal_header *)(void *)place;
    journal->ring = place + HEADER_BYTES;
    int flags = MAP_SHARED | MAP_FIXED, access = PROT_READ | PROT_WRITE;
    if (mmap(place, HEADER_BYTES + capacity, access, flags, journal->file.fd, 0) == MAP_FAILED ||
        mmap(journal->ring + capacity, capacity, access, flags, journal->file.fd, HEADER_BYTES) == MAP_FAILED)
        goto failed;
    return STATUS_OK;
failed:
    (void)snprintf(why, why_size, "cannot map the journal: %s", strerror(errno));
    return STATUS_UNAVAILABLE;
}

static void unmap(struct journal *journal)
{
    if (journal->header != NULL)
        (void)munmap(journal->header, HEADER_BYTES + 2 * (size_t)journal->capacity);
    journal->header = NULL;
}

static void format(struct journal *journal)
{
    struct journal_header *header = journal->header;
    memset(header, 0, HEADER_BYTES);
    header->capacity = journal->capacity;
    header->tails[0] = (struct journal_cursor){.offset = 0, .position = 1};
    randombytes_buf(header->key, sizeof header->key);
    atomic_thread_fence(memory_order_release);
    memcpy(header->magic, MAGIC, sizeof header->magic);
}

/* The size in the file's name is not to be trusted: a page of header and a ring of whole pages, as the header says. */
static enum status recover(struct journal *journal, const char *path, char *why, size_t why_size)
{
    static const char blank[sizeof journal->header->magic];
    struct journal_header *header = journal->header;
    if (journal->file.was_made || memcmp(header->magic, blank, sizeof blank) == 0)
        format(journal); /* no magic: the broker was killed while making it */
    if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0 || header->capacity != journal->capacity) {
        (void)snprintf(why, why_size, "%s is not a journal of this version; move it away to start with an empty one",
                       path);
        return STATUS_MALFORMED;
    }
    journal->tail = header->tails[atomic_load(&header->tail_index) & 1];
    if (journal->tail.offset % ALIGN != 0) {
        (void)snprintf(why, why_size, "%s is damaged; move it away to start with an empty one", path);
        return STATUS_MALFORMED;
    }
    journal->head = journal->tail;
    while (is_record(journal, &journal->head))
        move_on(&journal->head, head_at(journal, journal->head.offset));
    journal->was_cut = journal_used(journal) + sizeof(uint64_t) <= journal->capacity &&
                       atomic_load(&head_at(journal, journal->head.offset)->check) != 0;
    /* What lies there must not be taken for a record once there are new ones before it. */
    if (journal->was_cut)
        atomic_store(&head_at(journal, journal->head.offset)->check, 0);
    journal->opened_position = journal->head.position;
    journal->boots = ++header->boots;
    return STATUS_OK;
}

static enum status journal_start(struct journal *journal, const char *path, char *why, size_t why_size)
{
    if (journal->file.bytes < HEADER_BYTES + JOURNAL_BYTES_MIN || journal->file.bytes % HEADER_BYTES != 0) {
        (void)snprintf(why, why_size, "%s is not a journal (size %llu)", path, (unsigned long long)journal->file.bytes);
        return STATUS_MALFORMED;
    }
    journal->capacity = journal->file.bytes - HEADER_BYTES;
    enum status status = map(journal, why, why_size);
    if (status == STATUS_OK)
        status = recover(journal, path, why, why_size);
    return status;
}

enum status journal_open(struct journal *journal, const char *path, uint64_t bytes, char *why, size_t why_size)
{
    memset(journal, 0, sizeof *journal);
    bytes = (bytes < JOURNAL_BYTES_MIN ? JOURNAL_BYTES_MIN : bytes);
    bytes = (bytes + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES + HEADER_BYTES;
    enum status status = locked_file_open(&journal->file, path, bytes, why, why_size);
    if (status != STATUS_OK)
        return status;
    status = journal_start(journal, path, why, why_size);
    if (status == STATUS_OK && journal->file.bytes != bytes && journal_used(journal) == 0 && !journal->was_cut) {
        unmap(journal);
        status = locked_file_remake(&journal->file, path, bytes, why, why_size);
        if (status == STATUS_OK)
            status = journal_start(journal, path, why, why_size);
    }
    if (status != STATUS_OK)
        journal_close(journal);
    return status;
}

void journal_close(struct journal *journal)
{
    unmap(journal);
    locked_file_close(&journal->file);
}

/* ---- appending, reading, forgetting ---- */
static unsigned char *put(unsigned char *at, struct slice part)
{
    if (part.len > 0)
        memcpy(at, part.at, part.len);
    return at + part.len;
}

enum status journal_append(struct journal *journal, const struct journal_record *record)
{
    uint64_t bytes = body_len(record->client_id.len, record->topic.len, record->correlation.len, record->payload.len);
    if (record->client_id.len > UINT8_MAX || record->topic.len > UINT8_MAX || record->correlation.len > UINT16_MAX ||
        record->payload.len > LIMIT_FRAME_BYTES)
        return STATUS_TOO_LARGE;
    /* With the word that ends the ring here: whatever an older lap left behind is no record. */
    if (bytes + sizeof(uint64_t) > journal->capacity - journal_used(journal))
        return STATUS_FULL;
    struct record_head *head = head_at(journal, journal->head.offset);
    atomic_store_explicit(&head_at(journal, journal->head.offset + bytes)->check, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    head->position = journal->head.position;
    head->at_ms = record->at_ms;
    head->bytes = (uint32_t)bytes;
    head->session = record->session;
    head->payload_len = (uint32_t)record->payload.len;
    head->correlation_len = (uint16_t)record->correlation.len;
    head->client_id_len = (uint8_t)record->client_id.len;
    head->topic_len = (uint8_t)record->topic.len;
    unsigned char *at = put((unsigned char *)(head + 1), record->client_id);
    at = put(at, record->topic);
    at = put(at, record->correlation);
    at = put(at, record->payload);
    memset(at, 0, (size_t)((unsigned char *)head + bytes - at));
    atomic_store_explicit(&head->check, check_of(journal, head), memory_order_release);
    move_on(&journal->head, head);
    return STATUS_OK;
}

enum status journal_read(const struct journal *journal, struct journal_cursor *cursor,
                         struct journal_record *ret_record)
{
    if (cursor->offset >= journal->head.offset)
        return STATUS_NOT_FOUND;
    const struct record_head *head = head_at(journal, cursor->offset);
    const char *at = (const char *)(head + 1);
    ret_record->position = head->position;
    ret_record->at_ms = head->at_ms;
    ret_record->session = head->position < journal->opened_position ? 0 : head->session;
    ret_record->client_id = (struct slice){at, head->client_id_len};
    at += head->client_id_len;
    ret_record->topic = (struct slice){at, head->topic_len};
    at += head->topic_len;
    ret_record->correlation = (struct slice){at, head->correlation_len};
    at += head->correlation_len;
    ret_record->payload = (struct slice){at, head->payload_len};
    move_on(cursor, head);
    return STATUS_OK;
}

uint64_t journal_forget(struct journal *journal, uint64_t position)
{
    struct journal_cursor tail = journal->tail;
    while (tail.position < position && tail.offset < journal->head.offset)
        move_on(&tail, head_at(journal, tail.offset));
    uint64_t freed = tail.offset - journal->tail.offset;
    if (freed > 0) {
        struct journal_header *header = journal->header;
        uint64_t other = (atomic_load_explicit(&header->tail_index, memory_order_relaxed) & 1) ^ 1;
        header->tails[other] = tail;
        atomic_store_explicit(&header->tail_index, other, memory_order_release);
        journal->tail = tail;
    }
    return freed;
}

uint64_t journal_used(const struct journal *journal)
{
    return journal->head.offset - journal->tail.offset;
}

int64_t journal_oldest_ms(const struct journal *journal, int64_t now_ms)
{
    return journal_used(journal) == 0 ? now_ms : head_at(journal, journal->tail.offset)->at_ms;
}

unsigned journal_fill(const struct journal *journal)
{
    return (unsigned)(journal_used(journal) * 1000 / journal->capacity);
}
