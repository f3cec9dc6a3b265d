#include "subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of strings; short, so they are searched one by one ---- */
static int list_find(char *const list[], uint16_t len, struct slice text)
{
    for (int i = 0; i < len; i++)
        if (slice_equal(slice_of(list[i]), text))
            return i;
    return -1;
}

static enum status list_add(char ***list, uint16_t *len, uint16_t max, struct slice text)
{
    if (*len >= max)
        return STATUS_FULL;
    char **longer = realloc(*list, (size_t)(*len + 1) * sizeof **list);
    if (longer == NULL)
        return STATUS_NO_MEMORY;
    *list = longer;
    char *copy = strndup(text.at, text.len);
    if (copy == NULL)
        return STATUS_NO_MEMORY;
    longer[(*len)++] = copy;
    return STATUS_OK;
}

static bool list_remove(char ***list, uint16_t *len, struct slice text)
{
    int index = list_find(*list, *len, text);
    if (index < 0)
        return false;
    free((*list)[index]);
    (*list)[index] = (*list)[--*len];
    if (*len == 0) {
        free(*list);
        *list = NULL;
    }
    return true;
}

static void list_free(char ***list, uint16_t *len)
{
    for (int i = 0; i < *len; i++)
        free((*list)[i]);
    free(*list);
    *list = NULL;
    *len = 0;
}

/* ---- */
void subscriptions_done(struct subscriptions *subscriptions)
{
    subscriptions->has_all = false;
    list_free(&subscriptions->filters, &subscriptions->filters_len);
    list_free(&subscriptions->watched, &subscriptions->watched_len);
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
    if (list_find(subscriptions->filters, subscriptions->filters_len, below) >= 0)
        return STATUS_OK;
    return list_add(&subscriptions->filters, &subscriptions->filters_len, SUBSCRIPTIONS_FILTERS_MAX, below);
}

bool subscriptions_remove(struct subscriptions *subscriptions, struct slice below)
{
    if (!slice_equal(below, SLICE("#")))
        return list_remove(&subscriptions->filters, &subscriptions->filters_len, below);
    bool was_there = subscriptions->has_all;
    subscriptions->has_all = false;
    return was_there;
}

enum status subscriptions_watch(struct subscriptions *subscriptions, struct slice user)
{
    if (subscriptions_watches(subscriptions, user))
        return STATUS_EXISTS;
    return list_add(&subscriptions->watched, &subscriptions->watched_len, LIMIT_WATCHED_USERS, user);
}

bool subscriptions_unwatch(struct subscriptions *subscriptions, struct slice user)
{
    return list_remove(&subscriptions->watched, &subscriptions->watched_len, user);
}

bool subscriptions_watches(const struct subscriptions *subscriptions, struct slice user)
{
    return list_find(subscriptions->watched, subscriptions->watched_len, user) >= 0;
}

bool subscriptions_match(const struct subscriptions *subscriptions, struct slice tail)
{
    if (subscriptions->has_all)
        return true;
    for (int i = 0; i < subscriptions->filters_len; i++)
        if (filter_matches(slice_of(subscriptions->filters[i]), tail))
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

static uint32_t hash(struct slice text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 16777619u;
    return hash ^ hash >> 16;
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
    (void)snprintf(ret_place, SUBSCRIPTIONS_PLACE_BYTES, "i/%u", hash(client_id) % SUBSCRIPTIONS_PLACES);
    return true;
}
