/* The accelerator's parts on sockets of their own; libc's calls are counted.
 * link: broker-accelerator/client.c broker-accelerator/incoming.c broker-accelerator/outgoing.c
 * link: broker-accelerator/readiness.c broker-accelerator/original.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "broker-accelerator/incoming.h"
#include "broker-accelerator/original.h"
#include "broker-accelerator/outgoing.h"
#include "broker-accelerator/readiness.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define EVENTS 8

static struct original libc;
static unsigned int controls, reads, writes;
static int set, peer;
static struct client *client;
static int mark; /* its address is the broker's pointer */
static uint64_t now_us = 1;

static int count_control(int epoll, int operation, int fd, struct epoll_event *event)
{
    controls++;
    return libc.epoll_ctl(epoll, operation, fd, event);
}

static ssize_t count_read(int fd, void *bytes, size_t len)
{
    reads++;
    return libc.read(fd, bytes, len);
}

static ssize_t count_write(int fd, const void *bytes, size_t len)
{
    writes++;
    return libc.write(fd, bytes, len);
}

static int control(int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = &mark};
    return readiness_control(client, operation, &event);
}

/* A client of the broker, registered, and its other end. */
static int make_client(void **state)
{
    int pair[2];
    (void)state;
    original_find();
    libc = original;
    original.epoll_ctl = count_control;
    original.read = count_read;
    original.write = count_write;
    if (!clients_init() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    set = readiness_set = epoll_create(1);
    peer = pair[1];
    client = client_add(pair[0]);
    if (!client || control(EPOLL_CTL_ADD, EPOLLIN) != 0)
        return -1;
    client->kind = CLIENT_PLAIN;
    controls = reads = writes = 0;
    return 0;
}

static int end_client(void **state)
{
    (void)state;
    if (client) {
        (void)close(client->fd);
        client_remove(client);
    }
    (void)close(peer);
    (void)close(set);
    original = libc;
    return 0;
}

static void put(const void *bytes, size_t len)
{
    assert_int_equal(write(peer, bytes, len), len);
}

/* The events of one turn. */
static int turn(struct epoll_event *events)
{
    int len = readiness_wait(events, EVENTS, 0, now_us);
    for (int i = 0; i < len; i++)
        assert_ptr_equal(events[i].data.ptr, &mark);
    return len;
}

static void expect_read(const char *text)
{
    char got[64];
    assert_int_equal(incoming_read(client, got, strlen(text)), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

/* ---- what kind of client ---- */
static void the_first_bytes_decide(void **state)
{
    static const struct {
        const char *bytes;
        size_t asked;
        enum client_kind kind;
        const char *why;
    } cases[] = {
        {"\x10\x05", 1, CLIENT_PLAIN, "Mosquitto asks for one byte, and it is CONNECT"},
        {"\x16\x03", 1, CLIENT_OPAQUE, "TLS"},
        {"GET", 1, CLIENT_OPAQUE, "HTTP"},
        {"\x30\x05", 1, CLIENT_OPAQUE, "MQTT that does not begin with CONNECT"},
        {"\x10\x03", 5, CLIENT_OPAQUE, "OpenSSL asks for the head of a record, whatever comes"},
        {"", 1, CLIENT_NEW, "nothing yet"},
        {"", 5, CLIENT_OPAQUE, "OpenSSL has asked, and nothing came yet"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char got[8];
        client->kind = CLIENT_NEW;
        put(cases[i].bytes, strlen(cases[i].bytes));
        (void)incoming_read(client, got, cases[i].asked);
        if (client->kind != cases[i].kind)
            fail_msg("%s", cases[i].why);
        assert_null(client->in);
        while (libc.read(client->fd, got, sizeof(got)) > 0)
            ;
    }
}

/* ---- reading ---- */
static void short_reads_come_from_one(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    put("\xc0\x00\x30\x02xy", 6);
    assert_int_equal(turn(events), 1);
    expect_read("\xc0");
    put("\x30\x01z", 3); /* meanwhile: not read before what is in memory is gone */
    assert_int_equal(client->in->end - client->in->begin, 5);
    assert_int_equal(incoming_read(client, &(char){0}, 1), 1); /* the length of 0 */
    expect_read("\x30\x02xy");
    assert_null(client->in);
    expect_read("\x30");
    expect_read("\x01z");
    char none;
    assert_int_equal(incoming_read(client, &none, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(clients_ready_len, 0);
}

static void input_in_memory_is_reported(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    put("\xc0\x00\xc0\x00\xc0\x00\xc0", 7);
    assert_int_equal(turn(events), 1); /* by the kernel */
    expect_read("\xc0");
    assert_int_equal(incoming_read(client, &(char){0}, 1), 1);
    assert_int_equal(incoming_packets(client, 16), 2);
    assert_int_equal(turn(events), 2); /* one each; the kernel knows of nothing */
    assert_int_equal(events[1].events, EPOLLIN);
    put("x", 1);
    assert_int_equal(turn(events), 2); /* the kernel's is one of them */
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLOUT), 0);
    assert_int_equal(turn(events), 1); /* not asked for */
    assert_int_equal(events[0].events, EPOLLOUT);
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
    char rest[8];
    assert_int_equal(incoming_read(client, rest, 5), 5);
    assert_int_equal(turn(events), 1);
    expect_read("x");
    assert_int_equal(turn(events), 0);
}

static void the_end_is_read_behind_what_is_in_memory(void **state)
{
    struct epoll_event events[EVENTS];
    char got[8];
    (void)state;
    put("\xc0\x00\xc0\x00", 4);
    (void)shutdown(peer, SHUT_WR);
    assert_int_equal(incoming_read(client, got, 2), 2);
    assert_int_equal(turn(events), 1);
    assert_int_equal(incoming_read(client, got, 2), 2);
    assert_int_equal(turn(events), 1);
    assert_int_equal(incoming_read(client, got, 2), 0);
}

static void long_reads_go_to_the_kernel(void **state)
{
    static char large[3 * BUFFER_BYTES], got[3 * BUFFER_BYTES];
    (void)state;
    memset(large, 'l', sizeof(large));
    put(large, sizeof(large));
    expect_read("l");
    assert_int_equal(incoming_read(client, got, sizeof(got)), BUFFER_BYTES - 1); /* what is in memory */
    assert_int_equal(reads, 0);
    assert_int_equal(incoming_read(client, got, sizeof(got)), 2 * BUFFER_BYTES);
    assert_int_equal(reads, 1);
}

static void packets_are_counted(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        unsigned int packets;
        const char *why;
    } cases[] = {
        {"\xc0\x00", 2, 1, "one"},
        {"\xc0\x00\xc0", 3, 1, "one and a beginning"},
        {"\xc0", 1, 0, "a beginning"},
        {"\x30\x03"
         "ab",
         4, 0, "all but one byte"},
        {"\x30\x03"
         "abc\xc0\x00",
         7, 2, "two"},
        {"\x30\x81\x00"
         "a",
         4, 1, "a length in two bytes"},
        {"\x30\xff\xff\xff\x7f"
         "a",
         6, 0, "the largest"},
        {"\x30\xff\xff\xff\xff\x01"
         "a",
         7, 0, "a length that is none"},
        {"\x30\x80", 2, 0, "half a length"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer *in = buffer_take();
        memcpy(in->bytes, cases[i].bytes, cases[i].len);
        in->end = cases[i].len;
        client_set_in(client, in);
        if (incoming_packets(client, 16) != cases[i].packets)
            fail_msg("%s", cases[i].why);
        assert_int_equal(incoming_packets(client, 0), 0);
        client_set_in(client, NULL);
        buffer_give(in);
    }
}

/* ---- writing ---- */
static void writes_are_sent_together_and_in_order(void **state)
{
    struct epoll_event events[EVENTS];
    char got[64];
    (void)state;
    assert_int_equal(outgoing_write(client, "one ", 4), 4);
    assert_int_equal(outgoing_write(client, "two ", 4), 4);
    assert_int_equal(read(peer, got, sizeof(got)), -1);
    assert_int_equal(turn(events), 0);
    assert_int_equal(read(peer, got, sizeof(got)), 8);
    assert_memory_equal(got, "one two ", 8);
    assert_null(client->out);
    assert_null(clients_due);
}

static size_t came(void)
{
    char got[64];
    ssize_t len = read(peer, got, sizeof(got));
    return len > 0 ? (size_t)len : 0;
}

static void writes_wait_while_there_is_more_to_do(void **state)
{
    struct epoll_event events[EVENTS];
    char got;
    (void)state;
    put("busy", 4);
    assert_int_equal(outgoing_write(client, "one", 3), 3);
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 0);
    assert_int_equal(outgoing_write(client, "two", 3), 3);
    now_us += HOLD_US - 1;
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 0);
    now_us++;
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 6);
    assert_int_equal(outgoing_write(client, "three", 5), 5); /* the time begins again */
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 0);
    assert_int_equal(incoming_read(client, &got, 1), 1); /* also for what is in memory */
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 0);
    expect_read("usy");
    assert_int_equal(turn(events), 0); /* nothing to do: at once */
    assert_int_equal(came(), 5);
}

