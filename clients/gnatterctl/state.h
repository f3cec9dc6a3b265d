#ifndef GNATTER_CTL_STATE_H
#define GNATTER_CTL_STATE_H
/* How a node is doing now. */
#include <cjson/cJSON.h>
#include "parts.h"

struct node_state {
    struct parts parts;
    bool database_answers; /* asked only where it is somebody else's server */
    bool broker_answers;
    cJSON *service;      /* what the service says of itself; NULL: nothing */
    bool is_standing_by; /* all that is wrong: the service waits for another one to be gone */
    const char *why;     /* why a device could not chat now; NULL: it could */
};
/* Takes at most some seconds. node_state_done it. */
void node_state_look(const struct node *node, struct node_state *ret_state);
void node_state_done(struct node_state *state);
/* What the service says of itself: cJSON_Delete it. NULL: nothing, within some seconds. */
cJSON *node_ask_service(const struct node *node);
#endif
