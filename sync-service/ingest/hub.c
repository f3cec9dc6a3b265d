#include "hub.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "../clock.h"
#include "../log.h"
#include "../thread.h"
#include "hub_state.h"

#define IDLE_WAIT_MS        1000
#define STOP_TAKING_WAIT_MS 3000

enum note_kind {
    NOTE_FRAME,
    NOTE_LINK_DOWN,
    NOTE_CAUGHT_UP,
    NOTE_PRESENCE,
    NOTE_PRESENCE_CHANGED,
    NOTE_WATCHER_CHANGED,
    NOTE_REVOCATIONS,
    NOTE_REVOKED,
    NOTE_REMOVED,
    NOTE_FLAGS,
    NOTE_CLERK_LOST,
    NOTE_RESYNC,
    NOTE_STOP_TAKING,
    NOTE_STOP,
};
struct note {
    struct letter head;
    uint32_t link;
    uint32_t shown;
    uint64_t number; /* life, ready number, valid after, seen, device, number of a barrier or a list */
    uint64_t replayed;
    session_ref session;
    struct link_frame frame;
    uint32_t text_len;
    char text[];
};

/* ---- notes: they are bounded by what they are about (frames by credit, the rest by sessions), and never wait ---- */
static void leave(struct hub *hub, enum note_kind kind, const struct note *what, struct slice text)
{
    struct note *note = mailbox_write(&hub->mailbox, kind, sizeof *note + text.len, MAILBOX_FORCE);
    if (note == NULL) {
        log_error("hub", "note-lost", LOG_INT("kind", kind));
        return;
    }
    struct letter head = note->head;
    *note = *what;
    note->head = head;
    note->text_len = (uint32_t)text.len;
    if (text.len > 0)
        memcpy(note->text, text.at, text.len);
    mailbox_post(&hub->mailbox);
}

static const struct slice nothing = {NULL, 0};

void hub_frame(void *hub, uint32_t link, uint64_t life, struct link_frame frame)
{
    struct note note = {.link = link, .number = life, .frame = frame};
    leave(hub, NOTE_FRAME, &note, nothing);
}

void hub_link_down(void *hub, uint32_t link, uint64_t life)
{
    struct note note = {.link = link, .number = life};
    leave(hub, NOTE_LINK_DOWN, &note, nothing);
}

void hub_caught_up(void *hub, session_ref session, uint64_t ready_number, uint64_t replayed)
{
    struct note note = {.session = session, .number = ready_number, .replayed = replayed};
    leave(hub, NOTE_CAUGHT_UP, &note, nothing);
}

void hub_presence(void *hub, session_ref session, struct slice user, uint32_t shown, int64_t seen_s)
{
    struct note note = {.session = session, .shown = shown, .number = (uint64_t)seen_s};
    leave(hub, NOTE_PRESENCE, &note, user);
}

void hub_presence_changed(void *hub, struct slice user)
{
    struct note note = {0};
    leave(hub, NOTE_PRESENCE_CHANGED, &note, user);
}

void hub_watcher_changed(void *hub, struct slice client_id)
{
    struct note note = {0};
    leave(hub, NOTE_WATCHER_CHANGED, &note, client_id);
}

void hub_revocations(void *hub, uint64_t number, struct slice lines)
{
    struct note note = {.number = number};
    leave(hub, NOTE_REVOCATIONS, &note, lines);
}

void hub_revoked(void *hub, struct slice name, int64_t valid_after_s)
{
    struct note note = {.number = (uint64_t)valid_after_s};
    leave(hub, NOTE_REVOKED, &note, name);
}

void hub_device_removed(void *hub, struct slice client_id, int64_t device_id)
{
    struct note note = {.number = (uint64_t)device_id};
    leave(hub, NOTE_REMOVED, &note, client_id);
}

void hub_flags(void *hub, struct slice told)
{
    struct note note = {0};
    leave(hub, NOTE_FLAGS, &note, told);
}

void hub_clerk_lost(void *hub)
{
    struct note note = {0};
    leave(hub, NOTE_CLERK_LOST, &note, nothing);
}

void hub_resync(void *hub)
{
    struct note note = {0};
    leave(hub, NOTE_RESYNC, &note, nothing);
}

/* ---- the hub's thread ---- */
void hub_post_all(struct hub *hub, const struct shard_event *event)
{
    for (size_t i = 0; i < hub->options.shards_len; i++)
        (void)shard_post(hub->options.shards[i], event); /* refused: the shard has ended */
}

static void take_frame(struct hub *hub, struct note *note)
{
    if (atomic_load(&hub->is_stopping)) /* not confirmed: it comes again */
        broker_link_frame_free(hub->options.links[note->link], &note->frame);
    else
        frames_take(hub, note->link, note->number, &note->frame);
}

static void link_down(struct hub *hub, uint32_t index, uint64_t life)
{
    if (hub->links[index].life != life)
        return;
    hub->links[index].life = 0;
    live_link_down(hub, index);
}

/* What was heard by notification may be incomplete: forget it, and hear all of it again. */
static void resync(struct hub *hub)
{
    lookup_again(hub);
    struct shard_event event = {.kind = SHARD_RESYNC};
    hub_post_all(hub, &event);
    presence_ask_everybody(&hub->presence);
    live_tell_again(hub); /* flags come with the answer */
    revoked_ask(hub);
}

