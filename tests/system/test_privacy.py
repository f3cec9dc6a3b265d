"""What users show of themselves, and who may write to whom: settings that hold at once, for every device."""
from lib.node import wait_until


def presence_of(device, other, count=1):
    return device.wait_for("presence", user=other.user, count=count).payload


def told_of(device, user, kind):
    return [item for item in device.all_of(kind) if item.user == user.user]


def test_a_profile_is_seen_by_whom_it_is_shown_to(cast):
    alice, bob = cast(2)
    assert alice.rpc("profile.set", display_name="Alice", about="one\ntwo", avatar="https://example.org/a") == {}
    shown = {"user": alice.user, "display_name": "Alice", "about": "one\ntwo", "avatar": "https://example.org/a"}
    assert bob.rpc("profile.get", user=alice.user) == alice.rpc("profile.get") == shown
    alice.rpc("privacy.set", profile="contacts")
    assert bob.rpc("profile.get", user=alice.user) == dict.fromkeys(shown) | {"user": alice.user}
    bob.say(alice.address)
    assert bob.rpc("profile.get", user=alice.user) == shown
    assert alice.rpc_code("profile.set", display_name="x" * 129) == "too-large"
    assert alice.rpc_code("profile.set", b'{"about":"\xff"}') == "bad-request"


