/* The revocation table. link: broker-plugin/revoked.c broker-plugin/locked_file.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker-plugin/revoked.h"

#define SLOTS 64u
#define FULL  (SLOTS / 8 * 7)

static char the_path[64], the_copy[80];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(the_path, sizeof the_path, "/tmp/gnatter-revoked-XXXXXX");
    (void)close(mkstemp(the_path));
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

static void open_at(struct revoked *revoked, const char *path)
{
    char why[256] = "";
    if (revoked_open_sized(revoked, path, SLOTS, why, sizeof why) != STATUS_OK)
        fail_msg("%s", why);
}

static struct slice name_of(int i)
{
    static char name[16];
    (void)snprintf(name, sizeof name, "user%d", i);
    return slice_of(name);
}

static void only_rises(void **state)
{
    (void)state;
    struct revoked revoked;
    open_at(&revoked, the_path);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("alice")), 0);
    assert_int_equal(revoked_add(&revoked, SLICE("alice"), 100), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("alice"), 50), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("alice:phone"), 70), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("bob"), 0), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, SLICE("bob"), -1), STATUS_OK);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("alice")), 100);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("alice:phone")), 70);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("bob")), 0);
    assert_int_equal(revoked_entries(&revoked), 2);
    revoked_close(&revoked);
    open_at(&revoked, the_path);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("alice")), 100);
    assert_int_equal(revoked_entries(&revoked), 2);
    revoked_close(&revoked);
}

static void the_whole_list(void **state)
{
    (void)state;
    struct revoked revoked;
    open_at(&revoked, the_path);
    assert_int_equal(revoked_add(&revoked, SLICE("old"), 10), STATUS_OK);
    for (int turn = 0; turn < 4; turn++) {
        revoked_begin(&revoked);
        assert_int_equal(revoked_add(&revoked, SLICE("new"), 20), STATUS_OK);
        assert_int_equal(revoked_valid_after(&revoked, SLICE("new")), 20); /* at once */
        if (turn == 0)
            assert_int_equal(revoked_valid_after(&revoked, SLICE("old")), 10);
        revoked_end(&revoked);
        assert_int_equal(revoked_valid_after(&revoked, SLICE("old")), 0);
        assert_int_equal(revoked_valid_after(&revoked, SLICE("new")), 20);
    }
    revoked_end(&revoked); /* one without a begin is no list */
    assert_int_equal(revoked_valid_after(&revoked, SLICE("new")), 20);
    revoked_begin(&revoked);
    assert_int_equal(revoked_add(&revoked, SLICE("more"), 30), STATUS_OK);
    revoked_close(&revoked); /* killed in the middle: the old list counts, and what was added */
    open_at(&revoked, the_path);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("new")), 20);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("more")), 30);
    revoked_begin(&revoked);
    revoked_abandon(&revoked);
    assert_int_equal(revoked_add(&revoked, SLICE("later"), 40), STATUS_OK);
    revoked_end(&revoked);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("new")), 20);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("later")), 40);
    revoked_close(&revoked);
}

static void full_is_safe(void **state)
{
    (void)state;
    struct revoked revoked;
    open_at(&revoked, the_path);
    for (int i = 0; i < (int)FULL; i++)
        assert_int_equal(revoked_add(&revoked, name_of(i), 1000 + i), STATUS_OK);
    assert_int_equal(revoked_add(&revoked, name_of(3), 5000), STATUS_OK); /* one that is there still rises */
    assert_int_equal(revoked_valid_after(&revoked, SLICE("anybody")), 0);
    assert_int_equal(revoked_add(&revoked, SLICE("one-more"), 2000), STATUS_FULL);
    assert_int_equal(revoked_add(&revoked, SLICE("another"), 1500), STATUS_FULL);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("one-more")), 2000);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("anybody")), 2000);
    assert_int_equal(revoked_valid_after(&revoked, name_of(3)), 5000);
    revoked_close(&revoked);
    open_at(&revoked, the_path);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("anybody")), 2000);
    revoked_begin(&revoked); /* a shorter list makes room again */
    assert_int_equal(revoked_add(&revoked, SLICE("one-more"), 2000), STATUS_OK);
    revoked_end(&revoked);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("anybody")), 0);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("one-more")), 2000);
    revoked_close(&revoked);
}

