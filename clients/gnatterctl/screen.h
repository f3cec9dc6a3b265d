#ifndef GNATTER_CTL_SCREEN_H
#define GNATTER_CTL_SCREEN_H
/*
 * A page that is shown again and again: in place on a terminal, one below the other into a pipe. Ends with q, or a
 * signal that ends programs; the terminal is then as it was. One at a time.
 */
#include <stdbool.h>
#include <termios.h>

struct screen {
    bool is_terminal, takes_keys;
    struct termios before;
};
void screen_begin(struct screen *screen);
void screen_show(const struct screen *screen, const char *text);
/* False: it is to end. */
bool screen_wait(const struct screen *screen, int wait_ms);
void screen_end(const struct screen *screen);
#endif
