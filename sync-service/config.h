#ifndef GNATTER_CONFIG_H
#define GNATTER_CONFIG_H
/*
 * The service's configuration: the [service] section of the node's file. One table says everything about a key; the
 * help, the check and the shown configuration come from it. Other sections belong to others and are not looked at. Main
 * thread only.
 */
#include <stdio.h>
#include "log.h"
#include "push/provider.h"

struct config {
    char *database;
    char *primary_file;
    char *links;
    char *link_secret_file;
    char *link_ca_file;
    char *name;
    char *user;
    char *status_socket;
    char *metrics_listen;
    int64_t metrics_port; /* 0: none */
    int64_t log_level;
    int64_t shards;
    int64_t rpc_workers;
    int64_t window_items, window_items_max, window_bytes;
    int64_t redeliver_after_ms, redeliver_max_ms;
    int64_t flush_after_ms;
    int64_t pending_items_max, conversations_max;
    int64_t presence_offline_after_ms;
    int64_t presence_reciprocal;
    int64_t blocked_answer; /* 0: sent; 1: error */
    int64_t stop_after_ms;
    int64_t edit_within_s;
    int64_t inbox_items_max, inbox_bytes_max;
    struct push_options push;
};

struct config_error {
    int line; /* 0: not about a line */
    char text[256];
};

/* Empty: config_read or config_parse fills it in. */
void config_init(struct config *config);
void config_done(struct config *config);
/* STATUS_NOT_FOUND: the file cannot be read. STATUS_MALFORMED: it says something that is not understood; nothing of it
 * counts then. Relative paths are taken from the file's folder. Both fill in *error. */
MUST_CHECK enum status config_read(struct config *config, const char *path, struct config_error *error);
/* The same from text. */
MUST_CHECK enum status config_parse(struct config *config, struct slice text, const char *folder,
                                    struct config_error *error);
/* What may change while running takes the value of `fresh`; *ret_ignored counts differing keys that need a restart. */
void config_reload(struct config *config, const struct config *fresh, int *ret_ignored);

void config_print_help(FILE *out);
void config_print(const struct config *config, FILE *out);

#endif
