#include "lanes.h"

#include <stdlib.h>

#define SPARES_MAX 256

struct lane {
    struct table_link by_session;
    struct lane *next; /* in its queue, or among the spares */
    struct step *first, **last;
    uint32_t session;
    uint16_t taken; /* since its turn came */
    bool is_of_many;
};

static uint64_t lane_hash(const struct table_link *link)
{
    return hash_number(TABLE_ENTRY(link, const struct lane, by_session)->session);
}

static struct lane *lane_at(struct table_link *link)
{
    return TABLE_ENTRY(link, struct lane, by_session);
}

void lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){.spares = NULL};
    lanes->few.last = &lanes->few.first;
    lanes->many.last = &lanes->many.first;
}

void lanes_done(struct lanes *lanes)
{
    uint32_t session;
    while (lanes_take(lanes, false, &session) != NULL || lanes_take(lanes, true, &session) != NULL)
        ;
    while (lanes->spares != NULL) {
        struct lane *lane = lanes->spares;
        lanes->spares = lane->next;
        free(lane);
    }
    lanes_init(lanes);
}

/* ---- queues ---- */
static void queue_add(struct lane_queue *queue, struct lane *lane)
{
    lane->next = NULL;
    *queue->last = lane;
    queue->last = &lane->next;
}

/* Takes the first one off. */
static void queue_pop(struct lane_queue *queue)
{
    queue->first = queue->first->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
}

/* ---- lanes ---- */
static struct lane *lane_find(const struct lanes *lanes, uint32_t session)
{
    struct table_link *link = table_chain(&lanes->by_session, hash_number(session));
    while (link != NULL && lane_at(link)->session != session)
        link = link->next;
    return link != NULL ? lane_at(link) : NULL;
}

static void lane_spare(struct lanes *lanes, struct lane *lane)
{
    if (lanes->spares_len >= SPARES_MAX) {
        free(lane);
        return;
    }
    lane->next = lanes->spares;
    lanes->spares = lane;
    lanes->spares_len++;
}

static struct lane *lane_new(struct lanes *lanes, uint32_t session, bool is_of_many)
{
    struct lane *lane = lanes->spares;
    if (lane != NULL) {
        lanes->spares = lane->next;
        lanes->spares_len--;
    } else if ((lane = malloc(sizeof *lane)) == NULL) {
        return NULL;
    }
    *lane = (struct lane){.session = session, .is_of_many = is_of_many};
    lane->last = &lane->first;
    if (table_add(&lanes->by_session, &lane->by_session, lane_hash) != STATUS_OK) {
        lane_spare(lanes, lane);
        return NULL;
    }
    queue_add(is_of_many ? &lanes->many : &lanes->few, lane);
    return lane;
}

enum status lanes_put(struct lanes *lanes, uint32_t session, struct step *step, bool is_for_many)
{
    struct lane *lane = lane_find(lanes, session);
    if (lane == NULL && (lane = lane_new(lanes, session, is_for_many)) == NULL)
        return STATUS_NO_MEMORY;
    lane->is_of_many |= is_for_many; /* it changes its queue when its turn comes */
    step->next = NULL;
    *lane->last = step;
    lane->last = &step->next;
    return STATUS_OK;
}

struct step *lanes_take(struct lanes *lanes, bool of_many, uint32_t *ret_session)
{
    struct lane_queue *queue = of_many ? &lanes->many : &lanes->few;
    struct lane *lane;
    while ((lane = queue->first) != NULL && lane->is_of_many != of_many) {
        queue_pop(queue);
        queue_add(&lanes->many, lane);
    }
    if (lane == NULL)
        return NULL;
    struct step *step = lane->first;
    *ret_session = lane->session;
    lane->first = step->next;
    if (lane->first == NULL) {
        queue_pop(queue);
        table_remove(&lanes->by_session, &lane->by_session, lane_hash);
        lane_spare(lanes, lane);
    } else if (++lane->taken == LANES_AT_ONCE) {
        lane->taken = 0;
        queue_pop(queue);
        queue_add(queue, lane);
    }
    return step;
}
