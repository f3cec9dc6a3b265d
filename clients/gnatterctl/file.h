#ifndef GNATTER_CTL_FILE_H
#define GNATTER_CTL_FILE_H
/* Files of a node: small, read whole, replaced whole. Paths are relative to `at_fd` (AT_FDCWD: the working directory).
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "../protocol/status.h"

#define FILE_BYTES_MAX (1024 * 1024)

/* Gives NUL-terminated text that lives until the process ends; *ret_len may be NULL. STATUS_NOT_FOUND,
 * STATUS_TOO_LARGE, STATUS_UNAVAILABLE (errno says why). */
MUST_CHECK enum status file_read(int at_fd, const char *path, char **ret_text, size_t *ret_len);
/* Replaces the file in one step, flushed to disk; never readable by more than `mode` says, not even for a moment.
 * uid -1: ours. STATUS_UNAVAILABLE with errno. */
MUST_CHECK enum status file_write(int at_fd, const char *path, const char *text, size_t len, mode_t mode, uid_t uid,
                                  gid_t gid);
/* As file_write, but leaves a file alone that has this content already. */
MUST_CHECK enum status file_update(int at_fd, const char *path, const char *text, mode_t mode, bool *ret_changed);
/* Replaces `to` by what is in `from` now (a path as any), however long; leaves one alone that is the same. */
MUST_CHECK enum status file_copy(const char *from, int at_fd, const char *to, mode_t mode, uid_t uid, gid_t gid,
                                 bool *ret_changed);
/* mkdir that is content with an existing folder, and sets mode and owner. */
MUST_CHECK enum status file_folder(int at_fd, const char *path, mode_t mode, uid_t uid, gid_t gid);
bool file_exists(int at_fd, const char *path);
#endif
