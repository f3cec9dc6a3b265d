#define _GNU_SOURCE /* memmem */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "frame.h"
#include "small_file.h"

#define FILE_BYTES_MAX  512
#define VALID_S         (365 * 86400)                  /* a connection of bench mode has no token to expire */
#define TOPIC_LEN_MIN   (sizeof FRAME_TOPIC_TAKEN - 1) /* that takes the topic's place */
#define NUMBER_DIGITS   7
#define STRESSER        "mqtt-stresser-"
#define STRESSER_WORKER "-worker"
#define SIDE_NAMES_LEN  2

static const char *const side_names[SIDE_NAMES_LEN] = {[BENCH_PUB] = "pub", [BENCH_SUB] = "sub"};

/* ---- the file ---- */
static bool number_read(const char *text, uint32_t max, uint32_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > max)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool entry_take(struct bench *bench, const char *name, const char *value)
{
    size_t len = strlen(value);
    uint32_t number;
    if (strcmp(name, "password") == 0) {
        if (bench->password_len > 0 || len < BENCH_PASSWORD_LEN_MIN || len > BENCH_PASSWORD_LEN_MAX)
            return false;
        memcpy(bench->password, value, len + 1);
        bench->password_len = len;
        return true;
    }
    if (strcmp(name, "prefix") == 0) {
        if (bench->prefix[0] != '\0' || len > BENCH_PREFIX_LEN_MAX || !name_is_user((struct slice){value, len}))
            return false;
        memcpy(bench->prefix, value, len + 1);
        return true;
    }
    if (strcmp(name, "users") == 0)
        return number_read(value, BENCH_USERS_MAX, &bench->users);
    if (strcmp(name, "exposed") == 0 && number_read(value, 1, &number)) {
        bench->is_exposed = number == 1;
        return true;
    }
    return false;
}

static bool text_take(struct bench *bench, char *text)
{
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *space = strchr(line, ' ');
        if (line[0] == '\0')
            continue;
        if (space == NULL)
            return false;
        *space = '\0';
        if (!entry_take(bench, line, space + 1))
            return false;
    }
    return bench->password_len > 0 && bench->prefix[0] != '\0' && bench->users > 0;
}

enum status bench_load(struct bench *bench, const char *path, char *why, size_t why_size)
{
    char text[FILE_BYTES_MAX];
    size_t len;
    bench_done(bench);
    if (path[0] == '\0')
        return STATUS_OK;
    enum status status = small_file_read(path, text, sizeof text, &len, why, why_size);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    bool is_good = strlen(text) == len && text_take(bench, text);
    sodium_memzero(text, sizeof text);
    if (!is_good) {
        (void)snprintf(why, why_size, "%s does not say what bench mode is: gnatterctl bench-mode writes it", path);
        bench_done(bench);
        return STATUS_MALFORMED;
    }
    randombytes_buf(&bench->boot, sizeof bench->boot);
    bench->is_on = true;
    return STATUS_OK;
}

void bench_done(struct bench *bench)
{
    sodium_memzero(bench, sizeof *bench);
}

bool bench_equal(const struct bench *a, const struct bench *b)
{
    return a->is_on == b->is_on && a->is_exposed == b->is_exposed && a->users == b->users &&
           a->password_len == b->password_len && memcmp(a->password, b->password, sizeof a->password) == 0 &&
           strcmp(a->prefix, b->prefix) == 0;
}

/* ---- who ---- */
static bool has(struct slice text, const char *word)
{
    return memmem(text.at, text.len, word, strlen(word)) != NULL;
}

/* The number that text ends with; false: with none. */
static bool number_at_end(struct slice text, uint32_t *ret_number)
{
    uint32_t number = 0, place = 1;
    size_t digits = 0;
    while (digits < text.len && digits <= NUMBER_DIGITS && text.at[text.len - 1 - digits] >= '0' &&
           text.at[text.len - 1 - digits] <= '9') {
        number += place * (uint32_t)(text.at[text.len - 1 - digits] - '0');
        place *= 10;
        digits++;
    }
    if (digits == 0)
        return false;
    *ret_number = digits <= NUMBER_DIGITS ? number : UINT32_MAX; /* nobody's */
    return true;
}

/* mqtt-stresser's: mqtt-stresser-...-worker<i>-<r>, from 0 on. Of other tools' ids it can be the host's name. */
static bool number_of_worker(struct slice text, uint32_t *ret_number)
{
    if (text.len < sizeof STRESSER - 1 || memcmp(text.at, STRESSER, sizeof STRESSER - 1) != 0)
        return false;
    const char *at = NULL, *end = text.at + text.len;
    for (const char *from = text.at, *found;
         (found = memmem(from, (size_t)(end - from), STRESSER_WORKER, sizeof STRESSER_WORKER - 1)) != NULL;
         from = found + 1)
        at = found + sizeof STRESSER_WORKER - 1;
    const char *dash = at != NULL ? memchr(at, '-', (size_t)(end - at)) : NULL;
    uint32_t number;
    if (dash == NULL || dash == at || !number_at_end((struct slice){at, (size_t)(dash - at)}, &number))
        return false;
    *ret_number = number < UINT32_MAX ? number + 1 : number;
    return true;
}

