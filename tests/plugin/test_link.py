"""The link to the sync service: the list of sessions, order, confirmation, starting over."""
import pytest

from broker import until
from lib import frames
from service import Service

VERSIONS = [4, 5]


def test_welcome(broker):
    service = Service(broker).start()
    welcome, end, *more = service.ops
    assert welcome["op"] == "welcome" and end["op"] == "sessions_end" and {op["op"] for op in more} <= {"counters"}
    assert welcome["node"] == "testnode" and welcome["journal_tail"] == welcome["journal_head"] == 1
    service.stop()


def test_list_of_sessions(broker, cast):
    for i in range(40):
        device = cast(f"user{i}:phone", version=VERSIONS[i % 2]).connect()
        if i % 4:
            device.subscribe(f"inbox/user{i}/#")
        if i % 4 == 3:
            device.subscribe("presence/user0")
            device.subscribe("presence/user1")
    cast("gone:phone").online().close()
    service = Service(broker).start()
    assert [op["client_id"] for op in service.of("connected")] == [f"user{i}:phone" for i in range(40)]
    for session in service.sessions.values():
        i = int(session["client_id"][4:].split(":")[0])
        assert session["ready"] == (1 if i % 4 else 0)
        assert session["watches"] == ({"user0", "user1"} if i % 4 == 3 else set())
    assert [op["mqtt_version"] for op in service.of("connected")] == [VERSIONS[i % 2] for i in range(40)]
    late = cast("late:phone").online()
    service.session("late:phone")
    late.close()
    service.wait_gone("late:phone", "closed")
    service.stop()


def test_list_longer_than_the_credit(broker, cast):
    """Sessions come and go while the list goes out; it and what follows make the truth."""
    devices = []
    filters = [f"presence/user-{i:03}-with-a-rather-long-na" for i in range(256)]
    for i in range(200):  # each takes 12 KiB of the list: more than 8 frames
        device = cast(f"user{i}:phone").connect()
        device.client.subscribe([(topic, 1) for topic in filters])
        devices.append(device)
    for device in devices:
        until("SUBACK", lambda: device.granted)
    service = Service(broker)
    service.acks = False
    service.connect()
    service.hello()
    until("all credit is used", lambda: service.up_number == frames.CREDIT)
    devices[0].close()
    devices[199].close()
    cast("late:phone").online()
    assert not service.of("sessions_end") and service.up_number == frames.CREDIT
    service.acks = True
    service.ack()
    service.session("late:phone")
    service.wait_for("sessions_end")
    service.wait_gone("user0:phone", "closed")
    assert not service.of("connected", client_id="user199:phone")  # gone before it was listed
    names = {session["client_id"] for session in service.sessions.values()}
    assert names == {f"user{i}:phone" for i in range(1, 199)} | {"late:phone"}
    assert all(len(session["watches"]) == 256 for session in service.sessions.values()
               if session["client_id"] != "late:phone")
    assert max(service.frame_sizes) <= 256 * 1024
    service.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_ready(service, cast, version):
    alice = cast("alice:phone", version=version).connect()
    number = service.session("alice:phone", ready=False)
    assert not service.of("ready")
    alice.subscribe("inbox/alice/chat/#")
    alice.send("chat/u/bob/between")
    alice.subscribe("inbox/alice/chat/#")
    alice.subscribe("inbox/alice/rpc/+")
    alice.unsubscribe("inbox/alice/chat/#")
    alice.unsubscribe("inbox/alice/#")
    alice.unsubscribe("inbox/bob/#")
    alice.unsubscribe("inbox/alice/rpc/+")
    alice.subscribe("inbox/alice/#")
    service.wait_for("ready", 4)
    told = [op["op"] for op in service.ops if op.get("session") == number]
    assert told == ["connected", "ready", "record", "ready", "ready", "unready", "ready"]


def test_filters_are_respected(service, cast):
    alice = cast("alice:phone").connect()
    for topic in ["inbox/alice/chat/u/bob/#", "inbox/alice/sent/+/+/+/+/m1", "inbox/alice/synced/#"]:
        alice.subscribe(topic)
    number = service.session("alice:phone")
    wanted = ["chat/u/bob/1/5/bob:phone/x", "sent/u/carol/1/5/m1", "synced"]
    unwanted = ["chat/u/carol/1/5/carol:phone/x", "sent/u/carol/1/5/m2", "receipts/u/bob/1", "error/-/-/internal"]
    for tail in unwanted + wanted:
        service.deliver([number], tail, b"{}")
    until("all", lambda: len(alice.arrived) >= len(wanted))
    assert [topic for topic, *_ in alice.arrived] == [f"inbox/alice/{tail}" for tail in wanted]
    alice.unsubscribe("inbox/alice/chat/u/bob/#")
    service.deliver([number], wanted[0])
    service.deliver([number], "synced", b"{}")
    until("the last", lambda: len(alice.arrived) == 4)
    assert alice.arrived[-1][0] == "inbox/alice/synced"


