#ifndef GNATTER_PG_WIRE_H
#define GNATTER_PG_WIRE_H
/*
 * Parameters and results of PostgreSQL in its binary form: arrays of bigint, int, boolean, text and bytea out, scalars
 * and arrays of bigint in. Pure but for memory; integers are big-endian on the wire.
 */
#include "../clients/protocol/topic.h"

#define PG_PARAMS_MAX 8

/* The parameters of one query, grown in one buffer that is used again for the next. A failed allocation is remembered
 * and told by pg_params_status. */
struct pg_params {
    unsigned char *buf;
    size_t len, size;
    size_t at[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int params;
    size_t count_at; /* of the array being written */
    uint32_t count;
    bool is_short; /* no memory */
};
void pg_params_begin(struct pg_params *params);
void pg_params_free(struct pg_params *params);
/* Start the next parameter, an array; its elements follow with pg_put_... of the same type. */
void pg_bigints(struct pg_params *params);
void pg_ints(struct pg_params *params);
void pg_booleans(struct pg_params *params);
void pg_texts(struct pg_params *params);
void pg_byteas(struct pg_params *params);
void pg_put_bigint(struct pg_params *params, int64_t value);
void pg_put_int(struct pg_params *params, int32_t value);
void pg_put_boolean(struct pg_params *params, bool value);
void pg_put_bytes(struct pg_params *params, struct slice bytes); /* text or bytea */
/* The next parameter, a scalar. */
void pg_bigint(struct pg_params *params, int64_t value);
void pg_int(struct pg_params *params, int32_t value);
void pg_boolean(struct pg_params *params, bool value);
void pg_text(struct pg_params *params, struct slice text);
/* Ends the last array and fills in `values` and `lengths`. STATUS_NO_MEMORY, STATUS_TOO_LARGE (above 1 GiB - 1). */
MUST_CHECK enum status pg_params_end(struct pg_params *params);

int64_t pg_read_bigint(const char *value);
int32_t pg_read_int(const char *value);

/* An array of bigint as it came. */
struct pg_array {
    const unsigned char *at, *end;
    uint32_t left;
};
/* STATUS_MALFORMED: not a one-dimensional array of bigint. An empty array has no dimension. */
MUST_CHECK enum status pg_array_open(struct pg_array *array, struct slice value);
/* The next element; null is told. STATUS_NOT_FOUND after the last. */
MUST_CHECK enum status pg_array_next(struct pg_array *array, int64_t *ret_value, bool *ret_is_null);

#endif
