#ifndef GNATTER_PLUGIN_OPTIONS_H
#define GNATTER_PLUGIN_OPTIONS_H
/*
 * The plugin_opt_... lines of mosquitto.conf: one table (options.c) of name, type, default, bounds and help. The broker
 * reads them at its start only; on a reload the plugin reads the files they name again. The limits of rates may also
 * stand in a file of their own (limits_file), which wins and is read again on a reload. Pure.
 */
#include "rates.h"
#include "status.h"
#include "topic.h"

#define OPTIONS_PATH_LEN 1023

struct options {
    char keys_file[OPTIONS_PATH_LEN + 1];
    char link_secret_file[OPTIONS_PATH_LEN + 1];
    char journal_file[OPTIONS_PATH_LEN + 1];
    char revocations_file[OPTIONS_PATH_LEN + 1];
    char bench_file[OPTIONS_PATH_LEN + 1];  /* empty: none */
    char limits_file[OPTIONS_PATH_LEN + 1]; /* the same */
    char node[LIMIT_GROUP_LEN + 1];
    uint64_t journal_bytes;
    uint64_t max_message_bytes;
    uint64_t overload_wait_ms, unread_timeout_s;
    bool limits, coalesce;
    struct rate_options rates;
};

struct option_given {
    const char *name, *value;
};

/* STATUS_MALFORMED: an unknown, doubled, ill formed or missing option; `why` names it. */
MUST_CHECK enum status options_read(struct options *ret_options, const struct option_given given[], size_t given_len,
                                    char *why, size_t why_size);
/* A limits file: a line "name value" per limit, over those that there are; '#' starts a comment. Changes `text`.
 * STATUS_MALFORMED: `why` says what; then `rates` is as it was. */
MUST_CHECK enum status options_limits_read(struct rate_options *rates, char *text, char *why, size_t why_size);
/* The table as text, a row per line, for the reference page. Returns the length, as snprintf. */
size_t options_help(char *buf, size_t buf_size);

#endif
