#define _GNU_SOURCE /* environ */
#include "broker.h"
#include "certificate.h"
#include "file.h"
#include "output.h"
#include "ports.h"
#include "text.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *sibling_path(const char *variable, const char *beside, const char *installed)
{
    char self[4096];
    const char *given = getenv(variable);
    if (given && *given)
        return given;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len <= 0)
        return NULL;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    const char *const names[] = {beside, installed};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *real = realpath(text_format("%s/%s", self, names[i]), NULL);
        if (!real)
            continue;
        const char *path = text_copy(real, strlen(real));
        free(real);
        return path;
    }
    return NULL;
}

const char *broker_program(void)
{
    static const char *const places[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    (void)fail("Mosquitto is not installed: apt-get install mosquitto");
    return NULL;
}

const char *broker_plugin(void)
{
    const char *path = sibling_path("GNATTER_PLUGIN", "../lib/gnatter_plugin.so", "../lib/gnatter/gnatter_plugin.so");
    if (!path)
        (void)fail("gnatter_plugin.so is not beside gnatterctl: run make, or set GNATTER_PLUGIN");
    return path;
}

/* "" when it is not wanted. NULL: said what to do. */
static const char *accelerator(const struct node_conf *conf)
{
    if (strcmp(conf->accelerator, "on") != 0)
        return "";
    const char *path = sibling_path("GNATTER_ACCELERATOR_LIBRARY", "../lib/gnatter_accelerator.so",
                                    "../lib/gnatter/gnatter_accelerator.so");
    if (!path)
        (void)fail("gnatter_accelerator.so is not beside gnatterctl: run make, or --accelerator off");
    return path;
}

enum result broker_files_copy(const struct node *node, bool *ret_changed)
{
    const struct node_conf *conf = &node->conf;
    const char *plugin = broker_plugin(), *preloaded = accelerator(conf);
    struct account account;
    if (!plugin || !preloaded)
        return REFUSED;
    if (!account_find(ACCOUNT_BROKER, &account))
        return fail("the broker does not stay root, and this system has neither a user mosquitto nor nobody");
    const char *why = conf->tls_cert[0] ? certificate_why_not(conf->tls_cert, conf->tls_key) : NULL;
    if (why)
        return fail("%s", why);
    const struct {
        const char *from, *to;
        mode_t mode;
        uid_t uid;
        gid_t gid;
    } files[] = {{plugin, NODE_PLUGIN, 0644, (uid_t)-1, (gid_t)-1},
                 {preloaded, NODE_ACCELERATOR, 0644, (uid_t)-1, (gid_t)-1},
                 {node_path(node, NODE_LINK_SECRET), NODE_BROKER_LINK_SECRET, 0600, account.uid, account.gid},
                 {conf->tls_cert, NODE_TLS_CERT, 0600, account.uid, account.gid},
                 {conf->tls_key, NODE_TLS_KEY, 0600, account.uid, account.gid}};
    /* Whether it is there is what a running broker is compared with: one that was started otherwise is replaced. */
    bool any = !preloaded[0] && unlinkat(node->dir_fd, NODE_ACCELERATOR, 0) == 0, changed = false;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!files[i].from[0])
            continue;
        if (file_copy(files[i].from, node->dir_fd, files[i].to, files[i].mode, files[i].uid, files[i].gid, &changed) !=
            STATUS_OK)
            return fail("cannot copy %s to %s: %s", files[i].from, node_path(node, files[i].to), strerror(errno));
        any = any || changed;
    }
    *ret_changed = any;
    return DONE;
}

/* The domain keeps libwebsockets from taking an IPv4 address for the wildcard of IPv6. */
static const char *listener(const struct node_conf *conf, const char *address, int64_t port, bool is_websocket,
                            bool is_tls)
{
    const char *most =
        conf->max_connections ? text_format("max_connections %lld\n", (long long)conf->max_connections) : "";
    return text_format("\nlistener %lld %s\nprotocol %s\nsocket_domain %s\n%s%s", (long long)port, address,
                       is_websocket ? "websockets" : "mqtt", strchr(address, ':') ? "ipv6" : "ipv4", most,
                       is_tls ? "certfile " NODE_TLS_CERT "\nkeyfile " NODE_TLS_KEY "\ntls_version tlsv1.2\n" : "");
}

