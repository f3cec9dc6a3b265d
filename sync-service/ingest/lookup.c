/* Who client ids are: those of a frame before it is taken, those of the sessions when notifications were missed. */
#include <poll.h>
#include "hub_state.h"

#define DATABASE_RETRY_MS 100
#define LOOKUP_MAX        1000 /* client ids in one question */

static enum status ask(struct hub *hub, const struct slice client_ids[], size_t len, PGresult **ret_result)
{
    struct pg_params *params = &hub->database.params;
    pg_params_begin(params);
    pg_texts(params);
    for (size_t i = 0; i < len; i++)
        pg_put_bytes(params, client_ids[i]);
    return database_ask(&hub->database, "select ord, device_id, user_id, ack_auto from gnatter.device_open($1)",
                        DATABASE_BINARY, ret_result);
}

/* Without the database nobody can be told apart: the hub waits. */
static enum status ask_patiently(struct hub *hub, const struct slice client_ids[], size_t len, PGresult **ret_result)
{
    enum status status;
    while ((status = ask(hub, client_ids, len, ret_result)) == STATUS_UNAVAILABLE && !atomic_load(&hub->is_stopping))
        (void)poll(NULL, 0, DATABASE_RETRY_MS);
    return status;
}

static size_t place_of(const PGresult *result, int row)
{
    return (size_t)pg_read_int(PQgetvalue(result, row, 0)) - 1;
}

/* ---- of a frame ---- */
static bool op_names_client(const struct frame_op *op, struct slice *ret_client_id)
{
    if (op->type == UP_CONNECTED)
        *ret_client_id = op->connected.client_id;
    else if (op->type == UP_RECORD)
        *ret_client_id = op->record.client_id;
    else
        return false;
    return true;
}

static enum status add(struct hub *hub, const struct slice client_ids[], size_t len)
{
    PGresult *result = NULL;
    enum status status = ask_patiently(hub, client_ids, len, &result);
    if (status != STATUS_OK)
        return status;
    for (int row = 0; row < PQntuples(result); row++) {
        struct slice client_id = client_ids[place_of(result, row)];
        if (identities_find(&hub->identities, client_id) == NULL &&
            identities_add(&hub->identities, client_id, pg_read_bigint(PQgetvalue(result, row, 1)),
                           pg_read_bigint(PQgetvalue(result, row, 2)), PQgetvalue(result, row, 3)[0] != 0) == NULL)
            status = STATUS_NO_MEMORY; /* and not a stranger, whose messages are nobody's */
    }
    PQclear(result);
    return status;
}

enum status lookup_frame(struct hub *hub, const struct link_frame *frame)
{
    struct slice client_ids[LOOKUP_MAX];
    size_t len = 0;
    struct frame_reader reader;
    struct frame_op op;
    identities_make_room(&hub->identities); /* not later: nobody whom the frame names is forgotten in it */
    enum status status = frame_open(&reader, frame->bytes, frame->len);
    while (status == STATUS_OK && (status = frame_next(&reader, &op)) == STATUS_OK) {
        struct slice client_id;
        if (!op_names_client(&op, &client_id) || identities_find(&hub->identities, client_id) != NULL)
            continue;
        client_ids[len++] = client_id;
        if (len == LOOKUP_MAX) {
            status = add(hub, client_ids, len);
            len = 0;
        }
    }
    if (status == STATUS_NOT_FOUND)
        status = len > 0 ? add(hub, client_ids, len) : STATUS_OK;
    return status;
}

/* ---- of the sessions ---- */
static void check(struct hub *hub, const struct slice client_ids[], size_t len)
{
    bool is_same[LOOKUP_MAX] = {false};
    PGresult *result = NULL;
    if (ask_patiently(hub, client_ids, len, &result) != STATUS_OK)
        return; /* not known is not removed */
    for (int row = 0; row < PQntuples(result); row++) {
        size_t place = place_of(result, row);
        const struct identity *identity = identities_find(&hub->identities, client_ids[place]);
        is_same[place] = identity != NULL && identity->device_id == pg_read_bigint(PQgetvalue(result, row, 1));
    }
    PQclear(result);
    for (size_t i = 0; i < len; i++)
        if (!is_same[i])
            live_removed(hub, client_ids[i], INT64_MAX);
}

void lookup_again(struct hub *hub)
{
    struct slice client_ids[LOOKUP_MAX];
    size_t len = 0;
    struct table_walk walk;
    identities_forget_idle(&hub->identities);
    for (const struct session *session = sessions_first(&hub->sessions, &walk); session != NULL;
         session = sessions_next(&walk)) {
        if (session->identity->is_removed)
            continue;
        client_ids[len++] = identity_client_id(session->identity);
        if (len == LOOKUP_MAX) {
            check(hub, client_ids, len);
            len = 0;
        }
    }
    if (len > 0)
        check(hub, client_ids, len);
}
