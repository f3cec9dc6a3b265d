/* The grammar of names and topics: tests/vectors/{names,topics,filters,inbox,conversations,lists}.tsv, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "vectors.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const char *const topic_kinds[] = {"chat", "ack", "read", "ack-list", "read-list", "typing", "sync", "rpc"};
static const char *const inbox_kinds[] = {"chat",          "event",  "sent",  "delivered", "read",
                                          "receipts",      "typing", "error", "rpc",       "history-chat",
                                          "history-event", "synced", "flags"};

static bool is_of_form(struct slice form, struct slice text)
{
    int64_t seq;
    struct slice a, b;
    struct conversation_ref ref;
    enum conversation_kind kind;
    if (slice_equal(form, SLICE("user")))
        return name_is_user(text);
    if (slice_equal(form, SLICE("device")))
        return name_is_device(text);
    if (slice_equal(form, SLICE("group")))
        return name_is_group(text);
    if (slice_equal(form, SLICE("message-id")))
        return name_is_message_id(text);
    if (slice_equal(form, SLICE("seq")))
        return seq_parse(text, false, &seq) == STATUS_OK;
    if (slice_equal(form, SLICE("seq-or-zero")))
        return seq_parse(text, true, &seq) == STATUS_OK;
    if (slice_equal(form, SLICE("client-id")))
        return client_id_parse(text, &a, &b) == STATUS_OK;
    if (slice_equal(form, SLICE("conversation")))
        return conversation_ref_parse(text, &ref) == STATUS_OK;
    if (slice_equal(form, SLICE("server-name")))
        return conversation_name_parse(text, &kind, &a, &b) == STATUS_OK;
    fail_msg("no such form: %s", form.at);
    return false;
}

static void names(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "names.tsv");
    while (vectors_next(&vectors, 4)) {
        bool is_good = slice_equal(vectors.column[1], SLICE("ok"));
        VECTORS_CHECK(&vectors, is_of_form(vectors.column[0], vectors.column[2]) == is_good, vectors.column[3]);
    }
}

static void number_values(void **state)
{
    (void)state;
    int64_t seq = 77;
    assert_int_equal(seq_parse(SLICE("9223372036854775807"), false, &seq), STATUS_OK);
    assert_true(seq == LIMIT_SEQ);
    assert_int_equal(seq_parse(SLICE("120"), false, &seq), STATUS_OK);
    assert_int_equal(seq, 120);
    assert_int_equal(seq_parse(SLICE("12x"), false, &seq), STATUS_MALFORMED);
    assert_int_equal(seq, 120); /* untouched on failure */
    assert_int_equal(seq_parse((struct slice){NULL, 0}, true, &seq), STATUS_MALFORMED);
}

static void client_id_values(void **state)
{
    (void)state;
    struct slice user, device;
    assert_int_equal(client_id_parse(SLICE("alice:phone"), &user, &device), STATUS_OK);
    assert_true(slice_equal(user, SLICE("alice")) && slice_equal(device, SLICE("phone")));
    assert_false(slice_equal(user, SLICE("alicf")) || slice_equal(user, SLICE("alic")));
}

/* Also that it comes back as it was, into a buffer that just fits and no smaller one. */
static bool topic_comes_back(struct slice text, const struct topic *topic)
{
    char buf[LIMIT_TOPIC_LEN + 1];
    return topic_format(topic, buf, text.len + 1) == text.len && memcmp(buf, text.at, text.len + 1) == 0 &&
           topic_format(topic, buf, text.len) == 0 && topic_format(topic, buf, 0) == 0;
}

static void topics(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "topics.tsv");
    while (vectors_next(&vectors, 3)) {
        struct topic topic;
        memset(&topic, 0x5a, sizeof topic);
        struct topic before = topic;
        enum status status = topic_parse(vectors.column[1], &topic);
        if (slice_equal(vectors.column[0], SLICE("refused"))) {
            VECTORS_CHECK(&vectors, status == STATUS_MALFORMED, vectors.column[2]);
            VECTORS_CHECK(&vectors, memcmp(&before, &topic, sizeof topic) == 0, /* NOLINT: copied with its padding */
                          vectors.column[2]);
        } else {
            VECTORS_CHECK(&vectors, status == STATUS_OK, vectors.column[2]);
            VECTORS_CHECK(&vectors, slice_equal(vectors.column[0], slice_of(topic_kinds[topic.kind])),
                          vectors.column[2]);
            VECTORS_CHECK(&vectors, topic_comes_back(vectors.column[1], &topic), vectors.column[2]);
            VECTORS_CHECK(&vectors, vectors.column[1].len <= LIMIT_TOPIC_LEN, vectors.column[2]);
        }
    }
}

