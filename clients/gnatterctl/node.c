#include "node.h"
#include "conf.h"
#include "file.h"
#include "output.h"
#include "ports.h"
#include "text.h"
#include "../protocol/trusted.h"
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* [node] of gnatter.conf: reading, writing and explaining come from this table. */
static const struct conf_row {
    const char *key, *standard, *help;
    size_t offset;
    int64_t min, max;
    enum { ROW_TEXT, ROW_SWITCH, ROW_ADDRESSES, ROW_NUMBER } kind; /* SWITCH: on or off */
    bool is_limit; /* the plugin's: see broker-plugin/options.c; gnatterctl reload applies it */
} conf_rows[] = {
#define ROW(key, kind, standard, min, max, is_limit, help)                                                             \
    {                                                                                                                  \
#key, standard, help, offsetof(struct node_conf, key), min, max, kind, is_limit                                \
    }
#define TEXT(key, standard, help)             ROW(key, ROW_TEXT, standard, 0, 0, false, help)
#define SWITCH(key, standard, help)           ROW(key, ROW_SWITCH, standard, 0, 0, false, help)
#define NUMBER(key, standard, min, max, help) ROW(key, ROW_NUMBER, #standard, min, max, false, help)
#define LIMIT(key, standard, min, max, help)  ROW(key, ROW_NUMBER, #standard, min, max, true, help)
    TEXT(name, "gnatter", "the node's name, in logs and metrics"),
    TEXT(listen, "127.0.0.1", "address of the plain listeners; another than loopback on purpose only"),
    NUMBER(mqtt_port, 1883, 0, 65535, "MQTT over TCP"),
    NUMBER(ws_port, 8083, 0, 65535, "MQTT over WebSocket"),
    TEXT(tls_cert, "", "certificate chain (PEM); with tls_key: listeners with TLS"),
    TEXT(tls_key, "", "its private key (PEM)"),
    TEXT(tls_listen, "0.0.0.0", "address of the TLS listeners"),
    NUMBER(mqtts_port, 8883, 0, 65535, "MQTT over TLS"),
    NUMBER(wss_port, 8084, 0, 65535, "MQTT over WebSocket over TLS"),
    TEXT(other_brokers, "",
         "more brokers that the service links to: mqtts://host:8883, ... with this node's link.secret and tokens.pub"),
    TEXT(accelerator, "off", "on: the broker runs with gnatter_accelerator.so, which spares it system calls"),
    SWITCH(coalesce, "on",
           "what goes to one device in one turn of the broker's loop leaves together; off: each by itself"),
    NUMBER(max_message_bytes, 65536, 1024, LIMIT_MESSAGE_BYTES_MAX, "largest payload of a message"),
    NUMBER(journal_bytes, 67108864, 1048576, 1099511627776,
           "the broker's journal of what the service has not yet taken"),
    NUMBER(overload_wait_ms, 8000, 0, 600000,
           "messages that would wait for longer are refused as overloaded; 0: only a full journal refuses"),
    NUMBER(max_connections, 0, 0, 10000000,
           "sockets that each listener takes; 0: as many as there are file descriptors"),
    LIMIT(messages_per_second, 100, 1, 1000000, "what one device may send in the long run"),
    LIMIT(messages_burst, 2000, 1, 1000000, "and at once"),
    LIMIT(user_messages_per_second, 0, 0, 1000000, "a user's devices together; 0: four times what one may"),
    LIMIT(user_messages_burst, 0, 0, 1000000, "and at once; 0: four times what one may"),
    LIMIT(bytes_per_second, 8388608, 1024, 256000000, "bytes of a device's messages and requests in the long run"),
    LIMIT(bytes_burst, 134217728, LIMIT_MESSAGE_BYTES_MAX, 256000000, "and at once"),
    LIMIT(requests_per_second, 20, 1, 1000000, "rpc and sync of one device in the long run"),
    LIMIT(requests_burst, 100, 1, 1000000, "and at once"),
    LIMIT(groups_per_hour, 60, 1, 1000000, "groups that a user may make in the long run"),
    LIMIT(groups_burst, 100, 1, 1000, "and at once"),
    LIMIT(conversation_messages_per_second, 1000, 1, 1000000, "messages of all in one conversation in the long run"),
    LIMIT(conversation_messages_burst, 16000, 1, 1000000, "and at once"),
    LIMIT(connections_per_second, 50, 1, 1000000, "connections begun from one address in the long run"),
    LIMIT(connections_burst, 1000, 1, 1000000, "and at once"),
    LIMIT(auth_failures_per_minute, 60, 1, 1000000,
          "refused logins from one address in the long run; above, it is not listened to"),
    LIMIT(auth_failures_burst, 100, 1, 60000, "and at once"),
    ROW(trusted_addresses, ROW_ADDRESSES, "127.0.0.0/8, ::1", 0, 0, true,
        "addresses and networks without these two limits, such as proxies, separated by commas; none: none"),
    SWITCH(bench_mode, "off", "on: load generators may log in; gnatterctl bench-mode switches it"),
    NUMBER(postgres_port, 0, 0, 65535, "of the private PostgreSQL; 0: an existing server"),
    TEXT(database, "", "how gnatterctl connects to it; the password is in keys/pgpass"),
    TEXT(service_user, "gnatter_service", "the database role of the service; its password is in keys/service.pgpass"),
#undef ROW
#undef TEXT
#undef SWITCH
#undef NUMBER
#undef LIMIT
};
enum { CONF_ROWS = sizeof(conf_rows) / sizeof(conf_rows[0]) };

