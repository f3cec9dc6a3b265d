#define _GNU_SOURCE /* pthread_clockjoin_np */
#include "thread.h"
#include <time.h>

bool thread_join(pthread_t thread, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = (deadline_ms % 1000) * 1000000};
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}
