/* Presence. link: sync-service/ingest/presence.c sync-service/ingest/sessions.c sync-service/ingest/identities.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "sync-service/ingest/presence.h"

#define ALL (PRESENCE_SHOWS_ONLINE | PRESENCE_SHOWS_LAST_SEEN)

static char heard[1024]; /* what was asked and told since the last look */

static void on_ask(void *ctx, session_ref session, int64_t watcher_user_id, struct slice user)
{
    size_t len = strlen(heard);
    (void)ctx;
    (void)snprintf(heard + len, sizeof heard - len, "ask %d %d %.*s;", (int)session, (int)watcher_user_id,
                   (int)user.len, user.at);
}

static void on_tell(void *ctx, session_ref session, struct slice user, struct slice state)
{
    size_t len = strlen(heard);
    (void)ctx;
    (void)snprintf(heard + len, sizeof heard - len, "tell %d %.*s %.*s;", (int)session, (int)user.len, user.at,
                   (int)state.len, state.at);
}

#define expect(text)                                                                                                   \
    do {                                                                                                               \
        assert_string_equal(heard, text);                                                                              \
        heard[0] = '\0';                                                                                               \
    } while (0)

static struct presence presence;
static struct identities identities;
static struct sessions sessions;
static struct session *alice, *bob;

