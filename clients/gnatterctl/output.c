#include "output.h"
#include "text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *format, va_list list)
{
    char line[2048];
    int len = vsnprintf(line, sizeof(line), format, list);
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    while (used && (line[used - 1] == '\n' || line[used - 1] == ' '))
        used--;
    fputs("gnatterctl: ", stderr);
    for (size_t i = 0; i < used; i++) {
        if (line[i] == '\n')
            fputs("; ", stderr);
        else
            fputc(line[i] == '\t' ? ' ' : line[i], stderr);
    }
    fputc('\n', stderr);
}

enum result fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(format, list);
    va_end(list);
    return REFUSED;
}

enum result fail_usage(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(format, list);
    va_end(list);
    return USAGE;
}

void note(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(format, list);
    va_end(list);
}

void output_json(cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);
    puts(text ? text : "null");
    cJSON_free(text);
    cJSON_Delete(value);
}

void output_done(const struct args *args, cJSON *object, const char *format, ...)
{
    if (args->json) {
        output_json(object ? object : cJSON_CreateObject());
        return;
    }
    cJSON_Delete(object);
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

/* PostgreSQL's type numbers (pg_type.dat), fixed for ever. */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_JSON = 114, OID_JSONB = 3802 };

static cJSON *value_json(const PGresult *rows, int row, int column)
{
    if (PQgetisnull(rows, row, column))
        return cJSON_CreateNull();
    const char *text = PQgetvalue(rows, row, column);
    switch (PQftype(rows, column)) {
    case OID_BOOL:
        return cJSON_CreateBool(text[0] == 't');
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return cJSON_CreateRaw(text); /* a double would round a bigint */
    case OID_JSON:
    case OID_JSONB: {
        cJSON *parsed = cJSON_Parse(text);
        return parsed ? parsed : cJSON_CreateNull();
    }
    default:
        return cJSON_CreateString(text);
    }
}

cJSON *output_row_json(const PGresult *rows, int row)
{
    cJSON *object = cJSON_CreateObject();
    for (int column = 0; column < PQnfields(rows); column++)
        (void)cJSON_AddItemToObject(object, PQfname(rows, column), value_json(rows, row, column));
    return object;
}

static bool is_control(const unsigned char *at)
{
    return *at < ' ' || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0); /* C1, in UTF-8 */
}

/* What users write must not move an administrator's cursor, nor begin a line. Most of it is returned as it is. */
static const char *without_controls(const char *text)
{
    char *copy = NULL;
    for (size_t i = 0; text[i]; i++) {
        if (!is_control((const unsigned char *)text + i))
            continue;
        if (!copy)
            copy = text_copy(text, strlen(text));
        if ((unsigned char)text[i] == 0xc2)
            copy[i++] = '?';
        copy[i] = '?';
    }
    return copy ? copy : text;
}

/* As people read it, and type it where a command takes it. Row -1: the column's name. */
static const char *cell(const PGresult *rows, int row, int column)
{
    if (row < 0)
        return PQfname(rows, column);
    if (PQgetisnull(rows, row, column))
        return "-";
    const char *text = PQgetvalue(rows, row, column);
    if (PQftype(rows, column) == OID_BOOL)
        return text[0] == 't' ? "yes" : "no";
    return without_controls(text);
}

/* Widths first: a list of 20,000 users is measured once, not once a line. */
static void print_table(const PGresult *rows)
{
    enum { COLUMNS_MAX = 16 };
    int columns = PQnfields(rows) < COLUMNS_MAX ? PQnfields(rows) : COLUMNS_MAX;
    int widths[COLUMNS_MAX] = {0};
    for (int row = -1; row < PQntuples(rows); row++)
        for (int column = 0; column < columns; column++) {
            int width = (int)strlen(cell(rows, row, column));
            if (width > widths[column])
                widths[column] = width;
        }
    for (int row = -1; row < PQntuples(rows); row++)
        for (int column = 0; column < columns; column++) {
            bool last = column + 1 == columns;
            printf("%-*s%s", last ? 0 : widths[column], cell(rows, row, column), last ? "\n" : "  ");
        }
}

void output_rows(const struct args *args, const PGresult *rows, const char *none)
{
    if (args->json) {
        cJSON *array = cJSON_CreateArray();
        for (int row = 0; row < PQntuples(rows); row++)
            (void)cJSON_AddItemToArray(array, output_row_json(rows, row));
        output_json(array);
    } else if (PQntuples(rows) == 0) {
        puts(none);
    } else {
        print_table(rows);
    }
}

enum result output_finish(enum result result)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        int error = errno;
        return fail("cannot write the answer: %s", strerror(error));
    }
    return result;
}
