#include "log.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048 /* longer lines are cut: a log line is for reading */

static atomic_int current_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void put_char(struct line *line, char c)
{
    if (line->len < sizeof line->text - 1)
        line->text[line->len++] = c;
}

static void put_text(struct line *line, const char *text)
{
    while (*text != '\0')
        put_char(line, *text++);
}

static bool is_plain(struct slice text)
{
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] == '"' || text.at[i] == '=' || text.at[i] == 0x7f)
            return false;
    return true;
}

/* One line is one line whatever the value says. */
static void put_value(struct line *line, struct slice text)
{
    bool plain = is_plain(text);
    if (!plain)
        put_char(line, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c == '"' || c == '\\')
            put_char(line, '\\');
        put_char(line, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
    if (!plain)
        put_char(line, '"');
}

void log_fields(enum log_level level, const char *part, const char *what, const struct log_field fields[])
{
    struct line line = {.len = 0};
    put_text(&line, level_names[level]);
    put_char(&line, ' ');
    put_text(&line, part);
    put_char(&line, ' ');
    put_text(&line, what);
    for (const struct log_field *field = fields; field->kind != LOG_FIELD_END; field++) {
        put_char(&line, ' ');
        put_text(&line, field->key);
        put_char(&line, '=');
        if (field->kind == LOG_FIELD_INT) {
            char number[24];
            (void)snprintf(number, sizeof number, "%" PRId64, field->number);
            put_text(&line, number);
        } else {
            put_value(&line, field->text);
        }
    }
    line.text[line.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written; /* there is nobody left to tell */
}
