/* Every frame that decodes to its end is encoded to the same bytes again. */
#include <stdlib.h>
#include <string.h>
#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader reader;
    struct frame_writer writer;
    struct frame_op op;
    static unsigned char again[LIMIT_FRAME_BYTES];
    enum status status = frame_open(&reader, data, size);
    if (status != STATUS_OK || size > sizeof again)
        return 0;
    frame_begin(&writer, again, sizeof again);
    while ((status = frame_next(&reader, &op)) == STATUS_OK) {
        size_t before = writer.len;
        if (frame_put(&writer, &op) != STATUS_OK || writer.len - before != frame_op_bytes(&op))
            abort();
        if (op.type == DOWN_DELIVER || op.type == DOWN_PRESENCE)
            for (uint32_t i = 0; i < op.deliver.sessions_len; i++)
                if (frame_session(&op, i) == 0)
                    abort();
    }
    if (status != STATUS_NOT_FOUND)
        return 0;
    size_t len = frame_finish(&writer, reader.header.direction, reader.header.boot, reader.header.number);
    if (len != size || memcmp(again, data, size) != 0)
        abort();
    return 0;
}
