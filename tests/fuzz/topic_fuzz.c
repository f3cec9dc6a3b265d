/* Every text that parses is the one spelling of what it says: writing it again gives the same bytes. */
#include <stdlib.h>
#include <string.h>
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(claim)                                                                                                   \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            abort();                                                                                                   \
    } while (0)

static void check_topic(struct slice text)
{
    struct topic topic;
    char buf[LIMIT_TOPIC_LEN + 1];
    if (topic_parse(text, &topic) != STATUS_OK)
        return;
    CHECK(topic_format(&topic, buf, sizeof buf) == text.len);
    CHECK(memcmp(buf, text.at, text.len) == 0 && buf[text.len] == '\0');
    CHECK(topic_format(&topic, buf, text.len) == 0);
}

static void check_inbox(struct slice text)
{
    struct inbox inbox;
    char buf[LIMIT_INBOX_TOPIC_LEN + 1];
    if (inbox_parse(text, &inbox) != STATUS_OK)
        return;
    CHECK(inbox_format(&inbox, buf, sizeof buf) == text.len);
    CHECK(memcmp(buf, text.at, text.len) == 0 && buf[text.len] == '\0');
    CHECK(inbox_format(&inbox, buf, text.len) == 0);
}

/* What is granted lies below alice's inbox or names one user. */
static void check_filter(struct slice text)
{
    enum filter_kind kind;
    struct slice watched;
    if (filter_parse(text, SLICE("alice"), &kind, &watched) != STATUS_OK)
        return;
    CHECK(memchr(text.at, '\0', text.len) == NULL);
    if (kind == FILTER_INBOX)
        CHECK(text.len > 12 && memcmp(text.at, "inbox/alice/", 12) == 0);
    else
        CHECK(name_is_user(watched) && text.len == 9 + watched.len && memcmp(text.at, "presence/", 9) == 0);
}

static void check_list(struct slice text)
{
    struct slice at = text;
    for (;;) {
        struct slice before = at;
        struct conversation_ref ref;
        struct conversation_name name;
        int64_t seq;
        enum status status = list_next(&at, true, &ref, &seq);
        if (status != STATUS_OK) {
            CHECK(at.at == before.at && at.len == before.len);
            CHECK((status == STATUS_NOT_FOUND) == (at.len == 0));
            return;
        }
        CHECK(at.at > before.at && at.at + at.len == text.at + text.len && seq >= 0);
        conversation_name_make(ref, SLICE("m"), &name);
        CHECK(name.len > 0);
    }
}

/* Both members' names for a direct conversation lead back to the server's. */
static void check_view(struct slice server_name, struct slice self)
{
    char buf[LIMIT_CONVERSATION_LEN + 1];
    struct conversation_ref ref;
    struct conversation_name name;
    size_t len = conversation_view(server_name, self, buf, sizeof buf);
    CHECK(len > 0 && len < sizeof buf);
    CHECK(conversation_ref_parse((struct slice){buf, len}, &ref) == STATUS_OK);
    conversation_name_make(ref, self, &name);
    CHECK(slice_equal((struct slice){name.text, name.len}, server_name));
}

static void check_conversation(struct slice text)
{
    enum conversation_kind kind;
    struct slice a, b;
    if (conversation_name_parse(text, &kind, &a, &b) != STATUS_OK)
        return;
    CHECK(text.len <= LIMIT_CONVERSATION_LEN);
    check_view(text, a.len <= LIMIT_USER_LEN ? a : SLICE("alice"));
    if (kind == CONVERSATION_DIRECT)
        check_view(text, b);
}

static void check_client_id(struct slice text)
{
    struct slice user, device;
    if (client_id_parse(text, &user, &device) != STATUS_OK)
        return;
    CHECK(name_is_user(user) && name_is_device(device) && text.len == user.len + 1 + device.len);
    CHECK(user.at == text.at && device.at == text.at + user.len + 1 && text.at[user.len] == ':');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    check_topic(text);
    check_inbox(text);
    check_filter(text);
    check_list(text);
    check_conversation(text);
    check_client_id(text);
    return 0;
}
