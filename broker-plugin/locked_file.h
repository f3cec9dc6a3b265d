#ifndef GNATTER_LOCKED_FILE_H
#define GNATTER_LOCKED_FILE_H
/*
 * A file of fixed size that one broker process holds alone and maps into its memory. Every block is allocated when the
 * file is made, so that a full disk is an error at the start and never a SIGBUS later. Broker's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct locked_file {
    int fd; /* holds the lock for as long as it is open */
    uint64_t bytes;
    bool was_made; /* it did not exist, or was empty: all zero now */
};

/*
 * Opens `path`, makes it with `bytes` when it is not there; an existing one keeps its size (`ret_file->bytes`).
 * STATUS_UNAVAILABLE: `why` says what to do. Close with locked_file_close.
 */
MUST_CHECK enum status locked_file_open(struct locked_file *ret_file, const char *path, uint64_t bytes, char *why,
                                        size_t why_size);
/* Only for a file without content that counts: makes it anew, all zero, with this size. */
MUST_CHECK enum status locked_file_remake(struct locked_file *file, const char *path, uint64_t bytes, char *why,
                                          size_t why_size);
void locked_file_close(struct locked_file *file);

#endif
