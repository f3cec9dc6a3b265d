#ifndef GNATTER_BROKER_H
#define GNATTER_BROKER_H
/*
 * What the plugin asks of the broker, without the broker's types: broker.c does it with Mosquitto, tests with a list.
 *
 * Only from the broker's thread. A publish is queued by the broker and goes out at the start of its next turn; it goes
 * by client id, so it is for whoever has that id then. That is why deliveries are published in the tick only: nothing
 * is read from any connection between the tick and the next turn's start.
 */
#include "topic.h"

enum broker_level { BROKER_DEBUG, BROKER_INFO, BROKER_NOTICE, BROKER_WARNING, BROKER_ERROR };
/* "what key=value": the level and "gnatter" are put before it. Ids and sizes only, never bodies, tokens or secrets. */
void broker_log(enum broker_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* MQTT 5 properties of a delivery; empty slices: not there. */
struct broker_properties {
    struct slice seq, time, sender, id; /* user properties */
    struct slice correlation;
};

/* To one connected client whatever its subscriptions. Keeps copies. `properties` NULL: none.
 * STATUS_NO_MEMORY; that it was not dropped for a full queue cannot be known. */
MUST_CHECK enum status broker_publish(const char *client_id, const char *topic, struct slice payload, int qos,
                                      const struct broker_properties *properties);
/* Is there memory for so many publishes, of so many bytes together, to be kept? The broker takes them up behind the
 * tick, and what it has no memory for then it drops without a word. */
bool broker_has_room(uint64_t publishes, uint64_t bytes);
/* Ends the connection that has this client id now. Its disconnect event may come before this returns. */
void broker_kick(const char *client_id);
/* From now on, until it is called with false, the broker's loop turns every BROKER_WAKE_NS though nothing arrives: it
 * would sleep for 100 ms while something waits for its next tick. Cheap to repeat. */
#define BROKER_WAKE_NS 500000
void broker_wake(bool is_wanted);
/* The plugin is unloaded. */
void broker_wake_end(void);
/* What is written to the client whose packet is being handled is not held back. Only an accelerator does that, so
 * without one there is nothing to do. */
void broker_urgent(void);
/* The client's TCP socket, which stays the same as long as it is connected; -1: it has none. */
int broker_socket(const void *client);
/* What is written to sockets is gathered already (by an accelerator). */
bool broker_gathers(void);
/* How many bytes the peer's system has acknowledged since the connection began; false: that is not known. */
bool broker_bytes_across(int socket, uint64_t *ret_bytes);
/* What is written there now waits until it is called with false, but for full segments, and for 200 ms at most. */
void broker_cork(int socket, bool is_on);
/* How many places for subscriptions the client's session has; 0: it never had one. Right only after CONNACK. */
int broker_subscription_count(const void *client);

#endif
