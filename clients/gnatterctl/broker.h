#ifndef GNATTER_CTL_BROKER_H
#define GNATTER_CTL_BROKER_H
/* Mosquitto with Gnatter's plugin. Its configuration is generated from [node]; DIR/mosquitto.d/ is for more of it. */
#include "node.h"
#include "process.h"

/* Copies plugin, link secret, certificate and key to where the broker, no longer root, can read them. Says what is
 * wrong. */
MUST_CHECK enum result broker_files_copy(const struct node *node, bool *ret_changed);
/* Writes the limits that the plugin reads. Says what is wrong. */
MUST_CHECK enum result broker_limits_write(const struct node *node, const struct node_conf *conf, bool *ret_changed);
/* Writes mosquitto.conf. limits false lifts the rate limits. Says what is wrong. */
MUST_CHECK enum result broker_conf_write(const struct node *node, bool limits, bool *ret_changed);
bool broker_limits_are_off(const struct node *node);
/* False with errno. */
bool broker_start(const struct node *node, int log_fd, struct process *ret_process);
/* Are its ports free, or held by `except` (0: nobody)? Says who has them. */
MUST_CHECK enum result broker_ports_check(const struct node *node, pid_t except);
/* Does it answer MQTT? Waits at most that long. */
bool broker_answers(const struct node *node, int timeout_ms);
/* The code of CONNACK for these credentials (texts of at most 127 bytes in all); -1: no answer. */
int broker_login(const struct node *node, const char *client_id, const char *user, const char *password,
                 int timeout_ms);
/* Mosquitto and the plugin, NULL when they are not there: said what to do. */
const char *broker_program(void);
const char *broker_plugin(void);
/* Has the process of the broker an accelerator at work? False also when this may not be seen. */
bool broker_is_accelerated(struct process process);
/* A program or library that is installed with this one. */
const char *sibling_path(const char *variable, const char *beside, const char *installed);
#endif
