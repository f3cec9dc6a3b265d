#ifndef GNATTER_LIMITS_H
#define GNATTER_LIMITS_H
/*
 * Everything a peer can make grow has its limit here, with where the number comes from. Lengths in bytes, without a NUL.
 */
#define LIMIT_USER_LEN 32           /* [a-z0-9][a-z0-9._-]{0,31} */
#define LIMIT_DEVICE_LEN 32         /* the same form */
#define LIMIT_GROUP_LEN 64          /* [a-z0-9][a-z0-9._-]{0,63} */
#define LIMIT_CLIENT_ID_LEN (LIMIT_USER_LEN + 1 + LIMIT_DEVICE_LEN)
#define LIMIT_MESSAGE_ID_LEN 36     /* a UUID in its usual spelling */
#define LIMIT_METHOD_LEN 32
/* seq and time are PostgreSQL bigints: 1..2^63-1, 19 digits */
#define LIMIT_SEQ_LEN 19
#define LIMIT_SEQ INT64_MAX
/* the longer of "g/<group>" and "d/<user>/<user>" */
#define LIMIT_CONVERSATION_LEN (2 + LIMIT_USER_LEN + 1 + LIMIT_USER_LEN)
/* what a device may publish to: chat/<conversation>/<message id> is the longest */
#define LIMIT_TOPIC_LEN 128
/* inbox/<user>/history/chat/<conversation>/<seq>/<time>/<client id>/<message id> and some room */
#define LIMIT_INBOX_TOPIC_LEN 320
#define LIMIT_MESSAGE_BYTES_DEFAULT (64 * 1024)
#define LIMIT_MESSAGE_BYTES_MAX (192 * 1024) /* a record must fit a frame */
#define LIMIT_FRAME_BYTES (256 * 1024)       /* measured: Paho's throughput collapses with larger packets */
#define LIMIT_FRAME_CREDIT 8                 /* frames to the service that it has not confirmed yet */
/* Frames grow while the other side is busy: with so many unconfirmed, a further one is at least so long */
#define LIMIT_FRAME_CREDIT_SHORT 4
#define LIMIT_FRAME_LONG_BYTES (32 * 1024)
#define LIMIT_LIST_LINES 1000                /* lines in a bulk ack, read or sync; up to 65 bytes each fit a message */
#define LIMIT_GROUP_MEMBERS 1024
#define LIMIT_TITLE_BYTES 256
#define LIMIT_RPC_BYTES (64 * 1024) /* the longest is group.create with 1,024 members: 36 KiB */
#define LIMIT_CORRELATION_BYTES 1024        /* of an MQTT 5 rpc; a UUID takes 16 to 36 */
#define LIMIT_JSON_DEPTH 16                  /* objects and arrays within each other; no method needs more than 4 */
#define LIMIT_JSON_MEMBERS 64                /* of one object: looking for duplicates is quadratic */
#define LIMIT_JSON_NUMBER_LEN 32             /* cJSON cuts numbers at 63 */
#define LIMIT_HISTORY_ITEMS 200
#define LIMIT_HISTORY_BYTES (1024 * 1024)    /* one answer; the broker queues it whole */
#define LIMIT_TOKEN_LEN 2048                 /* a JWT; four claims and a kid need about 300 */
#define LIMIT_KID_LEN 64
#define LIMIT_KEYS 32                        /* public keys known at once; a rotation needs two */
#define LIMIT_DEVICES_PER_USER 64
#define LIMIT_WATCHED_USERS 256              /* presence subscriptions of one device */
#define LIMIT_PUSHED_RECEIPTS_MEMBERS 32     /* above: coalesced counts instead of one receipt per member */
#define LIMIT_CLOCK_SKEW_S 5                 /* a token's iat may be this far ahead of our clock */
#endif
