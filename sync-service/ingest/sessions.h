#ifndef GNATTER_SESSIONS_H
#define GNATTER_SESSIONS_H
/* The connections of devices, of all links: who they are, whether they are live, what they wait for. The hub's thread.
 */
#include "identities.h"

struct watch;
struct session {
    struct table_link by_ref;
    session_ref ref; /* link << 32 | the plugin's number */
    struct identity *identity;
    struct session *same_next; /* the identity's list: more than one for a moment, while one replaces another */
    struct watch *watches;     /* presence.h */
    /* `synced` goes out when every shard has caught up with this ready_number */
    uint64_t ready_number;
    uint32_t replayed; /* UINT32_MAX: or more */
    uint16_t watches_len;
    uint8_t shards_behind; /* at most RUNTIME_SHARDS_MAX */
    bool is_ready : 1;
    bool waits : 1; /* subscribed, and ready when what its link's journal held before has been taken */
};
struct sessions {
    struct table by_ref;
    size_t ready;
};

struct session *sessions_find(const struct sessions *sessions, session_ref ref);
/* Holds the identity. NULL: no memory. */
struct session *sessions_add(struct sessions *sessions, session_ref ref, struct identity *identity);
/* One after the other, as table_first and table_next. */
struct session *sessions_first(const struct sessions *sessions, struct table_walk *walk);
struct session *sessions_next(struct table_walk *walk);
/* Its watches must be gone. */
void sessions_remove(struct sessions *sessions, struct session *session);

#endif
