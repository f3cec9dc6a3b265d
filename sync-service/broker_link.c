#include "broker_link_state.h"
#include <MQTTAsync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "paho_waker.h"
#include "runtime.h"

#define CONNECT_WAIT_S  10
#define KEEP_ALIVE_S    6
#define IDLE_WAIT_MS    1000
#define CONNECT_LOOK_MS 20 /* Paho does not look by itself whether a connection is made */
#define PAUSE_MIN_MS    50
#define PAUSE_MAX_MS    2000
#define SECRET_MAX      256

/* ---- Paho's callbacks: its lock is held, they only take notes ---- */
static void note_lost(struct broker_link *link)
{
    link_lock(link);
    link->is_lost = true;
    link_wake(link);
    link_unlock(link);
}

static void on_connection_lost(void *context, char *cause)
{
    (void)cause; /* always NULL in this version */
    note_lost(context);
}

static void on_connect_failure(void *context, MQTTAsync_failureData *data)
{
    struct broker_link *link = context;
    link_lock(link);
    enum log_level level = link->failures++ == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG; /* once is enough */
    link_unlock(link);
    log_line(level, "link", "connect-failed", LOG_TEXT("uri", link->uri),
             LOG_INT("code", data == NULL ? 0 : data->code),
             LOG_TEXT("why", data == NULL || data->message == NULL ? "-" : data->message));
    note_lost(link);
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
    struct broker_link *link = context;
    (void)data;
    link_lock(link);
    link->is_connected = true;
    link_wake(link);
    link_unlock(link);
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    struct broker_link *link = context;
    (void)data;
    link_lock(link);
    if (link->in_flight > 0)
        link->in_flight--;
    link->heard_at_ms = clock_monotonic_ms();
    if (link->is_stopping || !outbox_is_empty(&link->outbox) || link->ack_at_ms != 0)
        link_wake(link);
    link_unlock(link);
}

static void on_send_failure(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    note_lost(context); /* a frame that is lost breaks the order: start over */
}

static int on_message(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    struct broker_link *link = context;
    (void)topic_len;
    bool is_frame = strcmp(topic, FRAME_TOPIC_UP) == 0;
    MQTTAsync_free(topic);
    link_lock(link);
    uint64_t life = link->life;
    bool is_flood = link->frames_waiting >= RUNTIME_FRAMES_WAITING;
    if (is_frame && !is_flood)
        link->frames_waiting++;
    if (is_flood) { /* the plugin ignores its credit */
        link->is_lost = true;
        link_wake(link);
    }
    link_unlock(link);
    if (!is_frame || is_flood) {
        MQTTAsync_freeMessage(&message);
        return 1;
    }
    struct link_frame frame = {message->payload, (size_t)message->payloadlen, message};
    link->options.on_frame(link->options.ctx, link->options.index, life, frame);
    return 1;
}

void broker_link_frame_free(struct broker_link *link, struct link_frame *frame)
{
    MQTTAsync_message *message = frame->message;
    link_lock(link);
    link->frames_waiting--;
    link_unlock(link);
    MQTTAsync_freeMessage(&message);
    frame->message = NULL;
}

/* ---- the link's thread ---- */
/* Paho has no option for it, and without it small frames wait 40 ms for each other. Setting it on every TCP socket of
 * this process is simpler than finding the one, and right for all of them. */
static void set_nodelay(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int fd = atoi(entry->d_name), type = 0, on = 1;
        socklen_t len = sizeof type;
        if (fd > 2 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* refused by what is not TCP */
    }
    (void)closedir(dir);
}

static enum status secret_read(const char *path, char secret[SECRET_MAX])
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return STATUS_NOT_FOUND;
    char *line = fgets(secret, SECRET_MAX, file);
    (void)fclose(file); /* only read from */
    if (line == NULL)
        return STATUS_MALFORMED;
    secret[strcspn(secret, "\r\n")] = '\0';
    return STATUS_OK;
}

