#include "json.h"

#include <cjson/cJSON.h>
#include <string.h>

struct scan {
    const unsigned char *at, *end;
    bool integers_only;
};

static bool value_scan(struct scan *scan, int depth);

static int peek(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : -1;
}

static bool take(struct scan *scan, int byte)
{
    if (peek(scan) != byte)
        return false;
    scan->at++;
    return true;
}

static void blanks_skip(struct scan *scan)
{
    while (peek(scan) == ' ' || peek(scan) == '\t' || peek(scan) == '\n' || peek(scan) == '\r')
        scan->at++;
}

static bool word_scan(struct scan *scan, const char *word)
{
    for (; *word != '\0'; word++)
        if (!take(scan, *word))
            return false;
    return true;
}

static size_t digits_skip(struct scan *scan)
{
    const unsigned char *from = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9')
        scan->at++;
    return (size_t)(scan->at - from);
}

static bool number_scan(struct scan *scan)
{
    const unsigned char *from = scan->at;
    (void)take(scan, '-');
    bool is_zero = peek(scan) == '0';
    size_t digits = digits_skip(scan);
    if (digits == 0 || (is_zero && digits > 1))
        return false;
    bool is_integer = digits <= JSON_INTEGER_DIGITS;
    if (take(scan, '.')) {
        is_integer = false;
        if (digits_skip(scan) == 0)
            return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        is_integer = false;
        if (!take(scan, '+'))
            (void)take(scan, '-');
        digits = digits_skip(scan);
        if (digits == 0 || digits > 2)
            return false;
    }
    return scan->at - from <= LIMIT_JSON_NUMBER_LEN && (is_integer || !scan->integers_only);
}

/* Four hexadecimal digits, or -1. */
static long hex4_scan(struct scan *scan)
{
    long code = 0;
    for (int i = 0; i < 4; i++) {
        int byte = peek(scan);
        if (byte >= '0' && byte <= '9')
            code = code * 16 + (byte - '0');
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            code = code * 16 + ((byte | 0x20) - 'a' + 10);
        else
            return -1;
        scan->at++;
    }
    return code;
}

/* What follows a backslash. */
static bool escape_scan(struct scan *scan)
{
    int byte = peek(scan);
    if (byte <= 0 || strchr("\"\\/bfnrtu", byte) == NULL)
        return false;
    scan->at++;
    if (byte != 'u')
        return true;
    long code = hex4_scan(scan);
    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff)) /* a NUL would end cJSON's string */
        return false;
    if (code < 0xd800 || code > 0xdbff)
        return true;
    if (!take(scan, '\\') || !take(scan, 'u'))
        return false;
    code = hex4_scan(scan);
    return code >= 0xdc00 && code <= 0xdfff;
}

/* One character above ASCII, in its shortest form (RFC 3629). */
static bool utf8_scan(struct scan *scan)
{
    unsigned lead = *scan->at++;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4)
        return false;
    for (int i = 0; i < more; i++) {
        int low = 0x80, high = 0xbf;
        if (i == 0 && lead == 0xe0)
            low = 0xa0; /* else it has a shorter form */
        else if (i == 0 && lead == 0xed)
            high = 0x9f; /* else a surrogate */
        else if (i == 0 && lead == 0xf0)
            low = 0x90;
        else if (i == 0 && lead == 0xf4)
            high = 0x8f; /* else above U+10FFFF */
        if (peek(scan) < low || peek(scan) > high)
            return false;
        scan->at++;
    }
    return true;
}

static bool string_scan(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (!take(scan, '"')) {
        int byte = peek(scan);
        if (byte < 0x20) /* a control character, or the end */
            return false;
        if (byte >= 0x80) {
            if (!utf8_scan(scan))
                return false;
        } else {
            scan->at++;
            if (byte == '\\' && !escape_scan(scan))
                return false;
        }
    }
    return true;
}

static bool array_scan(struct scan *scan, int depth)
{
    blanks_skip(scan);
    if (take(scan, ']'))
        return true;
    do {
        if (!value_scan(scan, depth))
            return false;
    } while (take(scan, ','));
    return take(scan, ']');
}

static bool object_scan(struct scan *scan, int depth)
{
    blanks_skip(scan);
    if (take(scan, '}'))
        return true;
    int members = 0;
    do {
        blanks_skip(scan);
        if (++members > LIMIT_JSON_MEMBERS || !string_scan(scan))
            return false;
        blanks_skip(scan);
        if (!take(scan, ':') || !value_scan(scan, depth))
            return false;
    } while (take(scan, ','));
    return take(scan, '}');
}

/* A value and the blanks around it. The recursion is bounded by LIMIT_JSON_DEPTH. */
static bool value_scan(struct scan *scan, int depth)
{
    bool is_good = false;
    blanks_skip(scan);
    switch (peek(scan)) {
    case '{':
        scan->at++;
        is_good = depth < LIMIT_JSON_DEPTH && object_scan(scan, depth + 1);
        break;
    case '[':
        scan->at++;
        is_good = depth < LIMIT_JSON_DEPTH && array_scan(scan, depth + 1);
        break;
    case '"':
        is_good = string_scan(scan);
        break;
    case 't':
        is_good = word_scan(scan, "true");
        break;
    case 'f':
        is_good = word_scan(scan, "false");
        break;
    case 'n':
        is_good = word_scan(scan, "null");
        break;
    default:
        is_good = number_scan(scan);
        break;
    }
    blanks_skip(scan);
    return is_good;
}

/* Names are compared as decoded: "a" and its escaped spelling are the same member. */
static bool has_duplicates(const cJSON *value)
{
    for (const cJSON *child = value->child; child != NULL; child = child->next) {
        if (cJSON_IsObject(value))
            for (const cJSON *other = child->next; other != NULL; other = other->next)
                if (strcmp(child->string, other->string) == 0)
                    return true;
        if (has_duplicates(child))
            return true;
    }
    return false;
}

enum status json_parse(struct slice text, bool integers_only, struct cJSON **ret_root)
{
    if (text.len == 0)
        return STATUS_MALFORMED;
    const unsigned char *at = (const unsigned char *)text.at;
    struct scan scan = {at, at + text.len, integers_only};
    if (!value_scan(&scan, 0) || scan.at != scan.end)
        return STATUS_MALFORMED;
    cJSON *root = cJSON_ParseWithLength(text.at, text.len);
    if (root == NULL)
        return STATUS_NO_MEMORY; /* it takes everything the scan has let through */
    if (has_duplicates(root)) {
        cJSON_Delete(root);
        return STATUS_MALFORMED;
    }
    *ret_root = root;
    return STATUS_OK;
}
