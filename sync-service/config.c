#define _GNU_SOURCE /* asprintf */
#include "config.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime.h"

enum kind { KIND_TEXT, KIND_CONNINFO, KIND_PATH, KIND_ADDRESS, KIND_NUMBER, KIND_LEVEL, KIND_CHOICE };

struct key { /* NOLINT(clang-analyzer-optin.performance.Padding): the order of reading */
    const char *name;
    enum kind kind;
    size_t at; /* in struct config */
    const char *standard;
    const char *unit; /* CHOICE: the words, separated by |; the value is the place of one */
    int64_t min, max;
    bool reloadable;
    const char *help;
};

#define AT(field) offsetof(struct config, field)
static const struct key keys[] = {
    {"database", KIND_CONNINFO, AT(database), "", "conninfo", 0, 0, false,
     "PostgreSQL: key=value list or URI; required. Of several hosts the one that takes writes is followed"},
    {"primary_file", KIND_PATH, AT(primary_file), "run/primary", "file", 0, 0, false,
     "remembers the newest primary, so that one that was replaced is never used again; empty: nothing does"},
    {"links", KIND_TEXT, AT(links), "mqtt://127.0.0.1:1883", "list", 0, 0, false,
     "brokers, separated by commas: mqtt://host:port, mqtts://host:port"},
    {"link_secret_file", KIND_PATH, AT(link_secret_file), "keys/link.secret", "file", 0, 0, false,
     "the secret shared with the broker's plugin, 64 hex digits; read at every connect"},
    {"link_ca_file", KIND_PATH, AT(link_ca_file), "", "file", 0, 0, false,
     "certificates that sign the brokers' (mqtts); empty: the system's"},
    {"name", KIND_TEXT, AT(name), "syncd", "", 0, 0, false, "of this service, in its client id and its logs"},
    {"user", KIND_TEXT, AT(user), "", "", 0, 0, false, "account to become when started as root; empty: stay"},
    {"status_socket", KIND_PATH, AT(status_socket), "run/syncd.sock", "file", 0, 0, false,
     "socket that tells the state in JSON; empty: none"},
    {"metrics_listen", KIND_ADDRESS, AT(metrics_listen), "127.0.0.1", "address", 0, 0, false,
     "where /metrics, /healthz and /readyz answer by HTTP, without password: loopback, or a network of yours"},
    {"metrics_port", KIND_NUMBER, AT(metrics_port), "0", "port", 0, 65535, false, "of that; 0: switched off"},
    {"log_level", KIND_LEVEL, AT(log_level), "info", "", 0, 0, true, "error, warning, notice, info or debug"},
    {"shards", KIND_NUMBER, AT(shards), "0", "threads", 0, RUNTIME_SHARDS_MAX, false,
     "threads that own the conversations; 0: one for every four processors, up to 4"},
    {"rpc_workers", KIND_NUMBER, AT(rpc_workers), "2", "threads", 1, RUNTIME_RPC_WORKERS_MAX, false,
     "threads that answer requests"},
    {"window_items", KIND_NUMBER, AT(window_items), "256", "items", 1, 10000, false,
     "unacknowledged items a device may have outstanding"},
    {"window_items_max", KIND_NUMBER, AT(window_items_max), "4096", "items", 1, 8192, false,
     "the same for a device that acknowledges them fast: what it may have outstanding is doubled step by step"},
    {"window_bytes", KIND_NUMBER, AT(window_bytes), "524288", "bytes", 1024, 64 << 20, false,
     "window_items in bytes; four times that at most where a device acknowledges fast"},
    {"redeliver_after_ms", KIND_NUMBER, AT(redeliver_after_ms), "5000", "ms", 100, 3600000, false,
     "an item not acknowledged for so long is sent again"},
    {"redeliver_max_ms", KIND_NUMBER, AT(redeliver_max_ms), "60000", "ms", 100, 86400000, false,
     "the longest pause between two such"},
    {"flush_after_ms", KIND_NUMBER, AT(flush_after_ms), "500", "ms", 1, 60000, false,
     "marks are written so long after they moved"},
    {"pending_items_max", KIND_NUMBER, AT(pending_items_max), "20000", "items", 1, 10000000, false,
     "messages and marks a shard holds while the database is away"},
    {"conversations_max", KIND_NUMBER, AT(conversations_max), "100000", "", 100, 100000000, false,
     "conversations a shard keeps in memory"},
    {"presence_offline_after_ms", KIND_NUMBER, AT(presence_offline_after_ms), "2000", "ms", 0, 600000, false,
     "a user is told offline when she has been away for so long"},
    {"presence_reciprocal", KIND_CHOICE, AT(presence_reciprocal), "yes", "no|yes", 0, 0, false,
     "who shows nobody that she is online, or when she was, is not shown it of others"},
    {"blocked_answer", KIND_CHOICE, AT(blocked_answer), "sent", "sent|error", 0, 0, false,
     "what a message to somebody who blocks its sender is answered: as any other, though it is never delivered, or "
     "with "
     "the error `blocked`"},
    {"stop_after_ms", KIND_NUMBER, AT(stop_after_ms), "10000", "ms", 100, 600000, true,
     "longest wait for what was accepted, when stopping"},
    {"edit_within_s", KIND_NUMBER, AT(edit_within_s), "172800", "s", 0, 315360000, false,
     "a message can be edited for so long after it was sent; 0: never"},
    {"inbox_items_max", KIND_NUMBER, AT(inbox_items_max), "0", "messages", 0, INT32_MAX, false,
     "direct messages that may wait for a user none of whose devices has them; more are refused; 0: any number"},
    {"inbox_bytes_max", KIND_NUMBER, AT(inbox_bytes_max), "0", "bytes", 0, (int64_t)1 << 40, false,
     "their payloads together; 0: any number"},
    {"push_content", KIND_CHOICE, AT(push.content), "wake", "wake|sender|full", 0, 0, false,
     "what a push notification tells: nothing, from whom, or the text as well (never of what is sealed)"},
    {"push_grace_ms", KIND_NUMBER, AT(push.grace_ms), "3000", "ms", 0, 600000, false,
     "a device is woken when none of its user's devices has a message for so long; well above flush_after_ms"},
    {"push_ttl_s", KIND_NUMBER, AT(push.ttl_s), "86400", "s", 60, 2419200, false,
     "a wake-up that could not be delivered for so long is of no use"},
    {"push_timeout_ms", KIND_NUMBER, AT(push.timeout_ms), "10000", "ms", 100, 60000, false,
     "longest wait for a provider's answer"},
    {"push_parallel", KIND_NUMBER, AT(push.parallel), "64", "requests", 1, 256, false,
     "under way at once, per provider"},
    {"push_ca_file", KIND_PATH, AT(push.ca_file), "", "file", 0, 0, false,
     "certificates that sign the providers'; empty: the system's"},
    {"push_allow_private_addresses", KIND_CHOICE, AT(push.allow_private_addresses), "no", "no|yes", 0, 0, false,
     "connect to private addresses too when a device names one: for tests, and networks where no device is a stranger"},
    {"push_apns_key_file", KIND_PATH, AT(push.apns_key_file), "", "file", 0, 0, false,
     "Apple's signing key (.p8); empty: no APNs. Keys are read again on SIGHUP"},
    {"push_apns_key_id", KIND_TEXT, AT(push.apns_key_id), "", "", 0, 0, false, "of that key, 10 characters"},
    {"push_apns_team_id", KIND_TEXT, AT(push.apns_team_id), "", "", 0, 0, false,
     "of the Apple developer team, 10 characters"},
    {"push_apns_topics", KIND_TEXT, AT(push.apns_topics), "", "list", 0, 0, false,
     "bundle ids of the apps, separated by commas; the first is a device's that names none"},
    {"push_apns_url", KIND_TEXT, AT(push.apns_url), "https://api.push.apple.com", "", 0, 0, false, "where APNs is"},
    {"push_apns_sandbox_url", KIND_TEXT, AT(push.apns_sandbox_url), "https://api.sandbox.push.apple.com", "", 0, 0,
     false, "and for development builds"},
    {"push_fcm_account_file", KIND_PATH, AT(push.fcm_account_file), "", "file", 0, 0, false,
     "key of a Google service account (JSON); empty: no FCM"},
    {"push_fcm_url", KIND_TEXT, AT(push.fcm_url), "https://fcm.googleapis.com", "", 0, 0, false, "where FCM is"},
    {"push_webpush_key_file", KIND_PATH, AT(push.webpush_key_file), "", "file", 0, 0, false,
     "our P-256 private key (PEM) for VAPID; empty: no Web Push, no UnifiedPush"},
    {"push_webpush_subject", KIND_TEXT, AT(push.webpush_subject), "", "", 0, 0, false,
     "mailto: or https: address where push services reach the operator"},
    {"push_webhook_url", KIND_TEXT, AT(push.webhook_url), "", "", 0, 0, false,
     "of the operator's own server; empty: no webhook"},
    {"push_webhook_secret_file", KIND_PATH, AT(push.webhook_secret_file), "keys/webhook.secret", "file", 0, 0, false,
     "signs what is sent there; at least 16 bytes"},
};
#define KEYS (sizeof keys / sizeof keys[0])

