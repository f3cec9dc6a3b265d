#include "init.h"
#include "account.h"
#include "broker.h"
#include "conf.h"
#include "database.h"
#include "file.h"
#include "keys.h"
#include "migrate.h"
#include "output.h"
#include "postgres.h"
#include "secret.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* DIR and what is above it. */
static enum result make_dir(const char *dir)
{
    for (const char *at = dir; *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        const char *path = text_copy(dir, (size_t)(at - dir));
        if (*path && mkdir(path, 0755) != 0 && errno != EEXIST)
            return fail("cannot make %s: %s", path, strerror(errno));
    }
    return DONE;
}

/* The accounts of the parts may pass through DIR (not list it) to what is theirs below. */
static enum result make_folders(const struct node *node)
{
    struct account broker;
    struct stat about;
    if (!account_find(ACCOUNT_BROKER, &broker))
        return fail("the broker does not stay root, and this system has neither a user mosquitto nor nobody");
    static const struct {
        const char *name;
        mode_t mode;
        bool is_broker;
    } folders[] = {{"keys", 0711, false},  {"run", 0755, false}, {"log", 0755, false},
                   {"broker", 0700, true}, {"lib", 0755, false}, {"mosquitto.d", 0755, false}};
    if (fstat(node->dir_fd, &about) != 0 ||
        (geteuid() == 0 && fchmod(node->dir_fd, (about.st_mode & 07777) | 0111) != 0))
        return fail("cannot prepare %s: %s", node->dir, strerror(errno));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        bool is_broker = folders[i].is_broker;
        if (file_folder(node->dir_fd, folders[i].name, folders[i].mode, is_broker ? broker.uid : (uid_t)-1,
                        is_broker ? broker.gid : (gid_t)-1) != STATUS_OK)
            return fail("cannot make %s: %s", node_path(node, folders[i].name), strerror(errno));
    }
    return DONE;
}

/* The secret that lets the service speak to the broker's plugin: a copy for each, so that neither account reads the
 * other's. */
static enum result make_link_secret(const struct node *node, const struct account *service)
{
    struct account broker;
    char secret[SECRET_TEXT_SIZE];
    (void)account_find(ACCOUNT_BROKER, &broker); /* make_folders found it */
    secret_make(secret);
    const char *line = text_format("%s\n", secret);
    enum result result = DONE;
    if (file_write(node->dir_fd, NODE_LINK_SECRET, line, strlen(line), 0600, service->uid, service->gid) != STATUS_OK ||
        file_write(node->dir_fd, NODE_BROKER_LINK_SECRET, line, strlen(line), 0600, broker.uid, broker.gid) !=
            STATUS_OK)
        result = fail("cannot write the link secret below %s: %s", node->dir, strerror(errno));
    sodium_memzero(secret, sizeof(secret));
    return result;
}

/* What `conn` was opened with, without password. */
static char *conninfo_of(PGconn *conn)
{
    static const char *const taken[] = {"host",
                                        "hostaddr",
                                        "port",
                                        "dbname",
                                        "user",
                                        "sslmode",
                                        "sslrootcert",
                                        "sslcert",
                                        "sslkey",
                                        "gssencmode",
                                        "target_session_attrs",
                                        "channel_binding",
                                        "options",
                                        NULL};
    char *text = text_format("%s", "");
    PQconninfoOption *options = PQconninfo(conn);
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        for (int i = 0; taken[i]; i++) {
            if (strcmp(option->keyword, taken[i]) != 0 || !option->val || !option->val[0])
                continue;
            if (!option->compiled || strcmp(option->compiled, option->val) != 0)
                text = text_format("%s%s%s=%s", text, *text ? " " : "", taken[i], conf_quote(option->val));
        }
    PQconninfoFree(options);
    return text;
}

/* An existing server: can we get in, and with what? A server may serve several nodes: each service has a role of its
 * own. */
static enum result use_database(struct node *node, const char *uri)
{
    PGconn *conn = PQconnectdb(uri);
    if (!conn || PQstatus(conn) != CONNECTION_OK) {
        (void)fail("cannot connect to the database of --database: %s", conn ? PQerrorMessage(conn) : "out of memory");
        PQfinish(conn);
        return REFUSED;
    }
    const char *password = PQpass(conn);
    node->conf.postgres_port = 0;
    node->conf.database = conninfo_of(conn);
    node->conf.service_user = text_format("gnatter_service_%08x", randombytes_random());
    enum result result = secret_pgpass(node, NODE_PGPASS, PQuser(conn), password ? password : "", (uid_t)-1, (gid_t)-1);
    PQfinish(conn);
    return result;
}

