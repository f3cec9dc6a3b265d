/* The journal. link: broker-plugin/journal.c broker-plugin/locked_file.c */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker-plugin/journal.h"

#define SMALL  JOURNAL_BYTES_MIN
#define HEADER 4096u

static char the_path[64], the_copy[80];
static bool is_disk_full;

/* In the place of the C library's. */
int posix_fallocate(int fd, off_t offset, off_t len)
{
    if (is_disk_full)
        return ENOSPC;
    return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(the_path, sizeof the_path, "/tmp/gnatter-journal-XXXXXX");
    int fd = mkstemp(the_path);
    (void)close(fd);
    (void)unlink(the_path);
    (void)snprintf(the_copy, sizeof the_copy, "%s-copy", the_path);
    return sodium_init() < 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(the_path);
    (void)unlink(the_copy);
    return 0;
}

static void open_at(struct journal *journal, const char *path)
{
    char why[256] = "";
    if (journal_open(journal, path, SMALL, why, sizeof why) != STATUS_OK)
        fail_msg("%s", why);
}

static void append(struct journal *journal, const char *topic, const void *payload, size_t len)
{
    struct journal_record record = {.at_ms = 1770000000123,
                                    .session = 7,
                                    .client_id = SLICE("alice:phone"),
                                    .topic = slice_of(topic),
                                    .payload = {payload, len},
                                    .correlation = {"cor", strlen(topic) % 4}};
    assert_int_equal(journal_append(journal, &record), STATUS_OK);
}

/* How many records there are; each must have its place's number as topic. */
static uint64_t count(const struct journal *journal, uint64_t first)
{
    struct journal_cursor cursor = journal->tail;
    struct journal_record record;
    uint64_t found = 0;
    while (journal_read(journal, &cursor, &record) == STATUS_OK) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "%llu", (unsigned long long)first + found);
        assert_true(slice_equal(record.topic, slice_of(topic)));
        assert_int_equal(record.position, first + found);
        found++;
    }
    return found;
}

static void fill(struct journal *journal, uint64_t from, uint64_t to, size_t payload_len)
{
    char payload[4096];
    for (uint64_t i = from; i < to; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "%llu", (unsigned long long)i);
        memset(payload, (int)i, sizeof payload);
        append(journal, topic, payload, payload_len);
    }
}

/* ---- images of the file ---- */
static unsigned char *image_read(size_t *ret_len)
{
    struct stat info;
    int fd = open(the_path, O_RDONLY);
    assert_int_equal(fstat(fd, &info), 0);
    unsigned char *image = malloc((size_t)info.st_size);
    assert_int_equal(read(fd, image, (size_t)info.st_size), info.st_size);
    (void)close(fd);
    *ret_len = (size_t)info.st_size;
    return image;
}

static void image_write(const unsigned char *image, size_t len)
{
    int fd = open(the_copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, image, len), len);
    (void)close(fd);
}

/* ---- tests ---- */
static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct journal journal;
    struct journal_record record;
    char correlation[300];
    memset(correlation, 'x', sizeof correlation);
    open_at(&journal, the_path);
    assert_int_equal(journal_used(&journal), 0);
    struct journal_record put = {.at_ms = 5,
                                 .session = 9,
                                 .client_id = SLICE("bob:desk"),
                                 .topic = SLICE("rpc/devices/1"),
                                 .payload = SLICE("{}\0{}"),
                                 .correlation = {correlation, sizeof correlation}};
    assert_int_equal(journal_append(&journal, &put), STATUS_OK);
    struct journal_cursor cursor = journal.tail;
    assert_int_equal(journal_read(&journal, &cursor, &record), STATUS_OK);
    assert_int_equal(record.position, 1);
    assert_int_equal(record.at_ms, 5);
    assert_int_equal(record.session, 9);
    assert_true(slice_equal(record.client_id, put.client_id) && slice_equal(record.topic, put.topic));
    assert_true(slice_equal(record.payload, put.payload) && slice_equal(record.correlation, put.correlation));
    assert_int_equal(journal_read(&journal, &cursor, &record), STATUS_NOT_FOUND);
    journal_close(&journal);
}

