#include "broker_link.h"
#include <MQTTAsync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "runtime.h"

#define CONNECT_WAIT_S 10
#define KEEP_ALIVE_S 15
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 2000
#define SECRET_MAX 256
#define URI_LEN_MAX 300

enum link_state { LINK_IDLE, LINK_CONNECTING, LINK_UP };

struct broker_link {
    struct broker_link_options options;
    char *uri, *paho_uri, *name, *client_id, *secret_file, *ca_file;
    uint64_t boot; /* of this process */
    pthread_t thread;
    bool is_started;
    MQTTAsync paho; /* the link's thread only */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;  /* the link's thread waits for something to do */
    pthread_cond_t room;  /* others wait for room in the outbox, or for records to be done */
    enum link_state state;
    uint64_t life;
    bool is_welcomed, is_lost, is_connected, is_stopping;
    int64_t stop_at_ms, welcome_at_ms;
    uint32_t pause_ms;
    struct outbox outbox;
    struct completion completion;
    uint32_t in_flight, frames_waiting;
    uint64_t peer_boot;
    uint64_t frames_sent; /* in this life: the number of the last */
    uint64_t taken_number, acked_number, acked_position;
    int64_t ack_at_ms; /* when a confirmation is due; 0: nothing to confirm */
};

static void lock(struct broker_link *link)
{
    (void)pthread_mutex_lock(&link->lock);
}

static void unlock(struct broker_link *link)
{
    (void)pthread_mutex_unlock(&link->lock);
}

/* With the lock. */
static void wake(struct broker_link *link)
{
    (void)pthread_cond_signal(&link->wake);
}

static void wait_until(struct broker_link *link, pthread_cond_t *cond, int64_t at_ms)
{
    struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = (at_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(cond, &link->lock, &at);
}

/* ---- Paho's callbacks: its lock is held, they only take notes ---- */
static void note_lost(struct broker_link *link)
{
    lock(link);
    link->is_lost = true;
    wake(link);
    unlock(link);
}

static void on_connection_lost(void *context, char *cause)
{
    (void)cause; /* always NULL in this version */
    note_lost(context);
}

static void on_connect_failure(void *context, MQTTAsync_failureData *data)
{
    struct broker_link *link = context;
    log_debug("link", "connect-failed", LOG_TEXT("uri", link->uri), LOG_INT("code", data == NULL ? 0 : data->code),
              LOG_TEXT("why", data == NULL || data->message == NULL ? "-" : data->message));
    note_lost(link);
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
    struct broker_link *link = context;
    (void)data;
    lock(link);
    link->is_connected = true;
    wake(link);
    unlock(link);
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    struct broker_link *link = context;
    (void)data;
    lock(link);
    if (link->in_flight > 0)
        link->in_flight--;
    wake(link);
    unlock(link);
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
    lock(link);
    uint64_t life = link->life;
    bool is_flood = link->frames_waiting >= RUNTIME_FRAMES_WAITING;
    if (is_frame && !is_flood)
        link->frames_waiting++;
    if (is_flood) { /* the plugin ignores its credit */
        link->is_lost = true;
        wake(link);
    }
    unlock(link);
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
    lock(link);
    link->frames_waiting--;
    unlock(link);
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

static enum status paho_create(struct broker_link *link)
{
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
    unlock(link);
    enum status status = paho_create(link);
    if (status == STATUS_OK)
        status = paho_connect(link);
    lock(link);
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
    unlock(link);
    if (link->paho != NULL)
        MQTTAsync_destroy(&link->paho);
    if (was_up) {
        log_warning("link", "down", LOG_TEXT("uri", link->uri));
        link->options.on_down(link->options.ctx, link->options.index, life);
    }
    lock(link);
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
                                    link->taken_number - link->acked_number >= LIMIT_FRAME_CREDIT / 2);
}

/* With the lock; gives it up while calling Paho. */
static void send_frames(struct broker_link *link)
{
    while (!link->is_lost && link->in_flight < LIMIT_FRAME_CREDIT &&
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
            link->in_flight++;
            unlock(link);
            enum status status = frame_send(link, frame, number);
            lock(link);
            if (status != STATUS_OK)
                link->is_lost = true;
        }
        outbox_recycle(&link->outbox, frame);
    }
}

