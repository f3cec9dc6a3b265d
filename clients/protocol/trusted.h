#ifndef GNATTER_TRUSTED_H
#define GNATTER_TRUSTED_H
/* Internet addresses as the broker tells them, and lists of those that are trusted. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* IPv4 as IPv6 has it (::ffff:1.2.3.4), so that one host has one form. */
struct address {
    unsigned char bytes[16];
};
/* STATUS_MALFORMED: no numeric address. */
MUST_CHECK enum status address_parse(const char *text, struct address *ret_address);
/* Who counts as one: a host with IPv4, a network of /64 with IPv6, of which anybody has as many addresses as she likes.
 */
struct address address_owner(struct address address);

#define TRUSTED_MAX 64
struct trusted {
    struct trusted_network {
        struct address address;
        uint8_t bits;
    } networks[TRUSTED_MAX];
    int len;
};
/* "127.0.0.0/8, ::1", or "none". STATUS_MALFORMED; STATUS_FULL. */
MUST_CHECK enum status trusted_parse(const char *list, struct trusted *ret_trusted);
bool trusted_is_list(const char *list);
bool trusted_has(const struct trusted *trusted, struct address address);

#endif
