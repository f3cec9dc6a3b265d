#include "subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

/* ---- two lists of texts, one behind the other; short, so they are searched one by one ---- */
static int find(const struct subscriptions *subscriptions, uint16_t from, uint16_t to, struct slice text)
{
    for (uint16_t i = from; i < to; i++)
        if (slice_equal(slice_of(subscriptions->texts[i]), text))
            return i;
    return -1;
}

static uint16_t end_of(const struct subscriptions *subscriptions)
{
    return (uint16_t)(subscriptions->filters_len + subscriptions->watched_len);
}

/* A copy at the end of both lists: the last of those watched. */
static enum status add(struct subscriptions *subscriptions, struct slice text)
{
    uint16_t end = end_of(subscriptions);
    char **longer = realloc(subscriptions->texts, (size_t)(end + 1) * sizeof *longer);
    if (longer != NULL)
        subscriptions->texts = longer;
    char *copy = longer != NULL ? strndup(text.at, text.len) : NULL;
    if (copy == NULL) {
        if (end == 0) {
            free(longer);
            subscriptions->texts = NULL;
        }
        return STATUS_NO_MEMORY;
    }
    longer[end] = copy;
    subscriptions->watched_len++;
    return STATUS_OK;
}

static void swap(struct subscriptions *subscriptions, uint16_t a, uint16_t b)
{
    char *text = subscriptions->texts[a];
    subscriptions->texts[a] = subscriptions->texts[b];
    subscriptions->texts[b] = text;
}

/* The last of those watched goes. */
static void cut(struct subscriptions *subscriptions)
{
    subscriptions->watched_len--;
    free(subscriptions->texts[end_of(subscriptions)]);
    if (end_of(subscriptions) == 0) {
        free(subscriptions->texts);
        subscriptions->texts = NULL;
    }
}

static int find_filter(const struct subscriptions *subscriptions, struct slice below)
{
    return find(subscriptions, 0, subscriptions->filters_len, below);
}

static int find_watched(const struct subscriptions *subscriptions, struct slice user)
{
    return find(subscriptions, subscriptions->filters_len, end_of(subscriptions), user);
}

/* ---- */
void subscriptions_done(struct subscriptions *subscriptions)
{
    for (uint16_t i = 0; i < end_of(subscriptions); i++)
        free(subscriptions->texts[i]);
    free(subscriptions->texts);
    *subscriptions = (struct subscriptions){.texts = NULL};
}

bool subscriptions_has_inbox(const struct subscriptions *subscriptions)
{
    return subscriptions->has_all || subscriptions->filters_len > 0;
}

bool subscriptions_is_empty(const struct subscriptions *subscriptions)
{
    return !subscriptions_has_inbox(subscriptions) && subscriptions->watched_len == 0;
}

enum status subscriptions_add(struct subscriptions *subscriptions, struct slice below)
{
    if (slice_equal(below, SLICE("#"))) {
        subscriptions->has_all = true;
        return STATUS_OK;
    }
    if (find_filter(subscriptions, below) >= 0)
        return STATUS_OK;
    if (subscriptions->filters_len >= SUBSCRIPTIONS_FILTERS_MAX)
        return STATUS_FULL;
    enum status status = add(subscriptions, below);
    if (status != STATUS_OK)
        return status;
    swap(subscriptions, subscriptions->filters_len, (uint16_t)(end_of(subscriptions) - 1));
    subscriptions->watched_len--;
    subscriptions->filters_len++;
    return STATUS_OK;
}

static bool filter_remove(struct subscriptions *subscriptions, struct slice below)
{
    int index = find_filter(subscriptions, below);
    if (index < 0)
        return false;
    subscriptions->filters_len--;
    subscriptions->watched_len++;
    swap(subscriptions, (uint16_t)index, subscriptions->filters_len);
    swap(subscriptions, subscriptions->filters_len, (uint16_t)(end_of(subscriptions) - 1));
    cut(subscriptions);
    return true;
}

