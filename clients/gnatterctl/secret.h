#ifndef GNATTER_CTL_SECRET_H
#define GNATTER_CTL_SECRET_H
/* Random secrets and the files that keep them. */
#include <sys/types.h>
#include "node.h"

#define SECRET_TEXT_SIZE 65 /* 256 bits as hex, NUL */
void secret_make(char ret_text[SECRET_TEXT_SIZE]);
/* A libpq password file with one password, good for any server. uid -1: ours. Says what is wrong. */
MUST_CHECK enum result secret_pgpass(const struct node *node, const char *name, const char *role, const char *password,
                                     uid_t uid, gid_t gid);
/* Reads the password back out of such a file; lives until the process ends. */
MUST_CHECK enum result secret_password(const struct node *node, const char *name, char **ret_password);
#endif
