#!/usr/bin/python3
"""What several connections do at once: who waits for whom, what is told when, and that nobody waits in a circle.

Prints TAP. The database is that of tests/schema/run.sh, by the environment. Everything is committed; names are of this
test only.
"""
import random
import select
import threading
import time
import traceback

import psycopg2
import psycopg2.errors

DEADLINE_S = 20


def connect(autocommit=True):
    connection = psycopg2.connect("")
    connection.autocommit = autocommit
    return connection


def ask(connection, statement, *args):
    with connection.cursor() as cursor:
        cursor.execute(statement, args)
        return cursor.fetchall() if cursor.description else None


def one(connection, statement, *args):
    rows = ask(connection, statement, *args)
    return rows[0][0]


def conversation(connection, name):
    return ask(connection, "select conversation_id, membership_version from gnatter.conversation_load(%s, '{t}')",
               [name])[0]


def device(connection, client_id):
    return ask(connection, "select user_id, device_id from gnatter.device_open(%s)", [client_id])[0]


def append(connection, groups, message_id):
    """One message of a device into each of these (conversation id, version, user id, device id)."""
    return one(connection,
               "select base_seqs from gnatter.append(%s, %s, %s, %s, %s, %s, array_fill('x'::bytea, array[%s]))",
               [g[0] for g in groups], [g[1] for g in groups], [1] * len(groups), [g[2] for g in groups],
               [g[3] for g in groups], [message_id] * len(groups), len(groups))


class Behind:
    """Runs a call on another thread; `waits` says that the database makes it wait for a lock."""

    def __init__(self, connection, call):
        self.pid = connection.get_backend_pid()
        self.result = self.error = None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()

    def _run(self, call):
        try:
            self.result = call()
        except Exception as error:  # told by join()
            self.error = error

    def waits(self, observer):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end and self.thread.is_alive():
            if one(observer, "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s", self.pid):
                return True
            time.sleep(0.01)
        return False

    def join(self):
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), "it never ended"
        if self.error:
            raise self.error
        return self.result


def notified(connection, count):
    """The next notifications, in order."""
    end = time.monotonic() + DEADLINE_S
    while len(connection.notifies) < count and time.monotonic() < end:
        if select.select([connection], [], [], 0.1)[0]:
            connection.poll()
    told = [n.payload for n in connection.notifies]
    connection.notifies.clear()
    return told


def quiet(connection):
    time.sleep(0.05)
    connection.poll()
    return not connection.notifies


# ---- tests: each has its own users and groups ----
def test_append_waits_for_removal_and_is_stale(a, b, c):
    ask(a, "select gnatter.create_users('{ra,rb}', 'p'); select gnatter.create_group('r1', 'ra', '{rb}')")
    group, version = conversation(a, "g/r1")
    user_id, device_id = device(a, "rb:p")
    b.autocommit = False
    assert one(b, "select gnatter.remove_member('r1', 'rb')") == 2
    behind = Behind(a, lambda: append(a, [(group, version, user_id, device_id)], "m1"))
    assert behind.waits(c), "an append waits for a change of membership that is under way"
    b.commit()
    assert behind.join() == [None], "and is not appended, for it was decided before"
    assert one(a, "select state from gnatter.append_careful(%s, %s, %s, '{m1}', '{x}')",
               [group], [user_id], [device_id]) == "not-member"


def test_append_waits_for_a_removal_that_does_not_happen(a, b, c):
    ask(a, "select gnatter.create_users('{sa,sb}', 'p'); select gnatter.create_group('s1', 'sa', '{sb}')")
    group, version = conversation(a, "g/s1")
    b.autocommit = False
    one(b, "select gnatter.remove_member('s1', 'sb')")
    behind = Behind(a, lambda: append(a, [(group, version, *device(c, "sb:p"))], "m1"))
    assert behind.waits(c)
    b.rollback()
    assert behind.join() == [2], "the seq of what was undone is given again: no gap"


def test_removal_waits_for_an_append(a, b, c):
    ask(a, "select gnatter.create_users('{ta,tb}', 'p'); select gnatter.create_group('t1', 'ta', '{tb}')")
    group, version = conversation(a, "g/t1")
    b.autocommit = False
    assert append(b, [(group, version, *device(c, "tb:p"))], "m1") == [2]
    behind = Behind(a, lambda: one(a, "select gnatter.remove_member('t1', 'tb')"))
    assert behind.waits(c)
    b.commit()
    assert behind.join() == 3, "who is put out wrote before"


