"""The way of a message through the plugin, both ways."""
import pytest

VERSIONS = [4, 5]


@pytest.mark.parametrize("version", VERSIONS)
def test_publish_becomes_a_record(service, cast, version):
    alice = cast("alice:phone", version=version).online()
    session = service.session("alice:phone")
    assert alice.send("chat/u/bob/m-1", b"\x00hello\xff") == 0
    record, = service.wait_records(1)
    assert record["client_id"] == "alice:phone" and record["session"] == session
    assert record["topic"] == "chat/u/bob/m-1" and record["payload"] == b"\x00hello\xff"
    assert record["correlation"] == b""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1])
def test_deliver(service, cast, version, qos):
    bob = cast("bob:phone", version=version).online()
    session = service.session("bob:phone")
    service.deliver([session], "chat/u/alice/17/1770000000123/alice:phone/m-1", b"hi", qos)
    (topic, payload, arrived_qos, properties, _), = bob.wait_for("inbox/bob/chat/")
    assert topic == "inbox/bob/chat/u/alice/17/1770000000123/alice:phone/m-1"
    assert payload == b"hi" and arrived_qos == qos
    if version == 5:
        assert properties == {"seq": "17", "time": "1770000000123", "sender": "alice:phone", "id": "m-1"}
