#ifndef GNATTER_BROKER_LINK_STATE_H
#define GNATTER_BROKER_LINK_STATE_H
/*
 * Inside broker_link: broker_link.c has the thread and knows Paho, broker_link_state.c is what other threads leave for
 * it and ask of it.
 */
#include <pthread.h>
#include "broker_link.h"

enum link_state { LINK_IDLE, LINK_CONNECTING, LINK_UP };

struct broker_link {
    struct broker_link_options options;
    char *uri, *paho_uri, *name, *client_id, *secret_file, *ca_file;
    uint64_t boot; /* of this process */
    pthread_t thread;
    bool is_started;
    void *paho; /* the link's thread only */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;  /* the link's thread waits for something to do */
    pthread_cond_t room;  /* others wait for room in the outbox, or for records to be done */
    enum link_state state;
    uint64_t life;
    bool is_welcomed, is_lost, is_connected, is_stopping, is_stuck;
    int64_t stop_at_ms, welcome_at_ms;
    uint32_t pause_ms, failures; /* failures: since it was welcomed */
    struct outbox outbox;
    struct completion completion;
    uint32_t in_flight, frames_waiting;
    uint64_t peer_boot;
    uint64_t frames_sent;                           /* in this life: the number of the last */
    uint64_t frames_received, frames_out, welcomes; /* in all lives */
    uint64_t counted[COUNTERS];                     /* the last that the plugin told */
    uint64_t taken_number, acked_number, acked_position;
    int64_t heard_at_ms; /* when a frame was confirmed last, or one went out with none before it */
    int64_t looked_at_ms;
    int64_t ack_at_ms;   /* when a confirmation is due; 0: nothing to confirm */
    int64_t wakes_at_ms; /* the thread looks again then at the latest */
};

void link_lock(struct broker_link *link);
void link_unlock(struct broker_link *link);
/* The link's thread has something to do. */
void link_wake(struct broker_link *link);
/* With the lock: one more frame may be under way. Frames grow while the broker is busy. */
bool link_may_send(const struct broker_link *link);
/* With the lock, which is given up meanwhile; the time is monotonic. */
void link_wait(struct broker_link *link, pthread_cond_t *cond, int64_t until_ms);

#endif
