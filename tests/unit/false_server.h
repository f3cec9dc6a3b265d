#ifndef GNATTER_FALSE_SERVER_H
#define GNATTER_FALSE_SERVER_H
/*
 * As much of PostgreSQL as libpq needs to connect and to ask PRIMARY_QUESTION: it answers so many questions, and is
 * silent to all others. A thread of its own; one connection at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct false_server {
    int64_t system_id, timeline;
    int answers_max; /* of each connection */
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool is_ending;
    atomic_int asked; /* questions so far */
};

struct false_bytes {
    unsigned char at[512];
    size_t len;
};

static inline void false_number(struct false_bytes *bytes, uint64_t value, size_t len)
{
    while (len-- > 0)
        bytes->at[bytes->len++] = (unsigned char)(value >> 8 * len);
}

static inline void false_text(struct false_bytes *bytes, const char *text)
{
    memcpy(bytes->at + bytes->len, text, strlen(text) + 1);
    bytes->len += strlen(text) + 1;
}

/* A message of this type begins; its length is written when it ends. */
static inline size_t false_begin(struct false_bytes *bytes, char type)
{
    bytes->at[bytes->len++] = (unsigned char)type;
    false_number(bytes, 0, 4);
    return bytes->len - 4;
}

static inline void false_end(struct false_bytes *bytes, size_t at)
{
    uint32_t len = htonl((uint32_t)(bytes->len - at));
    memcpy(bytes->at + at, &len, sizeof len);
}

static inline void false_ready(struct false_bytes *bytes)
{
    size_t ready = false_begin(bytes, 'Z');
    false_number(bytes, 'I', 1);
    false_end(bytes, ready);
}

static inline void false_say(int fd, const struct false_bytes *bytes)
{
    (void)send(fd, bytes->at, bytes->len, MSG_NOSIGNAL); /* who has gone does not hear it */
}

static inline void false_greet(int fd)
{
    static const char *const told[][2] = {
        {"server_version", "15.0"}, {"in_hot_standby", "off"}, {"default_transaction_read_only", "off"}};
    struct false_bytes bytes = {.len = 0};
    size_t trusted = false_begin(&bytes, 'R');
    false_number(&bytes, 0, 4);
    false_end(&bytes, trusted);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        size_t at = false_begin(&bytes, 'S');
        false_text(&bytes, told[i][0]);
        false_text(&bytes, told[i][1]);
        false_end(&bytes, at);
    }
    false_ready(&bytes);
    false_say(fd, &bytes);
}

static inline void false_answer(const struct false_server *server, int fd)
{
    struct false_bytes bytes = {.len = 0};
    false_end(&bytes, false_begin(&bytes, '1')); /* parsed, */
    false_end(&bytes, false_begin(&bytes, '2')); /* bound */
    size_t columns = false_begin(&bytes, 'T');
    false_number(&bytes, 2, 2);
    for (int i = 0; i < 2; i++) {
        false_text(&bytes, "number");
        false_number(&bytes, 0, 6);
        false_number(&bytes, 20, 4); /* bigint */
        false_number(&bytes, 8, 2);
        false_number(&bytes, UINT32_MAX, 4);
        false_number(&bytes, 1, 2); /* binary */
    }
    false_end(&bytes, columns);
    size_t row = false_begin(&bytes, 'D');
    false_number(&bytes, 2, 2);
    false_number(&bytes, 8, 4);
    false_number(&bytes, (uint64_t)server->system_id, 8);
    false_number(&bytes, 8, 4);
    false_number(&bytes, (uint64_t)server->timeline, 8);
    false_end(&bytes, row);
    size_t done = false_begin(&bytes, 'C');
    false_text(&bytes, "SELECT 1");
    false_end(&bytes, done);
    false_ready(&bytes);
    false_say(fd, &bytes);
}

/* libpq writes each question at once, and what it writes is short. */
static inline void false_serve(struct false_server *server, int fd)
{
    char message[4096];
    bool is_greeted = false;
    for (int answers = 0; !atomic_load(&server->is_ending);) {
        struct pollfd ready = {fd, POLLIN, 0};
        if (poll(&ready, 1, 10) <= 0)
            continue;
        if (recv(fd, message, sizeof message, 0) <= 0 || message[0] == 'X') /* gone */
            return;
        if (!is_greeted) {
            false_greet(fd);
            is_greeted = true;
            continue;
        }
        if (answers++ < server->answers_max)
            false_answer(server, fd);
        atomic_fetch_add(&server->asked, 1);
    }
}

static inline void *false_run(void *arg)
{
    struct false_server *server = arg;
    while (!atomic_load(&server->is_ending)) {
        struct pollfd ready = {server->listener, POLLIN, 0};
        int fd = poll(&ready, 1, 10) > 0 ? accept(server->listener, NULL, NULL) : -1;
        if (fd < 0)
            continue;
        false_serve(server, fd);
        (void)close(fd);
    }
    return NULL;
}

static inline void false_server_start(struct false_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, false_run, server), 0);
}

static inline void false_server_stop(struct false_server *server)
{
    atomic_store(&server->is_ending, true);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
}

#endif
