#ifndef GNATTER_IDENTITIES_H
#define GNATTER_IDENTITIES_H
/*
 * What the database says about client ids, remembered while a session needs it and some time longer. The hub's thread.
 */
#include "../../clients/protocol/table.h"
#include "../../clients/protocol/topic.h"
#include "../core/core.h"

struct session;
struct identity {
    struct table_link by_client_id;
    int64_t device_id, user_id;
    struct session *sessions; /* sessions.h; while there is one it stays */
    bool ack_auto : 1;
    bool is_removed : 1; /* not in the table any more: it is freed with its last session */
    uint8_t user_len, client_id_len;
    char client_id[];
};
struct identities {
    struct table by_client_id;
    size_t max;    /* unused ones above this are forgotten, */
    uint32_t hand; /* looked at in turn, like the hand of a clock */
};

/* Its names borrow from the identity. */
struct core_device identity_device(const struct identity *identity);
struct slice identity_client_id(const struct identity *identity);

/* NULL: not known (here). */
struct identity *identities_find(struct identities *identities, struct slice client_id);
/* Keeps to the bound. What identities_find gave before may be gone, but for those with a session. */
void identities_make_room(struct identities *identities);
/* NULL: not the form of a client id, or no memory. Forgets nobody: make room before. */
struct identity *identities_add(struct identities *identities, struct slice client_id, int64_t device_id,
                                int64_t user_id, bool ack_auto);
/* It has no session any more. */
void identity_release(struct identity *identity);
/* It is not found any more; its sessions keep it. */
void identities_remove(struct identities *identities, struct identity *identity);
/* Those without a session. */
void identities_forget_idle(struct identities *identities);
void identities_done(struct identities *identities);

#endif
