#ifndef GNATTER_PUSH_TRANSPORT_H
#define GNATTER_PUSH_TRANSPORT_H
/*
 * HTTP requests of one worker, many at a time, over long-lived connections (HTTP/2 where the other side has it).
 * Nothing here waits but transport_wait. A transport belongs to one thread; transport_wake may be called from any.
 *
 * With `is_guarded` (addresses named by devices) it connects to public addresses only, whatever the name resolves to,
 * over https only; it never follows a redirect, uses no proxy, and ends an answer that is too long or takes too long.
 * Guarded and other requests never share a transport: a connection opened for one could serve the other.
 */
#include "provider.h"

struct transport;
struct transport_options {
    bool is_guarded, needs_http2, takes_http;
    int64_t timeout_ms;
    const char *ca_file; /* empty: the system's */
};
/* Once, while there is one thread; harmless again. False: curl cannot be used. */
bool transport_init(void);
/* NULL: no memory. Keeps `ca_file`. */
struct transport *transport_new(const struct transport_options *options);
/* Ends what is under way, without answers. */
void transport_end(struct transport *transport);
/* The same, and frees it; NULL is allowed. */
void transport_free(struct transport *transport);

/* Copies the request. `on_answer` is called from transport_wait; `response` is borrowed. STATUS_NO_MEMORY. */
typedef void (*transport_answer)(void *ctx, const struct push_response *response);
MUST_CHECK enum status transport_send(struct transport *transport, const struct push_request *request,
                                      transport_answer on_answer, void *ctx);
/* Moves what is under way until something was answered, somebody woke it, or the time is over. */
void transport_wait(struct transport *transport, int timeout_ms);
void transport_wake(struct transport *transport);
int transport_under_way(const struct transport *transport);

#endif
