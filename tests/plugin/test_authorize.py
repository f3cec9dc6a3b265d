"""What a device may publish, subscribe to and receive."""
import json
import time

import pytest

from broker import until
from service import Service

VERSIONS = [4, 5]


@pytest.mark.parametrize("version", VERSIONS)
def test_denied_publishes(service, cast, version):
    alice = cast("alice:phone", version=version).online()
    bob = cast("bob:phone", version=version).online()
    topics = ["chat", "chat/u/bob", "chat/u/bob/m/x", "chat/u/Bob/m", "chat/x/bob/m", "inbox/bob/chat/u/alice/1",
              "inbox/alice/synced", "presence/alice", "gnatter/v1/up", "$CONTROL/gnatter/v1", "$CONTROL/other/v1",
              "$q", "$SYS/x", "ack/u/bob/0", "ack/u/bob/01", "typing", "rpc/x", "/", "x" * 200, "chat/u/bob/\u00e9"]
    started = time.monotonic()
    for topic in topics:
        assert alice.send(topic, b"x") == (0x87 if version == 5 else 0), topic
    assert alice.send("chat/u/bob/m", b"x", retain=True) == (0x87 if version == 5 else 0)
    alice.send("chat/u/bob/last", b"x")
    service.wait_records(1)
    assert [op["topic"] for op in service.of("record")] == ["chat/u/bob/last"]
    assert not bob.arrived
    denied = alice.wait_for("inbox/alice/error/-/-/denied")
    assert 5 <= len(denied) <= 11 + time.monotonic() - started  # ten at once, and one a second
    for _, payload, *_ in denied[:5]:
        told = json.loads(payload)
        assert "chat/g/<group>/<message id>" in told["message"] if told["topic"].startswith("chat") else told["message"]


def test_denied_is_told_in_json(service, cast):
    alice = cast("alice:phone").online()
    for topic in ['chat/"quoted\\', "x" * 127 + "\u00e9" * 30, "inbox/\U0001f600"]:
        alice.send(topic)
    told = [json.loads(payload)["topic"] for _, payload, *_ in alice.wait_for("inbox/alice/error/-/-/denied", 3)]
    assert told == ['chat/"quoted\\', "x" * 127, "inbox/\U0001f600"]


@pytest.mark.parametrize("version", VERSIONS)
def test_subscriptions(service, cast, version):
    alice = cast("alice:phone", version=version).connect()
    refused = 0x87 if version == 5 else 0x80
    for topic in ["#", "+/#", "+/+", "inbox/#", "inbox/+/#", "inbox/bob/#", "inbox/alice", "inbox/bob/chat/#",
                  "$share/g/inbox/alice/#", "$share/g/#", "$SYS/#", "$SYS/broker/clients/connected", "$CONTROL/#",
                  "$CONTROL/gnatter/v1", "gnatter/v1/up", "gnatter/#", "$q", "presence/+", "presence/#", "presence",
                  "presence/Bob", "chat/u/bob/+"]:
        assert alice.subscribe(topic) == refused, topic
    assert not service.of("ready")
    for topic in ["inbox/alice/#", "inbox/alice/+/#", "inbox/alice/chat/u/bob/+/+/+/+", "inbox/alice/error/#",
                  "presence/bob"]:
        assert alice.subscribe(topic) == 1, topic
    service.session("alice:phone")


def test_service_may_only_serve(service, cast):
    granted = []
    service.client.on_subscribe = lambda _c, _u, _mid, codes: granted.extend(codes)
    for topic in ["#", "inbox/alice/#", "chat/#", "$SYS/#"]:
        service.client.subscribe(topic)
    until("refusals", lambda: len(granted) == 4)
    assert granted == [0x80] * 4
    alice = cast("alice:phone").online()
    for topic in ["inbox/alice/x", "chat/u/alice/m"]:
        service.client.publish(topic, b"x", 1).wait_for_publish()
    service.deliver([service.session("alice:phone")], "synced", b"{}")
    alice.wait_for("inbox/alice/synced")
    assert len(alice.arrived) == 1 and not service.of("record")


def test_frames_are_for_services_only(service, cast):
    alice = cast("alice:phone", version=5).online()
    bob = cast("bob:phone").online()
    from lib import frames
    forged = frames.encode("D", 1, 1, [{"op": "hello", "service": "x"}])
    assert alice.send(frames.TOPIC_DOWN, forged) == 0x87
    service.deliver([service.session("bob:phone")], "synced", b"{}")
    bob.wait_for("inbox/bob/synced")


