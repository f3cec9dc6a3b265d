#include "pg_wire.h"
#include <stdlib.h>
#include <string.h>

/* type oids, fixed for ever (pg_type.dat) */
#define OID_BOOL        16
#define OID_BYTEA       17
#define OID_INT8        20
#define OID_INT4        23
#define OID_TEXT        25
#define PARAM_BYTES_MAX 0x3fffffff

static unsigned char *room(struct pg_params *params, size_t len)
{
    if (params->len + len > params->size) {
        size_t size = params->size == 0 ? 4096 : params->size;
        while (size < params->len + len)
            size *= 2;
        unsigned char *buf = realloc(params->buf, size);
        if (buf == NULL) {
            params->is_short = true;
            return NULL;
        }
        params->buf = buf;
        params->size = size;
    }
    unsigned char *at = params->buf + params->len;
    params->len += len;
    return at;
}

static void u32_write(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

static uint32_t u32_read(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_u32(struct pg_params *params, uint32_t value)
{
    unsigned char *at = room(params, 4);
    if (at != NULL)
        u32_write(at, value);
}

static void put_u64(struct pg_params *params, uint64_t value)
{
    put_u32(params, (uint32_t)(value >> 32));
    put_u32(params, (uint32_t)value);
}

static void put_raw(struct pg_params *params, const void *bytes, size_t len)
{
    unsigned char *at = room(params, len);
    if (at != NULL && len > 0)
        memcpy(at, bytes, len);
}

void pg_params_begin(struct pg_params *params)
{
    params->len = 0;
    params->params = 0;
    params->count_at = 0;
    params->count = 0;
    params->is_short = false;
}

void pg_params_free(struct pg_params *params)
{
    free(params->buf);
    memset(params, 0, sizeof *params);
}

/* The number of elements is known when the array is complete. */
static void array_end(struct pg_params *params)
{
    if (params->count_at != 0 && !params->is_short)
        u32_write(params->buf + params->count_at, params->count);
    params->count_at = 0;
    params->count = 0;
}

static void param_begin(struct pg_params *params)
{
    array_end(params);
    params->at[params->params++] = params->len;
}

static void array_begin(struct pg_params *params, uint32_t oid)
{
    param_begin(params);
    put_u32(params, 1); /* dimensions */
    put_u32(params, 0); /* no nulls */
    put_u32(params, oid);
    params->count_at = params->len;
    put_u32(params, 0);
    put_u32(params, 1); /* lower bound */
}

void pg_bigints(struct pg_params *params)
{
    array_begin(params, OID_INT8);
}

void pg_ints(struct pg_params *params)
{
    array_begin(params, OID_INT4);
}

void pg_booleans(struct pg_params *params)
{
    array_begin(params, OID_BOOL);
}

void pg_texts(struct pg_params *params)
{
    array_begin(params, OID_TEXT);
}

void pg_byteas(struct pg_params *params)
{
    array_begin(params, OID_BYTEA);
}

void pg_put_bigint(struct pg_params *params, int64_t value)
{
    put_u32(params, 8);
    put_u64(params, (uint64_t)value);
    params->count++;
}

void pg_put_int(struct pg_params *params, int32_t value)
{
    put_u32(params, 4);
    put_u32(params, (uint32_t)value);
    params->count++;
}

void pg_put_boolean(struct pg_params *params, bool value)
{
    put_u32(params, 1);
    put_raw(params, value ? "\1" : "\0", 1);
    params->count++;
}

void pg_put_bytes(struct pg_params *params, struct slice bytes)
{
    put_u32(params, (uint32_t)bytes.len);
    put_raw(params, bytes.at, bytes.len);
    params->count++;
}

void pg_bigint(struct pg_params *params, int64_t value)
{
    param_begin(params);
    put_u64(params, (uint64_t)value);
}

void pg_int(struct pg_params *params, int32_t value)
{
    param_begin(params);
    put_u32(params, (uint32_t)value);
}

void pg_boolean(struct pg_params *params, bool value)
{
    param_begin(params);
    put_raw(params, value ? "\1" : "\0", 1);
}

void pg_text(struct pg_params *params, struct slice text)
{
    param_begin(params);
    put_raw(params, text.at, text.len);
}

enum status pg_params_end(struct pg_params *params)
{
    array_end(params);
    if (params->is_short)
        return STATUS_NO_MEMORY;
    for (int i = 0; i < params->params; i++) {
        size_t end = i + 1 < params->params ? params->at[i + 1] : params->len;
        if (end - params->at[i] > PARAM_BYTES_MAX)
            return STATUS_TOO_LARGE;
        params->values[i] = (const char *)params->buf + params->at[i];
        params->lengths[i] = (int)(end - params->at[i]);
    }
    return STATUS_OK;
}

int64_t pg_read_bigint(const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    return (int64_t)((uint64_t)u32_read(at) << 32 | u32_read(at + 4));
}

int32_t pg_read_int(const char *value)
{
    return (int32_t)u32_read((const unsigned char *)value);
}

enum status pg_array_open(struct pg_array *array, struct slice value)
{
    const unsigned char *at = (const unsigned char *)value.at;
    if (value.len < 12 || u32_read(at) > 1 || u32_read(at + 8) != OID_INT8)
        return STATUS_MALFORMED;
    bool is_empty = u32_read(at) == 0;
    if (!is_empty && value.len < 20)
        return STATUS_MALFORMED;
    array->end = at + value.len;
    array->left = is_empty ? 0 : u32_read(at + 12);
    array->at = is_empty ? array->end : at + 20;
    return STATUS_OK;
}

enum status pg_array_next(struct pg_array *array, int64_t *ret_value, bool *ret_is_null)
{
    if (array->left == 0)
        return array->at == array->end ? STATUS_NOT_FOUND : STATUS_MALFORMED;
    if (array->end - array->at < 4)
        return STATUS_MALFORMED;
    uint32_t len = u32_read(array->at);
    bool is_null = len == UINT32_MAX;
    if (!is_null && (len != 8 || array->end - array->at < 12))
        return STATUS_MALFORMED;
    if (!is_null)
        *ret_value = pg_read_bigint((const char *)array->at + 4);
    *ret_is_null = is_null;
    array->at += is_null ? 4 : 12;
    array->left--;
    return STATUS_OK;
}
