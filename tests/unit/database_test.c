/* A connection for a thread that waits. link: sync-service/database.c sync-service/primary.c sync-service/pg_status.c
 * link: sync-service/pg_wire.c sync-service/log.c sync-service/clock.c sync-service/thread.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "false_server.h"
#include "sync-service/database.h"

/* It was not refused, so nobody may go on as if it were. */
static void a_question_without_memory_is_asked_again(void **state)
{
    (void)state;
    struct database database;
    PGresult *result = NULL;
    assert_int_equal(database_init(&database, NULL, "test"), STATUS_OK);
    pg_params_begin(&database.params);
    database.params.is_short = true;
    assert_int_equal(database_ask(&database, "select 1", DATABASE_TEXT, &result), STATUS_UNAVAILABLE);
    assert_null(result);
    assert_int_equal(database.connections, 0);
    database_done(&database);
}

/* It says who it is, and then no more: a thread that sets its connection up does not wait for it for ever. */
static void a_server_that_hangs_holds_up_nobody(void **state)
{
    (void)state;
    struct false_server server = {.system_id = 7, .timeline = 1, .answers_max = 1};
    struct primary *primary;
    struct database database;
    char conninfo[100];
    false_server_start(&server);
    (void)snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%u user=x sslmode=disable gssencmode=disable",
                   server.port);
    assert_int_equal(primary_new(conninfo, "", &primary), STATUS_OK);
    assert_int_equal(database_init(&database, primary, "test"), STATUS_OK);
    assert_int_equal(database_set_up(&database, "set gnatter.x = 1"), STATUS_OK);
    database.answer_wait_ms = 2000; /* enough for what it does answer, on a machine that is busy */
    assert_false(database_connect(&database));
    assert_int_equal(atomic_load(&server.asked), 2);
    assert_null(database.conn);
    database_done(&database);
    primary_free(primary);
    false_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_without_memory_is_asked_again),
        cmocka_unit_test(a_server_that_hangs_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
