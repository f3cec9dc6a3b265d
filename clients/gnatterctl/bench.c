/* bench-mode: on, off, status. */
#include "bench.h"
#include "account.h"
#include "broker.h"
#include "conf.h"
#include "database.h"
#include "file.h"
#include "output.h"
#include "parts.h"
#include "ports.h"
#include "text.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USERS_DEFAULT    1000
#define USERS_MAX        1000000
#define PASSWORD_BYTES   12 /* generated ones */
#define PASSWORD_LEN_MIN 8
#define PASSWORD_LEN_MAX 64    /* fits a short CONNECT */
#define TAKES_MS         10000 /* a reload, at the longest */
#define LOGIN_MS         2000
#define LOOK_MS          20
#define PROBE            "gnatterctl_bench_pub_1"

/* ---- what is on ---- */
bool bench_is_on(const struct node *node)
{
    return !strcmp(node->conf.bench_mode, "on");
}

bool bench_read(const struct node *node, struct bench_mode *ret_mode)
{
    char *text;
    *ret_mode = (struct bench_mode){0};
    if (file_read(node->dir_fd, NODE_BENCH, &text, NULL) != STATUS_OK)
        return false;
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        char *value = strchr(line, ' ');
        if (!value)
            continue;
        *value++ = '\0';
        if (!strcmp(line, "prefix"))
            ret_mode->prefix = value;
        else if (!strcmp(line, "password"))
            ret_mode->password = value;
        else if (!strcmp(line, "users"))
            (void)text_number(value, 1, USERS_MAX, &ret_mode->users); /* else 0: checked below */
        else if (!strcmp(line, "exposed"))
            ret_mode->is_exposed = !strcmp(value, "1");
    }
    return ret_mode->prefix && ret_mode->password && ret_mode->users;
}

static const char *exposed_address(const struct node_conf *conf)
{
    if (!address_is_loopback(conf->listen))
        return conf->listen;
    if (conf->tls_cert[0] && !address_is_loopback(conf->tls_listen))
        return conf->tls_listen;
    return NULL;
}

static enum result exposed_check(const struct node *node, bool is_forced)
{
    const char *address = exposed_address(&node->conf);
    if (!address || is_forced)
        return DONE;
    return fail("%s can be reached from outside, and bench mode opens the node to whoever has one password: "
                "gnatterctl bench-mode off, listeners on loopback, or bench-mode on --force",
                address);
}

enum result bench_apply(const struct node *node)
{
    struct bench_mode mode;
    struct account account;
    bool changed;
    if (!bench_is_on(node)) {
        if (unlinkat(node->dir_fd, NODE_BROKER_BENCH, 0) != 0 && errno != ENOENT)
            return fail("cannot remove %s: %s", node_path(node, NODE_BROKER_BENCH), strerror(errno));
        return DONE;
    }
    if (!bench_read(node, &mode))
        return fail("gnatter.conf says bench_mode = on, but %s does not say what it is: gnatterctl bench-mode off",
                    node_path(node, NODE_BENCH));
    enum result result = exposed_check(node, mode.is_exposed);
    if (result != DONE)
        return result;
    (void)account_find(ACCOUNT_BROKER, &account); /* the node was made with it */
    if (file_copy(node_path(node, NODE_BENCH), node->dir_fd, NODE_BROKER_BENCH, 0600, account.uid, account.gid,
                  &changed) != STATUS_OK)
        return fail("cannot write %s: %s", node_path(node, NODE_BROKER_BENCH), strerror(errno));
    return DONE;
}

static enum result conf_switch(struct node *node, bool is_on)
{
    bool changed;
    node->conf.bench_mode = text_format("%s", is_on ? "on" : "off");
    enum result result = node_save(node, &changed);
    return result == DONE ? bench_apply(node) : result;
}

