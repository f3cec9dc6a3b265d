#include "sessions.h"
#include <stdlib.h>
#include <utlist.h>

static struct session *session_at(struct table_link *link)
{
    return link != NULL ? TABLE_ENTRY(link, struct session, by_ref) : NULL;
}

static uint64_t hash_of(const struct table_link *link)
{
    return hash_number(TABLE_ENTRY(link, const struct session, by_ref)->ref);
}

struct session *sessions_find(const struct sessions *sessions, session_ref ref)
{
    struct table_link *link = table_chain(&sessions->by_ref, hash_number(ref));
    while (link != NULL && session_at(link)->ref != ref)
        link = link->next;
    return session_at(link);
}

struct session *sessions_first(const struct sessions *sessions, struct table_walk *walk)
{
    return session_at(table_first(&sessions->by_ref, walk));
}

struct session *sessions_next(struct table_walk *walk)
{
    return session_at(table_next(walk));
}

struct session *sessions_add(struct sessions *sessions, session_ref ref, struct identity *identity)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->ref = ref;
    if (table_add(&sessions->by_ref, &session->by_ref, hash_of) != STATUS_OK) {
        free(session);
        return NULL;
    }
    session->identity = identity;
    LL_APPEND2(identity->sessions, session, same_next);
    return session;
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    if (session->is_ready)
        sessions->ready--;
    table_remove(&sessions->by_ref, &session->by_ref, hash_of);
    struct identity *identity = session->identity;
    LL_DELETE2(identity->sessions, session, same_next);
    if (identity->sessions == NULL)
        identity_release(identity);
    free(session);
}
