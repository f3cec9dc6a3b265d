#include "rpc_pace.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct pace_held {
    struct pace_held *next;
    struct letter *letter;
};

static struct pace_device *find(const struct pace *pace, int64_t device_id)
{
    struct pace_device *device;
    HASH_FIND(hh, pace->devices, &device_id, sizeof device_id, device);
    return device;
}

static struct pace_device *get(struct pace *pace, int64_t device_id)
{
    struct pace_device *device = find(pace, device_id);
    if (device != NULL || (device = calloc(1, sizeof *device)) == NULL)
        return device;
    device->device_id = device_id;
    HASH_ADD(hh, pace->devices, device_id, sizeof device->device_id, device);
    if (device->hh.tbl != NULL)
        return device;
    free(device); /* no memory for the table */
    return NULL;
}

static bool is_due(const struct pace_device *device, int64_t now_ms)
{
    return device->paid_at_ms - now_ms <= PACE_AHEAD_MS;
}

void pace_spend(struct pace *pace, int64_t device_id, uint64_t items, uint64_t bytes, int64_t now_ms)
{
    struct pace_device *device = get(pace, device_id);
    if (device == NULL)
        return; /* without memory for it there are worse things than its pace */
    uint64_t items_ms = items * 1000 / PACE_ITEMS_PER_S, bytes_ms = bytes * 1000 / PACE_BYTES_PER_S;
    if (device->paid_at_ms < now_ms)
        device->paid_at_ms = now_ms;
    device->paid_at_ms += (int64_t)(items_ms > bytes_ms ? items_ms : bytes_ms);
}

bool pace_waits(const struct pace *pace, int64_t device_id, int64_t now_ms)
{
    const struct pace_device *device = find(pace, device_id);
    return device != NULL && (device->held != NULL || !is_due(device, now_ms));
}

enum status pace_hold(struct pace *pace, int64_t device_id, const struct letter *letter)
{
    struct pace_device *device = get(pace, device_id);
    if (device != NULL && device->held_len >= PACE_HELD_MAX)
        return STATUS_FULL;
    struct pace_held *held = device == NULL ? NULL : calloc(1, sizeof *held);
    if (held == NULL || (held->letter = malloc(letter->bytes)) == NULL) {
        free(held);
        return STATUS_NO_MEMORY;
    }
    memcpy(held->letter, letter, letter->bytes);
    LL_APPEND(device->held, held);
    device->held_len++;
    pace->held_len++;
    return STATUS_OK;
}

static struct letter *take(struct pace *pace, struct pace_device *device)
{
    struct pace_held *held = device->held;
    struct letter *letter = held->letter;
    LL_DELETE(device->held, held);
    free(held);
    device->held_len--;
    pace->held_len--;
    return letter;
}

struct letter *pace_next(struct pace *pace, int64_t now_ms)
{
    if (now_ms - pace->looked_at_ms < PACE_LOOK_MS)
        return NULL;
    struct pace_device *device, *next;
    HASH_ITER (hh, pace->devices, device, next) {
        if (device->held != NULL && is_due(device, now_ms))
            return take(pace, device);
        if (device->held == NULL && device->paid_at_ms <= now_ms) {
            HASH_DEL(pace->devices, device); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
            free(device);
        }
    }
    pace->looked_at_ms = now_ms; /* nobody: look again in a while */
    return NULL;
}

void pace_done(struct pace *pace)
{
    struct pace_device *device, *next;
    HASH_ITER (hh, pace->devices, device, next) {
        while (device->held != NULL)
            free(take(pace, device));    /* NOLINT(clang-analyzer-*): as below */
        HASH_DEL(pace->devices, device); /* NOLINT(clang-analyzer-*): it does not see that the list moves on */
        free(device);
    }
}
