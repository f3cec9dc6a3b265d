#ifndef GNATTER_PUSH_PROVIDER_H
#define GNATTER_PUSH_PROVIDER_H
/*
 * What a push provider is: it turns a wake-up into one HTTP request, and the answer into what is to be done. One file
 * per provider; none does I/O but reading its key files when it is opened. Bytes in, bytes out, and the time is handed
 * in.
 *
 * A provider belongs to one worker thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../clients/protocol/status.h"
#include "../../clients/protocol/topic.h"

#define PUSH_URL_LEN          2304  /* a stored endpoint has at most 2048 */
#define PUSH_HEADERS_BYTES    8192  /* an OAuth token may have 2048 */
#define PUSH_BODY_BYTES       8192  /* providers take 4096; a webhook a little more */
#define PUSH_ANSWER_BYTES     4096  /* what is kept of an answer: error texts are short */
#define PUSH_ANSWER_BYTES_MAX 65536 /* an answer that goes on beyond is cut off */
#define PUSH_PAYLOAD_BYTES    3800  /* JSON of one wake-up, within every provider's limit of 4096 */
#define PUSH_REASON_LEN       80
#define PUSH_PUBLIC_KEY_LEN   65
#define PUSH_AUTH_LEN         16

/* What a wake-up tells about the messages: nothing, from whom, or the text as well (never of what is sealed). */
enum push_content { PUSH_CONTENT_WAKE, PUSH_CONTENT_SENDER, PUSH_CONTENT_FULL };

/* One wake-up of one device, composed when it is claimed. Slices are borrowed, and empty where they do not apply. */
struct push_wake {
    int64_t job_id, device_id, user_id, registration_id;
    int attempt; /* from 1 */
    int64_t created_ms, expires_ms;
    struct slice client_id;
    struct slice token;    /* apns, fcm, webhook */
    struct slice endpoint; /* webpush, unifiedpush */
    unsigned char p256dh[PUSH_PUBLIC_KEY_LEN], auth[PUSH_AUTH_LEN];
    struct slice topic; /* apns: which app, when there are several */
    bool is_sandbox;    /* apns: a development build */
    bool shows;         /* the app shows a notification for it; else it only fetches */
    int64_t badge;      /* unread messages in all conversations */
    int64_t conversations;
    /* the newest message: PUSH_CONTENT_SENDER and above */
    struct slice conversation, title, sender;
    int64_t seq, time_ms;
    struct slice text; /* PUSH_CONTENT_FULL, and not sealed */
};