static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};

static bool is_text(enum kind kind)
{
    return kind == KIND_TEXT || kind == KIND_CONNINFO || kind == KIND_PATH || kind == KIND_ADDRESS;
}

static char **text_at(const struct config *config, const struct key *key)
{
    return (char **)(void *)((const char *)config + key->at);
}

static int64_t *number_at(const struct config *config, const struct key *key)
{
    return (int64_t *)(void *)((const char *)config + key->at);
}

static char *text_copy(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return copy;
}

static bool number_parse(const struct key *key, struct slice text, int64_t *ret_number)
{
    char digits[24];
    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.at, text.len);
    digits[text.len] = '\0';
    char *end;
    errno = 0;
    long long number = strtoll(digits, &end, 10);
    if (*end != '\0' || errno != 0 || number < key->min || number > key->max)
        return false;
    *ret_number = number;
    return true;
}

static bool level_parse(struct slice text, int64_t *ret_level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (slice_equal(text, slice_of(levels[i]))) {
            *ret_level = (int64_t)i + LOG_LEVEL_ERROR;
            return true;
        }
    return false;
}

/* The place of one of the words. */
static bool choice_parse(const struct key *key, struct slice text, int64_t *ret_number)
{
    const char *word = key->unit;
    for (int64_t place = 0;; place++) {
        size_t len = strcspn(word, "|");
        if (slice_equal(text, (struct slice){word, len})) {
            *ret_number = place;
            return true;
        }
        if (word[len] == '\0')
            return false;
        word += len + 1;
    }
}

