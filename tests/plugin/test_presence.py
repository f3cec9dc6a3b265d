"""presence/<user>: who watches whom, and what is told."""
import pytest

from broker import until


@pytest.mark.parametrize("version", [4, 5])
def test_presence(service, cast, version):
    alice = cast("alice:phone", version=version).connect()
    number = service.session("alice:phone", ready=False)
    assert alice.subscribe("presence/bob", 0) == 0
    service.wait_for("watch", session=number, user="bob")
    service.send({"op": "presence", "sessions": [number], "tail": "bob", "payload": b"offline 1770000000", "qos": 0},
                 {"op": "presence", "sessions": [number], "tail": "carol", "payload": b"online", "qos": 0})
    service.send({"op": "presence", "sessions": [number], "tail": "bob", "payload": b"online", "qos": 1})
    alice.wait_for("presence/bob", 2)
    assert [(topic, payload, qos) for topic, payload, qos, *_ in alice.arrived] == [
        ("presence/bob", b"offline 1770000000", 0), ("presence/bob", b"online", 1)]
    alice.subscribe("presence/bob")  # again: the state again
    service.wait_for("watch", 2, session=number, user="bob")
    alice.unsubscribe("presence/bob")
    alice.unsubscribe("presence/bob")
    alice.unsubscribe("presence/carol")
    service.wait_for("unwatch", session=number, user="bob")
    sent = service.send({"op": "presence", "sessions": [number], "tail": "bob", "payload": b"online", "qos": 0})
    sent.wait_for_publish()
    alice.subscribe("presence/bob")
    service.wait_for("watch", 3)
    assert len(service.of("unwatch")) == 1 and len(alice.arrived) == 2


def test_watched_users_are_bounded(service, cast):
    alice = cast("alice:phone").connect()
    alice.client.subscribe([(f"presence/u{i}", 0) for i in range(257)])
    until("SUBACK", lambda: alice.granted)
    assert list(alice.granted.values())[0] == tuple([0] * 256 + [0x80])
    assert alice.subscribe("presence/u1") == 1
    alice.unsubscribe("presence/u1")
    assert alice.subscribe("presence/another") == 1


def test_filters_are_bounded(service, cast):
    alice = cast("alice:phone").connect()
    alice.client.subscribe([(f"inbox/alice/chat/u/u{i}/#", 1) for i in range(65)])
    until("SUBACK", lambda: alice.granted)
    assert list(alice.granted.values())[0] == tuple([1] * 64 + [0x80])
