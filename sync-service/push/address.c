#include "address.h"
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* IANA's special-purpose registries: what is not globally reachable. */
static const struct {
    uint32_t net;
    int bits;
} nets4[] = {
    {0x00000000, 8},  /* this network */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* carrier-grade NAT */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local: clouds tell their secrets here */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* protocol assignments */
    {0xc0000200, 24}, /* documentation */
    {0xc0586300, 24}, /* 6to4 relays */
    {0xc0a80000, 16}, /* private */
    {0xc6120000, 15}, /* benchmarks */
    {0xc6336400, 24}, /* documentation */
    {0xcb007100, 24}, /* documentation */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof nets4 / sizeof nets4[0]; i++)
        if ((address ^ nets4[i].net) >> (32 - nets4[i].bits) == 0)
            return false;
    return true;
}

static uint32_t read4(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_public6(const unsigned char at[16])
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(at, nat64, sizeof nat64) == 0)
        return is_public4(read4(at + 12));
    if (at[0] == 0x20 && at[1] == 0x02) /* 6to4: the IPv4 address it goes to */
        return is_public4(read4(at + 2));
    if ((at[0] & 0xe0) != 0x20) /* outside 2000::/3: unspecified, loopback, mapped, ULA, link-local, multicast, ... */
        return false;
    if (at[0] == 0x20 && at[1] == 0x01 && (at[2] & 0xfe) == 0) /* 2001::/23: Teredo and other assignments */
        return false;
    if (read4(at) == 0x20010db8) /* documentation */
        return false;
    return !(at[0] == 0x3f && at[1] == 0xff && (at[2] & 0xf0) == 0); /* 3fff::/20, documentation */
}

bool address_is_public(const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return is_public4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return is_public6(v6.sin6_addr.s6_addr);
    }
    return false;
}
