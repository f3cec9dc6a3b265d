#define _GNU_SOURCE /* pthread_clockjoin_np, pthread_tryjoin_np */
#include "thread.h"
#include <time.h>
#ifdef __SANITIZE_THREAD__
#include "clock.h"

/* It does not know that pthread_clockjoin_np joins. */
bool thread_join(pthread_t thread, int64_t deadline_ms)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        if (clock_monotonic_ms() >= deadline_ms)
            return false;
        (void)nanosleep(&moment, NULL); /* interrupted: an early look */
    }
    return true;
}
#else

bool thread_join(pthread_t thread, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = (deadline_ms % 1000) * 1000000};
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}
#endif
