#ifndef GNATTER_STATUS_H
#define GNATTER_STATUS_H
/*
 * What a call that can fail came to. Each value is one thing the caller can do about it. 0 is success.
 * Outputs (`ret_...`) are untouched unless a call returns STATUS_OK.
 */
enum status {
    STATUS_OK = 0,
    STATUS_MALFORMED,   /* outside input is not of its form: refuse it, tell the peer */
    STATUS_TOO_LARGE,   /* over a limit of limits.h or the caller's buffer: refuse it, tell the peer */
    STATUS_DENIED,      /* well formed and not allowed */
    STATUS_EXPIRED,     /* was allowed, is no more */
    STATUS_NOT_FOUND,   /* the named thing does not exist */
    STATUS_EXISTS,      /* the named thing exists already */
    STATUS_STALE,       /* decided on old knowledge: load again, decide again */
    STATUS_FULL,        /* no room now: try later */
    STATUS_UNAVAILABLE, /* the other side cannot be reached; what was asked may or may not have happened: ask again */
    STATUS_NO_MEMORY,
    STATUS_INTERNAL,    /* a defect here: log it, refuse */
};

/* Lower-case words, for logs. */
const char *status_name(enum status status);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