def test_reads_are_not_told_of_who_does_not_share_hers(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat", seq=1)
    bob.rpc("privacy.set", read_receipts=False)
    assert bob.rpc("privacy.get")["read_receipts"] is False
    # the service hears of it soon: what is told of the next one is the delivered that a read implies
    seq = 1

    def heard():
        nonlocal seq
        bob.read(alice.address, seq)
        alice.until(lambda: told_of(alice, bob, "delivered") or told_of(alice, bob, "read"), "a mark")
        seq = alice.say(bob.address).seq
        bob.wait_for("chat", seq=seq)
        return told_of(alice, bob, "delivered")
    wait_until(heard, 15, "reads are told no more", 0.05)
    before = len(told_of(alice, bob, "read"))
    bob.read(alice.address, seq)
    alice.wait_for("delivered", seq=seq, user=bob.user)
    bob.say(alice.address)
    alice.wait_for("chat")
    alice.read(bob.address, seq + 1)
    bob.wait_for("delivered", seq=seq + 1, user=alice.user)
    assert not told_of(bob, alice, "read"), "then she sees none either"
    alice.stop()
    alice.connect()
    assert len(told_of(alice, bob, "read")) == before, "not even when a device comes back"
    assert alice.rpc("receipts", conversation=bob.address, seq=seq)["read"] == 0


def test_online_and_last_seen_are_shown_to_whom_one_likes(cast):
    alice, bob, carol = cast(3)
    alice.say(bob.address)
    bob.wait_for("chat")
    for watcher in (bob, carol):
        watcher.subscribe(f"presence/{alice.user}")
    assert (presence_of(bob, alice), presence_of(carol, alice)) == (b"online", b"hidden")
    alice.rpc("privacy.set", online="everyone")
    assert presence_of(carol, alice, 2) == b"online"
    alice.subscribe(f"presence/{bob.user}")
    assert presence_of(alice, bob) == b"online"
    alice.rpc("privacy.set", online="nobody", last_seen="nobody")
    assert (presence_of(bob, alice, 2), presence_of(carol, alice, 3)) == (b"hidden", b"hidden")
    assert presence_of(alice, bob, 2) == b"hidden", "who hides herself does not see others"
    alice.rpc("privacy.set", last_seen="contacts")
    assert presence_of(bob, alice, 3).startswith(b"offline "), "when she was last seen, not that she is here"
    alice.rpc("privacy.set", online="contacts", last_seen="nobody")
    assert presence_of(bob, alice, 4) == b"online"
    alice.stop()
    assert presence_of(bob, alice, 5) == b"offline 0", "and nobody is told since when"


def test_with_several_devices_one_is_enough(cast):
    alice, bob = cast.users(2)
    phone, tab, watcher = alice.device("phone"), alice.device("tab"), bob.device()
    phone.say(bob.address)
    watcher.wait_for("chat")
    watcher.subscribe(f"presence/{alice.name}")
    watcher.wait_for("presence", payload=b"online")
    phone.stop()
    watcher.say(watcher.address)
    assert len(watcher.all_of("presence")) == 1
    tab.stop()
    watcher.until(lambda: watcher.all_of("presence")[-1].payload.startswith(b"offline "), "offline")


def test_at_most_256_users_are_watched(cast):
    alice, bob = cast(2)
    bob.say(alice.address)
    alice.wait_for("chat")
    for number in range(256):
        alice.client.subscribe(f"presence/nobody{number}", 1)
    alice.wait_for("presence", user="nobody255", payload=b"hidden")
    assert alice.subscribe(f"presence/{bob.user}") == 0x80, "one too many"
    alice.say(alice.address)
    assert not alice.all_of("presence", user=bob.user)
    alice.unsubscribe("presence/nobody7")
    alice.subscribe(f"presence/{bob.user}")
    alice.wait_for("presence", user=bob.user, payload=b"online")


def test_who_may_take_whom_into_groups(cast):
    alice, bob, carol = cast(3)
    alice.rpc("privacy.set", groups="contacts")
    bob.say(alice.address)
    assert carol.rpc_code("group.create", members=[alice.user]) == "denied"
    group = carol.rpc("group.create", members=[bob.user])["group"]
    assert carol.rpc_code("group.add", group=group, user=alice.user) == "denied"
    assert "group" in bob.rpc("group.create", members=[alice.user])


def test_a_strangers_first_messages_wait_as_a_request(cast):
    alice, bob, carol = cast.users(3)
    phone, tab, his, hers = alice.device("phone"), alice.device("tab"), bob.device(), carol.device()
    phone.rpc("privacy.set", messages="contacts")
    assert [his.say(alice.address, b"hello").seq, his.say(alice.address, b"please").seq] == [2, 3]
    for device in (phone, tab):
        device.wait_for("chat", seq=3)
        assert [(i.seq, i.word or i.payload) for i in device.items(bob.address)] == [(1, "request"), (2, b"hello"),
                                                                                       (3, b"please")]
    assert his.wait_for("event", seq=1).topic.endswith(f"/{bob.name}/request")
    [listed] = phone.rpc("conversations")["conversations"]
    assert listed["request"] is True and listed["unread"] == 2
    assert "request" not in his.rpc("conversations")["conversations"][0]
    phone.read(bob.address, 3)
    his.subscribe(f"presence/{alice.name}")
    assert presence_of(his, phone) == b"hidden"
    his.publish(f"typing/{alice.address}", b"1", qos=0)
    his.say(bob.address)
    assert not phone.all_of("typing") and not told_of(his, phone, "read")

    assert tab.rpc("request.accept", user=bob.name) == {"seq": 4}
    for device in (phone, tab, his):
        assert device.wait_for("event", seq=4).word == "request-accepted"
    his.wait_for("read", seq=3, user=alice.name)
    assert presence_of(his, phone, 2) == b"online"

    assert hers.say(alice.address).seq == 2
    phone.wait_for("chat", conversation=carol.address)
    assert phone.say(carol.address, b"yes?").seq == 4, "who answers has accepted"
    assert hers.wait_for("event", seq=3).word == "request-accepted"
    hers.wait_for("chat", seq=4)

    dave = cast.user().device()
    dave.say(alice.address)
    assert tab.rpc("request.decline", user=dave.user) == {}
    dave.say(alice.address, b"why?")
    assert phone.wait_for("event", conversation=dave.address, seq=3).word == "withheld"
    assert not told_of(dave, phone, "delivered")
    assert [row["user"] for row in phone.rpc("blocked")["blocked"]] == [dave.user]


def test_an_administrator_sets_the_same(cast, node):
    alice, = cast(1)
    node.ctl("privacy", "set", alice.user, "messages", "contacts")
    node.ctl("privacy", "set", alice.user, "read_receipts", "no")
    node.ctl("profile", "set", alice.user, "display_name", "Alice A.")
    row = node.json("privacy", "show", alice.user)
    assert (row["messages"], row["read_receipts"], row["display_name"]) == ("contacts", False, "Alice A.")
    node.ctl("profile", "set", alice.user, "display_name")
    assert alice.rpc("profile.get")["display_name"] is None
    assert node.ctl("privacy", "set", alice.user, "online", "friends", check=False).returncode == 1
    assert node.ctl("privacy", "show", "nobody-of-that-name", check=False).returncode == 1
