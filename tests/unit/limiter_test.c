/* Limits that no session holds: ledgers, addresses, the limits file.
 * link: broker-plugin/limiter.c broker-plugin/ledger.c broker-plugin/addresses.c
 * link: broker-plugin/rates.c broker-plugin/bucket.c broker-plugin/options.c broker-plugin/small_file.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "broker-plugin/limiter.h"
#include "clients/protocol/frame.h"
#include "no_memory.h"

static char path[] = "/tmp/gnatter-limits-test-XXXXXX";
static uint32_t retry_ms;

static void file_is(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* ---- ledgers ---- */
static void a_ledger_counts_by_name(void **state)
{
    (void)state;
    const struct rate rate = {.per_second = 10, .burst = 3};
    struct ledger ledger;
    ledger_init(&ledger, 100);
    for (int i = 0; i < 3; i++)
        assert_true(ledger_take(&ledger, SLICE("a"), rate, 0, 1, &retry_ms));
    assert_false(ledger_take(&ledger, SLICE("a"), rate, 0, 1, &retry_ms));
    assert_int_equal(retry_ms, 100);
    assert_false(ledger_could_take(&ledger, SLICE("a"), rate, 50, 3, &retry_ms));
    assert_int_equal(retry_ms, 250);
    assert_true(ledger_take(&ledger, SLICE("b"), rate, 0, 3, &retry_ms));
    assert_true(ledger_could_take(&ledger, SLICE("c"), rate, 0, 3, &retry_ms)); /* and nobody is remembered for it */
    assert_int_equal(ledger_len(&ledger), 2);
    ledger_return(&ledger, SLICE("a"), rate, 1);
    assert_true(ledger_take(&ledger, SLICE("a"), rate, 0, 1, &retry_ms));
    ledger_sweep(&ledger, rate, 299);
    assert_int_equal(ledger_len(&ledger), 2);
    ledger_sweep(&ledger, rate, 300);
    assert_int_equal(ledger_len(&ledger), 0);
    ledger_done(&ledger);
}

static void a_ledger_is_bounded(void **state)
{
    (void)state;
    const struct rate rate = {.per_second = 1, .burst = 2};
    struct ledger ledger;
    char key[16];
    ledger_init(&ledger, 50);
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(key, sizeof key, "k%d", i);
        assert_true(ledger_take(&ledger, (struct slice){key, (size_t)len}, rate, 0, 2, &retry_ms));
        assert_true(ledger_len(&ledger) <= 50);
    }
    assert_false(ledger_take(&ledger, SLICE("k999"), rate, 0, 1, &retry_ms)); /* the newest are known */
    assert_false(ledger_take(&ledger, SLICE("k950"), rate, 0, 1, &retry_ms));
    assert_true(ledger_take(&ledger, SLICE("k0"), rate, 0, 1, &retry_ms));     /* the oldest went */
    assert_true(ledger_take(&ledger, SLICE("new"), rate, 5000, 1, &retry_ms)); /* all are full again: room for many */
    assert_int_equal(ledger_len(&ledger), 1);
    ledger_done(&ledger);
}

/* It has room for an entry, and none for the table: nothing is refused for that, and nothing ends. */
static bool lets_through(void)
{
    const struct rate rate = {.per_second = 1, .burst = 2};
    struct ledger ledger;
    bool is_let = true;
    ledger_init(&ledger, 50);
    for (int i = 0; i < 3; i++)
        is_let &= ledger_take(&ledger, SLICE("a-key-of-sixteen"), rate, 0, 2, &retry_ms);
    return is_let && ledger_len(&ledger) == 0;
}

static void a_ledger_without_memory_lets_through(void **state)
{
    (void)state;
    assert_without_memory(lets_through, sizeof(UT_hash_handle) + sizeof(struct bucket) + 16);
}