static bool conf_put(struct node_conf *conf, const struct conf_row *row, const char *value)
{
    void *at = (char *)conf + row->offset;
    if (row->kind == ROW_NUMBER)
        return text_number(value, row->min, row->max, at);
    if (row->kind == ROW_SWITCH && strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return false;
    if (row->kind == ROW_ADDRESSES && !trusted_is_list(value))
        return false;
    *(char **)at = text_copy(value, strlen(value));
    return true;
}

static const char *conf_value(const struct node_conf *conf, const struct conf_row *row)
{
    const void *at = (const char *)conf + row->offset;
    return row->kind == ROW_NUMBER ? text_format("%lld", (long long)*(const int64_t *)at) : *(char *const *)at;
}

void node_conf_default(struct node_conf *ret_conf)
{
    for (int i = 0; i < CONF_ROWS; i++)
        (void)conf_put(ret_conf, &conf_rows[i], conf_rows[i].standard); /* the table's own values are good */
}

const char *node_conf_text(const struct node_conf *conf)
{
    const char *text =
        "# A Gnatter node. [node] is read by gnatterctl, [service] by gnatter-syncd, whose --help explains its keys.\n"
        "# After a change: gnatterctl down, gnatterctl up. gnatterctl reload is enough for limits, from\n"
        "# messages_per_second to trusted_addresses, for log_level and stop_after_ms, and for new keys in push files.\n"
        "\n[node]\n";
    for (int i = 0; i < CONF_ROWS; i++)
        text = text_format("%s# %s\n%s = %s\n", text, conf_rows[i].help, conf_rows[i].key,
                           conf_value(conf, &conf_rows[i]));
    return text_format("%s\n[service]\n", text);
}

const char *node_limits_text(const struct node_conf *conf)
{
    const char *text = "# Written by gnatterctl from gnatter.conf, at every start and reload.\n";
    for (int i = 0; i < CONF_ROWS; i++)
        if (conf_rows[i].is_limit)
            text = text_format("%s%s %s\n", text, conf_rows[i].key, conf_value(conf, &conf_rows[i]));
    return text;
}

/* NULL, or what is wrong with it. given: of each row, whether it was there before. */
static const char *take_pair(struct node_conf *conf, const struct conf_pair *pair, bool given[CONF_ROWS])
{
    if (!strcmp(pair->section, "service"))
        return NULL;
    if (strcmp(pair->section, "node") != 0)
        return text_format("unknown section [%s]", pair->section);
    for (int i = 0; i < CONF_ROWS; i++) {
        if (strcmp(conf_rows[i].key, pair->key) != 0)
            continue;
        if (given[i])
            return text_format("%s: given twice", pair->key);
        given[i] = true;
        if (conf_put(conf, &conf_rows[i], pair->value))
            return NULL;
        if (conf_rows[i].kind == ROW_SWITCH)
            return text_format("%s: neither on nor off", pair->key);
        if (conf_rows[i].kind == ROW_ADDRESSES)
            return text_format("%s: neither none nor addresses such as 10.0.0.0/8, separated by commas", pair->key);
        return text_format("%s: not a number from %lld to %lld", pair->key, (long long)conf_rows[i].min,
                           (long long)conf_rows[i].max);
    }
    return text_format("unknown key %s in [node]", pair->key);
}

static enum result read_conf(const char *dir, int dir_fd, struct node_conf *ret_conf)
{
    char *text;
    enum status status = file_read(dir_fd, NODE_CONF, &text, NULL);
    if (status == STATUS_NOT_FOUND && file_exists(dir_fd, NODE_BROKER_CONF)) /* of a node, and written later */
        return fail("%s/%s is missing: restore that file (kill $(cat %s/run/supervisor.pid) stops a node that is up)",
                    dir, NODE_CONF, dir);
    if (status == STATUS_NOT_FOUND)
        return fail("no node in %s: make one with gnatterctl --dir %s init (or up)", dir, dir);
    if (status != STATUS_OK)
        return fail("cannot read %s/%s: %s", dir, NODE_CONF, strerror(errno));
    node_conf_default(ret_conf);
    struct conf_pair pair = {.section = ""};
    const char *at = text, *problem = NULL;
    bool given[CONF_ROWS] = {false};
    int line = 0;
    while (!problem && conf_next(&at, &line, &pair))
        problem = take_pair(ret_conf, &pair, given);
    if (!problem && !pair.key)
        problem = "neither [section] nor key = value";
    if (problem)
        return fail("%s/%s, line %d: %s", dir, NODE_CONF, line, problem);
    return DONE;
}

enum result node_conf_again(const struct node *node, struct node_conf *ret_conf)
{
    return read_conf(node->dir, node->dir_fd, ret_conf);
}

enum result node_open(const struct args *args, struct node *ret_node)
{
    *ret_node = (struct node){.dir_fd = -1};
    /* What a shell set for another server would win over the node's own, here and in the parts that are started. */
    static const char *const foreign[] = {"PGHOSTADDR",    "PGPASSWORD",   "PGPASSFILE",           "PGSERVICE",
                                          "PGSERVICEFILE", "PGSSLMODE",    "PGSSLROOTCERT",        "PGSSLCERT",
                                          "PGSSLKEY",      "PGGSSENCMODE", "PGTARGETSESSIONATTRS", "PGCHANNELBINDING",
                                          "PGOPTIONS",     "PGTZ",         "PGDATESTYLE",          "PGCLIENTENCODING"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        (void)unsetenv(foreign[i]); /* these are names: cannot fail */
    char *real = realpath(args->dir, NULL);
    if (!real)
        return errno == ENOENT
                   ? fail("no node in %s: make one with gnatterctl --dir %s init (or up)", args->dir, args->dir)
                   : fail("cannot open %s: %s", args->dir, strerror(errno));
    ret_node->dir = text_copy(real, strlen(real));
    free(real);
    ret_node->dir_fd = open(ret_node->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret_node->dir_fd < 0)
        return fail("cannot open %s: %s", ret_node->dir, strerror(errno));
    enum result result = read_conf(args->dir, ret_node->dir_fd, &ret_node->conf);
    if (result != DONE)
        node_close(ret_node);
    return result;
}

void node_close(struct node *node)
{
    if (node->dir_fd >= 0)
        (void)close(node->dir_fd); /* was only read */
    node->dir_fd = -1;
}

bool node_exists(const char *dir)
{
    return file_exists(AT_FDCWD, text_format("%s/%s", dir, NODE_CONF));
}

const char *node_path(const struct node *node, const char *name)
{
    return text_format("%s/%s", node->dir, name);
}

const char *node_other_owner(const struct node *node)
{
    struct stat about;
    if (fstatat(node->dir_fd, "keys", &about, 0) != 0 || about.st_uid == geteuid())
        return NULL;
    const struct passwd *owner = getpwuid(about.st_uid);
    return owner ? text_copy(owner->pw_name, strlen(owner->pw_name)) : text_format("%lu", (unsigned long)about.st_uid);
}

static void set_text(char **at, const char *value, bool *changed)
{
    if (!value || !strcmp(*at, value))
        return;
    *at = text_copy(value, strlen(value));
    *changed = true;
}

/* Port 0 asks for any free one. */
static bool set_port(int64_t *at, int64_t value, const char *address, bool *changed)
{
    if (value < 0 || value == *at)
        return true;
    if (value == 0)
        value = port_free_one(address);
    *at = value;
    *changed = true;
    return value != 0;
}

static const char *absolute(const char *path)
{
    if (!path || path[0] == '/' || path[0] == '\0')
        return path;
    char *real = realpath(path, NULL);
    const char *text = text_copy(real ? real : path, strlen(real ? real : path));
    free(real);
    return text;
}

enum result node_apply_args(struct node *node, const struct args *args, bool *ret_changed)
{
    struct node_conf *conf = &node->conf;
    bool changed = false;
    set_text(&conf->listen, args->listen, &changed);
    set_text(&conf->tls_listen, args->tls_listen, &changed);
    set_text(&conf->tls_cert, absolute(args->tls_cert), &changed);
    set_text(&conf->tls_key, absolute(args->tls_key), &changed);
    set_text(&conf->accelerator, args->accelerator, &changed);
    if (strcmp(conf->accelerator, "on") != 0 && strcmp(conf->accelerator, "off") != 0)
        return fail_usage("the accelerator is on or off, not \"%s\"", conf->accelerator);
    if (!address_is_valid(conf->listen) || !address_is_valid(conf->tls_listen))
        return fail_usage("--listen and --tls-listen take a numeric address such as 127.0.0.1, not \"%s\"",
                          address_is_valid(conf->listen) ? conf->tls_listen : conf->listen);
    if (args->listen && !address_is_loopback(conf->listen) && !args->plain_exposed)
        return fail(
            "%s can be reached from outside and tokens would travel unencrypted: use --tls-cert and --tls-key, or "
            "--plain-exposed behind something that adds TLS",
            conf->listen);
    if (!conf->tls_cert[0] != !conf->tls_key[0])
        return fail_usage("--tls-cert and --tls-key go together");
    if (conf->tls_cert[0] && (access(conf->tls_cert, R_OK) != 0 || access(conf->tls_key, R_OK) != 0))
        return fail("cannot read %s: %s", access(conf->tls_cert, R_OK) != 0 ? conf->tls_cert : conf->tls_key,
                    strerror(errno));
    if (!set_port(&conf->mqtt_port, args->mqtt_port, conf->listen, &changed) ||
        !set_port(&conf->ws_port, args->ws_port, conf->listen, &changed) ||
        !set_port(&conf->mqtts_port, args->mqtts_port, conf->tls_listen, &changed) ||
        !set_port(&conf->wss_port, args->wss_port, conf->tls_listen, &changed))
        return fail("no free port at %s", conf->listen);
    if (conf->mqtt_port == conf->ws_port)
        return fail_usage("MQTT and WebSocket cannot share port %lld", (long long)conf->mqtt_port);
    *ret_changed = changed;
    return DONE;
}

/* How the service connects: as the administrator does, but for role and password. */
static const char *service_database(const struct node_conf *conf)
{
    const char *text = "";
    PQconninfoOption *options = PQconninfoParse(conf->database, NULL);
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        if (option->val && strcmp(option->keyword, "user") != 0)
            text = text_format("%s%s=%s ", text, option->keyword, conf_quote(option->val));
    PQconninfoFree(options);
    return text_format("%suser=%s passfile=%s", text, conf_quote(conf->service_user), conf_quote(NODE_SERVICE_PGPASS));
}

enum result node_save(const struct node *node, bool *ret_changed)
{
    char *text;
    if (file_read(node->dir_fd, NODE_CONF, &text, NULL) != STATUS_OK)
        return fail("cannot read %s/%s: %s", node->dir, NODE_CONF, strerror(errno));
    const struct node_conf *conf = &node->conf;
    for (int i = 0; i < CONF_ROWS; i++)
        text = conf_set(text, "node", conf_rows[i].key, conf_value(conf, &conf_rows[i]));
    text = conf_set(text, "service", "database", service_database(conf));
    text = conf_set(text, "service", "links",
                    text_format("mqtt://%s:%lld%s%s", address_to_reach(conf->listen), (long long)conf->mqtt_port,
                                conf->other_brokers[0] ? ", " : "", conf->other_brokers));
    if (file_update(node->dir_fd, NODE_CONF, text, 0644, ret_changed) != STATUS_OK)
        return fail("cannot write %s/%s: %s", node->dir, NODE_CONF, strerror(errno));
    return DONE;
}
