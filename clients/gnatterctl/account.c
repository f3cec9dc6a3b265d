#include "account.h"
#include "text.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

bool account_find(enum account_role role, struct account *ret_account)
{
    static const char *const names[][3] = {
        [ACCOUNT_DATABASE] = {"postgres", "nobody", NULL},
        [ACCOUNT_BROKER] = {"mosquitto", "nobody", NULL},
        [ACCOUNT_SERVICE] = {"nobody", NULL, NULL},
    };
    if (geteuid() != 0) {
        *ret_account = (struct account){NULL, (uid_t)-1, (gid_t)-1};
        return true;
    }
    for (int i = 0; names[role][i]; i++) {
        const struct passwd *entry = getpwnam(names[role][i]);
        if (entry && entry->pw_uid != 0) {
            *ret_account =
                (struct account){text_copy(entry->pw_name, strlen(entry->pw_name)), entry->pw_uid, entry->pw_gid};
            return true;
        }
    }
    return false;
}

bool account_become(const struct account *account)
{
    if (!account->name)
        return true;
    if (initgroups(account->name, account->gid) != 0 || setgid(account->gid) != 0 || setuid(account->uid) != 0)
        return false;
    if (setuid(0) == 0) { /* must be impossible now */
        errno = EPERM;
        return false;
    }
    return true;
}
