#ifndef GNATTER_THREAD_H
#define GNATTER_THREAD_H
/* Ending threads that may hang in a question to a database that does not answer. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* False: it has not ended by then (monotonic), and goes on; what it uses must stay. */
bool thread_join(pthread_t thread, int64_t deadline_ms);

#endif
