#include "http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX   32 /* some scrapers and probes; each costs CONNECTION_BYTES at most, beside the page */
#define CONNECTION_BYTES  (16 * 1024)
#define CONNECTION_WAIT_S 10 /* who says nothing for so long is cut off */
#define BACKLOG           16

struct http {
    struct service *service;
    struct MHD_Daemon *daemon;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool address_make(const char *text, int64_t port, union address *address, socklen_t *ret_len)
{
    memset(address, 0, sizeof *address);
    *ret_len = sizeof address->v4;
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    *ret_len = sizeof address->v6;
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1;
}

/* -1: errno says why. */
static int listen_at(const union address *address, socklen_t len)
{
    static const int on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* without it a restart may have to wait */
    if (bind(fd, &address->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    (void)close(fd); /* nobody has connected */
    errno = why;
    return -1;
}

/* ---- answers ---- */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type,
                              struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    enum MHD_Result result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (result == MHD_YES)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (result == MHD_YES && code == MHD_HTTP_METHOD_NOT_ALLOWED)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

/* Keeps a copy. */
static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code, const char *type, char *text)
{
    return answer(connection, code, type, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
    size_t len;
    char *page = service_metrics(http->service, &len);
    if (page == NULL)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, page, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(page);
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", response);
}

static enum MHD_Result answer_alive(struct http *http, struct MHD_Connection *connection)
{
    bool is_alive = service_is_alive(http->service);
    char text[40];
    (void)snprintf(text, sizeof text, "%s\n",
                   is_alive ? "{\"alive\":true}" : "{\"alive\":false,\"why\":[\"stalled\"]}");
    return answer_text(connection, is_alive ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json", text);
}

static enum MHD_Result answer_ready(struct http *http, struct MHD_Connection *connection)
{
    const char *whys[SERVICE_WHYS_MAX];
    size_t whys_len = service_why_not_ready(http->service, whys);
    char text[32 + SERVICE_WHYS_MAX * 32]; /* a reason is a word of ours */
    int len = snprintf(text, sizeof text, "{\"ready\":%s,\"why\":[", whys_len == 0 ? "true" : "false");
    for (size_t i = 0; i < whys_len; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s\"%s\"", i == 0 ? "" : ",", whys[i]);
    (void)snprintf(text + len, sizeof text - (size_t)len, "]}\n");
    return answer_text(connection, whys_len == 0 ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
                       text);
}

/* Our paths have nothing to decode; else a %00 would end one early. */
static size_t on_unescape(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx, (void)connection;
    return strlen(text);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **state)
{
    static const struct {
        const char *path;
        enum MHD_Result (*answer)(struct http *http, struct MHD_Connection *connection);
    } pages[] = {{"/metrics", answer_metrics}, {"/healthz", answer_alive}, {"/readyz", answer_ready}};
    (void)version, (void)upload;
    bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (is_get && (*state == NULL || *upload_len > 0)) { /* answered when all of it is there: the connection stays */
        *state = ctx;
        *upload_len = 0;
        return MHD_YES;
    }
    char no_page[] = "There are /metrics, /healthz and /readyz.\n", no_method[] = "GET or HEAD.\n";
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(path, pages[i].path) != 0)
            continue;
        if (!is_get)
            return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", no_method);
        return pages[i].answer(ctx, connection);
    }
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "text/plain", no_page);
}

/* ---- life ---- */
enum status http_start(const char *text, int64_t port, struct service *service, struct http **ret_http)
{
    union address address;
    socklen_t len;
    if (!address_make(text, port, &address, &len))
        return STATUS_MALFORMED;
    struct http *http = calloc(1, sizeof *http);
    int fd = http == NULL ? -1 : listen_at(&address, len);
    if (fd < 0) {
        free(http);
        return STATUS_UNAVAILABLE;
    }
    http->service = service;
    http->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, on_request, http,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)CONNECTION_WAIT_S, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_END);
    if (http->daemon == NULL) {
        (void)close(fd); /* nobody was answered */
        free(http);
        return STATUS_UNAVAILABLE;
    }
    *ret_http = http;
    return STATUS_OK;
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon); /* closes the socket, too */
    free(http);
}