@pytest.mark.parametrize("version", VERSIONS)
def test_not_subscribed_gets_nothing(service, cast, version):
    alice = cast("alice:phone", version=version).connect()
    number = service.session("alice:phone", ready=False)
    service.deliver([number], "synced", b"early").wait_for_publish()
    alice.subscribe("inbox/alice/#")
    service.session("alice:phone")
    service.deliver([number], "synced", b"late")
    assert [payload for _, payload, *_ in alice.wait_for("inbox/alice/synced")] == [b"late"]


@pytest.mark.parametrize("version", VERSIONS)
def test_resumed_session_is_live(service, cast, version):
    expiry = {"expiry": 3600} if version == 5 else {}
    alice = cast("alice:phone", version=version).connect(clean=False, **expiry)
    alice.subscribe("inbox/alice/chat/#")
    alice.subscribe("presence/bob")
    alice.subscribe("presence/carol")
    alice.unsubscribe("presence/carol")
    first = service.session("alice:phone")
    alice.drop()
    service.wait_gone("alice:phone", "closed")
    alice.connect(clean=False, **expiry)
    assert alice.session_present
    second = service.session("alice:phone")
    assert service.sessions[second]["watches"] == {"bob"} and second != first
    service.deliver([second], "synced", b"{}")
    service.deliver([second], "chat/u/bob/1/5/bob:phone/x", b"hi", qos=0)  # no PUBACK of it is under way at the takeover
    until("chat", lambda: alice.arrived)
    assert len(alice.arrived) == 1
    alice = cast("alice:phone", version=version).connect(clean=False, **expiry)  # takes over
    service.wait_gone("alice:phone", "taken-over")
    assert service.sessions[service.session("alice:phone")]["watches"] == {"bob"}
    alice.close()
    cast("alice:phone", version=version).connect(clean=True).close()  # the broker forgets the session
    service.wait_for("gone", 4)
    alice.connect(clean=False, **expiry)
    alice.send("chat/u/bob/m")
    service.wait_records(1)
    assert [session["ready"] for session in service.sessions.values()] == [0]


@pytest.mark.parametrize("version", VERSIONS)
def test_devices_share_a_place_in_the_broker(broker, service, cast, version):
    """These two keep inbox/<user>/# in one place of the broker's tree, and notice nothing of each other."""
    expiry = {"expiry": 3600} if version == 5 else {}
    missing = 0x11 if version == 5 else 0
    dave = cast("dave:desk", version=version).connect(clean=False, **expiry)
    assert dave.unsubscribe("inbox/dave/#") == missing
    assert dave.subscribe("inbox/dave/#") == 1 and dave.subscribe("inbox/dave/#") == 1
    walter = cast("walter:tablet", version=version).connect()
    assert walter.unsubscribe("inbox/walter/#") == missing
    assert walter.subscribe("inbox/walter/rpc/+") == 1 and walter.subscribe("inbox/walter/#") == 1
    places = {line.split()[-1] for line in broker.log().splitlines() if "dave:desk 1 " in line or "walter:tablet 1 " in line}
    assert places == {"i/1986", "inbox/walter/rpc/+", "$share/m/z"}  # the last for what dave had already
    for denied in ("i/#", "i/1986", "inbox/walter/#", "$share/m/z"):
        assert dave.subscribe(denied) >= 0x80
    assert dave.send("i/1986", b"x") == (0x87 if version == 5 else 0)
    dave.wait_for("inbox/dave/error/-/-/denied")
    dave.drop()
    service.wait_gone("dave:desk", "closed")
    dave.connect(clean=False, **expiry)
    assert dave.session_present
    service.deliver([service.session("dave:desk"), service.session("walter:tablet")], "synced", b"{}")
    dave.wait_for("inbox/dave/synced")
    walter.wait_for("inbox/walter/synced")
    assert dave.subscribe("inbox/dave/#") == 1
    assert dave.unsubscribe("inbox/dave/#") == 0 and dave.unsubscribe("inbox/dave/#") == missing
    service.wait_for("unready", 1)
    assert walter.unsubscribe("inbox/walter/#") == 0 and walter.unsubscribe("inbox/walter/rpc/+") == 0
    service.wait_for("unready", 2)
    assert {topic for topic, *_ in dave.arrived} == {"inbox/dave/synced", "inbox/dave/error/-/-/denied"}
    assert {topic for topic, *_ in walter.arrived} == {"inbox/walter/synced"}