enum result broker_limits_write(const struct node *node, const struct node_conf *conf, bool *ret_changed)
{
    if (file_update(node->dir_fd, NODE_BROKER_LIMITS, node_limits_text(conf), 0644, ret_changed) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_BROKER_LIMITS), strerror(errno));
    return DONE;
}

/* Paths are relative: the broker is started in DIR, and finds them also when it is no longer root. */
enum result broker_conf_write(const struct node *node, bool limits, bool *ret_changed)
{
    const struct node_conf *conf = &node->conf;
    struct account account;
    if (!account_find(ACCOUNT_BROKER, &account))
        return fail("the broker does not stay root, and this system has neither a user mosquitto nor nobody");
    /* Above the largest frame, and so far above the largest message that a device is told and not cut off. */
    int64_t packet_bytes = 4 * conf->max_message_bytes;
    if (packet_bytes < 2 * LIMIT_FRAME_BYTES)
        packet_bytes = 2 * LIMIT_FRAME_BYTES;
    const char *text = text_format(
        "# Written by gnatterctl from gnatter.conf at every start; own lines belong into mosquitto.d/*.conf.\n"
        "per_listener_settings false\n"
        "allow_anonymous false\n"
        "set_tcp_nodelay true\n"
        "allow_duplicate_messages true\n"
        "persistence false\n"
        "max_inflight_messages 1000\n"
        "max_queued_messages 100000\n"
        "max_packet_size %lld\n"
        "sys_interval 10\n"
        "log_dest stderr\n" /* standard output would reach a file late */
        "log_timestamp_format %%Y-%%m-%%dT%%H:%%M:%%S\n"
        "log_type error\nlog_type warning\nlog_type notice\nlog_type information\n"
        "connection_messages false\n"
        "%s%s%s",
        (long long)packet_bytes, account.name ? "user " : "", account.name ? account.name : "",
        account.name ? "\n" : "");
    text = text_format("%s%s%s", text, listener(conf, conf->listen, conf->mqtt_port, false, false),
                       listener(conf, conf->listen, conf->ws_port, true, false));
    if (conf->tls_cert[0])
        text = text_format("%s%s%s", text, listener(conf, conf->tls_listen, conf->mqtts_port, false, true),
                           listener(conf, conf->tls_listen, conf->wss_port, true, true));
    text = text_format("%s\nplugin " NODE_PLUGIN "\n"
                       "plugin_opt_keys_file " NODE_PUBLIC_KEYS "\n"
                       "plugin_opt_link_secret_file " NODE_BROKER_LINK_SECRET "\n"
                       "plugin_opt_journal_file broker/journal.ring\n"
                       "plugin_opt_journal_bytes %lld\n"
                       "plugin_opt_revocations_file broker/revoked.tab\n"
                       "plugin_opt_bench_file " NODE_BROKER_BENCH "\n"
                       "plugin_opt_max_message_bytes %lld\n"
                       "plugin_opt_overload_wait_ms %lld\n"
                       "plugin_opt_coalesce %s\n"
                       "plugin_opt_limits_file " NODE_BROKER_LIMITS "\n"
                       "plugin_opt_limits %s\n"
                       "plugin_opt_node %s\n"
                       "\ninclude_dir mosquitto.d\n",
                       text, (long long)conf->journal_bytes, (long long)conf->max_message_bytes,
                       (long long)conf->overload_wait_ms, conf->coalesce, limits ? "on" : "off", conf->name);
    if (file_update(node->dir_fd, NODE_BROKER_CONF, text, 0644, ret_changed) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_BROKER_CONF), strerror(errno));
    return DONE;
}

bool broker_limits_are_off(const struct node *node)
{
    char *text;
    return file_read(node->dir_fd, NODE_BROKER_CONF, &text, NULL) == STATUS_OK &&
           strstr(text, "plugin_opt_limits off\n");
}

/* Ours and LD_PRELOAD, with a path that holds from where the broker is started; free() it. NULL: ours will do. */
static char **environment(const struct node *node)
{
    static const char name[] = "LD_PRELOAD=";
    size_t len = 0, kept = 1;
    const char *theirs = getenv("LD_PRELOAD");
    if (strcmp(node->conf.accelerator, "on") != 0)
        return NULL;
    while (environ[len])
        len++;
    char **copy = calloc(len + 2, sizeof(*copy));
    if (!copy)
        return NULL; /* then without it */
    copy[0] = text_format("%s./" NODE_ACCELERATOR "%s%s", name, theirs ? ":" : "", theirs ? theirs : "");
    for (size_t i = 0; i < len; i++)
        if (strncmp(environ[i], name, sizeof(name) - 1) != 0)
            copy[kept++] = environ[i];
    return copy;
}