def test_other_conversations_go_on(a, b, c):
    ask(a, "select gnatter.create_users('{ua,ub}', 'p'); select gnatter.create_group(g, 'ua', '{ub}')"
        " from unnest('{u1,u2}'::text[]) g")
    b.autocommit = False
    one(b, "select gnatter.remove_member('u1', 'ub')")
    assert append(a, [(*conversation(a, "g/u2"), *device(a, "ub:p"))], "m1") == [2]
    b.rollback()


def test_two_changes_of_one_group(a, b, c):
    ask(a, "select gnatter.create_users('{va,vb,vc}', 'p'); select gnatter.create_group('v1', 'va')")
    b.autocommit = False
    assert one(b, "select gnatter.add_member('v1', 'vb')") == 2
    behind = Behind(a, lambda: one(a, "select gnatter.add_member('v1', 'vc')"))
    assert behind.waits(c)
    b.commit()
    assert behind.join() == 3


def test_joining_twice_at_once(a, b, c):
    ask(a, "select gnatter.create_users('{wa,wb}', 'p'); select gnatter.create_group('w1', 'wa')")
    b.autocommit = False
    one(b, "select gnatter.add_member('w1', 'wb')")
    behind = Behind(a, lambda: one(a, "select gnatter.add_member('w1', 'wb')"))
    assert behind.waits(c)
    b.commit()
    try:
        behind.join()
        raise AssertionError("joined twice")
    except psycopg2.Error as error:
        assert error.pgcode == "GN004", error


def test_both_owners_leave_at_once(a, b, c):
    ask(a, "select gnatter.create_users('{xa,xb,xc}', 'p'); select gnatter.create_group('x1', 'xa', '{xb,xc}')")
    ask(a, "select gnatter.set_role('x1', 'xb', 'owner')")
    leave = ("select gnatter.rpc((select device_id from gnatter.device_open(%s)), %s, 'group.leave',"
             " '{\"group\": \"x1\"}')")
    b.autocommit = False
    assert one(b, leave, ["xa:p"], "r") == {"result": {"seq": 3}}
    behind = Behind(a, lambda: one(a, leave, ["xb:p"], "r"))
    assert behind.waits(c)
    b.commit()
    assert behind.join() == {"result": {"seq": 4}}
    assert ask(a, "select user_name, role from gnatter.members where group_name = 'x1'") == [("xc", "owner")]


def test_a_user_is_removed_while_joining(a, b, c):
    ask(a, "select gnatter.create_users('{ya,yb}', 'p'); select gnatter.create_group('y1', 'ya')")
    b.autocommit = False
    one(b, "select gnatter.add_member('y1', 'yb')")
    behind = Behind(a, lambda: ask(a, "select gnatter.remove_user('yb')"))
    assert behind.waits(c), "a removal waits until she has joined"
    b.commit()
    behind.join()
    assert ask(a, "select 1 from gnatter.members where user_name = 'yb'") == [], "and then she leaves"


def test_joining_while_a_user_is_removed(a, b, c):
    ask(a, "select gnatter.create_users('{za,zb}', 'p'); select gnatter.create_group('z1', 'za')")
    b.autocommit = False
    ask(b, "select gnatter.remove_user('zb')")
    behind = Behind(a, lambda: one(a, "select gnatter.add_member('z1', 'zb')"))
    assert behind.waits(c)
    b.commit()
    try:
        behind.join()
        raise AssertionError("a removed user joined")
    except psycopg2.Error as error:
        assert error.pgcode == "GN002", error


def test_the_same_request_twice_at_once(a, b, c):
    ask(a, "select gnatter.create_users('{qa}', 'p')")
    _, device_id = device(a, "qa:p")
    create = "select gnatter.rpc(%s, 'same', 'group.create', '{\"members\": []}')"
    b.autocommit = False
    first = one(b, create, device_id)
    behind = Behind(a, lambda: one(a, create, device_id))
    assert behind.waits(c), "it waits for the answer"
    b.commit()
    assert behind.join() == first, "which is the same"
    assert one(a, "select count(*) from gnatter.members where user_name = 'qa'") == 1


def test_a_direct_conversation_made_twice_at_once(a, b, c):
    ask(a, "select gnatter.create_users('{pa,pb}', 'p')")
    b.autocommit = False
    first = conversation(b, "d/pa/pb")
    behind = Behind(a, lambda: conversation(a, "d/pa/pb"))
    assert behind.waits(c)
    b.commit()
    assert behind.join() == first
    assert one(a, "select count(*) from gnatter.members where conversation = 'd/pa/pb'") == 2


