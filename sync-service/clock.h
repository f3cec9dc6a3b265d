#ifndef GNATTER_CLOCK_H
#define GNATTER_CLOCK_H
/* The clocks. A thread reads them once per turn and passes the time on. Thread-safe. */
#include <stdint.h>

int64_t clock_unix_ms(void);
/* Unix time as it was when first asked, and going on evenly from there: for due times that may also be told. */
int64_t clock_steady_ms(void);
int64_t clock_monotonic_ms(void); /* for due times: never set back */
int64_t clock_monotonic_us(void); /* for how long something took */

#endif