/* Killed between the stores of one entry: it is there or it is not, and the next one is not hurt. */
static void killed_while_adding(void **state)
{
    (void)state;
    struct revoked revoked, copy;
    struct stat info;
    open_at(&revoked, the_path);
    assert_int_equal(revoked_add(&revoked, SLICE("before"), 10), STATUS_OK);
    int fd = open(the_path, O_RDONLY);
    assert_int_equal(fstat(fd, &info), 0);
    size_t len = (size_t)info.st_size;
    unsigned char *before = malloc(len), *after = malloc(len), *image = malloc(len);
    assert_int_equal(pread(fd, before, len, 0), len);
    assert_int_equal(revoked_add(&revoked, SLICE("alice"), 0x0102030405060708), STATUS_OK);
    assert_int_equal(pread(fd, after, len, 0), len);
    (void)close(fd);
    size_t at = 4096; /* behind the header */
    while (before[at] == after[at])
        at++;
    at -= (at - 4096) % 24;
    for (size_t step = 0; step <= 17; step++) { /* the hash byte by byte, then the time in one store */
        memcpy(image, before, len);
        memcpy(image + at, after + at, step < 17 ? step : 24);
        int out = open(the_copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(out, image, len), len);
        (void)close(out);
        open_at(&copy, the_copy);
        assert_int_equal(revoked_valid_after(&copy, SLICE("alice")), step < 17 ? 0 : 0x0102030405060708);
        assert_int_equal(revoked_valid_after(&copy, SLICE("before")), 10);
        assert_int_equal(revoked_entries(&copy), step < 17 ? 1 : 2);
        assert_int_equal(revoked_add(&copy, SLICE("alice"), 0x0102030405060709), STATUS_OK);
        assert_int_equal(revoked_valid_after(&copy, SLICE("alice")), 0x0102030405060709);
        revoked_close(&copy);
    }
    free(before);
    free(after);
    free(image);
    revoked_close(&revoked);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    struct revoked revoked, other;
    char why[256];
    open_at(&revoked, the_path);
    assert_int_equal(revoked_open_sized(&other, the_path, SLOTS, why, sizeof why), STATUS_UNAVAILABLE);
    revoked_close(&revoked);
    assert_int_equal(revoked_open_sized(&other, the_path, 2 * SLOTS, why, sizeof why), STATUS_MALFORMED);
    int fd = open(the_path, O_WRONLY);
    assert_int_equal(pwrite(fd, "XXXXXXXX", 8, 0), 8);
    (void)close(fd);
    assert_int_equal(revoked_open_sized(&other, the_path, SLOTS, why, sizeof why), STATUS_MALFORMED);
}

static void the_real_size(void **state)
{
    (void)state;
    struct revoked revoked;
    char why[256], name[32];
    assert_int_equal(revoked_open(&revoked, the_path, why, sizeof why), STATUS_OK);
    for (uint32_t i = 0; i < REVOKED_ENTRIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "u%u:d", i);
        assert_int_equal(revoked_add(&revoked, slice_of(name), 1 + i), STATUS_OK);
    }
    assert_int_equal(revoked_add(&revoked, SLICE("more"), 7), STATUS_FULL);
    assert_int_equal(revoked_valid_after(&revoked, SLICE("u100000:d")), 100001);
    revoked_close(&revoked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_rises),          TEST(the_whole_list),       TEST(full_is_safe),
        TEST(killed_while_adding), TEST(refuses_what_is_none), TEST(the_real_size),
    };
    return cmocka_run_group_tests_name("revoked", tests, NULL, NULL);
}
