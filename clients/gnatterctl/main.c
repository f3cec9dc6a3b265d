/* gnatterctl: finds the command's row, reads its options, runs it. */
#include "ctl.h"
#include "options.h"
#include "output.h"
#include "text.h"
#include "../protocol/version.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_option(const struct option_row *row)
{
    const char *left = text_format("--%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
    printf("  %-24s %s\n", left, row->help);
}

static void print_options(const char *list)
{
    for (const struct option_row *row = option_rows; row->name; row++)
        if (options_take(list, row->name))
            print_option(row);
}

static bool starts_with_word(const char *name, const char *word)
{
    size_t len = strlen(word);
    return !strncmp(name, word, len) && (name[len] == ' ' || name[len] == '\0');
}

/* All commands, or those that start with `first`. */
static void print_commands(const char *first)
{
    printf("usage: gnatterctl [--dir DIR] [--json] COMMAND ...\n\ncommands:\n");
    for (const struct command *command = commands; command->name; command++)
        if (!first || starts_with_word(command->name, first)) {
            const char *left = text_format("%s %s", command->name, command->words);
            printf("  %-24s %s\n", left, command->help);
        }
    printf("\noptions everywhere:\n");
    print_options("dir json help");
    printf("\nwithout a command:\n");
    print_options("version");
    printf("\ngnatterctl COMMAND --help shows a command's own options.\n"
           "Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n");
}

static void print_command(const struct command *command)
{
    printf("usage: gnatterctl %s%s%s%s\n\n%s\n\noptions:\n", command->name, command->words[0] ? " " : "",
           command->words, command->options[0] ? " [OPTION ...]" : "", command->help);
    print_options(command->options);
    print_options(command->words_max < 0 ? "dir help" : "dir json help"); /* another program prints what it prints */
}

static const struct command *find(char **words, int words_len)
{
    for (const struct command *command = commands; command->name; command++) {
        const char *second = strchr(command->name, ' ');
        if (!second && !strcmp(words[0], command->name))
            return command;
        if (second && words_len > 1 && !strcmp(words[1], second + 1) && starts_with_word(command->name, words[0]))
            return command;
    }
    return NULL;
}

static bool is_first_word(const char *word)
{
    for (const struct command *command = commands; command->name; command++)
        if (starts_with_word(command->name, word))
            return true;
    return false;
}

static bool asks_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
}

static enum result print_version(const struct args *args)
{
    cJSON *object = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(object, "version", GNATTER_VERSION);
    output_done(args, object, "gnatterctl %s", GNATTER_VERSION);
    return DONE;
}

static enum result run(struct args *args, int argc, char **argv)
{
    enum result result = options_parse(args, "version", true, argc, argv);
    if (result != DONE)
        return result;
    char **words = args->words;
    int words_len = args->words_len;
    if (args->help || (words_len && !strcmp(words[0], "help"))) {
        print_commands(NULL);
        return DONE;
    }
    if (args->version)
        return print_version(args);
    if (!words_len)
        return fail_usage("which command? gnatterctl --help lists them");
    const struct command *command = find(words, words_len);
    if (!command) {
        if (!is_first_word(words[0]))
            return fail_usage("no command \"%s\"; gnatterctl --help lists them", words[0]);
        if (words_len > 1 && asks_help(words[1])) {
            print_commands(words[0]);
            return DONE;
        }
        return fail_usage("%s what? gnatterctl %s --help lists its commands", words[0], words[0]);
    }
    int name_words = strchr(command->name, ' ') ? 2 : 1;
    if (command->words_max < 0) { /* another program's arguments: not ours to read, but for --help as the only one */
        args->words = words + name_words;
        args->words_len = words_len - name_words;
        args->help = args->words_len == 1 && !strcmp(args->words[0], "--help");
    } else {
        result = options_parse(args, command->options, false, words_len - name_words + 1, words + name_words - 1);
        if (result != DONE)
            return result;
    }
    if (args->help) {
        print_command(command);
        return DONE;
    }
    if (args->words_len < command->words_min || (command->words_max >= 0 && args->words_len > command->words_max))
        return fail_usage("usage: gnatterctl %s %s", command->name, command->words);
    return command->run(args);
}

/* Whoever closed one of the three would have a file or a connection of ours in its place, with our words in it. What is
 * opened here cannot be written, so an answer that nobody gets is an error still. */
static bool standard_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct args args = {.mqtt_port = -1,
                        .ws_port = -1,
                        .mqtts_port = -1,
                        .wss_port = -1,
                        .ttl_s = -1,
                        .count = -1,
                        .users = -1,
                        .older_than_s = -1};
    const char *dir = getenv("GNATTER_DIR");
    args.dir = dir && *dir ? dir : "run";
    if (!standard_open())
        return (int)fail("cannot open /dev/null: %s", strerror(errno));
    if (sodium_init() < 0)
        return (int)fail("the system's random numbers are not available");
    return (int)output_finish(run(&args, argc, argv));
}
