/* splitmix64: small, fast, the same everywhere. */
#include "sim.h"

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return bound ? (uint32_t)(rng_next(rng) >> 32) % bound : 0;
}

bool rng_one_in(struct rng *rng, uint32_t n)
{
    return n && rng_below(rng, n) == 0;
}