def test_the_last_devices_at_once(a, b, c):
    ask(a, "select gnatter.create_user('oa')")
    ask(a, "select gnatter.add_device('oa', 'd' || i) from generate_series(1, 63) i")
    b.autocommit = False
    one(b, "select gnatter.add_device('oa', 'e1')")
    behind = Behind(a, lambda: one(a, "select gnatter.add_device('oa', 'e2')"))
    assert behind.waits(c)
    b.commit()
    try:
        behind.join()
        raise AssertionError("65 devices")
    except psycopg2.Error as error:
        assert error.pgcode == "GN007", error


def test_a_purge_locks_the_conversation_before_its_items(a, b, c):
    ask(a, "select gnatter.create_users('{pga,pgb}', 'p'); select gnatter.create_group(g, 'pga', '{pgb}')"
        " from unnest('{pg-1,pg-2}'::text[]) g")
    for group in ("g/pg-1", "g/pg-2"):
        append(a, [(*conversation(a, group), *device(a, "pga:p"))], "m1")
        ask(a, "update gnatter.message set time_ms = 1 where conversation_id = %s", conversation(a, group)[0])
    c.autocommit = False
    ask(c, "select from gnatter.message where conversation_id = %s for update", conversation(c, "g/pg-2")[0])
    purge = Behind(b, lambda: one(b, "select gnatter.purge('1 day')"))
    observer = connect()
    assert purge.waits(observer), "the second conversation's items are held by somebody"
    deletion = Behind(a, lambda: one(a, "select gnatter.delete_message('g/pg-1', 2)"))
    assert deletion.waits(observer), "what the first one loses is held by the purge"
    c.rollback()
    assert purge.join() == 4, "no deadlock"
    try:
        deletion.join()
        raise AssertionError("what was purged is there no more")
    except psycopg2.Error as error:
        assert error.pgcode == "GN006", error
    observer.close()


def test_who_is_being_removed_leaves_no_profile(a, b, c):
    ask(a, "select gnatter.create_users('{pra}', 'p')")
    user_id, device_id = device(a, "pra:p")
    b.autocommit = False
    ask(b, "select gnatter.remove_user('pra')")
    change = Behind(a, lambda: one(a, "select gnatter.rpc(%s, 'r1', 'profile.set', '{\"about\": \"x\"}')", device_id))
    assert change.waits(c)
    b.commit()
    assert "error" in change.join()
    assert ask(a, "select 1 from gnatter.profile where user_id = %s", user_id) == []


def test_an_app_that_two_devices_register_at_once(a, b, c):
    ask(a, "select gnatter.create_users('{tokena,tokenb}', 'p')")
    statement = "select gnatter.push_register(%s, 'p', '{\"provider\": \"fcm\", \"token\": \"fedcba9876543210\"}')"
    held = ("select u.name from gnatter.push_registration r join gnatter.user_account u using (user_id)"
            " where r.token = 'fedcba9876543210'")
    for first, second in (("tokena", "tokenb"), ("tokena", "tokena")):
        ask(a, "delete from gnatter.push_registration")
        b.autocommit = False
        ask(b, statement, first)
        behind = Behind(a, lambda user=second: ask(a, statement, user))
        assert behind.waits(c)
        b.commit()
        behind.join()
        assert ask(c, held) == [(second,)], "the later one has it"
    ask(a, "delete from gnatter.push_registration")


