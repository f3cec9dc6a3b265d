#ifndef GNATTER_KEPT_H
#define GNATTER_KEPT_H
/*
 * How much the broker keeps for a connection. It sends so many messages of QoS 1 as may be in flight, and keeps the
 * others until the device says PUBACK, which it need never do: not even where it acknowledges seqs, which it can make
 * up. The broker does not show its plugins who said PUBACK, but the system tells how many bytes have got across, and
 * those are at least the bytes of what was sent. So what was handed over and has not got across is kept: above these
 * bounds, which no window of the service comes near, the connection is to be ended. What has got across without a
 * PUBACK is bounded by the broker alone: as many as may be in flight (1,000; in MQTT 5 what the device announces,
 * 65,535 at most).
 *
 * Where the system does not tell (no TCP), all of it counts as kept. Broker's thread.
 */
#include "sessions.h"

#define KEPT_ITEMS 50000u /* below the broker's max_queued_messages: what is above it leaks for ever */
#define KEPT_BYTES 70000000u

/* So many bytes more are about to be handed to the broker for it. False: there is too much. */
bool kept_add(struct session *session, size_t bytes);

#endif
