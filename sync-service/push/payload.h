#ifndef GNATTER_PUSH_PAYLOAD_H
#define GNATTER_PUSH_PAYLOAD_H
/* What a wake-up says, as JSON; how much is decided where it is claimed (struct push_wake). Pure but for memory. */
#include <cjson/cJSON.h>
#include "provider.h"

/* Text is cut here, between two characters: escaped, with all the rest, it stays below PUSH_PAYLOAD_BYTES. */
#define PAYLOAD_TEXT_BYTES 1024

/*
 * {"v": 1, "badge": n, "conversations": n}; from PUSH_CONTENT_SENDER on "conversation", "title" (groups that have one),
 * "sender", "seq", "time"; then "text". `strings`: all values are strings, as FCM wants its data. NULL: no memory.
 */
cJSON *payload_object(const struct push_wake *wake, bool strings);
/* A copy of the text, cut; NULL: no memory, or there is none. Free with free. */
char *payload_text(const struct push_wake *wake);
/* Prints into `request`'s body and frees `object` (NULL: STATUS_NO_MEMORY). STATUS_TOO_LARGE above `max`. */
MUST_CHECK enum status payload_print(cJSON *object, size_t max, struct push_request *request);

#endif
