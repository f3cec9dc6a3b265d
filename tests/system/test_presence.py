"""Typing and presence: ephemeral, and only for those whom it concerns."""
import time


def test_typing_word_for_word(cast):
    alice, bob = cast(2)
    bob.wait_for("chat", id=alice.say(bob.address).id)
    alice.typing(bob.address)
    got = bob.wait_for("typing")
    assert got.topic == f"inbox/{bob.user}/typing/{alice.address}/{alice.client_id}"
    assert (got.payload, got.qos) == (b"1", 0)
    alice.typing(bob.address, False)
    bob.wait_for("typing", payload=b"0")


def test_typing_in_a_group(cast):
    alice, bob, carol, eve = cast(4)
    group = cast.group(alice, bob, carol)
    bob.wait_for("event", conversation=group)
    alice.typing(group)
    for device in (bob, carol):
        assert device.wait_for("typing").conversation == group
    eve.typing(group)
    eve.say(eve.address)
    alice.say(group)
    bob.wait_for("chat", conversation=group)
    assert len(bob.all_of("typing")) == 1, "eve is not a member"
    assert not alice.all_of("typing"), "not to the one who types"


def test_typing_is_not_stored(cast):
    alice, bob = cast(2)
    bob.stop()
    alice.typing(bob.address)
    alice.say(bob.address)
    since = bob.here()
    bob.connect()
    bob.wait_for("chat")
    assert not bob.all_of("typing", since=since)


def test_typing_to_nobody_is_harmless(cast):
    alice, = cast(1)
    alice.typing("u/nobody-of-that-name")
    alice.typing("g/no-such-group")
    assert alice.say(alice.address).seq == 1


# ---- presence ----
def test_online_offline(cast):
    alice, bob = cast(2, acks=True)
    alice.say(bob.address)
    alice.subscribe(f"presence/{bob.user}")
    assert alice.wait_for("presence").payload == b"online"
    before = int(time.time())
    bob.stop()
    gone = alice.until(lambda: next((i for i in alice.all_of("presence") if i.payload.startswith(b"offline ")), None),
                       "offline", 30)
    assert gone.topic == f"presence/{bob.user}"
    seen = int(gone.payload.split()[1])
    assert seen % 60 == 0 and before - 61 <= seen <= time.time() + 2, "to the minute"
    since = alice.here()
    bob.connect()
    assert alice.wait_for("presence", since=since).payload == b"online"


def test_state_at_once_on_each_subscribing(cast):
    alice, bob = cast(2, acks=True)
    alice.say(bob.address)
    alice.subscribe(f"presence/{bob.user}")
    alice.wait_for("presence", payload=b"online")
    bob.stop()
    alice.until(lambda: [i for i in alice.all_of("presence") if i.payload.startswith(b"offline ")], "offline", 30)
    alice.unsubscribe(f"presence/{bob.user}")
    since = alice.here()
    alice.subscribe(f"presence/{bob.user}")
    assert alice.wait_for("presence", since=since).payload.startswith(b"offline ")


def test_hidden_from_strangers(cast):
    alice, stranger = cast(2)
    stranger.subscribe(f"presence/{alice.user}")
    stranger.subscribe("presence/nobody-of-that-name")
    assert stranger.wait_for("presence", user=alice.user).payload == b"hidden"
    assert stranger.wait_for("presence", user="nobody-of-that-name").payload == b"hidden"
    alice.stop()
    stranger.say(stranger.address)
    assert {i.payload for i in stranger.all_of("presence")} == {b"hidden"}


def test_online_while_one_device_is_live(cast):
    anna, bert = cast.users(2)
    watcher, phone, laptop = anna.device(), bert.device("phone"), bert.device("laptop")
    watcher.say(bert.address)
    watcher.subscribe(f"presence/{bert.name}")
    watcher.wait_for("presence", payload=b"online")
    phone.stop()
    watcher.wait_for("chat", id=laptop.say(anna.address).id)
    assert [i.payload for i in watcher.all_of("presence")] == [b"online"]
    laptop.stop()
    watcher.until(lambda: [i for i in watcher.all_of("presence") if i.payload.startswith(b"offline ")], "offline", 30)


def test_own_presence(cast):
    alice, = cast(1)
    alice.subscribe(f"presence/{alice.user}")
    assert alice.wait_for("presence").payload == b"online"


def test_connected_without_inbox_is_not_online(cast):
    anna, bert = cast.users(2)
    watcher = anna.device()
    there = bert.device()
    watcher.say(bert.address)
    there.wait_for("chat")
    there.stop()
    there.start()
    watcher.subscribe(f"presence/{bert.name}")
    watcher.until(lambda: [i for i in watcher.all_of("presence") if i.payload.startswith(b"offline ")], "offline", 30)


def test_after_unsubscribing_silence(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    alice.subscribe(f"presence/{bob.user}")
    alice.wait_for("presence", payload=b"online")
    alice.unsubscribe(f"presence/{bob.user}")
    carol_watches = cast(1)[0]
    carol_watches.say(bob.address)
    carol_watches.subscribe(f"presence/{bob.user}")
    carol_watches.wait_for("presence", payload=b"online")
    since = alice.here()
    bob.stop()
    carol_watches.until(lambda: [i for i in carol_watches.all_of("presence") if i.payload.startswith(b"offline ")],
                        "offline", 30)
    alice.say(alice.address)
    assert not alice.all_of("presence", since=since)
