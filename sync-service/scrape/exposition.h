#ifndef GNATTER_EXPOSITION_H
#define GNATTER_EXPOSITION_H
/* Prometheus' text format, 0.0.4: a family has HELP and TYPE, then its samples. Pure but for the stream. */
#include <stdio.h>
#include "../histogram.h"

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };
/* Samples of this name follow. A counter's name ends in _total. */
void exposition_family(FILE *out, enum family_type type, const char *name, const char *help);

/* A label's value may hold anything. */
struct label {
    const char *name, *value;
};
#define LABELS_MAX 2
void exposition_sample(FILE *out, const char *name, const struct label labels[], size_t labels_len, double value);
/* The family's samples: each bucket, sum and count. */
void exposition_histogram(FILE *out, const char *name, const struct histogram_scale *scale,
                          const struct histogram_sum *sum);

/* A family with one sample and no label. */
void exposition_counter(FILE *out, const char *name, const char *help, double value);
void exposition_gauge(FILE *out, const char *name, const char *help, double value);

#endif
