/*
 * The clerk, with a database that says what the test wants.
 * link: sync-service/clerk.c sync-service/mailbox.c
 * link: sync-service/pg_wire.c sync-service/thread.c sync-service/log.c
 * link: sync-service/ingest/revoked.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "sync-service/clerk.h"
#include "sync-service/clock.h"
#include "sync-service/ingest/hub_state.h"
#include "sync-service/metrics.h"
#include "sync-service/push/pusher.h"
#include "sync-service/quota.h"

struct metrics metrics;
static char asked[4096]; /* the functions, in order */
static enum status list_answers[4];
static size_t list_answers_len, list_answers_at;
static bool asks_meanwhile; /* another list is asked for while the database refuses one */
static int sweeps_wanted;   /* so often it says that there is more */
static atomic_int sweeps;
static atomic_bool takes_no_changes; /* the database */
static atomic_int refusals;

/* ---- the clock, which can stand still ---- */
static atomic_bool stands_still;
static _Atomic int64_t time_ms;

int64_t clock_monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (!atomic_load(&stands_still))
        atomic_store(&time_ms, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return atomic_load(&time_ms);
}

/* Until it is there, or long enough. */
static void wait_for(atomic_int *count, int wanted)
{
    for (int i = 0; i < 10000 && atomic_load(count) < wanted; i++)
        (void)poll(NULL, 0, 1);
}

/* ---- the database ---- */
enum status database_init(struct database *database, struct primary *primary, const char *name)
{
    (void)primary, (void)name;
    memset(database, 0, sizeof *database);
    return STATUS_OK;
}

void database_done(struct database *database)
{
    pg_params_free(&database->params);
}