static int setup(void **state)
{
    (void)state;
    const struct presence_port port = {NULL, on_ask, on_tell};
    presence_init(&presence, &port, 2000);
    identities = (struct identities){.max = 10};
    sessions = (struct sessions){0};
    alice = sessions_add(&sessions, 1, identities_add(&identities, SLICE("alice:phone"), 11, 1, false));
    bob = sessions_add(&sessions, 2, identities_add(&identities, SLICE("bob:phone"), 12, 2, false));
    heard[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct session *all[] = {alice, bob};
    for (size_t i = 0; i < 2; i++) {
        presence_forget_session(&presence, all[i]);
        sessions_remove(&sessions, all[i]);
    }
    presence_done(&presence);
    identities_done(&identities);
    return 0;
}

static void state_at_once_then_changes(void **state)
{
    (void)state;
    presence_watch(&presence, alice, SLICE("bob"));
    expect("ask 1 1 bob;");
    presence_answer(&presence, alice, SLICE("bob"), ALL, 77);
    expect("tell 1 bob offline 60;");
    presence_came(&presence, SLICE("bob"), 1);
    expect("ask 1 1 bob;");
    presence_answer(&presence, alice, SLICE("bob"), ALL, 77);
    expect("tell 1 bob online;");
    presence_came(&presence, SLICE("bob"), 1); /* a second device */
    presence_went(&presence, SLICE("bob"), 1000, 100);
    assert_int_equal(presence_turn(&presence, 999999), INT64_MAX);
    expect("");
    presence_went(&presence, SLICE("bob"), 5000, 185);
    assert_int_equal(presence_turn(&presence, 5000), 7000);
    expect("");
    assert_int_equal(presence_turn(&presence, 7000), 7000 + PRESENCE_AGAIN_MS);
    expect("ask 1 1 bob;");
    presence_answer(&presence, alice, SLICE("bob"), ALL, 77); /* the database has not heard yet */
    expect("tell 1 bob offline 180;");
}

static void a_short_absence_is_no_story(void **state)
{
    (void)state;
    presence_came(&presence, SLICE("bob"), 1);
    presence_watch(&presence, alice, SLICE("bob"));
    presence_answer(&presence, alice, SLICE("bob"), ALL, 0);
    expect("ask 1 1 bob;tell 1 bob online;");
    presence_went(&presence, SLICE("bob"), 1000, 1);
    presence_came(&presence, SLICE("bob"), 1);
    assert_int_equal(presence_turn(&presence, 99999), INT64_MAX);
    expect("");
}

static void hidden_until_it_is_not(void **state)
{
    (void)state;
    presence_watch(&presence, alice, SLICE("bob"));
    presence_answer(&presence, alice, SLICE("bob"), 0, 77);
    expect("ask 1 1 bob;tell 1 bob hidden;");
    presence_came(&presence, SLICE("bob"), 1);
    presence_answer(&presence, alice, SLICE("bob"), 0, 77);
    expect("ask 1 1 bob;"); /* nothing has changed for her */
    presence_watch(&presence, alice, SLICE("bob"));
    presence_answer(&presence, alice, SLICE("bob"), 0, 77);
    expect("ask 1 1 bob;tell 1 bob hidden;"); /* asked again: told again */
}

static void online_and_last_seen_are_shown_separately(void **state)
{
    (void)state;
    static const struct {
        uint32_t shown;
        const char *away, *here, *why;
    } cases[] = {
        {ALL, "offline 600", "online", "to the minute"},
        {PRESENCE_SHOWS_ONLINE, "offline 0", "online", "away, and nobody is told since when"},
        {PRESENCE_SHOWS_LAST_SEEN, "offline 600", NULL, "when she was here before: nothing has changed"},
        {0, "hidden", NULL, "and stays so"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[80];
        presence_watch(&presence, alice, SLICE("bob"));
        presence_answer(&presence, alice, SLICE("bob"), cases[i].shown, 640);
        (void)snprintf(wanted, sizeof wanted, "ask 1 1 bob;tell 1 bob %s;", cases[i].away);
        expect(wanted);
        presence_came(&presence, SLICE("bob"), 1);
        presence_answer(&presence, alice, SLICE("bob"), cases[i].shown, 640);
        (void)snprintf(wanted, sizeof wanted, "ask 1 1 bob;%s%s%s", cases[i].here ? "tell 1 bob " : "",
                       cases[i].here ? cases[i].here : "", cases[i].here ? ";" : "");
        expect(wanted);
        presence_unwatch(&presence, alice, SLICE("bob"));
        presence_went(&presence, SLICE("bob"), 1, 0);
        (void)presence_turn(&presence, 999999); /* forgotten: nobody needs him */
        heard[0] = '\0';
    }
}

/* Told offline and back within a minute: the pause before the next offline doubles, up to 32 times. */
static void a_device_that_flaps_is_damped(void **state)
{
    (void)state;
    int64_t now_ms = 100000, pauses_ms[] = {2000, 4000, 8000, 16000, 32000, 64000, 64000};
    presence_watch(&presence, alice, SLICE("bob"));
    for (size_t i = 0; i < sizeof pauses_ms / sizeof pauses_ms[0]; i++) {
        presence_came(&presence, SLICE("bob"), now_ms);
        presence_went(&presence, SLICE("bob"), now_ms, 0);
        presence_answer(&presence, alice, SLICE("bob"), ALL, 0);
        assert_int_equal(presence_turn(&presence, now_ms), now_ms + pauses_ms[i]);
        now_ms += pauses_ms[i];
        heard[0] = '\0';
        (void)presence_turn(&presence, now_ms);
        expect("ask 1 1 bob;");
        now_ms += 1000;
    }
    now_ms += 60000; /* she stayed away: that was that */
    presence_came(&presence, SLICE("bob"), now_ms);
    presence_went(&presence, SLICE("bob"), now_ms, 0);
    presence_answer(&presence, alice, SLICE("bob"), ALL, 0);
    assert_int_equal(presence_turn(&presence, now_ms), now_ms + 2000);
}

static void what_is_shown_may_change(void **state)
{
    (void)state;
    presence_came(&presence, SLICE("bob"), 1);
    presence_watch(&presence, alice, SLICE("bob"));
    presence_answer(&presence, alice, SLICE("bob"), ALL, 0);
    expect("ask 1 1 bob;tell 1 bob online;");
    presence_changed(&presence, SLICE("bob"));
    presence_changed(&presence, SLICE("nobody"));
    expect("ask 1 1 bob;");
    presence_answer(&presence, alice, SLICE("bob"), 0, 0);
    expect("tell 1 bob hidden;");
    presence_ask_session(&presence, alice);
    presence_ask_session(&presence, bob);
    presence_ask_everybody(&presence);
    expect("ask 1 1 bob;ask 1 1 bob;");
}

static void two_who_met_see_each_other(void **state)
{
    (void)state;
    assert_int_equal(presence_turn(&presence, 1000), INT64_MAX);
    presence_watch(&presence, alice, SLICE("bob"));
    presence_answer(&presence, alice, SLICE("bob"), 0, 0);
    expect("ask 1 1 bob;tell 1 bob hidden;");
    assert_int_equal(presence_turn(&presence, 1000), 1000 + PRESENCE_AGAIN_MS);
    expect("");
    (void)presence_turn(&presence, 1000 + PRESENCE_AGAIN_MS);
    presence_answer(&presence, alice, SLICE("bob"), ALL, 65);
    expect("ask 1 1 bob;tell 1 bob offline 60;");
    assert_int_equal(presence_turn(&presence, 1001 + 2 * PRESENCE_AGAIN_MS), INT64_MAX);
    expect("");
}

/* A question is dropped when too many wait: that of who watches as well as that of a change. */
static void what_was_not_answered_is_asked_again(void **state)
{
    (void)state;
    assert_int_equal(presence_turn(&presence, 1000), INT64_MAX);
    presence_watch(&presence, alice, SLICE("bob"));
    expect("ask 1 1 bob;");
    assert_int_equal(presence_turn(&presence, 2000), 1000 + PRESENCE_AGAIN_MS);
    expect("");
    (void)presence_turn(&presence, 1000 + PRESENCE_AGAIN_MS);
    presence_answer(&presence, alice, SLICE("bob"), ALL, 65);
    expect("ask 1 1 bob;tell 1 bob offline 60;");
    assert_int_equal(presence_turn(&presence, 2 * PRESENCE_AGAIN_MS), INT64_MAX);
    presence_came(&presence, SLICE("bob"), 2 * PRESENCE_AGAIN_MS);
    expect("ask 1 1 bob;");
    (void)presence_turn(&presence, 3 * PRESENCE_AGAIN_MS);
    presence_answer(&presence, alice, SLICE("bob"), ALL, 65);
    expect("ask 1 1 bob;tell 1 bob online;");
}

static int asked_by[4]; /* session */

static void count_ask(void *ctx, session_ref session, int64_t watcher_user_id, struct slice user)
{
    (void)ctx, (void)watcher_user_id, (void)user;
    asked_by[session]++;
}

/* Where there are more than are asked for at once, those behind have their turn. */
static void each_has_its_turn(void **state)
{
    (void)state;
    const int watchers = 2, users = LIMIT_WATCHED_USERS;
    struct session *session[] = {alice, bob};
    assert_int_equal(presence_turn(&presence, 0), INT64_MAX);
    presence.again_max = (size_t)users;
    presence.port.ask = count_ask;
    for (int i = 0; i < watchers * users; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "u%d", i % users);
        presence_watch(&presence, session[i / users], slice_of(name));
    }
    memset(asked_by, 0, sizeof asked_by);
    assert_int_equal(presence_turn(&presence, PRESENCE_AGAIN_MS), PRESENCE_AGAIN_MS + PRESENCE_REST_MS);
    assert_true(asked_by[1] == users && asked_by[2] == 0);
    assert_int_equal(presence_turn(&presence, PRESENCE_AGAIN_MS + PRESENCE_REST_MS),
                     2 * PRESENCE_AGAIN_MS + PRESENCE_REST_MS);
    assert_true(asked_by[1] == users && asked_by[2] == users);
}

static void unwatched_and_gone_are_not_told(void **state)
{
    (void)state;
    presence_watch(&presence, alice, SLICE("bob"));
    presence_watch(&presence, bob, SLICE("alice"));
    presence_unwatch(&presence, alice, SLICE("bob"));
    presence_forget_session(&presence, bob);
    expect("ask 1 1 bob;ask 2 2 alice;");
    presence_came(&presence, SLICE("bob"), 1);
    presence_came(&presence, SLICE("alice"), 1);
    presence_answer(&presence, alice, SLICE("bob"), ALL, 1);
    presence_unwatch(&presence, alice, SLICE("nobody"));
    expect("");
}

static void no_more_than_the_limit(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT_WATCHED_USERS + 10; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "u%d", i);
        presence_watch(&presence, alice, slice_of(name));
        heard[0] = '\0';
    }
    assert_int_equal(alice->watches_len, LIMIT_WATCHED_USERS);
}