struct push_request {
    char url[PUSH_URL_LEN];
    char headers[PUSH_HEADERS_BYTES]; /* "Name: value" one after the other, each with its NUL */
    size_t headers_len;
    unsigned char body[PUSH_BODY_BYTES];
    size_t body_len;
    int64_t credential_ms; /* when the credential in it was made: comes back with the answer */
};
/* An empty POST to this address. STATUS_TOO_LARGE. */
MUST_CHECK enum status push_request_begin(struct push_request *request, struct slice base, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* STATUS_TOO_LARGE. A value with a control character is STATUS_MALFORMED: it would be a header of its own. */
MUST_CHECK enum status push_request_header(struct push_request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Keeps a copy. STATUS_TOO_LARGE. */
MUST_CHECK enum status push_request_body(struct push_request *request, struct slice body);

struct push_response {
    int status;             /* HTTP; 0: there was no answer */
    const char *failure;    /* what happened then */
    bool was_forbidden;     /* its address is not one that a device may name */
    int64_t retry_after_ms; /* -1: not said */
    int64_t credential_ms;  /* of the request */
    struct slice body;      /* its first PUSH_ANSWER_BYTES */
};

enum push_outcome {
    PUSH_SENT,
    PUSH_RETRY,   /* later: not before after_ms */
    PUSH_RENEW,   /* our credential was too old: at once with a new one */
    PUSH_GONE,    /* the token is no more: unregister, if it was registered before gone_before_ms (0: whenever) */
    PUSH_REFUSED, /* not this token as we send it: no more of these until it is registered again or an operator resumes
                   */
    PUSH_FAILED,  /* this wake-up cannot be sent; the token may be fine */
    PUSH_STOPPED, /* our key, topic or address is wrong: nothing will go until the configuration is mended */
};
struct push_verdict {
    enum push_outcome outcome;
    int64_t after_ms;    /* RETRY: -1 not said */
    bool pauses;         /* RETRY: holds for everything that goes the same way, not only for this device */
    bool is_key_refusal; /* REFUSED: somebody whose word counts only for this device says that our key is wrong */
    int64_t gone_before_ms;
    char reason[PUSH_REASON_LEN]; /* a word for logs and lists; printable */
};
/* Fills in a verdict; `reason` is cut and cleaned. */
void push_verdict_set(struct push_verdict *verdict, enum push_outcome outcome, struct slice reason);
/* What every provider's answers have in common: no answer, 5xx, and anything that a provider's own table does not know.
 */
void push_verdict_common(const struct push_response *response, struct push_verdict *ret_verdict);
/* The other side has looked at the wake-up itself: our key and the way there are good. */
bool push_verdict_is_understood(const struct push_verdict *verdict);
const char *push_outcome_name(enum push_outcome outcome);

/* The part of the service's configuration that is about push (config.c has the keys). Texts that are not set are empty.
 */
struct push_options {
    int64_t content; /* enum push_content */
    int64_t grace_ms, ttl_s, timeout_ms, parallel;
    int64_t allow_private_addresses; /* 1: yes; tests and own networks only */
    char *ca_file;
    char *apns_key_file, *apns_key_id, *apns_team_id, *apns_topics, *apns_url, *apns_sandbox_url;
    char *fcm_account_file, *fcm_url;
    char *webpush_key_file, *webpush_subject;
    char *webhook_url, *webhook_secret_file;
};

#define PUSH_ERROR_LEN 256
struct push_provider; /* each file has its own */
struct push_provider_type {
    const char *name;
    const char *const *serves; /* registrations with these providers; ends with NULL */
    bool needs_http2;
    bool is_foreign; /* addresses come from devices */
    bool takes_http; /* http as well as https */
    bool (*is_configured)(const struct push_options *options);
    /* Reads and checks keys; keeps `options`. STATUS_MALFORMED or STATUS_NOT_FOUND fill in `error`. */
    enum status (*open)(const struct push_options *options, struct push_provider **ret_provider,
                        char error[PUSH_ERROR_LEN]);
    void (*close)(struct push_provider *provider); /* NULL is allowed */
    /* Opened again it is what it was: its credential stays, as providers do not like a new one each time. NULL: never.
     */
    bool (*is_same)(const struct push_provider *a, const struct push_provider *b);
    /* What devices need to know to register, as base64url; NULL: nothing. Borrowed. */
    const char *(*public_key)(const struct push_provider *provider);
    /* STATUS_OK: *request can go. STATUS_STALE: there is no credential now. Others: *ret_verdict says why not. */
    enum status (*request)(struct push_provider *provider, const struct push_wake *wake, int64_t now_ms,
                           struct push_request *request, struct push_verdict *ret_verdict);
    void (*verdict)(struct push_provider *provider, const struct push_response *response, int64_t now_ms,
                    struct push_verdict *ret_verdict);
    /* The request that gets a credential (STATUS_NOT_FOUND: none is due), and its answer: SENT, RETRY or STOPPED. NULL
     * where there is none to get. The worker has one such request under way at a time. */
    enum status (*credential)(struct push_provider *provider, int64_t now_ms, struct push_request *request);
    void (*credential_verdict)(struct push_provider *provider, const struct push_response *response, int64_t now_ms,
                               struct push_verdict *ret_verdict);
};
extern const struct push_provider_type push_apns, push_fcm, push_webpush, push_webhook;
#define PUSH_PROVIDERS 4
extern const struct push_provider_type *const push_provider_types[PUSH_PROVIDERS];

/* ---- what they share ---- */
/* The same for all wake-ups of a device, and telling nothing about it: 24 characters of base64url. */
#define PUSH_COLLAPSE_LEN 24
void push_collapse_id(int64_t device_id, char ret_id[PUSH_COLLAPSE_LEN + 1]);
/* Whole file, NUL-terminated; at most 64 KiB. NULL: `error` says why. Free with push_file_free, which wipes it. */
char *push_file_read(const char *path, size_t *ret_len, char error[PUSH_ERROR_LEN]);
void push_file_free(char *text, size_t len);
/* "https://host:port" of an address, in lower case; STATUS_MALFORMED when it is none, or has a user part or blanks. */
#define PUSH_ORIGIN_LEN 300
MUST_CHECK enum status push_origin(struct slice url, bool takes_http, char ret_origin[PUSH_ORIGIN_LEN]);
/* How long until the next attempt: 2 s doubling to 15 min, times 0.5 to 1.5 by `random`. */
int64_t push_backoff_ms(int attempt, uint32_t random);

#endif
