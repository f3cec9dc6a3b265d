#ifndef GNATTER_ADDRESSES_H
#define GNATTER_ADDRESSES_H
/*
 * How fast one address may connect, and fail to. The plugin hears of a connection at its CONNECT and not before;
 * sockets that never say one are the broker's (docs/operating.md). A bounded number of addresses is remembered, for as
 * long as they are busy. The broker's thread only.
 */
#include "ledger.h"
#include "rates.h"
#include "trusted.h"

#define ADDRESSES_MAX 16384u /* of each kind; about 110 bytes each */

struct addresses {
    struct trusted trusted; /* no limits for these */
    struct ledger connections, auth_failures;
};

enum address_verdict { ADDRESS_OK, ADDRESS_TOO_FAST, ADDRESS_BLOCKED };

void addresses_init(struct addresses *addresses, uint32_t max);
void addresses_done(struct addresses *addresses);
/* A connection from there. What is no numeric address is all one, and not trusted. */
enum address_verdict addresses_connect(struct addresses *addresses, const struct rates *rates, const char *address,
                                       uint32_t now_ms, uint32_t *ret_retry_after_ms);
/* Its login was refused. */
void addresses_failed(struct addresses *addresses, const struct rates *rates, const char *address, uint32_t now_ms);
void addresses_sweep(struct addresses *addresses, const struct rates *rates, uint32_t now_ms);
uint32_t addresses_len(const struct addresses *addresses);

#endif