static PGresult *swept(bool is_more)
{
    PGresAttDesc columns[] = {{.name = (char[]){"gone"}}, {.name = (char[]){"is_more"}}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    (void)PQsetResultAttrs(result, 2, columns);
    (void)PQsetvalue(result, 0, 0, (char[]){0, 0, 0, 0}, 4);
    (void)PQsetvalue(result, 0, 1, (char[]){is_more}, 1);
    return result;
}

static PGresult *rows(char *text)
{
    PGresAttDesc column = {.name = (char[]){"x"}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    (void)PQsetResultAttrs(result, 1, &column); /* without memory the test fails anyway */
    if (text != NULL)
        (void)PQsetvalue(result, 0, 0, text, (int)strlen(text));
    return result;
}

static struct hub the_hub;

enum status database_ask(struct database *database, const char *sql, enum database_format format, PGresult **ret_result)
{
    (void)database, (void)format;
    const char *name = strstr(sql, "gnatter.") + strlen("gnatter.");
    size_t len = strlen(asked);
    if (strncmp(name, "timer_sweep", 11) == 0) {
        *ret_result = swept(atomic_fetch_add(&sweeps, 1) + 1 < sweeps_wanted);
        return STATUS_OK;
    }
    (void)snprintf(asked + len, sizeof asked - len, "%.*s;", (int)strcspn(name, "("), name);
    if (strncmp(name, "device", 6) == 0 && atomic_load(&takes_no_changes)) {
        atomic_fetch_add(&refusals, 1);
        return STATUS_DENIED;
    }
    bool is_list = strncmp(name, "revocations", 11) == 0;
    if (is_list && list_answers_at < list_answers_len) {
        if (asks_meanwhile)
            revoked_ask(&the_hub);
        return list_answers[list_answers_at++];
    }
    *ret_result = rows(is_list ? "alice 7\n" : NULL);
    return STATUS_OK;
}

void quota_turn(struct quota *quota, struct database *database, int64_t now_ms, int64_t *due_ms)
{
    (void)quota, (void)database, (void)now_ms, (void)due_ms;
}

void pusher_note_gone(struct pusher *pusher, const int64_t device_ids[], size_t len)
{
    (void)pusher, (void)device_ids, (void)len;
}

void pusher_note_everybody(struct pusher *pusher)
{
    (void)pusher;
    size_t len = strlen(asked);
    (void)snprintf(asked + len, sizeof asked - len, "everybody;");
}

/* ---- the hub: what goes to its links; it is called by the clerk's thread here, while the test waits for its end ----
 */
static char told[1024];
static atomic_int lists_told;

void courier_put(struct courier *courier, uint32_t link, const struct frame_op *op)
{
    size_t len = strlen(told);
    (void)courier;
    if (op->type == DOWN_REVOKE)
        (void)snprintf(told + len, sizeof told - len, "%u %.*s %d%s;", link, (int)op->revoke.name.len,
                       op->revoke.name.at, (int)op->revoke.valid_after_s, op->revoke.kick ? " kick" : "");
    else
        (void)snprintf(told + len, sizeof told - len, "%u %s;", link, op->type == DOWN_REVOKED_BEGIN ? "begin" : "end");
}

static void on_revocations(void *ctx, uint64_t number, struct slice lines)
{
    revoked_told(ctx, number, lines);
    atomic_fetch_add(&lists_told, 1);
}

static atomic_int losses;

static void on_lost(void *ctx)
{
    const struct hub *hub = ctx;
    clerk_reset(hub->options.clerk);
    clerk_device_still_live(hub->options.clerk, 7);
    atomic_fetch_add(&losses, 1);
}

static int setup(void **state)
{
    (void)state;
    const struct clerk_options options = {
        .ctx = &the_hub, .name = "test", .on_revocations = on_revocations, .on_lost = on_lost};
    memset(&the_hub, 0, sizeof the_hub);
    the_hub.options.links_len = 1;
    the_hub.links[0].life = 1;
    asked[0] = told[0] = '\0';
    list_answers_len = list_answers_at = 0;
    asks_meanwhile = false;
    atomic_store(&lists_told, 0);
    atomic_store(&stands_still, false);
    atomic_store(&sweeps, 0);
    atomic_store(&losses, 0);
    atomic_store(&takes_no_changes, false);
    atomic_store(&refusals, 0);
    sweeps_wanted = 0;
    return clerk_new(&options, &the_hub.options.clerk) != STATUS_OK;
}

static int teardown(void **state)
{
    (void)state;
    clerk_free(the_hub.options.clerk);
    free(the_hub.revoked);
    return 0;
}

/* All that waits for it is done. */
static void clerk_works(void)
{
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
}

/* ---- whose tokens are void ---- */
static void a_list_answers_all_who_asked(void **state)
{
    (void)state;
    revoked_ask(&the_hub);
    revoked_ask(&the_hub);
    revoked_one(&the_hub, SLICE("bob"), 9);
    clerk_works();
    assert_string_equal(asked, "devices_reset;revocations;");
    assert_string_equal(told, "0 bob 9 kick;0 begin;0 alice 7;0 end;0 bob 9 kick;");
    told[0] = '\0';
    revoked_one(&the_hub, SLICE("carol"), 9);
    assert_string_equal(told, "0 carol 9 kick;");
    assert_int_equal(the_hub.revoked_len, 0); /* no list is on its way that could be older */
}

static void an_older_list_is_not_told(void **state)
{
    (void)state;
    revoked_ask(&the_hub);
    revoked_ask(&the_hub);
    revoked_one(&the_hub, SLICE("bob"), 9);
    told[0] = '\0';
    revoked_told(&the_hub, 1, SLICE("alice 7\n"));
    assert_string_equal(told, "");
    revoked_told(&the_hub, 2, SLICE("alice 8\n"));
    assert_string_equal(told, "0 begin;0 alice 8;0 end;0 bob 9 kick;");
}

static void a_list_that_fails_is_asked_for_again(void **state)
{
    (void)state;
    list_answers[0] = STATUS_UNAVAILABLE;
    list_answers[1] = STATUS_DENIED;
    list_answers_len = 2;
    revoked_ask(&the_hub);
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&lists_told, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_string_equal(told, "0 begin;0 alice 7;0 end;");
}

/* What is asked for again stands behind what was asked for since: the list is as new as the newest of them. */
static void a_list_that_fails_holds_up_no_newer_one(void **state)
{
    (void)state;
    list_answers[0] = STATUS_DENIED;
    list_answers_len = 1;
    asks_meanwhile = true;
    revoked_ask(&the_hub);
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&lists_told, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_string_equal(told, "0 begin;0 alice 7;0 end;");
    assert_int_equal(the_hub.list_told, 2);
}

/* Who is connected to the database can have the same looked up as often as he likes. */
static void the_same_is_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        revoked_one(&the_hub, SLICE("bob"), 9);
    assert_string_equal(told, "0 bob 9 kick;");
    revoked_one(&the_hub, SLICE("bob"), 10);
    revoked_one(&the_hub, SLICE("bob:phone"), 10);
    assert_string_equal(told, "0 bob 9 kick;0 bob 10 kick;0 bob:phone 10 kick;");
}

/* ---- messages that disappear ---- */
static void while_there_is_more_to_erase_it_goes_on(void **state)
{
    (void)state;
    sweeps_wanted = 4;
    (void)clock_monotonic_ms();
    atomic_store(&stands_still, true); /* the next turn that is due by time never comes */
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&sweeps, sweeps_wanted);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 20000));
    assert_int_equal(atomic_load(&sweeps), sweeps_wanted);
}