static void a_busy_broker_does_not_sleep(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    readiness_is_busy = true;
    assert_int_equal(readiness_wait(events, EVENTS, 1000000, now_us), 0); /* or this would not end */
    assert_int_equal(outgoing_write(client, "one", 3), 3);
    assert_int_equal(readiness_wait(events, EVENTS, 1000000, now_us), 0);
    assert_int_equal(came(), 0); /* there is more to come */
    now_us += HOLD_US;
    assert_int_equal(readiness_wait(events, EVENTS, 1000000, now_us), 0);
    assert_int_equal(came(), 3);
    assert_int_equal(outgoing_write(client, "two", 3), 3);
    readiness_is_busy = false;
    assert_int_equal(turn(events), 0);
    assert_int_equal(came(), 3);
}

static void nobody_holds_back_what_is_urgent(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    clients_urgent = client;
    put("busy", 4);
    assert_int_equal(turn(events), 1);
    assert_int_equal(outgoing_write(client, "one", 3), 3);
    assert_int_equal(turn(events), 1);
    assert_int_equal(came(), 3);
    (void)close(client->fd);
    client_remove(client);
    client = NULL;
    assert_null(clients_urgent);
    assert_int_equal(turn(events), 0);
}

/* A change of the registration is held back with the writes; the broker sees what it has asked for. */
static void events_no_longer_wanted_are_not_reported(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), 0);
    assert_int_equal(turn(events), 1);
    assert_int_equal(client->asked, EPOLLIN | EPOLLOUT);
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
    put("x", 1);
    assert_int_equal(turn(events), 1);
    assert_int_equal(events[0].events, EPOLLIN);
    expect_read("x");
    assert_int_equal(turn(events), 0);
    assert_int_equal(client->asked, EPOLLIN);
}