/* With the lock. The first frame of a life says who we are. */
static void go_up(struct broker_link *link)
{
    unlock(link);
    set_nodelay();
    struct parcel *parcel = malloc(sizeof *parcel);
    lock(link);
    struct frame_op hello = {.type = DOWN_HELLO, .hello = {slice_of(link->name)}};
    if (parcel != NULL) {
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

/* With the lock: one look at what there is to do. Returns until when to wait. */
static int64_t turn(struct broker_link *link, int64_t now_ms)
{
    if (link->is_connected && link->state == LINK_CONNECTING && !link->is_lost)
        go_up(link);
    if (!link->is_welcomed && now_ms >= link->welcome_at_ms && !link->is_lost) {
        log_warning("link", "no-welcome", LOG_TEXT("uri", link->uri));
        link->is_lost = true;
    }
    if (link->state == LINK_UP)
        send_frames(link);
    if (link->is_lost) {
        end_life(link);
        return now_ms + link->pause_ms / 2 + randombytes_uniform(link->pause_ms / 2 + 1);
    }
    if (!link->is_welcomed)
        return link->welcome_at_ms;
    return link->ack_at_ms != 0 ? link->ack_at_ms : now_ms + 1000;
}

static void *link_run(void *arg)
{
    struct broker_link *link = arg;
    int64_t again_at_ms = 0;
    lock(link);
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
        bool has_work = link->is_lost || (link->state == LINK_UP && link->in_flight < LIMIT_FRAME_CREDIT &&
                                          !outbox_is_empty(&link->outbox));
        if (link->state == LINK_IDLE || !has_work)
            wait_until(link, &link->wake, link->is_stopping && link->stop_at_ms < again_at_ms ? link->stop_at_ms : again_at_ms);
    }
    link->state = LINK_IDLE;
    unlock(link);
    if (link->paho != NULL) /* says DISCONNECT before it closes */
        MQTTAsync_destroy(&link->paho);
    return NULL;
}

/* ---- life of the object ---- */
/* mqtt://host:port -> tcp://host:port, as Paho spells it */
static char *paho_uri_make(const char *uri)
{
    const char *const known[][2] = {{"mqtt://", "tcp://"}, {"mqtts://", "ssl://"}};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(known[i][0]);
        char text[URI_LEN_MAX + 8];
        if (strncmp(uri, known[i][0], len) != 0)
            continue;
        if (strlen(uri) > URI_LEN_MAX || strchr(uri + len, ':') == NULL || strpbrk(uri + len, " /@") != NULL)
            return NULL;
        (void)snprintf(text, sizeof text, "%s%s", known[i][1], uri + len);
        return strdup(text);
    }
    return NULL;
}

static enum status strings_copy(struct broker_link *link, const struct broker_link_options *options)
{
    link->paho_uri = paho_uri_make(options->uri);
    if (link->paho_uri == NULL)
        return STATUS_MALFORMED;
    link->uri = strdup(options->uri);
    link->name = strdup(options->name);
    link->secret_file = strdup(options->secret_file);
    link->ca_file = strdup(options->ca_file);
    link->client_id = malloc(strlen(options->name) + sizeof FRAME_SERVICE_USER ":");
    if (link->uri == NULL || link->name == NULL || link->secret_file == NULL || link->ca_file == NULL ||
        link->client_id == NULL)
        return STATUS_NO_MEMORY;
    (void)sprintf(link->client_id, FRAME_SERVICE_USER ":%s", options->name);
    return STATUS_OK;
}

enum status broker_link_new(const struct broker_link_options *options, struct broker_link **ret_link)
{
    struct broker_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return STATUS_NO_MEMORY;
    link->options = *options;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic); /* none of these four can fail on Linux */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&link->wake, &monotonic);
    (void)pthread_cond_init(&link->room, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&link->lock, NULL);
    outbox_init(&link->outbox);
    randombytes_buf(&link->boot, sizeof link->boot);
    enum status status = strings_copy(link, options);
    if (status == STATUS_OK)
        status = completion_init(&link->completion, RUNTIME_RECORDS_MAX);
    if (status != STATUS_OK) {
        broker_link_free(link);
        return status;
    }
    *ret_link = link;
    return STATUS_OK;
}

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
    lock(link);
    link->is_stopping = true;
    link->stop_at_ms = deadline_ms;
    wake(link);
    (void)pthread_cond_broadcast(&link->room);
    unlock(link);
    (void)pthread_join(link->thread, NULL); /* ours, joined once */
    link->is_started = false;
    return outbox_is_empty(&link->outbox) && link->in_flight == 0;
}

void broker_link_free(struct broker_link *link)
{
    if (link == NULL)
        return;
    outbox_done(&link->outbox);
    completion_done(&link->completion);
    free(link->uri);
    free(link->paho_uri);
    free(link->name);
    free(link->client_id);
    free(link->secret_file);
    free(link->ca_file);
    free(link);
}