static void topic_values(void **state)
{
    (void)state;
    struct topic topic;
    assert_int_equal(topic_parse(SLICE("chat/g/kitchen/m1"), &topic), STATUS_OK);
    assert_int_equal(topic.conversation.kind, CONVERSATION_GROUP);
    assert_true(slice_equal(topic.conversation.name, SLICE("kitchen")) && slice_equal(topic.id, SLICE("m1")));
    assert_int_equal(topic_parse(SLICE("read/u/bob/17"), &topic), STATUS_OK);
    assert_int_equal(topic.conversation.kind, CONVERSATION_DIRECT);
    assert_int_equal(topic.seq, 17);
    assert_int_equal(topic_parse(SLICE("rpc/group.create/r1"), &topic), STATUS_OK);
    assert_true(slice_equal(topic.method, SLICE("group.create")) && slice_equal(topic.id, SLICE("r1")));
    assert_int_equal(topic_parse((struct slice){NULL, 0}, &topic), STATUS_MALFORMED);
    topic = (struct topic){.kind = TOPIC_ACK, .conversation = {CONVERSATION_DIRECT, SLICE("bob")}, .seq = -1};
    char buf[64];
    assert_int_equal(topic_format(&topic, buf, sizeof buf), 0); /* no second spelling can be made */
}

static void filters(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "filters.tsv");
    while (vectors_next(&vectors, 3)) {
        enum filter_kind kind;
        struct slice watched, verdict = vectors.column[0], filter = vectors.column[1];
        enum status status = filter_parse(filter, SLICE("alice"), &kind, &watched);
        struct slice got = status == STATUS_DENIED      ? SLICE("denied")
                           : status == STATUS_MALFORMED ? SLICE("malformed")
                           : kind == FILTER_INBOX       ? SLICE("inbox")
                                                        : SLICE("presence");
        VECTORS_CHECK(&vectors, slice_equal(got, verdict), vectors.column[2]);
        if (status == STATUS_OK && kind == FILTER_PRESENCE)
            VECTORS_CHECK(&vectors, watched.at == filter.at + 9 && watched.len == filter.len - 9, vectors.column[2]);
    }
}

static void filters_of_any_length(void **state)
{
    (void)state;
    static char long_filter[UINT16_MAX + 1];
    enum filter_kind kind;
    struct slice watched;
    memset(long_filter, 'a', sizeof long_filter);
    assert_int_equal(filter_parse((struct slice){long_filter, UINT16_MAX}, SLICE("a"), &kind, &watched), STATUS_DENIED);
    assert_int_equal(filter_parse((struct slice){long_filter, UINT16_MAX + 1}, SLICE("a"), &kind, &watched),
                     STATUS_MALFORMED);
}

static bool inbox_comes_back(struct slice text, const struct inbox *inbox)
{
    char buf[LIMIT_INBOX_TOPIC_LEN + 1];
    return inbox_format(inbox, buf, text.len + 1) == text.len && memcmp(buf, text.at, text.len + 1) == 0 &&
           inbox_format(inbox, buf, text.len) == 0 && inbox_format(inbox, buf, 0) == 0;
}

static void inbox_tails(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "inbox.tsv");
    while (vectors_next(&vectors, 3)) {
        struct inbox inbox;
        struct slice kind = vectors.column[0], tail = vectors.column[1], why = vectors.column[2];
        enum status status = inbox_parse(tail, &inbox);
        if (slice_equal(kind, SLICE("refused"))) {
            VECTORS_CHECK(&vectors, status == STATUS_MALFORMED, why);
        } else {
            VECTORS_CHECK(&vectors, status == STATUS_OK, why);
            VECTORS_CHECK(&vectors, slice_equal(kind, slice_of(inbox_kinds[inbox.kind])), why);
            VECTORS_CHECK(&vectors, inbox_comes_back(tail, &inbox), why);
            VECTORS_CHECK(&vectors, strlen("inbox//") + LIMIT_USER_LEN + tail.len <= LIMIT_INBOX_TOPIC_LEN, why);
        }
    }
}

static void inbox_values(void **state)
{
    (void)state;
    struct inbox inbox;
    assert_int_equal(inbox_parse(SLICE("chat/u/bob/17/123/bob:phone/m1"), &inbox), STATUS_OK);
    assert_true(slice_equal(inbox.conversation, SLICE("u/bob")) && slice_equal(inbox.user, SLICE("bob")) &&
                slice_equal(inbox.device, SLICE("phone")) && slice_equal(inbox.id, SLICE("m1")));
    assert_true(inbox.seq == 17 && inbox.time_ms == 123);
    assert_int_equal(inbox_parse(SLICE("history/event/g/k/1/2/-/created"), &inbox), STATUS_OK);
    assert_true(slice_equal(inbox.user, SLICE("-")) && slice_equal(inbox.word, SLICE("created")));
    assert_int_equal(inbox_parse(SLICE("error/-/-/denied"), &inbox), STATUS_OK);
    assert_true(slice_equal(inbox.conversation, SLICE("-")) && slice_equal(inbox.id, SLICE("-")) &&
                slice_equal(inbox.word, SLICE("denied")));
    assert_int_equal(inbox_parse((struct slice){NULL, 0}, &inbox), STATUS_MALFORMED);
}

