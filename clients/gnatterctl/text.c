#include "text.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All texts, so that they can be given back at the end and a leak checker sees only real leaks. */
struct text {
    struct text *next;
    char at[];
};
static struct text *texts;

const void *text_mark(void)
{
    return texts;
}

void text_release(const void *mark)
{
    while (texts && texts != mark) {
        struct text *text = texts;
        texts = text->next;
        free(text);
    }
}

static void texts_free(void)
{
    text_release(NULL);
}

char *text_room(size_t size)
{
    struct text *text = malloc(sizeof(*text) + size);
    if (!text) {
        fputs("gnatterctl: out of memory\n", stderr);
        exit(1);
    }
    static bool is_registered;
    if (!is_registered)
        (void)atexit(texts_free); /* on failure the kernel frees it all the same */
    is_registered = true;
    text->next = texts;
    texts = text;
    return text->at;
}

char *text_format(const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = text_room(len < 0 ? 1 : (size_t)len + 1);
    text[0] = '\0';
    if (len >= 0)
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

char *text_copy(const char *at, size_t len)
{
    char *text = text_room(len + 1);
    if (len)
        memcpy(text, at, len);
    text[len] = '\0';
    return text;
}

char *text_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

bool text_number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || *end || number < min || number > max)
        return false;
    *ret_number = number;
    return true;
}

bool text_duration(const char *text, int64_t *ret_s)
{
    static const struct {
        char letter;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    const int64_t max_s = (int64_t)100 * 366 * 86400;
    size_t len = strlen(text);
    if (len == 0 || len > 12)
        return false;
    int64_t unit_s = 1;
    char digits[16];
    memcpy(digits, text, len + 1);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (digits[len - 1] == units[i].letter) {
            unit_s = units[i].s;
            digits[len - 1] = '\0';
            break;
        }
    int64_t number;
    if (!text_number(digits, 1, max_s / unit_s, &number))
        return false;
    *ret_s = number * unit_s;
    return true;
}
