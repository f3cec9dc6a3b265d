/* Filters, watched users, and what is remembered of devices that went away.
 * link: broker-plugin/subscriptions.c broker-plugin/remembered.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker-plugin/remembered.h"

static void matching(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *topic;
        bool matches;
        const char *why;
    } cases[] = {
        {"#", "chat/u/bob/1", true, "everything"},
        {"#", "synced", true, "one level"},
        {"chat/#", "chat/u/bob/1", true, ""},
        {"chat/#", "chat", true, "# is also for the level above it"},
        {"chat/#", "chats/u", false, "whole levels only"},
        {"chat/#", "history/chat/u", false, "from the start"},
        {"chat/+/bob/#", "chat/u/bob/1/2", true, ""},
        {"chat/+/bob/#", "chat/u/carol/1/2", false, ""},
        {"+", "synced", true, ""},
        {"+", "rpc/1", false, "one level"},
        {"+/+", "rpc/1", true, ""},
        {"rpc/+", "rpc/1/2", false, ""},
        {"rpc/+", "rpc", false, "a level there must be"},
        {"rpc/+", "rpc/", true, "though it may be empty"},
        {"rpc/1", "rpc/1", true, ""},
        {"rpc/1", "rpc/12", false, ""},
        {"rpc/12", "rpc/1", false, ""},
        {"rpc/1/", "rpc/1", false, "an empty level is a level"},
        {"", "", true, "one empty level"},
        {"", "rpc", false, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (filter_matches(slice_of(cases[i].filter), slice_of(cases[i].topic)) != cases[i].matches)
            fail_msg("%s with %s: %s", cases[i].filter, cases[i].topic, cases[i].why);
}

static void filters(void **state)
{
    (void)state;
    struct subscriptions subscriptions = {0};
    assert_true(subscriptions_is_empty(&subscriptions));
    assert_false(subscriptions_match(&subscriptions, SLICE("synced")));
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("chat/#")), STATUS_OK);
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("rpc/+")), STATUS_OK);
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("chat/#")), STATUS_OK);
    assert_true(subscriptions_match(&subscriptions, SLICE("rpc/1")));
    assert_false(subscriptions_match(&subscriptions, SLICE("synced")));
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("#")), STATUS_OK);
    assert_true(subscriptions_match(&subscriptions, SLICE("synced")));
    assert_true(subscriptions_remove(&subscriptions, SLICE("#")));
    assert_false(subscriptions_remove(&subscriptions, SLICE("#")));
    assert_true(subscriptions_remove(&subscriptions, SLICE("chat/#")));
    assert_false(subscriptions_remove(&subscriptions, SLICE("chat/#")));
    assert_true(subscriptions_has_inbox(&subscriptions));
    assert_true(subscriptions_remove(&subscriptions, SLICE("rpc/+")));
    assert_false(subscriptions_has_inbox(&subscriptions));
    assert_true(subscriptions_is_empty(&subscriptions));
    for (int i = 0; i <= SUBSCRIPTIONS_FILTERS_MAX; i++) {
        char filter[32];
        (void)snprintf(filter, sizeof filter, "chat/u/u%d/#", i);
        assert_int_equal(subscriptions_add(&subscriptions, slice_of(filter)),
                         i < SUBSCRIPTIONS_FILTERS_MAX ? STATUS_OK : STATUS_FULL);
    }
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("chat/u/u7/#")), STATUS_OK);
    subscriptions_done(&subscriptions);
    assert_true(subscriptions_is_empty(&subscriptions));
}

static void watching(void **state)
{
    (void)state;
    struct subscriptions subscriptions = {0};
    for (int i = 0; i <= LIMIT_WATCHED_USERS; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "u%d", i);
        assert_int_equal(subscriptions_watch(&subscriptions, slice_of(user)),
                         i < LIMIT_WATCHED_USERS ? STATUS_OK : STATUS_FULL);
    }
    assert_int_equal(subscriptions_watch(&subscriptions, SLICE("u3")), STATUS_EXISTS);
    assert_true(subscriptions_unwatch(&subscriptions, SLICE("u3")));
    assert_false(subscriptions_unwatch(&subscriptions, SLICE("u3")));
    assert_false(subscriptions_watches(&subscriptions, SLICE("u3")));
    assert_true(subscriptions_watches(&subscriptions, SLICE("u255")));
    assert_false(subscriptions_has_inbox(&subscriptions));
    assert_false(subscriptions_is_empty(&subscriptions));
    subscriptions_done(&subscriptions);
}

/* Both lists are in one array. */
static void filters_and_watched_users(void **state)
{
    (void)state;
    struct subscriptions subscriptions = {0};
    bool has[2][8] = {{false}};
    char name[16];
    for (unsigned step = 0, random = 1; step < 2000; step++) {
        random = random * 1103515245u + 12345u;
        unsigned kind = random >> 16 & 1, i = random >> 17 & 7;
        (void)snprintf(name, sizeof name, "n%u", i);
        if (kind == 0 && has[0][i])
            assert_true(subscriptions_remove(&subscriptions, slice_of(name)));
        else if (kind == 0)
            assert_int_equal(subscriptions_add(&subscriptions, slice_of(name)), STATUS_OK);
        else if (has[1][i])
            assert_true(subscriptions_unwatch(&subscriptions, slice_of(name)));
        else
            assert_int_equal(subscriptions_watch(&subscriptions, slice_of(name)), STATUS_OK);
        has[kind][i] = !has[kind][i];
        uint16_t filters_len = 0, watched_len = 0;
        for (i = 0; i < 8; i++) {
            (void)snprintf(name, sizeof name, "n%u", i);
            assert_int_equal(subscriptions_match(&subscriptions, slice_of(name)), has[0][i]);
            assert_int_equal(subscriptions_watches(&subscriptions, slice_of(name)), has[1][i]);
            filters_len += has[0][i];
            watched_len += has[1][i];
        }
        assert_int_equal(subscriptions.filters_len, filters_len);
        assert_int_equal(subscriptions.watched_len, watched_len);
        assert_int_equal(subscriptions.texts != NULL, filters_len + watched_len > 0);
        for (i = 0; i < watched_len; i++)
            assert_true(subscriptions_watches(&subscriptions, subscriptions_watched(&subscriptions, (uint16_t)i)));
    }
    subscriptions_done(&subscriptions);
}

