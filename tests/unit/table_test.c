/* The table beside a plain array that says what must be in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "table.h"

#define ENTRIES 5000
#define STEPS   60000

struct entry {
    uint64_t key;
    struct table_link link; /* not the first thing in it */
    bool is_in, was_seen;
};

static uint64_t hash_of(const struct table_link *link)
{
    return hash_number(TABLE_ENTRY(link, const struct entry, link)->key);
}

static uint64_t hash_badly(const struct table_link *link)
{
    return TABLE_ENTRY(link, const struct entry, link)->key % 2;
}

static struct entry *find(const struct table *table, uint64_t key, uint64_t hash)
{
    for (struct table_link *link = table_chain(table, hash); link != NULL; link = link->next)
        if (TABLE_ENTRY(link, struct entry, link)->key == key)
            return TABLE_ENTRY(link, struct entry, link);
    return NULL;
}

static void check_walk(const struct table *table, struct entry entries[], size_t len)
{
    struct table_walk walk;
    size_t seen = 0;
    for (struct table_link *link = table_first(table, &walk); link != NULL; link = table_next(&walk)) {
        struct entry *entry = TABLE_ENTRY(link, struct entry, link);
        assert_true(entry->is_in);
        assert_false(entry->was_seen);
        entry->was_seen = true;
        seen++;
    }
    assert_int_equal(seen, table->len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(entries[i].was_seen, entries[i].is_in);
        entries[i].was_seen = false;
    }
}

static void run(table_hash *hash, size_t len, size_t steps)
{
    struct table table = {.heads = NULL};
    struct entry *entries = calloc(len, sizeof *entries);
    uint64_t random = 7;
    assert_non_null(entries);
    for (size_t i = 0; i < len; i++)
        entries[i].key = i << 32 | 1; /* as a session's number and its link may look */
    for (size_t step = 0; step < steps; step++) {
        random = hash_number(random + step);
        struct entry *entry = &entries[random % len];
        assert_ptr_equal(find(&table, entry->key, hash(&entry->link)), entry->is_in ? entry : NULL);
        if (entry->is_in)
            table_remove(&table, &entry->link, hash);
        else
            assert_int_equal(table_add(&table, &entry->link, hash), STATUS_OK);
        entry->is_in = !entry->is_in;
        if (step % (steps / 4) == 0)
            check_walk(&table, entries, len);
    }
    for (size_t i = 0; i < len; i++)
        if (entries[i].is_in)
            table_remove(&table, &entries[i].link, hash);
    assert_true(table.len == 0 && table.heads == NULL); /* nothing to be freed */
    free(entries);
}

static void as_an_array(void **state)
{
    (void)state;
    run(hash_of, ENTRIES, STEPS);
}

/* All keys in two chains: slow, and right. */
static void with_a_bad_hash(void **state)
{
    (void)state;
    run(hash_badly, 200, 4000);
}

static void empty(void **state)
{
    (void)state;
    struct table table = {.heads = NULL};
    struct table_walk walk;
    assert_null(table_chain(&table, hash_number(1)));
    assert_null(table_first(&table, &walk));
    assert_null(table_next(&walk));
}

static void removed_while_walking(void **state)
{
    (void)state;
    static struct entry entries[100];
    struct table table = {.heads = NULL};
    struct table_walk walk;
    size_t seen = 0;
    for (size_t i = 0; i < 100; i++) {
        entries[i].key = i;
        assert_int_equal(table_add(&table, &entries[i].link, hash_of), STATUS_OK);
    }
    for (struct table_link *link = table_first(&table, &walk); link != NULL; link = table_next(&walk), seen++)
        if (TABLE_ENTRY(link, struct entry, link)->key % 3 != 0)
            table_remove(&table, link, hash_of);
    assert_int_equal(seen, 100);
    assert_int_equal(table.len, 34);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(find(&table, i, hash_number(i)) != NULL, i % 3 == 0);
    for (struct table_link *link = table_first(&table, &walk); link != NULL; link = table_next(&walk))
        table_remove(&table, link, hash_of); /* the last one takes the heads with it */
    assert_null(table.heads);
}

static void one_key_twice(void **state)
{
    (void)state;
    struct entry one = {.key = 5}, two = {.key = 5};
    struct table table = {.heads = NULL};
    assert_int_equal(table_add(&table, &one.link, hash_of), STATUS_OK);
    assert_int_equal(table_add(&table, &two.link, hash_of), STATUS_OK);
    table_remove(&table, &two.link, hash_of);
    assert_ptr_equal(find(&table, 5, hash_number(5)), &one);
    table_remove(&table, &one.link, hash_of);
}

/* What connections are found by: handles, numbers one after the other, names that differ in a digit. */
static void chains_are_short(void **state)
{
    (void)state;
    static unsigned counts[3][4096];
    for (uint64_t i = 0; i < 8192; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "load%llu:d", (unsigned long long)i);
        counts[0][hash_number(0x55550000 + i * 656) % 4096]++;
        counts[1][hash_number(3ull << 32 | i) % 4096]++;
        counts[2][hash_text(slice_of(name)) % 4096]++;
    }
    for (size_t kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < 4096; i++)
            assert_true(counts[kind][i] <= 14); /* 2 each, were it perfect */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_an_array),           cmocka_unit_test(with_a_bad_hash), cmocka_unit_test(empty),
        cmocka_unit_test(removed_while_walking), cmocka_unit_test(one_key_twice),   cmocka_unit_test(chains_are_short),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
