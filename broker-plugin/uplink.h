#ifndef GNATTER_UPLINK_H
#define GNATTER_UPLINK_H
/*
 * The way up: one ordered stream of what happened to sessions and what devices published, in frames to the sync
 * service. Records stay in the journal; of sessions only what happened is queued, and nothing while no service is
 * there: each link begins with the full list. At most LIMIT_FRAME_CREDIT frames are under way unconfirmed.
 *
 * While the list goes out (several frames, over several turns), what happens to a session not listed yet is not queued:
 * the list will show its state then. Who comes in that time is told after the list, like who comes later.
 *
 * Broker's thread; frames are published from uplink_flush only.
 */
#include "frame.h"
#include "journal.h"
#include "sessions.h"

/* Queued events, when the service does not confirm frames: then the link is dropped, the next one has the full list. */
#define UPLINK_EVENTS_MAX 300000u

struct uplink_event;
struct uplink {
    bool is_up;
    bool is_broken;     /* the service broke the rules or fell behind: its connection is to be ended */
    const void *client; /* the service's connection */
    char *client_id;
    uint64_t boot;            /* of this broker life */
    uint64_t sent, confirmed; /* frames */
    bool is_welcomed, is_listed;
    const struct sessions *sessions; /* to be listed, */
    uint32_t listing;                /* from this place on */
    struct journal_cursor cursor;
    struct uplink_event *first, **last;
    uint32_t events_len;
    uint64_t serial, put_serial; /* of the last event queued, and of the last one put in a frame */
    unsigned char *buf;
};

MUST_CHECK enum status uplink_init(struct uplink *uplink);
void uplink_done(struct uplink *uplink);

/* A service said HELLO on this connection: a new link, whatever was before is forgotten. */
MUST_CHECK enum status uplink_start(struct uplink *uplink, const void *client, const char *client_id,
                                    const struct journal *journal, struct sessions *sessions);
void uplink_stop(struct uplink *uplink);

/* What happened to a current session; keeps a copy. */
void uplink_connected(struct uplink *uplink, const struct journal *journal, struct session *session);
void uplink_ready(struct uplink *uplink, const struct journal *journal, struct session *session);
void uplink_unready(struct uplink *uplink, const struct journal *journal, struct session *session);
void uplink_watch(struct uplink *uplink, const struct journal *journal, const struct session *session,
                  struct slice user, bool is_watched);
/* What was counted, as UP_COUNTERS has it. */
void uplink_counters(struct uplink *uplink, const struct journal *journal, struct slice values);
/* To be called before it is retired. */
void uplink_gone(struct uplink *uplink, const struct journal *journal, const struct session *session,
                 enum gone_reason reason);

/* The service has taken frames up to this one. STATUS_MALFORMED: there was no such frame. */
MUST_CHECK enum status uplink_confirm(struct uplink *uplink, uint64_t frame_number);
/* Sends what there is and credit allows. */
void uplink_flush(struct uplink *uplink, const struct journal *journal, struct slice node);

#endif
