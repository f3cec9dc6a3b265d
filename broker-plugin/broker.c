#define _GNU_SOURCE
#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h> /* the C library's tcp_info is an older one */
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mqtt_protocol.h>

#define LOG_LINE_BYTES  512
#define ROOM_OF_PUBLISH 1024 /* what the broker keeps with a message, and its packet but for the payload: some 700 */

void broker_log(enum broker_level level, const char *format, ...)
{
    static const struct {
        int level;
        const char *name;
    } LEVELS[] = {
        [BROKER_DEBUG] = {MOSQ_LOG_DEBUG, "debug"},    [BROKER_INFO] = {MOSQ_LOG_INFO, "info"},
        [BROKER_NOTICE] = {MOSQ_LOG_NOTICE, "notice"}, [BROKER_WARNING] = {MOSQ_LOG_WARNING, "warning"},
        [BROKER_ERROR] = {MOSQ_LOG_ERR, "error"},
    };
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); /* a longer line is cut; NOLINT(clang-analyzer-valist*) */
    va_end(args);
    mosquitto_log_printf(LEVELS[level].level, "%s gnatter %s", LEVELS[level].name, line);
}

/* ---- properties ---- */
static int add_user_property(mosquitto_property **list, const char *name, struct slice value)
{
    char text[LIMIT_INBOX_TOPIC_LEN + 1];
    if (value.len == 0 || value.len >= sizeof text)
        return MOSQ_ERR_SUCCESS;
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    return mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, name, text);
}

static enum status properties_make(const struct broker_properties *properties, mosquitto_property **ret_list)
{
    mosquitto_property *list = NULL;
    int error = add_user_property(&list, "seq", properties->seq);
    if (error == MOSQ_ERR_SUCCESS)
        error = add_user_property(&list, "time", properties->time);
    if (error == MOSQ_ERR_SUCCESS)
        error = add_user_property(&list, "sender", properties->sender);
    if (error == MOSQ_ERR_SUCCESS)
        error = add_user_property(&list, "id", properties->id);
    if (error == MOSQ_ERR_SUCCESS && properties->correlation.len > 0)
        error = mosquitto_property_add_binary(&list, MQTT_PROP_CORRELATION_DATA, properties->correlation.at,
                                              (uint16_t)properties->correlation.len);
    if (error != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&list);
        return STATUS_NO_MEMORY;
    }
    *ret_list = list;
    return STATUS_OK;
}

enum status broker_publish(const char *client_id, const char *topic, struct slice payload, int qos,
                           const struct broker_properties *properties)
{
    mosquitto_property *list = NULL;
    if (properties != NULL && properties_make(properties, &list) != STATUS_OK)
        return STATUS_NO_MEMORY;
    void *copy = NULL;
    if (payload.len > 0) {
        copy = mosquitto_malloc(payload.len); /* the broker frees it, and counts it */
        if (copy == NULL)
            goto failed;
        memcpy(copy, payload.at, payload.len);
    }
    if (mosquitto_broker_publish(client_id, topic, (int)payload.len, copy, qos, false, list) == MOSQ_ERR_SUCCESS)
        return STATUS_OK;
failed:
    mosquitto_free(copy);
    mosquitto_property_free_all(&list);
    return STATUS_NO_MEMORY;
}

bool broker_has_room(uint64_t publishes, uint64_t bytes)
{
    void *room = mosquitto_malloc((size_t)(publishes * ROOM_OF_PUBLISH + bytes)); /* within its own limit, too */
    mosquitto_free(room);
    return room != NULL;
}

void broker_kick(const char *client_id)
{
    (void)mosquitto_kick_client_by_clientid(client_id, false); /* not found: it is gone already */
}

/* The accelerator's, when the broker runs with it (broker-accelerator/preload.c). */
extern void gnatter_accelerator_urgent(void) __attribute__((weak));
extern bool gnatter_accelerator_busy(bool is_busy) __attribute__((weak));

void broker_urgent(void)
{
    if (gnatter_accelerator_urgent != NULL)
        gnatter_accelerator_urgent();
}

int broker_subscription_count(const void *client)
{
    return mosquitto_client_sub_count(client);
}

/* ---- sockets ---- */
/* As the broker writes it: a link-local one without the name of its link, which getnameinfo would add. */
static bool address_format(const struct sockaddr_storage *peer, char *buf, socklen_t size)
{
    const struct sockaddr_in *v4 = (const void *)peer;
    const struct sockaddr_in6 *v6 = (const void *)peer;
    if (peer->ss_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, buf, size) != NULL;
    return peer->ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, buf, size) != NULL;
}

/* The plugin interface does not tell it. It is the second member of the broker's struct in every version from 2.0.0 to
 * 2.1.2 ({int ident; int sock; ...}); what stands there is taken for it when its peer has the client's address. */
int broker_socket(const void *client)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof peer;
    char text[INET6_ADDRSTRLEN];
    const char *address = mosquitto_client_address(client);
    int fd = ((const int *)client)[1];
    if (address == NULL || fd < 0 || getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
        !address_format(&peer, text, sizeof text))
        return -1;
    return strcmp(text, address) == 0 ? fd : -1;
}

bool broker_gathers(void)
{
    return gnatter_accelerator_busy != NULL;
}

bool broker_bytes_across(int socket, uint64_t *ret_bytes)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return false;
    *ret_bytes = info.tcpi_bytes_acked;
    return true;
}

void broker_cork(int socket, bool is_on)
{
    int value = is_on;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_CORK, &value, sizeof value); /* refused: packets leave one by one */
}

/* ---- waking the loop ----
 * A signal ends its wait, and nothing else: system calls go on. A periodic one, as the first may come before it waits.
 */
#define WAKE_SIGNAL (SIGRTMIN + 5)

static timer_t wake_timer;
static bool has_wake_timer, is_waking;

static void on_wake(int number)
{
    (void)number; /* that it came is all */
}

static bool wake_timer_make(void)
{
    struct sigaction action = {.sa_handler = on_wake, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WAKE_SIGNAL};
    event._sigev_un._tid = gettid();    /* the C library has no other name for it */
    (void)sigemptyset(&action.sa_mask); /* cannot fail */
    if (sigaction(WAKE_SIGNAL, &action, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &event, &wake_timer) == 0)
        return true;
    static bool has_told;
    if (!has_told)
        broker_log(BROKER_WARNING, "no timer: large fan-outs may wait 100 ms errno=%d", errno);
    has_told = true;
    return false;
}

void broker_wake(bool is_wanted)
{
    if (gnatter_accelerator_busy != NULL && gnatter_accelerator_busy(is_wanted))
        is_wanted = false; /* it sees to it, without a timer */
    if (is_wanted == is_waking || (!has_wake_timer && !(has_wake_timer = wake_timer_make())))
        return;
    const struct timespec pause = {0, is_wanted ? BROKER_WAKE_NS : 0};
    const struct itimerspec times = {pause, pause};
    if (timer_settime(wake_timer, 0, &times, NULL) == 0)
        is_waking = is_wanted;
}

void broker_wake_end(void)
{
    if (gnatter_accelerator_busy != NULL)
        (void)gnatter_accelerator_busy(false); /* the timer ends in any case */
    if (has_wake_timer) {
        (void)timer_delete(wake_timer); /* it is there */
        /* one that is under way must not find a handler that is not there any more */
        (void)signal(WAKE_SIGNAL, SIG_IGN);
    }
    has_wake_timer = is_waking = false;
}
