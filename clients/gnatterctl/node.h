#ifndef GNATTER_CTL_NODE_H
#define GNATTER_CTL_NODE_H
/*
 * A node is a directory. Everything in it is opened relative to its descriptor, so that it works below folders that the
 * parts' accounts may not enter. [node] of gnatter.conf is ours, [service] is gnatter-syncd's.
 */
#include "ctl.h"
#include "../protocol/status.h"

#define NODE_CONF               "gnatter.conf"
#define NODE_BROKER_CONF        "mosquitto.conf"
#define NODE_PUBLIC_KEYS        "keys/tokens.pub"
#define NODE_LINK_SECRET        "keys/link.secret"      /* the service's copy */
#define NODE_BROKER_LINK_SECRET "broker/link.secret"    /* the broker's: each account reads only its own */
#define NODE_PLUGIN             "lib/gnatter_plugin.so" /* a copy: what was built may be where the broker cannot go */
#define NODE_ACCELERATOR        "lib/gnatter_accelerator.so" /* likewise; there only when it is on */
#define NODE_TLS_CERT           "broker/tls.crt"             /* copies that the broker's account can read */
#define NODE_TLS_KEY            "broker/tls.key"
#define NODE_PGPASS             "keys/pgpass"         /* the administrator's password */
#define NODE_SERVICE_PGPASS     "keys/service.pgpass" /* the service's */
#define NODE_SYNCD_SOCKET       "run/syncd.sock"
#define NODE_BROKER_LIMITS      "broker/limits.conf"
#define NODE_UNFINISHED         "run/init"     /* there while the node is being made */
#define NODE_PRIMARY            "run/primary"  /* the service's: the newest primary it has seen */
#define NODE_BENCH              "keys/bench"   /* what bench mode is, while it is on */
#define NODE_BROKER_BENCH       "broker/bench" /* the broker's copy */

/* [node]; text is never NULL. */
struct node_conf {
    char *name;
    char *listen;
    int64_t mqtt_port, ws_port;
    char *tls_cert, *tls_key, *tls_listen; /* empty: no TLS */
    int64_t mqtts_port, wss_port;
    char *other_brokers; /* links besides the one to this node's own broker; empty: none */
    char *accelerator;   /* "on": preloaded under the broker */
    char *coalesce;      /* "on": the plugin has packets of one turn leave together */
    int64_t max_message_bytes, overload_wait_ms, journal_bytes;
    int64_t max_connections; /* of each listener; 0: no limit but descriptors */
    /* the limits of rates: see node_limits_text */
    int64_t messages_per_second, messages_burst;
    int64_t user_messages_per_second, user_messages_burst;
    int64_t bytes_per_second, bytes_burst;
    int64_t requests_per_second, requests_burst;
    int64_t groups_per_hour, groups_burst;
    int64_t conversation_messages_per_second, conversation_messages_burst;
    int64_t connections_per_second, connections_burst;
    int64_t auth_failures_per_minute, auth_failures_burst;
    char *trusted_addresses;
    char *database;        /* libpq conninfo of the administrator, without password */
    int64_t postgres_port; /* of the private cluster; 0: --database */
    char *bench_mode;      /* on or off */
    char *service_user;    /* the database role the service logs in as */
};
struct node {
    const char *dir; /* absolute */
    int dir_fd;
    struct node_conf conf;
};

/* Opens DIR and reads its configuration. Says what is wrong. */
MUST_CHECK enum result node_open(const struct args *args, struct node *ret_node);
void node_close(struct node *node);
/* Is there a node in DIR? */
bool node_exists(const char *dir);
/* The absolute path of something in the node. */
const char *node_path(const struct node *node, const char *name);
/* Who made it, when that is another account than this one's; else NULL. */
const char *node_other_owner(const struct node *node);
/* Puts what the command line says about the broker into node->conf, checked. `*ret_changed`: anything new. */
MUST_CHECK enum result node_apply_args(struct node *node, const struct args *args, bool *ret_changed);
/* Writes node->conf into gnatter.conf, with the service's link to the broker; keeps all other lines. */
MUST_CHECK enum result node_save(const struct node *node, bool *ret_changed);
/* A fresh conf with its defaults. */
void node_conf_default(struct node_conf *ret_conf);
/* The limits as the broker's plugin reads them. */
const char *node_limits_text(const struct node_conf *conf);
/* Reads gnatter.conf anew, of a node that is open already: says what is wrong. */
MUST_CHECK enum result node_conf_again(const struct node *node, struct node_conf *ret_conf);
/* The text of a new gnatter.conf: [node] only. */
const char *node_conf_text(const struct node_conf *conf);
#endif
