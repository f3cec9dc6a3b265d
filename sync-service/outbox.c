#include "outbox.h"
#include <stdlib.h>
#include <string.h>

#define SPARES_MAX 8 /* frames kept for the next: what is in flight, 2 MiB a link */

void parcel_begin(struct parcel *parcel)
{
    frame_begin(&parcel->writer, parcel->buf, sizeof parcel->buf);
}

bool parcel_is_empty(const struct parcel *parcel)
{
    return parcel->writer.ops == 0;
}

enum status parcel_put(struct parcel *parcel, const struct frame_op *op)
{
    return frame_put(&parcel->writer, op);
}

void outbox_init(struct outbox *outbox)
{
    memset(outbox, 0, sizeof *outbox);
}

void outbox_clear(struct outbox *outbox)
{
    while (outbox->first != NULL) {
        struct outbox_frame *frame = outbox->first;
        outbox->first = frame->next;
        outbox_recycle(outbox, frame);
    }
    outbox->last = NULL;
    outbox->bytes = 0;
}

void outbox_done(struct outbox *outbox)
{
    outbox_clear(outbox);
    while (outbox->spares != NULL) {
        struct outbox_frame *frame = outbox->spares;
        outbox->spares = frame->next;
        free(frame);
    }
}

bool outbox_is_empty(const struct outbox *outbox)
{
    return outbox->first == NULL;
}

static struct outbox_frame *frame_new(struct outbox *outbox)
{
    struct outbox_frame *frame = outbox->spares;
    if (frame != NULL) {
        outbox->spares = frame->next;
        outbox->spares_len--;
    } else if ((frame = malloc(sizeof *frame)) == NULL) {
        return NULL;
    }
    frame->next = NULL;
    frame_begin(&frame->writer, frame->buf, sizeof frame->buf);
    return frame;
}

static bool fits(const struct outbox_frame *frame, size_t len)
{
    return frame != NULL && frame->writer.len + len + OUTBOX_ACK_BYTES <= sizeof frame->buf;
}

enum status outbox_put(struct outbox *outbox, const struct parcel *parcel)
{
    size_t len = parcel->writer.len - FRAME_HEADER_BYTES;
    struct outbox_frame *frame = outbox->last;
    if (!fits(frame, len)) {
        frame = frame_new(outbox);
        if (frame == NULL)
            return STATUS_NO_MEMORY;
        if (outbox->last != NULL)
            outbox->last->next = frame;
        else
            outbox->first = frame;
        outbox->last = frame;
    }
    memcpy(frame->buf + frame->writer.len, parcel->buf + FRAME_HEADER_BYTES, len);
    frame->writer.len += len;
    frame->writer.ops += parcel->writer.ops;
    outbox->bytes += len;
    return STATUS_OK;
}

struct outbox_frame *outbox_take(struct outbox *outbox)
{
    struct outbox_frame *frame = outbox->first;
    if (frame == NULL)
        return frame_new(outbox);
    outbox->first = frame->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->bytes -= frame->writer.len - FRAME_HEADER_BYTES;
    frame->next = NULL;
    return frame;
}

void outbox_recycle(struct outbox *outbox, struct outbox_frame *frame)
{
    if (frame == NULL)
        return;
    if (outbox->spares_len >= SPARES_MAX) {
        free(frame);
        return;
    }
    frame->next = outbox->spares;
    outbox->spares = frame;
    outbox->spares_len++;
}
