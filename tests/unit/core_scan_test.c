/* From subscribed to caught up, and back after what was lost. The notation: core_script.h */
#include <malloc.h>

#include "core_script.h"

static void replay_then_synced(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    PLAY(
        &stage, {"ready bob:phone", "scan bob:phone"},
        {"mark bob:phone g/x alice 4/2", "0 bob:phone read/g/x/2/alice\n0 bob:phone delivered/g/x/4/alice"},
        {"mark bob:phone g/x carol 1/1", "0 bob:phone read/g/x/1/carol"},
        {"counts bob:phone g/large 7 40 3", "0 bob:phone receipts/g/large/7 {\"delivered\":40,\"read\":3}"},
        {"scanned bob:phone g/x 1 bob:phone d/alice/bob 3", "load g/x\nload d/alice/bob"},
        {"loaded g/x last=3 alice=1- bob=1- cursor=bob:phone:1", "page g/x after 1"},
        {"page g/x 2:bob:phone/b2 3:alice:phone/m3",
         "1 bob:phone sent/g/x/2/1000/b2\n1 bob:phone chat/g/x/3/1000/alice:phone/m3"},
        {"loaded d/alice/bob last=4 alice=1- bob=1- cursor=bob:phone:3", "page d/alice/bob after 3"},
        {"page d/alice/bob 4:alice:phone/m4", "1 bob:phone chat/u/alice/4/1000/alice:phone/m4\ncaught-up bob:phone 3"});
    stage_close(&stage);
}

static void live_items_wait_for_the_scan(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    PLAY(&stage, {"chat alice:phone g/x m3", "load g/x"},
         {"loaded g/x last=2 alice=1- bob=1- cursor=bob:phone:1", "append g/x@1 alice:phone/m3"},
         {"ready bob:phone", "scan bob:phone"}, {"appended 3", "done 1"}, /* 2 has to come first */
         {"scanned bob:phone g/x 1", "page g/x after 1"},
         {"page g/x 2:alice:phone/m2 3:alice:phone/m3", "1 bob:phone chat/g/x/2/1000/alice:phone/m2\n"
                                                        "1 bob:phone chat/g/x/3/1000/alice:phone/m3\n"
                                                        "caught-up bob:phone 2"},
         {"chat alice:phone g/x m4", "append g/x@1 alice:phone/m4"},
         {"appended 4", "1 bob:phone chat/g/x/4/1000/alice:phone/m4\ndone 2"});
    stage_close(&stage);
}

static void what_is_loaded_is_taken_to_be_held(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    PLAY(&stage, {"chat alice:phone g/x m3", "load g/x"},
         {"loaded g/x last=2 alice=1- bob=1- cursor=bob:phone:2", "append g/x@1 alice:phone/m3"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, /* no row: it holds 2 */
         {"appended 3", "1 bob:phone chat/g/x/3/1000/alice:phone/m3\ndone 1"});
    stage_close(&stage);
}

static void an_old_ack_takes_nothing_back(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"changed g/x", "load g/x"}, {"loaded g/x last=2 alice=1- bob=1-@2/0 cursor=bob:phone:2", ""},
         {"ready bob:tab", "scan bob:tab"}, {"ack bob:tab g/x 1", "done 1"}, {"scanned", "caught-up bob:tab 0"},
         {"ready bob:tab", "flush bob:tab@g/x=1\nscan bob:tab"}, {"flushed", ""}, {"scanned", "caught-up bob:tab 0"});
    stage_close(&stage);
}

static void the_scan_sees_every_mark(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ack bob:phone g/x 2", "done 1\nload g/x"}, {"loaded g/x last=2 alice=1- bob=1-", "senders g/x 0..2"},
         {"ready bob:phone", "flush bob:phone@g/x=2 bob@g/x=2/0\nscan bob:phone"}, {"flushed", ""},
         {"scanned", "caught-up bob:phone 0"}, {"ack bob:tab g/x 1", "done 2"}, {"wait 500", "flush bob:tab@g/x=1"},
         {"ack bob:tab g/x 2", "done 3"}, {"ready bob:tab", ""}, /* one flush at a time; then the rest, then the scan */
         {"flushed", "flush bob:tab@g/x=2\nscan bob:tab"}, {"scanned", "caught-up bob:tab 0"});
    stage_close(&stage);
}

