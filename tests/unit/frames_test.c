/*
 * Frames from a broker: one after the other of one life, or the link starts over; and revocations behind their list.
 * link: sync-service/ingest/frames.c sync-service/ingest/revoked.c sync-service/ingest/sessions.c
 * link: sync-service/log.c sync-service/clock.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sync-service/ingest/hub_state.h"
#include "sync-service/log.h"
#include "sync-service/metrics.h"

static struct hub the_hub;
static char told[2048]; /* what the others were told, one after the other */
static enum status known;
struct metrics metrics;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    size_t len = strlen(told);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(told + len, sizeof told - len, format, args);
    va_end(args);
}

/* ---- the others ---- */
const char *broker_link_uri(const struct broker_link *link)
{
    (void)link;
    return "";
}

void broker_link_welcomed(struct broker_link *link, uint64_t life, uint64_t boot, uint64_t first_position)
{
    (void)link, (void)life, (void)boot;
    say("welcomed %d;", (int)first_position);
}

void broker_link_counted(struct broker_link *link, const struct frame_op *op)
{
    (void)link, (void)op;
    say("counted;");
}

void broker_link_frame_taken(struct broker_link *link, uint64_t life, uint64_t number)
{
    (void)link, (void)life;
    say("taken %d;", (int)number);
}

void broker_link_drop(struct broker_link *link, uint64_t life, const char *why)
{
    (void)link, (void)life;
    say("dropped: %s;", why);
}

void broker_link_frame_free(struct broker_link *link, struct link_frame *frame)
{
    (void)link, (void)frame;
}

void clerk_ask_revocations(struct clerk *clerk, uint64_t number)
{
    (void)clerk;
    say("ask list %d;", (int)number);
}

void courier_put(struct courier *courier, uint32_t link, const struct frame_op *op)
{
    (void)courier, (void)link;
    if (op->type == DOWN_REVOKE)
        say("revoke %.*s %d%s;", (int)op->revoke.name.len, op->revoke.name.at, (int)op->revoke.valid_after_s,
            op->revoke.kick ? " kick" : "");
    else
        say("%s;", op->type == DOWN_REVOKED_BEGIN ? "begin" : "end");
}

enum status lookup_frame(struct hub *hub, const struct link_frame *frame)
{
    (void)hub, (void)frame;
    return known;
}

void records_take(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    (void)hub, (void)link;
    say("record %d;", (int)op->record.position);
}

void live_link_up(struct hub *hub, uint32_t link, uint64_t life)
{
    (void)hub, (void)link;
    say("up %d;", (int)life);
}

void live_backlog_taken(struct hub *hub, uint32_t link)
{
    hub->links[link].has_backlog = false;
    say("backlog taken;");
}

void live_connected(struct hub *hub, uint32_t link, const struct frame_op *op)
{
    (void)hub, (void)link;
    say("connected %u;", op->connected.session);
}

void live_subscribed(struct hub *hub, struct session *session)
{
    (void)hub, (void)session;
}

void live_unready(struct hub *hub, struct session *session)
{
    (void)hub, (void)session;
}

void live_gone(struct hub *hub, struct session *session)
{
    (void)hub, (void)session;
}

void presence_watch(struct presence *presence, struct session *session, struct slice user)
{
    (void)presence, (void)session, (void)user;
}

void presence_unwatch(struct presence *presence, struct session *session, struct slice user)
{
    (void)presence, (void)session, (void)user;
}

void identity_release(struct identity *identity)
{
    (void)identity;
}

/* ---- what arrives ---- */
static struct frame_op welcome(uint64_t tail, uint64_t head)
{
    return (struct frame_op){.type = UP_WELCOME, .welcome = {tail, head, SLICE("node")}};
}

static struct frame_op record(uint64_t position)
{
    return (struct frame_op){
        .type = UP_RECORD,
        .record = {.position = position, .client_id = SLICE("alice:phone"), .topic = SLICE("ack/u/bob/1")}};
}

/* One frame of one op; what was told. */
static const char *arrives(uint64_t life, char direction, uint64_t boot, uint64_t number, struct frame_op op)
{
    unsigned char buf[512];
    struct frame_writer writer;
    frame_begin(&writer, buf, sizeof buf);
    assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    struct link_frame frame = {.bytes = buf, .len = frame_finish(&writer, direction, boot, number)};
    told[0] = '\0';
    frames_take(&the_hub, 0, life, &frame);
    return told;
}