/* The library maps a page of this name when it has found the broker it knows. */
bool broker_is_accelerated(struct process process)
{
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *maps = process.pid ? fopen(text_format("/proc/%ld/maps", (long)process.pid), "re") : NULL;
    while (maps && !found && getline(&line, &size, maps) > 0)
        found = strstr(line, "/memfd:gnatter-accelerator") != NULL;
    free(line);
    if (maps)
        (void)fclose(maps); /* was only read */
    return found;
}

bool broker_start(const struct node *node, int log_fd, struct process *ret_process)
{
    const char *program = broker_program();
    if (!program) {
        errno = ENOENT;
        return false;
    }
    char *argv[] = {text_format("%s", program), "-c", NODE_BROKER_CONF, NULL};
    struct launch launch = {
        .program = program, .argv = argv, .cwd_fd = node->dir_fd, .input_fd = -1, .log_fd = log_fd, .keep_fd = -1};
    char **with_accelerator = environment(node);
    launch.environment = with_accelerator;
    bool ok = process_start(&launch, ret_process);
    int error = errno;
    free(with_accelerator);
    errno = error;
    return ok;
}

static enum result port_check(const char *address, int64_t port, const char *option, pid_t except)
{
    if (port_is_free(address, (int)port))
        return DONE;
    int error = errno;
    pid_t owner = port_owner((int)port);
    if (owner && owner == except)
        return DONE;
    if (error == EACCES)
        return fail("port %lld may be used by root only: choose another with %s", (long long)port, option);
    if (error == EADDRNOTAVAIL)
        return fail("%s is not an address of this machine", address);
    return fail("port %lld is taken by %s: stop that, or choose another with %s N (0: any free one)", (long long)port,
                process_describe(owner), option);
}

enum result broker_ports_check(const struct node *node, pid_t except)
{
    const struct node_conf *conf = &node->conf;
    enum result result = port_check(conf->listen, conf->mqtt_port, "--mqtt-port", except);
    if (result == DONE)
        result = port_check(conf->listen, conf->ws_port, "--ws-port", except);
    if (result == DONE && conf->tls_cert[0])
        result = port_check(conf->tls_listen, conf->mqtts_port, "--mqtts-port", except);
    if (result == DONE && conf->tls_cert[0])
        result = port_check(conf->tls_listen, conf->wss_port, "--wss-port", except);
    return result;
}

/* The code that the broker answers this CONNECT with; -1: it does not answer. */
static int connack_of(const struct node *node, const unsigned char *packet, size_t packet_len, int timeout_ms)
{
    unsigned char answer[4];
    int fd = port_connect(address_to_reach(node->conf.listen), (int)node->conf.mqtt_port, timeout_ms);
    if (fd < 0)
        return -1;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    bool ok = send(fd, packet, packet_len, MSG_NOSIGNAL) == (ssize_t)packet_len && poll(&waiting, 1, timeout_ms) == 1 &&
              recv(fd, answer, sizeof(answer), 0) == (ssize_t)sizeof(answer) && answer[0] == 0x20;
    (void)close(fd); /* nothing more to say */
    return ok ? answer[3] : -1;
}

/*
 * A CONNECT that MQTT 3.1.1 has the broker refuse (no client id and no clean session: return code 2) before the plugin
 * hears of it: proof that its loop turns, without a login or a line in the log.
 */
bool broker_answers(const struct node *node, int timeout_ms)
{
    static const unsigned char packet[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 60, 0, 0};
    return connack_of(node, packet, sizeof(packet), timeout_ms) >= 0;
}

int broker_login(const struct node *node, const char *client_id, const char *user, const char *password, int timeout_ms)
{
    unsigned char packet[2 + 127] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60};
    const char *const texts[] = {client_id, user, password};
    size_t len = 12;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t text_len = strlen(texts[i]);
        if (text_len > 127 || len + 2 + text_len > sizeof(packet))
            return -1; /* of a length of one byte, and no more is needed */
        packet[len++] = 0;
        packet[len++] = (unsigned char)text_len;
        memcpy(packet + len, texts[i], text_len);
        len += text_len;
    }
    packet[1] = (unsigned char)(len - 2);
    return connack_of(node, packet, len, timeout_ms);
}