static void who_comes_during_a_scan_shares_the_next(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"ready bob:tab", ""}, {"ready alice:phone", ""},
         {"scanned", "caught-up bob:phone 0\nscan bob:tab alice:phone"},
         {"scanned", "caught-up bob:tab 0\ncaught-up alice:phone 0"});
    stage_close(&stage);
}

static void who_comes_soon_after_a_scan_shares_the_next(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.scan_every_ms = 8;
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", ""}, {"wait 7", ""}, {"ready carol:pad", ""}, {"wait 1", "scan bob:phone carol:pad"},
         {"scanned", "caught-up bob:phone 0\ncaught-up carol:pad 0"}, {"wait 8", ""},
         {"ready alice:tab", "scan alice:tab"});
    assert_int_equal(core_turn(stage.core, stage.now_ms), INT64_MAX);
    PLAY(&stage, {"scanned", "caught-up alice:tab 0"}, {"ready bob:tab", ""});
    assert_int_equal(core_turn(stage.core, stage.now_ms), stage.now_ms + 8);
    stage_close(&stage);
}

static void short_pages_gather(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/a 0 bob:phone g/b 0 bob:phone g/c 0", "load g/a\nload g/b\nload g/c"},
         {"loaded g/a last=1 alice=1- bob=1-", "page g/a after 0"},
         {"loaded g/b last=1 alice=1- bob=1-", "page g/b after 0"},
         {"loaded g/c last=1 alice=1- bob=1-", ""}, /* two are under way, and it is not worth a question of its own */
         {"page g/b 1:created", "1 bob:phone event/g/b/1/1000/-/created\npage g/c after 0"},
         {"page g/c 1:created", "1 bob:phone event/g/c/1/1000/-/created"});
    stage_close(&stage);
}

static void long_pages_do_not_wait(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.window_items = stage.options.window_items_max = 1024;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/a 0 bob:phone g/b 0 bob:phone g/c 0", "load g/a\nload g/b\nload g/c"},
         {"loaded g/a last=1 alice=1- bob=1-", "page g/a after 0"},
         {"loaded g/b last=1 alice=1- bob=1-", "page g/b after 0"},
         {"loaded g/c last=200 alice=1- bob=1-", "page g/c after 0"});
    stage_close(&stage);
}

static void ready_again_replays_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-", "page g/x after 0"},
         {"page g/x 1:created", "1 bob:phone event/g/x/1/1000/-/created\ncaught-up bob:phone 1"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "page g/x after 0"},
         {"ready bob:phone", "scan bob:phone"}, /* before that is done: one caught-up for both */
         {"page g/x 1:created", ""}, {"scanned bob:phone g/x 0", "page g/x after 0"},
         {"page g/x 1:created", "1 bob:phone event/g/x/1/1000/-/created\ncaught-up bob:phone 1"});
    stage_close(&stage);
}

static void a_rewind_replays_what_was_acknowledged(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"rewind bob:phone g/x 0", "load g/x"}, {"rewind carol:pad g/x 0", ""}, {"rewind bob:phone g/x 0", ""},
         {"ready bob:phone", "scan bob:phone"}, /* sync, then subscribe */
         {"scanned", ""}, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=bob:phone:1 cursor=alice:phone:1", "page g/x after 0"},
         {"page g/x 1:created", "1 bob:phone event/g/x/1/1000/-/created\ncaught-up bob:phone 1"},
         {"wait 500", "flush bob:phone@g/x:=0"}, {"flushed", "done 1\ndone 2\ndone 3"},
         {"ack bob:phone g/x 1", "done 4\nsenders g/x 0..1"}, {"wait 500", "flush bob:phone@g/x=1 bob@g/x=1/0"});
    stage_close(&stage);
}

