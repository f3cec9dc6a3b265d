/* Names of senders that the database need not tell again. link: sync-service/known_senders.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "sync-service/known_senders.h"

static bool asks_for(struct known_senders *known, int64_t device_id)
{
    const int64_t *ids;
    size_t len = known_senders_ask(known, &ids);
    for (size_t i = 0; i < len; i++)
        if (ids[i] == device_id)
            return false;
    return true;
}

static void named_once(void **state)
{
    struct known_senders known = {0};
    struct slice user, device;
    (void)state;
    assert_true(asks_for(&known, 7));
    assert_int_equal(known_senders_find(&known, 7, (struct slice){NULL, 0}, &user, &device), STATUS_MALFORMED);
    assert_int_equal(known_senders_find(&known, 7, SLICE("alice"), &user, &device), STATUS_MALFORMED);
    assert_int_equal(known_senders_find(&known, 7, SLICE("alice:phone"), &user, &device), STATUS_OK);
    assert_int_equal(known_senders_find(&known, 8, SLICE("bob:tablet"), &user, &device), STATUS_OK);
    assert_true(slice_equal(user, SLICE("bob")));
    known_senders_answered(&known);
    assert_false(asks_for(&known, 7));
    assert_int_equal(known_senders_find(&known, 7, (struct slice){NULL, 0}, &user, &device), STATUS_OK);
    assert_true(slice_equal(user, SLICE("alice")));
    assert_true(slice_equal(device, SLICE("phone")));
    known_senders_done(&known);
}

static void add(struct known_senders *known, int64_t device_id)
{
    char name[40];
    struct slice user, device;
    (void)snprintf(name, sizeof name, "user%ld:d", (long)device_id);
    assert_int_equal(known_senders_find(known, device_id, slice_of(name), &user, &device), STATUS_OK);
}

/* A device that the database need not name must be known when it answers, also where there are more than are kept. */
static void forgotten_only_when_nobody_relies_on_it(void **state)
{
    struct known_senders known = {0};
    struct slice user, device;
    (void)state;
    assert_true(asks_for(&known, 1));
    for (int64_t id = 1; id <= KNOWN_SENDERS_MAX; id++)
        add(&known, id);
    assert_int_equal(known.by_device.len, KNOWN_SENDERS_MAX);
    assert_true(asks_for(&known, KNOWN_SENDERS_MAX)); /* two are under way */
    known_senders_answered(&known);
    assert_int_equal(known_senders_find(&known, 1, (struct slice){NULL, 0}, &user, &device), STATUS_OK);
    known_senders_answered(&known);
    assert_true(asks_for(&known, 1));
    assert_int_equal(known.by_device.len, 0);
    assert_int_equal(known_senders_find(&known, 1, (struct slice){NULL, 0}, &user, &device), STATUS_MALFORMED);
    add(&known, 1);
    known_senders_forget_questions(&known);
    assert_false(asks_for(&known, 1));
    known_senders_done(&known);
}

static void the_last_ones_are_called_known(void **state)
{
    struct known_senders known = {0};
    (void)state;
    for (int64_t id = 1; id <= 2 * KNOWN_SENDERS_RECENT; id++)
        add(&known, id);
    for (int64_t id = 1; id <= 2 * KNOWN_SENDERS_RECENT; id++)
        assert_int_equal(asks_for(&known, id), id <= KNOWN_SENDERS_RECENT);
    known_senders_done(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_once),
        cmocka_unit_test(forgotten_only_when_nobody_relies_on_it),
        cmocka_unit_test(the_last_ones_are_called_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
