#ifndef GNATTER_CTL_BENCH_H
#define GNATTER_CTL_BENCH_H
/*
 * Bench mode: stock load generators may log in with one password (broker-plugin/bench.h). gnatter.conf says whether it
 * is on; keys/bench what it is, which only the operator reads; the broker has a copy while it is on.
 */
#include "node.h"

struct bench_mode {
    const char *prefix, *password;
    int64_t users;
    bool is_exposed;
};
bool bench_is_on(const struct node *node);
/* What keys/bench says. False: there is none. */
bool bench_read(const struct node *node, struct bench_mode *ret_mode);
/* Gives the broker its copy, or takes it away, as gnatter.conf says. Refused where listeners are exposed and that was
 * not asked for. */
MUST_CHECK enum result bench_apply(const struct node *node);
#endif
