#include "presence.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define RETURNS_WITHIN_MS 60000
#define SEEN_TO_S         60 /* last seen is no finer than that */

/* Of a user who is watched, or who went and whom we still know. Nearly all who are there are neither. */
struct story {
    int64_t told_at_ms, seen_s;
    struct watch *watches;
    struct watched *prev, *next; /* leaving */
    uint8_t returns;             /* soon after having been told offline, in a row */
};
struct watched {
    struct table_link by_name;
    struct story *story;
    uint32_t devices : 31; /* live */
    bool is_leaving : 1;   /* on the list */
    uint8_t name_len;
    char name[];
};

void presence_init(struct presence *presence, const struct presence_port *port, uint32_t offline_after_ms)
{
    *presence = (struct presence){.port = *port, .offline_after_ms = offline_after_ms, .again_max = PRESENCE_AGAIN_MAX};
}

static struct slice name_of(const struct watched *watched)
{
    return (struct slice){watched->name, watched->name_len};
}

static struct watched *watched_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct watched, by_name);
}

static uint64_t hash_of(const struct table_link *link)
{
    return hash_text(name_of(TABLE_ENTRY(link, const struct watched, by_name)));
}

static struct watched *find(const struct presence *presence, struct slice user)
{
    struct table_link *link = table_chain(&presence->by_name, hash_text(user));
    while (link != NULL && !slice_equal(name_of(watched_at(link)), user))
        link = link->next;
    return link != NULL ? watched_at(link) : NULL;
}

static struct story *story_of(struct watched *watched)
{
    if (watched->story == NULL)
        watched->story = calloc(1, sizeof *watched->story);
    return watched->story;
}

static struct watch *watches_of(const struct watched *watched)
{
    return watched->story != NULL ? watched->story->watches : NULL;
}

static struct watched *get(struct presence *presence, struct slice user)
{
    struct watched *watched = find(presence, user);
    if (watched != NULL || user.len > LIMIT_USER_LEN ||
        (watched = calloc(1, SIZE_WITH(struct watched, name, user.len))) == NULL)
        return watched;
    memcpy(watched->name, user.at, user.len);
    watched->name_len = (uint8_t)user.len;
    if (table_add(&presence->by_name, &watched->by_name, hash_of) != STATUS_OK) {
        free(watched);
        return NULL;
    }
    return watched;
}

/* Forgets a user nobody needs. */
static void put(struct presence *presence, struct watched *watched)
{
    if (watched->devices > 0 || watched->is_leaving || watches_of(watched) != NULL)
        return;
    table_remove(&presence->by_name, &watched->by_name, hash_of);
    free(watched->story);
    free(watched);
}

static struct watch *watch_find(const struct session *session, const struct watched *watched)
{
    struct watch *watch = session->watches;
    while (watch != NULL && watch->watched != watched)
        watch = watch->session_next;
    return watch;
}

static void again_set(struct presence *presence, struct watch *watch, bool is_again)
{
    if (watch->is_again == is_again)
        return;
    watch->is_again = is_again;
    if (is_again) {
        DL_APPEND2(presence->again, watch, again_prev, again_next);
        presence->again_len++;
    } else {
        DL_DELETE2(presence->again, watch, again_prev, again_next);
        presence->again_len--;
    }
}

static void watch_free(struct presence *presence, struct watch *watch)
{
    struct watched *watched = watch->watched;
    again_set(presence, watch, false);
    DL_DELETE2(watch->session->watches, watch, session_prev, session_next);
    watch->session->watches_len--;
    DL_DELETE2(watched->story->watches, watch, watched_prev, watched_next);
    free(watch);
    put(presence, watched);
}

static void ask(struct presence *presence, struct watch *watch)
{
    again_set(presence, watch, true); /* until it is answered */
    presence->port.ask(presence->port.ctx, watch->session->ref, watch->session->identity->user_id,
                       name_of(watch->watched));
}

static void ask_all(struct presence *presence, const struct watched *watched)
{
    for (struct watch *watch = watches_of(watched); watch != NULL; watch = watch->watched_next)
        ask(presence, watch);
}

void presence_changed(struct presence *presence, struct slice user)
{
    const struct watched *watched = find(presence, user);
    if (watched != NULL)
        ask_all(presence, watched);
}

void presence_ask_session(struct presence *presence, const struct session *session)
{
    for (struct watch *watch = session->watches; watch != NULL; watch = watch->session_next)
        ask(presence, watch);
}

void presence_ask_everybody(struct presence *presence)
{
    struct table_walk walk;
    for (struct table_link *link = table_first(&presence->by_name, &walk); link != NULL; link = table_next(&walk))
        ask_all(presence, watched_at(link));
}

void presence_watch(struct presence *presence, struct session *session, struct slice user)
{
    struct watched *watched = get(presence, user);
    if (watched == NULL)
        return;
    struct watch *watch = watch_find(session, watched);
    if (watch == NULL && session->watches_len < LIMIT_WATCHED_USERS && story_of(watched) != NULL &&
        (watch = calloc(1, sizeof *watch)) != NULL) {
        watch->watched = watched;
        watch->session = session;
        DL_APPEND2(session->watches, watch, session_prev, session_next);
        session->watches_len++;
        DL_APPEND2(watched->story->watches, watch, watched_prev, watched_next);
    }
    if (watch != NULL) {
        watch->told = PRESENCE_NOTHING; /* subscribing again tells again */
        ask(presence, watch);
    }
    put(presence, watched);
}

