/*
 * The plugin's entry points and hooks: the broker's events in, gateway.h's calls out. Only this file and broker.c know
 * Mosquitto. Written for 2.0.11; what is said here about its order of events is tested in tests/plugin.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>

#include "broker.h"
#include "gateway.h"
#include "listeners.h"

#define ENTRY       __attribute__((visibility("default")))
#define OPTIONS_MAX 64

static struct gateway the_gateway; /* the broker's process has one */
static mosquitto_plugin_id_t *the_identifier;

static struct moment moment_now(void)
{
    struct timespec real, steady;
    (void)clock_gettime(CLOCK_REALTIME, &real); /* both clocks exist on every Linux */
    (void)clock_gettime(CLOCK_MONOTONIC, &steady);
    return (struct moment){
        .unix_ms = (int64_t)real.tv_sec * 1000 + real.tv_nsec / 1000000,
        .clock_ms = (uint32_t)((uint64_t)steady.tv_sec * 1000 + (uint64_t)steady.tv_nsec / 1000000),
    };
}

static int error_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_OK:
        return MOSQ_ERR_SUCCESS;
    case VERDICT_DENY:
        return MOSQ_ERR_ACL_DENIED;
    case VERDICT_CLOSE:
        return MOSQ_ERR_UNKNOWN; /* any other code ends the connection; with this one an MQTT 5 device is told 0x80 */
    }
    return MOSQ_ERR_ACL_DENIED;
}

static int on_basic_auth(int event, void *event_data, void *userdata)
{
    const struct mosquitto_evt_basic_auth *auth = event_data;
    const char *address = mosquitto_client_address(auth->client);
    struct gateway_connect connect = {
        .client = auth->client,
        .request = {mosquitto_client_id(auth->client), auth->username, auth->password},
        .address = address != NULL ? address : "?",
        .mqtt_version = mosquitto_client_protocol_version(auth->client),
        .is_clean = mosquitto_client_clean_session(auth->client), /* of a connection taken over it says true later */
        .is_websocket = mosquitto_client_protocol(auth->client) == mp_websockets,
    };
    (void)event;
    enum verdict verdict = gateway_connect(userdata, &connect, moment_now());
    return verdict == VERDICT_DENY ? MOSQ_ERR_AUTH : error_of(verdict); /* AUTH: a CONNACK that says so */
}

static int on_disconnect(int event, void *event_data, void *userdata)
{
    (void)event;
    gateway_gone(userdata, ((const struct mosquitto_evt_disconnect *)event_data)->client);
    return MOSQ_ERR_SUCCESS;
}

/* The broker goes on with what stands there then. In place, because it gives no other way; the text is its own copy of
 * what it was sent, on the heap. */
static int go_to_place(const struct mosquitto_evt_acl_check *check)
{
    char place[SUBSCRIPTIONS_PLACE_BYTES];
    if (subscriptions_place(slice_of(check->topic), slice_of(mosquitto_client_id(check->client)), place))
        memcpy((char *)check->topic, place, strlen(place) + 1);
    return MOSQ_ERR_SUCCESS;
}

static int go_to_place_again(const struct mosquitto_evt_acl_check *check)
{
    char place[SUBSCRIPTIONS_AGAIN_BYTES];
    if (!subscriptions_place_again(slice_of(check->topic), slice_of(mosquitto_client_id(check->client)), place))
        return go_to_place(check);
    memcpy((char *)check->topic, place, strlen(place) + 1);
    return MOSQ_ERR_SUCCESS;
}

static int on_subscribe(struct gateway *gateway, const struct mosquitto_evt_acl_check *check, struct slice filter)
{
    bool is_again = gateway_is_subscribed(gateway, check->client, filter);
    enum verdict verdict = gateway_subscribe(gateway, check->client, filter, moment_now());
    if (verdict != VERDICT_OK)
        return error_of(verdict);
    return is_again ? go_to_place_again(check) : go_to_place(check);
}

static int on_acl_check(int event, void *event_data, void *userdata)
{
    const struct mosquitto_evt_acl_check *check = event_data;
    struct slice topic = slice_of(check->topic);
    enum verdict verdict;
    (void)event;
    switch (check->access) {
    case MOSQ_ACL_READ:
        return gateway_may_receive(userdata, check->client, topic) ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
    case MOSQ_ACL_WRITE:
        return error_of(gateway_may_publish(userdata, check->client, topic, check->retain, moment_now()));
    case MOSQ_ACL_SUBSCRIBE:
        return on_subscribe(userdata, check, topic);
    case MOSQ_ACL_UNSUBSCRIBE:
        verdict = gateway_unsubscribe(userdata, check->client, topic, moment_now());
        return verdict == VERDICT_OK ? go_to_place(check) : error_of(verdict);
    default:
        return MOSQ_ERR_ACL_DENIED;
    }
}

/* What was taken is ours, and the broker is to acknowledge it and forget it. Denied it does so at once, and where
 * nobody is told the reason (QoS 0 has no acknowledgement, that of MQTT 3.1.1 no reason) that is a success like any
 * other: it saves storing the message and looking for its subscribers, a fortieth of all the broker does for it. */