void bench_client_parse(struct slice client_id, enum bench_side *ret_side, uint32_t *ret_number)
{
    *ret_number = 1; /* one client alone need not be numbered */
    /* A host's name may have "sub" in it as well: what the tools themselves say comes first. */
    bool is_pub = has(client_id, "_bench_pub_") || has(client_id, "_bench_conn_") || has(client_id, STRESSER "pub-");
    *ret_side = has(client_id, "sub") && !is_pub ? BENCH_SUB : BENCH_PUB;
    if (!number_of_worker(client_id, ret_number))
        (void)number_at_end(client_id, ret_number);
}

bool bench_is_request(const struct bench *bench, const struct admit_request *request)
{
    return bench->is_on && request->password != NULL && strlen(request->password) == bench->password_len &&
           sodium_memcmp(request->password, bench->password, bench->password_len) == 0;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 || strncmp(address, "::ffff:127.", 11) == 0;
}

enum status bench_admit(const struct bench *bench, const struct admit_request *request, const char *address,
                        int64_t now_s, struct token_claims *ret_claims, const char **ret_why)
{
    enum bench_side side;
    uint32_t number;
    if (!bench->is_exposed && !is_loopback(address)) {
        *ret_why = "bench-not-from-here";
        return STATUS_DENIED;
    }
    if (request->client_id == NULL) {
        *ret_why = "client-id-malformed";
        return STATUS_DENIED;
    }
    bench_client_parse(slice_of(request->client_id), &side, &number);
    if (number == 0 || number > bench->users) {
        *ret_why = "bench-number";
        return STATUS_DENIED;
    }
    struct token_claims claims = {.device = BENCH_DEVICE, .issued_at_s = now_s, .expires_at_s = now_s + VALID_S};
    (void)snprintf(claims.user, sizeof claims.user, "%s-%s-%u", bench->prefix, side_names[side], number);
    *ret_claims = claims;
    return STATUS_OK;
}

/* ---- what ---- */
/* Of <prefix>-pub-<n> the side and n. */
static bool user_parse(const struct bench *bench, struct slice user, enum bench_side *ret_side, uint32_t *ret_number)
{
    size_t prefix_len = strlen(bench->prefix);
    if (user.len <= prefix_len || memcmp(user.at, bench->prefix, prefix_len) != 0)
        return false;
    struct slice rest = {user.at + prefix_len, user.len - prefix_len};
    *ret_side = has(rest, "-sub-") ? BENCH_SUB : BENCH_PUB;
    return number_at_end(rest, ret_number);
}

static bool level_next(struct slice *text, struct slice *ret_level)
{
    if (text->at == NULL)
        return false;
    const char *slash = memchr(text->at, '/', text->len);
    *ret_level = (struct slice){text->at, slash != NULL ? (size_t)(slash - text->at) : text->len};
    *text = slash != NULL ? (struct slice){slash + 1, text->len - ret_level->len - 1} : (struct slice){NULL, 0};
    return true;
}

/* What is below chat/: u/<n> or g/<x>, and perhaps a message id. */
static bool chat_parse(struct slice rest, bool *ret_is_group, uint32_t *ret_number, struct slice *ret_id)
{
    struct slice kind, name, more;
    *ret_id = (struct slice){NULL, 0};
    if (!level_next(&rest, &kind) || kind.len != 1 || (kind.at[0] != 'u' && kind.at[0] != 'g') ||
        !level_next(&rest, &name) || name.len == 0)
        return false;
    *ret_is_group = kind.at[0] == 'g';
    if (!*ret_is_group)
        (void)number_at_end(name, ret_number); /* without one it is one's own */
    if (!level_next(&rest, &more))
        return true;
    *ret_id = more;
    return name_is_message_id(more) && !level_next(&rest, &more);
}

/* First levels that mean something to devices: with these, no other topic than a message's. */
static bool is_reserved(struct slice topic)
{
    static const char *const words[] = {"chat", "ack", "read", "typing", "sync", "rpc", "inbox", "presence"};
    struct slice first;
    if (!level_next(&topic, &first))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_equal(first, slice_of(words[i])))
            return true;
    return false;
}

size_t bench_topic(struct bench *bench, struct slice user, struct slice topic, bool gives_id, char *buf, size_t size)
{
    static const char chat[] = "chat/";
    char id[LIMIT_MESSAGE_ID_LEN + 1] = "", peer[LIMIT_CONVERSATION_LEN + 1];
    enum bench_side side;
    uint32_t number;
    bool is_group = false;
    struct slice given = {NULL, 0};
    if (topic.len < TOPIC_LEN_MIN || topic.at[0] == '$' || !user_parse(bench, user, &side, &number))
        return 0;
    if (topic.len >= sizeof chat - 1 && memcmp(topic.at, chat, sizeof chat - 1) == 0) {
        struct slice rest = {topic.at + sizeof chat - 1, topic.len - (sizeof chat - 1)};
        if (!chat_parse(rest, &is_group, &number, &given))
            return 0;
    } else if (is_reserved(topic)) {
        return 0;
    }
    if (given.len > 0)
        (void)snprintf(id, sizeof id, "%.*s", (int)given.len, given.at);
    else
        (void)snprintf(id, sizeof id, "%016llx-%llx", (unsigned long long)bench->boot,
                       (unsigned long long)(gives_id ? ++bench->messages : 0));
    if (is_group)
        (void)snprintf(peer, sizeof peer, "g/%s", bench->prefix);
    else
        (void)snprintf(peer, sizeof peer, "u/%s-%s-%u", bench->prefix, side_names[side == BENCH_PUB], number);
    int len = snprintf(buf, size, "chat/%s/%s", peer, id);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

bool bench_may_subscribe(struct slice filter)
{
    return filter.len > 0 && filter.at[0] != '$';
}
