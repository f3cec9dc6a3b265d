#include "counters.h"

#include <stddef.h>

const char *counter_name(enum counter counter)
{
    static const char *const names[] = {
        [COUNTER_CONNECTIONS] = "connections",         [COUNTER_ADDRESSES] = "addresses",
        [COUNTER_CONNECTION_RATE] = "connection-rate", [COUNTER_AUTH_FAILED] = "auth-failed",
        [COUNTER_AUTH_BLOCKED] = "auth-blocked",       [COUNTER_DEVICE_MESSAGES] = "device-messages",
        [COUNTER_USER_MESSAGES] = "user-messages",     [COUNTER_CONVERSATION_MESSAGES] = "conversation-messages",
        [COUNTER_DEVICE_BYTES] = "device-bytes",       [COUNTER_DEVICE_REQUESTS] = "device-requests",
        [COUNTER_USER_GROUPS] = "user-groups",         [COUNTER_DEVICE_MARKS] = "device-marks",
        [COUNTER_DEVICE_TYPING] = "device-typing",     [COUNTER_DEVICE_ERRORS] = "device-errors",
        [COUNTER_OVERLOADED] = "overloaded",           [COUNTER_JOURNAL_FULL] = "journal-full",
        [COUNTER_NOT_ALLOWED] = "not-allowed",         [COUNTER_NOT_UNDERSTOOD] = "not-understood",
    };
    size_t index = (size_t)counter;
    return index < sizeof names / sizeof names[0] ? names[index] : "";
}