static void a_long_write_stays_behind_the_short_ones(void **state)
{
    static char large[BUFFER_BYTES + 1], got[2 * BUFFER_BYTES];
    (void)state;
    memset(large, 'l', sizeof(large));
    assert_int_equal(outgoing_write(client, "short", 5), 5);
    assert_int_equal(outgoing_write(client, large, sizeof(large)), sizeof(large));
    assert_int_equal(writes, 1);
    assert_int_equal(read(peer, got, sizeof(got)), 5 + sizeof(large));
    assert_memory_equal(got, "shortl", 6);
}

/* Fills the socket by way of the broker's writes; how much it took until EAGAIN. */
static size_t fill(char *piece, size_t len)
{
    size_t taken = 0;
    ssize_t wrote;
    while ((wrote = outgoing_write(client, piece, len)) > 0)
        taken += (size_t)wrote;
    assert_int_equal(wrote, -1);
    assert_int_equal(errno, EAGAIN);
    return taken;
}

static void a_full_socket_is_told_and_nothing_lost(void **state)
{
    static const size_t lengths[] = {1, 100, 4000, BUFFER_BYTES, BUFFER_BYTES + 1, 50000};
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        static char piece[50000], got[65536];
        struct epoll_event events[EVENTS];
        memset(piece, 'p', sizeof(piece));
        size_t taken = fill(piece, lengths[i]), arrived = 0;
        assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), 0); /* as the broker does now */
        assert_int_equal(turn(events), 0);
        assert_true(!client->out || client->out->end <= BUFFER_BYTES);
        for (ssize_t len; arrived < taken;) {
            while ((len = read(peer, got, sizeof(got))) > 0)
                arrived += (size_t)len;
            int seen = turn(events);
            assert_true(seen == 0 || (events[0].events == EPOLLOUT && !client->is_blocked));
        }
        assert_int_equal(arrived, taken);
        assert_int_equal(turn(events), 1);
        assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
        assert_int_equal(turn(events), 0); /* nobody waits for room any more */
        assert_int_equal(client->asked, EPOLLIN);
        assert_null(client->out);
    }
}

/* The broker has written all it had, and the kernel not taken it: that is ours to bring out. */
static void what_is_left_goes_out_unasked(void **state)
{
    static char piece[1000], got[65536];
    struct epoll_event events[EVENTS];
    size_t taken = 0, arrived = 0;
    (void)state;
    while (!client->is_blocked) {
        taken += (size_t)outgoing_write(client, piece, sizeof(piece));
        (void)turn(events);
    }
    assert_int_equal(client->wanted, EPOLLIN);
    assert_int_equal(client->asked, EPOLLIN | EPOLLOUT);
    for (ssize_t len; arrived < taken;) {
        while ((len = read(peer, got, sizeof(got))) > 0)
            arrived += (size_t)len;
        assert_int_equal(turn(events), 0); /* the broker does not wait for room */
    }
    assert_false(client->is_blocked);
}

