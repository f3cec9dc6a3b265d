#ifndef GNATTER_CTL_OPTIONS_H
#define GNATTER_CTL_OPTIONS_H
/* The command line: one table of options; a command names those it takes. --dir, --json and --help are taken
 * everywhere. */
#include <stddef.h>
#include "ctl.h"

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_PORT,     /* int64_t, 0 (any free one) to 65535 */
    OPTION_COUNT,    /* int64_t, from 1 */
    OPTION_DURATION, /* int64_t seconds */
    OPTION_MEMBERS,  /* may be repeated */
};
struct option_row {
    const char *name; /* without -- */
    enum option_kind kind;
    size_t offset;     /* in struct args */
    const char *value; /* its name in help; NULL for a flag */
    const char *help;
};
extern const struct option_row option_rows[]; /* ends with name NULL */

/* Is `name` one of the words of `list`? */
bool options_take(const char *list, const char *name);
/*
 * Reads options out of argv[1..]; `list` as in struct command. What is not an option stays in args->words (argv is
 * reordered). `until_word`: stop at the first such word. Says what is wrong and returns USAGE.
 */
enum result options_parse(struct args *args, const char *list, bool until_word, int argc, char **argv);
#endif
