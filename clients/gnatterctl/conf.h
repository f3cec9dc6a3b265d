#ifndef GNATTER_CTL_CONF_H
#define GNATTER_CTL_CONF_H
/*
 * gnatter.conf as text: values are changed in their line, so that an operator's comments and order stay. Pure.
 */
#include <stdbool.h>

/* The next "key = value"; *at: the text at first. A line that starts with # or ; is a comment, and there are no others.
 * *line: 0 at first, then the line's number. pair->section: "" at first; texts live until the process ends. False at
 * the end, and with pair->key NULL at a line that has no such form. */
struct conf_pair {
    const char *section, *key, *value;
};
bool conf_next(const char **at, int *line, struct conf_pair *pair);
/* `text` with `key = value` in [section]: its line replaced, or one added to the section (made at the end if need be).
 */
char *conf_set(const char *text, const char *section, const char *key, const char *value);
/* A value as libpq's conninfo strings want it. */
const char *conf_quote(const char *value);
#endif
