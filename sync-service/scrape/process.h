#ifndef GNATTER_PROCESS_METRICS_H
#define GNATTER_PROCESS_METRICS_H
/* What every Prometheus client tells of its process: process_... */
#include <stdint.h>
#include <stdio.h>

void process_metrics(FILE *out, int64_t since_unix_s);

#endif
