#include "pg_status.h"
#include <stddef.h>
#include <string.h>

/* The first row whose prefix fits. */
static const struct {
    const char *prefix;
    enum status status;
} table[] = {
    {"08", STATUS_UNAVAILABLE},    /* connection exceptions */
    {"23505", STATUS_EXISTS},      /* unique violation */
    {"25006", STATUS_DENIED},      /* read-only transaction */
    {"22", STATUS_MALFORMED},      /* data exceptions */
    {"23", STATUS_MALFORMED},      /* other constraints */
    {"40", STATUS_UNAVAILABLE},    /* deadlock, serialization: nothing happened, ask again */
    {"53", STATUS_UNAVAILABLE},    /* out of disk, memory or connections */
    {"55P03", STATUS_UNAVAILABLE}, /* lock not available */
    {"57", STATUS_UNAVAILABLE},    /* shutting down, starting up, cancelled */
    {"58", STATUS_UNAVAILABLE},    /* its system failed */
    {"GN001", STATUS_DENIED},      /* not-member */
    {"GN002", STATUS_NOT_FOUND},   /* no-such-user */
    {"GN003", STATUS_NOT_FOUND},   /* no-such-group */
    {"GN004", STATUS_EXISTS},      {"GN005", STATUS_DENIED}, {"GN006", STATUS_MALFORMED},
    {"GN007", STATUS_TOO_LARGE},   {"GN008", STATUS_DENIED}, /* read-only */
};

enum status pg_status(const char *sqlstate)
{
    if (sqlstate == NULL)
        return STATUS_UNAVAILABLE;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].status;
    return STATUS_INTERNAL;
}