/* Until the broker does as it was told; one that is down will when it comes up. */
static enum result wait_taken(const struct node *node, const char *password, bool is_on)
{
    struct parts parts;
    parts_read(node, &parts);
    if (!parts.part[PART_BROKER].pid || !node_reload(node))
        return DONE;
    for (int64_t until_ms = clock_ms() + TAKES_MS; clock_ms() < until_ms; nap_ms(LOOK_MS))
        if ((broker_login(node, PROBE, "bench", password, LOGIN_MS) == 0) == is_on)
            return DONE;
    return fail("the broker did not take it in %d s; see %s", TAKES_MS / 1000, node_path(node, "log/mosquitto.log"));
}

/* ---- telling ---- */
static void print_commands(const struct node *node, const struct bench_mode *mode)
{
    const char *host = address_to_reach(node->conf.listen), *password = mode->password;
    int port = (int)node->conf.mqtt_port, clients = mode->users < 100 ? (int)mode->users : 100;
    printf("  emqtt_bench sub -h %s -p %d -c %d -q 1 -u bench -P %s -t 'inbox/%%i/#'\n", host, port, clients, password);
    printf("  emqtt_bench pub -h %s -p %d -c %d -q 1 -u bench -P %s -t 'chat/u/%%i' -I 1000 -s 100\n", host, port,
           clients, password);
    printf("  mqttx bench sub -h %s -p %d -c %d -q 1 -u bench -P %s -I 'sub%%i' -t 'inbox/%%i/#'\n", host, port,
           clients, password);
    printf("  mqttx bench pub -h %s -p %d -c %d -q 1 -u bench -P %s -I 'pub%%i' -t 'chat/u/%%i' -im 1000\n", host, port,
           clients, password);
    printf("  mqtt-stresser -broker tcp://%s:%d -username bench -password %s -num-clients %d -num-messages 100 "
           "-publisher-qos 1 -subscriber-qos 1\n",
           host, port, password, clients);
}

static cJSON *mode_json(const struct bench_mode *mode, bool is_on)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddBoolToObject(object, "on", is_on);
    if (is_on) {
        (void)cJSON_AddStringToObject(object, "password", mode->password);
        (void)cJSON_AddStringToObject(object, "prefix", mode->prefix);
        (void)cJSON_AddNumberToObject(object, "users", (double)mode->users);
        (void)cJSON_AddBoolToObject(object, "exposed", mode->is_exposed);
    }
    return object;
}

static void print_mode(const struct args *args, const struct node *node, const struct bench_mode *mode)
{
    if (args->json) {
        output_json(mode_json(mode, true));
        return;
    }
    printf("BENCH MODE IS ON, for load tests only: whoever has this password is one of %lld users %s-pub-... and "
           "%s-sub-...%s\n",
           (long long)mode->users, mode->prefix, mode->prefix,
           mode->is_exposed ? ", FROM ANYWHERE" : ", from this machine");
    printf("password    %s\n\n", mode->password);
    print_commands(node, mode);
    printf("\n%sgnatterctl bench-mode off ends it and removes these users and what they wrote.\n",
           broker_limits_are_off(node)
               ? ""
               : "Rate limits hold also here: gnatterctl down, gnatterctl up --limits off lifts them.\n");
}

/* ---- the commands ---- */
static const char *random_hex(size_t bytes)
{
    unsigned char random[PASSWORD_BYTES];
    char *text = text_room(2 * sizeof(random) + 1);
    randombytes_buf(random, sizeof(random));
    (void)sodium_bin2hex(text, 2 * bytes + 1, random, bytes);
    return text;
}

static enum result mode_of(const struct args *args, struct bench_mode *ret_mode)
{
    *ret_mode = (struct bench_mode){.prefix = text_format("bench-%s", random_hex(3)),
                                    .password = args->password ? args->password : random_hex(PASSWORD_BYTES),
                                    .users = args->users > 0 ? args->users : USERS_DEFAULT,
                                    .is_exposed = args->force};
    size_t len = strlen(ret_mode->password);
    if (ret_mode->users > USERS_MAX)
        return fail_usage("--users takes at most %d", USERS_MAX);
    if (len < PASSWORD_LEN_MIN || len > PASSWORD_LEN_MAX)
        return fail_usage("--password takes %d to %d characters", PASSWORD_LEN_MIN, PASSWORD_LEN_MAX);
    for (size_t i = 0; i < len; i++)
        if (ret_mode->password[i] <= ' ' || ret_mode->password[i] > '~')
            return fail_usage("--password takes printable ASCII without spaces");
    return DONE;
}

