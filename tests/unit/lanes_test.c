/* What waits for sessions: each one's order, and everybody's turn.
 * link: broker-plugin/lanes.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "broker-plugin/lanes.h"

#define SESSIONS 40u
#define STEPS    20000

static void put(struct lanes *lanes, uint32_t session, struct step *step, bool is_for_many)
{
    assert_int_equal(lanes_put(lanes, session, step, is_for_many), STATUS_OK);
}

/* Random puts and takes: nothing is lost, and each session gets its own in the order they came. */
static void order_of_each_session(void **state)
{
    (void)state;
    static struct step steps[STEPS];
    const struct step *last[SESSIONS] = {NULL};
    struct lanes lanes;
    uint32_t session, taken = 0;
    unsigned seed = 1;
    lanes_init(&lanes);
    for (int i = 0; i < STEPS; i++) {
        put(&lanes, 1 + (uint32_t)rand_r(&seed) % SESSIONS, &steps[i], rand_r(&seed) % 50 == 0);
        for (int take = rand_r(&seed) % 3; i % 1000 > 500 && take > 0; take--) {
            const struct step *step = lanes_take(&lanes, rand_r(&seed) % 2 == 0, &session);
            if (step == NULL)
                continue;
            assert_true(step > last[session - 1]);
            last[session - 1] = step;
            taken++;
        }
    }
    const struct step *step;
    while ((step = lanes_take(&lanes, false, &session)) != NULL ||
           (step = lanes_take(&lanes, true, &session)) != NULL) {
        assert_true(step > last[session - 1]);
        last[session - 1] = step;
        taken++;
    }
    assert_int_equal(taken, STEPS);
    lanes_done(&lanes);
}

static void each_lane_has_its_turn(void **state)
{
    (void)state;
    static struct step flood[10 * LANES_AT_ONCE];
    struct step one, two;
    struct lanes lanes;
    uint32_t session;
    lanes_init(&lanes);
    for (size_t i = 0; i < sizeof flood / sizeof flood[0]; i++)
        put(&lanes, 1, &flood[i], false);
    put(&lanes, 2, &one, false);
    put(&lanes, 2, &two, false);
    for (int i = 0; i < LANES_AT_ONCE; i++)
        assert_ptr_equal(lanes_take(&lanes, false, &session), &flood[i]);
    assert_ptr_equal(lanes_take(&lanes, false, &session), &one);
    assert_ptr_equal(lanes_take(&lanes, false, &session), &two); /* what one has goes together */
    assert_int_equal(session, 2);
    assert_ptr_equal(lanes_take(&lanes, false, &session), &flood[LANES_AT_ONCE]);
    lanes_done(&lanes);
}

static void many_and_few(void **state)
{
    (void)state;
    struct step steps[4];
    struct lanes lanes;
    uint32_t session;
    lanes_init(&lanes);
    put(&lanes, 1, &steps[0], false);
    put(&lanes, 1, &steps[1], true); /* from here on it is a lane of many */
    put(&lanes, 2, &steps[2], true);
    put(&lanes, 2, &steps[3], false); /* not before the one it came after */
    assert_null(lanes_take(&lanes, false, &session));
    assert_ptr_equal(lanes_take(&lanes, true, &session), &steps[2]);
    assert_ptr_equal(lanes_take(&lanes, true, &session), &steps[3]);
    assert_ptr_equal(lanes_take(&lanes, true, &session), &steps[0]);
    assert_ptr_equal(lanes_take(&lanes, true, &session), &steps[1]);
    put(&lanes, 1, &steps[0], false); /* all that was for many is gone */
    assert_ptr_equal(lanes_take(&lanes, false, &session), &steps[0]);
    lanes_done(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_each_session),
        cmocka_unit_test(each_lane_has_its_turn),
        cmocka_unit_test(many_and_few),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
