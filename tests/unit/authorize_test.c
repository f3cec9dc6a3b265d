/* Options, and what a device may publish, subscribe to and receive.
 * link: broker-plugin/options.c broker-plugin/authorize.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "broker-plugin/authorize.h"
#include "broker-plugin/options.h"

#define REQUIRED                                                                                                       \
    {"keys_file", "/k"}, {"link_secret_file", "/s"}, {"journal_file", "/j"},                                           \
    {                                                                                                                  \
        "revocations_file", "/r"                                                                                       \
    }

static void options_are_a_table(void **state)
{
    (void)state;
    struct options options;
    char why[256], help[4096];
    const struct option_given given[] = {REQUIRED, {"limits", "off"}, {"journal_bytes", "2097152"}, {"node", "eu-1"}};
    assert_int_equal(options_read(&options, given, 7, why, sizeof why), STATUS_OK);
    assert_string_equal(options.keys_file, "/k");
    assert_string_equal(options.node, "eu-1");
    assert_false(options.limits);
    assert_int_equal(options.journal_bytes, 2097152);
    assert_int_equal(options.max_message_bytes, LIMIT_MESSAGE_BYTES_DEFAULT);
    assert_int_equal(options.rates.messages_per_second, 100);
    assert_int_equal(options.rates.messages_burst, 2000);
    assert_true(options_help(help, sizeof help) < sizeof help);
    assert_non_null(strstr(help, "plugin_opt_messages_burst\t2000\t"));
}

static void bad_options(void **state)
{
    (void)state;
    static const struct {
        struct option_given given;
        const char *said;
    } cases[] = {
        {{"keys", "/k"}, "unknown option plugin_opt_keys"},
        {{"keys_file", "/k2"}, "given twice"},
        {{"journal_bytes", "1048575"}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", "-1"}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", "64M"}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", "+2097152"}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", " 2097152"}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", ""}, "plugin_opt_journal_bytes"},
        {{"journal_bytes", "99999999999999999999"}, "plugin_opt_journal_bytes"},
        {{"max_message_bytes", "0"}, "plugin_opt_max_message_bytes"},
        {{"max_message_bytes", "196609"}, "plugin_opt_max_message_bytes"},
        {{"messages_per_second", "0"}, "plugin_opt_messages_per_second"},
        {{"messages_burst", "4000001"}, "plugin_opt_messages_burst"},
        {{"limits", "yes"}, "plugin_opt_limits"},
        {{"node", "a b"}, "plugin_opt_node"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options options = {.node = "untouched"};
        char why[256] = "";
        const struct option_given given[] = {REQUIRED, cases[i].given};
        assert_int_equal(options_read(&options, given, 5, why, sizeof why), STATUS_MALFORMED);
        if (strstr(why, cases[i].said) == NULL)
            fail_msg("%s %s: %s", cases[i].given.name, cases[i].given.value, why);
        assert_string_equal(options.node, "untouched");
    }
    const struct option_given three[] = {{"keys_file", "/k"}, {"journal_file", "/j"}, {"revocations_file", "/r"}};
    struct options options;
    char why[256], longest[OPTIONS_PATH_LEN + 2];
    assert_int_equal(options_read(&options, three, 3, why, sizeof why), STATUS_MALFORMED);
    assert_non_null(strstr(why, "plugin_opt_link_secret_file is missing"));
    memset(longest, 'x', sizeof longest);
    longest[OPTIONS_PATH_LEN + 1] = '\0';
    const struct option_given path[] = {REQUIRED, {"limits_file", longest}}, none[] = {{"keys_file", ""}};
    assert_int_equal(options_read(&options, path, 5, why, sizeof why), STATUS_MALFORMED);
    longest[OPTIONS_PATH_LEN] = '\0';
    assert_int_equal(options_read(&options, path, 5, why, sizeof why), STATUS_OK);
    assert_string_equal(options.limits_file, longest);
    assert_int_equal(options_read(&options, none, 1, why, sizeof why), STATUS_MALFORMED);
    assert_non_null(strstr(why, "plugin_opt_keys_file cannot be : "));
}

/* As long as there is room for, and one more. */
static void long_addresses(void **state)
{
    (void)state;
    struct options options;
    char why[2048], addresses[sizeof options.rates.trusted_addresses + 1];
    const struct option_given longer[] = {REQUIRED, {"trusted_addresses", addresses}},
                              longest[] = {REQUIRED, {"trusted_addresses", addresses + 1}};
    memset(addresses, ' ', sizeof addresses);
    memcpy(addresses + 1, "::1,", 4); /* NOLINT(bugprone-not-null-terminated-result): the text goes on */
    memcpy(addresses + sizeof addresses - 4, "::1", 4);
    assert_int_equal(options_read(&options, longer, 5, why, sizeof why), STATUS_MALFORMED);
    assert_int_equal(options_read(&options, longest, 5, why, sizeof why), STATUS_OK);
    assert_string_equal(options.rates.trusted_addresses, addresses + 1);
}

