#ifndef GNATTER_SESSIONS_H
#define GNATTER_SESSIONS_H
/* The connections of devices, of all links: who they are, whether they are live, what they wait for. The hub's thread.
 */
#include "identities.h"

struct watch;
struct session {
    UT_hash_handle hh;
    session_ref ref; /* link << 32 | the plugin's number */
    struct identity *identity;
    struct session *same_prev,
        *same_next;        /* the identity's list: more than one for a moment, while one replaces another */
    struct watch *watches; /* presence.h */
    uint32_t watches_len;
    bool is_ready;
    bool waits; /* subscribed, and ready when what its link's journal held before has been taken */
    /* `synced` goes out when every shard has caught up with this ready_number */
    uint64_t ready_number, replayed;
    uint32_t shards_behind;
};
struct sessions {
    struct session *by_ref;
    size_t ready;
};

struct session *sessions_find(const struct sessions *sessions, session_ref ref);
/* Holds the identity. NULL: no memory. */
struct session *sessions_add(struct sessions *sessions, session_ref ref, struct identity *identity);
/* Its watches must be gone. */
void sessions_remove(struct sessions *sessions, struct session *session);

#endif
