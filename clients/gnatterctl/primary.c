#include "primary.h"
#include "file.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    const char *hosts, *addresses, *ports; /* separated by commas; NULL: not given */
    bool has_attrs;
};

static const char *kept(const char *value)
{
    return value && *value ? text_copy(value, strlen(value)) : NULL;
}

static bool list_read(const struct node *node, struct list *list)
{
    *list = (struct list){0};
    PQconninfoOption *options = PQconninfoParse(node->conf.database, NULL);
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        if (!strcmp(option->keyword, "host"))
            list->hosts = kept(option->val);
        else if (!strcmp(option->keyword, "hostaddr"))
            list->addresses = kept(option->val);
        else if (!strcmp(option->keyword, "port"))
            list->ports = kept(option->val);
        else if (!strcmp(option->keyword, "target_session_attrs"))
            list->has_attrs = option->val && *option->val;
    }
    PQconninfoFree(options);
    const char *servers = list->hosts ? list->hosts : list->addresses;
    return servers && strchr(servers, ',');
}

bool primary_is_chosen(const struct node *node)
{
    struct list list;
    return list_read(node, &list);
}

/* The item at `index`; a list of one counts for all. NULL: there is none. */
static const char *item(const char *list, int index)
{
    if (!list)
        return NULL;
    if (!strchr(list, ','))
        return list;
    for (; index > 0; index--) {
        list = strchr(list, ',');
        if (!list)
            return NULL;
        list++;
    }
    return text_copy(list, strcspn(list, ","));
}

static PGconn *connect_to(const struct node *node, const struct list *list, int index, const char *attrs)
{
    const char *keys[10] = {"dbname", "passfile", "application_name", "connect_timeout"};
    const char *values[10] = {node->conf.database, node_path(node, NODE_PGPASS), "gnatterctl", "10"};
    int len = 4;
    if (list) {
        const char *const names[] = {"host", "hostaddr", "port", "target_session_attrs"};
        const char *const texts[] = {item(list->hosts, index), item(list->addresses, index), item(list->ports, index),
                                     attrs};
        for (int i = 0; i < 4; i++)
            if (texts[i]) {
                keys[len] = names[i];
                values[len++] = texts[i];
            }
    }
    return PQconnectdbParams(keys, values, 1 /* dbname is a conninfo */);
}

struct memory {
    long long system_id, timeline; /* 0: nothing is remembered */
    int good;                      /* place in the list */
};

static struct memory memory_read(const struct node *node)
{
    char *text;
    struct memory memory = {0, 0, 0};
    if (file_read(node->dir_fd, NODE_PRIMARY, &text, NULL) != STATUS_OK ||
        sscanf(text, "%lld %lld %d", &memory.system_id, &memory.timeline, &memory.good) != 3 || memory.good < 0)
        return (struct memory){0, 0, 0};
    return memory;
}

/* It takes writes, but another server was promoted in its place. */
static bool is_replaced(const struct memory *memory, PGconn *conn)
{
    if (memory->timeline == 0)
        return false;
    PGresult *result = PQexec(conn, "select system_id, timeline from gnatter.server()");
    bool is_replaced = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
                       atoll(PQgetvalue(result, 0, 0)) == memory->system_id && atoll(PQgetvalue(result, 0, 1)) != 0 &&
                       atoll(PQgetvalue(result, 0, 1)) < memory->timeline;
    PQclear(result); /* an error: a schema that is older than this program */
    return is_replaced;
}

static int list_len(const char *list)
{
    int len = 1;
    for (; *list; list++)
        len += *list == ',';
    return len;
}

static bool is_reachable(const struct node *node, const struct list *list, int len)
{
    bool is_reached = false;
    for (int i = 0; i < len && !is_reached; i++) {
        PGconn *conn = connect_to(node, list, i, "any");
        is_reached = conn && PQstatus(conn) == CONNECTION_OK;
        PQfinish(conn);
    }
    return is_reached;
}

PGconn *primary_connect(const struct node *node, const char **ret_why, bool *ret_is_coming)
{
    struct list list;
    *ret_why = NULL;
    *ret_is_coming = false;
    if (!list_read(node, &list))
        return connect_to(node, NULL, 0, NULL);
    struct memory memory = memory_read(node);
    int len = list_len(list.hosts ? list.hosts : list.addresses);
    for (int turn = 0; turn < len; turn++) {
        PGconn *conn = connect_to(node, &list, (memory.good + turn) % len, list.has_attrs ? NULL : "read-write");
        bool is_connected = conn && PQstatus(conn) == CONNECTION_OK;
        if (is_connected && !is_replaced(&memory, conn))
            return conn;
        if (is_connected)
            *ret_why = text_format("the server at %s port %s was replaced by one that was promoted, and is not used",
                                   PQhost(conn), PQport(conn));
        else if (turn + 1 == len && !*ret_why && !(*ret_is_coming = is_reachable(node, &list, len)))
            return conn; /* it says why not */
        PQfinish(conn);
    }
    if (!*ret_why)
        *ret_why = "none of its servers takes writes";
    return NULL;
}