static enum result write_conf(const struct node *node, const struct account *service)
{
    const char *text = node_conf_text(&node->conf);
    text = conf_set(text, "service", "link_secret_file", NODE_LINK_SECRET);
    text = conf_set(text, "service", "name", node->conf.name);
    text = conf_set(text, "service", "status_socket", NODE_SYNCD_SOCKET);
    text = text_format(
        "%s# a port here, such as 9464, and after a restart Prometheus finds http://127.0.0.1:9464/metrics\n",
        conf_set(text, "service", "metrics_listen", "127.0.0.1"));
    text = conf_set(text, "service", "metrics_port", "0");
    if (service->name)
        text = conf_set(text, "service", "user", service->name);
    if (file_write(node->dir_fd, NODE_CONF, text, strlen(text), 0644, (uid_t)-1, (gid_t)-1) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_CONF), strerror(errno));
    bool changed;
    return node_save(node, &changed);
}

static enum result make_secrets(const struct node *node, const struct account *service)
{
    const char *kid = NULL;
    char password[SECRET_TEXT_SIZE];
    enum result result = file_exists(node->dir_fd, NODE_PUBLIC_KEYS) ? DONE : key_make(node, &kid);
    if (result == DONE)
        result = make_link_secret(node, service);
    if (result != DONE)
        return result;
    secret_make(password);
    result = secret_pgpass(node, NODE_SERVICE_PGPASS, node->conf.service_user, password, service->uid, service->gid);
    sodium_memzero(password, sizeof(password));
    return result;
}

/* A database without gnatter.conf may be a living one: only what we have begun ourselves may be thrown away. */
static enum result begin(const struct node *node)
{
    if (file_exists(node->dir_fd, "postgres/PG_VERSION"))
        return file_exists(node->dir_fd, NODE_UNFINISHED)
                   ? fail("%s is left from an init that was interrupted: remove it and try again",
                          node_path(node, "postgres"))
                   : fail("%s holds a database, but %s is missing: restore that file", node_path(node, "postgres"),
                          node_path(node, NODE_CONF));
    if (file_exists(node->dir_fd,
                    NODE_BROKER_CONF)) /* written after gnatter.conf; its database may be a server of yours */
        return fail("%s is left of a node, but its %s is missing: restore that file, or remove %s to make another node",
                    node_path(node, NODE_BROKER_CONF), node_path(node, NODE_CONF), node_path(node, NODE_BROKER_CONF));
    if (file_write(node->dir_fd, NODE_UNFINISHED, "", 0, 0644, (uid_t)-1, (gid_t)-1) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_UNFINISHED), strerror(errno));
    return DONE;
}

/* gnatter.conf comes last: a DIR without it is no node, and making it can be tried again. */
static enum result fill(struct node *node, const struct args *args)
{
    struct account service;
    bool changed;
    int migrations;
    node_conf_default(&node->conf);
    enum result result = node_apply_args(node, args, &changed);
    if (result != DONE)
        return result;
    if (!account_find(ACCOUNT_SERVICE, &service))
        return fail("the service does not stay root, and this system has no user nobody");
    if ((result = make_folders(node)) != DONE)
        return result;
    if ((result = begin(node)) != DONE)
        return result;
    result = args->database ? use_database(node, args->database) : postgres_make(node);
    if (result == DONE)
        result = make_secrets(node, &service);
    if (result == DONE && args->database)
        result = migrate(node, MIGRATE_LOCK_WAIT, &migrations, &changed);
    if (result == DONE)
        result = write_conf(node, &service);
    if (result == DONE)
        (void)unlinkat(node->dir_fd, NODE_UNFINISHED, 0); /* if it stays, `up` removes it */
    if (result == DONE)
        result = broker_limits_write(node, &node->conf, &changed);
    if (result == DONE)
        result = broker_conf_write(node, true, &changed);
    return result;
}

enum result node_make(const struct args *args)
{
    enum result result = make_dir(args->dir);
    if (result != DONE)
        return result;
    char *real = realpath(args->dir, NULL);
    if (!real)
        return fail("cannot open %s: %s", args->dir, strerror(errno));
    struct node node = {.dir = text_copy(real, strlen(real)), .dir_fd = -1};
    free(real);
    node.dir_fd = open(node.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (node.dir_fd < 0)
        return fail("cannot open %s: %s", node.dir, strerror(errno));
    if (flock(node.dir_fd, LOCK_EX | LOCK_NB) != 0)
        result = fail("somebody else is making a node in %s just now", node.dir);
    else if (file_exists(node.dir_fd, NODE_CONF))
        result = fail("there is a node in %s already: gnatterctl up starts it", node.dir);
    else
        result = fill(&node, args);
    node_close(&node);
    return result;
}

enum result command_init(struct args *args)
{
    enum result result = node_make(args);
    struct node node;
    if (result != DONE || (result = node_open(args, &node)) != DONE)
        return result;
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "dir", node.dir);
    (void)cJSON_AddNumberToObject(object, "mqtt_port", (double)node.conf.mqtt_port);
    (void)cJSON_AddNumberToObject(object, "ws_port", (double)node.conf.ws_port);
    output_done(args, object, "a node is in %s; gnatterctl --dir %s up starts it", node.dir, args->dir);
    node_close(&node);
    return DONE;
}
