#ifndef GNATTER_CTL_ORPHAN_H
#define GNATTER_CTL_ORPHAN_H
/*
 * A part whose supervisor was killed after it had started it and before it could write that down. It is known by what it
 * runs, as whom, and by the folder of the node that it runs in.
 */
#include "parts.h"

struct process orphan_find(const struct node *node, enum part_id id); /* pid 0: there is none */
#endif
