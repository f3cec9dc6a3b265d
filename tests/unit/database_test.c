/* A connection for a thread that waits. link: sync-service/database.c sync-service/primary.c sync-service/pg_status.c
 * link: sync-service/pg_wire.c sync-service/log.c sync-service/clock.c sync-service/thread.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_question_without_memory_is_asked_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
