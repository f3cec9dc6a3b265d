#ifndef GNATTER_IDENTITIES_H
#define GNATTER_IDENTITIES_H
/*
 * What the database says about client ids, remembered while a session needs it and some time longer. The hub's thread.
 */
#include <uthash.h>
#include "../../clients/protocol/topic.h"
#include "../core/core.h"

struct session;
struct identity {
    UT_hash_handle hh;
    struct core_device device; /* its names borrow from client_id */
    struct session *sessions;  /* sessions.h; while there is one it stays */
    bool is_removed;           /* not in the table any more: it is freed with its last session */
    uint8_t client_id_len;
    char client_id[];
};
struct identities {
    struct identity *by_client_id;
    size_t max; /* unused ones above this are forgotten, oldest first */
};

/* NULL: not known (here). */
struct identity *identities_find(struct identities *identities, struct slice client_id);
/* NULL: not the form of a client id, or no memory. */
struct identity *identities_add(struct identities *identities, struct slice client_id, int64_t device_id,
                                int64_t user_id, bool ack_auto);
/* It has no session any more. */
void identity_release(struct identity *identity);
/* It is not found any more; its sessions keep it. */
void identities_remove(struct identities *identities, struct identity *identity);
void identities_forget_all(struct identities *identities);
void identities_done(struct identities *identities);

#endif
