#include "screen.h"
#include "process.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t is_ending;

static void on_end(int number)
{
    (void)number;
    is_ending = 1;
}

void screen_begin(struct screen *screen)
{
    *screen = (struct screen){.is_terminal = isatty(STDOUT_FILENO)};
    screen->takes_keys = screen->is_terminal && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
    struct sigaction action = {.sa_handler = on_end};
    (void)sigaction(SIGINT, &action, NULL); /* these three cannot fail */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    if (screen->takes_keys) {
        struct termios raw = screen->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw); /* else q wants a return after it */
    }
    if (screen->is_terminal)
        fputs("\033[?1049h\033[?25l", stdout); /* a screen of its own, no cursor */
}

void screen_show(const struct screen *screen, const char *text)
{
    if (!screen->is_terminal) {
        printf("%s\n", text);
        (void)fflush(stdout); /* checked at the end, and before the next */
        return;
    }
    fputs("\033[H", stdout);
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        printf("%.*s\033[K\n", (int)(end - text), text); /* over what was there before, so that nothing flickers */
    printf("\n q: quit\033[K\033[J");
    (void)fflush(stdout); /* as above */
}

bool screen_wait(const struct screen *screen, int wait_ms)
{
    int64_t until_ms = clock_ms() + wait_ms;
    for (int64_t left_ms = wait_ms; left_ms > 0; left_ms = until_ms - clock_ms()) {
        struct pollfd key = {screen->takes_keys ? STDIN_FILENO : -1, POLLIN, 0};
        char typed;
        if (is_ending || ferror(stdout))
            return false;
        if (poll(&key, 1, (int)left_ms) == 1 && (read(STDIN_FILENO, &typed, 1) != 1 || typed == 'q'))
            return false;
    }
    return !is_ending;
}

void screen_end(const struct screen *screen)
{
    if (screen->is_terminal)
        fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout); /* checked at the end */
    if (screen->takes_keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->before); /* nothing more can be done about it */
}
