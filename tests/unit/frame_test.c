/* Frames: tests/vectors/frames.tsv, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <sodium.h>
#include "vectors.h"
#include "clients/protocol/frame.h"

/* ---- what an op says, as the vectors write it ---- */
struct said {
    char text[2048];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct said *said, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    said->len += (size_t)vsnprintf(said->text + said->len, sizeof said->text - said->len, format, args);
    va_end(args);
    assert_true(said->len < sizeof said->text);
}

static void say_hex(struct said *said, const char *what, struct slice bytes)
{
    say(said, " %s=", what);
    for (size_t i = 0; i < bytes.len; i++)
        say(said, "%02x", (unsigned char)bytes.at[i]);
}

#define TEXT(slice) (int)(slice).len, (slice).at

static void deliver_say(struct said *said, const struct frame_op *op)
{
    say(said, "%s flags=%d qos=%d tail=%.*s", op->type == DOWN_DELIVER ? "DELIVER" : "PRESENCE", op->deliver.flags,
        op->deliver.qos, TEXT(op->deliver.tail));
    say_hex(said, "correlation", op->deliver.correlation);
    say(said, " sessions=");
    for (uint32_t i = 0; i < op->deliver.sessions_len; i++)
        say(said, "%s%" PRIu32, i > 0 ? "," : "", frame_session(op, i));
    say_hex(said, "payload", op->deliver.payload);
}

static void op_say(struct said *said, const struct frame_op *op)
{
    say(said, "; ");
    switch (op->type) {
    case UP_WELCOME:
        say(said, "WELCOME tail=%" PRIu64 " head=%" PRIu64 " node=%.*s", op->welcome.journal_tail,
            op->welcome.journal_head, TEXT(op->welcome.node));
        break;
    case UP_CONNECTED:
        say(said, "CONNECTED session=%" PRIu32 " version=%d at=%" PRId64 " expires=%" PRId64 " client=%.*s",
            op->connected.session, op->connected.mqtt_version, op->connected.at_ms, op->connected.expires_at_s,
            TEXT(op->connected.client_id));
        break;
    case UP_READY:
        say(said, "READY session=%" PRIu32, op->ready.session);
        break;
    case UP_UNREADY:
        say(said, "UNREADY session=%" PRIu32, op->unready.session);
        break;
    case UP_GONE:
        say(said, "GONE session=%" PRIu32 " reason=%d", op->gone.session, op->gone.reason);
        break;
    case UP_SESSIONS_END:
        say(said, "SESSIONS_END");
        break;
    case UP_RECORD:
        say(said, "RECORD position=%" PRIu64 " at=%" PRId64 " session=%" PRIu32 " client=%.*s topic=%.*s",
            op->record.position, op->record.at_ms, op->record.session, TEXT(op->record.client_id),
            TEXT(op->record.topic));
        say_hex(said, "correlation", op->record.correlation);
        say_hex(said, "payload", op->record.payload);
        break;
    case UP_WATCH:
    case UP_UNWATCH:
        say(said, "%s session=%" PRIu32 " user=%.*s", op->type == UP_WATCH ? "WATCH" : "UNWATCH", op->watch.session,
            TEXT(op->watch.user));
        break;
    case UP_COUNTERS:
        say(said, "COUNTERS");
        for (uint32_t i = 0; i < op->counters.values.len / 8; i++)
            say(said, " %" PRIu64, frame_counter(op, i));
        break;
    case DOWN_HELLO:
        say(said, "HELLO service=%.*s", TEXT(op->hello.service));
        break;
    case DOWN_DELIVER:
    case DOWN_PRESENCE:
        deliver_say(said, op);
        break;
    case DOWN_KICK:
        say(said, "KICK session=%" PRIu32, op->kick.session);
        break;
    case DOWN_REVOKE:
        say(said, "REVOKE name=%.*s after=%" PRId64 " kick=%d", TEXT(op->revoke.name), op->revoke.valid_after_s,
            op->revoke.kick);
        break;
    case DOWN_REVOKED_BEGIN:
        say(said, "REVOKED_BEGIN");
        break;
    case DOWN_REVOKED_END:
        say(said, "REVOKED_END");
        break;
    case DOWN_ACK:
        say(said, "ACK frame=%" PRIu64 " position=%" PRIu64, op->ack.frame_number, op->ack.position);
        break;
    }
}

