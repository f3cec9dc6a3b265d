#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "journal.h"
#include "trusted.h"

#define BYTES_MAX ((uint64_t)BUCKET_BURST_MAX * RATES_BYTES_OF_TOKEN)

enum option_type { OPTION_PATH, OPTION_NAME, OPTION_NUMBER, OPTION_SWITCH, OPTION_LIMIT, OPTION_ADDRESSES };

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *standard; /* NULL: must be given */
    uint64_t min, max;    /* NUMBER */
    const char *help;
};

#define AT(member) offsetof(struct options, member)
#define LIMIT(name, standard, min, max, help)                                                                          \
    {                                                                                                                  \
#name, OPTION_LIMIT, AT(rates.name), standard, min, max, help                                                  \
    }
static const struct option_row OPTIONS[] = {
    {"keys_file", OPTION_PATH, AT(keys_file), NULL, 0, 0, "public keys of tokens; read again on SIGHUP"},
    {"link_secret_file", OPTION_PATH, AT(link_secret_file), NULL, 0, 0,
     "what the sync service proves itself with; read again on SIGHUP"},
    {"journal_file", OPTION_PATH, AT(journal_file), NULL, 0, 0, "messages not yet committed"},
    {"journal_bytes", OPTION_NUMBER, AT(journal_bytes), "67108864", JOURNAL_BYTES_MIN, 1ull << 40,
     "size of the journal; an existing one changes its size when it is empty"},
    {"revocations_file", OPTION_PATH, AT(revocations_file), NULL, 0, 0, "revoked tokens"},
    {"bench_file", OPTION_PATH, AT(bench_file), "", 0, 0,
     "bench mode for load tests: on while this file is there (gnatterctl bench-mode); read again on SIGHUP"},
    {"max_message_bytes", OPTION_NUMBER, AT(max_message_bytes), "65536", 1, LIMIT_MESSAGE_BYTES_MAX,
     "largest payload of a device"},
    {"overload_wait_ms", OPTION_NUMBER, AT(overload_wait_ms), "8000", 0, 600000,
     "messages that would wait for longer are refused as overloaded, with a time to try again; 0: only a full journal "
     "refuses"},
    {"unread_timeout_s", OPTION_NUMBER, AT(unread_timeout_s), "60", 0, 86400,
     "a connection whose peer has taken nothing of what was sent to it for so long is ended; 0: never"},
    {"coalesce", OPTION_SWITCH, AT(coalesce), "on", 0, 0,
     "what goes to one device in one turn of the broker's loop leaves together"},
    {"limits", OPTION_SWITCH, AT(limits), "on", 0, 0, "off lifts the rate limits, for load tests"},
    {"limits_file", OPTION_PATH, AT(limits_file), "", 0, 0,
     "the limits below, a line \"name value\" each; read again on SIGHUP"},
    LIMIT(messages_per_second, "100", 1, BUCKET_BURST_MAX, "messages of one device, sustained"),
    LIMIT(messages_burst, "2000", 1, BUCKET_BURST_MAX, "at once, after a pause"),
    LIMIT(user_messages_per_second, "0", 0, BUCKET_BURST_MAX,
          "messages of a user's devices together; 0: four times those of one"),
    LIMIT(user_messages_burst, "0", 0, BUCKET_BURST_MAX, "at once; 0: four times those of one"),
    LIMIT(bytes_per_second, "8388608", 1024, BYTES_MAX, "bytes of one device's messages and requests, sustained"),
    LIMIT(bytes_burst, "134217728", LIMIT_MESSAGE_BYTES_MAX, BYTES_MAX, "at once"),
    LIMIT(requests_per_second, "20", 1, BUCKET_BURST_MAX, "rpc and sync of one device, sustained"),
    LIMIT(requests_burst, "100", 1, BUCKET_BURST_MAX, "at once"),
    LIMIT(groups_per_hour, "60", 1, BUCKET_BURST_MAX, "groups that a user may make, sustained"),
    LIMIT(groups_burst, "100", 1, BUCKET_BURST_MAX / RATES_HOUR_TOKENS, "at once"),
    LIMIT(conversation_messages_per_second, "1000", 1, BUCKET_BURST_MAX,
          "messages in one conversation, of everybody together, sustained"),
    LIMIT(conversation_messages_burst, "16000", 1, BUCKET_BURST_MAX, "at once"),
    LIMIT(connections_per_second, "50", 1, BUCKET_BURST_MAX, "connections begun from one address, sustained"),
    LIMIT(connections_burst, "1000", 1, BUCKET_BURST_MAX, "at once"),
    LIMIT(auth_failures_per_minute, "60", 1, BUCKET_BURST_MAX,
          "refused logins from one address, sustained; above, it is not listened to"),
    LIMIT(auth_failures_burst, "100", 1, BUCKET_BURST_MAX / RATES_MINUTE_TOKENS, "at once"),
    {"trusted_addresses", OPTION_ADDRESSES, AT(rates.trusted_addresses), "127.0.0.0/8, ::1", 0, 0,
     "addresses and networks without limits of their own, such as proxies, separated by commas; none: none"},
    {"node", OPTION_NAME, AT(node), "node", 0, 0, "name of this broker, told to the sync service"},
};
#undef LIMIT
#define OPTIONS_LEN (sizeof OPTIONS / sizeof OPTIONS[0])

