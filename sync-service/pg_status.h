#ifndef GNATTER_PG_STATUS_H
#define GNATTER_PG_STATUS_H
/* What an SQLSTATE means for who asked. Pure. */
#include "../clients/protocol/status.h"

/* `sqlstate`: five characters, or NULL when the connection broke before there was one (STATUS_UNAVAILABLE). */
enum status pg_status(const char *sqlstate);

#endif