/* Decodes all, says it, and writes it again: the same bytes. */
static enum status frame_say(const unsigned char *frame, size_t frame_len, struct said *said, bool *ret_comes_back)
{
    static unsigned char again[VECTORS_COLUMN_BYTES];
    struct frame_reader reader;
    struct frame_writer writer;
    struct frame_op op;
    enum status status = frame_open(&reader, frame, frame_len);
    if (status != STATUS_OK)
        return status;
    say(said, "%c boot=%" PRIu64 " number=%" PRIu64, reader.header.direction, reader.header.boot, reader.header.number);
    frame_begin(&writer, again, sizeof again);
    while ((status = frame_next(&reader, &op)) == STATUS_OK) {
        size_t before = writer.len;
        op_say(said, &op);
        assert_int_equal(frame_put(&writer, &op), STATUS_OK);
        assert_int_equal(writer.len - before, frame_op_bytes(&op));
    }
    if (status != STATUS_NOT_FOUND)
        return status;
    size_t len = frame_finish(&writer, reader.header.direction, reader.header.boot, reader.header.number);
    *ret_comes_back = len == frame_len && memcmp(again, frame, len) == 0;
    return STATUS_OK;
}

static void frames(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "frames.tsv");
    while (vectors_next(&vectors, 4)) {
        struct slice hex = vectors.column[1], why = vectors.column[3];
        /* a buffer of just that size, so that the sanitizers see a read beyond it */
        unsigned char *frame = malloc(hex.len > 1 ? hex.len / 2 : 1);
        size_t frame_len;
        struct said said = {.len = 0};
        bool comes_back = false;
        assert_non_null(frame);
        VECTORS_CHECK(&vectors, sodium_hex2bin(frame, hex.len / 2, hex.at, hex.len, NULL, &frame_len, NULL) == 0, why);
        enum status status = frame_say(frame, frame_len, &said, &comes_back);
        if (slice_equal(vectors.column[0], SLICE("refused"))) {
            VECTORS_CHECK(&vectors, status == STATUS_MALFORMED, why);
        } else {
            VECTORS_CHECK(&vectors, status == STATUS_OK, why);
            VECTORS_CHECK(&vectors, slice_equal((struct slice){said.text, said.len}, vectors.column[2]), why);
            VECTORS_CHECK(&vectors, comes_back, why);
        }
        free(frame);
    }
}

/* Every good frame cut at every length is refused. */
static void cut_frames(void **state)
{
    (void)state;
    static struct vectors vectors;
    static unsigned char frame[VECTORS_COLUMN_BYTES];
    vectors_open(&vectors, "frames.tsv");
    while (vectors_next(&vectors, 4)) {
        size_t frame_len;
        if (!slice_equal(vectors.column[0], SLICE("ok")))
            continue;
        assert_int_equal(
            sodium_hex2bin(frame, sizeof frame, vectors.column[1].at, vectors.column[1].len, NULL, &frame_len, NULL),
            0);
        for (size_t len = 0; len < frame_len; len++) {
            struct said said = {.len = 0};
            bool comes_back;
            VECTORS_CHECK(&vectors, frame_say(frame, len, &said, &comes_back) == STATUS_MALFORMED, vectors.column[3]);
        }
    }
}

static unsigned char large[LIMIT_FRAME_BYTES];
static char bytes[LIMIT_FRAME_BYTES];

static void full_frame_is_unchanged(void **state)
{
    (void)state;
    struct frame_op op = {.type = UP_WATCH, .watch = {.session = 1, .user = SLICE("bob")}};
    size_t op_bytes = frame_op_bytes(&op);
    struct frame_writer writer, before;
    frame_begin(&writer, large, FRAME_HEADER_BYTES + 2 * op_bytes); /* just two */
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    before = writer;
    assert_int_equal(frame_put(&writer, &op), STATUS_FULL);
    assert_memory_equal(&before, &writer, sizeof writer);
    frame_begin(&writer, large, FRAME_HEADER_BYTES + 2 * op_bytes - 1); /* one byte less */
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    assert_int_equal(frame_put(&writer, &op), STATUS_FULL);
    assert_int_equal(frame_finish(&writer, 'U', 1, 1), FRAME_HEADER_BYTES + op_bytes);
    frame_begin(&writer, large, FRAME_HEADER_BYTES + op_bytes - 1); /* it will not fit the next one either */
    assert_int_equal(frame_put(&writer, &op), STATUS_TOO_LARGE);
    frame_begin(&writer, large, FRAME_HEADER_BYTES);
    assert_int_equal(frame_finish(&writer, 'U', 1, 1), FRAME_HEADER_BYTES);
}

