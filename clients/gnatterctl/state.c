#include "state.h"
#include "broker.h"
#include "output.h"
#include "postgres.h"
#include "text.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (256 * 1024)
#define WAIT_MS          2000

/* Through the node's descriptor: a socket's path is short, and DIR may be long. */
static int connect_service(const struct node *node)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" NODE_SYNCD_SOCKET, node->dir_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    (void)close(fd); /* nothing was sent */
    return -1;
}

/* The one JSON object that the service writes to whoever connects. */
cJSON *node_ask_service(const struct node *node)
{
    int fd = connect_service(node);
    if (fd < 0)
        return NULL;
    char *text = text_room(ANSWER_BYTES_MAX + 1);
    size_t len = 0;
    int64_t until_ms = clock_ms() + WAIT_MS;
    cJSON *object = NULL;
    while (!object && len < ANSWER_BYTES_MAX) {
        int64_t left_ms = until_ms - clock_ms();
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&waiting, 1, (int)left_ms) != 1)
            break;
        ssize_t got = recv(fd, text + len, ANSWER_BYTES_MAX - len, 0);
        if (got > 0)
            len += (size_t)got;
        text[len] = '\0';
        if (got <= 0 || text[len - 1] == '\n')
            object = cJSON_Parse(text);
        if (got <= 0)
            break;
    }
    (void)close(fd); /* nothing was sent */
    return object;
}

static bool has_link(const cJSON *service)
{
    const cJSON *links = cJSON_GetObjectItem(service, "links");
    for (const cJSON *link = links ? links->child : NULL; link; link = link->next)
        if (cJSON_IsTrue(cJSON_GetObjectItem(link, "up")))
            return true;
    return false;
}

/* What it has not said in another way already: connected, and yet nothing moves. */
static const char *service_why(const cJSON *service)
{
    const cJSON *why;
    cJSON_ArrayForEach(why, cJSON_GetObjectItem(service, "why"))
    {
        if (cJSON_IsString(why) && !strcmp(why->valuestring, "database-silent"))
            return "the database is silent: a question of the service has waited for seconds (a lock, or its disk)";
        if (cJSON_IsString(why) && !strcmp(why->valuestring, "stalled"))
            return "the service has a thread that does not move: end it (kill -9), and it is started again";
    }
    return NULL;
}

static const char standing_by[] =
    "the service is standing by: its database has another service, which it follows when that one is gone";

static const char *find_why(const struct node *node, const struct node_state *state)
{
    if (!state->parts.supervisor.pid && !state->parts.part[PART_BROKER].pid)
        return "the node is down (gnatterctl up)";
    if (!state->database_answers)
        return "the database does not answer"; /* it may also be why parts are down: a start waits for it */
    for (int id = 0; id < PARTS; id++)
        if (part_is_ours(node, (enum part_id)id) && !state->parts.part[id].pid)
            return text_format("%s is down", part_rows[id].name);
    if (!state->broker_answers)
        return text_format("the broker does not answer at port %lld", (long long)node->conf.mqtt_port);
    if (!state->service) {
        const char *owner = geteuid() ? node_other_owner(node) : NULL; /* root is let in */
        return owner ? text_format("the service does not tell this user how it is: run this as user %s", owner)
                     : "the service does not tell how it is";
    }
    if (cJSON_IsTrue(cJSON_GetObjectItem(state->service, "standing_by")))
        return standing_by;
    if (!cJSON_IsTrue(cJSON_GetObjectItem(state->service, "database")))
        return "the service has no connection to the database";
    if (!has_link(state->service))
        return "the service has no link to the broker";
    const char *why = service_why(state->service);
    if (!why && part_is_ours(node, PART_POSTGRES) && !postgres_answers(node))
        why = "PostgreSQL does not answer"; /* one that hangs: the service finds out when it has a question */
    return why;
}

void node_state_look(const struct node *node, struct node_state *ret_state)
{
    *ret_state = (struct node_state){0};
    parts_read(node, &ret_state->parts);
    ret_state->database_answers = true;
    ret_state->service = node_ask_service(node);
    bool service_has_database = cJSON_IsTrue(cJSON_GetObjectItem(ret_state->service, "database"));
    if (!part_is_ours(node, PART_POSTGRES))
        ret_state->database_answers = service_has_database || postgres_answers(node);
    ret_state->broker_answers = ret_state->parts.part[PART_BROKER].pid && broker_answers(node, WAIT_MS);
    ret_state->why = find_why(node, ret_state);
    ret_state->is_standing_by = ret_state->why == standing_by;
}

void node_state_done(struct node_state *state)
{
    cJSON_Delete(state->service);
    state->service = NULL;
}
