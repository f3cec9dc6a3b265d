"""What was PUBACKed is not lost, whatever is killed; and nothing is PUBACKed that cannot be held."""
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from lib.node import wait_until

COUNT = 1000


def children(pid):
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(text) for text in tasks.read_text().split()]


@contextmanager
def frozen(*pids):
    """These processes do nothing for a while; one that was killed in between is left alone."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def pubacked(device, address, count=COUNT, payload=b"x"):
    """Publishes so many; returns their message ids once all have their PUBACK."""
    infos = [device.client.publish(f"chat/{address}/m{n}", payload, 1) for n in range(count)]
    device.until(lambda: all(info.mid in device.published for info in infos), f"{count} PUBACKs", 30)
    return [f"m{n}" for n in range(count)]


def stored(node, device):
    rows = node.sql(f"select message_id from gnatter.messages where sender_user = '{device.user}' "
                    "and kind = 'chat' order by conversation, seq")
    return [row[0] for row in rows]


def all_there(node, device, names):
    wait_until(lambda: len(stored(node, device)) >= len(names), 30,
               lambda: f"{len(names)} messages stored; there are {len(stored(node, device))}", 0.2)
    assert stored(node, device) == names, "each once, in the order of publishing"


@pytest.mark.parametrize("parts", [["mosquitto"], ["syncd"], ["mosquitto", "syncd"]], ids="+".join)
def test_held_by_the_journal_alone(node, cast, parts):
    """The service is frozen, so that nothing but the journal has them; the kill comes right after the last PUBACK."""
    alice, bob = cast(2)
    with frozen(node.pid("syncd")):
        names = pubacked(alice, bob.address)
        old = {part: node.signal(part) for part in parts}
    for part, pid in old.items():
        node.wait_restarted(part, pid)
    all_there(node, alice, names)
    bob.acks = True
    wait_until(lambda: reconnected(bob), 20, "bob is back")
    bob.wait_for("chat", id=names[-1])
    assert [item.id for item in bob.items(alice.address)] == names


def reconnected(device):
    try:
        device.stop()
        return device.connect()
    except (OSError, AssertionError):
        return None


@pytest.mark.parametrize("part", ["mosquitto", "syncd"])
def test_killed_right_after_the_last_puback(node, cast, part):
    alice, bob = cast(2)
    names = pubacked(alice, bob.address)
    old = node.signal(part)
    node.wait_restarted(part, old)
    all_there(node, alice, names)


def test_database_frozen(node, cast):
    """PUBACKs go on, `sent` comes when the database is back."""
    alice, bob = cast(2, acks=True)
    alice.say(bob.address, mid="first")
    postgres = node.pid("postgres")
    with frozen(postgres, *children(postgres)):
        names = pubacked(alice, bob.address)
        assert not alice.all_of("sent", id=names[-1])
    alice.wait_for("sent", id=names[-1], timeout=30)
    bob.wait_for("chat", id=names[-1], timeout=30)
    assert [item.id for item in bob.items(alice.address)] == ["first", *names]
    assert stored(node, alice) == ["first", *names]


def test_database_killed_with_messages_waiting(node, cast):
    alice, bob = cast(2, acks=True)
    postgres = node.pid("postgres")
    with frozen(postgres, *children(postgres)):
        names = pubacked(alice, bob.address)
        for pid in [*children(postgres), postgres]:
            os.kill(pid, signal.SIGKILL)
    node.wait_restarted("postgres", postgres)
    alice.wait_for("sent", id=names[-1], timeout=30)
    bob.wait_for("chat", id=names[-1], timeout=30)
    assert [item.id for item in bob.items(alice.address)] == names
    assert stored(node, alice) == names


def test_overload_is_said_and_nothing_taken_is_lost(node, cast):
    """The service is frozen until the journal is at its mark: what is refused has its error, all else is there later."""
    alice, bob = cast(2)
    alice.client.max_inflight_messages_set(20)
    body, names = b"x" * 65536, []
    with frozen(node.pid("syncd")):
        while not alice.all_of("error") and alice.is_connected():
            assert len(names) < 1800, "nobody said stop"
            names.append(alice.send(bob.address, body, mid=f"m{len(names)}", wait=True))
        assert alice.is_connected(), "closed before it was told"
        error = alice.wait_for("error")
        assert error.word == "overloaded" and b"retry_after_ms" in error.payload
        assert len(names) > 100
    alice.until(lambda: {i.id for i in alice.arrived if i.kind in ("sent", "error")} == set(names), "all answered", 60)
    refused = {i.id for i in alice.all_of("error")}
    assert stored(node, alice) == [name for name in names if name not in refused]
    assert alice.say(bob.address, b"works again").seq == len(names) - len(refused) + 1
