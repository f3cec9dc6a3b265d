/* The service's configuration. link: sync-service/config.c sync-service/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sync-service/config.h"

static const struct {
    const char *text, *expect_error; /* NULL: taken */
    int line;
    const char *why;
} cases[] = {
    {"[service]\ndatabase = dbname=x\n", NULL, 0, "the one key that has no default"},
    {"[service]\ndatabase=dbname=x user=y", NULL, 0, "no blanks around =, no last newline; a value may hold ="},
    {"# c\n; c\n\n[node]\nwhatever = 1\n[service]\r\n  database = dbname=x\r\n", NULL, 0,
     "comments, other sections, CR"},
    {"[service]\n", "section [service] names no database", 0, "required"},
    {"", "section [service] names no database", 0, "empty"},
    {"[service]\ndatabase = dbname=x\nwindow = 3\n", "unknown key \"window\" (--help lists the keys)", 3,
     "a typing error stops the start"},
    {"[service]\ndatabase = dbname=x\ndatabase = dbname=y\n", "database: given twice", 3, "which one counts?"},
    {"[service]\ndatabase = dbname=x\nshards = 65\n", "shards: expected a number from 0 to 64 (threads)", 3,
     "above its limit"},
    {"[service]\ndatabase = dbname=x\nshards = 2x\n", "shards: expected a number from 0 to 64 (threads)", 3,
     "not a number"},
    {"[service]\ndatabase = dbname=x\nshards =\n", "shards: expected a number from 0 to 64 (threads)", 3, "nothing"},
    {"[service]\ndatabase = dbname=x\nlog_level = loud\n", "log_level: error, warning, notice, info or debug", 3,
     "no such level"},
    {"[service]\ndatabase = dbname=x password=two words\n",
     "database: not a connection string of libpq (what holds spaces goes in single quotes)", 2,
     "no piece of the password is told"},
    {"[service]\ndatabase\n", "expected \"key = value\"", 2, "no value"},
};

static void each_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config;
        struct config_error error = {0};
        config_init(&config);
        enum status status = config_parse(&config, slice_of(cases[i].text), "/etc", &error);
        if (cases[i].expect_error == NULL) {
            assert_int_equal(status, STATUS_OK);
        } else {
            assert_int_equal(status, STATUS_MALFORMED);
            assert_string_equal(error.text, cases[i].expect_error);
            assert_int_equal(error.line, cases[i].line);
            assert_null(config.database); /* nothing of it counts */
        }
        config_done(&config);
    }
}

static void values_and_paths(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    config_init(&config);
    const char *text = "[service]\ndatabase = dbname=x\nlink_secret_file = keys/s\nlink_ca_file = /a/b\nshards = 3\n"
                       "log_level = debug\n";
    assert_int_equal(config_parse(&config, slice_of(text), "/node", &error), STATUS_OK);
    assert_string_equal(config.database, "dbname=x");
    assert_string_equal(config.link_secret_file, "/node/keys/s");
    assert_string_equal(config.link_ca_file, "/a/b");
    assert_string_equal(config.status_socket, "/node/run/syncd.sock");
    assert_string_equal(config.links, "mqtt://127.0.0.1:1883");
    assert_int_equal(config.shards, 3);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config.window_items, 256);
    config_done(&config);
}

static void no_password_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *database, *shown, *why;
    } databases[] = {
        {"host=/run user=syncd passfile=keys/pg", "database = host=/run user=syncd passfile=keys/pg\n",
         "there is none"},
        {"postgresql://syncd@db:5432/gnatter", "database = postgresql://syncd@db:5432/gnatter\n", "nor in this URI"},
        {"dbname=password user=syncd", "database = dbname=password user=syncd\n", "only a name"},
        {"user=syncd password=hunter2", NULL, "a list"},
        {"postgresql://syncd:hunter2@db/gnatter", NULL, "before the host"},
        {"postgres://db/gnatter?user=syncd&pass%77ord=hunter2", NULL, "a parameter, however it is spelled"},
        {"host=db sslpassword=hunter2", NULL, "that of the key"},
    };
    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++) {
        char text[200], shown[8192] = "";
        struct config config;
        struct config_error error;
        config_init(&config);
        (void)snprintf(text, sizeof text, "[service]\ndatabase = %s\n", databases[i].database);
        assert_int_equal(config_parse(&config, slice_of(text), NULL, &error), STATUS_OK);
        FILE *out = fmemopen(shown, sizeof shown, "w");
        assert_non_null(out);
        config_print(&config, out);
        assert_int_equal(fclose(out), 0);
        assert_null(strstr(shown, "hunter2"));
        assert_non_null(strstr(shown, databases[i].shown
                                          ? databases[i].shown
                                          : "# database is set, and not shown as it may hold a password\n"));
        config_done(&config);
    }
}

static void reload_takes_what_may_change(void **state)
{
    (void)state;
    struct config config, fresh;
    struct config_error error;
    int ignored;
    config_init(&config);
    config_init(&fresh);
    assert_int_equal(config_parse(&config, SLICE("[service]\ndatabase = dbname=x\n"), NULL, &error), STATUS_OK);
    assert_int_equal(
        config_parse(&fresh, SLICE("[service]\ndatabase = dbname=y\nshards = 2\nlog_level = error\n"), NULL, &error),
        STATUS_OK);
    config_reload(&config, &fresh, &ignored);
    assert_int_equal(ignored, 2);
    assert_string_equal(config.database, "dbname=x");
    assert_int_equal(config.log_level, LOG_LEVEL_ERROR);
    config_done(&config);
    config_done(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case),
        cmocka_unit_test(values_and_paths),
        cmocka_unit_test(no_password_is_shown),
        cmocka_unit_test(reload_takes_what_may_change),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
