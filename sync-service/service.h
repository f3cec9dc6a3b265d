#ifndef GNATTER_SERVICE_H
#define GNATTER_SERVICE_H
/* The running service: all its parts, wired in the order in which a message meets them. Main thread, but where it says
 * otherwise. */
#include <stdbool.h>
#include "config.h"
#include "primary.h"

struct service;
/* Makes every part, and asks the database whether there is another service; what it needs (brokers, database) may come
 * later. Borrows the configuration and the primary. Logs what is wrong. */
MUST_CHECK enum status service_start(const struct config *config, struct primary *primary,
                                     struct service **ret_service);
/* Starts to serve, once the database is ours; to be called again and again. STATUS_UNAVAILABLE: not yet. STATUS_DENIED:
 * another service has the database since: this process has nothing to say any more, and is to end as if killed.
 * Another: it cannot be done. */
MUST_CHECK enum status service_go_on(struct service *service);
/* Takes nothing more, finishes what was taken, within stop_after_ms; frees it. False: not everything was finished. */
bool service_stop(struct service *service);
/* What is read from files beside the configuration is read again. */
void service_reload(struct service *service);

/* ---- what it is like: any thread, until service_stop ---- */
/* The database answers, and a broker is linked: a device could chat. */
bool service_is_ready(struct service *service);
/* Why it could not, in a word each; how many. 0: it could. */
#define SERVICE_WHYS_MAX 4
size_t service_why_not_ready(struct service *service, const char *whys[SERVICE_WHYS_MAX]);
/* Every thread that has to move has moved of late. */
bool service_is_alive(struct service *service);
/* What it is like, as one JSON object and a newline; 0: it does not fit. */
size_t service_status(struct service *service, char *buf, size_t buf_size);
/* The same as Prometheus reads it. Free it; NULL: no memory. */
char *service_metrics(struct service *service, size_t *ret_len);

#endif