def test_resumed_in_one_packet_with_subscribe(service, cast):
    """CONNECT and SUBSCRIBE at once: what was remembered is not lost."""
    alice = cast("alice:phone").connect(clean=False)
    alice.subscribe("inbox/alice/chat/#")
    service.session("alice:phone")
    alice.drop()
    service.wait_gone("alice:phone", "closed")
    again = cast("alice:phone").begin(clean=False)
    again.client.subscribe("inbox/alice/synced", 1)
    number = service.session("alice:phone")
    until("subscribed", lambda: again.granted)
    service.deliver([number], "chat/u/bob/1/5/bob:phone/x", b"hi")
    service.deliver([number], "synced", b"{}")
    again.wait_for("inbox/alice/synced")
    again.wait_for("inbox/alice/chat/")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("count", [5, 30])
def test_what_the_broker_kept_is_not_sent_before_the_replay(service, cast, version, count):
    expiry = {"expiry": 3600} if version == 5 else {}
    alice = cast("alice:phone", version=version).connect(clean=False, ack=False, **expiry)
    alice.subscribe("inbox/alice/#")
    first = service.session("alice:phone")
    for seq in range(1, count + 1):
        service.deliver([first], f"chat/u/bob/{seq}/5/bob:phone/x")
    alice.wait_for("inbox/alice/chat/", count)
    alice.drop()
    service.wait_gone("alice:phone", "closed")
    alice.arrived.clear()
    alice.connect(clean=False, **expiry)
    assert alice.session_present
    if version == 5:  # might be all of its Receive Maximum: the places are free on the next connection
        alice.wait_ended()
        alice.close()
        alice.connect(clean=False, **expiry)
    second = service.session("alice:phone")
    for seq in range(1, 1000):
        service.deliver([second], f"chat/u/bob/{seq}/5/bob:phone/x")
    got = [int(topic.split("/")[5]) for topic, *_ in alice.wait_for("inbox/alice/chat/", 999)]
    assert got == list(range(1, 1000))


def test_broker_forgot_the_session(node, cast):
    """After a restart of the broker there is no session to be resumed."""
    node.start()
    alice = cast("alice:phone").connect(clean=False)
    alice.subscribe("inbox/alice/#")
    node.kill()
    alice.wait_ended()
    node.start()
    service = Service(node).start()
    alice.connect(clean=False)
    assert not alice.session_present
    alice.send("chat/u/bob/m")
    service.wait_records(1)
    assert not service.of("ready")
    service.stop()


def test_order_of_events_and_records(service, cast):
    """One stream, also where it has to wait: what a device did while subscribed lies between its ready and its gone."""
    for i in range(20):
        service.acks = i < 10
        alice = cast("alice:phone").online()
        mids = [alice.publish(f"chat/u/bob/m-{i}-{j}") for j in range(20)]
        alice.wait_published(*mids)
        alice.close()
    assert len(service.of("gone")) < 20
    service.acks = True
    service.ack()
    service.wait_for("gone", 20)
    session, seen = None, []
    for op in service.ops:
        if op["op"] == "connected":
            assert session is None
            session = op["session"]
        elif op["op"] == "gone":
            assert session == op["session"]
            session = None
        elif op["op"] == "record":
            assert op["session"] == session
            seen.append(op["topic"])
    assert seen == [f"chat/u/bob/m-{i}-{j}" for i in range(20) for j in range(20)]
    positions = [op["position"] for op in service.of("record")]
    assert positions == list(range(positions[0], positions[0] + 400))


def test_credit(broker, cast):
    service = Service(broker)
    service.acks = False
    service.connect()
    service.hello()
    alice = cast("alice:phone").online()
    for i in range(60):
        alice.send(f"chat/u/bob/m{i}", b"x" * 60000)
    until("all credit is used", lambda: service.up_number == frames.CREDIT)
    assert len(service.of("record")) < 60
    bob = cast("bob:phone").online()
    assert not service.of("connected", client_id="bob:phone")
    service.done = False
    service.acks = True
    service.ack()
    service.wait_records(60)
    service.session("bob:phone")
    assert [op["topic"] for op in service.of("record")] == [f"chat/u/bob/m{i}" for i in range(60)]
    bob.close()
    service.stop()


