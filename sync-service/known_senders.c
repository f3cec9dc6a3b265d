#include "known_senders.h"
#include <stdlib.h>
#include <string.h>

struct known_sender {
    struct table_link by_device;
    int64_t device_id;
    uint8_t user_len, device_len;
    char name[]; /* user:device */
};

static struct known_sender *sender_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct known_sender, by_device);
}

static uint64_t hash_of(const struct table_link *link)
{
    return hash_number((uint64_t)TABLE_ENTRY(link, const struct known_sender, by_device)->device_id);
}

static void forget_all(struct known_senders *known)
{
    struct table_walk walk;
    for (struct table_link *link = table_first(&known->by_device, &walk); link != NULL; link = table_next(&walk)) {
        table_remove(&known->by_device, link, hash_of);
        free(sender_at(link));
    }
    known->recent_len = known->hand = 0;
    known->last_device_id = 0;
}

void known_senders_done(struct known_senders *known)
{
    forget_all(known);
}

size_t known_senders_ask(struct known_senders *known, const int64_t **ret_device_ids)
{
    bool is_full = known->by_device.len >= KNOWN_SENDERS_MAX;
    if (is_full && known->questions == 0) {
        forget_all(known);
        is_full = false;
    }
    known->questions++;
    *ret_device_ids = known->recent;
    return is_full ? 0 : known->recent_len; /* full: soon no question that relies on it is under way */
}

void known_senders_answered(struct known_senders *known)
{
    if (known->questions > 0)
        known->questions--;
}

void known_senders_forget_questions(struct known_senders *known)
{
    known->questions = 0;
}

static struct known_sender *find(const struct known_senders *known, int64_t device_id)
{
    struct table_link *link = table_chain(&known->by_device, hash_number((uint64_t)device_id));
    while (link != NULL && sender_at(link)->device_id != device_id)
        link = link->next;
    return link != NULL ? sender_at(link) : NULL;
}

static enum status add(struct known_senders *known, int64_t device_id, struct slice name,
                       struct known_sender **ret_sender)
{
    struct slice user, device;
    if (client_id_parse(name, &user, &device) != STATUS_OK)
        return STATUS_MALFORMED;
    struct known_sender *sender = malloc(SIZE_WITH(struct known_sender, name, name.len));
    if (sender == NULL)
        return STATUS_NO_MEMORY;
    sender->device_id = device_id;
    sender->user_len = (uint8_t)user.len;
    sender->device_len = (uint8_t)device.len;
    memcpy(sender->name, name.at, name.len);
    if (table_add(&known->by_device, &sender->by_device, hash_of) != STATUS_OK) {
        free(sender);
        return STATUS_NO_MEMORY;
    }
    *ret_sender = sender;
    return STATUS_OK;
}

/* Round and round: who is seen again comes in again. */
static void note_recent(struct known_senders *known, int64_t device_id)
{
    for (uint32_t i = 0; i < known->recent_len; i++)
        if (known->recent[i] == device_id)
            return;
    known->recent[known->hand] = device_id;
    known->hand = (known->hand + 1) % KNOWN_SENDERS_RECENT;
    if (known->recent_len < KNOWN_SENDERS_RECENT)
        known->recent_len++;
}

enum status known_senders_find(struct known_senders *known, int64_t device_id, struct slice name,
                               struct slice *ret_user, struct slice *ret_device)
{
    if (device_id != known->last_device_id || device_id == 0) {
        struct known_sender *sender = find(known, device_id);
        if (sender == NULL) {
            enum status status = add(known, device_id, name, &sender);
            if (status != STATUS_OK)
                return status;
        }
        note_recent(known, device_id);
        known->last_device_id = device_id;
        known->last_user = (struct slice){sender->name, sender->user_len};
        known->last_device = (struct slice){sender->name + sender->user_len + 1, sender->device_len};
    }
    *ret_user = known->last_user;
    *ret_device = known->last_device;
    return STATUS_OK;
}