static void remembering(void **state)
{
    (void)state;
    struct remembered remembered = {.max = 3};
    struct subscriptions subscriptions = {0};
    remembered_put(&remembered, "alice:phone", &subscriptions); /* nothing to remember */
    assert_false(remembered_take(&remembered, "alice:phone", &subscriptions));
    for (int i = 0; i < 4; i++) {
        char client_id[32];
        (void)snprintf(client_id, sizeof client_id, "user%d:x", i);
        assert_int_equal(subscriptions_add(&subscriptions, slice_of(client_id)), STATUS_OK);
        assert_false(remembered.has_forgotten);
        remembered_put(&remembered, client_id, &subscriptions);
        assert_true(subscriptions_is_empty(&subscriptions));
    }
    assert_true(remembered.has_forgotten);
    assert_false(remembered_take(&remembered, "user0:x", &subscriptions)); /* the oldest */
    assert_true(remembered_take(&remembered, "user1:x", &subscriptions));
    assert_true(subscriptions_match(&subscriptions, SLICE("user1:x")));
    assert_false(remembered_take(&remembered, "user1:x", &subscriptions));
    subscriptions.has_all = true;
    remembered_put(&remembered, "user2:x", &(struct subscriptions){.has_all = true}); /* again: the newer counts */
    subscriptions_done(&subscriptions);
    assert_true(remembered_take(&remembered, "user2:x", &subscriptions));
    assert_true(subscriptions.has_all && subscriptions.filters_len == 0);
    remembered_done(&remembered);
}