static void survives_and_goes_on(void **state)
{
    (void)state;
    struct journal journal;
    struct journal_record record;
    open_at(&journal, the_path);
    fill(&journal, 1, 101, 100);
    assert_true(journal_forget(&journal, 41) > 0);
    assert_int_equal(journal_forget(&journal, 41), 0);
    assert_int_equal(journal_forget(&journal, 10), 0);
    journal_close(&journal);
    open_at(&journal, the_path);
    assert_int_equal(journal.boots, 2);
    assert_false(journal.was_cut);
    assert_int_equal(journal.tail.position, 41);
    assert_int_equal(journal.head.position, 101);
    assert_int_equal(count(&journal, 41), 60);
    struct journal_cursor cursor = journal.tail;
    assert_int_equal(journal_read(&journal, &cursor, &record), STATUS_OK);
    assert_int_equal(record.session, 0); /* that connection is no more */
    fill(&journal, 101, 102, 10);
    cursor = journal.tail;
    while (journal_read(&journal, &cursor, &record) == STATUS_OK) {}
    assert_int_equal(record.session, 7);
    assert_true(journal_forget(&journal, UINT64_MAX) > 0); /* above the head: the head */
    assert_int_equal(journal.tail.position, 102);
    journal_close(&journal);
    open_at(&journal, the_path);
    assert_int_equal(journal.head.position, 102); /* an empty one knows its next position */
    journal_close(&journal);
}

static void many_laps(void **state)
{
    (void)state;
    struct journal journal;
    uint64_t tail = 1, head = 1, lap = 0;
    char payload[3000];
    open_at(&journal, the_path);
    srand(7);
    memset(payload, 'p', sizeof payload);
    while (lap < 8) {
        char topic[32];
        struct journal_record record = {.client_id = SLICE("a:b"), .payload = {payload, (size_t)(rand() % 3000)}};
        (void)snprintf(topic, sizeof topic, "%llu", (unsigned long long)head);
        record.topic = slice_of(topic);
        enum status status = journal_append(&journal, &record);
        if (status == STATUS_OK) {
            head++;
        } else {
            assert_int_equal(status, STATUS_FULL);
            assert_true(journal_fill(&journal) >= 995);
            uint64_t held = count(&journal, tail);
            assert_int_equal(held, head - tail);
            tail += 1 + (uint64_t)rand() % (held + 1) * held / (held + 1);
            (void)journal_forget(&journal, tail);
        }
        if (rand() % 500 == 0) {
            journal_close(&journal);
            open_at(&journal, the_path);
            assert_int_equal(journal.tail.position, tail);
            assert_int_equal(journal.head.position, head);
            assert_int_equal(count(&journal, tail), head - tail);
        }
        lap = journal.head.offset / journal.capacity;
    }
    journal_close(&journal);
}

/* Sparse, copied that way, and the disk is full: an error, and what is in it stays. */
static void no_room_for_what_is_there(void **state)
{
    (void)state;
    struct journal journal;
    char why[256] = "";
    open_at(&journal, the_path);
    append(&journal, "chat/u/bob/m", "kept", 4);
    journal_close(&journal);
    is_disk_full = true;
    assert_int_equal(journal_open(&journal, the_path, SMALL, why, sizeof why), STATUS_UNAVAILABLE);
    is_disk_full = false;
    assert_non_null(strstr(why, "cannot allocate"));
    open_at(&journal, the_path);
    assert_int_equal(journal.head.position - journal.tail.position, 1);
    journal_close(&journal);
}

static void takes_what_it_can(void **state)
{
    (void)state;
    struct journal journal;
    static char large[LIMIT_FRAME_BYTES + 1];
    open_at(&journal, the_path);
    struct journal_record record = {.client_id = SLICE("a:b"), .topic = SLICE("t"), .payload = {large, sizeof large}};
    assert_int_equal(journal_append(&journal, &record), STATUS_TOO_LARGE);
    record.payload.len = LIMIT_MESSAGE_BYTES_MAX;
    unsigned taken = 0;
    while (journal_append(&journal, &record) == STATUS_OK)
        taken++;
    assert_int_equal(taken, SMALL / LIMIT_MESSAGE_BYTES_MAX);
    record.payload.len = 0; /* a small one still fits */
    assert_int_equal(journal_append(&journal, &record), STATUS_OK);
    while (journal_append(&journal, &record) == STATUS_OK)
        taken++;
    assert_int_equal(journal_fill(&journal), 999);
    assert_true(journal_forget(&journal, 2) > 0);
    assert_int_equal(journal_append(&journal, &record), STATUS_OK);
    journal_close(&journal);
}

/* The broker is killed between any two stores of an append: either the record is there or it is not, and whatever is
 * written afterwards is not followed by anything old. */
