/* Strict JSON and the payload of a request: tests/vectors/json.tsv, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "vectors.h"
#include "clients/protocol/json.h"
#include "clients/protocol/rpc_request.h"

static void texts(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "json.tsv");
    while (vectors_next(&vectors, 3)) {
        for (int integers_only = 0; integers_only < 2; integers_only++) {
            bool is_good = slice_equal(vectors.column[0], integers_only ? SLICE("integers") : SLICE("ok")) ||
                           slice_equal(vectors.column[0], SLICE("integers"));
            struct cJSON *root = NULL;
            enum status status = json_parse(vectors.column[1], integers_only != 0, &root);
            VECTORS_CHECK(&vectors, status == (is_good ? STATUS_OK : STATUS_MALFORMED), vectors.column[2]);
            VECTORS_CHECK(&vectors, (root != NULL) == is_good, vectors.column[2]);
            cJSON_Delete(root);
        }
    }
}

static void values(void **state)
{
    (void)state;
    struct cJSON *root;
    assert_int_equal(json_parse(SLICE("{\"n\":999999999999999,\"s\":\"\\u00e9\\ud83e\\udd9f\"}"), true, &root),
                     STATUS_OK);
    assert_true(cJSON_GetObjectItemCaseSensitive(root, "n")->valuedouble == 999999999999999.0);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "s")->valuestring, "\xc3\xa9\xf0\x9f\xa6\x9f");
    cJSON_Delete(root);
    assert_int_equal(json_parse((struct slice){NULL, 0}, true, &root), STATUS_MALFORMED);
}

/* {"m0":0,"m1":1,...} */
static struct slice object_of(int members, char *buf)
{
    size_t len = 0;
    buf[len++] = '{';
    for (int i = 0; i < members; i++)
        len += (size_t)sprintf(buf + len, "%s\"m%d\":%d", i > 0 ? "," : "", i, i);
    buf[len++] = '}';
    return (struct slice){buf, len};
}

static void members_are_limited(void **state)
{
    (void)state;
    char buf[16 * (LIMIT_JSON_MEMBERS + 2)];
    struct cJSON *root;
    assert_int_equal(json_parse(object_of(LIMIT_JSON_MEMBERS, buf), false, &root), STATUS_OK);
    assert_int_equal(cJSON_GetArraySize(root), LIMIT_JSON_MEMBERS);
    cJSON_Delete(root);
    assert_int_equal(json_parse(object_of(LIMIT_JSON_MEMBERS + 1, buf), false, &root), STATUS_MALFORMED);
}

static void requests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        const char *why;
    } cases[] = {
        {"{}", STATUS_OK, "no parameters"},
        {" {\"conversation\":\"u/bob\",\"before\":17,\"limit\":50}\n", STATUS_OK, "parameters and blanks"},
        {"{\"x\":1.5}", STATUS_OK, "JSON has fractions"},
        {"", STATUS_MALFORMED, "not even {}"},
        {"[]", STATUS_MALFORMED, "no object"},
        {"\"{}\"", STATUS_MALFORMED, "no object"},
        {"1", STATUS_MALFORMED, "no object"},
        {"null", STATUS_MALFORMED, "no object"},
        {"{}{}", STATUS_MALFORMED, "two objects"},
        {"{\"user\":\"bob\",\"user\":\"carol\"}", STATUS_MALFORMED, "the database would take the last"},
        {"{\"title\":\"\\u0000\"}", STATUS_MALFORMED, "the database cannot hold it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cJSON *params = NULL;
        enum status status = rpc_request_parse(slice_of(cases[i].text), &params);
        if (status != cases[i].status)
            fail_msg("%s: %s (%s)", cases[i].text, status_name(status), cases[i].why);
        cJSON_Delete(params);
    }
}

static void request_bytes_are_limited(void **state)
{
    (void)state;
    static char text[LIMIT_RPC_BYTES + 1];
    struct cJSON *params;
    memset(text, ' ', sizeof text);
    text[0] = '{', text[1] = '}';
    assert_int_equal(rpc_request_parse((struct slice){text, LIMIT_RPC_BYTES}, &params), STATUS_OK);
    cJSON_Delete(params);
    assert_int_equal(rpc_request_parse((struct slice){text, LIMIT_RPC_BYTES + 1}, &params), STATUS_TOO_LARGE);
}

/* The longest request there is a use for: a group with every member named. */
static void largest_group_fits(void **state)
{
    (void)state;
    static char text[LIMIT_RPC_BYTES];
    size_t len = (size_t)sprintf(text, "{\"title\":\"%0256d\",\"members\":[", 0);
    for (int i = 0; i < LIMIT_GROUP_MEMBERS; i++)
        len += (size_t)sprintf(text + len, "%s\"u%031d\"", i > 0 ? "," : "", i);
    len += (size_t)sprintf(text + len, "]}");
    struct cJSON *params;
    assert_int_equal(rpc_request_parse((struct slice){text, len}, &params), STATUS_OK);
    cJSON_Delete(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(values),
        cmocka_unit_test(members_are_limited),
        cmocka_unit_test(requests),
        cmocka_unit_test(request_bytes_are_limited),
        cmocka_unit_test(largest_group_fits),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
