#include "sessions.h"
#include <stdlib.h>

struct session *sessions_find(const struct sessions *sessions, session_ref ref)
{
    struct session *session;
    HASH_FIND(hh, sessions->by_ref, &ref, sizeof ref, session);
    return session;
}

struct session *sessions_add(struct sessions *sessions, session_ref ref, struct identity *identity)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->ref = ref;
    session->identity = identity;
    identity_hold(identity);
    HASH_ADD(hh, sessions->by_ref, ref, sizeof session->ref, session);
    return session;
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    if (session->is_ready)
        sessions->ready--;
    HASH_DEL(sessions->by_ref, session);
    identity_release(session->identity);
    free(session);
}