static enum status number_read(const struct option_row *row, const char *value, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number < row->min || number > row->max)
        return STATUS_MALFORMED;
    *ret_number = number;
    return STATUS_OK;
}

static enum status value_read(struct options *options, const struct option_row *row, const char *value)
{
    char *at = (char *)options + row->offset;
    size_t len = strlen(value);
    bool is_on = strcmp(value, "on") == 0;
    switch (row->type) {
    case OPTION_PATH:
        if ((len == 0 && row->standard == NULL) || len > OPTIONS_PATH_LEN)
            return STATUS_MALFORMED;
        memcpy(at, value, len + 1);
        return STATUS_OK;
    case OPTION_NAME:
        if (!name_is_group(slice_of(value)))
            return STATUS_MALFORMED;
        memcpy(at, value, len + 1);
        return STATUS_OK;
    case OPTION_ADDRESSES:
        if (len == 0 || len >= sizeof options->rates.trusted_addresses || !trusted_is_list(value))
            return STATUS_MALFORMED;
        memcpy(at, value, len + 1);
        return STATUS_OK;
    case OPTION_NUMBER:
    case OPTION_LIMIT:
        return number_read(row, value, (uint64_t *)(void *)at);
    case OPTION_SWITCH:
        if (!is_on && strcmp(value, "off") != 0)
            return STATUS_MALFORMED;
        *(bool *)(void *)at = is_on;
        return STATUS_OK;
    }
    return STATUS_INTERNAL;
}

static const struct option_row *row_of(const char *name)
{
    for (size_t i = 0; i < OPTIONS_LEN; i++)
        if (strcmp(OPTIONS[i].name, name) == 0)
            return &OPTIONS[i];
    return NULL;
}

enum status options_read(struct options *ret_options, const struct option_given given[], size_t given_len, char *why,
                         size_t why_size)
{
    bool was_given[OPTIONS_LEN] = {false};
    struct options options = {.limits = false};
    for (size_t i = 0; i < given_len; i++) {
        const struct option_row *row = row_of(given[i].name);
        if (row == NULL) {
            (void)snprintf(why, why_size, "unknown option plugin_opt_%s", given[i].name);
            return STATUS_MALFORMED;
        }
        if (was_given[row - OPTIONS]) {
            (void)snprintf(why, why_size, "plugin_opt_%s is given twice", row->name);
            return STATUS_MALFORMED;
        }
        was_given[row - OPTIONS] = true;
        if (value_read(&options, row, given[i].value) != STATUS_OK) {
            (void)snprintf(why, why_size, "plugin_opt_%s cannot be %s: it is %s", row->name, given[i].value, row->help);
            return STATUS_MALFORMED;
        }
    }
    for (size_t i = 0; i < OPTIONS_LEN; i++) {
        if (was_given[i])
            continue;
        if (OPTIONS[i].standard == NULL) {
            (void)snprintf(why, why_size, "plugin_opt_%s is missing: %s", OPTIONS[i].name, OPTIONS[i].help);
            return STATUS_MALFORMED;
        }
        if (value_read(&options, &OPTIONS[i], OPTIONS[i].standard) != STATUS_OK)
            return STATUS_INTERNAL;
    }
    *ret_options = options;
    return STATUS_OK;
}

static bool is_limit(const struct option_row *row)
{
    return row->type == OPTION_LIMIT || row->type == OPTION_ADDRESSES;
}

static enum status limit_line_read(struct options *options, char *line, char *why, size_t why_size)
{
    size_t len = strcspn(line, "#");
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    line[len] = '\0';
    if (len == 0)
        return STATUS_OK;
    char *value = line + strcspn(line, " ");
    if (*value != '\0')
        *value++ = '\0';
    const struct option_row *row = row_of(line);
    if (row == NULL || !is_limit(row)) {
        (void)snprintf(why, why_size, "unknown limit %s", line);
        return STATUS_MALFORMED;
    }
    if (value_read(options, row, value) != STATUS_OK) {
        (void)snprintf(why, why_size, "%s cannot be %s: it is %s", row->name, value, row->help);
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

enum status options_limits_read(struct rate_options *rates, char *text, char *why, size_t why_size)
{
    struct options options = {.rates = *rates};
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        enum status status = limit_line_read(&options, line, why, why_size);
        if (status != STATUS_OK)
            return status;
    }
    *rates = options.rates;
    return STATUS_OK;
}

size_t options_help(char *buf, size_t buf_size)
{
    size_t len = 0;
    for (size_t i = 0; i < OPTIONS_LEN; i++)
        len += (size_t)snprintf(len < buf_size ? buf + len : NULL, len < buf_size ? buf_size - len : 0,
                                "plugin_opt_%s\t%s\t%s\n", OPTIONS[i].name,
                                OPTIONS[i].standard != NULL ? OPTIONS[i].standard : "(must be given)", OPTIONS[i].help);
    return len;
}
