#!/usr/bin/python3
"""In which order rows are locked: who takes them in another one than somebody else waits with him in a circle.

Prints TAP, as test_concurrency.py does. Everything is committed; names are of this test only.
"""
from test_concurrency import Behind, append, ask, connect, conversation, device, main


def taken_first(call, observer, holder, table, rows):
    """Which of these rows a call locks before the lowest, which is named first: none, or two calls wait in a circle."""
    holder.autocommit = False
    ask(holder, f"select from {table} where {rows[0]} for update")
    waiting = Behind(*call)
    assert waiting.waits(observer)
    free = [row for row in rows[1:] if ask(observer, f"select 1 from {table} where {row} for update skip locked")]
    holder.rollback()
    waiting.join()
    return [row for row in rows[1:] if row not in free]


def test_rows_are_locked_in_one_order(a, b, c):
    """Each of those who change the same rows begins with the lowest of them, however they lie in the table."""
    observer = connect()
    users = [f"l{i}" for i in range(1, 9)]
    ask(a, "select gnatter.create_users(%s, 'p')", users)
    accounts = [f"name = '{user}'" for user in users]
    create = "select gnatter.create_group('l-group', 'l8', '{l3,l2,l7,l1,l6,l5,l4}')"
    assert taken_first((b, lambda: ask(b, create)), observer, c, "gnatter.user_account", accounts) == []
    ids = [device(a, f"{user}:p")[1] for user in users]
    for one_id in reversed(ids):  # the last first
        ask(a, "update gnatter.device set ack_mode = 'auto' where device_id = %s", one_id)
    devices = [f"device_id = {i}" for i in ids]
    shuffled = ids[4:] + ids[3::-1]
    live = "select gnatter.device_live(%s)"
    assert taken_first((b, lambda: ask(b, live, shuffled)), observer, c, "gnatter.device", devices) == []
    gone = "select gnatter.device_gone(%s, array_fill(1, array[8]))"
    assert taken_first((b, lambda: ask(b, gone, shuffled)), observer, c, "gnatter.device", devices) == []
    ask(a, "select gnatter.create_users('{ma,mb,mc,md}', 'p')")
    ask(a, "select gnatter.block_user('ma', 'mb'); select gnatter.set_privacy('mc', '{\"messages\": \"contacts\"}')")
    accept = ("select gnatter.rpc((select device_id from gnatter.device_open('{mc:p}')), 'r', 'request.accept',"
              " '{\"user\": \"md\"}')")
    for change, first, second in ("select gnatter.unblock_user('ma', 'mb')", "ma", "mb"), (accept, "mc", "md"):
        sender, (first_id, _) = device(a, f"{second}:p"), device(a, f"{first}:p")
        ask(a, "select gnatter.conversation_load(%s, '{t}', %s)", [f"d/{first}/{second}"], [sender[0]])
        place = conversation(a, f"d/{first}/{second}")
        append(a, [(*place, *sender)], "m1")
        for user_id in (sender[0], first_id):
            ask(a, "select gnatter.marks_flush('{}', '{}', '{}', %s, %s, '{1}', '{0}')", [user_id], [place[0]])
        marks = [f"conversation_id = {place[0]} and user_id = {user_id}" for user_id in (first_id, sender[0])]
        assert taken_first((b, lambda: ask(b, change)), observer, c, "gnatter.mark", marks) == [], change
    observer.close()


def test_a_user_is_set_twice_at_once(a, b, c):
    """Who first shares a row and then wants it alone waits for the other one, who does the same."""
    ask(a, "select gnatter.create_users('{sp1}', 'p')")
    c.autocommit = False
    ask(c, "select gnatter.create_group('sp-group', 'sp1')")
    observer = connect()
    setting = "select gnatter.set_privacy('sp1', '{\"online\": \"nobody\"}')"
    both = [Behind(connection, lambda connection=connection: ask(connection, setting)) for connection in (a, b)]
    assert all(one_.waits(observer) for one_ in both)
    c.commit()
    for one_ in both:
        one_.join()
    observer.close()


if __name__ == "__main__":
    raise SystemExit(main(globals()))