static void a_rewind_of_nothing_is_waited_for(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"rewind bob:phone g/none 0", "load g/none"}, {"ready bob:phone", "scan bob:phone"}, {"scanned", ""},
         {"nosuch g/none", "caught-up bob:phone 0\ndone 1"});
    stage_close(&stage);
}

static void a_lost_database_is_scanned_again(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"}, {"lost", ""},
         {"ready alice:phone", ""}, {"read alice:phone g/x 1", ""}, {"back", "load g/x\nscan bob:phone alice:phone"},
         {"scanned bob:phone g/x 0 alice:phone g/x 0", ""},
         {"loaded g/x last=1 alice=1- bob=1-", "caught-up alice:phone 0\nsenders g/x 0..1\npage g/x after 0"},
         {"lost", ""}, {"back", "flush alice:phone@g/x=1 alice@g/x=1/1\nscan bob:phone alice:phone"},
         {"flushed", "done 1"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=1 alice=1-@1/1 bob=1- cursor=alice:phone:1", "page g/x after 0"},
         {"page g/x 1:created", "1 bob:phone event/g/x/1/1000/-/created\ncaught-up bob:phone 1"});
    stage_close(&stage);
}

static void a_removed_device_is_forgotten(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"ack bob:phone g/x 1", "done 1\nload g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=bob:phone:0", "senders g/x 0..1"}, {"removed bob:phone", ""},
         {"wait 500", "flush bob@g/x=1/0"}); /* what she had delivered stays so */
    struct core_stats stats;
    core_stats(stage.core, &stats);
    assert_int_equal(stats.sessions, 0);
    stage_close(&stage);
}

static void assert_table(const struct stage *stage, uint64_t conversations, uint64_t forgotten)
{
    struct core_stats stats;
    core_stats(stage->core, &stats);
    assert_int_equal(stats.conversations, conversations);
    assert_int_equal(stats.forgotten, forgotten);
}

static void the_idle_are_forgotten(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.conversations_max = 1;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"changed g/x", "load g/x"}, {"loaded g/x last=1 alice=1- bob=1- cursor=bob:phone:1", ""},
         {"changed g/y", "load g/y"}, {"loaded g/y last=1 alice=1- bob=1- cursor=bob:phone:1", ""},
         {"changed g/y", "load g/y"}); /* nobody used it: the first to go */
    stage_close(&stage);
    stage_open(&stage);
    stage.options.conversations_max = 2; /* nor is anything pressing: what is not acknowledged stays */
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"},
         {"chat alice:phone g/y m2", "load g/y"},
         {"loaded g/y last=1 alice=1- bob=1- cursor=bob:phone:1", "append g/y@1 alice:phone/m2"},
         {"appended 2", "1 bob:phone chat/g/y/2/1000/alice:phone/m2\ndone 1"}, {"changed g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=bob:phone:1", ""}, {"changed g/z", "load g/z"},
         {"loaded g/z last=1 alice=1- bob=1- cursor=bob:phone:1", ""});
    assert_table(&stage, 2, 0);
    stage_close(&stage);
}

static void what_is_under_way_is_not_forgotten(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.conversations_max = 1;
    PLAY(&stage, {"chat bob:phone g/x b1", "load g/x"}, {"loaded g/x last=1 bob=1-", "append g/x@1 bob:phone/b1"},
         {"chat bob:phone g/y b2", "load g/y"}, {"loaded g/y last=1 bob=1-", ""},
         {"appended 2", "done 1\nappend g/y@1 bob:phone/b2"}, {"appended 2", "done 2"});
    stage_close(&stage);
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    stage.options.conversations_max = stage.options.receipts_members_max = 1;
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"chat alice:phone g/x m2", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1- cursor=alice:phone:1", "append g/x@1 alice:phone/m2"},
         {"appended 2", "0 alice:phone sent/g/x/2/1000/m2\ndone 1"},
         {"ack bob:phone g/x 2", "done 2\n0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":0}"},
         {"read bob:phone g/x 2", ""}, /* for the next second */
         {"ack bob:phone d/bob/carol 1", "done 4\nload d/bob/carol"}, {"loaded d/bob/carol last=1 bob=1- carol=1-", ""},
         {"wait 1000", "0 alice:phone receipts/g/x/2 {\"delivered\":1,\"read\":1}"});
    stage_close(&stage);
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    stage.options.conversations_max = 1;
    PLAY(&stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ack bob:phone g/x 2", "done 1\nload g/x"},
         {"loaded g/x last=2 alice=1- bob=1- cursor=alice:phone:2", "senders g/x 0..2"},
         {"ack bob:phone d/bob/carol 1", "done 2\nload d/bob/carol"}, {"loaded d/bob/carol last=1 bob=1- carol=1-", ""},
         {"senders g/x alice", "0 alice:phone delivered/g/x/2/bob"});
    stage_close(&stage);
}