static void publishing(void **state)
{
    (void)state;
    struct topic topic;
    assert_int_equal(authorize_publish(SLICE("chat/u/bob/m"), false, &topic), STATUS_OK);
    assert_int_equal(authorize_publish(SLICE("chat/u/bob/m"), true, &topic), STATUS_DENIED);
    assert_int_equal(authorize_publish(SLICE("inbox/bob/synced"), false, &topic), STATUS_DENIED);
    assert_int_equal(authorize_publish(SLICE("$CONTROL/gnatter/v1"), false, &topic), STATUS_DENIED);
    assert_int_equal(authorize_publish(SLICE("$q"), false, &topic), STATUS_DENIED);
}

static void advice(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *said;
    } cases[] = {
        {"chat/u/Bob/m", "chat/u/<user>/<message id>"},
        {"chat", "chat/u/<user>/<message id>"},
        {"ack/u/bob/0", "ack/u/<user>/<seq>"},
        {"read/", "read/u/<user>/<seq>"},
        {"typing", "typing/u/<user>"},
        {"sync/u/bob", "sync alone"},
        {"rpc/history", "rpc/<method>/<request id>"},
        {"chats/u/bob/m", "not a topic"},
        {"/chat/u/bob/m", "not a topic"},
        {"Chat/u/bob/m", "not a topic"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strstr(authorize_topic_advice(slice_of(cases[i].topic)), cases[i].said) == NULL)
            fail_msg("%s: %s", cases[i].topic, authorize_topic_advice(slice_of(cases[i].topic)));
}

