#ifndef GNATTER_CTL_LOCK_H
#define GNATTER_CTL_LOCK_H
/*
 * The lock that says a supervisor is at work: run/supervisor.pid, locked as long as it lives, with its process id in
 * it. Only its owner can open it: whoever can read a file can lock it.
 */
#include "node.h"
#include "process.h"

#define LOCK_FILE "run/supervisor.pid"

/* >= 0: the descriptor, now ours; -1: somebody has it; -2: said what is wrong. */
int lock_take(const struct node *node);
/* Has somebody it? *ret_process: who; pid 0: nobody, or that cannot be told. */
bool lock_find(const struct node *node, struct process *ret_process);
#endif
