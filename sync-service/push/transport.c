#include "transport.h"
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../clock.h"
#include "../log.h"
#include "address.h"

#define CONNECT_MS_MAX       5000
#define CONNECTION_AGE_S     3600L /* providers want connections to live */
#define CONNECTIONS_PER_HOST 16L
#define CONNECTIONS          64L
#define FAILURE_LEN          96

struct transfer {
    struct transfer *next, **self;
    CURL *easy;
    struct curl_slist *headers;
    transport_answer on_answer;
    void *ctx;
    int64_t credential_ms;
    bool was_forbidden;
    size_t answer_len, taken;
    char answer[PUSH_ANSWER_BYTES];
    char error[CURL_ERROR_SIZE];
    size_t body_len;
    unsigned char body[PUSH_BODY_BYTES];
};
struct transport {
    struct transport_options options;
    CURLM *multi;
    struct transfer *first;
    int under_way;
    int64_t
        failed_at_ms; /* a request was not answered: connections that are older may be of no use, without knowing it */
};

bool transport_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

struct transport *transport_new(const struct transport_options *options)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL)
        return NULL;
    transport->options = *options;
    transport->multi = curl_multi_init();
    if (transport->multi == NULL) {
        free(transport);
        return NULL;
    }
    /* advice that curl may ignore: nothing depends on it */
    (void)curl_multi_setopt(transport->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_PER_HOST);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS);
    return transport;
}

static void transfer_end(struct transport *transport, struct transfer *transfer)
{
    (void)curl_multi_remove_handle(transport->multi, transfer->easy); /* fails only when it is not in there */
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    if (transfer->self != NULL) {
        *transfer->self = transfer->next;
        if (transfer->next != NULL)
            transfer->next->self = transfer->self;
        transport->under_way--;
    }
    free(transfer);
}

void transport_end(struct transport *transport)
{
    for (struct transfer *transfer = transport->first, *next; transfer != NULL; transfer = next) {
        next = transfer->next;
        transfer_end(transport, transfer);
    }
}

void transport_free(struct transport *transport)
{
    if (transport == NULL)
        return;
    transport_end(transport);
    (void)curl_multi_cleanup(transport->multi); /* nothing is in it any more */
    free(transport);
}

/* ---- what curl asks ---- */
static size_t take_answer(char *bytes, size_t size, size_t len, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t room = sizeof transfer->answer - transfer->answer_len, kept = size * len < room ? size * len : room;
    memcpy(transfer->answer + transfer->answer_len, bytes, kept);
    transfer->answer_len += kept;
    transfer->taken += size * len;
    return transfer->taken > PUSH_ANSWER_BYTES_MAX ? 0 : size * len; /* 0 ends it */
}

static size_t take_header(char *bytes, size_t size, size_t len, void *ctx)
{
    struct transfer *transfer = ctx;
    (void)bytes;
    transfer->taken += size * len;
    return transfer->taken > PUSH_ANSWER_BYTES_MAX ? 0 : size * len;
}

