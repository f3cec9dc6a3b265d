#include "topic.h"
#include "text.h"

/* MQTT's own rule: at least one byte, no NUL, a wildcard alone in its level, '#' only at the end. */
static bool is_mqtt_filter(struct slice filter)
{
    if (filter.len == 0 || filter.len > UINT16_MAX || memchr(filter.at, '\0', filter.len) != NULL)
        return false;
    struct levels levels = levels_of(filter);
    struct slice level;
    while (levels_next(&levels, &level)) {
        if (level.len == 0)
            continue;
        if (memchr(level.at, '+', level.len) != NULL && level.len > 1)
            return false;
        if (memchr(level.at, '#', level.len) != NULL && (level.len > 1 || !levels.is_done))
            return false;
    }
    return true;
}

/* Takes `prefix` off the front of `text`. */
static bool is_below(struct slice *text, struct slice prefix)
{
    if (text->len < prefix.len || !slice_equal((struct slice){text->at, prefix.len}, prefix))
        return false;
    text->at += prefix.len;
    text->len -= prefix.len;
    return true;
}

enum status filter_parse(struct slice filter, struct slice self, enum filter_kind *ret_kind, struct slice *ret_watched)
{
    if (!is_mqtt_filter(filter))
        return STATUS_MALFORMED;
    if (filter.len > LIMIT_INBOX_TOPIC_LEN) /* the plugin keeps filters; a longer one matches nothing */
        return STATUS_DENIED;
    struct slice rest = filter;
    if (is_below(&rest, SLICE("inbox/")) && is_below(&rest, self) && is_below(&rest, SLICE("/")) && rest.len > 0) {
        *ret_kind = FILTER_INBOX;
        *ret_watched = (struct slice){NULL, 0};
        return STATUS_OK;
    }
    rest = filter;
    if (is_below(&rest, SLICE("presence/")) && name_is_user(rest)) { /* a user's name holds no wildcard */
        *ret_kind = FILTER_PRESENCE;
        *ret_watched = rest;
        return STATUS_OK;
    }
    return STATUS_DENIED;
}
