#include "kept.h"

#include "broker.h"

#define UNIT_BYTES 4096u /* what has got across is counted in these, so that it takes 16 bits */
_Static_assert(65536ull * UNIT_BYTES > 2 * KEPT_BYTES, "no more than that gets across between two looks");
_Static_assert(KEPT_ITEMS <= UINT16_MAX, "a session counts them");

/* Takes out what has got across since the last look. Sizes are taken to be alike: what is kept is the latest, so that
 * they are not is forgotten with the next look. */
static void look(struct session *session)
{
    uint64_t across;
    if (session->socket == SESSION_SOCKET_UNKNOWN)
        session->socket = broker_socket(session->client);
    if (session->socket < 0 || !broker_bytes_across(session->socket, &across))
        return;
    uint16_t units = (uint16_t)(across / UNIT_BYTES);
    uint32_t fresh = (uint16_t)(units - session->across) * UNIT_BYTES;
    session->across = units;
    if (fresh > session->kept_bytes)
        fresh = session->kept_bytes;
    if (fresh > 0)
        session->kept_items -= (uint16_t)((uint64_t)session->kept_items * fresh / session->kept_bytes);
    session->kept_bytes -= fresh;
}

bool kept_add(struct session *session, size_t bytes)
{
    if (session->kept_items >= KEPT_ITEMS / 2 || session->kept_bytes >= KEPT_BYTES / 2)
        look(session);
    if (session->kept_items >= KEPT_ITEMS || bytes > KEPT_BYTES - session->kept_bytes)
        return false;
    session->kept_items++;
    session->kept_bytes += (uint32_t)bytes;
    return true;
}