static struct slice choice_word(const struct key *key, int64_t place)
{
    const char *word = key->unit;
    for (; place > 0; place--)
        word += strcspn(word, "|") + 1;
    return (struct slice){word, strcspn(word, "|")};
}

/* A relative path means: from the configuration file's folder. */
static char *path_make(struct slice text, const char *folder)
{
    if (text.len == 0 || text.at[0] == '/' || folder == NULL)
        return text_copy(text);
    char *path;
    if (asprintf(&path, "%s/%.*s", folder, (int)text.len, text.at) < 0)
        return NULL;
    return path;
}

static bool is_address(struct slice text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1;
}

static bool is_conninfo(const char *text)
{
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    bool is = options != NULL;
    PQconninfoFree(options);
    return is;
}

static enum status key_set(struct config *config, const struct key *key, struct slice value, const char *folder)
{
    if (key->kind == KIND_NUMBER)
        return number_parse(key, value, number_at(config, key)) ? STATUS_OK : STATUS_MALFORMED;
    if (key->kind == KIND_LEVEL)
        return level_parse(value, number_at(config, key)) ? STATUS_OK : STATUS_MALFORMED;
    if (key->kind == KIND_CHOICE)
        return choice_parse(key, value, number_at(config, key)) ? STATUS_OK : STATUS_MALFORMED;
    if (key->kind == KIND_ADDRESS && !is_address(value))
        return STATUS_MALFORMED;
    char *text = key->kind == KIND_PATH ? path_make(value, folder) : text_copy(value);
    if (text == NULL)
        return STATUS_NO_MEMORY;
    if (key->kind == KIND_CONNINFO && !is_conninfo(text)) {
        free(text);
        return STATUS_MALFORMED;
    }
    free(*text_at(config, key));
    *text_at(config, key) = text;
    return STATUS_OK;
}

