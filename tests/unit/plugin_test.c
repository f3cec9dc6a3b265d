/* The hooks of the broker.
 * link: broker-plugin/addresses.c broker-plugin/admit.c broker-plugin/authorize.c broker-plugin/bench.c
 * link: broker-plugin/bucket.c broker-plugin/connect.c broker-plugin/corks.c broker-plugin/deliver.c
 * link: broker-plugin/gateway.c broker-plugin/ingest.c broker-plugin/journal.c broker-plugin/kept.c
 * link: broker-plugin/lanes.c broker-plugin/ledger.c broker-plugin/limiter.c broker-plugin/link.c
 * link: broker-plugin/listeners.c broker-plugin/locked_file.c broker-plugin/options.c broker-plugin/overload.c
 * link: broker-plugin/plugin.c broker-plugin/rates.c broker-plugin/remembered.c broker-plugin/revoked.c
 * link: broker-plugin/sessions.c broker-plugin/small_file.c broker-plugin/subscribe.c broker-plugin/subscriptions.c
 * link: broker-plugin/uplink.c
 */
#include "gateway_stage.h"

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <time.h>

/* ---- the time: tokens are of then ---- */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    (void)clock;
    *ret_time = (struct timespec){.tv_sec = NOW_S};
    return 0;
}

/* ---- the broker ---- */
static MOSQ_FUNC_generic_callback hooks[32]; /* by event */
static void *hooks_ctx;
static bool has_memory;

int mosquitto_callback_register(mosquitto_plugin_id_t *identifier, int event, MOSQ_FUNC_generic_callback call,
                                const void *event_data, void *userdata)
{
    (void)identifier, (void)event_data;
    hooks[event] = call;
    hooks_ctx = userdata;
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_callback_unregister(mosquitto_plugin_id_t *identifier, int event, MOSQ_FUNC_generic_callback call,
                                  const void *event_data)
{
    (void)identifier, (void)event, (void)call, (void)event_data;
    return MOSQ_ERR_SUCCESS;
}

const char *mosquitto_client_address(const struct mosquitto *client)
{
    (void)client;
    return "127.0.0.1";
}

bool mosquitto_client_clean_session(const struct mosquitto *client)
{
    (void)client;
    return true;
}

const char *mosquitto_client_id(const struct mosquitto *client)
{
    (void)client;
    return "alice:phone";
}

int mosquitto_client_protocol(const struct mosquitto *client)
{
    (void)client;
    return mp_mqtt;
}

int mosquitto_client_protocol_version(const struct mosquitto *client)
{
    (void)client;
    return 5;
}

/* As 2.0.11: the length is there also when there is no memory for the rest. */
const mosquitto_property *mosquitto_property_read_binary(const mosquitto_property *properties, int identifier,
                                                         void **value, uint16_t *len, bool skip_first)
{
    (void)identifier, (void)skip_first;
    *len = 4;
    *value = has_memory ? strdup("1234") : NULL;
    return has_memory ? properties : NULL;
}

void mosquitto_property_free_all(mosquitto_property **properties)
{
    *properties = NULL;
}

/* ---- */
static int request(void *client)
{
    char topic[] = "rpc/devices/1", payload[] = "{}";
    struct mosquitto_evt_message message = {
        .client = client, .topic = topic, .payload = payload, .payloadlen = 2, .qos = 1, .properties = client};
    return hooks[MOSQ_EVT_MESSAGE](MOSQ_EVT_MESSAGE, &message, hooks_ctx);
}

static void a_request_without_memory_closes(void **state)
{
    (void)state;
    static char names[4][32] = {"keys_file", "link_secret_file", "journal_file", "revocations_file"};
    char paths[4][128], user[] = "alice", token[1024];
    void *ctx, *alice = names; /* any address */
    struct mosquitto_opt options[4];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/%s", home,
                       ((const char *const[]){"keys", "secret", "journal-2", "revoked-2"})[i]);
        options[i] = (struct mosquitto_opt){names[i], paths[i]};
    }
    (void)snprintf(token, sizeof token, "%s", token_of("alice", "phone", NOW_S));
    assert_int_equal(mosquitto_plugin_init(NULL, &ctx, options, 4), MOSQ_ERR_SUCCESS);
    struct mosquitto_evt_basic_auth auth = {.client = alice, .username = user, .password = token};
    assert_int_equal(hooks[MOSQ_EVT_BASIC_AUTH](MOSQ_EVT_BASIC_AUTH, &auth, hooks_ctx), MOSQ_ERR_SUCCESS);
    has_memory = true;
    assert_int_equal(request(alice), MOSQ_ERR_SUCCESS);
    has_memory = false;
    assert_int_equal(request(alice), MOSQ_ERR_UNKNOWN); /* not acknowledged, and the connection ends */
    assert_int_equal(mosquitto_plugin_cleanup(ctx, NULL, 0), MOSQ_ERR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_without_memory_closes),
    };
    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