static void a_broken_connection_ends(void **state)
{
    struct epoll_event events[EVENTS];
    char got[8];
    (void)state;
    put("rest", 4);
    (void)close(peer);
    peer = -1;
    assert_int_equal(outgoing_write(client, "x", 1), 1);
    assert_int_equal(turn(events), 1);
    now_us += HOLD_US;
    assert_int_equal(turn(events), 1);
    assert_true(events[0].events & EPOLLIN);
    assert_null(client->out);
    expect_read("rest");
    assert_int_equal(incoming_read(client, got, 1), 0);
}

static void buffers_are_bounded(void **state)
{
    static struct buffer *lent[BUFFERS_MAX];
    char got[8];
    (void)state;
    for (size_t i = 0; i < BUFFERS_MAX; i++)
        assert_non_null(lent[i] = buffer_take());
    assert_true(buffers_all_lent());
    assert_int_equal(outgoing_write(client, "direct", 6), 6);
    assert_int_equal(writes, 1);
    assert_int_equal(read(peer, got, sizeof(got)), 6);
    put("in", 2);
    expect_read("i");
    assert_int_equal(reads, 1);
    assert_null(client->in);
    for (size_t i = 0; i < BUFFERS_MAX; i++)
        buffer_give(lent[i]);
    expect_read("n");
}

/* ---- epoll ---- */
static void the_set_is_changed_only_when_it_matters(void **state)
{
    struct epoll_event events[EVENTS];
    (void)state;
    for (int i = 0; i < 10; i++) { /* what Mosquitto does around each packet it writes */
        assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT), -1);
        assert_int_equal(errno, EEXIST);
        assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), 0);
        assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
    }
    assert_int_equal(turn(events), 0);
    assert_int_equal(controls, 0);
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), 0);
    assert_int_equal(turn(events), 1);
    assert_int_equal(events[0].events, EPOLLOUT);
    assert_int_equal(controls, 1);
    assert_int_equal(control(EPOLL_CTL_DEL, 0), 0);
    assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(turn(events), 0);
}

static void unknown_events_end_our_part(void **state)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &mark}, events[EVENTS];
    (void)state;
    assert_int_equal(control(EPOLL_CTL_DEL, 0), 0);
    int fd = client->fd;
    assert_int_equal(readiness_control(client, EPOLL_CTL_ADD, &event), 0);
    assert_null(client_find(fd));
    client = NULL;
    put("x", 1);
    assert_int_equal(turn(events), 1);
    (void)close(fd);
}

/* Each with a hundred packets in memory: all are reported before one comes again. */
static void all_have_their_turn(void **state)
{
    enum { CLIENTS = 20 };
    struct client *clients[CLIENTS];
    int peers[CLIENTS], seen[CLIENTS] = {0};
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        int pair[2];
        char many[200] = {0}, got;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        clients[i] = client_add(pair[0]);
        peers[i] = pair[1];
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
        assert_int_equal(readiness_control(clients[i], EPOLL_CTL_ADD, &event), 0);
        clients[i]->kind = CLIENT_PLAIN;
        assert_int_equal(write(peers[i], many, sizeof(many)), sizeof(many));
        assert_int_equal(incoming_read(clients[i], &got, 1), 1);
        assert_int_equal(incoming_read(clients[i], &got, 1), 1);
    }
    for (int round = 0; round < CLIENTS; round++) {
        struct epoll_event events[2 * EVENTS];
        int len = readiness_wait(events, 2 * EVENTS, 10000, now_us); /* does not sleep */
        assert_int_equal(len, 2 * EVENTS);
        for (int i = 0; i < len; i++)
            seen[events[i].data.u64]++;
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(seen[i], 2 * EVENTS);
        (void)close(clients[i]->fd);
        client_remove(clients[i]);
        (void)close(peers[i]);
    }
    assert_int_equal(clients_ready_len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_client, end_client)
    const struct CMUnitTest tests[] = {
        TEST(the_first_bytes_decide),
        TEST(short_reads_come_from_one),
        TEST(input_in_memory_is_reported),
        TEST(the_end_is_read_behind_what_is_in_memory),
        TEST(long_reads_go_to_the_kernel),
        TEST(packets_are_counted),
        TEST(writes_are_sent_together_and_in_order),
        TEST(writes_wait_while_there_is_more_to_do),
        TEST(a_busy_broker_does_not_sleep),
        TEST(nobody_holds_back_what_is_urgent),
        TEST(events_no_longer_wanted_are_not_reported),
        TEST(a_long_write_stays_behind_the_short_ones),
        TEST(a_full_socket_is_told_and_nothing_lost),
        TEST(what_is_left_goes_out_unasked),
        TEST(a_broken_connection_ends),
        TEST(buffers_are_bounded),
        TEST(the_set_is_changed_only_when_it_matters),
        TEST(unknown_events_end_our_part),
        TEST(all_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
