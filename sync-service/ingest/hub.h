#ifndef GNATTER_HUB_H
#define GNATTER_HUB_H
/*
 * The hub: takes the frames of all links apart, knows the sessions and who they are, and sends everything to the shard,
 * worker or clerk whose it is. One thread; others leave notes. It waits when a shard's mailbox is full: then frames are
 * not confirmed, the broker's journal fills, and devices are told to slow down.
 */
#include "../broker_link.h"
#include "../clerk.h"
#include "../rpc.h"
#include "../shard.h"

struct hub;
struct hub_options {
    struct primary *primary; /* borrowed for the hub's life, as all below */
    const char *name;
    uint32_t presence_offline_after_ms;
    struct broker_link *const *links;
    size_t links_len;
    struct shard *const *shards;
    size_t shards_len;
    struct rpc *rpc;
    struct clerk *clerk;
};
/* In two steps, as the links and shards need it before it can have them. */
MUST_CHECK enum status hub_new(struct hub **ret_hub);
MUST_CHECK enum status hub_start(struct hub *hub, const struct hub_options *options);
/* Takes no more frames from now on; returns when it has stopped doing so. */
void hub_stop_taking(struct hub *hub);
/* Tells the last `synced`, and ends: when the shards have ended. Who was live is noted as gone.
 * False: it has not ended by then (monotonic). */
bool hub_stop(struct hub *hub, int64_t deadline_ms);
void hub_free(struct hub *hub); /* NULL is allowed */

/* ---- notes, from any thread; the first argument is the hub, as a callback's context ---- */
void hub_frame(void *hub, uint32_t link, uint64_t life, struct link_frame frame);
void hub_link_down(void *hub, uint32_t link, uint64_t life);
void hub_caught_up(void *hub, session_ref session, uint64_t ready_number, uint64_t replayed);
void hub_presence(void *hub, session_ref session, struct slice user, uint32_t shown, int64_t seen_s); /* presence.h */
/* What a user shows of herself, or what the user of a device sees of others, is to be asked again. */
void hub_presence_changed(void *hub, struct slice user);
void hub_watcher_changed(void *hub, struct slice client_id);
void hub_revocations(void *hub, uint64_t number, struct slice lines);
/* A user's or a device's tokens issued before that second are void. */
void hub_revoked(void *hub, struct slice name, int64_t valid_after_s);
/* This device is unregistered, as are all of that name with lower ids. */
void hub_device_removed(void *hub, struct slice client_id, int64_t device_id);
/* How a device's user keeps a conversation: "<client id> <conversation> <JSON>". */
void hub_flags(void *hub, struct slice told);
/* Who came and went was lost on the way to the clerk. */
void hub_clerk_lost(void *hub);
/* Notifications may have been missed. */
void hub_resync(void *hub);

struct hub_state {
    size_t sessions, ready;
};
void hub_state(struct hub *hub, struct hub_state *ret_state);

#endif
