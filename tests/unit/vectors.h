#ifndef GNATTER_VECTORS_H
#define GNATTER_VECTORS_H
/*
 * Reads tests/vectors/NAME: one case a line, columns parted by tabs, '#' starts a comment line. In a column "\xNN" is a
 * byte, "\n" a newline, "\\" a backslash, and "\{32:ab}" is "ab" 32 times. Include after cmocka.h. Any mistake in a
 * file fails the test. Run from the top of the tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clients/protocol/topic.h"

#define VECTORS_COLUMNS      6
#define VECTORS_COLUMN_BYTES 8192

struct vectors {
    FILE *file;
    char path[128];
    int line, cases;
    struct slice column[VECTORS_COLUMNS]; /* valid until the next row; each followed by a NUL */
    char buf[VECTORS_COLUMNS][VECTORS_COLUMN_BYTES];
};

static inline void vectors_open(struct vectors *vectors, const char *name)
{
    memset(vectors, 0, sizeof *vectors);
    snprintf(vectors->path, sizeof vectors->path, "tests/vectors/%s", name);
    vectors->file = fopen(vectors->path, "rb");
    if (vectors->file == NULL)
        fail_msg("%s cannot be opened; run from the top of the tree", vectors->path);
}

/* The simple escapes; NULL: it is another. */
static inline const char *vectors_unescape_byte(const char *at, char *ret_byte)
{
    unsigned byte;
    if (sscanf(at, "\\x%2x", &byte) == 1) {
        *ret_byte = (char)byte;
        return at + 4;
    }
    if (at[0] == '\\' && (at[1] == 'n' || at[1] == '\\')) {
        *ret_byte = at[1] == 'n' ? '\n' : '\\';
        return at + 2;
    }
    return NULL;
}

/* What a backslash starts; returns where it ends. */
static inline const char *vectors_unescape(const struct vectors *vectors, const char *at, char *out, size_t *out_len)
{
    const char *end = vectors_unescape_byte(at, out + *out_len);
    if (end != NULL) {
        (*out_len)++;
        return end;
    }
    int times, used = 0;
    char part[64];
    if (sscanf(at, "\\{%d:%63[^}]}%n", &times, part, &used) != 2 || used == 0)
        fail_msg("%s:%d: an escape that is none: %s", vectors->path, vectors->line, at);
    for (; times > 0; times--) {
        for (const char *from = part; *from != '\0' && *out_len < VECTORS_COLUMN_BYTES - 1; (*out_len)++) {
            end = vectors_unescape_byte(from, out + *out_len);
            if (end == NULL)
                out[*out_len] = *from;
            from = end != NULL ? end : from + 1;
        }
    }
    return at + used;
}

static inline struct slice vectors_column(const struct vectors *vectors, const char *text, char *out)
{
    size_t len = 0;
    while (*text != '\0') {
        if (len >= VECTORS_COLUMN_BYTES - 1)
            fail_msg("%s:%d: too long", vectors->path, vectors->line);
        if (*text == '\\')
            text = vectors_unescape(vectors, text, out, &len);
        else
            out[len++] = *text++;
    }
    out[len] = '\0';
    return (struct slice){out, len};
}

/* The next row, which must have that many columns. */
static inline bool vectors_next(struct vectors *vectors, int columns)
{
    static char line[2 * VECTORS_COLUMN_BYTES];
    while (fgets(line, sizeof line, vectors->file) != NULL) {
        vectors->line++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        char *rest = line, *text;
        int found = 0;
        while ((text = strsep(&rest, "\t")) != NULL && found < VECTORS_COLUMNS) {
            vectors->column[found] = vectors_column(vectors, text, vectors->buf[found]);
            found++;
        }
        if (found != columns)
            fail_msg("%s:%d: %d columns, not %d", vectors->path, vectors->line, found, columns);
        vectors->cases++;
        return true;
    }
    fclose(vectors->file);
    assert_true(vectors->cases > 0);
    return false;
}

#define VECTORS_CHECK(vectors, claim, why)                                                                             \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            fail_msg("%s:%d: not %s (%s)", (vectors)->path, (vectors)->line, #claim, (why).at);                        \
    } while (0)

#endif
