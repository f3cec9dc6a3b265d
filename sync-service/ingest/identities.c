#include "identities.h"
#include <stdlib.h>
#include <string.h>

struct identity *identities_find(struct identities *identities, struct slice client_id)
{
    struct identity *identity;
    HASH_FIND(hh, identities->by_client_id, client_id.at, client_id.len, identity);
    return identity;
}

static void forget(struct identities *identities, struct identity *identity)
{
    HASH_DEL(identities->by_client_id, identity); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
    free(identity);
}

/* The table keeps the order of adding. */
static void make_room(struct identities *identities)
{
    if (HASH_COUNT(identities->by_client_id) < identities->max)
        return;
    size_t wanted = identities->max / 16 + 1;
    struct identity *identity, *next;
    HASH_ITER (hh, identities->by_client_id, identity, next) {
        if (identity->sessions == NULL) {
            forget(identities, identity);
            if (--wanted == 0)
                return;
        }
    }
    identities->max *= 2; /* all of them are connected: sessions have their own bound */
}

struct identity *identities_add(struct identities *identities, struct slice client_id, int64_t device_id,
                                int64_t user_id, bool ack_auto)
{
    struct slice user, device;
    if (client_id_parse(client_id, &user, &device) != STATUS_OK)
        return NULL;
    make_room(identities);
    struct identity *identity = calloc(1, sizeof *identity + client_id.len + 1);
    if (identity == NULL)
        return NULL;
    memcpy(identity->client_id, client_id.at, client_id.len);
    identity->client_id_len = (uint8_t)client_id.len;
    identity->device = (struct core_device){
        .device_id = device_id,
        .user_id = user_id,
        .user = {identity->client_id, user.len},
        .device = {identity->client_id + user.len + 1, device.len},
        .ack_auto = ack_auto,
    };
    HASH_ADD(hh, identities->by_client_id, client_id, client_id.len, identity);
    return identity;
}

void identity_release(struct identity *identity)
{
    if (identity->is_removed) /* it is not in the table any more */
        free(identity);
}

void identities_remove(struct identities *identities, struct identity *identity)
{
    HASH_DEL(identities->by_client_id, identity); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
    identity->is_removed = true;
    if (identity->sessions == NULL)
        free(identity);
}

void identities_forget_all(struct identities *identities)
{
    struct identity *identity, *next;
    HASH_ITER (hh, identities->by_client_id, identity, next)
        identities_remove(identities, identity);
}

void identities_done(struct identities *identities)
{
    struct identity *identity, *next;
    HASH_ITER (hh, identities->by_client_id, identity, next)
        forget(identities, identity);
}
