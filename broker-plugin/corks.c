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
    free(corks->until_turn.numbers);
    free(corks->held.numbers);
    corks_init(corks, false);
}

static bool grow(struct corked *corked)
{
    if (corked->len < corked->size)
        return true;
    size_t size = corked->size == 0 ? CORKS_MIN : corked->size * 2;
    uint32_t *numbers = realloc(corked->numbers, size * sizeof *numbers);
    if (numbers == NULL)
        return false;
    corked->numbers = numbers;
    corked->size = size;
    return true;
}

static void cork(struct corked *corked, struct session *session)
{
    if (session->socket == SESSION_SOCKET_UNKNOWN)
        session->socket = broker_socket(session->client);
    if (session->socket < 0 || !grow(corked))
        return;
    broker_cork(session->socket, true);
    session->is_corked = true;
    corked->numbers[corked->len++] = session->number;
}

static void uncork(struct corked *corked, const struct sessions *sessions)
{
    for (size_t i = 0; i < corked->len; i++) {
        struct session *session = sessions_of_number(sessions, corked->numbers[i]);
        if (session == NULL) /* it has gone, or will at once: closing sends what there is */
            continue;
        broker_cork(session->socket, false);
        session->is_corked = false;
    }
    corked->len = 0;
}

void corks_publish(struct corks *corks, struct session *session, bool is_of_many)
{
    bool is_second = session->published_turn == corks->turn;
    session->published_turn = corks->turn;
    corks->is_of_many |= is_of_many;
    if (!corks->is_on || session->is_corked)
        return;
    if (is_of_many && corks->was_of_many)
        cork(&corks->held, session);
    else if (is_second)
        cork(&corks->until_turn, session);
}

void corks_turn(struct corks *corks, const struct sessions *sessions, uint32_t clock_ms)
{
    /* Where it meets an old one again a socket is corked too early, or, without memory, a connection ended that had got
     * nothing. */
    corks->turn++;
    uncork(&corks->until_turn, sessions);
    if (!corks->is_of_many || clock_ms - corks->held_ms >= CORKS_HOLD_MS)
        uncork(&corks->held, sessions);
    if (corks->held.len == 0)
        corks->held_ms = clock_ms;
    corks->was_of_many = corks->is_of_many;
    corks->is_of_many = false;
}

bool corks_are_in(const struct corks *corks)
{
    return corks->until_turn.len + corks->held.len > 0;
}
