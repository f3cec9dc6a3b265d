#ifndef GNATTER_BENCH_H
#define GNATTER_BENCH_H
/*
 * Bench mode: stock MQTT load generators as clients. They cannot hold a token each, nor give every message an id; they
 * have one password and numbered client ids, and publish to topics that stay the same. While this is on, who knows the
 * password of the bench file is one of the users made for it, and speaks the protocol through what is here:
 *
 *   client id     ends in a number n (emqtt-bench: <x>_bench_pub_<r>_<n>, mqttx: -I pub%i), or begins with
 *                 mqtt-stresser- and has worker<i>- in it (n is i + 1). With "sub" in it: user <prefix>-sub-<n>,
 *                 else <prefix>-pub-<n>.
 *   publish       chat/u/<n>: to the user n of the other side, pub to sub and back; chat/g/<group>: to the bench group;
 *                 both with a message id, or without: then the broker gives one. Any other topic: to the user of the
 *                 other side with one's own number. Nothing but messages, and to nobody else.
 *   subscribe     whatever the filter: the messages of one's own inbox, and nothing else of it.
 *
 * The file is a line per entry, "password <text>", "prefix <text>", "users <n>", "exposed 0|1". Without it all is off.
 * The broker's thread only; pure but for reading the file.
 */
#include "admit.h"

#define BENCH_DEVICE           "d"
#define BENCH_PASSWORD_LEN_MIN 8
#define BENCH_PASSWORD_LEN_MAX 128
#define BENCH_PREFIX_LEN_MAX   16      /* "-pub-" and seven digits after it make a user's name */
#define BENCH_USERS_MAX        1000000 /* of each side */
#define BENCH_INBOX            "chat/#"

struct bench {
    bool is_on;
    bool is_exposed; /* also for clients from elsewhere than this machine */
    uint32_t users;
    size_t password_len;
    char password[BENCH_PASSWORD_LEN_MAX + 1];
    char prefix[BENCH_PREFIX_LEN_MAX + 1];
    uint64_t boot, messages; /* of which message ids are made */
};

/* What the file says; off when `path` is empty or there is none. Otherwise STATUS_MALFORMED or STATUS_UNAVAILABLE, a
 * reason in `why`, and off. */
MUST_CHECK enum status bench_load(struct bench *bench, const char *path, char *why, size_t why_size);
void bench_done(struct bench *bench); /* wipes the password */
/* Do both say the same? */
bool bench_equal(const struct bench *a, const struct bench *b);

/* Is it the password? In constant time. */
bool bench_is_request(const struct bench *bench, const struct admit_request *request);
/* STATUS_OK: *ret_claims are of the user that this client id stands for, for a year. STATUS_DENIED: *ret_why. */
MUST_CHECK enum status bench_admit(const struct bench *bench, const struct admit_request *request, const char *address,
                                   int64_t now_s, struct token_claims *ret_claims, const char **ret_why);
/* The topic of the protocol that a publish of this bench user stands for, NUL-terminated. 0: none, it is denied. Makes
 * a message id only when `gives_id`. */
size_t bench_topic(struct bench *bench, struct slice user, struct slice topic, bool gives_id, char *buf, size_t size);
bool bench_may_subscribe(struct slice filter);

/* What a client id stands for. */
enum bench_side { BENCH_PUB, BENCH_SUB };
void bench_client_parse(struct slice client_id, enum bench_side *ret_side, uint32_t *ret_number);

#endif
