#include "options.h"
#include "output.h"
#include "text.h"
#include <string.h>

#define AT(member) offsetof(struct args, member)
const struct option_row option_rows[] = {
    {"dir", OPTION_TEXT, AT(dir), "DIR", "the node's directory (default: $GNATTER_DIR, then ./run)"},
    {"json", OPTION_FLAG, AT(json), NULL, "print one JSON value"},
    {"help", OPTION_FLAG, AT(help), NULL, "print this"},
    {"version", OPTION_FLAG, AT(version), NULL, "print which version this is"},
    {"database", OPTION_TEXT, AT(database), "URI", "use this PostgreSQL server instead of a private one"},
    {"mqtt-port", OPTION_PORT, AT(mqtt_port), "N", "TCP port for MQTT (default 1883; 0: any free one)"},
    {"ws-port", OPTION_PORT, AT(ws_port), "N", "TCP port for MQTT over WebSocket (default 8083; 0: any free one)"},
    {"listen", OPTION_TEXT, AT(listen), "ADDRESS", "address of the plain listeners (default 127.0.0.1)"},
    {"plain-exposed", OPTION_FLAG, AT(plain_exposed), NULL,
     "allow --listen on an address others can reach, without TLS"},
    {"tls-cert", OPTION_TEXT, AT(tls_cert), "FILE", "certificate chain (PEM): adds listeners with TLS"},
    {"tls-key", OPTION_TEXT, AT(tls_key), "FILE", "its private key (PEM)"},
    {"tls-listen", OPTION_TEXT, AT(tls_listen), "ADDRESS", "address of the TLS listeners (default 0.0.0.0)"},
    {"mqtts-port", OPTION_PORT, AT(mqtts_port), "N", "TCP port for MQTT over TLS (default 8883)"},
    {"wss-port", OPTION_PORT, AT(wss_port), "N", "TCP port for WebSocket over TLS (default 8084)"},
    {"accelerator", OPTION_TEXT, AT(accelerator), "on|off",
     "on preloads a library that spares the broker system calls (default off)"},
    {"limits", OPTION_TEXT, AT(limits), "on|off", "off lifts the rate limits until the next up (load tests)"},
    {"foreground", OPTION_FLAG, AT(foreground), NULL, "supervise in the foreground, for containers"},
    {"if-missing", OPTION_FLAG, AT(if_missing), NULL, "one that exists already is fine"},
    {"ack", OPTION_TEXT, AT(ack), "explicit|auto", "auto: for devices that cannot publish acks"},
    {"ttl", OPTION_DURATION, AT(ttl_s), "TIME", "how long tokens are good: 90s, 15m, 12h, 30d (default 30d)"},
    {"count", OPTION_COUNT, AT(count), "N", "how many users"},
    {"prefix", OPTION_TEXT, AT(prefix), "TEXT", "their names: TEXT0, TEXT1, ... (default load)"},
    {"device", OPTION_TEXT, AT(device), "NAME", "the name of each one's device (default d)"},
    {"out", OPTION_TEXT, AT(out), "FILE", "file to write (readable by its owner only)"},
    {"once", OPTION_FLAG, AT(once), NULL, "show it once, after a second"},
    {"users", OPTION_COUNT, AT(users), "N", "how many on each side (default 1000)"},
    {"password", OPTION_TEXT, AT(password), "TEXT", "the one password; default: a random one, which is printed"},
    {"force", OPTION_FLAG, AT(force), NULL, "also where the listeners can be reached from outside"},
    {"owner", OPTION_TEXT, AT(owner), "USER", "the group's owner"},
    {"title", OPTION_TEXT, AT(title), "TEXT", "what people see as the group's name"},
    {"member", OPTION_MEMBERS, AT(members), "USER", "a member; may be repeated"},
    {"conversation", OPTION_TEXT, AT(conversation), "NAME", "only this one: g/<group> or d/<user>/<user>"},
    {"older-than", OPTION_DURATION, AT(older_than_s), "TIME", "what is older than this: 12h, 365d"},
    {"delivered", OPTION_FLAG, AT(delivered), NULL, "what every device of everybody concerned has acknowledged"},
    {"token", OPTION_TEXT, AT(token), "TOKEN", "the app's token (apns, fcm), or what your server likes (webhook)"},
    {"endpoint", OPTION_TEXT, AT(endpoint), "URL", "where to send (webpush, unifiedpush)"},
    {"p256dh", OPTION_TEXT, AT(p256dh), "KEY", "the device's public key, base64url (webpush, unifiedpush)"},
    {"auth", OPTION_TEXT, AT(auth), "KEY", "the device's secret, base64url (webpush, unifiedpush)"},
    {"topic", OPTION_TEXT, AT(topic), "BUNDLE", "which of the configured apps (apns)"},
    {"sandbox", OPTION_FLAG, AT(sandbox), NULL, "a development build (apns)"},
    {"silent", OPTION_FLAG, AT(silent), NULL, "the app shows no notification: it only fetches, and may wait"},
    {NULL, OPTION_FLAG, 0, NULL, NULL},
};

bool options_take(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static const struct option_row *find(const char *list, const char *name, size_t len)
{
    for (const struct option_row *row = option_rows; row->name; row++)
        if (strlen(row->name) == len && !memcmp(row->name, name, len) &&
            (options_take("dir json help", row->name) || options_take(list, row->name)))
            return row;
    return NULL;
}

static enum result put(struct args *args, const struct option_row *row, const char *value)
{
    void *at = (char *)args + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return DONE;
    case OPTION_TEXT:
        *(const char **)at = value;
        return DONE;
    case OPTION_PORT:
        if (!text_number(value, 0, 65535, at))
            return fail_usage("--%s takes a port from 0 to 65535, not \"%s\"", row->name, value);
        return DONE;
    case OPTION_COUNT:
        if (!text_number(value, 1, 10000000, at))
            return fail_usage("--%s takes a number from 1 to 10000000, not \"%s\"", row->name, value);
        return DONE;
    case OPTION_DURATION:
        if (!text_duration(value, at))
            return fail_usage("--%s takes a time such as 90s, 15m, 12h or 30d, not \"%s\"", row->name, value);
        return DONE;
    case OPTION_MEMBERS:
        if (args->members_len == LIMIT_GROUP_MEMBERS)
            return fail_usage("a group has at most %d members", LIMIT_GROUP_MEMBERS);
        args->members[args->members_len++] = value;
        return DONE;
    }
    return USAGE;
}

enum result options_parse(struct args *args, const char *list, bool until_word, int argc, char **argv)
{
    int words = 1;
    int i = 1;
    for (; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "-h"))
            word = "--help";
        if (!strcmp(word, "--")) {
            i++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (until_word)
                break;
            argv[words++] = argv[i];
            continue;
        }
        const char *name = word[1] == '-' ? word + 2 : "";
        size_t len = strcspn(name, "=");
        const struct option_row *row = find(list, name, len);
        if (!row)
            return fail_usage("no option %s here; --help shows what there is", word);
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        if (row->kind == OPTION_FLAG && value)
            return fail_usage("--%s takes no value", row->name);
        if (row->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc)
                return fail_usage("--%s takes a value: %s", row->name, row->value);
            value = argv[++i];
        }
        enum result result = put(args, row, value);
        if (result != DONE)
            return result;
    }
    while (i < argc)
        argv[words++] = argv[i++];
    args->words = argv + 1;
    args->words_len = words - 1;
    return DONE;
}
