/* Notifications, which anybody can send. link: sync-service/hints.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "no_memory.h"
#include "sync-service/hints.h"

static char passed[256];

static void pass(void *ctx, const char *text)
{
    (void)ctx;
    size_t len = strlen(passed);
    (void)snprintf(passed + len, sizeof passed - len, "%s;", text);
}

static const char *turn(struct hints *hints, int64_t now_ms)
{
    passed[0] = '\0';
    hints_turn(hints, now_ms, pass, NULL);
    return passed;
}

static void at_once_and_then_it_rests(void **state)
{
    struct hints hints;
    (void)state;
    hints_init(&hints);
    assert_int_equal(hints.due_ms, INT64_MAX);
    assert_true(hints_take(&hints, "c g/a", 50, 1000));
    assert_true(hints_take(&hints, "p a", 200, 1000));
    for (int i = 1; i < HINT_PASSES; i++)
        assert_true(hints_take(&hints, "c g/a", 50, 1000));
    for (int64_t now_ms = 1001; now_ms < 1050; now_ms++) { /* however often it comes, it is one */
        assert_false(hints_take(&hints, "c g/a", 50, now_ms));
        assert_string_equal(turn(&hints, now_ms), "");
        assert_int_equal(hints.due_ms, 1050);
    }
    assert_string_equal(turn(&hints, 1050), "c g/a;");
    assert_false(hints_take(&hints, "c g/a", 50, 1051)); /* it rests again */
    assert_string_equal(turn(&hints, 1100), "c g/a;");
    assert_string_equal(turn(&hints, 1150), ""); /* nobody said it again */
    assert_true(hints_take(&hints, "c g/a", 50, 1151));
    assert_int_equal(hints.due_ms, 1200);
    assert_string_equal(turn(&hints, 2000), "");
    assert_int_equal(hints.due_ms, INT64_MAX);
    hints_forget(&hints);
}

static void so_many_at_a_time(void **state)
{
    struct hints hints;
    char text[HINT_LEN_MAX + 1];
    (void)state;
    hints_init(&hints);
    for (int i = 0; i < HINTS_MAX; i++) {
        assert_false(hints_are_full(&hints));
        (void)snprintf(text, sizeof text, "c g/%d", i);
        assert_true(hints_take(&hints, text, 50, i));
    }
    assert_true(hints_are_full(&hints));
    assert_string_equal(turn(&hints, 49), "");
    assert_true(hints_are_full(&hints));
    assert_string_equal(turn(&hints, 50), "");
    assert_false(hints_are_full(&hints));
    hints_forget(&hints);
    assert_false(hints_are_full(&hints));
    assert_int_equal(hints.due_ms, INT64_MAX);
    assert_true(hints_take(&hints, "c g/400", 50, 51)); /* nothing is left of it */
    hints_forget(&hints);
}

static bool all_pass(void)
{
    struct hints hints;
    hints_init(&hints);
    for (int i = 0; i < 2 * HINT_PASSES; i++)
        if (!hints_take(&hints, "c g/cooks", 50, 0))
            return false;
    return !hints_are_full(&hints);
}

static void without_memory_all_pass(void **state)
{
    (void)state;
    assert_without_memory(all_pass, 112); /* for a hint, not for a table of them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once_and_then_it_rests),
        cmocka_unit_test(so_many_at_a_time),
        cmocka_unit_test(without_memory_all_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
