/* The grammar of topics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "clients/protocol/topic.h"

static void topics(void **state)
{
    (void)state;
    static const struct { const char *text; bool is_good; const char *why; } cases[] = {
        {"chat/u/bob/m1", true, "a message"},
        {"chat/g/kitchen/m1", true, "to a group"},
        {"chat/u/bob/m1/", false, "a further empty level"},
        {"ack", true, "a list"},
        {"ack/", false, "not the list"},
        {"ack/u/bob/17", true, "a mark"},
        {"ack/u/bob/017", false, "a second spelling of 17"},
        {"read/g/x/9223372036854775807", true, "the last seq"},
        {"read/g/x/9223372036854775808", false, "above it"},
        {"typing/u/bob", true, ""},
        {"sync", true, ""},
        {"rpc/group.create/r1", true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topic topic;
        char buf[LIMIT_TOPIC_LEN + 1];
        enum status status = topic_parse(slice_of(cases[i].text), &topic);
        if ((status == STATUS_OK) != cases[i].is_good)
            fail_msg("%s: %s (%s)", cases[i].text, status_name(status), cases[i].why);
        if (status == STATUS_OK) {
            assert_int_equal(topic_format(&topic, buf, sizeof buf), strlen(cases[i].text));
            assert_string_equal(buf, cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(topics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
