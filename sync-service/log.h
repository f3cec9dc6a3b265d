#ifndef GNATTER_LOG_H
#define GNATTER_LOG_H
/*
 * Log lines to stderr: "level part what key=value ...", one write each. Ids and sizes only, never bodies, tokens or
 * secrets. Thread-safe.
 */
#include <stdint.h>
#include "../clients/protocol/topic.h"

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* One key and its value; LOG_END ends the list. Values with blanks, quotes or control characters are quoted. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_INT } kind;
    struct slice text;
    int64_t number;
};
void log_fields(enum log_level level, const char *part, const char *what, const struct log_field fields[]);

#define LOG_TEXT(name, value)                                                                                          \
    {                                                                                                                  \
        name, LOG_FIELD_TEXT, slice_of(value), 0                                                                       \
    }
#define LOG_SLICE(name, value)                                                                                         \
    {                                                                                                                  \
        name, LOG_FIELD_TEXT, value, 0                                                                                 \
    }
#define LOG_INT(name, value)                                                                                           \
    {                                                                                                                  \
        name, LOG_FIELD_INT, {0, 0}, (int64_t)(value)                                                                  \
    }
#define LOG_END                                                                                                        \
    {                                                                                                                  \
        0, LOG_FIELD_END, {0, 0}, 0                                                                                    \
    }
/* The list begins with an empty field, so that it may have no other. */
#define log_line(level, part, what, ...)                                                                               \
    do {                                                                                                               \
        if (log_is_on(level))                                                                                          \
            log_fields(level, part, what, (const struct log_field[]){LOG_INT(0, 0), ##__VA_ARGS__, LOG_END} + 1);      \
    } while (0)
#define log_error(part, what, ...)   log_line(LOG_LEVEL_ERROR, part, what, ##__VA_ARGS__)
#define log_warning(part, what, ...) log_line(LOG_LEVEL_WARNING, part, what, ##__VA_ARGS__)
#define log_notice(part, what, ...)  log_line(LOG_LEVEL_NOTICE, part, what, ##__VA_ARGS__)
#define log_info(part, what, ...)    log_line(LOG_LEVEL_INFO, part, what, ##__VA_ARGS__)
#define log_debug(part, what, ...)   log_line(LOG_LEVEL_DEBUG, part, what, ##__VA_ARGS__)

#endif
