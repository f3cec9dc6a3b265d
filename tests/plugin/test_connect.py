"""Who is let in, and how a connection ends."""
import signal
import socket
import time

import pytest

import packets
from broker import SECRET, until
from service import Service
from tokens import Key

VERSIONS = [4, 5]
REFUSED = {4: 5, 5: 0x87}


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals(broker, cast, version):
    now = int(time.time())
    stranger = Key("k1")
    good = broker.token("alice", "phone")
    cases = [
        ("no token", {"token": False}),
        ("no user name and no token", {"token": False, "user": False}),
        ("no JWT", {"token": "x"}),
        ("an empty part", {"token": good.rsplit(".", 1)[0] + "."}),
        ("another's key under a known kid", {"token": stranger.token("alice", "phone")}),
        ("another's key without a kid", {"token": stranger.token("alice", "phone", kid=False)}),
        ("an unknown kid", {"token": Key("k9").token("alice", "phone")}),
        ("expired", {"token": broker.token("alice", "phone", issued_at=now - 100, ttl=99)}),
        ("from the future", {"token": broker.token("alice", "phone", issued_at=now + 100)}),
        ("of another user", {"token": broker.token("bob", "phone")}),
        ("of another device", {"token": broker.token("alice", "desk")}),
        ("another client id", {"token": good, "client_id": "alice:desk"}),
        ("no device in the client id", {"token": good, "client_id": "alice"}),
        ("an upper case client id", {"token": good, "client_id": "Alice:phone"}),
        ("another user name", {"token": good, "user": "bob"}),
        ("the service's user name", {"token": SECRET, "user": "$gnatter"}),
        ("the service's client id", {"token": good, "client_id": "$gnatter:x"}),
    ]
    for why, options in cases:
        alice = cast("alice:phone", version=version)
        assert alice.connect_refused(**options) == REFUSED[version], why
    cast("alice:phone", version=version).connect(token=good)
    assert good not in broker.log()


def test_any_known_key(broker, cast):
    for key in broker.keys:
        cast("alice:phone").connect(token=key.token("alice", "phone")).close()
        cast("alice:phone").connect(token=key.token("alice", "phone", kid=False)).close()


def test_service_refusals(broker):
    for options in [{"password": SECRET[:-1]}, {"password": SECRET + "0"}, {"password": SECRET[:-1] + "0"},
                    {"password": "f" + SECRET[1:]}, {"password": ""}, {"password": None},
                    {"client_id": "alice:phone"}, {"client_id": "$gnatter:"}, {"user": "alice"}]:
        assert Service(broker).connect(**options) == 5, options


def test_keys_are_read_again(broker, cast):
    new = Key("k3")
    assert cast("alice:phone").connect_refused(token=new.token("alice", "phone")) == 5
    old = broker.keys.pop(0)
    broker.keys.append(new)
    broker.write_keys()
    broker.reload()
    broker.wait_log("reload keys=2")
    cast("alice:phone").connect(token=new.token("alice", "phone"))
    assert cast("alice:desk").connect_refused(token=old.token("alice", "desk")) == 5
    (broker.dir / "tokens.pub").write_text("k4 not-a-key\n")
    broker.reload()
    broker.wait_log("reload failed")
    assert "tokens.pub line 1" in broker.log()
    cast("alice:phone").connect(token=new.token("alice", "phone"))


def test_a_reload_ends_nothing(broker, cast):
    """The broker asks again about every connection, and about sessions whose device is away."""
    away = cast("away:phone")
    away.begin(clean=False)
    until("CONNACK", lambda: away.code == 0)
    away.close()
    devices = [cast("alice:phone").online(), cast("bob:phone", version=5).online(),
               cast("carol:phone", transport="websockets").online()]
    service = Service(broker).start()
    known = dict(service.sessions)
    assert len(known) == 3
    broker.reload()
    broker.wait_log("reload keys=2")
    cast("dave:phone").online()
    service.session("dave:phone")  # the link is alive, and this is all that it was told
    assert {number: session for number, session in service.sessions.items() if number in known} == known
    assert len(service.sessions) == 4 and not service.of("gone")
    for device in devices:
        assert device.ended is None
        device.client.publish("typing/u/alice", b"1", 0)
    service.wait_records(3)
    service.stop()


def test_a_retired_key_ends_its_connections(broker, cast, service):
    old, new = broker.keys
    leaves = cast("alice:phone").connect(token=old.token("alice", "phone"))
    stays = cast("bob:phone").connect(token=new.token("bob", "phone"))
    broker.keys.remove(old)
    broker.write_keys()
    broker.reload()
    service.wait_gone("alice:phone", "closed")
    until("the connection ends", lambda: leaves.ended is not None)
    assert stays.ended is None


def test_a_reload_and_devices_away_whose_token_is_void(broker, cast):
    """Told no about a session that is away, the broker would end it twice and use what it has freed."""
    old, new = broker.keys

    def goes_away(name, key, expiry):
        device = cast(f"{name}:phone", version=5).connect(clean=False, expiry=expiry, token=key.token(name, "phone"))
        device.subscribe(f"inbox/{name}/#")
        device.close()
    for n in range(30):
        goes_away(f"away{n}", old, 1)
    broker.keys.remove(old)
    broker.write_keys()
    broker.reload()
    broker.wait_log("reload keys=1")
    broker.wait_log("Expiring client away29:phone")
    goes_away("later", new, 3)
    here = [cast(f"here{n}:phone", version=5).connect(token=new.token(f"here{n}", "phone")) for n in range(40)]
    broker.wait_log("Expiring client later:phone")  # which it has looked for all this time
    for device in here:
        assert device.subscribe(f"inbox/{device.user}/#") == 1
        assert device.ended is None
    assert cast("away0:phone", version=5).connect_refused(token=old.token("away0", "phone")) == 0x87


