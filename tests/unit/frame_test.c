/* Frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "clients/protocol/frame.h"

static void round_trip(void **state)
{
    (void)state;
    unsigned char buf[512], sessions[8];
    struct frame_writer writer;
    struct frame_reader reader;
    struct frame_op op = {.type = DOWN_DELIVER};
    frame_session_put(sessions, 0, 7);
    frame_session_put(sessions, 1, 9);
    op.deliver.qos = 1;
    op.deliver.tail = SLICE("synced");
    op.deliver.payload = SLICE("{}");
    op.deliver.sessions = sessions;
    op.deliver.sessions_len = 2;
    frame_begin(&writer, buf, sizeof buf);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    op.deliver.flags = DELIVER_SAME_PAYLOAD;
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    size_t len = frame_finish(&writer, 'D', 5, 1);
    assert_int_equal(frame_open(&reader, buf, len), STATUS_OK);
    struct frame_op got;
    assert_int_equal(frame_next(&reader, &got), STATUS_OK);
    assert_int_equal(frame_session(&got, 1), 9);
    assert_int_equal(frame_next(&reader, &got), STATUS_OK);
    assert_true(slice_equal(got.deliver.payload, SLICE("{}")));
    assert_int_equal(frame_next(&reader, &got), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