/* ---- addresses ---- */
static void lists_of_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int len; /* -1: refused */
    } lists[] = {
        {"none", 0},     {"127.0.0.1", 1},   {"127.0.0.0/8, ::1", 2}, {"127.0.0.0/8,::1,10.0.0.0/0", 3},
        {"::/0", 1},     {"1.2.3.4/32", 1},  {"::1/128", 1},          {"", -1},
        {",", -1},       {"127.0.0.1,", -1}, {"127.0.0.1 ::1", -1},   {"1.2.3.4/33", -1},
        {"::1/129", -1}, {"1.2.3.4/", -1},   {"1.2.3.4/-1", -1},      {"1.2.3.4/8x", -1},
        {"host", -1},    {"1.2.3", -1},      {"1.2.3.4/8/8", -1},     {"none, ::1", -1},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct trusted trusted;
        enum status status = trusted_parse(lists[i].list, &trusted);
        if ((status == STATUS_OK ? trusted.len : -1) != lists[i].len)
            fail_msg("\"%s\": %s", lists[i].list, status_name(status));
    }
    static const char one[] = ",1.2.3.4";
    char many[(TRUSTED_MAX + 1) * sizeof one] = "1.2.3.4", *end = many + strlen(many);
    for (int i = 1; i < TRUSTED_MAX; i++, end += sizeof one - 1)
        memcpy(end, one, sizeof one);
    assert_true(trusted_is_list(many));
    memcpy(end, one, sizeof one);
    assert_false(trusted_is_list(many));
}

static void who_is_trusted(void **state)
{
    (void)state;
    static const struct {
        const char *list, *address;
        bool is_trusted;
    } cases[] = {
        {"127.0.0.0/8", "127.255.0.1", true},
        {"127.0.0.0/8", "128.0.0.1", false},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"127.0.0.0/8", "::1", false},
        {"10.1.2.128/25", "10.1.2.200", true},
        {"10.1.2.128/25", "10.1.2.127", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"0.0.0.0/0", "9.9.9.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"none", "127.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trusted trusted;
        struct address address;
        assert_int_equal(trusted_parse(cases[i].list, &trusted), STATUS_OK);
        assert_int_equal(address_parse(cases[i].address, &address), STATUS_OK);
        if (trusted_has(&trusted, address) != cases[i].is_trusted)
            fail_msg("%s in %s", cases[i].address, cases[i].list);
    }
}

static struct rates few(void)
{
    struct rates rates;
    rates_make(&rates,
               &(struct rate_options){.connections_per_second = 1,
                                      .connections_burst = 3,
                                      .auth_failures_per_minute = 6,
                                      .auth_failures_burst = 2},
               false);
    return rates;
}

static void an_address_has_its_share(void **state)
{
    (void)state;
    struct rates rates = few();
    struct addresses addresses;
    addresses_init(&addresses, 100);
    assert_int_equal(trusted_parse("127.0.0.0/8", &addresses.trusted), STATUS_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 0, &retry_ms), ADDRESS_OK);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 0, &retry_ms), ADDRESS_TOO_FAST);
    assert_int_equal(retry_ms, 1000);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.2", 0, &retry_ms), ADDRESS_OK);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 1000, &retry_ms), ADDRESS_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(addresses_connect(&addresses, &rates, "127.0.0.9", 0, &retry_ms), ADDRESS_OK);
        addresses_failed(&addresses, &rates, "127.0.0.9", 0);
    }
    /* anybody has 2^64 of these */
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            addresses_connect(&addresses, &rates, i == 0 ? "2001:db8::1" : "2001:db8::ffff:1", 0, &retry_ms),
            ADDRESS_OK);
    assert_int_equal(addresses_connect(&addresses, &rates, "2001:db8::2", 0, &retry_ms), ADDRESS_TOO_FAST);
    assert_int_equal(addresses_connect(&addresses, &rates, "2001:db8:0:1::2", 0, &retry_ms), ADDRESS_OK);
    rates.is_off = true;
    assert_int_equal(addresses_connect(&addresses, &rates, "2001:db8::2", 0, &retry_ms), ADDRESS_OK);
    addresses_done(&addresses);
}

static void failed_logins_block(void **state)
{
    (void)state;
    struct rates rates = few();
    struct addresses addresses;
    addresses_init(&addresses, 100);
    rates.connections = (struct rate){1000, 1000};
    addresses_failed(&addresses, &rates, "10.0.0.1", 0);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 0, &retry_ms), ADDRESS_OK);
    addresses_failed(&addresses, &rates, "10.0.0.1", 0);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 0, &retry_ms), ADDRESS_BLOCKED);
    assert_int_equal(retry_ms, 10000); /* six a minute */
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.2", 0, &retry_ms), ADDRESS_OK);
    assert_int_equal(addresses_connect(&addresses, &rates, "10.0.0.1", 10000, &retry_ms), ADDRESS_OK);
    addresses_sweep(&addresses, &rates, 60000);
    assert_int_equal(addresses_len(&addresses), 0);
    addresses_done(&addresses);
}

