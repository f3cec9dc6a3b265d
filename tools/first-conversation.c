/*
 * A first conversation, as three devices see it: alice writes to bob and to a group, bob and carol acknowledge and
 * read. Everything that is said is printed as it arrives. Plain MQTT 3.1.1 with libmosquitto: nothing here knows more
 * than docs/protocol.md. Started by tools/first-conversation.sh, which makes the users and their tokens.
 *
 * first-conversation HOST PORT DIR     DIR holds a token per user: DIR/<user>.tour
 */
#include <mosquitto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 10000
#define GROUP   "g/kitchen"

struct person {
    const char *name;
    struct mosquitto *mosq;
    bool is_subscribed, is_live, was_refused;
};
static struct person people[] = {{.name = "alice"}, {.name = "bob"}, {.name = "carol"}};
enum { ALICE, BOB, CAROL, PEOPLE };

/* What is waited for: that somebody hears a topic that starts so. */
static struct {
    const struct person *person;
    char start[256];
    bool was_heard;
    long long seq;
} awaited[PEOPLE];
static int awaited_len;

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(const struct person *person, const char *arrow, const char *topic, const char *payload,
                 int payload_len)
{
    printf("  %-6s %s %s%s%.*s\n", person->name, arrow, topic, payload_len ? "  " : "", payload_len, payload);
    (void)fflush(stdout); /* a reader who has gone is no reason to stop talking */
}

static void publish(const struct person *person, const char *topic, const char *payload)
{
    int len = (int)strlen(payload);
    show(person, "-->", topic, payload, len);
    if (mosquitto_publish(person->mosq, NULL, topic, len, payload, 1, false) != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "cannot publish %s\n", topic);
        exit(1);
    }
}

static void on_connect(struct mosquitto *mosq, void *at, int code)
{
    struct person *person = at;
    char filter[64];
    if (code != 0) {
        fprintf(stderr, "%s is refused: %s\n", person->name, mosquitto_connack_string(code));
        person->was_refused = true;
        return;
    }
    (void)snprintf(filter, sizeof(filter), "inbox/%s/#", person->name);
    (void)mosquitto_subscribe(mosq, NULL, filter, 1); /* not taken: nothing is heard, and that is said */
}

/* chat/<kind>/<name>/<seq>/... and event/...: this device holds everything up to seq. */
static void acknowledge(const struct person *person, const char *tail)
{
    char topic[128];
    const char *from = strchr(tail, '/') + 1; /* the caller saw the slash */
    const char *name = strchr(from, '/'), *to = name ? strchr(name + 1, '/') : NULL;
    long long seq = to ? strtoll(to + 1, NULL, 10) : 0;
    if (seq <= 0)
        return;
    (void)snprintf(topic, sizeof(topic), "ack/%.*s/%lld", (int)(to - from), from, seq);
    if (person->is_live)
        publish(person, topic, "");
    else
        (void)mosquitto_publish(person->mosq, NULL, topic, 0, NULL, 1, false); /* of an earlier tour: in silence */
}

static void on_message(struct mosquitto *mosq, void *at, const struct mosquitto_message *message)
{
    struct person *person = at;
    (void)mosq;
    const char *tail = message->topic + strlen("inbox/") + strlen(person->name) + 1;
    if (person->is_live)
        show(person, "<--", message->topic, message->payload, message->payloadlen);
    for (int i = 0; i < awaited_len; i++)
        if (awaited[i].person == person && !strncmp(tail, awaited[i].start, strlen(awaited[i].start))) {
            awaited[i].was_heard = true;
            awaited[i].seq = strtoll(tail + strlen(awaited[i].start), NULL, 10);
        }
    if (!strncmp(tail, "chat/", 5) || !strncmp(tail, "event/", 6))
        acknowledge(person, tail);
    if (!strcmp(tail, "synced"))
        person->is_live = true;
}

/* Before what makes it happen: an answer may be there at once. */
static void expect(const struct person *person, const char *start)
{
    awaited[awaited_len].person = person;
    awaited[awaited_len].was_heard = false;
    (void)snprintf(awaited[awaited_len++].start, sizeof(awaited[0].start), "%s", start);
}

static bool all_heard(void)
{
    for (int i = 0; i < awaited_len; i++)
        if (!awaited[i].was_heard)
            return false;
    return true;
}

static bool all_live(void)
{
    for (int i = 0; i < PEOPLE; i++)
        if (!people[i].is_live)
            return false;
    return true;
}

