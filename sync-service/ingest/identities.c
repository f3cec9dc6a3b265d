#include "identities.h"
#include <stdlib.h>
#include <string.h>

static struct identity *identity_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct identity, by_client_id);
}

struct slice identity_client_id(const struct identity *identity)
{
    return (struct slice){identity->client_id, identity->client_id_len};
}

static uint64_t hash_of(const struct table_link *link)
{
    return hash_text(identity_client_id(TABLE_ENTRY(link, const struct identity, by_client_id)));
}

struct core_device identity_device(const struct identity *identity)
{
    size_t device_at = identity->user_len + 1u;
    return (struct core_device){
        .device_id = identity->device_id,
        .user_id = identity->user_id,
        .user = {identity->client_id, identity->user_len},
        .device = {identity->client_id + device_at, identity->client_id_len - device_at},
        .ack_auto = identity->ack_auto,
    };
}

struct identity *identities_find(struct identities *identities, struct slice client_id)
{
    struct table_link *link = table_chain(&identities->by_client_id, hash_text(client_id));
    while (link != NULL && !slice_equal(identity_client_id(identity_at(link)), client_id))
        link = link->next;
    return link != NULL ? identity_at(link) : NULL;
}

static void forget(struct identities *identities, struct identity *identity)
{
    table_remove(&identities->by_client_id, &identity->by_client_id, hash_of);
    free(identity);
}

void identities_make_room(struct identities *identities)
{
    if (identities->by_client_id.len < identities->max)
        return;
    size_t wanted = identities->by_client_id.len - identities->max + identities->max / 16 + 1;
    struct table_walk walk = {.table = &identities->by_client_id, .head = identities->hand};
    for (int rounds = 0; wanted > 0 && rounds < 2;) {
        struct table_link *link = table_next(&walk);
        if (link == NULL) {
            walk.head = 0;
            rounds++;
        } else if (identity_at(link)->sessions == NULL) {
            forget(identities, identity_at(link));
            wanted--;
        }
    }
    identities->hand = walk.head;
    if (wanted > 0)
        identities->max *= 2; /* nearly all of them are connected: sessions have their own bound */
}

struct identity *identities_add(struct identities *identities, struct slice client_id, int64_t device_id,
                                int64_t user_id, bool ack_auto)
{
    struct slice user, device;
    if (client_id_parse(client_id, &user, &device) != STATUS_OK)
        return NULL;
    struct identity *identity = calloc(1, SIZE_WITH(struct identity, client_id, client_id.len + 1));
    if (identity == NULL)
        return NULL;
    memcpy(identity->client_id, client_id.at, client_id.len);
    identity->client_id_len = (uint8_t)client_id.len;
    identity->user_len = (uint8_t)user.len;
    identity->device_id = device_id;
    identity->user_id = user_id;
    identity->ack_auto = ack_auto;
    if (table_add(&identities->by_client_id, &identity->by_client_id, hash_of) != STATUS_OK) {
        free(identity);
        return NULL;
    }
    return identity;
}

void identity_release(struct identity *identity)
{
    if (identity->is_removed) /* it is not in the table any more */
        free(identity);
}

void identities_remove(struct identities *identities, struct identity *identity)
{
    table_remove(&identities->by_client_id, &identity->by_client_id, hash_of);
    identity->is_removed = true;
    if (identity->sessions == NULL)
        free(identity);
}

void identities_forget_idle(struct identities *identities)
{
    struct table_walk walk;
    for (struct table_link *link = table_first(&identities->by_client_id, &walk); link != NULL;
         link = table_next(&walk))
        if (identity_at(link)->sessions == NULL)
            forget(identities, identity_at(link));
}

void identities_done(struct identities *identities)
{
    struct table_walk walk;
    for (struct table_link *link = table_first(&identities->by_client_id, &walk); link != NULL;
         link = table_next(&walk))
        forget(identities, identity_at(link));
}