static void payloads(void **state)
{
    (void)state;
    static char large[LIMIT_RPC_BYTES + 2];
    static const struct {
        const char *topic;
        struct slice payload;
        enum status status;
        uint32_t lines;
    } cases[] = {
        {"chat/u/bob/m", {NULL, 0}, STATUS_OK, 1},
        {"chat/u/bob/m", {large, 1000}, STATUS_OK, 1},
        {"chat/u/bob/m", {large, LIMIT_RPC_BYTES + 2}, STATUS_TOO_LARGE, 0},
        {"ack/u/bob/1", {NULL, 0}, STATUS_OK, 1},
        {"ack/u/bob/1", {"x", 1}, STATUS_MALFORMED, 0},
        {"read/u/bob/1", {"\n", 1}, STATUS_MALFORMED, 0},
        {"ack", {NULL, 0}, STATUS_OK, 0},
        {"ack", {"u/bob 1\ng/x 2\n", 14}, STATUS_OK, 2},
        {"read", {"u/bob 0", 7}, STATUS_MALFORMED, 0},
        {"sync", {"u/bob 0", 7}, STATUS_OK, 1},
        {"sync", {"u/bob\n", 6}, STATUS_MALFORMED, 0},
        {"typing/u/bob", {"1", 1}, STATUS_OK, 1},
        {"typing/u/bob", {"0", 1}, STATUS_OK, 1},
        {"typing/u/bob", {"", 0}, STATUS_MALFORMED, 0},
        {"typing/u/bob", {"1\n", 2}, STATUS_MALFORMED, 0},
        {"rpc/devices/1", {large, LIMIT_RPC_BYTES}, STATUS_OK, 1},
        {"rpc/devices/1", {large, LIMIT_RPC_BYTES + 1}, STATUS_TOO_LARGE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topic topic;
        uint32_t lines = 0;
        assert_int_equal(authorize_publish(slice_of(cases[i].topic), false, &topic), STATUS_OK);
        enum status status = authorize_payload(&topic, cases[i].payload, LIMIT_RPC_BYTES + 1, &lines);
        if (status != cases[i].status || (status == STATUS_OK && lines != cases[i].lines))
            fail_msg("%s with %zu bytes: %s, %u lines", cases[i].topic, cases[i].payload.len, status_name(status),
                     lines);
    }
    /* An edit travels in a request: it is never longer than a message may be. */
    struct topic topic;
    uint32_t lines = 0;
    assert_int_equal(authorize_publish(SLICE("rpc/message.edit/1"), false, &topic), STATUS_OK);
    assert_int_equal(authorize_payload(&topic, SLICE("{}"), 2, &lines), STATUS_OK);
    assert_int_equal(authorize_payload(&topic, SLICE("{}"), 1, &lines), STATUS_TOO_LARGE);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    static char list[8 * (LIMIT_LIST_LINES + 1) + 1];
    struct topic topic;
    uint32_t lines;
    for (int i = 0; i <= LIMIT_LIST_LINES; i++)
        memcpy(list + 8 * i, "u/bob 1\n", 8); /* NOLINT(bugprone-not-null-terminated-result) */
    assert_int_equal(authorize_publish(SLICE("read"), false, &topic), STATUS_OK);
    struct slice payload = {list, 8 * LIMIT_LIST_LINES};
    assert_int_equal(authorize_payload(&topic, payload, 100000, &lines), STATUS_OK);
    assert_int_equal(lines, LIMIT_LIST_LINES);
    payload.len += 8;
    assert_int_equal(authorize_payload(&topic, payload, 100000, &lines), STATUS_TOO_LARGE);
}

static void subscribing(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *below, *watched;
    } cases[] = {
        {"inbox/alice/#", "#", NULL},  {"inbox/alice/chat/+/bob/#", "chat/+/bob/#", NULL},
        {"presence/bob", NULL, "bob"}, {"inbox/alice", NULL, NULL},
        {"inbox/alic/#", NULL, NULL},  {"inbox/alicex/#", NULL, NULL},
        {"inbox/+/chat", NULL, NULL},  {"$share/x/inbox/alice/#", NULL, NULL},
        {"presence/#", NULL, NULL},    {"#", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter_wish wish;
        enum status status = authorize_subscribe(slice_of(cases[i].filter), SLICE("alice"), &wish);
        assert_int_equal(status, cases[i].below != NULL || cases[i].watched != NULL ? STATUS_OK : STATUS_DENIED);
        if (cases[i].below != NULL)
            assert_true(wish.kind == FILTER_INBOX && slice_equal(wish.below, slice_of(cases[i].below)));
        if (cases[i].watched != NULL)
            assert_true(wish.kind == FILTER_PRESENCE && slice_equal(wish.watched, slice_of(cases[i].watched)));
    }
}

static void receiving(void **state)
{
    (void)state;
    assert_true(authorize_receive(SLICE("inbox/alice/synced"), SLICE("alice")));
    assert_true(authorize_receive(SLICE("presence/bob"), SLICE("alice")));
    assert_false(authorize_receive(SLICE("inbox/alicex/synced"), SLICE("alice")));
    assert_false(authorize_receive(SLICE("inbox/alice"), SLICE("alice")));
    assert_false(authorize_receive(SLICE("$q"), SLICE("alice")));
    assert_false(authorize_receive(SLICE("$SYS/broker/uptime"), SLICE("alice")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_a_table),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(publishing),
        cmocka_unit_test(advice),
        cmocka_unit_test(payloads),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(subscribing),
        cmocka_unit_test(receiving),
        cmocka_unit_test(long_addresses),
    };
    return cmocka_run_group_tests_name("authorize", tests, NULL, NULL);
}
