#include "trusted.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BYTES 12 /* ::ffff: before the four of IPv4 */

enum status address_parse(const char *text, struct address *ret_address)
{
    static const unsigned char mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
    struct address address;
    if (inet_pton(AF_INET6, text, address.bytes) != 1) {
        memcpy(address.bytes, mapped, MAPPED_BYTES);
        if (inet_pton(AF_INET, text, address.bytes + MAPPED_BYTES) != 1)
            return STATUS_MALFORMED;
    }
    *ret_address = address;
    return STATUS_OK;
}

static bool is_mapped(struct address address)
{
    for (int i = 0; i < 10; i++)
        if (address.bytes[i] != 0)
            return false;
    return address.bytes[10] == 0xff && address.bytes[11] == 0xff;
}

struct address address_owner(struct address address)
{
    if (!is_mapped(address))
        memset(address.bytes + 8, 0, 8);
    return address;
}

static enum status network_parse(const char *text, size_t len, struct trusted_network *ret_network)
{
    char copy[INET6_ADDRSTRLEN + 4];
    struct trusted_network network = {.bits = 128};
    if (len == 0 || len >= sizeof copy)
        return STATUS_MALFORMED;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    if (address_parse(copy, &network.address) != STATUS_OK)
        return STATUS_MALFORMED;
    if (slash != NULL) {
        unsigned shift = strchr(copy, ':') != NULL ? 0 : 8 * MAPPED_BYTES;
        char *end;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > 128 - shift)
            return STATUS_MALFORMED;
        network.bits = (uint8_t)(bits + shift);
    }
    *ret_network = network;
    return STATUS_OK;
}

enum status trusted_parse(const char *list, struct trusted *ret_trusted)
{
    struct trusted trusted = {.len = 0};
    bool is_none = strcmp(list, "none") == 0;
    for (const char *at = list; !is_none;) {
        at += strspn(at, " ");
        size_t len = strcspn(at, ", ");
        if (trusted.len == TRUSTED_MAX)
            return STATUS_FULL;
        if (network_parse(at, len, &trusted.networks[trusted.len++]) != STATUS_OK)
            return STATUS_MALFORMED;
        at += len;
        at += strspn(at, " ");
        if (*at == '\0')
            break;
        if (*at++ != ',')
            return STATUS_MALFORMED;
    }
    *ret_trusted = trusted;
    return STATUS_OK;
}

bool trusted_is_list(const char *list)
{
    struct trusted trusted;
    return trusted_parse(list, &trusted) == STATUS_OK;
}

static bool is_in(const struct trusted_network *network, struct address address)
{
    unsigned bytes = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address.bytes, address.bytes, bytes) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return rest == 0 || ((network->address.bytes[bytes] ^ address.bytes[bytes]) & mask) == 0;
}

bool trusted_has(const struct trusted *trusted, struct address address)
{
    for (int i = 0; i < trusted->len; i++)
        if (is_in(&trusted->networks[i], address))
            return true;
    return false;
}
