#ifndef GNATTER_CTL_ACCOUNT_H
#define GNATTER_CTL_ACCOUNT_H
/* Who a part runs as. Started by root, each gets an account without rights of its own; else everything is the caller's.
 */
#include <stdbool.h>
#include <sys/types.h>

enum account_role { ACCOUNT_DATABASE, ACCOUNT_BROKER, ACCOUNT_SERVICE };
struct account {
    const char *name; /* NULL: ours, nothing to change */
    uid_t uid;        /* -1 with name NULL */
    gid_t gid;
};
/* False when the system has none that would do. */
bool account_find(enum account_role role, struct account *ret_account);
/* In a child before exec: become it for ever. False with errno. */
bool account_become(const struct account *account);
#endif
