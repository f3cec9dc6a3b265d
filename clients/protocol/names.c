#include "topic.h"
#include "text.h"

#include <sodium.h>

/* Which bytes may stand where. Everything outside ASCII is in none of them. */
enum { CLASS_HEAD = 1, CLASS_NAME = 2, CLASS_ID = 4, CLASS_LOWER = 8, CLASS_WORD = 16 };
static const unsigned char class_of[256] = {
    ['a' ... 'z'] = CLASS_HEAD | CLASS_NAME | CLASS_ID | CLASS_LOWER | CLASS_WORD,
    ['A' ... 'Z'] = CLASS_ID,
    ['0' ... '9'] = CLASS_HEAD | CLASS_NAME | CLASS_ID | CLASS_WORD,
    ['-'] = CLASS_NAME | CLASS_ID | CLASS_WORD,
    ['_'] = CLASS_NAME | CLASS_ID,
    ['.'] = CLASS_NAME,
};

static bool is_of(struct slice text, size_t len_max, unsigned head_class, unsigned class)
{
    if (text.len == 0 || text.len > len_max || !(class_of[(unsigned char)text.at[0]] & head_class))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!(class_of[(unsigned char)text.at[i]] & class))
            return false;
    return true;
}

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool name_is_user(struct slice name)
{
    return is_of(name, LIMIT_USER_LEN, CLASS_HEAD, CLASS_NAME);
}

bool name_is_device(struct slice name)
{
    return is_of(name, LIMIT_DEVICE_LEN, CLASS_HEAD, CLASS_NAME);
}

bool name_is_group(struct slice name)
{
    return is_of(name, LIMIT_GROUP_LEN, CLASS_HEAD, CLASS_NAME);
}

bool name_is_message_id(struct slice name)
{
    return is_of(name, LIMIT_MESSAGE_ID_LEN, CLASS_ID, CLASS_ID);
}

bool name_is_word(struct slice word, bool dot_too)
{
    if (word.len == 0 || word.len > LIMIT_METHOD_LEN || !(class_of[(unsigned char)word.at[0]] & CLASS_LOWER))
        return false;
    for (size_t i = 1; i < word.len; i++)
        if (!(class_of[(unsigned char)word.at[i]] & CLASS_WORD) && !(dot_too && word.at[i] == '.'))
            return false;
    return true;
}

enum status seq_parse(struct slice text, bool zero_too, int64_t *ret_seq)
{
    if (text.len == 0 || text.len > LIMIT_SEQ_LEN || (text.at[0] == '0' && (text.len > 1 || !zero_too)))
        return STATUS_MALFORMED;
    uint64_t seq = 0; /* 19 digits cannot overflow it */
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return STATUS_MALFORMED;
        seq = seq * 10 + (uint64_t)(text.at[i] - '0');
    }
    if (seq > (uint64_t)LIMIT_SEQ)
        return STATUS_MALFORMED;
    *ret_seq = (int64_t)seq;
    return STATUS_OK;
}

enum status client_id_parse(struct slice client_id, struct slice *ret_user, struct slice *ret_device)
{
    const char *colon = client_id.len > 0 ? memchr(client_id.at, ':', client_id.len) : NULL;
    if (colon == NULL)
        return STATUS_MALFORMED;
    struct slice user = {client_id.at, (size_t)(colon - client_id.at)};
    struct slice device = {colon + 1, client_id.len - user.len - 1};
    if (!name_is_user(user) || !name_is_device(device))
        return STATUS_MALFORMED;
    *ret_user = user;
    *ret_device = device;
    return STATUS_OK;
}

bool levels_conversation(struct levels *levels, struct conversation_ref *ret_ref)
{
    struct slice kind, name;
    if (!levels_next(levels, &kind) || kind.len != 1 || !levels_next(levels, &name))
        return false;
    if (kind.at[0] == 'u' && name_is_user(name))
        *ret_ref = (struct conversation_ref){CONVERSATION_DIRECT, name};
    else if (kind.at[0] == 'g' && name_is_group(name))
        *ret_ref = (struct conversation_ref){CONVERSATION_GROUP, name};
    else
        return false;
    return true;
}

bool levels_conversation_text(struct levels *levels, struct slice *ret_text)
{
    struct conversation_ref ref;
    if (!levels_conversation(levels, &ref))
        return false;
    *ret_text = (struct slice){ref.name.at - 2, ref.name.len + 2};
    return true;
}

