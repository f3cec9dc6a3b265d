/* PostgreSQL's binary forms. link: sync-service/pg_wire.c sync-service/pg_status.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sync-service/pg_status.h"
#include "sync-service/pg_wire.h"

#define BYTES(text)                                                                                                    \
    (struct slice)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static struct slice param(const struct pg_params *params, int i)
{
    return (struct slice){params->values[i], (size_t)params->lengths[i]};
}

static void params_as_the_server_reads_them(void **state)
{
    (void)state;
    struct pg_params params = {0};
    for (int again = 0; again < 2; again++) { /* the buffer is used again */
        pg_params_begin(&params);
        pg_bigints(&params);
        pg_put_bigint(&params, 1);
        pg_put_bigint(&params, -2);
        pg_texts(&params);
        pg_put_bytes(&params, SLICE("ab"));
        pg_put_bytes(&params, SLICE(""));
        pg_booleans(&params);
        pg_int(&params, -1);
        pg_bigint(&params, 258);
        pg_text(&params, SLICE("x"));
        assert_int_equal(pg_params_end(&params), STATUS_OK);
        assert_int_equal(params.params, 6);
    }
    /* dimensions, no nulls, type, length, lower bound; then length and bytes of each */
    const struct slice expect[] = {
        BYTES("\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\2\0\0\0\1"
              "\0\0\0\10\0\0\0\0\0\0\0\1\0\0\0\10\xff\xff\xff\xff\xff\xff\xff\xfe"),
        BYTES("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\2"
              "ab\0\0\0\0"),
        BYTES("\0\0\0\1\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\1"),
        BYTES("\xff\xff\xff\xff"),
        BYTES("\0\0\0\0\0\0\1\2"),
        BYTES("x"),
    };
    for (int i = 0; i < 6; i++) {
        assert_int_equal(params.lengths[i], expect[i].len);
        assert_memory_equal(param(&params, i).at, expect[i].at, expect[i].len);
    }
    pg_params_free(&params);
}

static const struct {
    struct slice bytes;
    enum status opens, ends;
    int elements;
    const char *why;
} arrays[] = {
    {BYTES("\0\0\0\0\0\0\0\0\0\0\0\x14"), STATUS_OK, STATUS_NOT_FOUND, 0, "empty: no dimension"},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\5"), STATUS_OK, STATUS_NOT_FOUND, 1,
     "one"},
    {BYTES("\0\0\0\1\0\0\0\1\0\0\0\x14\0\0\0\2\0\0\0\1\xff\xff\xff\xff\0\0\0\10\0\0\0\0\0\0\0\5"), STATUS_OK,
     STATUS_NOT_FOUND, 2, "a null"},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0\5"), STATUS_MALFORMED, 0, 0, "of int"},
    {BYTES("\0\0\0\2\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"), STATUS_MALFORMED, 0, 0, "two dimensions"},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0"), STATUS_OK, STATUS_MALFORMED, 0, "cut"},
    {BYTES("\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\5!"), STATUS_OK, STATUS_MALFORMED, 1,
     "a byte too many"},
    {BYTES("\0\0\0\1\0\0"), STATUS_MALFORMED, 0, 0, "cut in its head"},
};

static void arrays_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        struct pg_array array;
        int64_t value = 0;
        bool is_null;
        assert_int_equal(pg_array_open(&array, arrays[i].bytes), arrays[i].opens);
        if (arrays[i].opens != STATUS_OK)
            continue;
        enum status status;
        int elements = 0;
        while ((status = pg_array_next(&array, &value, &is_null)) == STATUS_OK) {
            elements++;
            assert_true(is_null || value == 5);
        }
        assert_int_equal(elements, arrays[i].elements);
        assert_int_equal(status, arrays[i].ends);
    }
}

static void statuses(void **state)
{
    (void)state;
    const struct {
        const char *sqlstate;
        enum status status;
    } cases[] = {
        {NULL, STATUS_UNAVAILABLE},    {"08006", STATUS_UNAVAILABLE}, {"23505", STATUS_EXISTS},
        {"23514", STATUS_MALFORMED},   {"22P02", STATUS_MALFORMED},   {"25006", STATUS_DENIED},
        {"40P01", STATUS_UNAVAILABLE}, {"57P01", STATUS_UNAVAILABLE}, {"53100", STATUS_UNAVAILABLE},
        {"42883", STATUS_INTERNAL},    {"GN001", STATUS_DENIED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(pg_status(cases[i].sqlstate), cases[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params_as_the_server_reads_them),
        cmocka_unit_test(arrays_read),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests_name("pg_wire", tests, NULL, NULL);
}