/* Full to the last word: the one that ends the ring must not be the tail's. */
static void takes_no_byte_more(void **state)
{
    (void)state;
    static char payload[LIMIT_FRAME_BYTES];
    struct journal journal;
    open_at(&journal, the_path);
    struct journal_record record = {.client_id = SLICE("alice:phone"), .topic = SLICE("x"), .payload = {payload, 0}};
    assert_int_equal(journal_append(&journal, &record), STATUS_OK);
    uint64_t head_bytes = journal_used(&journal), records = 1; /* with padding of 4 */
    for (; journal.capacity - journal_used(&journal) > sizeof payload; records++) {
        record.payload.len = sizeof payload / 2;
        assert_int_equal(journal_append(&journal, &record), STATUS_OK);
    }
    record.payload.len = (size_t)(journal.capacity - journal_used(&journal) - (head_bytes - 4));
    assert_int_equal(journal_append(&journal, &record), STATUS_FULL);
    record.payload.len -= sizeof(uint64_t);
    assert_int_equal(journal_append(&journal, &record), STATUS_OK);
    assert_int_equal(journal_used(&journal), journal.capacity - sizeof(uint64_t));
    struct journal_cursor head = journal.head;
    journal_close(&journal);
    open_at(&journal, the_path);
    assert_int_equal(journal.head.position, head.position);
    assert_int_equal(journal.head.position - journal.tail.position, records + 1);
    journal_close(&journal);
}

static void killed_while_appending(void **state)
{
    (void)state;
    struct journal journal, copy;
    size_t len;
    open_at(&journal, the_path);
    fill(&journal, 1, 2500, 300); /* a lap, so that old records lie ahead */
    (void)journal_forget(&journal, 2490);
    fill(&journal, 2500, 3300, 300);
    (void)journal_forget(&journal, 3290);
    unsigned char *before = image_read(&len);
    size_t at = HEADER + (size_t)(journal.head.offset % journal.capacity);
    fill(&journal, 3300, 3301, 300);
    unsigned char *after = image_read(&len);
    size_t end = HEADER + (size_t)(journal.head.offset % journal.capacity);
    assert_true(end > at && end + 8 < len);
    unsigned char *image = malloc(len);
    for (size_t step = 0; step <= end - at; step += step < 60 ? 1 : 7) { /* how much of it was stored */
        size_t body = 8 + step < end - at ? 8 + step : end - at;
        memcpy(image, before, len);
        memcpy(image + end, after + end, 8); /* the word that ends it comes first */
        memcpy(image + at + 8, after + at + 8, body - 8);
        if (step == end - at)
            memcpy(image + at, after + at, 8); /* the checksum last */
        image_write(image, len);
        open_at(&copy, the_copy);
        assert_int_equal(copy.head.position, step == end - at ? 3301 : 3300);
        assert_false(copy.was_cut);
        fill(&copy, copy.head.position, copy.head.position + 1, 300);
        uint64_t head = copy.head.position;
        journal_close(&copy);
        open_at(&copy, the_copy);
        assert_int_equal(copy.head.position, head);
        assert_int_equal(count(&copy, 3290), head - 3290);
        journal_close(&copy);
    }
    free(image);
    free(before);
    free(after);
    journal_close(&journal);
}

static void killed_while_forgetting(void **state)
{
    (void)state;
    struct journal journal, copy;
    size_t len;
    open_at(&journal, the_path);
    fill(&journal, 1, 101, 100);
    (void)journal_forget(&journal, 20);
    unsigned char *before = image_read(&len);
    (void)journal_forget(&journal, 60);
    unsigned char *after = image_read(&len);
    size_t changed[64] = {0}, changes = 0;
    for (size_t i = 0; i < len; i++)
        if (before[i] != after[i] && changes < 64)
            changed[changes++] = i;
    assert_true(changes > 1 && changed[changes - 1] < HEADER);
    /* The index is one byte that changes, the lowest of the changed ones: it is stored last. */
    for (size_t step = 0; step <= changes; step++) {
        unsigned char *image = malloc(len);
        memcpy(image, before, len);
        for (size_t i = 0; i < step; i++) {
            size_t which = changed[(i + 1) % changes];
            image[which] = after[which];
        }
        image_write(image, len);
        free(image);
        open_at(&copy, the_copy);
        assert_int_equal(copy.tail.position, step == changes ? 60 : 20);
        assert_int_equal(copy.head.position, 101);
        journal_close(&copy);
    }
    free(before);
    free(after);
    journal_close(&journal);
}

