#ifndef GNATTER_CTL_H
#define GNATTER_CTL_H
/*
 * gnatterctl: what every command sees. A command is a row in commands.c; its options are names of rows in options.c.
 * One process, one command, one thread; text made with text_format lives until the process ends.
 */
#include <stdbool.h>
#include <stdint.h>
#include "../protocol/limits.h"

/* Exit statuses: the contract with scripts. */
enum result { DONE = 0, REFUSED = 1, USAGE = 2 };

/* What the command line says; numbers are -1 where it says nothing. */
struct args {
    char **words; /* what is not an option, after the command's name */
    int words_len;
    const char *dir;
    bool json, help, version;
    int64_t mqtt_port, ws_port, mqtts_port, wss_port;
    const char *database, *listen, *tls_cert, *tls_key, *tls_listen;
    const char *limits, *accelerator;
    bool foreground, plain_exposed;
    bool if_missing, once;
    const char *ack;
    int64_t ttl_s;
    int64_t count;
    const char *prefix, *device, *out;
    int64_t users;
    const char *password;
    bool force;
    const char *owner, *title;
    const char *members[LIMIT_GROUP_MEMBERS];
    int members_len;
    const char *conversation;
    int64_t older_than_s;
    bool delivered;
    const char *token, *endpoint, *p256dh, *auth, *topic;
    bool sandbox, silent;
};

struct command {
    const char *name;         /* one or two words */
    const char *words;        /* usage of the words after it */
    int words_min, words_max; /* max -1: any number, handed over unparsed (psql) */
    const char *options;      /* names of option rows, separated by spaces */
    enum result (*run)(struct args *args);
    const char *help;
};
extern const struct command commands[]; /* ends with name NULL */

enum result command_init(struct args *args);
enum result command_up(struct args *args);
enum result command_down(struct args *args);
enum result command_top(struct args *args);
enum result command_reload(struct args *args);
enum result command_status(struct args *args);
enum result command_migrate(struct args *args);
enum result command_user_add(struct args *args);
enum result command_user_list(struct args *args);
enum result command_user_show(struct args *args);
enum result command_user_remove(struct args *args);
enum result command_user_revoke(struct args *args);
enum result command_device_add(struct args *args);
enum result command_device_list(struct args *args);
enum result command_device_revoke(struct args *args);
enum result command_token(struct args *args);
enum result command_bulk_add(struct args *args);
enum result command_group_create(struct args *args);
enum result command_group_add(struct args *args);
enum result command_group_remove(struct args *args);
enum result command_group_role(struct args *args);
enum result command_group_rename(struct args *args);
enum result command_group_show(struct args *args);
enum result command_group_list(struct args *args);
enum result command_group_delete(struct args *args);
enum result command_keys_list(struct args *args);
enum result command_keys_add(struct args *args);
enum result command_keys_retire(struct args *args);
enum result command_push_list(struct args *args);
enum result command_push_register(struct args *args);
enum result command_push_unregister(struct args *args);
enum result command_push_resume(struct args *args);
enum result command_bench_on(struct args *args);
enum result command_bench_off(struct args *args);
enum result command_bench_status(struct args *args);
enum result command_timer(struct args *args);
enum result command_block_add(struct args *args);
enum result command_privacy_show(struct args *args);
enum result command_privacy_set(struct args *args);
enum result command_profile_set(struct args *args);
enum result command_block_remove(struct args *args);
enum result command_block_list(struct args *args);
enum result command_purge(struct args *args);
enum result command_psql(struct args *args);
enum result command_verify(struct args *args);
#endif