def test_done_records_are_forgotten(broker, cast):
    service = Service(broker).start()
    service.done = False
    alice = cast("alice:phone").online()
    for i in range(10):
        alice.send(f"chat/u/bob/m{i}")
    records = service.wait_records(10)
    service.ack(position=records[6]["position"] + 1)  # above that record, whatever the next one's position
    service.stop()
    service.start()
    assert [op["topic"] for op in service.wait_records(3)] == ["chat/u/bob/m7", "chat/u/bob/m8", "chat/u/bob/m9"]
    assert service.of("welcome")[0]["journal_tail"] == service.of("record")[0]["position"]
    assert service.of("welcome")[0]["journal_head"] == service.of("record")[-1]["position"] + 1
    order = [op["op"] for op in service.ops]
    assert order.index("sessions_end") < order.index("record")
    assert service.of("record")[0]["session"] == service.session("alice:phone")
    service.stop()


def test_a_restarted_service_knows_all(broker, cast):
    service = Service(broker).start()
    alice = cast("alice:phone").online()
    alice.send("chat/u/bob/m0")
    service.wait_records(1)
    service.drop()
    for i in range(1, 50):
        alice.send(f"chat/u/bob/m{i}")
    late = cast("bob:phone").online()
    service.done = True
    service.start()
    assert [op["topic"] for op in service.wait_records(49)][-49:] == [f"chat/u/bob/m{i}" for i in range(1, 50)]
    service.deliver([service.session("bob:phone"), service.session("alice:phone")], "synced", b"{}")
    late.wait_for("inbox/bob/synced")
    alice.wait_for("inbox/alice/synced")
    service.stop()


def test_hello_again_on_the_same_connection(service, cast):
    alice = cast("alice:phone").online()
    service.session("alice:phone")
    service.hello_again()
    service.wait_for("sessions_end")
    assert service.of("welcome")
    service.deliver([service.session("alice:phone")], "synced", b"{}")
    alice.wait_for("inbox/alice/synced")


def test_a_newer_service_replaces_the_older(broker, cast):
    old, new = Service(broker, "one").start(), Service(broker, "two").start()
    alice = cast("alice:phone").online()
    number = new.session("alice:phone")
    old.deliver([number], "synced", b"old")
    new.deliver([number], "synced", b"new")
    assert [payload for _, payload, *_ in alice.wait_for("inbox/alice/synced")] == [b"new"]
    assert not old.of("connected") and not old.ended
    old.stop()
    alice.send("chat/u/bob/m")
    new.wait_records(1)
    new.stop()


@pytest.mark.parametrize("breach", ["gap", "boot", "garbage", "cut", "up", "ack of the future", "frame of the future",
                                    "late hello"])
def test_a_breach_of_the_rules_drops_the_link(broker, cast, breach):
    service = Service(broker).start()
    alice = cast("alice:phone").online()
    number = service.session("alice:phone")
    synced = [{"op": "deliver", "sessions": [number], "tail": "synced", "payload": b"", "qos": 1}]
    service.hold_acks()
    if breach == "gap":
        service.send_raw(frames.encode("D", service.boot, service.number + 2, synced))
    elif breach == "boot":
        service.send_raw(frames.encode("D", service.boot + 1, service.number + 1, synced))
    elif breach == "garbage":
        service.send_raw(b"\x01D garbage")
    elif breach == "cut":
        service.send_raw(frames.encode("D", service.boot, service.number + 1, synced)[:-1])
    elif breach == "up":
        service.send_raw(frames.encode("U", service.boot, service.number + 1, synced))
    elif breach == "ack of the future":
        service.ack(position=10**6)
    elif breach == "frame of the future":
        service.send({"op": "ack", "frame_number": service.up_number + 10**6, "position": 0})
    elif breach == "late hello":
        service.send_raw(frames.encode("D", service.boot, service.number + 1, [{"op": "hello", "service": "x"}]))
    until("the link is dropped", lambda: service.ended)
    assert "link dropped" in broker.log()
    service.stop()
    service.acks = True
    service.start()
    service.deliver([service.session("alice:phone")], "synced", b"again")
    assert [payload for _, payload, *_ in alice.wait_for("inbox/alice/synced")] == [b"again"]
    service.stop()


def test_unknown_sessions_and_tails_are_passed_over(service, cast):
    alice = cast("alice:phone").online()
    number = service.session("alice:phone")
    service.deliver([77777, number + 1], "synced", b"{}")
    service.deliver([number], "no/such/tail", b"{}")
    service.send({"op": "kick", "session": 77777}, {"op": "presence", "sessions": [number], "tail": "Not a user",
                                                   "payload": b"", "qos": 0})
    service.deliver([number], "synced", b"{}")
    alice.wait_for("inbox/alice/synced")
    assert len(alice.arrived) == 1 and not service.ended