static void who_is_needed_does_not_keep_the_idle(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.conversations_max = 1;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"}, {"scanned bob:phone g/x 0", "load g/x"},
         {"loaded g/x last=1 bob=1-", "page g/x after 0"}, {"chat alice:phone g/y m2", "load g/y"},
         {"loaded g/y last=1 alice=1-", "append g/y@1 alice:phone/m2"}, {"appended 2", "done 1"});
    assert_table(&stage, 1, 0);
    PLAY(&stage, {"page g/x 1:created", "1 bob:phone event/g/x/1/1000/-/created\ncaught-up bob:phone 1"});
    stage_close(&stage);
}

/* Bob's phone never acknowledges and is behind in more than the table may hold: others are served nevertheless. */
static void a_silent_device_does_not_fill_the_table(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    stage.options.conversations_max = 1;
    stage.options.window_items = 2;
    PLAY(&stage, {"ready bob:phone", "scan bob:phone"},
         {"scanned bob:phone g/a 0 bob:phone g/b 0 bob:phone g/c 0", "load g/a\nload g/b\nload g/c"},
         {"ready alice:phone", ""}, /* the table is crowded: her replay is not begun */
         {"loaded g/a last=2 alice=1- bob=1-", "page g/a after 0"},
         {"page g/a 1:created 2:renamed",
          "1 bob:phone event/g/a/1/1000/-/created\n1 bob:phone event/g/a/2/1000/-/renamed"},
         {"loaded g/b last=1 alice=1- bob=1-", ""},
         {"loaded g/c last=1 alice=1- bob=1- cursor=alice:phone:1",
          "scan alice:phone"}, /* what waits for bob is forgotten */
         {"scanned", "caught-up alice:phone 0"});
    assert_table(&stage, 1, 2);
    PLAY(&stage, {"ack bob:phone g/a 2", "done 1\nload g/a"}, /* until he says something */
         {"loaded g/a last=2 alice=1- bob=1-@2/0 cursor=alice:phone:2", "flush bob:phone@g/a=2\nscan bob:phone"},
         {"flushed", ""}, {"scanned bob:phone g/b 0", "load g/b"}, {"loaded g/b last=2 bob=1-@2/0", "page g/b after 0"},
         {"page g/b 1:created 2:renamed",
          "1 bob:phone event/g/b/1/1000/-/created\n1 bob:phone event/g/b/2/1000/-/renamed\ncaught-up bob:phone 4"});
    stage_close(&stage);
}

/* A device of bob's gets one item in a slice of time, which crowds the table: alice waits for that, and no longer. */
static void a_slow_device_holds_replays_back_for_a_while(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    stage.options.flush_after_ms = 1000000;
    stage.options.conversations_max = 1;
    stage.options.window_items = 1;
    PLAY(&stage, {"ready bob:auto", "scan bob:auto"},
         {"scanned bob:auto g/a 0 bob:auto g/b 0 bob:auto g/c 0", "load g/a\nload g/b\nload g/c"},
         {"loaded g/a last=1 bob=1-", "page g/a after 0"},
         {"page g/a 1:alice:phone/m1", "1 bob:auto chat/g/a/1/1000/alice:phone/m1\nsenders g/a 0..1"},
         {"senders g/a alice", ""}, {"loaded g/b last=1 bob=1-", ""}, {"loaded g/c last=1 bob=1-", ""},
         {"ready alice:phone", ""});
    assert_in_range(core_turn(stage.core, stage.now_ms), stage.now_ms + 1, stage.now_ms + 250);
    PLAY(&stage, {"wait 249", ""}, {"wait 1", "page g/b after 0"},
         {"page g/b 1:alice:phone/m1", "1 bob:auto chat/g/b/1/1000/alice:phone/m1\nsenders g/b 0..1"},
         {"senders g/b alice", "flush bob:auto@g/a=1 bob:auto@g/b=1 bob@g/a=1/0 bob@g/b=1/0\nscan alice:phone"});
    stage_close(&stage);
}

