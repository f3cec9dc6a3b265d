#include "conf.h"
#include "text.h"
#include <string.h>

bool conf_next(const char **at, int *line, struct conf_pair *pair)
{
    while (**at) {
        const char *end = strchr(*at, '\n');
        size_t len = end ? (size_t)(end - *at) : strlen(*at);
        char *text = text_trim(text_copy(*at, len));
        *at += len + (end != NULL);
        ++*line;
        if (!text[0] || text[0] == '#' || text[0] == ';')
            continue;
        size_t text_len = strlen(text);
        pair->key = NULL;
        if (text[0] == '[' && text[text_len - 1] == ']') {
            pair->section = text_trim(text_copy(text + 1, text_len - 2));
            continue;
        }
        char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return false;
        pair->key = text_trim(text_copy(text, (size_t)(equals - text)));
        pair->value = text_trim(equals + 1);
        return true;
    }
    pair->key = "";
    return false;
}

static bool is_section(const char *line, const char *section)
{
    size_t len = strlen(section);
    return line[0] == '[' && !strncmp(line + 1, section, len) && line[len + 1] == ']';
}

static bool is_key(const char *line, const char *key)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) != 0)
        return false;
    line += len;
    while (*line == ' ' || *line == '\t')
        line++;
    return *line == '=';
}

char *conf_set(const char *text, const char *section, const char *key, const char *value)
{
    bool inside = false;
    const char *add_at = NULL; /* after the section's last line that says something */
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        const char *next = end ? end + 1 : line + strlen(line);
        const char *at = line;
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '[')
            inside = is_section(at, section);
        if (inside && is_key(at, key))
            return text_format("%.*s%s = %s\n%s", (int)(line - text), text, key, value, next);
        if (inside && (*at == '[' || (at < next && *at != '\n')))
            add_at = next;
        line = next;
    }
    size_t len = strlen(text);
    if (add_at)
        return text_format("%.*s%s%s = %s\n%s", (int)(add_at - text), text, add_at[-1] == '\n' ? "" : "\n", key, value,
                           add_at);
    return text_format("%s%s[%s]\n%s = %s\n", text, len && text[len - 1] != '\n' ? "\n" : "", section, key, value);
}

const char *conf_quote(const char *value)
{
    const char *quoted = "'";
    for (; *value; value++)
        quoted = text_format("%s%s%c", quoted, *value == '\'' || *value == '\\' ? "\\" : "", *value);
    return text_format("%s'", quoted);
}