/* A loss of power may leave anything: what is before the damage is kept, what is behind it never comes back. */
static void damaged(void **state)
{
    (void)state;
    struct journal journal, copy;
    size_t len;
    open_at(&journal, the_path);
    fill(&journal, 1, 51, 64);
    uint64_t from = journal.head.offset;
    fill(&journal, 51, 101, 64);
    unsigned char *image = image_read(&len);
    size_t record = (size_t)((journal.head.offset - from) / 50);
    for (size_t byte = 0; byte < record; byte += 3) {
        size_t at = HEADER + (size_t)from + byte;
        image[at] ^= 0x40;
        image_write(image, len);
        image[at] ^= 0x40;
        open_at(&copy, the_copy);
        assert_true(copy.was_cut);
        assert_int_equal(count(&copy, 1), 50);
        fill(&copy, 51, 52, 64); /* of the same length as the damaged one */
        journal_close(&copy);
        open_at(&copy, the_copy);
        assert_int_equal(count(&copy, 1), 51);
        assert_int_equal(copy.head.position, 52);
        journal_close(&copy);
    }
    free(image);
    journal_close(&journal);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    struct journal journal, other;
    char why[256] = "";
    FILE *file = fopen(the_path, "w");
    (void)fputs("some other file", file);
    (void)fclose(file);
    assert_int_equal(journal_open(&journal, the_path, SMALL, why, sizeof why), STATUS_MALFORMED);
    assert_non_null(strstr(why, "not a journal"));
    assert_int_equal(truncate(the_path, 0), 0);
    assert_int_equal(truncate(the_path, SMALL + HEADER), 0); /* made, and killed before the magic was written */
    open_at(&journal, the_path);
    assert_int_equal(journal_open(&other, the_path, SMALL, why, sizeof why), STATUS_UNAVAILABLE);
    assert_non_null(strstr(why, "in use by another broker"));
    journal_close(&journal);
    assert_int_equal(journal_open(&journal, "/nonexistent/journal", SMALL, why, sizeof why), STATUS_UNAVAILABLE);
    int fd = open(the_path, O_RDWR);
    assert_int_equal(pwrite(fd, "XXXXXXXX", 8, 0), 8);
    (void)close(fd);
    assert_int_equal(journal_open(&journal, the_path, SMALL, why, sizeof why), STATUS_MALFORMED);
}

static void changes_its_size_when_empty(void **state)
{
    (void)state;
    struct journal journal;
    char why[256];
    open_at(&journal, the_path);
    fill(&journal, 1, 11, 100);
    journal_close(&journal);
    assert_int_equal(journal_open(&journal, the_path, 2 * SMALL, why, sizeof why), STATUS_OK);
    assert_int_equal(journal.capacity, SMALL);
    assert_int_equal(count(&journal, 1), 10);
    (void)journal_forget(&journal, 11);
    journal_close(&journal);
    assert_int_equal(journal_open(&journal, the_path, 2 * SMALL, why, sizeof why), STATUS_OK);
    assert_int_equal(journal.capacity, 2 * SMALL);
    journal_close(&journal);
}

/* The damage is told of, and what is there is not overwritten, before it does. */
static void changes_no_size_of_a_damaged_one(void **state)
{
    (void)state;
    struct journal journal;
    char why[256];
    open_at(&journal, the_path);
    fill(&journal, 1, 11, 100);
    journal_close(&journal);
    int fd = open(the_path, O_RDWR);
    assert_int_equal(pwrite(fd, "XXXXXXXX", 8, HEADER), 8); /* the first record's checksum */
    (void)close(fd);
    assert_int_equal(journal_open(&journal, the_path, 2 * SMALL, why, sizeof why), STATUS_OK);
    assert_true(journal.was_cut);
    assert_int_equal(journal.capacity, SMALL);
    journal_close(&journal);
    assert_int_equal(journal_open(&journal, the_path, 2 * SMALL, why, sizeof why), STATUS_OK);
    assert_false(journal.was_cut);
    assert_int_equal(journal.capacity, 2 * SMALL);
    journal_close(&journal);
}

static void a_full_disk_is_an_error_at_the_start(void **state)
{
    (void)state;
    struct journal journal;
    struct rlimit limit, small = {SMALL / 2, RLIM_INFINITY};
    char why[256];
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    small.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(journal_open(&journal, the_path, SMALL, why, sizeof why), STATUS_UNAVAILABLE);
    assert_non_null(strstr(why, "cannot allocate"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    open_at(&journal, the_path); /* and nothing is left behind that is in the way */
    journal_close(&journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_goes_in_comes_out),
        TEST(survives_and_goes_on),
        TEST(many_laps),
        TEST(no_room_for_what_is_there),
        TEST(takes_what_it_can),
        TEST(takes_no_byte_more),
        TEST(killed_while_appending),
        TEST(killed_while_forgetting),
        TEST(damaged),
        TEST(refuses_what_is_none),
        TEST(changes_its_size_when_empty),
        TEST(a_full_disk_is_an_error_at_the_start),
        TEST(changes_no_size_of_a_damaged_one),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
