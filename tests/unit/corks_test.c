/* What goes to one session in a turn leaves together, and what goes alone at once.
 * link: broker-plugin/corks.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "broker-plugin/broker.h"
#include "broker-plugin/corks.h"

#define PEOPLE 300

/* ---- what stands for the broker and the sessions ---- */
static struct session people[PEOPLE];
static bool is_gone[PEOPLE], is_corked[PEOPLE];
static int sockets_asked, socket_of_all; /* 0: each has its own */

int broker_socket(const void *client)
{
    sockets_asked++;
    return socket_of_all != 0 ? socket_of_all : (int)((const struct session *)client - people);
}

void broker_cork(int socket, bool is_on)
{
    assert_true(is_corked[socket] != is_on);
    is_corked[socket] = is_on;
}

struct session *sessions_of_number(const struct sessions *sessions, uint32_t number)
{
    (void)sessions;
    return is_gone[number - 1] ? NULL : &people[number - 1];
}

static int setup(void **state)
{
    static struct corks corks;
    corks_init(&corks, true);
    memset(people, 0, sizeof people);
    memset(is_gone, 0, sizeof is_gone);
    memset(is_corked, 0, sizeof is_corked);
    sockets_asked = socket_of_all = 0;
    for (uint32_t i = 0; i < PEOPLE; i++) {
        people[i].number = i + 1;
        people[i].client = &people[i];
        people[i].socket = SESSION_SOCKET_UNKNOWN;
    }
    *state = &corks;
    return 0;
}

static int teardown(void **state)
{
    corks_done(*state);
    return 0;
}

static unsigned corked(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        count += is_corked[i];
    return count;
}

/* ---- tests ---- */
static void one_alone_is_not_held(void **state)
{
    for (int turn = 0; turn < 3; turn++) {
        corks_publish(*state, &people[0], false);
        corks_publish(*state, &people[1], false);
        assert_int_equal(corked(), 0);
        corks_turn(*state, NULL, 0);
    }
    assert_int_equal(sockets_asked, 0);
}

static void from_the_second_on_it_is_held_until_the_next_turn(void **state)
{
    struct corks *corks = *state;
    for (int i = 0; i < 5; i++)
        corks_publish(corks, &people[3], false);
    corks_publish(corks, &people[4], false);
    assert_true(is_corked[3]);
    assert_int_equal(corked(), 1);
    assert_true(corks_are_in(corks));
    corks_turn(corks, NULL, 0);
    assert_int_equal(corked(), 0);
    assert_false(corks_are_in(corks));
    corks_publish(corks, &people[3], false);
    assert_int_equal(corked(), 0);
    corks_publish(corks, &people[3], false);
    assert_int_equal(corked(), 1);
    assert_int_equal(sockets_asked, 1); /* it stays the same */
    corks_turn(corks, NULL, 0);
}

static void to_all(struct corks *corks)
{
    for (size_t i = 0; i < PEOPLE; i++)
        corks_publish(corks, &people[i], true);
}

static void many_alike_turn_after_turn_are_held_for_a_while(void **state)
{
    struct corks *corks = *state;
    corks_turn(corks, NULL, 1000);
    to_all(corks);
    assert_int_equal(corked(), 0); /* it may be the only one */
    corks_turn(corks, NULL, 1001);
    for (uint32_t i = 0; i < CORKS_HOLD_MS; i++) {
        to_all(corks);
        assert_int_equal(corked(), PEOPLE);
        corks_turn(corks, NULL, 1001 + i);
    }
    corks_turn(corks, NULL, 1001 + CORKS_HOLD_MS);
    assert_int_equal(corked(), 0);
    assert_false(corks_are_in(corks));
}

static void many_alike_are_held_no_longer_than_they_come(void **state)
{
    struct corks *corks = *state;
    for (uint32_t turn = 0; turn < 2; turn++) {
        corks_turn(corks, NULL, 1000);
        to_all(corks);
    }
    assert_int_equal(corked(), PEOPLE);
    corks_turn(corks, NULL, 1000);
    assert_int_equal(corked(), PEOPLE); /* there were some in the turn that ended */
    corks_turn(corks, NULL, 1000);
    assert_int_equal(corked(), 0);
    corks_publish(corks, &people[0], true);
    assert_int_equal(corked(), 0);
}

static void many(void **state)
{
    for (int times = 0; times < 2; times++)
        for (size_t i = 0; i < PEOPLE; i++)
            corks_publish(*state, &people[i], false);
    assert_int_equal(corked(), PEOPLE);
    corks_turn(*state, NULL, 0);
    assert_int_equal(corked(), 0);
}

/* Its socket may be another's by now. */
static void who_has_gone_is_left_alone(void **state)
{
    corks_publish(*state, &people[0], false);
    corks_publish(*state, &people[0], false);
    is_gone[0] = true;
    corks_turn(*state, NULL, 0);
    assert_int_equal(corked(), 1);
}

static void who_has_no_socket_is_asked_once(void **state)
{
    socket_of_all = -1;
    for (int i = 0; i < 5; i++)
        corks_publish(*state, &people[0], false);
    assert_int_equal(corked(), 0);
    assert_int_equal(sockets_asked, 1);
}

static void off(void **state)
{
    corks_init(*state, false);
    for (int i = 0; i < 5; i++)
        corks_publish(*state, &people[0], false);
    assert_int_equal(sockets_asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_alone_is_not_held, setup, teardown),
        cmocka_unit_test_setup_teardown(from_the_second_on_it_is_held_until_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(many_alike_turn_after_turn_are_held_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(many_alike_are_held_no_longer_than_they_come, setup, teardown),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_gone_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_no_socket_is_asked_once, setup, teardown),
        cmocka_unit_test_setup_teardown(off, setup, teardown),
    };
    return cmocka_run_group_tests_name("corks", tests, NULL, NULL);
}
