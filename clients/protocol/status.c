#include "status.h"

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_MALFORMED:
        return "malformed";
    case STATUS_TOO_LARGE:
        return "too large";
    case STATUS_DENIED:
        return "denied";
    case STATUS_EXPIRED:
        return "expired";
    case STATUS_NOT_FOUND:
        return "not found";
    case STATUS_EXISTS:
        return "exists";
    case STATUS_STALE:
        return "stale";
    case STATUS_FULL:
        return "full";
    case STATUS_UNAVAILABLE:
        return "unavailable";
    case STATUS_NO_MEMORY:
        return "no memory";
    case STATUS_INTERNAL:
        return "internal";
    }
    return "unknown";
}
