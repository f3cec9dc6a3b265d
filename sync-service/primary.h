#ifndef GNATTER_PRIMARY_H
#define GNATTER_PRIMARY_H
/*
 * Which PostgreSQL server is written to, when `database` names several hosts.
 *
 * Hosts are tried one at a time, in turn, so that one that is silent costs its own time only. A standby that is
 * promoted begins a new timeline, and the server that it replaced keeps the old one for ever, even when it is started
 * again and takes writes. So the newest timeline that was seen is kept, and a server of an older one is never used. A
 * file keeps it too, for the next process and for gnatterctl: system id, timeline, place of the host in the list (from
 * 0). While there are several hosts a thread of this looks at those that are not in use: a promotion is followed also
 * when the old primary still answers, or hangs. Any thread.
 */
#include <libpq-fe.h>
#include "../clients/protocol/status.h"
#include "../clients/protocol/text.h"

struct primary;
/* `file`: remembers the newest timeline; opened here, while we may still write there; "": none. */
MUST_CHECK enum status primary_new(const char *conninfo, const char *file, struct primary **ret_primary);
void primary_free(struct primary *primary); /* NULL is allowed */
MUST_CHECK enum status primary_start(struct primary *primary);
/* False: it has not ended by then (monotonic). */
bool primary_stop(struct primary *primary, int64_t deadline_ms);

/* One connection's place: zeroed at first. */
struct primary_try {
    size_t host;
    size_t failures; /* since it worked last */
    uint64_t epoch;  /* in which it was begun */
    bool is_begun;
};
#define PRIMARY_PARAMS_MAX 16
struct primary_params { /* borrows from the primary */
    const char *keywords[PRIMARY_PARAMS_MAX], *values[PRIMARY_PARAMS_MAX];
};
/* What to connect with (PQconnectdbParams and its like, expanding dbname): the next host's turn, as `name`. */
void primary_begin(struct primary *primary, struct primary_try *at, const char *name,
                   struct primary_params *ret_params);
/* It did not work, or does not any more: the next host is the next try's, or a newer primary found since. True: every
 * host has had its turn, pause. */
bool primary_failed(struct primary *primary, struct primary_try *at);
/* The server has answered `primary_question`. False: it was replaced by another one, so do not use it. */
bool primary_check(struct primary *primary, struct primary_try *at, int64_t system_id, int64_t timeline);
/* Every connection begins with it. The database gives a question up before we do (RUNTIME_ANSWER_WAIT_MS), so that what
 * is asked again does not wait for what was asked first. And it does not end a session that has nothing to do (before
 * PostgreSQL 14 it never did). */
#define PRIMARY_QUESTION                                                                                               \
    "select system_id, timeline, set_config('statement_timeout', '15s', false),"                                       \
    " case when current_setting('idle_session_timeout', true) is not null"                                             \
    " then set_config('idle_session_timeout', '0', false) end from gnatter.server()"
/* False: a newer primary was found since this connection was begun. Cheap. */
bool primary_is_current(const struct primary *primary, const struct primary_try *at);
/* How long to wait for a connection, ms. */
int primary_wait_ms(const struct primary *primary);

#endif