static void places(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *client_id;
        bool has_place;
        const char *why;
    } cases[] = {
        {"inbox/a/#", "a:x", true, "the shortest there is"},
        {"inbox/alice/#", "alice:phone", true, ""},
        {"inbox/alice/+", "alice:phone", false, "another filter"},
        {"inbox/alice/chat/#", "alice:phone", false, "another filter"},
        {"inbox/alice/", "alice:phone", false, "another filter"},
        {"inbox/alic/#", "alice:phone", false, "another's"},
        {"inbox/alicea/#", "alice:phone", false, "another's"},
        {"presence/alice", "alice:phone", false, ""},
        {"$q", "$gnatter:x", false, "no device"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char place[SUBSCRIPTIONS_PLACE_BYTES] = "";
        if (subscriptions_place(slice_of(cases[i].filter), slice_of(cases[i].client_id), place) != cases[i].has_place)
            fail_msg("%s of %s: %s", cases[i].filter, cases[i].client_id, cases[i].why);
        assert_true(strlen(place) <= strlen(cases[i].filter)); /* it is written over it */
    }
    char place[SUBSCRIPTIONS_PLACE_BYTES], again[SUBSCRIPTIONS_PLACE_BYTES], other[SUBSCRIPTIONS_PLACE_BYTES];
    assert_true(subscriptions_place(SLICE("inbox/alice/#"), SLICE("alice:phone"), place));
    assert_true(subscriptions_place(SLICE("inbox/alice/#"), SLICE("alice:phone"), again));
    assert_true(subscriptions_place(SLICE("inbox/alice/#"), SLICE("alice:desk"), other));
    assert_string_equal(place, again);
    assert_string_not_equal(place, other);
}

/* The broker looks at one after the other in a place. */
static void places_are_evenly_used(void **state)
{
    (void)state;
    static unsigned used[SUBSCRIPTIONS_PLACES];
    unsigned most = 0;
    for (unsigned i = 0; i < 10 * SUBSCRIPTIONS_PLACES; i++) {
        char client_id[32], filter[32], place[SUBSCRIPTIONS_PLACE_BYTES];
        (void)snprintf(client_id, sizeof client_id, "user%u:phone", i);
        (void)snprintf(filter, sizeof filter, "inbox/user%u/#", i);
        assert_true(subscriptions_place(slice_of(filter), slice_of(client_id), place));
        unsigned *count = &used[strtoul(place + strlen("i/"), NULL, 10)];
        if (++*count > most)
            most = *count;
    }
    assert_true(most <= 30); /* 10 each, were it perfect */
}

static void places_for_what_one_has(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool has_place;
        const char *why;
    } cases[] = {
        {"inbox/a/#", false, "shorter than a place"},
        {"inbox/a/+", false, "the same"},
        {"presence/a", true, "just as long"},
        {"inbox/alice/#", true, ""},
        {"inbox/alice/chat/#", true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char place[SUBSCRIPTIONS_AGAIN_BYTES] = "";
        if (subscriptions_place_again(slice_of(cases[i].filter), SLICE("alice:phone"), place) != cases[i].has_place)
            fail_msg("%s: %s", cases[i].filter, cases[i].why);
        assert_true(strlen(place) <= strlen(cases[i].filter)); /* it is written over it */
    }
    struct subscriptions subscriptions = {0};
    assert_false(subscriptions_has(&subscriptions, SLICE("#")) || subscriptions_has(&subscriptions, SLICE("chat/#")));
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("chat/#")), STATUS_OK);
    assert_true(subscriptions_has(&subscriptions, SLICE("chat/#")));
    assert_false(subscriptions_has(&subscriptions, SLICE("#")) || subscriptions_has(&subscriptions, SLICE("chat/+")));
    assert_int_equal(subscriptions_add(&subscriptions, SLICE("#")), STATUS_OK);
    assert_true(subscriptions_has(&subscriptions, SLICE("#")));
    assert_false(subscriptions_has(&subscriptions, SLICE("chat/+"))); /* though it matches */
    subscriptions_done(&subscriptions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matching),
        cmocka_unit_test(filters),
        cmocka_unit_test(watching),
        cmocka_unit_test(filters_and_watched_users),
        cmocka_unit_test(remembering),
        cmocka_unit_test(places),
        cmocka_unit_test(places_are_evenly_used),
        cmocka_unit_test(places_for_what_one_has),
    };
    return cmocka_run_group_tests_name("subscriptions", tests, NULL, NULL);
}