static void everybody_leaves(struct hub *hub)
{
    for (uint32_t link = 0; link < hub->options.links_len; link++)
        live_link_down(hub, link);
}

static void note_do(struct hub *hub, struct note *note)
{
    struct slice text = {note->text, note->text_len};
    struct session *session;
    switch ((enum note_kind)note->head.kind) {
    case NOTE_FRAME:
        take_frame(hub, note);
        break;
    case NOTE_LINK_DOWN:
        link_down(hub, note->link, note->number);
        break;
    case NOTE_CAUGHT_UP:
        live_caught_up(hub, note->session, note->number, note->replayed);
        break;
    case NOTE_PRESENCE:
        if ((session = sessions_find(&hub->sessions, note->session)) != NULL)
            presence_answer(&hub->presence, session, text, note->shown, (int64_t)note->number);
        break;
    case NOTE_PRESENCE_CHANGED:
        presence_changed(&hub->presence, text);
        break;
    case NOTE_WATCHER_CHANGED:
        live_watcher_changed(hub, text);
        break;
    case NOTE_REVOCATIONS:
        revoked_told(hub, note->number, text);
        break;
    case NOTE_REVOKED:
        revoked_one(hub, text, (int64_t)note->number);
        break;
    case NOTE_REMOVED:
        live_removed(hub, text, (int64_t)note->number);
        break;
    case NOTE_FLAGS:
        live_flags(hub, text);
        break;
    case NOTE_CLERK_LOST:
        clerk_reset(hub->options.clerk);
        live_tell_again(hub);
        break;
    case NOTE_RESYNC:
        resync(hub);
        break;
    case NOTE_STOP_TAKING:
        barrier_reach(&hub->stopped, note->number);
        break;
    case NOTE_STOP:
        hub->is_ending = true;
        break;
    }
}

static void *hub_run(void *arg)
{
    struct hub *hub = arg;
    while (!hub->is_ending) {
        int64_t due_ms = presence_turn(&hub->presence, hub->now_ms), wait_ms = due_ms - hub->now_ms;
        courier_flush(&hub->courier);
        struct pollfd fd = {mailbox_fd(&hub->mailbox), POLLIN, 0};
        (void)poll(&fd, 1, wait_ms > IDLE_WAIT_MS ? IDLE_WAIT_MS : wait_ms < 0 ? 0 : (int)wait_ms);
        hub->now_ms = clock_monotonic_ms();
        hub->unix_ms = clock_unix_ms();
        for (struct letter *letter; (letter = mailbox_next(&hub->mailbox)) != NULL;)
            note_do(hub, (struct note *)(void *)letter);
        atomic_store(&hub->sessions_len, hub->sessions.by_ref.len);
        atomic_store(&hub->ready_len, hub->sessions.ready);
    }
    everybody_leaves(hub);
    courier_flush(&hub->courier);
    return NULL;
}

/* ---- life ---- */
enum status hub_new(struct hub **ret_hub)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        return STATUS_NO_MEMORY;
    enum status status = mailbox_init(&hub->mailbox, RUNTIME_HUB_MAILBOX_BYTES);
    if (status != STATUS_OK) {
        hub_free(hub);
        return status;
    }
    barrier_init(&hub->stopped);
    hub->identities.max = RUNTIME_IDENTITIES_MAX;
    *ret_hub = hub;
    return STATUS_OK;
}

enum status hub_start(struct hub *hub, const struct hub_options *options)
{
    struct presence_port port;
    hub->options = *options;
    live_presence_port(hub, &port);
    presence_init(&hub->presence, &port, options->presence_offline_after_ms);
    enum status status = courier_init(&hub->courier, options->links, options->links_len);
    if (status == STATUS_OK)
        status = database_init(&hub->database, options->primary, options->name);
    if (status != STATUS_OK)
        return status;
    hub->now_ms = clock_monotonic_ms();
    if (pthread_create(&hub->thread, NULL, hub_run, hub) != 0)
        return STATUS_UNAVAILABLE;
    hub->is_started = true;
    return STATUS_OK;
}

void hub_stop_taking(struct hub *hub)
{
    if (!hub->is_started)
        return;
    atomic_store(&hub->is_stopping, true);
    struct note note = {.number = barrier_begin(&hub->stopped, 1)};
    leave(hub, NOTE_STOP_TAKING, &note, nothing);
    (void)barrier_wait(&hub->stopped, STOP_TAKING_WAIT_MS); /* late: it waits for a shard, which ends in its time */
}

bool hub_stop(struct hub *hub, int64_t deadline_ms)
{
    if (!hub->is_started)
        return true;
    atomic_store(&hub->is_stopping, true);
    struct note note = {0};
    leave(hub, NOTE_STOP, &note, nothing);
    hub->is_started = !thread_join(hub->thread, deadline_ms);
    return !hub->is_started;
}

void hub_free(struct hub *hub)
{
    if (hub == NULL)
        return;
    presence_done(&hub->presence);
    identities_done(&hub->identities);
    database_done(&hub->database);
    courier_done(&hub->courier);
    mailbox_done(&hub->mailbox);
    free(hub->revoked);
    free(hub);
}

void hub_state(struct hub *hub, struct hub_state *ret_state)
{
    *ret_state = (struct hub_state){atomic_load(&hub->sessions_len), atomic_load(&hub->ready_len)};
}
