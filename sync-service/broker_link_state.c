#include "broker_link_state.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "runtime.h"

#define URI_LEN_MAX 300

void link_lock(struct broker_link *link)
{
    (void)pthread_mutex_lock(&link->lock);
}

void link_unlock(struct broker_link *link)
{
    (void)pthread_mutex_unlock(&link->lock);
}

void link_wake(struct broker_link *link)
{
    (void)pthread_cond_signal(&link->wake);
}

bool link_may_send(const struct broker_link *link)
{
    return link->in_flight < LIMIT_FRAME_CREDIT_SHORT ||
           (link->in_flight < LIMIT_FRAME_CREDIT && link->outbox.bytes >= LIMIT_FRAME_LONG_BYTES);
}

void link_wait(struct broker_link *link, pthread_cond_t *cond, int64_t until_ms)
{
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(cond, &link->lock, &at);
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
/* With the lock: something is to be confirmed. */
static void want_ack(struct broker_link *link)
{
    bool is_waited_for = link->taken_number - link->acked_number >= LIMIT_FRAME_CREDIT_SHORT;
    int64_t at_ms = clock_monotonic_ms() + (is_waited_for ? RUNTIME_ACK_WAITED_FOR_MS : RUNTIME_ACK_DELAY_MS);
    if (link->ack_at_ms == 0 || at_ms < link->ack_at_ms)
        link->ack_at_ms = at_ms;
    if (link->wakes_at_ms > link->ack_at_ms || link->taken_number - link->acked_number == LIMIT_FRAME_CREDIT / 2)
        link_wake(link);
}

/* With the lock. What is not for this life is dropped. */
static void put(struct broker_link *link, uint64_t life, const struct parcel *parcel)
{
    bool is_ours = link->state == LINK_UP && link->life == life && !link->is_lost;
    if (is_ours && outbox_put(&link->outbox, parcel) != STATUS_OK) {
        link->is_lost = true; /* no memory: what was promised to devices is replayed in the next life */
        is_ours = false;
    }
    if (link->is_lost || link_may_send(link))
        link_wake(link);
    if (!is_ours)
        metrics_add(&metrics.ops_dropped, parcel->writer.ops);
}

/* With the lock. */
static void done(struct broker_link *link, const struct core_token tokens[], size_t tokens_len)
{
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
}

void broker_link_put(struct broker_link *link, uint64_t life, const struct parcel *parcel,
                     const struct core_token tokens[], size_t tokens_len)
{
    if (parcel_is_empty(parcel) && tokens_len == 0)
        return;
    link_lock(link);
    if (!parcel_is_empty(parcel))
        put(link, life, parcel);
    if (tokens_len > 0)
        done(link, tokens, tokens_len);
    link_unlock(link);
}

void broker_link_done(struct broker_link *link, const struct core_token tokens[], size_t tokens_len)
{
    link_lock(link);
    done(link, tokens, tokens_len);
    link_unlock(link);
}

bool broker_link_has_room(struct broker_link *link, int wait_ms)
{
    link_lock(link);
    if (link->outbox.bytes >= RUNTIME_OUTBOX_BYTES && wait_ms > 0)
        link_wait(link, &link->room, clock_monotonic_ms() + wait_ms);
    bool has_room = link->outbox.bytes < RUNTIME_OUTBOX_BYTES;
    link_unlock(link);
    return has_room;
}

/* ---- the hub ---- */
void broker_link_welcomed(struct broker_link *link, uint64_t life, uint64_t boot, uint64_t journal_tail)
{
    link_lock(link);
    if (link->life == life && link->state == LINK_UP) {
        link->is_welcomed = true;
        link->welcomes++;
        link->peer_boot = boot;
        link->pause_ms = link->failures = 0;
        link->acked_position = journal_tail;
        completion_reset(&link->completion, journal_tail);
    }
    link_unlock(link);
    log_notice("link", "up", LOG_TEXT("uri", link->uri), LOG_INT("journal_tail", journal_tail));
}

enum status broker_link_take_record(struct broker_link *link, uint64_t life, uint64_t position, uint32_t parts,
                                    struct core_token *ret_token)
{
    link_lock(link);
    enum status status = STATUS_STALE;
    if (link->life == life && link->is_welcomed) {
        uint64_t index;
        status = completion_take(&link->completion, position, parts, &index);
        if (status == STATUS_OK)
            *ret_token = (struct core_token){link->options.index, index, life};
        if (status == STATUS_OK && parts == 0)
            want_ack(link);
    }
    link_unlock(link);
    return status;
}

void broker_link_wait_records(struct broker_link *link, int wait_ms)
{
    link_lock(link);
    link_wait(link, &link->room, clock_monotonic_ms() + wait_ms);
    link_unlock(link);
}

void broker_link_frame_taken(struct broker_link *link, uint64_t life, uint64_t frame_number)
{
    link_lock(link);
    if (link->life == life && link->is_welcomed) {
        link->taken_number = frame_number;
        link->frames_received++;
        want_ack(link);
    }
    link_unlock(link);
}

void broker_link_drop(struct broker_link *link, uint64_t life, const char *why)
{
    link_lock(link);
    bool is_now = link->life == life && link->state == LINK_UP;
    if (is_now) {
        link->is_lost = true;
        link_wake(link);
    }
    link_unlock(link);
    if (is_now)
        log_error("link", "dropped", LOG_TEXT("uri", link->uri), LOG_TEXT("why", why));
}

void broker_link_counted(struct broker_link *link, const struct frame_op *op)
{
    link_lock(link);
    for (uint32_t i = 0; i < COUNTERS; i++)
        link->counted[i] = frame_counter(op, i);
    link_unlock(link);
}

void broker_link_state(struct broker_link *link, struct broker_link_state *ret_state)
{
    link_lock(link);
    *ret_state = (struct broker_link_state){
        .is_up = link->is_welcomed,
        .is_stuck = link->is_stuck,
        .boot = link->peer_boot,
        .records_waiting = link->completion.head - link->completion.tail,
        .frames_taken = link->taken_number,
        .frames_sent = link->frames_sent,
        .outbox_bytes = link->outbox.bytes,
        .frames_received = link->frames_received,
        .frames_out = link->frames_out,
        .connections = link->welcomes,
    };
    memcpy(ret_state->counted, link->counted, sizeof link->counted);
    link_unlock(link);
}

const char *broker_link_uri(const struct broker_link *link)
{
    return link->uri;
}
