#ifndef GNATTER_HTTP_H
#define GNATTER_HTTP_H
/*
 * The HTTP endpoint for monitoring: /metrics, /healthz, /readyz. A thread of its own, which only looks at what other
 * threads leave to be seen; nobody waits for it. No TLS, no password: it is for loopback, or a network of the
 * operator's. The only file that knows libmicrohttpd.
 */
#include "../service.h"

struct http;
/* STATUS_MALFORMED: not a numeric address. STATUS_UNAVAILABLE: errno says why. Main thread. */
MUST_CHECK enum status http_start(const char *address, int64_t port, struct service *service, struct http **ret_http);
/* Before the service stops; NULL is allowed. */
void http_stop(struct http *http);

#endif