/* Lets all devices talk until `is_done`. */
static void wait_until(bool (*is_done)(void), const char *what)
{
    int64_t until_ms = now_ms() + WAIT_MS;
    while (!is_done()) {
        for (int i = 0; i < PEOPLE; i++) {
            int code = mosquitto_loop(people[i].mosq, 5, 1);
            if (code != MOSQ_ERR_SUCCESS || people[i].was_refused) {
                fprintf(stderr, "%s has lost the connection: %s\n", people[i].name, mosquitto_strerror(code));
                exit(1);
            }
        }
        if (now_ms() > until_ms) {
            fprintf(stderr, "not within %d s: %s\n", WAIT_MS / 1000, what);
            exit(1);
        }
    }
}

/* Waits for what was expected; the seq in the topic that the first of it was. */
static long long hear(const char *what)
{
    wait_until(all_heard, what);
    awaited_len = 0;
    return awaited[0].seq;
}

static void enter(struct person *person, const char *host, int port, const char *dir)
{
    char path[4096], token[4096] = "", client_id[64];
    (void)snprintf(path, sizeof(path), "%s/%s.tour", dir, person->name);
    (void)snprintf(client_id, sizeof(client_id), "%s:tour", person->name);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(token, sizeof(token), file)) {
        fprintf(stderr, "no token in %s\n", path);
        exit(1);
    }
    (void)fclose(file); /* was only read */
    token[strcspn(token, "\n")] = '\0';
    person->mosq = mosquitto_new(client_id, true, person);
    if (!person->mosq || mosquitto_username_pw_set(person->mosq, person->name, token) != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    mosquitto_connect_callback_set(person->mosq, on_connect);
    mosquitto_message_callback_set(person->mosq, on_message);
    int code = mosquitto_connect(person->mosq, host, port, 60);
    if (code != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "%s cannot connect to %s:%d: %s\n", person->name, host, port, mosquitto_strerror(code));
        exit(1);
    }
}

/* "<what>/<conversation>/<seq>", and "/<who>" where there is one. */
static const char *mark(const char *what, const char *conversation, long long seq, const char *who)
{
    static char topic[160];
    (void)snprintf(topic, sizeof(topic), "%s/%s/%lld%s%s", what, conversation, seq, who ? "/" : "", who ? who : "");
    return topic;
}

/* A message id that no earlier tour used. */
static const char *message_id(void)
{
    static char id[32];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    (void)snprintf(id, sizeof(id), "tour-%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
    return id;
}

static void talk_to_bob(void)
{
    char text[128];
    puts("\nAlice writes to bob: sent (it is on disk), delivered (a device of his holds it), read.");
    expect(&people[ALICE], "sent/u/bob/");
    expect(&people[BOB], "chat/u/alice/");
    (void)snprintf(text, sizeof(text), "chat/u/bob/%s", message_id());
    publish(&people[ALICE], text, "Hello Bob");
    long long seq = hear("sent, and the message at bob's device");
    expect(&people[ALICE], mark("delivered", "u/bob", seq, "bob"));
    (void)hear("delivered");
    expect(&people[ALICE], mark("read", "u/bob", seq, "bob"));
    publish(&people[BOB], mark("read", "u/alice", seq, NULL), "");
    (void)hear("read");
}

static void talk_to_group(void)
{
    char text[128];
    puts("\nAlice writes to the group: the same, from each member.");
    expect(&people[ALICE], "sent/" GROUP "/");
    expect(&people[BOB], "chat/" GROUP "/");
    expect(&people[CAROL], "chat/" GROUP "/");
    (void)snprintf(text, sizeof(text), "chat/" GROUP "/%s", message_id());
    publish(&people[ALICE], text, "Dinner is ready");
    long long seq = hear("sent, and the message at bob's and carol's devices");
    for (int i = BOB; i <= CAROL; i++)
        expect(&people[ALICE], mark("delivered", GROUP, seq, people[i].name));
    (void)hear("delivered");
    for (int i = BOB; i <= CAROL; i++) {
        expect(&people[ALICE], mark("read", GROUP, seq, people[i].name));
        publish(&people[i], mark("read", GROUP, seq, NULL), "");
    }
    (void)hear("read");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: first-conversation HOST PORT DIR\n", stderr);
        return 2;
    }
    (void)mosquitto_lib_init(); /* always succeeds */
    for (int i = 0; i < PEOPLE; i++)
        enter(&people[i], argv[1], atoi(argv[2]), argv[3]);
    wait_until(all_live, "everybody is connected and has what was missed");
    talk_to_bob();
    talk_to_group();
    for (int i = 0; i < PEOPLE; i++) {
        (void)mosquitto_disconnect(people[i].mosq); /* the last word: nobody waits for it */
        (void)mosquitto_loop(people[i].mosq, 0, 1);
        mosquitto_destroy(people[i].mosq);
    }
    mosquitto_lib_cleanup();
    return 0;
}
