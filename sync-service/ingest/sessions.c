#include "sessions.h"
#include <stdlib.h>
#include <utlist.h>

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
    DL_APPEND2(identity->sessions, session, same_prev, same_next);
    HASH_ADD(hh, sessions->by_ref, ref, sizeof session->ref, session);
    return session;
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    if (session->is_ready)
        sessions->ready--;
    HASH_DEL(sessions->by_ref, session);
    struct identity *identity = session->identity;
    DL_DELETE2(identity->sessions, session, same_prev, same_next);
    if (identity->sessions == NULL)
        identity_release(identity);
    free(session);
}
