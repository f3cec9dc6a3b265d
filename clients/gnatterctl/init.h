#ifndef GNATTER_CTL_INIT_H
#define GNATTER_CTL_INIT_H
#include "node.h"
/* Makes a node in args->dir: folders, keys, secrets, database, configuration. Says what is wrong. */
MUST_CHECK enum result node_make(const struct args *args);
#endif