static enum status set_standards(struct config *config, const char *folder)
{
    enum status status = STATUS_OK;
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < KEYS && status == STATUS_OK; i++)
        status = key_set(config, &keys[i], slice_of(keys[i].standard), folder);
    return status;
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof *config);
}

void config_done(struct config *config)
{
    for (size_t i = 0; i < KEYS; i++)
        if (is_text(keys[i].kind)) {
            free(*text_at(config, &keys[i]));
            *text_at(config, &keys[i]) = NULL;
        }
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text.at++, text.len--;
    while (text.len > 0 && strchr(" \t\r", text.at[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static const struct key *key_find(struct slice name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (slice_equal(name, slice_of(keys[i].name)))
            return &keys[i];
    return NULL;
}

static enum status key_line(struct config *config, struct slice line, const char *folder, bool seen[KEYS],
                            struct config_error *error)
{
    const char *equals = memchr(line.at, '=', line.len);
    if (equals == NULL) {
        (void)snprintf(error->text, sizeof error->text, "expected \"key = value\"");
        return STATUS_MALFORMED;
    }
    struct slice name = trim((struct slice){line.at, (size_t)(equals - line.at)});
    struct slice value = trim((struct slice){equals + 1, line.len - (size_t)(equals - line.at) - 1});
    const struct key *key = key_find(name);
    if (key == NULL) {
        (void)snprintf(error->text, sizeof error->text, "unknown key \"%.*s\" (--help lists the keys)", (int)name.len,
                       name.at);
        return STATUS_MALFORMED;
    }
    if (seen[key - keys]) {
        (void)snprintf(error->text, sizeof error->text, "%s: given twice", key->name);
        return STATUS_MALFORMED;
    }
    seen[key - keys] = true;
    enum status status = key_set(config, key, value, folder);
    if (status == STATUS_MALFORMED && key->kind == KIND_NUMBER)
        (void)snprintf(error->text, sizeof error->text, "%s: expected a number from %" PRId64 " to %" PRId64 " (%s)",
                       key->name, key->min, key->max, key->unit);
    else if (status == STATUS_MALFORMED && key->kind == KIND_ADDRESS)
        (void)snprintf(error->text, sizeof error->text, "%s: expected a numeric IPv4 or IPv6 address", key->name);
    else if (status == STATUS_MALFORMED && key->kind == KIND_CONNINFO) /* libpq's words may quote a password */
        (void)snprintf(error->text, sizeof error->text,
                       "%s: not a connection string of libpq (what holds spaces goes in single quotes)", key->name);
    else if (status == STATUS_MALFORMED && key->kind == KIND_CHOICE)
        (void)snprintf(error->text, sizeof error->text, "%s: expected one of %s", key->name, key->unit);
    else if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof error->text, "%s: %s", key->name, key->help);
    return status;
}

enum status config_parse(struct config *config, struct slice text, const char *folder, struct config_error *error)
{
    struct config fresh;
    bool is_ours = false, seen[KEYS] = {false};
    enum status status = set_standards(&fresh, folder);
    if (status != STATUS_OK)
        goto out;
    for (error->line = 1; text.len > 0; error->line++) {
        const char *newline = memchr(text.at, '\n', text.len);
        size_t len = newline == NULL ? text.len : (size_t)(newline - text.at);
        struct slice line = trim((struct slice){text.at, len});
        text.at += len + (newline != NULL);
        text.len -= len + (newline != NULL);
        if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
            continue;
        if (line.at[0] == '[')
            is_ours = slice_equal(line, SLICE("[service]"));
        else if (is_ours && (status = key_line(&fresh, line, folder, seen, error)) != STATUS_OK)
            goto out;
    }
    error->line = 0;
    if (fresh.database[0] == '\0') {
        (void)snprintf(error->text, sizeof error->text, "section [service] names no database");
        status = STATUS_MALFORMED;
    }
out:
    if (status != STATUS_OK) {
        config_done(&fresh);
        return status;
    }
    config_done(config);
    *config = fresh;
    return STATUS_OK;
}

static char *file_read(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    size_t size = 64 * 1024, len = 0;
    char *text = malloc(size);
    if (text != NULL)
        len = fread(text, 1, size, file);
    if (text == NULL || ferror(file) || len == size) { /* no configuration is that long */
        if (len == size)
            errno = EFBIG;
        free(text);
        text = NULL;
    }
    (void)fclose(file); /* only read from */
    *ret_len = len;
    return text;
}

enum status config_read(struct config *config, const char *path, struct config_error *error)
{
    error->line = 0;
    size_t len;
    char *text = file_read(path, &len);
    if (text == NULL) {
        (void)snprintf(error->text, sizeof error->text, "cannot be read: %s", strerror(errno));
        return STATUS_NOT_FOUND;
    }
    /* Relative paths stay so where the file is named without a folder: they then work also for an account that may not
     * enter the folders above. */
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? NULL : strndup(path, (size_t)(slash - path));
    enum status status = STATUS_NO_MEMORY;
    if (slash == NULL || folder != NULL)
        status = config_parse(config, (struct slice){text, len}, folder, error);
    free(folder);
    free(text);
    return status;
}

static bool key_differs(const struct config *a, const struct config *b, const struct key *key)
{
    if (is_text(key->kind))
        return strcmp(*text_at(a, key), *text_at(b, key)) != 0;
    return *number_at(a, key) != *number_at(b, key);
}

void config_reload(struct config *config, const struct config *fresh, int *ret_ignored)
{
    *ret_ignored = 0;
    for (size_t i = 0; i < KEYS; i++) {
        if (!key_differs(config, fresh, &keys[i]))
            continue;
        if (keys[i].reloadable && !is_text(keys[i].kind)) {
            *number_at(config, &keys[i]) = *number_at(fresh, &keys[i]);
        } else {
            (*ret_ignored)++;
            log_warning("config", "needs-restart", LOG_TEXT("key", keys[i].name));
        }
    }
}

void config_print_help(FILE *out)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *key = &keys[i];
        fprintf(out, "  %s = %s%s%s%s\n      %s", key->name, key->standard, key->unit[0] != '\0' ? " (" : "", key->unit,
                key->unit[0] != '\0' ? ")" : "", key->help);
        if (key->kind == KIND_NUMBER)
            fprintf(out, "; %" PRId64 " to %" PRId64, key->min, key->max);
        fprintf(out, "%s\n", key->reloadable ? "; reloaded on SIGHUP" : "");
    }
}

/* As libpq reads it: a password may be part of a URI. Without memory it may hold one. */
static bool holds_password(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool holds = options == NULL;
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
        holds |= option->val != NULL && option->dispchar[0] == '*';
    PQconninfoFree(options);
    return holds;
}

void config_print(const struct config *config, FILE *out)
{
    fprintf(out, "[service]\n");
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *key = &keys[i];
        if (key->kind == KIND_CONNINFO && holds_password(*text_at(config, key)))
            fprintf(out, "# %s is set, and not shown as it may hold a password\n", key->name);
        else if (is_text(key->kind))
            fprintf(out, "%s = %s\n", key->name, *text_at(config, key));
        else if (key->kind == KIND_CHOICE)
            fprintf(out, "%s = %.*s\n", key->name, (int)choice_word(key, *number_at(config, key)).len,
                    choice_word(key, *number_at(config, key)).at);
        else if (key->kind == KIND_LEVEL)
            fprintf(out, "%s = %s\n", key->name, levels[*number_at(config, key) - LOG_LEVEL_ERROR]);
        else
            fprintf(out, "%s = %" PRId64 "\n", key->name, *number_at(config, key));
    }
}
