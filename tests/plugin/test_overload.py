"""The journal's fill level is the overload signal; and the rates."""
import json
import socket
import time

import pytest

import packets
from broker import until
from service import Service

VERSIONS = [4, 5]
MIB = 1024 * 1024


def fill(device, journal_bytes, thousandths):
    """Messages until the journal is that full; nobody takes anything out."""
    size = 60000
    for i in range(thousandths * journal_bytes // 1000 // (size + 64)):
        device.send(f"chat/u/bob/fill-{thousandths}-{i}", b"x" * size)


@pytest.mark.parametrize("version", VERSIONS)
def test_marks(node, cast, version):
    node.options["journal_bytes"] = 4 * MIB
    node.start()
    alice = cast("alice:phone", version=version).online()
    mute = cast("mute:phone", version=version).connect()  # would not hear an error
    fill(alice, 4 * MIB, 520)
    taken = (0, 0x10) if version == 5 else (0,)  # there is no service: "no matching subscribers", which is success
    assert alice.send("typing/u/bob", b"1") in taken
    assert alice.send("chat/u/bob/still-taken", b"x") in taken
    node.wait_log("overload level=shedding")
    fill(alice, 4 * MIB, 395)
    node.wait_log("overload level=refusing")
    assert not alice.arrived
    assert alice.send("chat/u/bob/refused", b"x") in taken
    assert alice.send("rpc/devices/r1", b"{}") in taken
    (topic, payload, *_), = alice.wait_for("inbox/alice/error/")
    assert topic == "inbox/alice/error/u/bob/refused/overloaded"
    assert 500 <= json.loads(payload)["retry_after_ms"] <= 30000
    (_, payload, *_), = alice.wait_for("inbox/alice/rpc/r1")
    assert json.loads(payload)["error"]["code"] == "overloaded"
    assert 500 <= json.loads(payload)["error"]["retry_after_ms"] <= 30000
    for topic, payload in [("ack/u/bob/1", b""), ("read/u/bob/1", b""), ("ack", b"u/bob 2"), ("sync", b"")]:
        assert alice.send(topic, payload) in taken
    mid = mute.publish("chat/u/bob/refused", b"x")
    mute.wait_ended()
    assert mid not in mute.published
    node.wait_log("why=overloaded")
    service = Service(node).start()
    node.wait_log("overload level=none")
    assert alice.send("chat/u/bob/taken-again", b"x") == 0
    service.wait_for("record", topic="chat/u/bob/taken-again")
    topics = {op["topic"] for op in service.of("record")}
    assert {"chat/u/bob/still-taken", "ack/u/bob/1", "read/u/bob/1", "ack", "sync"} <= topics
    assert not topics & {"typing/u/bob", "chat/u/bob/refused", "rpc/devices/r1"}
    service.stop()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_full(node, cast, version, transport):
    node.options["journal_bytes"] = MIB
    node.options["limits"] = "off"
    node.start()
    alice = cast("alice:phone", version=version, transport=transport).online()
    fill(alice, MIB, 880)
    mids = {}
    payload = b"".join(b"u/somebody-with-a-long-name-%03d 1000000000000000000\n" % i for i in range(999))
    for i in range(60):
        try:
            mids[alice.publish("ack", payload)] = i
        except Exception:  # closed meanwhile
            break
    alice.wait_ended()
    taken = sorted(mids[mid] for mid in alice.published if mid in mids)
    assert taken == list(range(len(taken))) and len(taken) < 60
    node.wait_log("why=journal-full")
    alice.close()
    alice.online()  # may come back, and is told as the service is
    service = Service(node).start()
    service.deliver([service.session("alice:phone")], "synced")
    alice.wait_for("inbox/alice/synced")
    until("what was taken is there", lambda: len(service.of("record", topic="ack")) >= len(taken))
    node.wait_log("overload level=none")  # and is done: there is room again
    records = service.of("record", topic="ack")
    assert len(taken) <= len(records) < 60  # of the last ones the PUBACK may have been lost with the connection
    alice.send("ack", payload)
    service.wait_for("record", len(records) + 1, topic="ack")
    service.stop()


def test_closed_for_overload_is_told_to_the_service(node, cast):
    node.options["journal_bytes"] = MIB
    node.start()
    service = Service(node)
    service.done = False
    service.start()
    alice = cast("alice:phone").online()
    fill(alice, MIB, 900)
    mute = cast("mute:phone").connect()
    while mute.ended is None:
        mute.publish("chat/u/bob/x", b"x" * 20000)
        time.sleep(0.01)
    service.wait_gone("mute:phone", "overloaded")
    service.stop()


def test_retry_follows_the_drain(node, cast):
    """The faster the journal is emptied, the earlier a retry is worth while."""
    node.options["journal_bytes"] = 8 * MIB
    node.start()
    service = Service(node)
    service.done = False
    service.start()
    alice = cast("alice:phone").online()
    fill(alice, 8 * MIB, 930)
    def refused():
        """Sends until it is refused: the advice."""
        before = len(alice.arrived)
        for i in range(50):
            alice.send(f"chat/u/bob/{before}-{i}", b"x" * 60000)
            if len(alice.arrived) > before:
                break
        return json.loads(alice.wait_for("inbox/alice/error/", before + 1)[before][1])["retry_after_ms"]

    first = refused()
    assert first > 20000  # nothing was done yet
    records = service.wait_records(21)
    for i in range(12):
        service.ack(position=records[i // 4 * 10]["position"] + 1)  # slowly
        time.sleep(0.1)
    assert 500 <= refused() < first
    service.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_message_rate(node, cast, version):
    node.options |= {"messages_per_second": 50, "messages_burst": 100}
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone", version=version).online()
    started = time.monotonic()
    with node.halted(alice):
        mids = [alice.publish(f"chat/u/bob/m{i}", b"x") for i in range(200)]
    alice.wait_published(*mids)
    taken = service.wait_records(100)
    refused = alice.wait_for("inbox/alice/error/u/bob/", 200 - len(taken) - 60)
    most = 100 + 50 * (time.monotonic() - started) + 1
    assert 100 <= len(service.of("record")) <= most
    assert all(topic.endswith("/rate-limited") for topic, *_ in refused)
    retries = [json.loads(payload)["retry_after_ms"] for _, payload, *_ in refused]
    assert retries[0] <= 50 and 200 < max(retries) <= 5000  # it goes on with what is refused: the pause grows
    until("each is taken or refused",
          lambda: len(service.of("record")) + len(alice.wait_for("inbox/alice/error/u/bob/")) == 200)
    assert all(code == 0 for code in alice.client.puback_codes.values())
    time.sleep(0.1)
    alice.send("chat/u/bob/later")
    service.wait_for("record", topic="chat/u/bob/later")
    service.stop()


def test_rate_of_a_user(node, cast):
    node.options |= {"messages_per_second": 1, "messages_burst": 10}
    node.start()
    service = Service(node).start()
    started = time.monotonic()
    devices = [cast(f"alice:{name}").online() for name in "abcdefgh"]
    for device in devices:
        device.wait_published(*[device.publish(f"chat/u/bob/m{i}") for i in range(10)])
    until("each is taken or refused", lambda: len(service.of("record")) + sum(len(one.arrived) for one in devices) == 80)
    assert 40 <= len(service.of("record")) <= 41 + 4 * (time.monotonic() - started)
    other = cast("bob:phone").online()
    other.wait_published(*[other.publish(f"chat/u/alice/m{i}") for i in range(10)])
    service.wait_for("record", 10, client_id="bob:phone")
    service.stop()


def test_reconnecting_gives_no_fresh_burst(node, cast):
    node.options |= {"messages_per_second": 1, "messages_burst": 20}
    node.start()
    service = Service(node).start()
    started = time.monotonic()
    for _ in range(6):
        alice = cast("alice:phone").online()
        alice.wait_published(*[alice.publish(f"chat/u/bob/m{i}") for i in range(20)])
        service.deliver([service.session("alice:phone")], "synced")
        alice.wait_for("inbox/alice/synced")
        gone = len(service.of("gone"))
        alice.close()
        service.wait_for("gone", gone + 1)
    assert 20 <= len(service.of("record")) <= 21 + (time.monotonic() - started)
    service.stop()


def test_limits_off(node, cast):
    node.options |= {"messages_per_second": 1, "messages_burst": 1, "limits": "off"}
    node.start()
    assert "rate limits are OFF" in node.log()
    service = Service(node).start()
    alice = cast("alice:phone").online()
    alice.wait_published(*[alice.publish(f"chat/u/bob/m{i}") for i in range(300)])
    service.wait_records(300)
    service.stop()


def test_other_rates(service, cast):
    alice = cast("alice:phone").online()
    started = time.monotonic()
    for i in range(200):
        alice.publish("typing/u/bob", b"1", 0)
    assert alice.send("chat/u/bob/after-typing") == 0
    service.wait_for("record", topic="chat/u/bob/after-typing")
    assert 20 <= len(service.of("record", topic="typing/u/bob")) <= 21 + 10 * (time.monotonic() - started)
    with service.broker.halted(alice):
        for i in range(400):
            alice.publish(f"rpc/devices/r{i}", b"{}")
        for i in range(5):  # of more than ten that are refused not all would be told: that closes the connection
            alice.publish("sync")
    (_, payload, *_), *_ = alice.wait_for("inbox/alice/rpc/")
    assert json.loads(payload)["error"]["code"] == "rate-limited"
    assert json.loads(payload)["error"]["retry_after_ms"] >= 1
    (_, payload, *_), *_ = alice.wait_for("inbox/alice/error/-/-/rate-limited")
    assert json.loads(payload)["topic"] == "sync" and json.loads(payload)["retry_after_ms"] >= 1


def test_marks_are_never_dropped_in_silence(service):
    """Above their rate the connection is closed; what was acknowledged is there."""
    count, got = 20000, b""
    with socket.create_connection(("127.0.0.1", service.broker.port)) as alice:
        alice.settimeout(30)
        alice.sendall(packets.connect("alice:phone", "alice", service.broker.token("alice", "phone")))
        assert alice.recv(4) == b"\x20\x02\x00\x00"
        try:
            alice.sendall(b"".join(packets.publish(i, f"ack/u/bob/{i}") for i in range(1, count)))
            while more := alice.recv(65536):
                got += more
        except ConnectionError:
            pass
    service.wait_gone("alice:phone", "overloaded")
    marks = [op["topic"] for op in service.of("record")]
    assert marks == [f"ack/u/bob/{i}" for i in range(1, len(marks) + 1)]
    assert 5000 <= len(marks) < count - 1 and len(got) // 4 <= len(marks)


def test_errors_are_bounded(node, cast):
    """A device that goes on sending what is refused, and acknowledges nothing, is closed rather than queued for."""
    node.options |= {"messages_per_second": 1, "messages_burst": 1}
    node.start()
    alice = cast("alice:phone").online(ack=False)
    mids = [alice.publish(f"chat/u/bob/m{i}") for i in range(2000)]
    alice.wait_ended(30)
    node.wait_log("why=too-many-errors")
    assert node.log().count("Sending PUBLISH to alice:phone") < 1300 and len(alice.published) < len(mids)