struct idle {
    uint64_t scans[8];
    size_t scans_len, caught_up;
};

static void idle_scan(void *ctx, uint64_t scan, const int64_t device_ids[], size_t len)
{
    struct idle *idle = ctx;
    (void)device_ids;
    (void)len;
    idle->scans[idle->scans_len++] = scan;
}

static void idle_caught_up(void *ctx, session_ref session, uint64_t ready_number, uint64_t replayed)
{
    (void)session;
    (void)ready_number;
    ((struct idle *)ctx)->caught_up += replayed == 0;
}

/* Connected, with nothing to say, and nothing of theirs loaded: what a node has most of. */
static void memory_of_a_device_at_rest(void **state)
{
    (void)state;
    const unsigned devices = 20000;
    struct idle idle = {.scans_len = 0};
    struct core_options options;
    struct core_port port = {.ctx = &idle, .scan = idle_scan, .caught_up = idle_caught_up};
    core_options_default(&options);
    options.scan_every_ms = 0;
    struct core *core = core_new(&options, &port);
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 1; i <= devices; i++) {
        char user[24];
        (void)snprintf(user, sizeof user, "somebody%u", i);
        struct core_device device = {i, i, slice_of(user), SLICE("phone"), false};
        core_on_ready(core, 0, i, i, &device);
        if (i % 1000 > 0)
            continue;
        for ((void)core_turn(core, 0); idle.scans_len > 0; (void)core_turn(core, 0))
            core_on_scan_done(core, 0, idle.scans[--idle.scans_len]);
    }
    assert_int_equal(idle.caught_up, devices);
    size_t each = (mallinfo2().uordblks - before) / devices;
    print_message("# %zu bytes a device at rest, its user and hash tables included\n", each);
#if !defined(__SANITIZE_ADDRESS__)
    assert_in_range(each, 1, 160);
#endif
    for (unsigned i = 1; i <= devices; i++)
        core_on_gone(core, 0, i % 2 ? i : i + devices, i); /* every other one has another session by now */
    struct core_stats stats;
    core_stats(core, &stats);
    assert_int_equal(stats.sessions, devices / 2);
    core_free(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_then_synced),
        cmocka_unit_test(live_items_wait_for_the_scan),
        cmocka_unit_test(what_is_loaded_is_taken_to_be_held),
        cmocka_unit_test(an_old_ack_takes_nothing_back),
        cmocka_unit_test(the_scan_sees_every_mark),
        cmocka_unit_test(who_comes_during_a_scan_shares_the_next),
        cmocka_unit_test(who_comes_soon_after_a_scan_shares_the_next),
        cmocka_unit_test(short_pages_gather),
        cmocka_unit_test(long_pages_do_not_wait),
        cmocka_unit_test(ready_again_replays_again),
        cmocka_unit_test(a_rewind_replays_what_was_acknowledged),
        cmocka_unit_test(a_rewind_of_nothing_is_waited_for),
        cmocka_unit_test(a_lost_database_is_scanned_again),
        cmocka_unit_test(a_removed_device_is_forgotten),
        cmocka_unit_test(the_idle_are_forgotten),
        cmocka_unit_test(what_is_under_way_is_not_forgotten),
        cmocka_unit_test(who_is_needed_does_not_keep_the_idle),
        cmocka_unit_test(a_silent_device_does_not_fill_the_table),
        cmocka_unit_test(a_slow_device_holds_replays_back_for_a_while),
        cmocka_unit_test(memory_of_a_device_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