void presence_unwatch(struct presence *presence, struct session *session, struct slice user)
{
    struct watched *watched = find(presence, user);
    struct watch *watch = watched == NULL ? NULL : watch_find(session, watched);
    if (watch != NULL)
        watch_free(presence, watch);
}

void presence_forget_session(struct presence *presence, struct session *session)
{
    while (session->watches != NULL)
        watch_free(presence, session->watches); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
}

static void stop_leaving(struct presence *presence, struct watched *watched)
{
    DL_DELETE2(presence->leaving[watched->story->returns], watched, story->prev, story->next);
    watched->is_leaving = false;
}

/* told_at_ms: when she was told offline last; 0: not since she is known here. */
static void note_return(struct story *story, int64_t now_ms)
{
    if (story->told_at_ms == 0 || now_ms - story->told_at_ms > RETURNS_WITHIN_MS)
        story->returns = 0;
    else if (story->returns < PRESENCE_RETURNS_MAX)
        story->returns++;
}

void presence_came(struct presence *presence, struct slice user, int64_t now_ms)
{
    struct watched *watched = get(presence, user);
    if (watched == NULL)
        return;
    bool was_there = watched->devices++ > 0 || watched->is_leaving;
    if (!was_there && watched->story != NULL)
        note_return(watched->story, now_ms);
    if (watched->is_leaving)
        stop_leaving(presence, watched);
    if (!was_there)
        ask_all(presence, watched);
}

void presence_went(struct presence *presence, struct slice user, int64_t now_ms, int64_t unix_s)
{
    struct watched *watched = find(presence, user);
    if (watched == NULL || watched->devices == 0)
        return;
    struct story *story = story_of(watched);
    if (story != NULL)
        story->seen_s = unix_s;
    if (--watched->devices > 0)
        return;
    if (story == NULL) { /* no memory; then nobody watches her, and she is gone at once */
        put(presence, watched);
        return;
    }
    story->told_at_ms = now_ms + ((int64_t)presence->offline_after_ms << story->returns);
    watched->is_leaving = true;
    DL_APPEND2(presence->leaving[story->returns], watched, story->prev, story->next);
}

static enum presence_told what_to_tell(bool is_there, uint32_t shown)
{
    if (is_there && shown & PRESENCE_SHOWS_ONLINE)
        return PRESENCE_ONLINE;
    /* who shows only when she was last seen is offline while she is there */
    return shown & (is_there ? PRESENCE_SHOWS_LAST_SEEN : PRESENCE_SHOWS_ONLINE | PRESENCE_SHOWS_LAST_SEEN)
               ? PRESENCE_OFFLINE
               : PRESENCE_HIDDEN;
}

void presence_answer(struct presence *presence, struct session *session, struct slice user, uint32_t shown,
                     int64_t seen_s)
{
    struct watched *watched = find(presence, user);
    struct watch *watch = watched == NULL ? NULL : watch_find(session, watched);
    if (watch == NULL)
        return;
    bool is_there = watched->devices > 0 || watched->is_leaving;
    enum presence_told told = what_to_tell(is_there, shown);
    if (seen_s < watched->story->seen_s)
        seen_s = watched->story->seen_s; /* the database hears of it later */
    seen_s = shown & PRESENCE_SHOWS_LAST_SEEN ? seen_s - seen_s % SEEN_TO_S : 0;
    again_set(presence, watch, told == PRESENCE_HIDDEN);
    if (told == watch->told && (told != PRESENCE_OFFLINE || seen_s == watch->told_seen_s))
        return;
    watch->told = told;
    watch->told_seen_s = seen_s;
    char offline[40];
    (void)snprintf(offline, sizeof offline, "offline %" PRId64, seen_s);
    struct slice state = told == PRESENCE_HIDDEN   ? SLICE("hidden")
                         : told == PRESENCE_ONLINE ? SLICE("online")
                                                   : slice_of(offline);
    presence->port.tell(presence->port.ctx, session->ref, user, state);
}

static void ask_again(struct presence *presence, int64_t now_ms)
{
    if (presence->again != NULL && now_ms < presence->again_at_ms)
        return;
    if (presence->again_left == 0 || presence->again_left > presence->again_len)
        presence->again_left = presence->again_len;
    struct watch *watch;
    for (size_t len = 0; len < presence->again_max && presence->again_left > 0 && (watch = presence->again) != NULL;
         len++, presence->again_left--) {
        again_set(presence, watch, false); /* to the end of the list: */
        ask(presence, watch);
    }
    presence->again_at_ms = now_ms + (presence->again_left > 0 ? PRESENCE_REST_MS : PRESENCE_AGAIN_MS);
}

int64_t presence_turn(struct presence *presence, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;
    ask_again(presence, now_ms);
    for (size_t i = 0; i <= PRESENCE_RETURNS_MAX; i++) {
        struct watched *watched;
        while ((watched = presence->leaving[i]) != NULL && watched->story->told_at_ms <= now_ms) {
            stop_leaving(presence, watched);
            ask_all(presence, watched);
            put(presence, watched);
        }
        if (watched != NULL && watched->story->told_at_ms < due_ms)
            due_ms = watched->story->told_at_ms;
    }
    return presence->again != NULL && presence->again_at_ms < due_ms ? presence->again_at_ms : due_ms;
}

/* Watches go with their sessions, before. */
void presence_done(struct presence *presence)
{
    struct table_walk walk;
    for (struct table_link *link = table_first(&presence->by_name, &walk); link != NULL; link = table_next(&walk)) {
        table_remove(&presence->by_name, link, hash_of);
        free(watched_at(link)->story);
        free(watched_at(link));
    }
    memset(presence->leaving, 0, sizeof presence->leaving);
}
