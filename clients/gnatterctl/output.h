#ifndef GNATTER_CTL_OUTPUT_H
#define GNATTER_CTL_OUTPUT_H
/*
 * What a command prints: for people by default, with --json exactly one JSON value on standard output. Errors are one
 * line on standard error in both.
 */
#include <stdbool.h>
#include <libpq-fe.h>
#include <cjson/cJSON.h>
#include "ctl.h"

/* Prints "gnatterctl: ..." and returns REFUSED or USAGE. Line breaks in what is printed become "; ". */
enum result fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum result fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* To standard error, and go on. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes `value`. */
void output_json(cJSON *value);
/* A line for people, or the object (taken; may be NULL) for --json. */
void output_done(const struct args *args, cJSON *object, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A query's rows: an aligned table, or a JSON array of objects. `none` is said to people when there are no rows. */
void output_rows(const struct args *args, const PGresult *rows, const char *none);
cJSON *output_row_json(const PGresult *rows, int row);
/* Can everything printed reach its reader? Call last. */
enum result output_finish(enum result result);
#endif
