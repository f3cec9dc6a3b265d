#ifndef GNATTER_CLOCK_H
#define GNATTER_CLOCK_H
/* The two clocks. A thread reads them once per turn and passes the time on. Thread-safe. */
#include <stdint.h>

int64_t clock_unix_ms(void);
int64_t clock_monotonic_ms(void); /* for due times: never set back */

#endif
