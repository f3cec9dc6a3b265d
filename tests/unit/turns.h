#ifndef GNATTER_TURNS_H
#define GNATTER_TURNS_H
/*
 * A thread and its test in turns, by the test's clock: the thread waits where it would have slept until the test lets
 * it have its next turn, and the test until that is over. Nothing is at the same time, and nothing takes time.
 */
#include <semaphore.h>
#include <stdint.h>
#include "sync-service/clock.h"

static sem_t go, turned;
static int64_t time_ms;

int64_t clock_monotonic_ms(void)
{
    return time_ms;
}

static void turns_begin(void)
{
    (void)sem_init(&go, 0, 0);
    (void)sem_init(&turned, 0, 0);
}

/* In the thread, instead of sleeping. */
static void turn_is_over(void)
{
    (void)sem_post(&turned);
    (void)sem_wait(&go);
}

static void turn(void)
{
    (void)sem_post(&go);
    (void)sem_wait(&turned);
}

/* Later by so much; what the thread does then has been done. */
static void pass(int64_t ms)
{
    time_ms += ms;
    turn();
}
#endif