/* ---- any thread ---- */
bool broker_link_put(struct broker_link *link, uint64_t life, const struct parcel *parcel)
{
    lock(link);
    bool is_ours = link->state == LINK_UP && link->life == life && !link->is_lost;
    bool was_empty = outbox_is_empty(&link->outbox);
    if (is_ours && outbox_put(&link->outbox, parcel) != STATUS_OK) {
        link->is_lost = true; /* no memory: what was promised to devices is replayed in the next life */
        is_ours = false;
    }
    if (was_empty)
        wake(link);
    unlock(link);
    if (!is_ours)
        metrics_add(&metrics.ops_dropped, parcel->writer.ops);
    return is_ours;
}

/* With the lock: something is to be confirmed. */
static void want_ack(struct broker_link *link)
{
    if (link->ack_at_ms == 0) {
        link->ack_at_ms = clock_monotonic_ms() + RUNTIME_ACK_DELAY_MS;
        wake(link);
    } else if (link->taken_number - link->acked_number == LIMIT_FRAME_CREDIT / 2) {
        wake(link);
    }
}

void broker_link_done(struct broker_link *link, const struct core_token tokens[], size_t tokens_len)
{
    lock(link);
    size_t ours = 0;
    for (size_t i = 0; i < tokens_len; i++)
        if (tokens[i].boot == link->life) {
            completion_part(&link->completion, tokens[i].position);
            ours++;
        }
    if (ours > 0) {
        want_ack(link);
        (void)pthread_cond_broadcast(&link->room);
    }
    unlock(link);
}

bool broker_link_has_room(struct broker_link *link, int wait_ms)
{
    lock(link);
    if (link->outbox.bytes >= RUNTIME_OUTBOX_BYTES && wait_ms > 0)
        wait_until(link, &link->room, clock_monotonic_ms() + wait_ms);
    bool has_room = link->outbox.bytes < RUNTIME_OUTBOX_BYTES;
    unlock(link);
    return has_room;
}

/* ---- the hub ---- */
void broker_link_welcomed(struct broker_link *link, uint64_t life, uint64_t boot, uint64_t journal_tail)
{
    lock(link);
    if (link->life == life && link->state == LINK_UP) {
        link->is_welcomed = true;
        link->peer_boot = boot;
        link->pause_ms = 0;
        link->acked_position = journal_tail;
        completion_reset(&link->completion, journal_tail);
    }
    unlock(link);
    log_notice("link", "up", LOG_TEXT("uri", link->uri), LOG_INT("journal_tail", journal_tail));
}

enum status broker_link_take_record(struct broker_link *link, uint64_t life, uint64_t position, uint32_t parts,
                                    struct core_token *ret_token)
{
    lock(link);
    enum status status = STATUS_STALE;
    if (link->life == life && link->is_welcomed) {
        uint64_t index;
        status = completion_take(&link->completion, position, parts, &index);
        if (status == STATUS_OK)
            *ret_token = (struct core_token){link->options.index, index, life};
        if (status == STATUS_OK && parts == 0)
            want_ack(link);
    }
    unlock(link);
    return status;
}

void broker_link_wait_records(struct broker_link *link, int wait_ms)
{
    lock(link);
    wait_until(link, &link->room, clock_monotonic_ms() + wait_ms);
    unlock(link);
}

void broker_link_frame_taken(struct broker_link *link, uint64_t life, uint64_t frame_number)
{
    lock(link);
    if (link->life == life && link->is_welcomed) {
        link->taken_number = frame_number;
        want_ack(link);
    }
    unlock(link);
}

void broker_link_drop(struct broker_link *link, uint64_t life, const char *why)
{
    lock(link);
    bool is_now = link->life == life && link->state == LINK_UP;
    if (is_now) {
        link->is_lost = true;
        wake(link);
    }
    unlock(link);
    if (is_now)
        log_error("link", "dropped", LOG_TEXT("uri", link->uri), LOG_TEXT("why", why));
}

void broker_link_state(struct broker_link *link, struct broker_link_state *ret_state)
{
    lock(link);
    *ret_state = (struct broker_link_state){
        .is_up = link->is_welcomed,
        .boot = link->peer_boot,
        .records_waiting = link->completion.head - link->completion.tail,
        .frames_taken = link->taken_number,
        .frames_sent = link->frames_sent,
        .outbox_bytes = link->outbox.bytes,
    };
    unlock(link);
}

const char *broker_link_uri(const struct broker_link *link)
{
    return link->uri;
}
