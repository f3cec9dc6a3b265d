#include "payload.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add_text(cJSON *object, const char *key, struct slice text)
{
    if (text.len == 0)
        return true;
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    bool is_ok = cJSON_AddStringToObject(object, key, copy) != NULL;
    free(copy);
    return is_ok;
}

/* As its digits: a double would round a large one. */
static bool add_number(cJSON *object, const char *key, int64_t number, bool strings)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, number); /* always fits */
    return (strings ? cJSON_AddStringToObject(object, key, digits) : cJSON_AddRawToObject(object, key, digits)) != NULL;
}

cJSON *payload_object(const struct push_wake *wake, bool strings)
{
    cJSON *object = cJSON_CreateObject();
    char *text = payload_text(wake);
    bool is_ok = object != NULL && add_number(object, "v", 1, strings) &&
                 add_number(object, "badge", wake->badge, strings) &&
                 add_number(object, "conversations", wake->conversations, strings);
    if (is_ok && wake->conversation.len > 0)
        is_ok = add_text(object, "conversation", wake->conversation) && add_text(object, "title", wake->title) &&
                add_text(object, "sender", wake->sender) && add_number(object, "seq", wake->seq, strings) &&
                add_number(object, "time", wake->time_ms, strings);
    if (is_ok && wake->text.len > 0)
        is_ok = text != NULL && cJSON_AddStringToObject(object, "text", text) != NULL;
    free(text);
    if (is_ok)
        return object;
    cJSON_Delete(object);
    return NULL;
}

char *payload_text(const struct push_wake *wake)
{
    size_t len = wake->text.len;
    if (len == 0)
        return NULL;
    if (len > PAYLOAD_TEXT_BYTES) {
        len = PAYLOAD_TEXT_BYTES;
        while (len > 0 && ((unsigned char)wake->text.at[len] & 0xc0) == 0x80) /* within a character */
            len--;
    }
    char *text = malloc(len + 1);
    if (text != NULL) {
        memcpy(text, wake->text.at, len);
        text[len] = '\0';
    }
    return text;
}

enum status payload_print(cJSON *object, size_t max, struct push_request *request)
{
    char *text = object == NULL ? NULL : cJSON_PrintUnformatted(object);
    enum status status = STATUS_NO_MEMORY;
    if (text != NULL)
        status = strlen(text) > max ? STATUS_TOO_LARGE : push_request_body(request, slice_of(text));
    cJSON_free(text);
    cJSON_Delete(object);
    return status;
}
