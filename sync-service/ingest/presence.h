#ifndef GNATTER_PRESENCE_H
#define GNATTER_PRESENCE_H
/*
 * Who watches whom, and who is there. Pure state: what is to be asked of the database and what is to be told comes out
 * by calls of the port. What a watcher may see of the user is asked anew with each change, so that who shares no
 * conversation any more sees no more. Going away is told after a pause, so that a reconnect is not a story; the pause
 * doubles each time that a user is back within a minute, so that a device that comes and goes is none either.
 * The hub's thread.
 */
#include "sessions.h"

enum presence_told { PRESENCE_NOTHING, PRESENCE_ONLINE, PRESENCE_OFFLINE, PRESENCE_HIDDEN };

struct watched; /* a user who is there, or watched */
struct watch {
    struct watched *watched;
    struct session *session;
    struct watch *session_prev, *session_next; /* the session's list */
    struct watch *watched_prev, *watched_next; /* the user's */
    struct watch *again_prev, *again_next;     /* presence->again */
    enum presence_told told;
    bool is_again; /* on that list */
    int64_t told_seen_s;
};
struct presence_port {
    void *ctx;
    /* what may this user see of that one, and when was that one last seen? presence_answer */
    void (*ask)(void *ctx, session_ref session, int64_t watcher_user_id, struct slice user);
    void (*tell)(void *ctx, session_ref session, struct slice user, struct slice state);
};
#define PRESENCE_RETURNS_MAX 5 /* 2 s become 64 s */
struct presence {
    struct presence_port port;
    uint32_t offline_after_ms;
    struct table by_name;
    struct watched *leaving[PRESENCE_RETURNS_MAX + 1]; /* away, and not told yet; of each pause: oldest first */
    /* Told hidden, or not answered yet: asked again from time to time, each in its turn. Two who met see each other,
     * and what was dropped because too much waited is not lost. */
    struct watch *again;
    size_t again_len, again_left; /* left: in this round */
    size_t again_max;             /* at once */
    int64_t again_at_ms;
};
void presence_init(struct presence *presence, const struct presence_port *port, uint32_t offline_after_ms);
void presence_done(struct presence *presence);

/* Asks. Above LIMIT_WATCHED_USERS of one session, or watched already: nothing. */
void presence_watch(struct presence *presence, struct session *session, struct slice user);
void presence_unwatch(struct presence *presence, struct session *session, struct slice user);
void presence_forget_session(struct presence *presence, struct session *session);
/* A device of this user became live, or is no more. */
void presence_came(struct presence *presence, struct slice user, int64_t now_ms);
void presence_went(struct presence *presence, struct slice user, int64_t now_ms, int64_t unix_s);
/* What somebody shows to a watcher. */
#define PRESENCE_SHOWS_ONLINE    1u
#define PRESENCE_SHOWS_LAST_SEEN 2u
/* Tells what has changed for that watcher; `seen_s` 0: never, as far as the database knows. It is told to the minute.
 */
void presence_answer(struct presence *presence, struct session *session, struct slice user, uint32_t shown,
                     int64_t seen_s);
/* Asks again: all who watch this user, all that this session watches, or everything. */
void presence_changed(struct presence *presence, struct slice user);
void presence_ask_session(struct presence *presence, const struct session *session);
void presence_ask_everybody(struct presence *presence);
#define PRESENCE_AGAIN_MS  20000
#define PRESENCE_AGAIN_MAX 5000 /* a tenth of what may wait for the clerk */
#define PRESENCE_REST_MS   1000 /* then the next ones */
/* Asks about those who have been away long enough, and again; when to call again, INT64_MAX: not needed. */
int64_t presence_turn(struct presence *presence, int64_t now_ms);

#endif
