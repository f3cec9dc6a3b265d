#ifndef GNATTER_AUTHORIZE_H
#define GNATTER_AUTHORIZE_H
/*
 * What a device may publish, subscribe to and receive: the topic grammar is the whole access list. Pure.
 */
#include "topic.h"

/* STATUS_DENIED: no topic of a device, or retained. */
MUST_CHECK enum status authorize_publish(struct slice topic, bool is_retained, struct topic *ret_topic);
/* What to publish instead of a topic that was denied, for its device to read. */
const char *authorize_topic_advice(struct slice topic);
/* Is the payload of the form that belongs to the topic? STATUS_TOO_LARGE, STATUS_MALFORMED. *ret_lines: how many
 * conversations it is about (1 where it is no list). */
MUST_CHECK enum status authorize_payload(const struct topic *topic, struct slice payload, size_t message_bytes_max,
                                         uint32_t *ret_lines);
/* What that form is. */
const char *authorize_payload_advice(enum topic_kind kind);

struct filter_wish {
    enum filter_kind kind;
    struct slice below;   /* INBOX: the filter without inbox/<user>/ */
    struct slice watched; /* PRESENCE */
};
MUST_CHECK enum status authorize_subscribe(struct slice filter, struct slice user, struct filter_wish *ret_wish);
/* May this be handed to that user's device? */
bool authorize_receive(struct slice topic, struct slice user);

#endif
