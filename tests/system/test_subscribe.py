"""What a device may subscribe to, and that it gets what its filters match and nothing else."""
import pytest

VERSIONS = pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
REFUSED = [
    "#", "+", "+/#", "+/+", "inbox/#", "inbox/+", "inbox/+/#", "inbox/+/chat/#", "inbox", "inbox/", "inbox/{me}",
    "inbox/{peer}", "inbox/{peer}/#", "inbox/{peer}/chat/#", "inbox/{peer}/+", "Inbox/{me}/#", "/inbox/{me}/#",
    "inbox/{ME}/#", "$share/a/inbox/{me}/#", "$share/a/#", "$SYS/#", "$SYS/broker/clients/connected", "$CONTROL/#",
    "$CONTROL/gnatter/v1", "gnatter/#", "gnatter/v1/up", "presence/#", "presence/+", "presence", "presence/",
    "presence/{peer}/#", "presence/{peer}/x", "presence/{PEER}", "presence/{peer}:d", "chat/#", "chat/u/{me}/+", "rpc/#",
    "ack", "sync", "$q", "x",
]
ALLOWED = ["inbox/{me}/#", "inbox/{me}/+", "inbox/{me}/chat/#", "inbox/{me}/chat/u/+/#", "inbox/{me}/+/g/#",
           "inbox/{me}/synced", "inbox/{me}/rpc/+", "inbox/{me}/error/#", "inbox/{me}/history/#", "presence/{peer}",
           "presence/{me}", "presence/nobody-at-all"]


def fill(text, me, peer):
    return text.format(me=me.name, ME=me.name.upper(), peer=peer.name, PEER=peer.name.upper())


@VERSIONS
def test_filters_refused(cast, v5):
    me, peer = cast.users(2)
    device = me.device(connect=False, v5=v5).start()
    codes = {text: device.subscribe(fill(text, me, peer)) for text in REFUSED}
    assert set(codes.values()) == {0x87 if v5 else 0x80}, {t: c for t, c in codes.items() if c < 0x80}
    other = peer.device()
    other.say(me.address)
    assert not device.arrived


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_filters_allowed(cast, v5, qos):
    me, peer = cast.users(2)
    device = me.device(connect=False, v5=v5).start()
    codes = {text: device.subscribe(fill(text, me, peer), qos) for text in ALLOWED}
    assert set(codes.values()) == {qos}, codes


def test_one_refused_among_allowed(cast):
    me, peer = cast.users(2)
    device = me.device(connect=False).start()
    _, mid = device.client.subscribe([(f"inbox/{me.name}/#", 1), (f"inbox/{peer.name}/#", 1)])
    device.until(lambda: mid in device.granted, "SUBACK")
    assert [getattr(code, "value", code) for code in device.granted[mid]] == [1, 0x80]
    sender = peer.device()
    device.wait_for("chat", id=sender.say(me.address).id)


def test_narrow_filter_makes_live_and_narrows(cast):
    me, peer = cast.users(2)
    sender = peer.device()
    device = me.device(filters=[f"inbox/{me.name}/chat/#", f"inbox/{me.name}/synced"])
    device.wait_for("chat", id=sender.say(me.address).id)
    device.ack(sender.address, 1)
    sender.wait_for("delivered", seq=1)
    device.send(sender.address)
    sender.wait_for("chat", seq=2)
    sender.ack(me.address, 2)
    device.wait_for("chat", id=sender.say(me.address).id)
    assert {item.kind for item in device.arrived} <= {"chat", "synced"}


def test_without_a_subscription_nothing_arrives(cast):
    me, peer = cast.users(2)
    sender, device = peer.device(), me.device(connect=False).start()
    sender.say(me.address)
    device.publish(f"chat/{peer.address}/one", b"x")
    sender.wait_for("chat", id="one")
    assert not device.arrived
    assert device.subscribe_inbox().payload
    device.wait_for("chat", seq=1)


def test_after_unsubscribing_nothing_arrives(cast):
    me, peer = cast.users(2)
    sender, device = peer.device(), me.device()
    device.wait_for("chat", id=sender.say(me.address).id)
    device.unsubscribe(f"inbox/{me.name}/#")
    since = device.here()
    sender.say(me.address)
    device.publish(f"chat/{peer.address}/one", b"x")
    sender.wait_for("chat", id="one")
    assert device.here() == since
    device.subscribe_inbox()
    device.wait_for("chat", since=since, seq=2)


def test_nobody_reads_what_is_for_another(cast):
    """Two users who know each other's names, and a third between whom they write: no arrival outside the own inbox."""
    alice, bob, eve = cast(3)
    for text in ("#", f"inbox/{bob.user}/#", f"inbox/{alice.user}/#", "$share/x/#", "+/+/#"):
        eve.subscribe(text)
    alice.say(bob.address, b"secret")
    bob.wait_for("chat", payload=b"secret")
    eve.say(eve.address)
    assert {item.kind for item in eve.arrived} == {"synced", "sent"}
