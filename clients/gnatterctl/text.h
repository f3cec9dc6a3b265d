#ifndef GNATTER_CTL_TEXT_H
#define GNATTER_CTL_TEXT_H
/* Text that lives until the process ends: a command is short, and its paths and messages are few. What runs for ever
 * gives back in between what it made since a mark. */
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

const void *text_mark(void);
void text_release(const void *mark);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_copy(const char *at, size_t len); /* NUL-terminated copy */
char *text_room(size_t size);                /* to be filled by the caller */
/* Without leading and trailing white space; changes `text` in place and returns a pointer into it. */
char *text_trim(char *text);
/* A whole decimal number of min..max, nothing around it. */
bool text_number(const char *text, int64_t min, int64_t max, int64_t *ret_number);
/* "90", "90s", "15m", "12h", "30d" into seconds, 1 s to 100 years. */
bool text_duration(const char *text, int64_t *ret_s);
#endif