/* ---- too much ---- */
static void who_is_live_is_told_again_when_too_much_waited(void **state)
{
    (void)state;
    for (int i = 0; i < RUNTIME_CLERK_MAILBOX_BYTES / 64; i++) /* a letter is longer */
        clerk_device_gone(the_hub.options.clerk, i, 1);
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&losses, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_int_equal(atomic_load(&losses), 1);
    const char *end = strstr(asked, "devices_reset;everybody;");
    assert_non_null(end);
    assert_string_equal(end, "devices_reset;everybody;device_live;"); /* behind all that was not lost */
}

static void presence_leaves_room(void **state)
{
    (void)state;
    for (int i = 0; i < RUNTIME_CLERK_MAILBOX_BYTES / 64; i++)
        clerk_ask_presence(the_hub.options.clerk, 1, i, SLICE("alice"));
    for (int i = 0; i < 1000; i++)
        clerk_device_gone(the_hub.options.clerk, i, 1);
    clerk_works();
    assert_non_null(strstr(asked, "device_gone;"));
    assert_int_equal(atomic_load(&losses), 0);
}

/* ---- a database that takes no changes for a while ---- */
static void who_came_and_went_meanwhile_is_told_when_it_takes_changes(void **state)
{
    (void)state;
    atomic_store(&takes_no_changes, true);
    clerk_device_live(the_hub.options.clerk, 7);
    clerk_device_gone(the_hub.options.clerk, 8, 1);
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&refusals, 5); /* each one's, and what is asked before it, at least once again */
    assert_int_equal(atomic_load(&losses), 0);
    atomic_store(&takes_no_changes, false);
    wait_for(&losses, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_int_equal(atomic_load(&losses), 1);
    const char *end = strstr(asked, "everybody;");
    assert_non_null(end);
    assert_string_equal(end, "everybody;device_live;");
}

/* ---- the start ---- */
/* Who was live when an earlier service was killed is not to wait for the first job. */
static void nobody_is_live_at_the_start(void **state)
{
    (void)state;
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&sweeps, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_string_equal(asked, "devices_reset;");
}

/* Where that is refused at first, all who are registered for push have been looked at since, and taken for live. */
static void all_are_looked_at_where_the_start_was_read_only(void **state)
{
    (void)state;
    atomic_store(&takes_no_changes, true);
    assert_int_equal(clerk_start(the_hub.options.clerk), STATUS_OK);
    wait_for(&refusals, 1);
    atomic_store(&takes_no_changes, false);
    wait_for(&losses, 1);
    assert_true(clerk_stop(the_hub.options.clerk, clock_monotonic_ms() + 10000));
    assert_non_null(strstr(asked, "everybody;"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_answers_all_who_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_list_is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_that_fails_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_that_fails_holds_up_no_newer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(while_there_is_more_to_erase_it_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_live_is_told_again_when_too_much_waited, setup, teardown),
        cmocka_unit_test_setup_teardown(presence_leaves_room, setup, teardown),
        cmocka_unit_test_setup_teardown(who_came_and_went_meanwhile_is_told_when_it_takes_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_live_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(all_are_looked_at_where_the_start_was_read_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
