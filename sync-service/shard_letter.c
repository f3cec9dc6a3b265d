#include "shard_letter.h"
#include <string.h>
#include "runtime.h"

struct shard_letter {
    struct letter head;
    session_ref session;
    uint64_t number;
    struct core_token token;
    int64_t device_id, user_id, seq;
    struct barrier *barrier;
    uint32_t payload_len;
    uint8_t user_len, device_len, conversation_len, id_len;
    bool is_on, ack_auto;
    char text[]; /* user, device, conversation, message id, payload */
};

static char *put(char *at, struct slice text)
{
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    return at + text.len;
}

bool shard_letter_write(struct mailbox *box, const struct shard_event *event)
{
    const struct core_device *device = &event->device;
    size_t len =
        device->user.len + device->device.len + event->conversation.len + event->message_id.len + event->payload.len;
    bool is_dropable = event->kind == SHARD_TYPING;
    if (is_dropable && mailbox_waiting_bytes(box) > RUNTIME_TYPING_MAILBOX_BYTES)
        return false;
    enum mailbox_patience patience = is_dropable                 ? MAILBOX_TRY
                                     : event->kind == SHARD_STOP ? MAILBOX_FORCE
                                                                 : MAILBOX_WAIT;
    struct shard_letter *letter = mailbox_write(box, event->kind, sizeof *letter + len, patience);
    if (letter == NULL)
        return false;
    letter->session = event->session;
    letter->number = event->number;
    letter->token = event->token;
    letter->device_id = device->device_id;
    letter->user_id = device->user_id;
    letter->seq = event->seq;
    letter->barrier = event->barrier;
    letter->payload_len = (uint32_t)event->payload.len;
    letter->user_len = (uint8_t)device->user.len; /* names are within their limits: all below 256 */
    letter->device_len = (uint8_t)device->device.len;
    letter->conversation_len = (uint8_t)event->conversation.len;
    letter->id_len = (uint8_t)event->message_id.len;
    letter->is_on = event->is_on;
    letter->ack_auto = device->ack_auto;
    char *at = put(put(letter->text, device->user), device->device);
    (void)put(put(put(at, event->conversation), event->message_id), event->payload);
    mailbox_post(box);
    return true;
}

static struct slice take(const char **at, size_t len)
{
    struct slice text = {*at, len};
    *at += len;
    return text;
}

void shard_letter_read(const struct letter *head, struct shard_event *ret_event)
{
    const struct shard_letter *letter = (const struct shard_letter *)(const void *)head;
    const char *at = letter->text;
    *ret_event = (struct shard_event){
        .kind = (enum shard_event_kind)head->kind,
        .is_on = letter->is_on,
        .session = letter->session,
        .number = letter->number,
        .token = letter->token,
        .device = {.device_id = letter->device_id, .user_id = letter->user_id, .ack_auto = letter->ack_auto},
        .seq = letter->seq,
        .barrier = letter->barrier,
    };
    ret_event->device.user = take(&at, letter->user_len);
    ret_event->device.device = take(&at, letter->device_len);
    ret_event->conversation = take(&at, letter->conversation_len);
    ret_event->message_id = take(&at, letter->id_len);
    ret_event->payload = take(&at, letter->payload_len);
}
