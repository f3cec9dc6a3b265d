#ifndef GNATTER_NO_MEMORY_H
#define GNATTER_NO_MEMORY_H
/* What happens when there is no memory left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARES 12 /* some that the C library keeps for malloc, and some for calloc */

/* The stack may not grow any more either. */
static inline void stack_touch(void)
{
    volatile char stack[256 * 1024];
    for (size_t i = 0; i < sizeof stack; i += 1024)
        stack[i] = 0;
}

/* All but a few pieces of that size (0: all). False: it cannot be taken away. */
static inline bool memory_take(size_t spare_bytes)
{
    static void **taken; /* one holds the other */
    const struct rlimit none = {0, 0};
    void *spares[SPARES] = {NULL}, **piece;
    stack_touch();
    for (int i = 0; i < SPARES && spare_bytes >= sizeof *piece; i++) {
        spares[i] = malloc(spare_bytes);
        if ((piece = malloc(spare_bytes)) != NULL) { /* between them, so that no two become a larger one */
            *piece = (void *)taken;
            taken = piece;
        }
    }
    if (setrlimit(RLIMIT_AS, &none) != 0)
        return false;
    for (size_t bytes = 1024 * 1024; bytes >= 16; bytes /= 2)
        while ((piece = malloc(bytes)) != NULL) {
            *piece = (void *)taken;
            taken = piece;
        }
    for (int i = 0; i < SPARES; i++)
        free(spares[i]);
    return true;
}

/* What `holds` says, in a process of its own that has no memory but a few pieces of that size (0: none). */
static inline void assert_without_memory(bool (*holds)(void), size_t spare_bytes)
{
    int ended;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* they end a process that has no memory */
#endif
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(!memory_take(spare_bytes) ? 2 : holds() ? 0 : 1);
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
}

#endif
