#ifndef GNATTER_RUNTIME_H
#define GNATTER_RUNTIME_H
/*
 * Bounds of the running service: everything that can gather between two threads, and where the number comes from.
 * (What a device can make grow is bounded in clients/protocol/limits.h, what the core holds in core_options.)
 */
#include "../clients/protocol/limits.h"

#define RUNTIME_LINKS_MAX       16
#define RUNTIME_SHARDS_MAX      64
#define RUNTIME_RPC_WORKERS_MAX 16
#define RUNTIME_PATH_LEN        4096
/* waiting for one shard; the hub waits when it is full: then the broker's journal fills, then devices are told */
#define RUNTIME_SHARD_MAILBOX_BYTES (8 * 1024 * 1024)
/* what a turn of a shard takes at once, so that answers of the database are looked at in between */
#define RUNTIME_SHARD_TURN_BYTES (1024 * 1024)
/* typing is the first thing dropped: above this much waiting for a shard */
#define RUNTIME_TYPING_MAILBOX_BYTES (1024 * 1024)
/* notes for the hub: frames are bounded by their credit, the rest by the number of sessions */
#define RUNTIME_HUB_MAILBOX_BYTES (8 * 1024 * 1024)
/* frames of one link that wait for the hub: the plugin sends no more than its credit, and the answer to HELLO */
#define RUNTIME_FRAMES_WAITING (4 * LIMIT_FRAME_CREDIT)
/* for one broker; shards wait when it is full: a broker that does not read slows everybody, it never exhausts memory */
#define RUNTIME_OUTBOX_BYTES (64 * 1024 * 1024)
/* records taken from one journal and not done; the hub waits when it is full */
#define RUNTIME_RECORDS_MAX         (256 * 1024)
#define RUNTIME_IDENTITIES_MAX      (256 * 1024)      /* known devices that are not connected; 200 bytes each */
#define RUNTIME_RPC_MAILBOX_BYTES   (8 * 1024 * 1024) /* per worker; above: overloaded */
#define RUNTIME_CLERK_MAILBOX_BYTES (8 * 1024 * 1024)
/* sessions of one DELIVER: 16 KiB, which fits a frame beside the longest payload, and keeps the broker's turns short */
#define RUNTIME_DELIVER_SESSIONS 4096
#define RUNTIME_RPC_WAIT_MS 5000     /* how long an rpc waits for a database that is away */
#define RUNTIME_BARRIER_WAIT_MS 1000 /* how long an rpc waits for marks on their way to the database */
#define RUNTIME_ACK_DELAY_MS 20      /* a confirmation waits this long for a frame that takes it along */
/* ... and so long when the plugin may be waiting for it with a short frame: the answers to what was taken, which a commit
 * later take it along, come sooner under load, and frames are as large as batches */
#define RUNTIME_ACK_WAITED_FOR_MS 2
#define RUNTIME_WELCOME_WAIT_MS 10000
#define RUNTIME_STALLED_MS 30000 /* a thread that has not turned for so long: the watchdog is not fed */
/* a question to the database that waits for so long: a device could not chat now */
#define RUNTIME_DATABASE_SILENT_MS 5000
/*
 * Nothing of an answer has come for so long: the connection is given up. What lies between us and the database may have
 * forgotten it without a word (keep alive of TCP sees the next hop only). Below RUNTIME_STALLED_MS: a thread that waits
 * is no thread that hangs.
 */
#define RUNTIME_ANSWER_WAIT_MS 20000
/* ... and twice as long each time, up to this: what waits for a synchronous standby goes on waiting in the server, also
 * when nobody listens any more, and each holds one of its connections */
#define RUNTIME_ANSWER_WAIT_MAX_MS 640000
/* a frame that the broker has not confirmed for so long: the same for the link */
#define RUNTIME_LINK_SILENT_MS 10000

#endif
