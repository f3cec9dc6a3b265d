#define _GNU_SOURCE /* accept4, O_PATH */
#include "status_socket.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket's address holds 107 characters. A longer path is reached through its folder's descriptor. */
static enum status address_make(const char *path, int folder, struct sockaddr_un *address)
{
    const char *slash = strrchr(path, '/');
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", folder,
                       slash == NULL ? path : slash + 1);
    return len < 0 || (size_t)len >= sizeof address->sun_path ? STATUS_TOO_LARGE : STATUS_OK;
}

static int folder_open(const char *path)
{
    char *folder = strdup(path);
    if (folder == NULL)
        return -1;
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    int fd = open(slash == NULL ? "." : slash == folder ? "/" : folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return fd;
}

static enum status listen_at(int fd, const char *path)
{
    int folder = folder_open(path);
    if (folder < 0)
        return STATUS_UNAVAILABLE;
    struct sockaddr_un address;
    enum status status = address_make(path, folder, &address);
    if (status == STATUS_OK) {
        (void)unlink(path); /* of an earlier process; if it cannot be, bind says so */
        if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0660) != 0 ||
            listen(fd, 16) != 0)
            status = STATUS_UNAVAILABLE;
    }
    int why = errno;
    (void)close(folder); /* opened to be named only */
    errno = why;
    return status;
}

enum status status_socket_open(struct status_socket *socket_, const char *path)
{
    socket_->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socket_->path = strdup(path);
    enum status status = socket_->fd < 0 || socket_->path == NULL ? STATUS_UNAVAILABLE : listen_at(socket_->fd, path);
    if (status != STATUS_OK) {
        int why = errno;
        free(socket_->path);
        socket_->path = NULL;
        status_socket_close(socket_);
        errno = why;
    }
    return status;
}

bool status_socket_serve(const struct status_socket *socket_, struct slice text)
{
    int fd = accept4(socket_->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno == EAGAIN || errno == ECONNABORTED;      /* gone again */
    ssize_t sent = send(fd, text.at, text.len, MSG_NOSIGNAL); /* far less than a socket's buffer takes */
    (void)sent;
    (void)close(fd);
    return true;
}

void status_socket_close(struct status_socket *socket_)
{
    if (socket_->fd >= 0)
        (void)close(socket_->fd);
    if (socket_->path != NULL)
        (void)unlink(socket_->path); /* the next one replaces it anyway */
    free(socket_->path);
    *socket_ = (struct status_socket){.fd = -1};
}
