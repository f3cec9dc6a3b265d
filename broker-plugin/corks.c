#include "corks.h"

#include <stdlib.h>

#include "broker.h"

#define CORKS_MIN 64

void corks_init(struct corks *corks, bool is_on)
{
    *corks = (struct corks){.turn = 1, .is_on = is_on};
}

void corks_done(struct corks *corks)
{
    free(corks->numbers);
    corks_init(corks, false);
}

static bool grow(struct corks *corks)
{
    if (corks->len < corks->size)
        return true;
    size_t size = corks->size == 0 ? CORKS_MIN : corks->size * 2;
    uint32_t *numbers = realloc(corks->numbers, size * sizeof *numbers);
    if (numbers == NULL)
        return false;
    corks->numbers = numbers;
    corks->size = size;
    return true;
}

void corks_publish(struct corks *corks, struct session *session)
{
    bool is_second = session->published_turn == corks->turn;
    session->published_turn = corks->turn;
    if (!corks->is_on || !is_second || session->is_corked)
        return;
    if (session->socket == SESSION_SOCKET_UNKNOWN)
        session->socket = broker_socket(session->client);
    if (session->socket < 0 || !grow(corks))
        return;
    broker_cork(session->socket, true);
    session->is_corked = true;
    corks->numbers[corks->len++] = session->number;
}

void corks_turn(struct corks *corks, const struct sessions *sessions)
{
    corks->turn++; /* where it meets an old one again a socket is corked too early, and no more */
    for (size_t i = 0; i < corks->len; i++) {
        struct session *session = sessions_of_number(sessions, corks->numbers[i]);
        if (session == NULL) /* it has gone, or will at once: closing sends what there is */
            continue;
        broker_cork(session->socket, false);
        session->is_corked = false;
    }
    corks->len = 0;
}