bool subscriptions_remove(struct subscriptions *subscriptions, struct slice below)
{
    if (!slice_equal(below, SLICE("#")))
        return filter_remove(subscriptions, below);
    bool was_there = subscriptions->has_all;
    subscriptions->has_all = false;
    return was_there;
}

enum status subscriptions_watch(struct subscriptions *subscriptions, struct slice user)
{
    if (subscriptions_watches(subscriptions, user))
        return STATUS_EXISTS;
    return subscriptions->watched_len < LIMIT_WATCHED_USERS ? add(subscriptions, user) : STATUS_FULL;
}

bool subscriptions_unwatch(struct subscriptions *subscriptions, struct slice user)
{
    int index = find_watched(subscriptions, user);
    if (index < 0)
        return false;
    swap(subscriptions, (uint16_t)index, (uint16_t)(end_of(subscriptions) - 1));
    cut(subscriptions);
    return true;
}

bool subscriptions_watches(const struct subscriptions *subscriptions, struct slice user)
{
    return find_watched(subscriptions, user) >= 0;
}

bool subscriptions_has(const struct subscriptions *subscriptions, struct slice below)
{
    return slice_equal(below, SLICE("#")) ? subscriptions->has_all : find_filter(subscriptions, below) >= 0;
}

bool subscriptions_match(const struct subscriptions *subscriptions, struct slice tail)
{
    if (subscriptions->has_all)
        return true;
    for (int i = 0; i < subscriptions->filters_len; i++)
        if (filter_matches(slice_of(subscriptions->texts[i]), tail))
            return true;
    return false;
}

/* Cuts the first level off; false when the text had no more. */
static bool level_next(struct slice *text, bool *is_done, struct slice *ret_level)
{
    if (*is_done)
        return false;
    const char *slash = text->len > 0 ? memchr(text->at, '/', text->len) : NULL;
    *ret_level = (struct slice){text->at, slash != NULL ? (size_t)(slash - text->at) : text->len};
    *is_done = slash == NULL;
    if (slash != NULL)
        *text = (struct slice){slash + 1, text->len - ret_level->len - 1};
    return true;
}

bool filter_matches(struct slice filter, struct slice topic)
{
    bool filter_done = false, topic_done = false;
    struct slice want, have;
    while (level_next(&filter, &filter_done, &want)) {
        if (slice_equal(want, SLICE("#")))
            return true; /* also for no level at all: a/# matches a */
        if (!level_next(&topic, &topic_done, &have))
            return false;
        if (!slice_equal(want, SLICE("+")) && !slice_equal(want, have))
            return false;
    }
    return topic_done;
}

bool subscriptions_place(struct slice filter, struct slice client_id, char ret_place[SUBSCRIPTIONS_PLACE_BYTES])
{
    struct slice user, device;
    char all[sizeof "inbox//#" + LIMIT_USER_LEN];
    if (client_id_parse(client_id, &user, &device) != STATUS_OK)
        return false;
    (void)snprintf(all, sizeof all, "inbox/%.*s/#", (int)user.len, user.at);
    if (!slice_equal(filter, slice_of(all)))
        return false;
    (void)snprintf(ret_place, SUBSCRIPTIONS_PLACE_BYTES, "i/%u",
                   (unsigned)(hash_text(client_id) % SUBSCRIPTIONS_PLACES));
    return true;
}

bool subscriptions_place_again(struct slice filter, struct slice client_id, char ret_place[SUBSCRIPTIONS_AGAIN_BYTES])
{
    static const char DIGITS[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint64_t hash = hash_text(client_id), base = sizeof DIGITS - 1;
    if (filter.len < SUBSCRIPTIONS_AGAIN_BYTES - 1)
        return false;
    (void)snprintf(ret_place, SUBSCRIPTIONS_AGAIN_BYTES, "$share/%c/%c", DIGITS[hash % base],
                   DIGITS[hash / base % base]);
    return true;
}