static int take_from_broker(struct mosquitto_evt_message *message)
{
    /* For its log, too. In place: 2.0 does not free a topic that was replaced, 2.1 does. Every topic of a device is
     * longer. */
    memcpy(message->topic, FRAME_TOPIC_TAKEN, sizeof FRAME_TOPIC_TAKEN);
    if (message->qos == 0 || (message->qos == 1 && mosquitto_client_protocol_version(message->client) < 5))
        return MOSQ_ERR_ACL_DENIED;
    message->retain = false;
    /* With QoS 2 it keeps what it has until the device says PUBREL, which a device need never do. */
    message->payload = NULL;
    message->payloadlen = 0;
    mosquitto_property_free_all(&message->properties);
    return MOSQ_ERR_SUCCESS;
}

static int on_message(int event, void *event_data, void *userdata)
{
    struct mosquitto_evt_message *message = event_data;
    void *correlation = NULL;
    uint16_t correlation_len = 0;
    (void)event;
    if (message->properties != NULL) /* stays NULL when it is not there */
        (void)mosquitto_property_read_binary(message->properties, MQTT_PROP_CORRELATION_DATA, &correlation,
                                             &correlation_len, false);
    if (correlation == NULL && correlation_len > 0)
        return error_of(VERDICT_CLOSE); /* no memory for it, and the answer would go to nobody */
    enum verdict verdict = gateway_publish(userdata, message->client, slice_of(message->topic),
                                           (struct slice){message->payload, message->payloadlen},
                                           (struct slice){correlation, correlation_len}, moment_now());
    free(correlation);
    return verdict == VERDICT_OK ? take_from_broker(message) : error_of(verdict);
}

static int on_control(int event, void *event_data, void *userdata)
{
    const struct mosquitto_evt_control *control = event_data;
    (void)event;
    link_frame(userdata, control->client, (struct slice){control->payload, control->payloadlen}, moment_now());
    return MOSQ_ERR_SUCCESS; /* an error would end the service's connection after a PUBACK; the tick does that */
}

static void prepare_listeners(const struct gateway *gateway)
{
    unsigned seconds = (unsigned)gateway->options.unread_timeout_s;
    int listeners = listeners_prepare(seconds * 1000);
    if (listeners <= 0)
        broker_log(BROKER_WARNING, "no listener found: devices that do not read are not ended, and of many that come "
                                   "back at once some wait");
}

static int on_tick(int event, void *event_data, void *userdata)
{
    struct gateway *gateway = userdata;
    (void)event;
    /* 2.0 leaves the time 0 and sends right after the tick; later versions fill it in and send before. */
    gateway->flushes_early = ((const struct mosquitto_evt_tick *)event_data)->now_s != 0;
    if (!gateway->has_ticked)
        prepare_listeners(gateway); /* the broker listens by now */
    gateway_tick(gateway, moment_now());
    return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void *event_data, void *userdata)
{
    (void)event;
    (void)event_data; /* 2.0 gives no options: only the files they name are read again */
    gateway_reload(userdata);
    return MOSQ_ERR_SUCCESS;
}

static const struct hook {
    int event;
    MOSQ_FUNC_generic_callback call;
    const char *topic;
} HOOKS[] = {
    {MOSQ_EVT_BASIC_AUTH, on_basic_auth, NULL},
    {MOSQ_EVT_DISCONNECT, on_disconnect, NULL},
    {MOSQ_EVT_ACL_CHECK, on_acl_check, NULL},
    {MOSQ_EVT_MESSAGE, on_message, NULL},
    {MOSQ_EVT_CONTROL, on_control, FRAME_TOPIC_DOWN},
    {MOSQ_EVT_TICK, on_tick, NULL},
    {MOSQ_EVT_RELOAD, on_reload, NULL},
};

ENTRY int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
    for (int i = 0; i < supported_version_count; i++)
        if (supported_versions[i] == MOSQ_PLUGIN_VERSION)
            return MOSQ_PLUGIN_VERSION;
    return -1;
}

ENTRY int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata, struct mosquitto_opt *options,
                                int option_count)
{
    struct option_given given[OPTIONS_MAX];
    if (option_count > OPTIONS_MAX)
        return MOSQ_ERR_INVAL;
    for (int i = 0; i < option_count; i++)
        given[i] = (struct option_given){options[i].key, options[i].value};
    if (gateway_init(&the_gateway, given, (size_t)option_count) != STATUS_OK)
        return MOSQ_ERR_INVAL;
    for (size_t i = 0; i < sizeof HOOKS / sizeof HOOKS[0]; i++) {
        if (mosquitto_callback_register(identifier, HOOKS[i].event, HOOKS[i].call, HOOKS[i].topic, &the_gateway) ==
            MOSQ_ERR_SUCCESS)
            continue;
        broker_log(BROKER_ERROR, "start failed why=hook-%d", HOOKS[i].event);
        gateway_done(&the_gateway);
        return MOSQ_ERR_UNKNOWN;
    }
    the_identifier = identifier;
    *userdata = &the_gateway;
    return MOSQ_ERR_SUCCESS;
}

ENTRY int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count)
{
    (void)options;
    (void)option_count;
    for (size_t i = 0; i < sizeof HOOKS / sizeof HOOKS[0]; i++) /* what is not there any more need not go */
        (void)mosquitto_callback_unregister(the_identifier, HOOKS[i].event, HOOKS[i].call, HOOKS[i].topic);
    gateway_done(userdata);
    return MOSQ_ERR_SUCCESS;
}
