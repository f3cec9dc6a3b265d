/* Letters between threads. link: sync-service/mailbox.c sync-service/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sync-service/mailbox.h"

struct number {
    struct letter head;
    uint64_t writer, value;
};

static bool post(struct mailbox *box, uint64_t writer, uint64_t value, enum mailbox_patience patience)
{
    struct number *number = mailbox_write(box, 5, sizeof *number, patience);
    if (number == NULL)
        return false;
    number->writer = writer;
    number->value = value;
    mailbox_post(box);
    return true;
}

static void full_tries_and_forces(void **state)
{
    (void)state;
    struct mailbox box;
    assert_int_equal(mailbox_init(&box, 2 * sizeof(struct number)), STATUS_OK);
    assert_true(post(&box, 0, 1, MAILBOX_TRY));
    assert_true(post(&box, 0, 2, MAILBOX_TRY));
    assert_false(post(&box, 0, 3, MAILBOX_TRY));
    assert_true(post(&box, 0, 4, MAILBOX_FORCE));
    const uint64_t expect[] = {1, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        const struct number *number = (const struct number *)(const void *)mailbox_next(&box);
        assert_non_null(number);
        assert_int_equal(number->head.kind, 5);
        assert_int_equal(number->value, expect[i]);
    }
    assert_null(mailbox_next(&box));
    mailbox_close(&box);
    assert_false(post(&box, 0, 5, MAILBOX_FORCE));
    mailbox_done(&box);
}

/* In a process of its own, which has no memory left; whether a letter was refused, and not the process's end. */
static bool is_refused_without_memory(enum mailbox_patience patience)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct mailbox box;
        const struct rlimit none = {0, 0};
        if (mailbox_init(&box, SIZE_MAX) != STATUS_OK || setrlimit(RLIMIT_CORE, &none) != 0 ||
            setrlimit(RLIMIT_AS, &none) != 0)
            _exit(2);
        while (mailbox_write(&box, 1, 1024, patience) != NULL)
            mailbox_post(&box);
        _exit(0);
    }
    int ended;
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_false(WIFEXITED(ended) && WEXITSTATUS(ended) == 2);
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

static void a_letter_is_not_lost_for_want_of_memory(void **state)
{
    (void)state;
    assert_false(is_refused_without_memory(MAILBOX_WAIT));
    assert_false(is_refused_without_memory(MAILBOX_FORCE));
}

static void sizes_are_kept_apart(void **state)
{
    (void)state;
    struct mailbox box;
    assert_int_equal(mailbox_init(&box, 1 << 20), STATUS_OK);
    for (size_t size = sizeof(struct letter); size < 3000; size += 7) {
        struct letter *letter = mailbox_write(&box, 1, size, MAILBOX_TRY);
        memset(letter + 1, (int)(size & 0xff), size - sizeof *letter);
        mailbox_post(&box);
    }
    for (size_t size = sizeof(struct letter); size < 3000; size += 7) {
        const struct letter *letter = mailbox_next(&box);
        assert_true(letter->bytes >= size && letter->bytes < size + 8);
        const unsigned char *bytes = (const unsigned char *)(letter + 1);
        for (size_t i = 0; i < size - sizeof *letter; i++)
            assert_int_equal(bytes[i], size & 0xff);
    }
    mailbox_done(&box);
}

#define WRITERS 4
#define EACH    20000
static struct mailbox shared;

static void *write_many(void *arg)
{
    for (uint64_t i = 1; i <= EACH; i++)
        if (!post(&shared, (uint64_t)(uintptr_t)arg, i, MAILBOX_WAIT))
            return arg;
    return NULL;
}

/* Nothing is lost, nothing is overtaken, and the writers wait instead of filling memory. */
static void several_writers_one_taker(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    uint64_t last[WRITERS] = {0}, taken = 0;
    assert_int_equal(mailbox_init(&shared, 4096), STATUS_OK);
    for (uintptr_t i = 0; i < WRITERS; i++)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): a number */
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    while (taken < WRITERS * EACH) {
        struct pollfd fd = {mailbox_fd(&shared), POLLIN, 0};
        assert_true(poll(&fd, 1, 10000) == 1);
        const struct letter *letter;
        while ((letter = mailbox_next(&shared)) != NULL) {
            const struct number *number = (const struct number *)(const void *)letter;
            assert_int_equal(number->value, last[number->writer] + 1);
            last[number->writer] = number->value;
            taken++;
        }
        assert_true(mailbox_waiting_bytes(&shared) <= 4096 + sizeof(struct number));
    }
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mailbox_done(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_tries_and_forces),
        cmocka_unit_test(a_letter_is_not_lost_for_want_of_memory),
        cmocka_unit_test(sizes_are_kept_apart),
        cmocka_unit_test(several_writers_one_taker),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
