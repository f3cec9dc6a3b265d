"""Whoever may connect to the database can notify, and take advisory locks: nothing that a notification says is believed."""
import json
from contextlib import closing

import psycopg2
import pytest

from lib.device import Refused
from lib.node import wait_until

FAR = 4_000_000_000


@pytest.fixture(scope="module")
def stranger(node):
    """A login that may connect, and nothing else."""
    with closing(node.database()) as admin:
        admin.cursor().execute("create role stranger login password 'far off'; grant connect on database gnatter to stranger")
        port = admin.info.port
    with closing(psycopg2.connect(host="127.0.0.1", port=port, user="stranger", password="far off", dbname="gnatter")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select * from gnatter.users")
        yield cursor
    node.sql("revoke connect on database gnatter from stranger; drop role stranger")


def forge(stranger, *payloads):
    stranger.execute("select pg_notify('gnatter', p), pg_notify('gnatter_push', p) from unnest(%s) p", (list(payloads),))


def ids(node, user, conversation):
    return node.sql(f"select u.user_id, c.conversation_id from gnatter.user_account u, gnatter.conversation c"
                    f" where u.name = '{user}' and c.name = '{conversation}'")[0]


def settle(phone, laptop, address):
    """What was notified before a change has been looked at when the change is told."""
    since = laptop.here()
    for pinned in (True, False):
        phone.rpc("conversation.pin", conversation=address, pinned=pinned)
        laptop.until(lambda: pinned in [json.loads(i.payload)["pinned"] for i in laptop.all_of("flags", since=since)], "told", 10)


def test_what_a_stranger_notifies(stranger, cast):
    anna, bert = cast.users(2)
    phone, laptop, peer = anna.device("phone"), anna.device("laptop"), bert.device()
    other = anna.device("tablet")
    phone.say(bert.address)
    peer.wait_for("chat", seq=1)
    for device in (phone, laptop):
        device.wait_live()  # or what is set might be told as changed while it was away
    group = cast.group(anna, bert)
    direct = f"d/{min(anna.name, bert.name)}/{max(anna.name, bert.name)}"
    user_id, conversation_id = ids(cast.node, anna.name, group)
    clients = [device.client_id for device in (phone, laptop, peer)]
    forged = [f"r {name} {FAR}" for name in (*clients, anna.name, bert.name)] + [f"r {name}" for name in (*clients, anna.name)]
    forged += [f"d {name}" for name in clients] + [f"d {name} {FAR}" for name in clients]
    forged += [f"f {name} {bert.address} {{\"pinned\":true}}" for name in clients]
    forged += [f"f {user_id} {conversation_id} 0", f"f {FAR} {FAR} {FAR}", f"c {direct}", f"c {group}", "c g/nobody", "c x"]
    forged += [f"p {anna.name}", f"w {clients[0]}", f"u {user_id}", "u x", "k 0", f"k {FAR}", "k x", "x", "r", "c ", "z y", "f " * 3000]
    since, mark = laptop.here(), len(phone.all_of("flags"))
    for _ in range(3):
        forge(stranger, *forged)
    settle(phone, laptop, bert.address)
    assert len(laptop.all_of("flags", since=since)) == 2, "what was set, and nothing that was forged"
    assert len(phone.all_of("flags")) == mark and not peer.all_of("flags")
    assert all(device.is_connected() for device in (phone, laptop, peer))
    said = peer.say(anna.address).id
    laptop.wait_for("chat", id=said)
    phone.wait_for("chat", id=said)
    cast.node.ctl("group", "role", group[2:], bert.name, "admin")
    peer.until(lambda: [i for i in peer.all_of("event", conversation=group) if i.topic.endswith("/role-changed")], "role-changed")

    # A device that was revoked and is registered anew is not ended by what was true of the one before.
    cast.node.ctl("device", "revoke", anna.name, "tablet")
    other.wait_ended(timeout=10)
    other.token = cast.node.token(anna.name, "tablet")
    wait_until(lambda: connects(other), 15, "let in")
    forge(stranger, f"r {other.client_id} {FAR}", f"d {other.client_id}", f"r {other.client_id}")
    settle(phone, laptop, bert.address)
    said = peer.say(anna.address).id
    other.wait_for("chat", id=said)


def connects(device):
    try:
        return device.connect()
    except Refused:
        return False


def test_what_is_true_comes_through_a_flood(stranger, cast):
    anna, bert = cast.users(2)
    phone, stolen, peer = anna.device("phone"), anna.device("stolen"), bert.device()
    phone.say(bert.address)
    log = cast.node.dir / "log" / "syncd.log"
    complaints = log.read_text(errors="replace").count("not-understood")
    for kind in ("r flood%s:d", "d flood%s:d", "c g/flood%s", "p flood%s", "flood%s"):
        stranger.execute("select pg_notify('gnatter', format(%s, n)) from generate_series(1, 3000) n", (kind,))
    phone.rpc("device.revoke", device="stolen")
    stolen.wait_ended(timeout=20)
    with pytest.raises(Refused):
        stolen.start()
    said = peer.say(anna.address).id
    phone.wait_for("chat", id=said)
    assert phone.is_connected() and peer.is_connected()
    assert log.read_text(errors="replace").count("not-understood") - complaints < 5, "a log is no place to flood"


def test_a_stranger_who_holds_locks_keeps_no_service_out(stranger, cast):
    """Those that earlier versions took. The service claims the database again, and a migration begins."""
    holder = ("select pid from pg_locks join pg_stat_activity using (pid) where locktype = 'advisory' and classid = 451445956"
              " and granted and usename <> 'stranger'")
    node = cast.node
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    stranger.execute("set lock_timeout = '5s'; select pg_advisory_lock(4746413252), pg_advisory_lock(4746413251)")
    try:
        before = node.sql_value(holder)
        node.sql(f"select pg_terminate_backend({before}, 5000)")
        wait_until(lambda: node.sql_value(holder) not in (None, before), 20, "it is claimed again")
        node.ctl("migrate")
    finally:
        stranger.execute("select pg_advisory_unlock_all()")
    bob.wait_for("chat", id=alice.say(bob.address).id)
    node.ctl("group", "role", group[2:], bob.user, "admin")
    bob.until(lambda: [i for i in bob.all_of("event", conversation=group) if i.topic.endswith("/role-changed")], "role-changed")