@pytest.mark.parametrize("name, value, said", [
    ("journal_bytes", "none", "plugin_opt_journal_bytes"),
    ("journal_bytes", "1000", "plugin_opt_journal_bytes"),
    ("jurnal_bytes", "1000000", "unknown option plugin_opt_jurnal_bytes"),
    ("keys_file", None, "plugin_opt_keys_file is missing"),
    ("keys_file", "/nonexistent", "cannot read /nonexistent"),
    ("link_secret_file", "/dev/null", "no link secret"),
    ("journal_file", "/nonexistent/journal", "cannot open /nonexistent/journal"),
    ("limits", "maybe", "plugin_opt_limits"),
    ("max_message_bytes", "10000000", "plugin_opt_max_message_bytes"),
])
def test_does_not_start(node, name, value, said):
    node.options[name] = value
    log = node.start_failing()
    assert said in log and SECRET not in log


def test_two_brokers_on_one_journal(broker):
    from broker import Broker
    other = Broker()
    try:
        other.options["journal_file"] = broker.options["journal_file"]
        assert "in use by another broker" in other.start_failing()
    finally:
        other.remove()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_takeover(service, cast, version, transport):
    old = cast("alice:phone", version=version, transport=transport).online()
    first = service.session("alice:phone")
    new = cast("alice:phone", version=version, transport=transport).online()
    old.wait_ended()
    second = service.session("alice:phone", after=first)
    ends = [op for op in service.ops if op.get("session") in (first, second) and op["op"] in ("connected", "gone")]
    assert [(op["op"], op["session"]) for op in ends] == [("connected", first), ("gone", first), ("connected", second)]
    assert ends[1]["reason"] == "taken-over"
    service.deliver([first, second], "synced", b"{}")  # the old one's is for nobody
    service.deliver([second], "chat/u/bob/1/1/bob:phone/m")
    new.wait_for("inbox/alice/chat/")
    assert len(new.wait_for("inbox/alice/synced")) == 1
    assert not any(topic.endswith("synced") for topic, *_ in old.arrived)


def test_delivery_for_an_old_connection_never_reaches_a_new_one(service, cast):
    """Both arrive in one turn of the broker's loop: first what is for the old connection, then the new one's CONNECT."""
    broker = service.broker
    old = cast("alice:phone").online()
    number = service.session("alice:phone")
    with socket.create_connection(("127.0.0.1", broker.port)) as new:
        broker.wait_log(f"New connection from 127.0.0.1:{new.getsockname()[1]}")
        broker.process.send_signal(signal.SIGSTOP)
        service.deliver([number], "chat/u/bob/17/1/bob:phone/m", b"x")
        until("the frame is sent", lambda: not service.client.want_write())
        time.sleep(0.05)  # it is in the broker's socket, which cannot be asked
        new.sendall(packets.connect("alice:phone", "alice", broker.token("alice", "phone")))
        broker.process.send_signal(signal.SIGCONT)
        service.wait_gone("alice:phone", "taken-over")
        second = service.session("alice:phone", ready=False)
        new.sendall(packets.subscribe(1, "inbox/alice/#"))
        service.session("alice:phone")
        service.deliver([second], "synced", b"")
        got = b""
        while b"inbox/alice/synced" not in got:
            got += new.recv(4096)
        assert b"/17/" not in got
        assert got.startswith(b"\x20\x02\x00\x00\x90\x03\x00\x01\x01")
    old.wait_ended()


def test_gone_reasons(service, cast):
    cast("alice:a").online().close()
    service.wait_gone("alice:a", "closed")
    cast("alice:b").online().drop()
    service.wait_gone("alice:b", "closed")
    kicked = cast("alice:c").online()
    service.send({"op": "kick", "session": service.session("alice:c")})
    kicked.wait_ended()
    service.wait_gone("alice:c", "kicked")


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_kick_is_for_that_session_only(service, cast, transport):
    first = cast("alice:phone", transport=transport).online()
    number = service.session("alice:phone")
    second = cast("alice:phone", transport=transport).online()
    first.wait_ended()
    again = service.session("alice:phone", after=number)
    service.send({"op": "kick", "session": number})
    service.deliver([again], "synced", b"{}")
    second.wait_for("inbox/alice/synced")
    assert second.ended is None


def test_expiry_ends_a_live_connection(service, cast):
    alice = cast("alice:phone").online(token=service.broker.token("alice", "phone", ttl=5))
    alice.wait_ended(timeout=40)
    service.wait_gone("alice:phone", "expired")


def test_keepalive(service, cast):
    alice = cast("alice:phone").online(keepalive=2)
    alice.client.loop_stop()  # says nothing any more
    until("gone", lambda: service.of("gone"), timeout=20)
    alice.client.loop_start()


def test_will_is_never_published(service, cast):
    bob = cast("bob:phone").online()
    for version in VERSIONS:
        for will in [("inbox/bob/x", b"will", 1, False), ("chat/u/bob/will", b"will", 1, False),
                     ("inbox/bob/x", b"will", 1, True)]:
            alice = cast("alice:phone", version=version).online(will=will)
            gone = len(service.of("gone"))
            alice.drop()
            service.wait_for("gone", gone + 1)
            old = cast("alice:phone", version=version).online(will=will)
            cast("alice:phone", version=version).online().close()
            old.wait_ended()
    bob.send("chat/u/alice/m")
    records = service.wait_for("record", topic="chat/u/alice/m")
    assert len(service.of("record")) == len(records) == 1
    assert not bob.arrived