def test_what_is_notified(a, b, c):
    ask(a, "select gnatter.create_users('{na,nb}', 'p')")
    listener = connect()
    ask(listener, "listen gnatter")
    b.autocommit = False
    one(b, "select gnatter.create_group('n1', 'na', '{}')")
    assert quiet(listener), "nothing before the commit"
    b.commit()
    assert notified(listener, 1) == ["c g/n1"]
    b.autocommit = True
    ask(b, "insert into gnatter.members (group_name, user_name) values ('n1', 'nb')")
    ask(b, "update gnatter.member set role = 'admin' where user_id = %s", device(b, "nb:p")[0])
    ask(b, "delete from gnatter.members where group_name = 'n1' and user_name = 'nb'")
    ask(b, "select gnatter.rename_group('n1', 'x')")
    assert notified(listener, 4) == ["c g/n1"] * 4
    ask(b, "begin; select gnatter.add_member('n1', 'nb'), gnatter.rename_group('n1', 'y'); commit")
    assert notified(listener, 1) == ["c g/n1"], "once for a transaction"
    append(b, [(*conversation(b, "g/n1"), *device(b, "na:p"))], "m1")
    assert quiet(listener), "nothing for what the service appends itself"
    ask(b, "select gnatter.delete_message('g/n1', 8)")
    ask(b, "select gnatter.purge('0 hours', conversation => 'g/n1')")
    assert notified(listener, 2) == ["c g/n1"] * 2
    ask(b, "select gnatter.revoke_device('nb', 'p')")
    assert notified(listener, 2) == ["r nb:p", "d nb:p"]
    ask(b, "select gnatter.add_device('nb', 'q')")
    assert quiet(listener), "a new device is nothing to tell"
    user_id = device(b, "nb:q")[0]
    ask(b, "select gnatter.remove_user('nb')")
    told = notified(listener, 5)
    assert told == ["r nb:q", "d nb:q", "c g/n1", f"u {user_id}", "r nb"], told
    ask(b, "select gnatter.delete_group('n1')")
    assert notified(listener, 1) == ["c g/n1"]
    listener.close()


CLAIMS = "select pid from pg_locks where locktype = 'advisory' and classid = 451445956 and objsubid = 2 and granted"


def test_a_stranger_keeps_no_service_out(a, b, c):
    """Who may only connect takes what locks he can: those of earlier versions, and the one that a service has."""
    ask(a, "create role stranger login; grant connect on database gnatter to stranger")
    stranger = psycopg2.connect("user=stranger")
    stranger.autocommit = True
    ask(stranger, "select pg_advisory_lock(4746413252), pg_advisory_lock(4746413251), pg_advisory_lock(451445956, 1)")
    for lock in ("lock table gnatter.claim in access share mode", "lock table gnatter.migration in access share mode"):
        try:
            ask(stranger, "begin")
            ask(stranger, lock)
            raise AssertionError(lock)
        except psycopg2.errors.InsufficientPrivilege:
            ask(stranger, "rollback")
    claim = "select is_claimed, holder_pid from gnatter.service_claim()"
    assert ask(a, claim) == [(True, None)]
    assert ask(a, claim) == [(True, None)], "again: one lock is enough"
    assert ask(c, CLAIMS + " and objid <> 1") == [(a.get_backend_pid(),)]
    assert ask(b, claim) == [(False, a.get_backend_pid())]
    number = one(c, CLAIMS.replace("pid", "objid::bigint", 1) + " and pid = %s", a.get_backend_pid())
    waiting = Behind(stranger, lambda: ask(stranger, "select pg_advisory_lock(451445956, %s)", number))
    assert waiting.waits(c)
    ask(a, "select pg_advisory_unlock_all()")
    waiting.join()
    assert ask(b, claim) == [(True, None)], "the lock that the last one had makes nobody the next one"
    ask(b, "select pg_advisory_unlock_all(); select pg_advisory_lock(4746413252 + 1)")
    stranger.close()
    end = time.monotonic() + DEADLINE_S
    while ask(c, CLAIMS) and time.monotonic() < end:
        time.sleep(0.01)
    assert ask(c, CLAIMS) == []
    ask(b, "select pg_advisory_lock(4746413252)")
    assert ask(a, claim) == [(False, b.get_backend_pid())], "a service of an earlier version"


def test_services_that_ask_at_once(a, b, c):
    ask(b, "begin; select gnatter.service_claim()")
    second = Behind(a, lambda: ask(a, "select is_claimed from gnatter.service_claim()"))
    assert second.waits(c)
    ask(b, "commit")
    assert second.join() == [(False,)]


def test_a_forgotten_transaction_is_ended(a, b, c):
    ask(a, "select gnatter.create_users('{ia}', 'p'); select gnatter.create_group('i1', 'ia')")
    limit = "select current_setting('idle_in_transaction_session_timeout')"
    b.autocommit = False
    assert one(b, limit) == "0"
    one(b, "select gnatter.rename_group('i1', 'x')")
    assert one(b, limit) == "30s", "a conversation must not wait for ever for somebody who went away"
    b.commit()
    assert one(b, limit) == "0", "after it all is as it was"
    b.rollback()