@pytest.mark.parametrize("version", VERSIONS)
def test_payload_forms(service, cast, version):
    alice = cast("alice:phone", version=version).online()
    good = [("ack/u/bob/17", b""), ("read/g/kitchen/1", b""), ("ack", b"u/bob 17\ng/kitchen 3\n"), ("read", b"u/bob 17"),
            ("ack", b""), ("typing/u/bob", b"1"), ("typing/u/bob", b"0"), ("sync", b""), ("sync", b"u/bob 0\n"),
            ("ack", b"".join(b"u/bob %d\n" % i for i in range(1, 1001))), ("rpc/devices/r1", b"{}")]
    for topic, payload in good:
        assert alice.send(topic, payload) == 0
    records = service.wait_records(len(good))
    assert [(op["topic"], op["payload"]) for op in records] == good
    assert not alice.arrived
    bad = [("ack/u/bob/17", b"x"), ("read/g/kitchen/1", b"1"), ("ack", b"u/bob 0\n"), ("ack", b"u/bob"),
           ("read", b"u/bob 17\r\n"), ("typing/u/bob", b""), ("typing/u/bob", b"2"), ("sync", b"x")]
    for topic, payload in bad:
        assert alice.send(topic, payload) == 0
    told = [json.loads(payload) for _, payload, *_ in alice.wait_for("inbox/alice/error/-/-/bad-request", len(bad))]
    assert [error["topic"] for error in told] == [topic for topic, _ in bad]
    for error in told:
        form = {"typing/u/bob": "1 or 0", "ack": "lines of", "read": "lines of", "sync": "lines of"}
        assert form.get(error["topic"], "must be empty") in error["message"]
    alice.send("ack", b"".join(b"u/bob %d\n" % i for i in range(1, 1002)))
    (_, payload, *_), = alice.wait_for("inbox/alice/error/-/-/too-large")
    assert json.loads(payload)["message"] == "the list has more than 1000 lines"
    assert len(service.of("record")) == len(good)


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes(service, cast, version):
    alice = cast("alice:phone", version=version).online()
    assert alice.send("chat/u/bob/fits", b"x" * 65536) == 0
    assert alice.send("chat/u/bob/long", b"x" * 65537) == 0
    (topic, payload, qos, *_), = alice.wait_for("inbox/alice/error/")
    assert topic == "inbox/alice/error/u/bob/long/too-large" and qos == 1
    assert json.loads(payload) == {"message": "the payload has 65537 bytes, and may have 65536"}
    assert alice.send("rpc/profile.set/r7", b"x" * 65537) == 0
    (_, payload, *_), = alice.wait_for("inbox/alice/rpc/r7")
    assert json.loads(payload)["error"]["code"] == "too-large"
    assert [op["topic"] for op in service.wait_records(1)] == ["chat/u/bob/fits"]
    alice.publish("chat/u/bob/huge", b"x" * 1100000)
    alice.wait_ended()


@pytest.mark.parametrize("qos", [0, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_other_qos(service, cast, version, qos):
    alice = cast("alice:phone", version=version).online()
    for i in range(5):
        alice.wait_published(alice.publish(f"chat/u/bob/m{i}", b"x", qos))
    assert [op["topic"] for op in service.wait_records(5)] == [f"chat/u/bob/m{i}" for i in range(5)]


def test_qos_2_never_released(node, cast):
    """A device that never says PUBREL does not make the broker keep what it sent."""
    node.options["journal_bytes"] = 64 * 1024 * 1024
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone").online()
    alice.client._send_pubrel = lambda mid: 0
    for i in range(300):
        alice.publish(f"chat/u/bob/m{i}", b"x" * 65000, 2)
    service.wait_records(300)
    memory = int(next(line for line in open(f"/proc/{service.broker.process.pid}/status")
                      if line.startswith("RssAnon:")).split()[1])
    assert memory < 12000  # KiB, of what would be 19,000
    service.stop()


def test_puback_code_without_a_service(broker, cast):
    alice = cast("alice:phone", version=5).online()
    assert alice.send("chat/u/bob/m1") in (0, 0x10)


@pytest.mark.parametrize("version", VERSIONS)
def test_correlation(service, cast, version):
    alice = cast("alice:phone", version=5).online()
    session = service.session("alice:phone")
    assert alice.send("rpc/devices/r1", b"{}", correlation=b"\x00cor\xff") == 0
    record, = service.wait_records(1)
    assert record["correlation"] == b"\x00cor\xff"
    service.deliver([session], "rpc/r1", b'{"result":{}}', correlation=record["correlation"])
    (_, _, _, properties, correlation), = alice.wait_for("inbox/alice/rpc/r1")
    assert correlation == b"\x00cor\xff" and properties == {}
    alice.send("rpc/devices/r2", b"{}", correlation=b"x" * 1025)
    (_, payload, *_), = alice.wait_for("inbox/alice/rpc/r2")
    assert json.loads(payload)["error"]["code"] == "bad-request"


def test_topic_alias(service, cast):
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    alice = cast("alice:phone", version=5).online()
    properties = Properties(PacketTypes.PUBLISH)
    properties.TopicAlias = 1
    alice.client.publish("typing/u/bob", b"1", 0, properties=properties)
    alice.client.publish("", b"0", 0, properties=properties)
    assert [(op["topic"], op["payload"]) for op in service.wait_records(2)] == [("typing/u/bob", b"1"),
                                                                                ("typing/u/bob", b"0")]
