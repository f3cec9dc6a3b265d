#include <cjson/cJSON.h>
#include <string.h>
#include "pusher.h"

static cJSON *worker_json(const struct worker_state *worker)
{
    cJSON *object = cJSON_CreateObject(), *answers = cJSON_AddObjectToObject(object, "answers");
    (void)cJSON_AddStringToObject(object, "provider", worker->provider);
    (void)cJSON_AddStringToObject(object, "state", worker->is_stopped ? "stopped" : "up");
    if (worker->is_stopped)
        (void)cJSON_AddStringToObject(object, "reason", worker->reason);
    (void)cJSON_AddNumberToObject(object, "under_way", worker->under_way);
    for (int i = 0; i <= PUSH_STOPPED; i++)
        (void)cJSON_AddNumberToObject(answers, push_outcome_name((enum push_outcome)i), (double)worker->by_outcome[i]);
    return object;
}

cJSON *pusher_json(struct pusher *pusher)
{
    struct pusher_state state;
    pusher_state(pusher, &state);
    cJSON *object = cJSON_CreateObject(), *providers = cJSON_AddArrayToObject(object, "providers");
    (void)cJSON_AddBoolToObject(object, "database", state.is_database_up);
    (void)cJSON_AddNumberToObject(object, "registrations", (double)state.registrations);
    (void)cJSON_AddNumberToObject(object, "waiting", (double)state.waiting);
    (void)cJSON_AddNumberToObject(object, "oldest_s", (double)state.oldest_s);
    (void)cJSON_AddNumberToObject(object, "noted", (double)state.noted);
    (void)cJSON_AddNumberToObject(object, "evaluations", (double)state.evaluations);
    (void)cJSON_AddNumberToObject(object, "made", (double)state.made);
    for (size_t i = 0; i < state.workers_len; i++)
        (void)cJSON_AddItemToArray(providers, worker_json(&state.workers[i]));
    return object;
}