def test_wal_does_not_grow_with_the_group(a, b, c):
    ask(a, "select gnatter.create_users(array(select 'h' || i from generate_series(1, 1000) i), 'p')")
    ask(a, "select gnatter.create_group('h1', 'h1', '{h2}')")
    ask(a, "select gnatter.create_group('h2', 'h1', array(select 'h' || i from generate_series(2, 1000) i))")
    sender, written = device(a, "h1:p"), {}
    for group in ("h1", "h2"):
        place = conversation(a, f"g/{group}")
        least = None
        for n in range(200):  # the least: without pages that are written whole
            before = one(a, "select pg_current_wal_insert_lsn()")
            append(a, [(*place, *sender)], f"m{n}")
            size = int(one(a, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", before))
            least = size if least is None else min(least, size)
        written[group] = least
    assert written["h2"] <= written["h1"] * 1.1, written


def test_nobody_waits_in_a_circle(a, b, c):
    """Appends, changes of membership and removals over the same groups: all end, without a deadlock, and all holds."""
    users = [f"k{i}" for i in range(12)]
    groups = [f"k-{i}" for i in range(6)]
    ask(a, "select gnatter.create_users(%s, 'p')", users + ["kill" + u for u in users])
    for group in groups:
        ask(a, "select gnatter.create_group(%s, 'k0', %s)", group, users[1:] + ["kill" + u for u in users])
    devices = {user: device(a, user + ":p") for user in users}
    end = time.monotonic() + 4
    errors, done = [], {"append": 0, "change": 0}

    def appends(name):
        connection, n, sender = connect(), 0, devices[users[int(name)]]
        while time.monotonic() < end:
            rows = ask(connection, "select conversation_id, membership_version from gnatter.conversation_load(%s, %s)"
                       " order by 1", [f"g/{g}" for g in random.sample(groups, 4)], [False] * 4)
            n += 1
            try:
                append(connection, [(*row, *sender) for row in rows], f"{name}-{n}")
                done["append"] += 1
            except Exception as error:
                errors.append(error)
        connection.close()

    def marks(name):
        connection = connect()
        ids = [conversation(connection, f"g/{group}")[0] for group in groups]
        while time.monotonic() < end:
            random.shuffle(ids)
            user, its_device = devices[users[int(name)]]
            try:
                seqs = [random.randrange(999)] * 6
                ask(connection, "select gnatter.marks_flush(%s, %s, %s, %s, %s, %s, %s)",
                    [its_device] * 6, ids, seqs, [user] * 6, ids, seqs, [random.randrange(99)] * 6)
            except Exception as error:
                errors.append(error)
        connection.close()

    def changes(name):
        connection = connect()
        while time.monotonic() < end:
            group, user = random.choice(groups), random.choice(users[6:])
            try:
                random.choice([
                    lambda: ask(connection, "select gnatter.remove_member(%s, %s)", group, user),
                    lambda: ask(connection, "select gnatter.add_member(%s, %s)", group, user),
                    lambda: ask(connection, "delete from gnatter.members where group_name = %s and user_name = %s",
                                group, user),
                    lambda: ask(connection, "insert into gnatter.members (group_name, user_name) values (%s, %s)",
                                group, user),
                    lambda: ask(connection, "select gnatter.set_role(%s, %s, 'admin')", group, user),
                    lambda: ask(connection, "select gnatter.rename_group(%s, 'x')", group)])()
                done["change"] += 1
            except psycopg2.Error as error:
                if error.pgcode not in ("GN001", "GN004"):
                    errors.append(error)
        connection.close()

    def removals(_):
        connection = connect()
        for user in users:
            try:
                ask(connection, "select gnatter.remove_user(%s)", "kill" + user)
            except Exception as error:
                errors.append(error)
            time.sleep(0.2)
        connection.close()

    work = [(appends, "0"), (appends, "1"), (marks, "2"), (marks, "2"), (changes, "3"), (changes, "4"), (removals, "5")]
    threads = [threading.Thread(target=call, args=(name,), daemon=True) for call, name in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert not any(thread.is_alive() for thread in threads), "somebody still waits"
    assert not errors, errors[:3]
    assert done["append"] > 20 and done["change"] > 20, done


def test_all_is_well(a, b, c):
    assert ask(a, "select * from gnatter.verify()") == []


def main(names):
    tests = [value for name, value in names.items() if name.startswith("test_")]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        connections = [connect() for _ in range(3)]
        try:
            test(*connections)
            print(f"ok {number} - {test.__name__[5:].replace('_', ' ')}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {test.__name__[5:].replace('_', ' ')}")
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
        for connection in connections:
            connection.close()
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main(globals()))