/* The address as it was resolved: what is checked is what is connected to. */
static curl_socket_t open_guarded(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;
    (void)purpose;
    if (!address_is_public(&address->addr, (socklen_t)address->addrlen)) {
        transfer->was_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    transfer->was_forbidden = false; /* of several addresses one is public: that one is used */
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int set_socket(void *ctx, curl_socket_t socket, curlsocktype purpose)
{
    const struct transport *transport = ctx;
    (void)purpose;
    unsigned timeout_ms = (unsigned)transport->options.timeout_ms;
    /* a peer that is gone is noticed within a request's time, also on a connection kept for hours; else TCP's own time
     */
    (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    return CURL_SOCKOPT_OK;
}

/* ---- requests ---- */
static bool set_headers(struct transfer *transfer, const struct push_request *request)
{
    for (size_t at = 0; at < request->headers_len; at += strlen(request->headers + at) + 1) {
        struct curl_slist *longer = curl_slist_append(transfer->headers, request->headers + at);
        if (longer == NULL)
            return false;
        transfer->headers = longer;
    }
    struct curl_slist *longer = curl_slist_append(transfer->headers, "Expect:"); /* never wait for "100 Continue" */
    if (longer != NULL)
        transfer->headers = longer;
    return longer != NULL;
}

#define SET(option, value) (is_ok = is_ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_safety(CURL *easy, struct transport *transport, struct transfer *transfer)
{
    const struct transport_options *options = &transport->options;
    bool is_ok = true;
    long connect_ms = options->timeout_ms < CONNECT_MS_MAX ? (long)options->timeout_ms : CONNECT_MS_MAX;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs does not hold up our end */
    SET(CURLOPT_PROTOCOLS_STR, options->takes_http ? "https,http" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    SET(CURLOPT_SOCKOPTFUNCTION, set_socket);
    SET(CURLOPT_SOCKOPTDATA, transport);
    if (options->ca_file[0] != '\0')
        SET(CURLOPT_CAINFO, options->ca_file);
    if (options->is_guarded) {
        SET(CURLOPT_PROXY, ""); /* a proxy would connect in our stead, unguarded */
        SET(CURLOPT_OPENSOCKETFUNCTION, open_guarded);
        SET(CURLOPT_OPENSOCKETDATA, transfer);
    }
    return is_ok;
}

static bool set_request(CURL *easy, struct transport *transport, struct transfer *transfer,
                        const struct push_request *request)
{
    bool is_ok = true;
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, 1L); /* rather a stream of a connection that is being made than one more connection */
    SET(CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    if (transport->failed_at_ms != 0) {
        long since_s = (long)((clock_monotonic_ms() - transport->failed_at_ms) / 1000);
        SET(CURLOPT_FRESH_CONNECT, since_s == 0 ? 1L : 0L);
        SET(CURLOPT_MAXLIFETIME_CONN, since_s < CONNECTION_AGE_S ? since_s : 0L); /* 0: of any age */
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE, (long)transfer->body_len);
    SET(CURLOPT_POSTFIELDS, transfer->body);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, transfer);
    return is_ok;
}

enum status transport_send(struct transport *transport, const struct push_request *request, transport_answer on_answer,
                           void *ctx)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL)
        return STATUS_NO_MEMORY;
    transfer->on_answer = on_answer;
    transfer->ctx = ctx;
    transfer->credential_ms = request->credential_ms;
    memcpy(transfer->body, request->body, request->body_len);
    transfer->body_len = request->body_len;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || !set_headers(transfer, request) ||
        !set_request(transfer->easy, transport, transfer, request) ||
        !set_safety(transfer->easy, transport, transfer) ||
        curl_multi_add_handle(transport->multi, transfer->easy) != CURLM_OK) {
        transfer_end(transport, transfer);
        return STATUS_NO_MEMORY;
    }
    transfer->next = transport->first;
    transfer->self = &transport->first;
    if (transfer->next != NULL)
        transfer->next->self = &transfer->next;
    transport->first = transfer;
    transport->under_way++;
    return STATUS_OK;
}

/* ---- answers ---- */
static const char *failure_name(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "not-resolved";
    case CURLE_COULDNT_CONNECT:
        return "not-connected";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "certificate";
    case CURLE_SSL_CONNECT_ERROR:
        return "tls";
    case CURLE_WRITE_ERROR:
        return "answer-too-long";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return "address";
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return "connection-ended"; /* GOAWAY too: it goes again on a new one */
    default:
        return curl_easy_strerror(code);
    }
}

static void transfer_done(struct transport *transport, struct transfer *transfer, CURLcode code)
{
    long status = 0, version = 0;
    curl_off_t retry_after_s = 0;
    struct push_response response = {.retry_after_ms = -1, .credential_ms = transfer->credential_ms};
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status); /* stay 0 where there was no answer */
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (code != CURLE_OK) {
        log_debug("push", "no-answer", LOG_INT("curl", code), LOG_TEXT("why", transfer->error));
        transport->failed_at_ms = clock_monotonic_ms();
    }
    if (code != CURLE_OK)
        response.failure = failure_name(code);
    else if (transport->options.needs_http2 && version != CURL_HTTP_VERSION_2_0)
        response.failure = "no-http2";
    else
        response.status = (int)status;
    response.was_forbidden = transfer->was_forbidden && code == CURLE_COULDNT_CONNECT;
    if (retry_after_s > 0)
        response.retry_after_ms = retry_after_s < 86400 ? (int64_t)retry_after_s * 1000 : 86400 * 1000;
    response.body = (struct slice){transfer->answer, transfer->answer_len};
    transfer->on_answer(transfer->ctx, &response);
    transfer_end(transport, transfer);
}

void transport_wait(struct transport *transport, int timeout_ms)
{
    int running, left;
    CURLMsg *message;
    bool was_answered = false;
    (void)curl_multi_perform(transport->multi, &running); /* errors show in each transfer's result */
    while ((message = curl_multi_info_read(transport->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK && transfer != NULL)
            transfer_done(transport, transfer, code);
        was_answered = true;
    }
    if (!was_answered)
        (void)curl_multi_poll(transport->multi, NULL, 0, timeout_ms, NULL); /* interrupted: an early turn */
}

void transport_wake(struct transport *transport)
{
    (void)curl_multi_wakeup(transport->multi); /* fails only without memory: then the time ends the wait */
}

int transport_under_way(const struct transport *transport)
{
    return transport->under_way;
}
