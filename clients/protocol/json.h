#ifndef GNATTER_JSON_H
#define GNATTER_JSON_H
/*
 * JSON from outside (tokens, rpc requests), strictly: cJSON alone takes control characters as blanks, numbers such as
 * 01, bytes that are no UTF-8, NULs inside strings, and trailing bytes. No I/O; cJSON allocates. Thread-safe.
 */
#include <stdbool.h>
#include "status.h"
#include "topic.h"

struct cJSON;

#define JSON_INTEGER_DIGITS 15 /* every such number is exact in cJSON's double */

/*
 * One RFC 8259 value that is all of `text`. STATUS_MALFORMED: it is not; or a member's name comes twice in an object, a
 * string has a NUL or a lone surrogate, a nesting is deeper than LIMIT_JSON_DEPTH, an object has more than
 * LIMIT_JSON_MEMBERS members, a number is longer than LIMIT_JSON_NUMBER_LEN or its exponent than two digits; with
 * `integers_only`, a number has a fraction, an exponent or more than JSON_INTEGER_DIGITS digits. STATUS_NO_MEMORY.
 * Gives *ret_root: free with cJSON_Delete.
 */
MUST_CHECK enum status json_parse(struct slice text, bool integers_only, struct cJSON **ret_root);

#endif
