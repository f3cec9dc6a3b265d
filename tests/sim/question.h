#ifndef GNATTER_SIM_QUESTION_H
#define GNATTER_SIM_QUESTION_H
/* A question of the core to the database, and its answer: asked in questions.c, run in run.c, told in tell.c. */
#include "sim.h"

/* Database ids are made recognizable, so that one taken for another is noticed. */
#define CONVERSATION_ID(index) (7000 + (index))
#define USER_ID(index)         (100 + (index))
#define DEVICE_ID(index)       (500 + (index))

struct asked_load {
    int conversation;
    bool creates;
    int sender;
    enum core_load_state state;
    int64_t last_seq, first_seq, version;
    bool is_deleted;
    struct db_member members[USERS_MAX];
    int64_t cursors[DEVICES_MAX];
};
struct asked_item {
    int user, device, message;
};
struct asked_group {
    int conversation;
    int64_t version;
    size_t first, len;
};
struct asked_row {
    int device, conversation;
    int64_t acked_seq;
};
struct asked_mark {
    int device, conversation, user;
    int64_t delivered_seq, read_seq;
};

struct question {
    struct question *next;
    enum question_kind kind;
    uint64_t number;
    bool careful;
    size_t len, items_len, rows_len, marks_len;
    struct asked_load *loads;
    struct asked_group *groups;
    struct asked_item *items;
    struct core_append_answer *answers;
    enum status status;
    struct core_page_request page;
    struct core_senders_request senders;
    int page_conversation;
    struct db_item *page_items;
    int64_t *ids; /* senders' answer; scan's devices */
    struct asked_row *rows;
    struct asked_mark *marks;
    struct core_mark_cursor *cursors;
    struct core_mark_member *members;
};

/* Zeroed where `from` is NULL; room for one more than asked. */
void *copy(const void *from, size_t count, size_t size_each);
void question_run(struct world *world, struct question *question);
void question_tell(struct world *world, const struct question *question);

#endif
