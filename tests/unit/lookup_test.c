/*
 * Who client ids are, with a database of two dozen devices.
 * link: sync-service/ingest/lookup.c sync-service/ingest/identities.c sync-service/ingest/sessions.c
 * link: sync-service/pg_wire.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sync-service/ingest/hub_state.h"

#define DEVICES 24
static int64_t ids[DEVICES]; /* of user0:d, user1:d, ...; 0: not registered */
static enum status answer;
static char asked[512];
static struct hub the_hub;

/* ---- the database ---- */
static void set(PGresult *result, int row, int column, uint64_t value, size_t len)
{
    value = htobe64(value << (64 - 8 * len));
    assert_int_equal(PQsetvalue(result, row, column, (char *)&value, (int)len), 1);
}

static uint32_t number_at(const char **at)
{
    uint32_t number;
    memcpy(&number, *at, sizeof number);
    *at += sizeof number;
    return be32toh(number);
}

enum status database_ask(struct database *database, const char *sql, enum database_format format, PGresult **ret_result)
{
    PGresAttDesc columns[] = {
        {.name = (char[]){"ord"}}, {.name = (char[]){"d"}}, {.name = (char[]){"u"}}, {.name = (char[]){"a"}}};
    (void)sql, (void)format;
    assert_int_equal(pg_params_end(&database->params), STATUS_OK);
    if (answer != STATUS_OK)
        return answer;
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, 4, columns), 1);
    const char *at = database->params.values[0] + 12; /* an array: how many, from which on, each with its length */
    uint32_t len = number_at(&at);
    at += 4;
    for (uint32_t ord = 1; ord <= len; ord++) {
        int n = -1, row = PQntuples(result);
        uint32_t bytes = number_at(&at);
        size_t asked_len = strlen(asked);
        (void)snprintf(asked + asked_len, sizeof asked - asked_len, "%.*s;", (int)bytes, at);
        if (sscanf(at, "user%d:d", &n) == 1 && ids[n] != 0) {
            set(result, row, 0, ord, 4);
            set(result, row, 1, (uint64_t)ids[n], 8);
            set(result, row, 2, (uint64_t)n, 8);
            set(result, row, 3, 0, 1);
        }
        at += bytes;
    }
    *ret_result = result;
    return STATUS_OK;
}

void live_removed(struct hub *hub, struct slice client_id, int64_t device_id)
{
    (void)device_id;
    struct identity *identity = identities_find(&hub->identities, client_id);
    if (identity != NULL)
        identities_remove(&hub->identities, identity);
}

/* ---- ---- */
static struct slice name(int n)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "user%d:d", n);
    return slice_of(text);
}

static struct identity *known(int n)
{
    return identities_find(&the_hub.identities, name(n));
}

/* A frame with a record of each of these, looked up. */
static void takes_frame(int from, int to)
{
    static unsigned char buf[8192];
    struct frame_writer writer;
    frame_begin(&writer, buf, sizeof buf);
    for (int n = from; n < to; n++) {
        struct frame_op op = {.type = UP_RECORD};
        op.record.client_id = name(n);
        op.record.topic = SLICE("sync");
        op.record.payload = op.record.correlation = (struct slice){"", 0};
        assert_int_equal(frame_put(&writer, &op), STATUS_OK);
    }
    const struct link_frame frame = {.bytes = buf, .len = frame_finish(&writer, 'U', 1, 1)};
    assert_int_equal(lookup_frame(&the_hub, &frame), STATUS_OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&the_hub, 0, sizeof the_hub);
    the_hub.identities.max = 8;
    for (int n = 0; n < DEVICES; n++)
        ids[n] = 100 + n;
    answer = STATUS_OK;
    asked[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct table_walk walk;
    for (struct session *session = sessions_first(&the_hub.sessions, &walk); session != NULL;
         session = sessions_next(&walk))
        sessions_remove(&the_hub.sessions, session);
    identities_done(&the_hub.identities);
    pg_params_free(&the_hub.database.params);
    return 0;
}

static void sessions_keep_who_they_are(void **state)
{
    (void)state;
    struct identity *before[4];
    takes_frame(0, 4);
    for (int n = 0; n < 4; n++) {
        before[n] = known(n);
        if (n > 0)
            assert_non_null(sessions_add(&the_hub.sessions, (session_ref)n, before[n]));
    }
    asked[0] = '\0';
    ids[2] = 0;   /* removed */
    ids[3] = 200; /* removed, and registered again */
    lookup_again(&the_hub);
    assert_null(strstr(asked, "user0:d;")); /* it has no session: looked up when it has something to say */
    assert_null(known(0));
    assert_ptr_equal(known(1), before[1]);
    assert_null(known(2));
    assert_null(known(3));
    takes_frame(3, 4);
    assert_int_equal(known(3)->device_id, 200);
    assert_null(known(3)->sessions); /* the session is the old one's */
}

static void not_known_is_not_removed(void **state)
{
    (void)state;
    takes_frame(1, 2);
    assert_non_null(sessions_add(&the_hub.sessions, 1, known(1)));
    answer = STATUS_DENIED;
    lookup_again(&the_hub);
    assert_non_null(known(1));
}

static void a_frame_forgets_nobody_it_names(void **state)
{
    (void)state;
    takes_frame(0, 8);
    takes_frame(0, 20);
    for (int n = 0; n < 20; n++)
        assert_non_null(known(n));
    takes_frame(20, 21);
    assert_non_null(known(20));
    assert_in_range(the_hub.identities.by_client_id.len, 1, 8); /* the bound holds from one frame to the next */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_keep_who_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(not_known_is_not_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_forgets_nobody_it_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
