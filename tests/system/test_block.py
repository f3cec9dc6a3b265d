"""Blocking: a single tick for ever, an empty place for her who blocks, and nothing that would tell him."""
import pytest

from lib.cast import Cast, Pool
from lib.fixtures import started
from lib.node import wait_until


def brief(items):
    return [(item.seq, item.word if item.kind == "event" else item.payload) for item in items]


def marked(device, user):
    """What this device was told of that user's marks."""
    return [item for item in device.all_of() if item.kind in ("delivered", "read") and item.topic.endswith(f"/{user}")]


def test_a_blocked_users_messages_are_taken_and_never_delivered(cast):
    alice, bob = cast.users(2)
    phone, tab = alice.device("phone"), alice.device("tab")
    his, other = bob.device("phone"), bob.device("tab")
    his.say(alice.address, b"one")
    phone.wait_for("chat", seq=1)
    phone.ack(bob.address, 1)
    his.wait_for("delivered", seq=1)
    assert phone.rpc("block", user=bob.name) == {}
    assert [row["user"] for row in tab.rpc("blocked")["blocked"]] == [bob.name]

    for seq, text in ((2, b"two"), (3, b"three")):
        assert his.wait_for("sent", id=his.send(alice.address, text)).seq == seq
        assert other.wait_for("chat", seq=seq).payload == text
        for device in (phone, tab):
            item = device.wait_for("event", conversation=bob.address, seq=seq)
            assert (item.word, item.user, item.payload) == ("withheld", "-", b"{}")
    phone.read(bob.address, 3)
    tab.wait_for("read", conversation=bob.address, seq=3)  # her own devices keep in step

    # she may write to him, and each gets all of the log that is to be had
    phone.say(bob.address, b"four")
    for device in (his, other):
        device.wait_for("chat", seq=4)
        device.read(alice.address, 4)
    other.rpc("conversations")  # behind the marks
    tab.wait_for("chat", seq=4)
    assert brief(tab.items(bob.address)) == [(1, b"one"), (2, "withheld"), (3, "withheld"), (4, b"four")]
    assert [m.seq for m in marked(his, alice.name)] == [1], "a single tick for ever"
    assert not marked(phone, bob.name)
    assert his.rpc("receipts", conversation=alice.address, seq=2)["delivered"] == 0

    # a device that comes back, or is new to it, gets the same
    phone.stop()
    his.say(alice.address, b"five")
    phone.connect()
    assert phone.wait_for("event", seq=5).word == "withheld"
    tab.publish("sync", f"{bob.address} 0".encode())
    tab.wait_for("event", conversation=bob.address, seq=2, count=2)
    since = tab.here()
    assert tab.rpc("history", conversation=bob.address)["count"] == 5
    told = [(item.seq, getattr(item, "word", None)) for item in tab.all_of(since=since) if item.kind.startswith("history")]
    assert [seq for seq, kind in told if kind == "withheld"] == [2, 3, 5]
    assert [c["unread"] for c in tab.rpc("conversations")["conversations"]] == [0]

    # not even afterwards
    assert phone.rpc("unblock", user=bob.name) == {}
    assert phone.rpc("blocked") == {"blocked": []}
    his.say(alice.address, b"six")
    assert phone.wait_for("chat", seq=6).payload == b"six"
    since = phone.here()
    phone.publish("sync", f"{bob.address} 0".encode())
    phone.wait_for("synced", since=since)
    replayed = {(item.seq, item.kind) for item in phone.all_of(conversation=bob.address, since=since)
                if item.kind in ("chat", "event", "sent")}  # may come twice where the unblocking has it read anew
    assert sorted(replayed) == [(1, "chat"), (2, "event"), (3, "event"), (4, "sent"), (5, "event"), (6, "chat")]
    phone.ack(bob.address, 6)
    his.wait_for("delivered", seq=6)


def test_neither_sees_the_other_but_in_groups_messages_flow(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    alice.say(bob.address)
    bob.wait_for("chat")
    alice.subscribe(f"presence/{bob.user}")
    bob.subscribe(f"presence/{alice.user}")
    for device in (alice, bob):
        assert device.wait_for("presence").payload == b"online"
    alice.rpc("block", user=bob.user)
    for device in (alice, bob):
        assert device.wait_for("presence", count=2).payload == b"hidden", "at once, and to both"

    def hidden():
        """One round: what bob types in the group arrives, what he types to her does not. Soon, not at once: the shard of
        their conversation hears of the block by itself."""
        since = alice.here()
        bob.publish(f"typing/{alice.address}", b"1", qos=0)
        bob.publish(f"typing/{group}", b"1", qos=0)
        bob.say(group, b"all of you")
        assert alice.wait_for("chat", conversation=group, since=since).payload == b"all of you"
        return (alice.all_of("typing", conversation=group, since=since)
                and not alice.all_of("typing", conversation=bob.address, since=since))
    wait_until(hidden, 15, "typing hidden", 0.2)
    alice.read(group, 2)
    bob.wait_for("read", conversation=group, seq=2)

    alice.rpc("unblock", user=bob.user)
    for device in (alice, bob):
        assert device.wait_for("presence", count=3).payload == b"online"

    def typing():  # dropped while the conversation is being read anew
        bob.publish(f"typing/{alice.address}", b"1", qos=0)
        return alice.all_of("typing", conversation=bob.address)
    wait_until(typing, 15, "typing again", 0.2)


def test_who_was_never_talked_to_can_be_blocked(cast):
    alice, bob = cast(2)
    assert alice.rpc("block", user=bob.user) == {}
    assert bob.rpc("conversations") == alice.rpc("conversations") == {"conversations": []}
    bob.say(alice.address, b"hello?")
    assert alice.wait_for("event", conversation=bob.address, seq=1).word == "withheld"
    assert alice.rpc_code("block", user="nobody-of-that-name") == "no-such-user"
    assert alice.rpc_code("block", user=alice.user) == "bad-request"


def test_an_administrator_blocks_for_somebody(cast, node):
    alice, bob = cast(2)
    node.ctl("block", "add", alice.user, bob.user)
    bob.say(alice.address)
    assert alice.wait_for("event").word == "withheld"
    rows = node.json("block", "list", alice.user)
    assert [(row["user"], row["blocked"]) for row in rows] == [(alice.user, bob.user)]
    node.ctl("block", "remove", alice.user, bob.user)
    bob.say(alice.address, b"again")
    assert alice.wait_for("chat").payload == b"again"


@pytest.fixture(scope="module")
def telling():
    """Casts on a node that tells who is blocked."""
    for node in started("telling"):
        node.configure(blocked_answer="error")
        node.ctl("down")
        node.up()
        yield Cast(node, Pool(node, 4, "frank"))


def test_a_node_may_say_so(telling):
    alice, bob = telling(2)
    kept = bob.say(alice.address, b"before")
    alice.wait_for("chat")
    alice.rpc("block", user=bob.user)
    mid = bob.send(alice.address, b"after")
    error = bob.wait_for("error", id=mid)
    assert (error.word, error.conversation) == ("blocked", alice.address)
    bob.send(alice.address, b"before", mid=getattr(kept, "id", kept))
    bob.wait_for("sent", id=getattr(kept, "id", kept), count=2)
    alice.say(bob.address, b"still")
    bob.wait_for("chat", seq=2)
    assert not [item for item in alice.items(bob.address) if item.seq == 2]
    alice.rpc("unblock", user=bob.user)
    bob.say(alice.address, b"thanks")
    assert alice.wait_for("chat", seq=3).payload == b"thanks"
    telling.end()
