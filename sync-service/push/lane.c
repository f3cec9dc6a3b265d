#include "lane.h"
#include <string.h>

struct lane *lanes_find(struct lanes *lanes, const char *origin, int64_t now_ms)
{
    struct lane *idle = NULL, *shortest = &lanes->lanes[0];
    for (size_t i = 0; i < lanes->len; i++) {
        struct lane *lane = &lanes->lanes[i];
        if (strcmp(lane->origin, origin) == 0) {
            lane->used_ms = now_ms;
            return lane;
        }
        if (lane->under_way == 0 && (idle == NULL || lane->used_ms < idle->used_ms))
            idle = lane;
        if (lane->paused_until_ms < shortest->paused_until_ms)
            shortest = lane;
    }
    if (lanes->len < LANES_MAX)
        idle = &lanes->lanes[lanes->len++];
    else if (idle == NULL)
        return shortest;
    memset(idle, 0, sizeof *idle);
    (void)strncpy(idle->origin, origin, PUSH_ORIGIN_LEN - 1); /* zeroed, so it ends */
    idle->used_ms = now_ms;
    return idle;
}

bool lane_is_open(const struct lane *lane, bool is_of_many, int64_t now_ms)
{
    return lane->paused_until_ms <= now_ms && (!is_of_many || lane->under_way < LANE_UNDER_WAY_MAX);
}

void lane_taken(struct lane *lane)
{
    lane->failures = 0;
    lane->refused_len = 0;
    lane->paused_until_ms = 0;
}

void lanes_resume(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->len; i++)
        lane_taken(&lanes->lanes[i]);
}

void lane_failed(struct lane *lane, int64_t sent_at_ms, int64_t now_ms, int64_t after_ms, uint32_t random)
{
    if (sent_at_ms >= lane->failed_at_ms) {
        lane->failed_at_ms = now_ms;
        lane->failures++;
        int64_t pause_ms = push_backoff_ms((int)(lane->failures < 16 ? lane->failures : 16), random);
        if (pause_ms > LANE_PAUSE_MS_MAX)
            pause_ms = LANE_PAUSE_MS_MAX;
        if (now_ms + pause_ms > lane->paused_until_ms)
            lane->paused_until_ms = now_ms + pause_ms;
    }
    if (after_ms > 0 && now_ms + after_ms > lane->paused_until_ms)
        lane->paused_until_ms = now_ms + after_ms;
}

bool lane_key_refused(struct lane *lane, int64_t user_id)
{
    for (int i = 0; i < lane->refused_len; i++)
        if (lane->refused_user_ids[i] == user_id)
            return false;
    if (lane->refused_len < LANE_REFUSERS)
        lane->refused_user_ids[lane->refused_len++] = user_id;
    return lane->refused_len == LANE_REFUSERS;
}
