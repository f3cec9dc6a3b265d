#include "mailbox.h"
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "log.h"

#define HEAD_BYTES 256 /* the fixed part of the longest letter is shorter; what follows is written over anyway */
#define KEEP_BYTES (1024 * 1024) /* a buffer that grew beyond this in a burst is given back */

enum status mailbox_init(struct mailbox *box, size_t limit)
{
    memset(box, 0, sizeof *box);
    box->limit = limit;
    box->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->wake_fd < 0)
        return STATUS_UNAVAILABLE;
    (void)pthread_mutex_init(&box->lock, NULL); /* cannot fail with default attributes on Linux */
    (void)pthread_cond_init(&box->room, NULL);
    return STATUS_OK;
}

void mailbox_done(struct mailbox *box)
{
    if (box->wake_fd > 0)
        (void)close(box->wake_fd);
    free(box->in);
    free(box->out);
    memset(box, 0, sizeof *box);
}

/* Whoever does not try relies on it: what was published would be passed over, and never be done. It comes again from
 * the journal, and the rest from the database, when the process is started again. */
static noreturn void no_memory(size_t bytes)
{
    log_error("mailbox", "no-memory", LOG_INT("bytes", bytes));
    abort();
}

static bool grow(struct mailbox *box, size_t bytes, enum mailbox_patience patience)
{
    if (box->in_len + bytes <= box->in_size)
        return true;
    size_t size = box->in_size == 0 ? 16 * 1024 : box->in_size;
    while (size < box->in_len + bytes)
        size *= 2;
    unsigned char *in = realloc(box->in, size);
    if (in == NULL && patience != MAILBOX_TRY)
        no_memory(size);
    if (in == NULL)
        return false;
    box->in = in;
    box->in_size = size;
    return true;
}

void *mailbox_write(struct mailbox *box, uint32_t kind, size_t bytes, enum mailbox_patience patience)
{
    bytes = (bytes + 7) & ~(size_t)7;
    (void)pthread_mutex_lock(&box->lock);
    while (patience == MAILBOX_WAIT && box->in_len >= box->limit && !box->is_closed)
        (void)pthread_cond_wait(&box->room, &box->lock);
    bool is_full = patience == MAILBOX_TRY && box->in_len >= box->limit;
    if (is_full || box->is_closed || bytes > UINT32_MAX || !grow(box, bytes, patience)) {
        (void)pthread_mutex_unlock(&box->lock);
        return NULL;
    }
    struct letter *letter = (struct letter *)(void *)(box->in + box->in_len);
    memset(letter, 0, bytes < HEAD_BYTES ? bytes : HEAD_BYTES);
    letter->bytes = (uint32_t)bytes;
    letter->kind = kind;
    return letter;
}

static void wake(const struct mailbox *box)
{
    uint64_t one = 1;
    ssize_t written = write(box->wake_fd, &one, sizeof one);
    (void)written; /* fails only when it is readable already */
}

void mailbox_post(struct mailbox *box)
{
    struct letter *letter = (struct letter *)(void *)(box->in + box->in_len);
    bool was_empty = box->in_len == 0;
    box->in_len += letter->bytes;
    (void)pthread_mutex_unlock(&box->lock);
    if (was_empty)
        wake(box);
}

void mailbox_close(struct mailbox *box)
{
    (void)pthread_mutex_lock(&box->lock);
    box->is_closed = true;
    (void)pthread_cond_broadcast(&box->room);
    (void)pthread_mutex_unlock(&box->lock);
    wake(box);
}

size_t mailbox_waiting_bytes(struct mailbox *box)
{
    (void)pthread_mutex_lock(&box->lock);
    size_t bytes = box->in_len;
    (void)pthread_mutex_unlock(&box->lock);
    return bytes;
}

static void take(struct mailbox *box)
{
    uint64_t count;
    ssize_t got = read(box->wake_fd, &count, sizeof count);
    (void)got; /* nothing to read: not woken by a letter */
    if (box->out_size > KEEP_BYTES) {
        free(box->out);
        box->out = NULL;
        box->out_size = 0;
    }
    (void)pthread_mutex_lock(&box->lock);
    unsigned char *spare = box->out;
    size_t spare_size = box->out_size;
    box->out = box->in;
    box->out_size = box->in_size;
    box->out_len = box->in_len;
    box->in = spare;
    box->in_size = spare_size;
    box->in_len = 0;
    (void)pthread_cond_broadcast(&box->room);
    (void)pthread_mutex_unlock(&box->lock);
    box->out_at = 0;
}

struct letter *mailbox_next(struct mailbox *box)
{
    if (box->out_at == box->out_len)
        take(box);
    if (box->out_at == box->out_len)
        return NULL;
    struct letter *letter = (struct letter *)(void *)(box->out + box->out_at);
    box->out_at += letter->bytes;
    return letter;
}

bool mailbox_has_more(const struct mailbox *box)
{
    return box->out_at < box->out_len;
}

int mailbox_fd(const struct mailbox *box)
{
    return box->wake_fd;
}
