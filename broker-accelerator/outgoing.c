#include "outgoing.h"
#include "original.h"
#include <errno.h>
#include <string.h>

void outgoing_send(struct client *client)
{
    struct buffer *out = client->out;
    int error = errno;
    bool was_blocked = client->is_blocked;
    client->is_blocked = false;
    while (out && out->begin < out->end) {
        ssize_t sent = send(client->fd, out->bytes + out->begin, out->end - out->begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            out->begin += (size_t)sent;
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            client->is_blocked = true;
            break;
        } else if (sent == 0 || errno != EINTR) {
            (void)original.shutdown(client->fd,
                                    SHUT_RDWR); /* broken already: the broker reads what came, then the end */
            break;
        }
    }
    if (out && !client->is_blocked) {
        client->out = NULL;
        buffer_give(out);
    }
    if (client->is_blocked != was_blocked)
        client_set_due(client); /* the kernel is to tell when there is room, or not any more */
    errno = error;
}

void outgoing_send_all(void)
{
    for (struct client *client = clients_due; client; client = client->due_next)
        if (client->out && !client->is_blocked)
            outgoing_send(client); /* it is due already, so the list stays as it is */
}

/* One for `client`; when many are lent, sending what is due brings them back. */
static struct buffer *take(void)
{
    if (buffers_all_lent())
        outgoing_send_all();
    return buffer_take();
}

ssize_t outgoing_write(struct client *client, const void *bytes, size_t len)
{
    if (len == 0)
        return original.write(client->fd, bytes, len);
    if (client->out && len > BUFFER_BYTES - client->out->end && !client->is_blocked)
        outgoing_send(client);
    if (client->is_blocked) {
        errno = EAGAIN;
        return -1;
    }
    if (!client->out && len <= BUFFER_BYTES)
        client->out = take();
    if (!client->out)
        return original.write(client->fd, bytes, len); /* too long to copy, or no memory */
    memcpy(client->out->bytes + client->out->end, bytes, len);
    client->out->end += len;
    client_set_due(client);
    return (ssize_t)len;
}
