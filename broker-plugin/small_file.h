#ifndef GNATTER_SMALL_FILE_H
#define GNATTER_SMALL_FILE_H
/* Files that are read whole, at the start and on a reload. */
#include "status.h"

#include <stddef.h>

/* NUL-terminated; *ret_len without it. STATUS_NOT_FOUND, STATUS_UNAVAILABLE, STATUS_TOO_LARGE for what does not fit:
 * `why` says it. */
MUST_CHECK enum status small_file_read(const char *path, char *buf, size_t size, size_t *ret_len, char *why,
                                       size_t why_size);

#endif