/* The users first: a login must find its device. */
static enum result begin(struct node *node, const struct bench_mode *mode)
{
    PGconn *conn = database_open(node);
    if (!conn)
        return REFUSED;
    const char *text = text_format("prefix %s\npassword %s\nusers %lld\nexposed %d\n", mode->prefix, mode->password,
                                   (long long)mode->users, mode->is_exposed);
    const char *params[] = {mode->prefix, text_format("%lld", (long long)mode->users)};
    enum result result = DONE; /* the file first: what was made without it, nobody would find again */
    if (file_write(node->dir_fd, NODE_BENCH, text, strlen(text), 0600, (uid_t)-1, (gid_t)-1) != STATUS_OK)
        result = fail("cannot write %s: %s", node_path(node, NODE_BENCH), strerror(errno));
    if (result == DONE)
        result = database_do(conn, "select gnatter.create_bench($1, $2::int)", 2, params);
    if (result == DONE) /* nobody waits until autovacuum has seen them; where this role may not, it does later */
        PQclear(PQexec(conn, "analyze gnatter.user_account, gnatter.device, gnatter.cursor"));
    PQfinish(conn);
    if (result == DONE)
        result = conf_switch(node, true);
    return result == DONE ? wait_taken(node, mode->password, true) : result;
}

enum result command_bench_on(struct args *args)
{
    struct node node;
    struct bench_mode mode, other;
    enum result result = mode_of(args, &mode);
    if (result != DONE || (result = node_open(args, &node)) != DONE)
        return result;
    if (bench_is_on(&node) || bench_read(&node, &other))
        result = fail("bench mode is %s: gnatterctl bench-mode off first", bench_is_on(&node) ? "on" : "half removed");
    else
        result = exposed_check(&node, mode.is_exposed);
    if (result == DONE)
        result = begin(&node, &mode);
    if (result == DONE)
        print_mode(args, &node, &mode);
    node_close(&node);
    return result;
}

/* The logins first, and whatever becomes of the rest; keys/bench last, so that it can be tried again. */
static enum result end(struct node *node, const struct bench_mode *mode, bool was_made)
{
    enum result result = conf_switch(node, false);
    if (result != DONE || !was_made)
        return result;
    result = wait_taken(node, mode->password, false);
    PGconn *conn = result == DONE ? database_open(node) : NULL;
    if (!conn)
        return REFUSED;
    const char *params[] = {mode->prefix};
    result = database_do(conn, "select gnatter.remove_bench($1)", 1, params);
    PQfinish(conn);
    if (result == DONE && unlinkat(node->dir_fd, NODE_BENCH, 0) != 0)
        result = fail("cannot remove %s: %s", node_path(node, NODE_BENCH), strerror(errno));
    return result;
}

enum result command_bench_off(struct args *args)
{
    struct node node;
    struct bench_mode mode;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    bool was_made = bench_read(&node, &mode), was_on = was_made || bench_is_on(&node);
    if (was_on)
        result = end(&node, &mode, was_made);
    if (result == DONE)
        output_done(args, mode_json(&mode, false),
                    was_on ? "bench mode is off, and its users are removed" : "bench mode was not on");
    node_close(&node);
    return result;
}

enum result command_bench_status(struct args *args)
{
    struct node node;
    struct bench_mode mode;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    bool was_made = bench_read(&node, &mode);
    if (bench_is_on(&node) && was_made)
        print_mode(args, &node, &mode);
    else
        output_done(args, mode_json(&mode, false),
                    was_made
                        ? "bench mode is off, but its users are still there: gnatterctl bench-mode off removes them"
                        : "bench mode is off");
    node_close(&node);
    return result;
}
