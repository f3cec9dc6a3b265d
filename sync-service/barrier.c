#include "barrier.h"
#include <time.h>
#include "clock.h"

void barrier_init(struct barrier *barrier)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic); /* none of these can fail on Linux */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&barrier->reached, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&barrier->lock, NULL);
    barrier->number = 0;
    barrier->missing = 0;
}

uint64_t barrier_begin(struct barrier *barrier, uint32_t count)
{
    (void)pthread_mutex_lock(&barrier->lock);
    uint64_t number = ++barrier->number;
    barrier->missing = count;
    (void)pthread_mutex_unlock(&barrier->lock);
    return number;
}

void barrier_reach(struct barrier *barrier, uint64_t number)
{
    (void)pthread_mutex_lock(&barrier->lock);
    if (barrier->number == number && barrier->missing > 0 && --barrier->missing == 0)
        (void)pthread_cond_signal(&barrier->reached);
    (void)pthread_mutex_unlock(&barrier->lock);
}

bool barrier_wait(struct barrier *barrier, int wait_ms)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * 1000000};
    int rc = 0;
    (void)pthread_mutex_lock(&barrier->lock);
    while (barrier->missing > 0 && rc == 0)
        rc = pthread_cond_timedwait(&barrier->reached, &barrier->lock, &until);
    bool all = barrier->missing == 0;
    (void)pthread_mutex_unlock(&barrier->lock);
    return all;
}
