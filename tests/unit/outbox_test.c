/* Frames in the making. link: sync-service/outbox.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "sync-service/outbox.h"

static struct parcel parcel;

static enum status put(const char *payload, size_t len, uint32_t session)
{
    unsigned char sessions[4];
    frame_session_put(sessions, 0, session);
    struct frame_op op = {.type = DOWN_DELIVER};
    op.deliver.flags = 0;
    op.deliver.qos = 1;
    op.deliver.tail = SLICE("synced");
    op.deliver.payload = (struct slice){payload, len};
    op.deliver.correlation = (struct slice){NULL, 0};
    op.deliver.sessions = sessions;
    op.deliver.sessions_len = 1;
    return parcel_put(&parcel, &op);
}

/* The sessions of a finished frame's deliveries, in order. */
static size_t read_back(struct outbox_frame *frame, uint32_t sessions[], size_t max)
{
    struct frame_reader reader;
    struct frame_op op;
    size_t len = frame_finish(&frame->writer, 'D', 1, 1), n = 0;
    assert_int_equal(frame_open(&reader, frame->buf, len), STATUS_OK);
    enum status status;
    while ((status = frame_next(&reader, &op)) == STATUS_OK && n < max)
        if (op.type == DOWN_DELIVER)
            sessions[n++] = frame_session(&op, 0);
    assert_int_equal(status, STATUS_NOT_FOUND);
    return n;
}

static void parcels_share_a_frame_in_order(void **state)
{
    (void)state;
    struct outbox outbox;
    uint32_t sessions[8];
    outbox_init(&outbox);
    assert_true(outbox_is_empty(&outbox));
    for (uint32_t i = 1; i <= 4; i++) {
        parcel_begin(&parcel);
        assert_true(parcel_is_empty(&parcel));
        assert_int_equal(put("x", 1, i), STATUS_OK);
        assert_int_equal(outbox_put(&outbox, &parcel), STATUS_OK);
    }
    struct outbox_frame *frame = outbox_take(&outbox);
    assert_int_equal(read_back(frame, sessions, 8), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(sessions[i], i + 1);
    assert_true(outbox_is_empty(&outbox));
    assert_int_equal(outbox.bytes, 0);
    outbox_recycle(&outbox, frame);
    outbox_done(&outbox);
}

static void a_full_parcel_still_leaves_room_for_the_ack(void **state)
{
    (void)state;
    struct outbox outbox;
    static char payload[10000];
    struct frame_op ack = {.type = DOWN_ACK};
    ack.ack.frame_number = 1;
    ack.ack.position = 2;
    outbox_init(&outbox);
    for (int frames = 0; frames < 3; frames++) {
        parcel_begin(&parcel);
        size_t len = sizeof payload;
        while (len > 0) /* to the last byte */
            if (put(payload, len, 7) != STATUS_OK)
                len /= 2;
        assert_int_equal(outbox_put(&outbox, &parcel), STATUS_OK);
    }
    for (int frames = 0; frames < 3; frames++) { /* each needed a frame of its own */
        struct outbox_frame *frame = outbox_take(&outbox);
        assert_int_equal(frame_put(&frame->writer, &ack), STATUS_OK);
        outbox_recycle(&outbox, frame);
    }
    assert_true(outbox_is_empty(&outbox));
    outbox_done(&outbox);
}

static void clearing_forgets_and_an_empty_one_gives_an_empty_frame(void **state)
{
    (void)state;
    struct outbox outbox;
    uint32_t sessions[1];
    outbox_init(&outbox);
    parcel_begin(&parcel);
    assert_int_equal(put("x", 1, 1), STATUS_OK);
    assert_int_equal(outbox_put(&outbox, &parcel), STATUS_OK);
    outbox_clear(&outbox);
    assert_true(outbox_is_empty(&outbox));
    struct outbox_frame *frame = outbox_take(&outbox);
    assert_int_equal(read_back(frame, sessions, 1), 0);
    outbox_recycle(&outbox, frame);
    outbox_recycle(&outbox, NULL);
    outbox_done(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parcels_share_a_frame_in_order),
        cmocka_unit_test(a_full_parcel_still_leaves_room_for_the_ack),
        cmocka_unit_test(clearing_forgets_and_an_empty_one_gives_an_empty_frame),
    };
    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
