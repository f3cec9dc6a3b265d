#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "client.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <utlist.h>

#define DESCRIPTORS_MAX (1024 * 1024) /* the kernel's own limit where nobody has raised it */

struct client *clients_due, *clients_ready, *clients_read, *clients_urgent;
size_t clients_ready_len;

static struct client **table; /* by descriptor; only pages in use cost memory */
static size_t table_len, clients_len;
static struct buffer *buffers_free;
static size_t buffers_free_len, buffers_lent;

bool clients_init(void)
{
    struct rlimit limit;
    table_len = DESCRIPTORS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < table_len)
        table_len = (size_t)limit.rlim_max;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    void *memory = mmap(NULL, table_len * sizeof(*table), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        table_len = 0;
        return false;
    }
    table = memory;
    return true;
}

struct client *client_find(int fd)
{
    return fd >= 0 && (size_t)fd < table_len ? table[fd] : NULL;
}

struct client *client_add(int fd)
{
    if (fd < 0 || (size_t)fd >= table_len)
        return NULL;
    if (table[fd])
        client_remove(table[fd]); /* closed behind our back */
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->fd = fd;
    client->kind = CLIENT_NEW;
    table[fd] = client;
    clients_len++;
    return client;
}

void client_remove(struct client *client)
{
    client_done(client);
    if (clients_read == client)
        clients_read = NULL;
    if (clients_urgent == client)
        clients_urgent = NULL;
    buffer_give(client->in);
    client_set_in(client, NULL);
    buffer_give(client->out);
    table[client->fd] = NULL;
    clients_len--;
    free(client);
}

bool clients_any(void)
{
    return clients_len != 0;
}

void clients_forget(void)
{
    clients_due = clients_ready = clients_read = clients_urgent = NULL;
    clients_ready_len = clients_len = table_len = 0;
}

void client_set_due(struct client *client)
{
    if (client->is_due)
        return;
    client->is_due = true;
    DL_APPEND2(clients_due, client, due_prev, due_next);
}

void client_done(struct client *client)
{
    if (!client->is_due)
        return;
    client->is_due = false;
    DL_DELETE2(clients_due, client, due_prev, due_next);
}

void client_set_in(struct client *client, struct buffer *in)
{
    client->in = in;
    if (client->is_ready == (in != NULL))
        return;
    client->is_ready = in != NULL;
    if (in) {
        DL_APPEND2(clients_ready, client, ready_prev, ready_next);
        clients_ready_len++;
    } else {
        DL_DELETE2(clients_ready, client, ready_prev, ready_next);
        clients_ready_len--;
    }
}

bool buffers_all_lent(void)
{
    return buffers_lent == BUFFERS_MAX;
}

struct buffer *buffer_take(void)
{
    struct buffer *buffer = buffers_free;
    if (buffers_all_lent())
        return NULL;
    if (buffer) {
        buffers_free = buffer->next;
        buffers_free_len--;
    } else if (!(buffer = malloc(sizeof(*buffer)))) {
        return NULL;
    }
    buffers_lent++;
    buffer->begin = buffer->end = 0;
    buffer->next = NULL;
    return buffer;
}

void buffer_give(struct buffer *buffer)
{
    if (!buffer)
        return;
    buffers_lent--;
    if (buffers_free_len == BUFFERS_KEPT) {
        free(buffer);
        return;
    }
    buffer->next = buffers_free;
    buffers_free = buffer;
    buffers_free_len++;
}
