/* status: each part, and what the service says of itself. */
#include "bench.h"
#include "broker.h"
#include "output.h"
#include "state.h"
#include "text.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *since_text(struct process process)
{
    char text[32];
    time_t since = (time_t)process_since_unix_s(process);
    struct tm utc;
    gmtime_r(&since, &utc);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text_format("%s", text);
}

static cJSON *process_json(const char *name, struct process process)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "name", name);
    (void)cJSON_AddBoolToObject(object, "up", process.pid != 0);
    if (process.pid) {
        (void)cJSON_AddNumberToObject(object, "pid", process.pid);
        (void)cJSON_AddStringToObject(object, "since", since_text(process));
    }
    return object;
}

static bool accelerator_is_wanted(const struct node *node)
{
    return !strcmp(node->conf.accelerator, "on");
}

static void print_json(const struct node *node, struct node_state *state)
{
    cJSON *object = cJSON_CreateObject(), *parts = cJSON_AddArrayToObject(object, "parts");
    (void)cJSON_AddBoolToObject(object, "ok", !state->why);
    (void)cJSON_AddBoolToObject(object, "bench_mode", bench_is_on(node));
    if (state->why)
        (void)cJSON_AddStringToObject(object, "why", state->why);
    for (int id = 0; id < PARTS; id++)
        if (part_is_ours(node, (enum part_id)id))
            (void)cJSON_AddItemToArray(parts, process_json(part_rows[id].name, state->parts.part[id]));
    (void)cJSON_AddItemToArray(parts, process_json("supervisor", state->parts.supervisor));
    cJSON *accelerator = cJSON_AddObjectToObject(object, "accelerator");
    (void)cJSON_AddBoolToObject(accelerator, "wanted", accelerator_is_wanted(node));
    (void)cJSON_AddBoolToObject(accelerator, "active", broker_is_accelerated(state->parts.part[PART_BROKER]));
    (void)cJSON_AddItemToObject(object, "service", state->service ? state->service : cJSON_CreateNull());
    state->service = NULL; /* it is the object's now */
    output_json(object);
}

static void print_process(const char *name, struct process process)
{
    if (process.pid)
        printf("%-11s up    pid %-8ld since %s\n", name, (long)process.pid, since_text(process));
    else
        printf("%-11s down\n", name);
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void print_push(const cJSON *push)
{
    const cJSON *provider;
    if (!push)
        return;
    printf("push        %.0f devices, %.0f wake-ups waiting\n", number_of(push, "registrations"),
           number_of(push, "waiting"));
    cJSON_ArrayForEach(provider, cJSON_GetObjectItem(push, "providers"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(provider, "provider"));
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(provider, "state"));
        const char *reason = cJSON_GetStringValue(cJSON_GetObjectItem(provider, "reason"));
        printf("            %s %s%s%s, %.0f sent\n", name ? name : "?", state ? state : "?", reason ? ": " : "",
               reason ? reason : "", number_of(cJSON_GetObjectItem(provider, "answers"), "sent"));
    }
}

/* What the broker has refused since it was started; nothing where there was nothing. */
static void print_refused(const cJSON *link)
{
    const cJSON *reason;
    const char *text = "";
    cJSON_ArrayForEach(reason, cJSON_GetObjectItem(cJSON_GetObjectItem(link, "broker"), "refused"))
    {
        if (reason->valuedouble > 0)
            text = text_format("%s%s%s %.0f", text, text[0] ? ", " : "", reason->string, reason->valuedouble);
    }
    if (text[0])
        printf("            refused: %s\n", text);
}

static void print_service(const cJSON *service)
{
    if (!service)
        return;
    printf("\ndatabase    %s\nshards      %.0f\nsessions    %.0f\npending     %.0f\nbehind      %.0f\n",
           cJSON_IsTrue(cJSON_GetObjectItem(service, "database")) ? "connected" : "away", number_of(service, "shards"),
           number_of(service, "sessions"), number_of(service, "pending"), number_of(service, "behind"));
    const cJSON *links = cJSON_GetObjectItem(service, "links");
    for (const cJSON *link = links ? links->child : NULL; link; link = link->next) {
        const char *uri = cJSON_GetStringValue(cJSON_GetObjectItem(link, "uri"));
        printf("link        %s %s, journal backlog %.0f\n", uri ? uri : "?",
               cJSON_IsTrue(cJSON_GetObjectItem(link, "up")) ? "up" : "down", number_of(link, "journal_backlog"));
        print_refused(link);
    }
    print_push(cJSON_GetObjectItem(service, "push"));
}

static void print_text(const struct node *node, const struct node_state *state)
{
    for (int id = 0; id < PARTS; id++)
        if (part_is_ours(node, (enum part_id)id))
            print_process(part_rows[id].name, state->parts.part[id]);
        else
            printf("%-11s %-5s (not of this node)\n", part_rows[id].name, state->database_answers ? "up" : "down");
    print_process("supervisor", state->parts.supervisor);
    if (bench_is_on(node))
        printf("BENCH MODE IS ON: one password opens the node to load generators (gnatterctl bench-mode off)\n");
    struct process broker = state->parts.part[PART_BROKER];
    if (broker_is_accelerated(broker))
        printf("accelerator on\n");
    else if (accelerator_is_wanted(node) && broker.pid)
        printf("accelerator off   wanted, but not at work: see %s\n", part_rows[PART_BROKER].log_file);
    print_service(state->service);
}

enum result command_status(struct args *args)
{
    struct node node;
    struct node_state state;
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    node_state_look(&node, &state);
    if (args->json)
        print_json(&node, &state);
    else
        print_text(&node, &state);
    if (state.why) {
        (void)fflush(stdout); /* checked at the end */
        result = fail("a device could not chat now: %s", state.why);
    }
    node_state_done(&state);
    node_close(&node);
    return result;
}
