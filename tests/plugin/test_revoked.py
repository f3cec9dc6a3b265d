"""Revocation: at once on live connections, and for ever after."""
import time

import pytest

from broker import until
from service import Service


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("name, ended", [("alice", {"alice:phone", "alice:desk"}), ("alice:phone", {"alice:phone"})])
def test_at_once(service, cast, transport, name, ended):
    now = int(time.time())
    devices = [cast(client_id, transport=transport) for client_id in
               ("alice:phone", "alice:desk", "alicex:phone", "bob:phone")]
    for device in devices:
        device.online(token=service.broker.token(device.user, device.name, issued_at=now))
        service.session(device.client_id)
    service.send({"op": "revoke", "name": name, "valid_after_s": now + 1, "kick": 1})
    for device in devices:
        if device.client_id in ended:
            device.wait_ended()
            service.wait_gone(device.client_id, "revoked")
            assert cast(device.client_id).connect_refused(token=service.broker.token(
                device.user, device.name, issued_at=now)) == 5
            cast(device.client_id).connect(token=service.broker.token(device.user, device.name, issued_at=now + 1))
        else:
            service.deliver([service.session(device.client_id)], "synced")
            device.wait_for(f"inbox/{device.user}/synced")


def test_without_kick(service, cast):
    now = int(time.time())
    alice = cast("alice:phone").online()
    number = service.session("alice:phone")
    service.send({"op": "revoke", "name": "alice", "valid_after_s": now + 1, "kick": 0})
    service.deliver([number], "synced")
    alice.wait_for("inbox/alice/synced")
    assert cast("alice:desk").connect_refused(token=service.broker.token("alice", "desk", issued_at=now)) == 5


def test_a_newer_token_stays(service, cast):
    now = int(time.time())
    alice = cast("alice:phone").online(token=service.broker.token("alice", "phone", issued_at=now))
    service.send({"op": "revoke", "name": "alice", "valid_after_s": now, "kick": 1})
    service.send({"op": "revoke", "name": "alice", "valid_after_s": now - 50, "kick": 1})
    service.deliver([service.session("alice:phone")], "synced")
    alice.wait_for("inbox/alice/synced")


def test_nothing_is_taken_from_a_revoked_session(service, cast):
    """What it publishes at the same time is before, or not at all."""
    now = int(time.time())
    alice = cast("alice:phone", transport="websockets")
    alice.online(token=service.broker.token("alice", "phone", issued_at=now))
    service.session("alice:phone")
    for i in range(300):
        alice.publish(f"chat/u/bob/m{i}")
    service.send({"op": "revoke", "name": "alice:phone", "valid_after_s": now + 1, "kick": 1})
    alice.wait_ended()
    service.wait_gone("alice:phone", "revoked")
    assert [op["op"] for op in service.ops if op["op"] != "counters"][-1] == "gone"  # those come once a second
    taken = [op["topic"] for op in service.of("record")]
    assert taken == [f"chat/u/bob/m{i}" for i in range(len(taken))]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_survives_restarts(node, cast, how):
    node.start()
    now = int(time.time())
    service = Service(node).start()
    service.send(*[{"op": "revoke", "name": f"user{i}", "valid_after_s": now + 1, "kick": 1} for i in range(1000)])
    service.send({"op": "revoke", "name": "alice:phone", "valid_after_s": now + 1, "kick": 1}).wait_for_publish()
    service.stop()
    for _ in range(2):
        node.kill() if how == "kill" else node.stop()
        node.start()
        assert "revoked=1001" in node.log()
        for client_id in ("alice:phone", "user0:x", "user999:x"):
            user, name = client_id.split(":")
            assert cast(client_id).connect_refused(token=node.token(user, name, issued_at=now)) == 5
        cast("alice:desk").connect(token=node.token("alice", "desk", issued_at=now)).close()


def test_the_whole_list_replaces(service, cast, broker):
    now = int(time.time())

    def is_refused(user):
        device = cast(f"{user}:x")
        token = broker.token(user, "x", issued_at=now)
        device.begin(token=token)
        until("an answer", lambda: device.code is not None or device.ended is not None)
        code = device.code
        device.close()
        return code == 5

    def revoke(*names, **more):
        return [{"op": "revoke", "name": name, "valid_after_s": now + 1} | more for name in names]

    service.send(*revoke("old", "both"))
    until("revoked", lambda: is_refused("old"))
    live = cast("live:x").online(token=broker.token("live", "x", issued_at=now))
    service.session("live:x")
    service.send({"op": "revoked_begin"}, *revoke("new", "both"))
    until("counts at once", lambda: is_refused("new"))
    assert is_refused("old") and is_refused("both")
    service.send(*revoke("live"), {"op": "revoked_end"})
    live.wait_ended()  # was revoked while there was no link
    assert not is_refused("old") and is_refused("both") and is_refused("new") and is_refused("live")
    service.send({"op": "revoked_begin"}, *revoke("later"))
    until("counts", lambda: is_refused("later"))
    service.stop()  # before the end of the list
    assert is_refused("both") and is_refused("later")
    service.start()
    service.send({"op": "revoked_begin"}, {"op": "revoked_end"})
    until("empty", lambda: not is_refused("both"))
    assert not is_refused("later")