static void strings_are_limited(void **state)
{
    (void)state;
    struct frame_writer writer;
    struct frame_reader reader;
    struct frame_op got;
    memset(bytes, 'a', sizeof bytes);
    struct slice most = {bytes, UINT16_MAX}, more = {bytes, UINT16_MAX + 1};
    struct frame_op ops[] = {
        {.type = UP_WELCOME, .welcome.node = most},
        {.type = UP_CONNECTED, .connected = {.session = 1, .mqtt_version = 5, .client_id = most}},
        {.type = UP_RECORD, .record = {.client_id = most}},
        {.type = UP_RECORD, .record = {.topic = most}},
        {.type = UP_RECORD, .record = {.correlation = most}},
        {.type = UP_WATCH, .watch = {.session = 1, .user = most}},
        {.type = DOWN_HELLO, .hello.service = most},
        {.type = DOWN_DELIVER, .deliver = {.tail = most}},
        {.type = DOWN_DELIVER, .deliver = {.correlation = most}},
        {.type = DOWN_REVOKE, .revoke.name = most},
    };
    struct slice *const strings[] = {
        &ops[0].welcome.node,        &ops[1].connected.client_id, &ops[2].record.client_id, &ops[3].record.topic,
        &ops[4].record.correlation,  &ops[5].watch.user,          &ops[6].hello.service,    &ops[7].deliver.tail,
        &ops[8].deliver.correlation, &ops[9].revoke.name,
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        frame_begin(&writer, large, sizeof large);
        assert_int_equal(frame_put(&writer, &ops[i]), STATUS_OK);
        size_t len = frame_finish(&writer, ops[i].type < DOWN_HELLO ? 'U' : 'D', 1, 1);
        assert_int_equal(frame_open(&reader, large, len), STATUS_OK);
        assert_int_equal(frame_next(&reader, &got), STATUS_OK);
        *strings[i] = more;
        frame_begin(&writer, large, sizeof large);
        assert_int_equal(frame_put(&writer, &ops[i]), STATUS_TOO_LARGE);
        assert_int_equal(writer.ops, 0);
    }
}

/* What limits.h lets a device publish is always a record that fits a frame. */
static void largest_records_fit(void **state)
{
    (void)state;
    struct frame_writer writer;
    struct frame_op op = {.type = UP_RECORD,
                          .record = {.client_id = {bytes, LIMIT_CLIENT_ID_LEN},
                                     .topic = {bytes, LIMIT_TOPIC_LEN},
                                     .payload = {bytes, LIMIT_MESSAGE_BYTES_MAX}}};
    memset(bytes, 'a', sizeof bytes);
    frame_begin(&writer, large, sizeof large);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    /* an rpc has Correlation Data, and a smaller payload */
    op.record.payload.len = LIMIT_RPC_BYTES;
    op.record.correlation = (struct slice){bytes, UINT16_MAX};
    frame_begin(&writer, large, sizeof large);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    /* and the way down: to each device of the largest group there is a limit for */
    op = (struct frame_op){.type = DOWN_DELIVER,
                           .deliver = {.tail = {bytes, LIMIT_INBOX_TOPIC_LEN},
                                       .payload = {bytes, LIMIT_MESSAGE_BYTES_MAX},
                                       .sessions = (const unsigned char *)bytes,
                                       .sessions_len = LIMIT_GROUP_MEMBERS * 15}};
    frame_begin(&writer, large, sizeof large);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
}

static void same_payload_needs_one(void **state)
{
    (void)state;
    struct frame_writer writer;
    struct frame_op op = {.type = DOWN_DELIVER,
                          .deliver = {.flags = DELIVER_SAME_PAYLOAD, .tail = SLICE("synced"), .payload = SLICE("{}")}};
    struct frame_op presence = {.type = DOWN_PRESENCE, .deliver = {.tail = SLICE("bob"), .payload = SLICE("online")}};
    frame_begin(&writer, large, sizeof large);
    assert_int_equal(frame_put(&writer, &op), STATUS_MALFORMED);
    assert_int_equal(frame_put(&writer, &presence), STATUS_OK);
    assert_int_equal(frame_put(&writer, &op), STATUS_MALFORMED);
    op.deliver.flags = 0;
    size_t whole = frame_op_bytes(&op);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    op.deliver.flags = DELIVER_SAME_PAYLOAD;
    assert_int_equal(frame_op_bytes(&op), whole - 2);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
}

static void sessions_are_little_endian(void **state)
{
    (void)state;
    unsigned char sessions[8] = {0};
    frame_session_put(sessions, 1, 0x01020304);
    assert_memory_equal(sessions, "\0\0\0\0\4\3\2\1", 8);
    struct frame_op op = {.type = DOWN_DELIVER, .deliver = {.sessions = sessions, .sessions_len = 2}};
    assert_true(frame_session(&op, 1) == 0x01020304);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(cut_frames),
        cmocka_unit_test(full_frame_is_unchanged),
        cmocka_unit_test(strings_are_limited),
        cmocka_unit_test(largest_records_fit),
        cmocka_unit_test(same_payload_needs_one),
        cmocka_unit_test(sessions_are_little_endian),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