static void paho_prepare(void)
{
    /* Without being asked Paho writes down each call of each of its functions, for a trace that nobody reads. */
    if (getenv("MQTT_C_CLIENT_TRACE") == NULL)
        MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    paho_waker_start();
}

static enum status paho_create(struct broker_link *link)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, paho_prepare);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.maxBufferedMessages = 2 * LIMIT_FRAME_CREDIT;
    create.MQTTVersion = MQTTVERSION_3_1_1;
    if (MQTTAsync_createWithOptions(&link->paho, link->paho_uri, link->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                    &create) != MQTTASYNC_SUCCESS)
        return STATUS_INTERNAL;
    if (MQTTAsync_setCallbacks(link->paho, link, on_connection_lost, on_message, NULL) != MQTTASYNC_SUCCESS)
        return STATUS_INTERNAL;
    return STATUS_OK;
}

static enum status paho_connect(struct broker_link *link)
{
    char secret[SECRET_MAX];
    if (secret_read(link->secret_file, secret) != STATUS_OK) {
        log_error("link", "no-secret", LOG_TEXT("file", link->secret_file));
        return STATUS_NOT_FOUND;
    }
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.verify = 1;
    tls.sslVersion = MQTT_SSL_VERSION_TLS_1_2;
    if (link->ca_file[0] != '\0')
        tls.trustStore = link->ca_file;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
    connect.keepAliveInterval = KEEP_ALIVE_S;
    connect.cleansession = 1;
    connect.connectTimeout = CONNECT_WAIT_S;
    connect.maxInflight = 2 * LIMIT_FRAME_CREDIT;
    connect.MQTTVersion = MQTTVERSION_3_1_1;
    connect.username = FRAME_SERVICE_USER;
    connect.password = secret;
    connect.onSuccess = on_connected;
    connect.onFailure = on_connect_failure;
    connect.context = link;
    if (strncmp(link->paho_uri, "ssl:", 4) == 0)
        connect.ssl = &tls;
    int rc = MQTTAsync_connect(link->paho, &connect); /* copies what it needs */
    sodium_memzero(secret, sizeof secret);
    return rc == MQTTASYNC_SUCCESS ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* With the lock; gives it up while calling Paho. */
static void start_connecting(struct broker_link *link)
{
    link->life++;
    link->state = LINK_CONNECTING;
    link->is_connected = link->is_lost = link->is_welcomed = false;
    link->in_flight = 0;
    link->frames_sent = link->taken_number = link->acked_number = 0;
    link->ack_at_ms = 0;
    outbox_clear(&link->outbox);
    link->welcome_at_ms = clock_monotonic_ms() + CONNECT_WAIT_S * 1000 + RUNTIME_WELCOME_WAIT_MS;
    link_unlock(link);
    enum status status = paho_create(link);
    if (status == STATUS_OK)
        status = paho_connect(link);
    link_lock(link);
    if (status != STATUS_OK)
        link->is_lost = true;
}

/* With the lock; gives it up while calling Paho and the hub. */
static void end_life(struct broker_link *link)
{
    bool was_up = link->state == LINK_UP;
    uint64_t life = link->life;
    link->state = LINK_IDLE;
    link->is_welcomed = false;
    outbox_clear(&link->outbox);
    link->pause_ms = link->pause_ms == 0 ? PAUSE_MIN_MS : link->pause_ms * 2;
    if (link->pause_ms > PAUSE_MAX_MS)
        link->pause_ms = PAUSE_MAX_MS;
    (void)pthread_cond_broadcast(&link->room);
    link_unlock(link);
    if (link->paho != NULL)
        MQTTAsync_destroy(&link->paho);
    if (was_up) {
        log_warning("link", "down", LOG_TEXT("uri", link->uri));
        link->options.on_down(link->options.ctx, link->options.index, life);
    }
    link_lock(link);
}

static enum status frame_send(struct broker_link *link, struct outbox_frame *frame, uint64_t number)
{
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.onSuccess = on_sent;
    response.onFailure = on_send_failure;
    response.context = link;
    metrics_add(&metrics.ops_sent, frame->writer.ops);
    size_t len = frame_finish(&frame->writer, 'D', link->boot, number);
    metrics_add(&metrics.frames_sent, 1);
    metrics_add(&metrics.bytes_sent, len);
    int rc = MQTTAsync_send(link->paho, FRAME_TOPIC_DOWN, (int)len, frame->buf, 1, 0, &response);
    return rc == MQTTASYNC_SUCCESS ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* With the lock: how far the journal is done goes along with every frame. */
static void add_ack(struct broker_link *link, struct outbox_frame *frame)
{
    uint64_t position = completion_position(&link->completion);
    link->ack_at_ms = 0;
    if (!link->is_welcomed || (link->taken_number == link->acked_number && position == link->acked_position))
        return;
    struct frame_op op = {.type = DOWN_ACK, .ack = {link->taken_number, position}};
    if (frame_put(&frame->writer, &op) != STATUS_OK) /* the outbox leaves room for it */
        return;
    link->acked_number = link->taken_number;
    link->acked_position = position;
}

static bool ack_is_due(const struct broker_link *link, int64_t now_ms)
{
    return link->ack_at_ms != 0 && (now_ms >= link->ack_at_ms || link->is_stopping ||
                                    link->taken_number - link->acked_number > LIMIT_FRAME_CREDIT_SHORT);
}

/* With the lock; gives it up while calling Paho. */
static void send_frames(struct broker_link *link)
{
    while (!link->is_lost && link_may_send(link) &&
           (!outbox_is_empty(&link->outbox) || ack_is_due(link, clock_monotonic_ms()))) {
        bool was_full = link->outbox.bytes >= RUNTIME_OUTBOX_BYTES;
        struct outbox_frame *frame = outbox_take(&link->outbox);
        if (frame == NULL) {
            link->is_lost = true;
            return;
        }
        add_ack(link, frame);
        if (was_full)
            (void)pthread_cond_broadcast(&link->room);
        if (frame->writer.ops > 0) {
            uint64_t number = ++link->frames_sent;
            link->frames_out++;
            if (link->in_flight++ == 0)
                link->heard_at_ms = clock_monotonic_ms();
            link_unlock(link);
            enum status status = frame_send(link, frame, number);
            link_lock(link);
            if (status != STATUS_OK)
                link->is_lost = true;
        }
        outbox_recycle(&link->outbox, frame);
    }
}

/* With the lock. The first frame of a life says who we are. */
static void go_up(struct broker_link *link)
{
    link_unlock(link);
    set_nodelay();
    /* Nothing ever comes on it; that somebody might be there makes the broker tell MQTT 5 publishers plain success. */
    bool is_asked = MQTTAsync_subscribe(link->paho, FRAME_TOPIC_TAKEN, 0, NULL) == MQTTASYNC_SUCCESS;
    struct parcel *parcel = malloc(sizeof *parcel);
    link_lock(link);
    struct frame_op hello = {.type = DOWN_HELLO, .hello = {slice_of(link->name)}};
    if (parcel != NULL && is_asked) {
        parcel_begin(parcel);
        if (parcel_put(parcel, &hello) == STATUS_OK && outbox_put(&link->outbox, parcel) == STATUS_OK)
            link->state = LINK_UP;
    }
    free(parcel);
    if (link->state != LINK_UP)
        link->is_lost = true;
    link->welcome_at_ms = clock_monotonic_ms() + RUNTIME_WELCOME_WAIT_MS;
    log_debug("link", "connected", LOG_TEXT("uri", link->uri));
}

static bool is_drained(const struct broker_link *link)
{
    return outbox_is_empty(&link->outbox) && link->in_flight == 0 && link->ack_at_ms == 0;
}

/* With the lock: the broker may be gone without a word; keep alive, which sees that too, takes longer. */
static void look_for_silence(struct broker_link *link, int64_t now_ms)
{
    if (now_ms - link->looked_at_ms > 2 * IDLE_WAIT_MS)
        link->heard_at_ms = now_ms; /* it was us who did nothing */
    link->looked_at_ms = now_ms;
    if (link->in_flight == 0 || now_ms - link->heard_at_ms < RUNTIME_LINK_SILENT_MS || link->is_lost)
        return;
    log_warning("link", "silent", LOG_TEXT("uri", link->uri), LOG_INT("frames", link->in_flight));
    link->is_lost = true;
}

/* With the lock: one look at what there is to do. Returns until when to wait. */
static int64_t turn(struct broker_link *link, int64_t now_ms)
{
    if (link->is_connected && link->state == LINK_CONNECTING && !link->is_lost)
        go_up(link);
    if (!link->is_welcomed && now_ms >= link->welcome_at_ms && !link->is_lost) {
        log_warning("link", "no-welcome", LOG_TEXT("uri", link->uri));
        link->is_lost = true;
        /* with its threads it waits for something itself, such as a name server */
        link->is_stuck = link->state == LINK_CONNECTING && !paho_waker_has_answered();
    }
    look_for_silence(link, now_ms);
    uint64_t sent_before = link->frames_sent;
    if (link->state == LINK_UP)
        send_frames(link);
    bool has_sent = link->frames_sent != sent_before;
    if (link->is_lost) {
        end_life(link);
        return now_ms + link->pause_ms / 2 + randombytes_uniform(link->pause_ms / 2 + 1);
    }
    if (link->state == LINK_CONNECTING) {
        paho_waker_wake();
        return now_ms + CONNECT_LOOK_MS;
    }
    if (!link->is_welcomed)
        return link->welcome_at_ms;
    if (link->in_flight >= LIMIT_FRAME_CREDIT)
        return now_ms + IDLE_WAIT_MS; /* a confirmation wakes us */
    /* Shortly after something was sent there will be something to confirm: nobody has to wake us for that. */
    return link->ack_at_ms != 0 ? link->ack_at_ms : now_ms + (has_sent ? RUNTIME_ACK_DELAY_MS : IDLE_WAIT_MS);
}

static void *link_run(void *arg)
{
    struct broker_link *link = arg;
    int64_t again_at_ms = 0;
    link_lock(link);
    while (!link->is_stopping || (link->is_welcomed && !is_drained(link) && clock_monotonic_ms() < link->stop_at_ms)) {
        int64_t now_ms = clock_monotonic_ms();
        if (link->state == LINK_IDLE && now_ms >= again_at_ms) {
            if (link->is_stopping)
                break;
            start_connecting(link);
            continue;
        }
        if (link->state != LINK_IDLE)
            again_at_ms = turn(link, now_ms);
        bool has_work =
            link->is_lost || (link->state == LINK_UP && link_may_send(link) && !outbox_is_empty(&link->outbox));
        if (link->state != LINK_IDLE && has_work)
            continue;
        link->wakes_at_ms = link->is_stopping && link->stop_at_ms < again_at_ms ? link->stop_at_ms : again_at_ms;
        link_wait(link, &link->wake, link->wakes_at_ms);
        link->wakes_at_ms = 0; /* awake */
    }
    link->state = LINK_IDLE;
    link_unlock(link);
    if (link->paho != NULL) /* says DISCONNECT before it closes */
        MQTTAsync_destroy(&link->paho);
    return NULL;
}

/* ---- start and stop ---- */
enum status broker_link_start(struct broker_link *link)
{
    if (pthread_create(&link->thread, NULL, link_run, link) != 0)
        return STATUS_UNAVAILABLE;
    link->is_started = true;
    return STATUS_OK;
}

bool broker_link_stop(struct broker_link *link, int64_t deadline_ms)
{
    if (!link->is_started)
        return true;
    link_lock(link);
    link->is_stopping = true;
    link->stop_at_ms = deadline_ms;
    link_wake(link);
    (void)pthread_cond_broadcast(&link->room);
    link_unlock(link);
    (void)pthread_join(link->thread, NULL); /* ours, joined once */
    link->is_started = false;
    return outbox_is_empty(&link->outbox) && link->in_flight == 0;
}