static void addresses_are_bounded(void **state)
{
    (void)state;
    struct rates rates = few();
    struct addresses addresses;
    char address[32];
    addresses_init(&addresses, 64);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(address, sizeof address, "10.%d.%d.1", i / 256, i % 256);
        assert_int_equal(addresses_connect(&addresses, &rates, address, 0, &retry_ms), ADDRESS_OK);
        addresses_failed(&addresses, &rates, address, 0);
        assert_true(addresses_len(&addresses) <= 64);
    }
    addresses_done(&addresses);
}

/* ---- the file ---- */
static void the_limits_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"messages_per_second\n", "messages_per_second cannot be : "},
        {"messages_per_second 0\n", "messages_per_second cannot be 0: "},
        {"messages_per_second x\n", "messages_per_second cannot be x: "},
        {"keys_file /x\n", "unknown limit keys_file"},
        {"what 1\n", "unknown limit what"},
        {"groups_burst 1112\n", "groups_burst cannot be 1112: "},
        {"bytes_burst 1000\n", "bytes_burst cannot be 1000: "},
        {"trusted_addresses here\n", "trusted_addresses cannot be here: "},
        {"trusted_addresses\n", "trusted_addresses cannot be : "},
        {"messages_per_second 1 2\n", "messages_per_second cannot be 1 2: "},
    };
    struct options options = {.limits = true};
    struct limiter limiter;
    char why[256], help[8192];
    const struct option_given given[] = {
        {"keys_file", "/k"},   {"link_secret_file", "/s"}, {"journal_file", "/j"}, {"revocations_file", "/r"},
        {"limits_file", path}, {"messages_burst", "7"},    {"requests_burst", "9"}};
    assert_int_equal(options_read(&options, given, 7, why, sizeof why), STATUS_OK);
    file_is("# what operators set\nmessages_per_second 5 # slowly\n\nmessages_burst 11\ntrusted_addresses 10.0.0.0/8, "
            "::1\n");
    assert_int_equal(limiter_init(&limiter, &options, why, sizeof why), STATUS_OK);
    assert_int_equal(limiter.rates.chat.per_second, 5);
    assert_int_equal(limiter.rates.chat.burst, 11);
    assert_int_equal(limiter.rates.chat_user.burst, 44);
    assert_false(limiter.needs_direct);
    assert_int_equal(limiter.rates.rpc.burst, 9);
    assert_int_equal(limiter.addresses.trusted.len, 2);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_is(bad[i].text);
        if (limiter_reload(&limiter, &options, why, sizeof why) != STATUS_MALFORMED || limiter.rates.chat.burst != 11)
            fail_msg("taken: %s", bad[i].text);
        if (strncmp(why, bad[i].said, strlen(bad[i].said)) != 0)
            fail_msg("%s: %s", bad[i].text, why);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(limiter_reload(&limiter, &options, why, sizeof why), STATUS_NOT_FOUND);
    assert_int_equal(limiter.rates.chat.burst, 11);
    file_is("user_messages_burst 3 \t\r\n\t\r\n #\ntrusted_addresses none\r\n");
    assert_int_equal(limiter_reload(&limiter, &options, why, sizeof why), STATUS_OK);
    assert_int_equal(limiter.rates.chat.burst, 7); /* as the broker's configuration has it */
    assert_int_equal(limiter.rates.chat_user.burst, 3);
    assert_int_equal(limiter.addresses.trusted.len, 0);
    assert_true(options_help(help, sizeof help) < sizeof help);
    assert_non_null(strstr(help, "plugin_opt_auth_failures_per_minute\t60\t"));
    limiter_done(&limiter);
}

/* ---- what devices do ---- */
static struct limiter generous(void)
{
    struct limiter limiter;
    char why[256];
    struct options options;
    const struct option_given given[] = {
        {"keys_file", "/k"}, {"link_secret_file", "/s"}, {"journal_file", "/j"}, {"revocations_file", "/r"}};
    assert_int_equal(options_read(&options, given, 4, why, sizeof why), STATUS_OK);
    assert_int_equal(limiter_init(&limiter, &options, why, sizeof why), STATUS_OK);
    return limiter;
}

struct guest {
    struct rates_session rates;
    union {
        struct session session;
        char room[sizeof(struct session) + 32];
    };
    union {
        struct user user;
        char more[sizeof(struct user) + 32];
    };
};

