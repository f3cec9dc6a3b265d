#include "completion.h"
#include <stdlib.h>
#include <string.h>

enum status completion_init(struct completion *completion, size_t size)
{
    memset(completion, 0, sizeof *completion);
    completion->records = calloc(size, sizeof *completion->records);
    if (completion->records == NULL)
        return STATUS_NO_MEMORY;
    completion->size = size;
    return STATUS_OK;
}

void completion_done(struct completion *completion)
{
    free(completion->records);
    completion->records = NULL;
}

void completion_reset(struct completion *completion, uint64_t position)
{
    completion->head = completion->tail = 0;
    completion->position = position;
}

static struct completion_record *record_at(struct completion *completion, uint64_t index)
{
    return &completion->records[index & (completion->size - 1)];
}

enum status completion_take(struct completion *completion, uint64_t position, uint32_t parts, uint64_t *ret_index)
{
    if (completion->head - completion->tail == completion->size) {
        (void)completion_position(completion); /* moves the tail, if it can */
        if (completion->head - completion->tail == completion->size)
            return STATUS_FULL;
    }
    *record_at(completion, completion->head) = (struct completion_record){position, parts};
    *ret_index = completion->head++;
    return STATUS_OK;
}

void completion_part(struct completion *completion, uint64_t index)
{
    if (index < completion->tail || index >= completion->head)
        return;
    struct completion_record *record = record_at(completion, index);
    if (record->parts > 0)
        record->parts--;
}

uint64_t completion_position(struct completion *completion)
{
    while (completion->tail < completion->head) {
        const struct completion_record *record = record_at(completion, completion->tail);
        if (record->parts > 0)
            break;
        completion->position = record->position + 1;
        completion->tail++;
    }
    return completion->position;
}