bool levels_number(struct levels *levels, bool zero_too, int64_t *ret_number)
{
    struct slice level;
    return levels_next(levels, &level) && seq_parse(level, zero_too, ret_number) == STATUS_OK;
}

bool levels_client_id(struct levels *levels, struct slice *ret_user, struct slice *ret_device)
{
    struct slice level;
    return levels_next(levels, &level) && client_id_parse(level, ret_user, ret_device) == STATUS_OK;
}

void text_level_number(struct text *text, int64_t number)
{
    char digits[LIMIT_SEQ_LEN];
    size_t at = sizeof digits;
    if (number < 0) {
        text->has_overflowed = true;
        return;
    }
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_level(text, (struct slice){digits + at, sizeof digits - at});
}

void text_level_conversation(struct text *text, struct conversation_ref ref)
{
    text_add(text, ref.kind == CONVERSATION_GROUP ? SLICE("/g") : SLICE("/u"));
    text_level(text, ref.name);
}

size_t text_end(struct text *text)
{
    if (text->has_overflowed || text->len >= text->size)
        return 0;
    text->buf[text->len] = '\0';
    return text->len;
}

enum status conversation_ref_parse(struct slice text, struct conversation_ref *ret_ref)
{
    struct levels levels = levels_of(text);
    struct conversation_ref ref;
    if (!levels_conversation(&levels, &ref) || !levels.is_done)
        return STATUS_MALFORMED;
    *ret_ref = ref;
    return STATUS_OK;
}

/* Byte order, a prefix first: what PostgreSQL's collation "C" does. */
static int name_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.at, b.at, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

void conversation_name_make(struct conversation_ref ref, struct slice self, struct conversation_name *ret_name)
{
    struct text text = text_in(ret_name->text, sizeof ret_name->text);
    if (ref.kind == CONVERSATION_GROUP) {
        text_add(&text, SLICE("g"));
        text_level(&text, ref.name);
    } else {
        bool self_first = name_compare(self, ref.name) <= 0;
        text_add(&text, SLICE("d"));
        text_level(&text, self_first ? self : ref.name);
        text_level(&text, self_first ? ref.name : self);
    }
    ret_name->len = text_end(&text);
    if (ret_name->len == 0) /* only names that name_is_... refuses are too long */
        ret_name->text[0] = '\0';
}

enum status conversation_name_parse(struct slice text, enum conversation_kind *ret_kind, struct slice *ret_a,
                                    struct slice *ret_b)
{
    struct levels levels = levels_of(text);
    struct slice kind, a, b = {NULL, 0};
    if (!levels_next(&levels, &kind) || kind.len != 1 || !levels_next(&levels, &a))
        return STATUS_MALFORMED;
    if (kind.at[0] == 'g') {
        if (!name_is_group(a) || !levels.is_done)
            return STATUS_MALFORMED;
    } else if (kind.at[0] != 'd' || !levels_next(&levels, &b) || !levels.is_done || !name_is_user(a) ||
               !name_is_user(b) || name_compare(a, b) > 0) {
        return STATUS_MALFORMED;
    }
    *ret_kind = kind.at[0] == 'g' ? CONVERSATION_GROUP : CONVERSATION_DIRECT;
    *ret_a = a;
    *ret_b = b;
    return STATUS_OK;
}

size_t conversation_view(struct slice conversation_name, struct slice self, char *buf, size_t buf_size)
{
    enum conversation_kind kind;
    struct slice a, b;
    if (conversation_name_parse(conversation_name, &kind, &a, &b) != STATUS_OK)
        return 0;
    struct text text = text_in(buf, buf_size);
    if (kind == CONVERSATION_GROUP) {
        text_add(&text, conversation_name);
    } else {
        if (!slice_equal(self, a) && !slice_equal(self, b))
            return 0;
        text_add(&text, SLICE("u"));
        text_level(&text, slice_equal(self, a) ? b : a);
    }
    return text_end(&text);
}

uint16_t conversation_route(struct slice conversation_name)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(hash, (const unsigned char *)conversation_name.at, conversation_name.len); /* always 0 */
    return (uint16_t)(hash[0] << 8 | hash[1]);
}