static void guest_comes(struct guest *guest, const struct limiter *limiter, const char *user, const char *device)
{
    memset(guest, 0, sizeof *guest);
    guest->session.user = &guest->user;
    (void)sprintf(guest->session.client_id, "%s:%s", user, device);
    memcpy(guest->user.name, user, strlen(user) + 1);
    guest->session.rates = &guest->rates;
    rates_session_start(&guest->rates, &limiter->rates, 0);
    bucket_fill(&guest->user.chat, limiter->rates.chat_user, 0);
}

static void each_limit_says_which(void **state)
{
    (void)state;
    struct limiter limiter = generous();
    struct limit_hit hit;
    struct guest guest;
    const struct slice kitchen = SLICE("g/kitchen");
    guest_comes(&guest, &limiter, "alice", "phone");
    assert_true(!limiter.needs_bytes && !limiter.needs_direct); /* by default the limits of messages are enough */
    limiter.needs_bytes = true;
    limiter.rates.chat_conversation = (struct rate){10, 2};
    assert_true(limiter_take_message(&limiter, &guest.session, kitchen, 100, 0, &hit));
    assert_true(limiter_take_message(&limiter, &guest.session, kitchen, 100, 0, &hit));
    uint32_t left = guest.session.rates->chat.thousandths, of_user = guest.user.chat.thousandths;
    assert_false(limiter_take_message(&limiter, &guest.session, kitchen, 100, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_CONVERSATION_MESSAGES);
    assert_int_equal(hit.retry_after_ms, 100);
    assert_int_equal(guest.session.rates->chat.thousandths, left); /* nothing was taken in vain */
    assert_int_equal(guest.user.chat.thousandths, of_user);
    assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/hall"), 100, 0, &hit));

    limiter.rates.bytes = (struct rate){16, 3072}; /* 1 KiB a second, 192 KiB at once */
    ledger_done(&limiter.bytes);
    assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/hall"), 196608, 0, &hit));
    left = guest.session.rates->chat.thousandths;
    assert_false(limiter_take_message(&limiter, &guest.session, SLICE("g/attic"), 1024, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_DEVICE_BYTES);
    assert_int_equal(hit.retry_after_ms, 1000);
    assert_int_equal(guest.session.rates->chat.thousandths, left);
    left = guest.session.rates->rpc.thousandths;
    assert_false(limiter_take_request(&limiter, &guest.session, false, 64, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_DEVICE_BYTES);
    assert_int_equal(guest.session.rates->rpc.thousandths, left);
    assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/attic"), 0, 0, &hit)); /* none is free */

    guest_comes(&guest, &limiter, "bob", "phone"); /* by client id: this one has all of it */
    limiter.rates.groups = (struct rate){1, 2 * RATES_HOUR_TOKENS};
    assert_true(limiter_take_request(&limiter, &guest.session, true, 64, 0, &hit));
    assert_true(limiter_take_request(&limiter, &guest.session, true, 64, 0, &hit));
    left = guest.session.rates->rpc.thousandths;
    assert_false(limiter_take_request(&limiter, &guest.session, true, 64, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_USER_GROUPS);
    assert_int_equal(hit.retry_after_ms, 3600000);
    assert_int_equal(guest.session.rates->rpc.thousandths, left);
    assert_true(limiter_take_request(&limiter, &guest.session, false, 64, 0, &hit));
    limiter.rates.rpc = (struct rate){1, 1};
    assert_true(limiter_take_request(&limiter, &guest.session, false, 64, 0, &hit));
    assert_false(limiter_take_request(&limiter, &guest.session, false, 64, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_DEVICE_REQUESTS);

    limiter.rates.chat = (struct rate){1, 1};
    assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/attic"), 10, 0, &hit));
    assert_false(limiter_take_message(&limiter, &guest.session, SLICE("g/attic"), 10, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_DEVICE_MESSAGES);
    assert_int_equal(limiter.counted[COUNTER_DEVICE_BYTES], 2);
    limiter.rates.is_off = true;
    for (int i = 0; i < 100; i++) {
        assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/attic"), 100000, 0, &hit));
        assert_true(limiter_take_request(&limiter, &guest.session, true, 100000, 0, &hit));
    }
    limiter_done(&limiter);
}

static void only_what_can_be_met_is_looked_up(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool needs_bytes, needs_direct;
    } cases[] = {
        {"", false, false},
        {"bytes_per_second 6553536\n", true, false},
        {"bytes_per_second 6553600\nbytes_burst 131072000\n", false, false},
        {"bytes_burst 131071936\n", true, false},
        {"messages_per_second 129\n", true, true},
        {"conversation_messages_per_second 799\n", false, true},
        {"conversation_messages_burst 15999\n", false, true},
        {"user_messages_burst 8001\n", false, true},
        {"messages_per_second 4000000\nmessages_burst 4000000\n", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct limiter limiter = {.needs_bytes = false};
        struct options options;
        char why[256];
        const struct option_given given[] = {{"keys_file", "/k"},
                                             {"link_secret_file", "/s"},
                                             {"journal_file", "/j"},
                                             {"revocations_file", "/r"},
                                             {"limits_file", path}};
        file_is(cases[i].file);
        assert_int_equal(options_read(&options, given, 5, why, sizeof why), STATUS_OK);
        assert_int_equal(limiter_init(&limiter, &options, why, sizeof why), STATUS_OK);
        if (limiter.needs_bytes != cases[i].needs_bytes || limiter.needs_direct != cases[i].needs_direct)
            fail_msg("%s", cases[i].file);
        limiter_done(&limiter);
    }
}

/* A message that takes no bytes gives none back: they would be those of a request. */
static void a_refused_message_gives_a_request_nothing(void **state)
{
    (void)state;
    struct limiter limiter = generous();
    struct limit_hit hit;
    struct guest guest;
    guest_comes(&guest, &limiter, "alice", "phone");
    limiter.rates.bytes = (struct rate){16, 1024}; /* 64 KiB at once: one request */
    limiter.rates.chat_conversation = (struct rate){1, 1};
    assert_true(limiter_take_request(&limiter, &guest.session, false, 65536, 0, &hit));
    assert_true(limiter_take_message(&limiter, &guest.session, SLICE("g/hall"), 65536, 0, &hit));
    assert_false(limiter_take_message(&limiter, &guest.session, SLICE("g/hall"), 65536, 0, &hit));
    assert_false(limiter_take_request(&limiter, &guest.session, false, 65536, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_DEVICE_BYTES);
    limiter.needs_bytes = true; /* one that takes them gives them back, and so does a group that is not made */
    limiter.rates.groups = (struct rate){1, RATES_HOUR_TOKENS};
    guest_comes(&guest, &limiter, "bob", "phone");
    assert_false(limiter_take_message(&limiter, &guest.session, SLICE("g/hall"), 65536, 0, &hit));
    assert_true(limiter_take_request(&limiter, &guest.session, true, 32768, 0, &hit));
    assert_false(limiter_take_request(&limiter, &guest.session, true, 32768, 0, &hit));
    assert_int_equal(hit.counter, COUNTER_USER_GROUPS);
    assert_true(limiter_take_request(&limiter, &guest.session, false, 32768, 0, &hit));
    limiter_done(&limiter);
}

static void only_news_is_told(void **state)
{
    (void)state;
    struct limiter limiter = generous();
    char values[COUNTERS * 8];
    struct frame_op op = {.type = UP_COUNTERS, .counters = {{values, sizeof values}}};
    assert_true(limiter_tell(&limiter, 5, values)); /* the first time, also that there is nothing */
    limiter_count(&limiter, COUNTER_OVERLOADED);
    assert_false(limiter_tell(&limiter, 1004, values));
    assert_true(limiter_tell(&limiter, 1005, values));
    assert_int_equal(frame_counter(&op, COUNTER_OVERLOADED), 1);
    assert_int_equal(frame_counter(&op, COUNTERS), 0);
    assert_false(limiter_tell(&limiter, 9000, values));
    limiter_tell_anew(&limiter);
    assert_true(limiter_tell(&limiter, 9000, values));
    for (int i = 0; i < COUNTERS; i++)
        assert_true(counter_name((enum counter)i)[0] != '\0');
    limiter_done(&limiter);
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_counts_by_name),
        cmocka_unit_test(a_ledger_is_bounded),
        cmocka_unit_test(a_ledger_without_memory_lets_through),
        cmocka_unit_test(lists_of_addresses),
        cmocka_unit_test(who_is_trusted),
        cmocka_unit_test(an_address_has_its_share),
        cmocka_unit_test(failed_logins_block),
        cmocka_unit_test(addresses_are_bounded),
        cmocka_unit_test(the_limits_file),
        cmocka_unit_test(only_what_can_be_met_is_looked_up),
        cmocka_unit_test(each_limit_says_which),
        cmocka_unit_test(a_refused_message_gives_a_request_nothing),
        cmocka_unit_test(only_news_is_told),
    };
    return cmocka_run_group_tests_name("limiter", tests, begin, end);
}