static void unused_identities_are_forgotten(void **state)
{
    (void)state;
    char name[20];
    int known = 0;
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "u%d:d", i);
        identities_make_room(&identities);
        assert_non_null(identities_add(&identities, slice_of(name), 100 + i, i, false));
        assert_non_null(identities_find(&identities, slice_of(name)));
        assert_true(identities.by_client_id.len <= 10);
    }
    assert_int_equal(identities.max, 10);
    assert_non_null(identities_find(&identities, SLICE("alice:phone"))); /* it has a session */
    for (int i = 0; i < 200; i++) {                                      /* whichever goes, in the end all do */
        (void)snprintf(name, sizeof name, "u%d:d", i);
        known += identities_find(&identities, slice_of(name)) != NULL;
    }
    assert_int_equal(known, 0);
    identities_forget_idle(&identities);
    assert_int_equal(identities.by_client_id.len, 2);
    identities_remove(&identities, alice->identity);
    assert_null(identities_find(&identities, SLICE("alice:phone")));
    assert_true(slice_equal(identity_device(alice->identity).user, SLICE("alice"))); /* the session keeps it */
    assert_null(identities_add(&identities, SLICE("no client id"), 1, 1, false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(state_at_once_then_changes),
        TEST(a_short_absence_is_no_story),
        TEST(hidden_until_it_is_not),
        TEST(unwatched_and_gone_are_not_told),
        TEST(two_who_met_see_each_other),
        TEST(what_was_not_answered_is_asked_again),
        TEST(each_has_its_turn),
        TEST(no_more_than_the_limit),
        TEST(online_and_last_seen_are_shown_separately),
        TEST(a_device_that_flaps_is_damped),
        TEST(what_is_shown_may_change),
        TEST(unused_identities_are_forgotten),
    };
    return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
