#include "addresses.h"

#include <string.h>

void addresses_init(struct addresses *addresses, uint32_t max)
{
    addresses->trusted.len = 0;
    ledger_init(&addresses->connections, max);
    ledger_init(&addresses->auth_failures, max);
}

void addresses_done(struct addresses *addresses)
{
    ledger_done(&addresses->connections);
    ledger_done(&addresses->auth_failures);
}

/* Whose it is; false: without limits. */
static bool owner_of(const struct addresses *addresses, const struct rates *rates, const char *text,
                     struct address *ret_owner)
{
    struct address address = {{0}};
    if (rates->is_off)
        return false;
    if (address_parse(text, &address) == STATUS_OK && trusted_has(&addresses->trusted, address))
        return false;
    *ret_owner = address_owner(address);
    return true;
}

static struct slice key_of(const struct address *owner)
{
    return (struct slice){(const char *)owner->bytes, sizeof owner->bytes};
}

enum address_verdict addresses_connect(struct addresses *addresses, const struct rates *rates, const char *address,
                                       uint32_t now_ms, uint32_t *ret_retry_after_ms)
{
    struct address owner;
    if (!owner_of(addresses, rates, address, &owner))
        return ADDRESS_OK;
    if (!ledger_could_take(&addresses->auth_failures, key_of(&owner), rates->auth_failures, now_ms, RATES_MINUTE_TOKENS,
                           ret_retry_after_ms))
        return ADDRESS_BLOCKED;
    if (!ledger_take(&addresses->connections, key_of(&owner), rates->connections, now_ms, 1, ret_retry_after_ms))
        return ADDRESS_TOO_FAST;
    return ADDRESS_OK;
}

void addresses_failed(struct addresses *addresses, const struct rates *rates, const char *address, uint32_t now_ms)
{
    struct address owner;
    uint32_t retry_after_ms;
    if (owner_of(addresses, rates, address, &owner)) /* one it could not take is refused before it comes so far */
        (void)ledger_take(&addresses->auth_failures, key_of(&owner), rates->auth_failures, now_ms, RATES_MINUTE_TOKENS,
                          &retry_after_ms);
}

void addresses_sweep(struct addresses *addresses, const struct rates *rates, uint32_t now_ms)
{
    ledger_sweep(&addresses->connections, rates->connections, now_ms);
    ledger_sweep(&addresses->auth_failures, rates->auth_failures, now_ms);
}

uint32_t addresses_len(const struct addresses *addresses)
{
    uint32_t connections = ledger_len(&addresses->connections), failures = ledger_len(&addresses->auth_failures);
    return connections > failures ? connections : failures;
}