static void conversations(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "conversations.tsv");
    while (vectors_next(&vectors, 5)) {
        struct slice self = vectors.column[0], view = vectors.column[1], server = vectors.column[2];
        struct slice why = vectors.column[4];
        struct conversation_ref ref;
        struct conversation_name name;
        char buf[LIMIT_CONVERSATION_LEN + 1];
        VECTORS_CHECK(&vectors, conversation_ref_parse(view, &ref) == STATUS_OK, why);
        conversation_name_make(ref, self, &name);
        VECTORS_CHECK(&vectors, slice_equal((struct slice){name.text, name.len}, server), why);
        VECTORS_CHECK(&vectors, name.text[name.len] == '\0', why);
        VECTORS_CHECK(&vectors, conversation_view(server, self, buf, view.len + 1) == view.len, why);
        VECTORS_CHECK(&vectors, memcmp(buf, view.at, view.len + 1) == 0, why);
        VECTORS_CHECK(&vectors, conversation_view(server, self, buf, view.len) == 0, why);
        VECTORS_CHECK(&vectors, conversation_route(server) == atoi(vectors.column[3].at), why);
    }
}

static void conversation_of_others(void **state)
{
    (void)state;
    char buf[64];
    assert_int_equal(conversation_view(SLICE("d/alice/bob"), SLICE("carol"), buf, sizeof buf), 0);
    assert_int_equal(conversation_view(SLICE("d/alice/bob"), SLICE("alic"), buf, sizeof buf), 0);
    assert_int_equal(conversation_view(SLICE("d/bob/alice"), SLICE("alice"), buf, sizeof buf), 0);
    assert_int_equal(conversation_view(SLICE(""), SLICE("alice"), buf, sizeof buf), 0);
    struct conversation_name name;
    char long_name[LIMIT_CONVERSATION_LEN] = {0};
    memset(long_name, 'a', sizeof long_name);
    conversation_name_make((struct conversation_ref){CONVERSATION_GROUP, {long_name, sizeof long_name}}, SLICE("a"),
                           &name);
    assert_true(name.len == 0 && name.text[0] == '\0');
}

static void lists(void **state)
{
    (void)state;
    static struct vectors vectors;
    vectors_open(&vectors, "lists.tsv");
    while (vectors_next(&vectors, 4)) {
        struct slice at = vectors.column[2];
        struct conversation_ref ref;
        int64_t seq;
        int lines = 0;
        enum status status;
        while ((status = list_next(&at, slice_equal(vectors.column[0], SLICE("sync")), &ref, &seq)) == STATUS_OK)
            lines++;
        if (slice_equal(vectors.column[1], SLICE("refused"))) {
            VECTORS_CHECK(&vectors, status == STATUS_MALFORMED, vectors.column[3]);
        } else {
            VECTORS_CHECK(&vectors, status == STATUS_NOT_FOUND && at.len == 0, vectors.column[3]);
            VECTORS_CHECK(&vectors, lines == atoi(vectors.column[1].at), vectors.column[3]);
        }
    }
}

static void list_values(void **state)
{
    (void)state;
    struct slice at = SLICE("u/bob 17\ng/kitchen 0");
    struct conversation_ref ref;
    int64_t seq;
    assert_int_equal(list_next(&at, true, &ref, &seq), STATUS_OK);
    assert_true(ref.kind == CONVERSATION_DIRECT && slice_equal(ref.name, SLICE("bob")) && seq == 17);
    assert_int_equal(list_next(&at, true, &ref, &seq), STATUS_OK);
    assert_true(ref.kind == CONVERSATION_GROUP && slice_equal(ref.name, SLICE("kitchen")) && seq == 0);
    assert_int_equal(list_next(&at, true, &ref, &seq), STATUS_NOT_FOUND);
}

static void statuses_have_names(void **state)
{
    (void)state;
    for (int status = STATUS_OK; status <= STATUS_INTERNAL; status++)
        assert_string_not_equal(status_name((enum status)status), "unknown");
    assert_string_equal(status_name((enum status)(STATUS_INTERNAL + 1)), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(number_values),
        cmocka_unit_test(client_id_values),
        cmocka_unit_test(topics),
        cmocka_unit_test(topic_values),
        cmocka_unit_test(filters),
        cmocka_unit_test(filters_of_any_length),
        cmocka_unit_test(inbox_tails),
        cmocka_unit_test(inbox_values),
        cmocka_unit_test(conversations),
        cmocka_unit_test(conversation_of_others),
        cmocka_unit_test(lists),
        cmocka_unit_test(list_values),
        cmocka_unit_test(statuses_have_names),
    };
    return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
