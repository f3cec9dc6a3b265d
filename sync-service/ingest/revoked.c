/* Whose tokens are void: the whole list for each link that comes up, and what is revoked from then on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../log.h"
#include "hub_state.h"

/* Every link gets the list anew: this is rare, and the one way never to miss a revocation. */
void revoked_ask(struct hub *hub)
{
    clerk_ask_revocations(hub->options.clerk, ++hub->list_asked);
}

static void put_all(struct hub *hub, const struct frame_op *op)
{
    for (uint32_t link = 0; link < hub->options.links_len; link++)
        if (hub->links[link].life != 0)
            courier_put(&hub->courier, link, op);
}

static void put_lines(struct hub *hub, struct slice lines, bool kicks)
{
    while (lines.len > 0) {
        const char *end = memchr(lines.at, '\n', lines.len), *blank = memchr(lines.at, ' ', lines.len);
        if (end == NULL || blank == NULL || blank > end)
            return;
        struct frame_op op = {.type = DOWN_REVOKE};
        op.revoke.name = (struct slice){lines.at, (size_t)(blank - lines.at)};
        op.revoke.valid_after_s = strtoll(blank + 1, NULL, 10);
        op.revoke.kick = kicks;
        put_all(hub, &op);
        lines.len -= (size_t)(end + 1 - lines.at);
        lines.at = end + 1;
    }
}

/* The list was read some time ago: what was revoked since then comes again behind it. */
void revoked_told(struct hub *hub, uint64_t number, struct slice lines)
{
    struct frame_op begin = {.type = DOWN_REVOKED_BEGIN}, end = {.type = DOWN_REVOKED_END};
    if (number != hub->list_asked)
        return; /* a newer one is on its way */
    hub->list_told = number;
    put_all(hub, &begin);
    put_lines(hub, lines, false); /* its end kicks */
    put_all(hub, &end);
    put_lines(hub, (struct slice){hub->revoked, hub->revoked_len}, true);
    hub->revoked_len = 0;
}

static void keep(struct hub *hub, struct slice name, int64_t valid_after_s)
{
    size_t need = hub->revoked_len + name.len + 32;
    if (need > hub->revoked_size) {
        char *revoked = realloc(hub->revoked, need * 2);
        if (revoked == NULL) { /* then a list that is asked for now has it */
            revoked_ask(hub);
            return;
        }
        hub->revoked = revoked;
        hub->revoked_size = need * 2;
    }
    hub->revoked_len += (size_t)snprintf(hub->revoked + hub->revoked_len, hub->revoked_size - hub->revoked_len,
                                         "%.*s %" PRId64 "\n", (int)name.len, name.at, valid_after_s);
}

/* Brokers have it: those that are new since then got all that is revoked. */
static bool was_told(struct hub *hub, struct slice name, int64_t valid_after_s)
{
    struct revoked_told *told = &hub->told[hash_text(name) % REVOKED_TOLD];
    bool is_same =
        slice_equal((struct slice){told->name, told->name_len}, name) && told->valid_after_s == valid_after_s;
    if (!is_same && name.len <= sizeof told->name) {
        memcpy(told->name, name.at, name.len);
        told->name_len = name.len;
        told->valid_after_s = valid_after_s;
    }
    return is_same;
}

void revoked_one(struct hub *hub, struct slice name, int64_t valid_after_s)
{
    if (was_told(hub, name, valid_after_s))
        return;
    struct frame_op op = {.type = DOWN_REVOKE};
    op.revoke.name = name;
    op.revoke.valid_after_s = valid_after_s;
    op.revoke.kick = 1;
    put_all(hub, &op);
    log_notice("hub", "revoked", LOG_SLICE("name", name));
    if (hub->list_told != hub->list_asked)
        keep(hub, name, valid_after_s);
}