static int setup(void **state)
{
    (void)state;
    memset(&the_hub, 0, sizeof the_hub);
    static struct broker_link *const links[1];
    the_hub.options.links = links;
    the_hub.options.links_len = 1;
    known = STATUS_OK;
    return 0;
}

/* ---- tests ---- */
static void one_after_the_other(void **state)
{
    (void)state;
    assert_string_equal(arrives(1, 'U', 7, 1, welcome(5, 7)), "welcomed 5;up 1;ask list 1;taken 1;");
    assert_string_equal(arrives(1, 'U', 7, 2, record(5)), "record 5;taken 2;");
    assert_string_equal(arrives(1, 'U', 7, 3, record(6)), "record 6;backlog taken;taken 3;");
    assert_string_equal(arrives(1, 'U', 7, 4, record(7)), "record 7;taken 4;");
}

/* A frame that the broker could not queue is gone: what it held is asked for again, and nothing behind it is taken
 * before. */
static void a_gap_starts_the_link_over(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t boot, number;
        char direction;
        const char *told;
    } cases[] = {
        {"one is missing", 7, 3, 'U', "dropped: a gap in its frames;"},
        {"the same again", 7, 1, 'U', "dropped: a gap in its frames;"},
        {"another broker's life", 8, 2, 'U', "dropped: a gap in its frames;"},
        {"it is one of ours", 7, 2, 'D', "dropped: malformed;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)setup(NULL);
        (void)arrives(1, 'U', 7, 1, welcome(5, 5));
        struct frame_op op = cases[i].direction == 'U' ? record(5) : (struct frame_op){.type = DOWN_REVOKED_BEGIN};
        const char *was = arrives(1, cases[i].direction, cases[i].boot, cases[i].number, op);
        if (strcmp(was, cases[i].told) != 0)
            fail_msg("%s: %s", cases[i].why, was);
        assert_string_equal(arrives(2, 'U', 8, 1, welcome(5, 5)), "welcomed 5;up 2;ask list 2;taken 1;");
    }
}

static void only_welcome_begins(void **state)
{
    (void)state;
    assert_string_equal(arrives(1, 'U', 7, 4, record(5)), ""); /* was meant for an older link */
    assert_string_equal(arrives(1, 'U', 7, 1, record(5)), "dropped: malformed;");
    (void)arrives(1, 'U', 7, 1, welcome(5, 5));
    assert_string_equal(arrives(1, 'U', 7, 2, welcome(5, 5)), "dropped: malformed;");
}

/* Nothing of a frame is done before it is known who it is about. */
static void an_unknown_answer_takes_nothing(void **state)
{
    (void)state;
    (void)arrives(1, 'U', 7, 1, welcome(5, 5));
    known = STATUS_UNAVAILABLE;
    assert_string_equal(arrives(1, 'U', 7, 2, record(5)), "dropped: unavailable;");
}

/* What is revoked while the list is being read may not be in it. */
static void revocations_follow_their_list(void **state)
{
    (void)state;
    (void)arrives(1, 'U', 7, 1, welcome(5, 5));
    told[0] = '\0';
    revoked_one(&the_hub, SLICE("bob"), 9);
    assert_string_equal(told, "revoke bob 9 kick;");
    (void)arrives(2, 'U', 8, 1, welcome(5, 5));
    told[0] = '\0';
    revoked_told(&the_hub, 1, SLICE("carol 3\n")); /* an older one */
    assert_string_equal(told, "");
    revoked_told(&the_hub, 2, SLICE("alice:phone 5\ncarol 3\n"));
    assert_string_equal(told, "begin;revoke alice:phone 5;revoke carol 3;end;revoke bob 9 kick;");
    told[0] = '\0';
    revoked_one(&the_hub, SLICE("dave"), 10);
    revoked_told(&the_hub, 2, SLICE(""));
    assert_string_equal(told, "revoke dave 10 kick;begin;end;"); /* it was told: the next list has it */
    free(the_hub.revoked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_after_the_other, setup),
        cmocka_unit_test_setup(a_gap_starts_the_link_over, setup),
        cmocka_unit_test_setup(only_welcome_begins, setup),
        cmocka_unit_test_setup(an_unknown_answer_takes_nothing, setup),
        cmocka_unit_test_setup(revocations_follow_their_list, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
