"""Delivered and read: who is told, how far, and never more than is true."""
import json


def test_three_ticks(cast):
    alice, bob = cast(2)
    mid = alice.send(bob.address)
    sent = alice.wait_for("sent", id=mid)
    bob.wait_for("chat", id=mid)
    assert not alice.all_of("delivered"), "delivered before anybody acknowledged"
    bob.ack(alice.address, 1)
    delivered = alice.wait_for("delivered")
    assert delivered.topic == f"inbox/{alice.user}/delivered/{bob.address}/{sent.seq}/{bob.user}"
    bob.read(alice.address, 1)
    read = alice.wait_for("read")
    assert read.topic == f"inbox/{alice.user}/read/{bob.address}/{sent.seq}/{bob.user}"
    assert (delivered.payload, delivered.qos, read.payload, read.qos) == (b"", 0, b"", 0)


def test_one_ack_covers_all_before(cast):
    alice, bob = cast(2)
    for _ in range(5):
        alice.say(bob.address)
    bob.wait_for("chat", seq=5)
    bob.ack(alice.address, 5)
    alice.wait_for("delivered", seq=5)
    assert [item.seq for item in alice.all_of("delivered")] == [5]


def test_read_implies_delivered(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat")
    bob.read(alice.address, 1)
    alice.wait_for("read", seq=1)
    row = alice.rpc("receipts", conversation=bob.address, seq=1)
    assert row == {"seq": 1, "delivered": 1, "read": 1,
                   "members": [{"user": bob.user, "delivered": True, "read": True}]}
    bob.drop()
    since = bob.here()
    bob.connect()
    assert not bob.all_of("chat", since=since), "read acknowledges as well"


def test_mark_above_the_last_seq_counts_as_the_last(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat")
    bob.read(alice.address, 9223372036854775807)
    assert alice.wait_for("read").seq == 1
    second = alice.say(bob.address)
    bob.wait_for("chat", seq=second.seq)
    assert [i["unread"] for i in bob.rpc("conversations")["conversations"]] == [1]
    bob.ack(alice.address, 10)
    assert alice.wait_for("delivered", seq=2)


def test_marks_do_not_go_back(cast):
    alice, bob = cast(2)
    for _ in range(3):
        alice.say(bob.address)
    bob.wait_for("chat", seq=3)
    bob.read(alice.address, 3)
    alice.wait_for("read", seq=3)
    bob.read(alice.address, 1)
    bob.ack(alice.address, 2)
    alice.say(bob.address)
    bob.read(alice.address, 4)
    alice.wait_for("read", seq=4)
    assert [item.seq for item in alice.all_of("read")] == [3, 4]
    assert all(item.seq >= 3 for item in alice.all_of("delivered"))


def test_marks_where_one_is_not_in_do_nothing(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    alice.say(group)
    eve.ack(group, 2)
    eve.read(group, 2)
    eve.read("g/no-such-group", 1)
    eve.read("u/nobody-of-that-name", 1)
    eve.publish("ack", f"{group} 2\n{alice.address} 1")
    eve.say(eve.address)
    alice.say(group)
    bob.wait_for("chat", seq=3)
    assert eve.is_connected() and not eve.all_of("error") and not eve.all_of("refusal")
    assert not alice.all_of("read") and not alice.all_of("delivered")


def test_marks_go_to_the_senders_of_what_they_cover(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob, carol)
    alice.say(group, b"a")
    bob.say(group, b"b")
    alice.say(group, b"c")
    carol.wait_for("chat", seq=4)
    carol.ack(group, 2)
    alice.wait_for("delivered", user=carol.user, seq=2)
    carol.read(group, 3)
    assert bob.wait_for("read", user=carol.user).seq == 3
    assert alice.wait_for("read", user=carol.user).seq in (2, 3)
    carol.read(group, 4)
    assert alice.wait_for("read", user=carol.user, seq=4)
    bob.say(group)
    alice.wait_for("chat", seq=5)
    assert {i.seq for i in bob.all_of("delivered", user=carol.user)} <= {3}, "nothing of bob's is in 4"
    assert not carol.all_of("read") and not carol.all_of("delivered"), "carol sent nothing"


def test_every_device_of_the_sender_is_told(cast):
    anna, bert = cast.users(2)
    phone, laptop, other = anna.device("phone"), anna.device("laptop"), bert.device()
    phone.say(bert.address)
    other.wait_for("chat")
    other.read(anna.address, 1)
    for device in (phone, laptop):
        device.wait_for("read", user=bert.name, seq=1)


def test_delivered_on_any_device_is_enough_and_told_once(cast):
    anna, bert = cast.users(2)
    sender, tablet, watch = anna.device(), bert.device("tablet"), bert.device("watch")
    sender.say(bert.address)
    for device in (tablet, watch):
        device.wait_for("chat")
    tablet.ack(anna.address, 1)
    sender.wait_for("delivered", seq=1)
    watch.ack(anna.address, 1)
    sender.say(bert.address)
    watch.wait_for("chat", seq=2)
    watch.ack(anna.address, 2)
    sender.wait_for("delivered", seq=2)
    assert [item.seq for item in sender.all_of("delivered")] == [1, 2]


def test_own_other_devices_learn_what_was_read(cast):
    anna, bert = cast.users(2)
    sender, tablet, watch = anna.device(), bert.device("tablet"), bert.device("watch")
    sender.say(bert.address)
    tablet.wait_for("chat")
    tablet.read(anna.address, 1)
    own = watch.wait_for("read")
    assert own.topic == f"inbox/{bert.name}/read/{anna.address}/1/{bert.name}"
    sender.wait_for("read", seq=1)
    assert not tablet.all_of("read")


def test_acks_of_one_device_do_not_count_for_another(cast):
    anna, bert = cast.users(2)
    sender, tablet, watch = anna.device(), bert.device("tablet"), bert.device("watch")
    sender.say(bert.address)
    tablet.wait_for("chat")
    watch.stop()
    tablet.ack(anna.address, 1)
    sender.wait_for("delivered", seq=1)
    since = watch.here()
    watch.connect()
    assert watch.wait_for("chat", since=since).seq == 1


def test_bulk_ack_and_read(cast):
    hub, *others = cast(6)
    for other in others:
        other.say(hub.address)
        hub.wait_for("chat", conversation=other.address)
    hub.publish("ack", "\n".join(f"{other.address} 1" for other in others))
    for other in others:
        other.wait_for("delivered", seq=1, user=hub.user)
    hub.publish("read", "".join(f"{other.address} 1\n" for other in others))
    for other in others:
        other.wait_for("read", seq=1, user=hub.user)


def test_a_thousand_lines(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat")
    bob.publish("read", f"{alice.address} 1\n" * 1000)
    alice.wait_for("read", seq=1)


def test_marks_missed_while_away_come_before_synced(cast):
    alice, bob = cast(2)
    for _ in range(3):
        alice.say(bob.address)
    bob.wait_for("chat", seq=3)
    alice.stop()
    bob.ack(alice.address, 3)
    bob.read(alice.address, 2)
    bob.say(bob.address)
    since = alice.here()
    alice.connect()
    synced = alice.arrived.index(alice.wait_for("synced", since=since), since)
    before = alice.arrived[since:synced]
    assert ("delivered", 3) in [(i.kind, i.seq) for i in before], alice.story()
    assert ("read", 2) in [(i.kind, i.seq) for i in before], alice.story()
    assert not [i for i in alice.arrived if i.kind in ("delivered", "read") and i.seq > 3]


def test_own_read_missed_while_away_comes_before_synced(cast):
    anna, bert = cast.users(2)
    sender, tablet, watch = anna.device(), bert.device("tablet"), bert.device("watch", acks=True)
    sender.say(bert.address)
    tablet.wait_for("chat")
    sender.wait_for("delivered")
    watch.stop()
    tablet.read(anna.address, 1)
    sender.wait_for("read")
    since = watch.here()
    watch.connect()
    synced = watch.arrived.index(watch.wait_for("synced", since=since), since)
    assert [i.seq for i in watch.arrived[since:synced] if i.kind == "read" and i.user == bert.name] == [1]




def test_sending_does_not_read_for_others(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat")
    bob.say(alice.address)
    alice.wait_for("chat")
    rows = alice.rpc("receipts", conversation=bob.address, seq=1)["members"]
    assert rows == [{"user": bob.user, "delivered": False, "read": False}]


# ---- rpc/receipts ----
def test_receipts_of_a_group(cast):
    alice, bob, carol, dave = cast(4)
    group = cast.group(alice, bob, carol, dave)
    sent = alice.say(group)
    for device in (bob, carol, dave):
        device.wait_for("chat", id=sent.id)
    bob.ack(group, sent.seq)
    carol.read(group, sent.seq)
    alice.wait_for("delivered", user=bob.user)
    alice.wait_for("read", user=carol.user)
    answer = dave.rpc("receipts", conversation=group, seq=sent.seq)
    assert (answer["seq"], answer["delivered"], answer["read"]) == (sent.seq, 2, 1)
    assert {(m["user"], m["delivered"], m["read"]) for m in answer["members"]} == {
        (bob.user, True, False), (carol.user, True, True), (dave.user, False, False)}


def test_receipts_refusals(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    alice.say(group)
    assert eve.rpc_code("receipts", conversation=group, seq=2) == "not-member"
    assert eve.rpc_code("receipts", conversation="g/no-such-group", seq=1) == "no-such-group"
    assert alice.rpc_code("receipts", conversation="u/nobody-of-that-name", seq=1) == "no-such-user"
    for params in ({}, {"conversation": group}, {"seq": 2}, {"conversation": group, "seq": "2"},
                   {"conversation": "kitchen", "seq": 2}, {"conversation": group, "seq": 0},
                   {"conversation": group, "seq": 1.5}, {"conversation": 7, "seq": 2}):
        assert alice.rpc_code("receipts", params) == "bad-request", params


# ---- groups above 32 members ----
def test_counts_in_a_group_above_32_members(cast):
    devices = cast(34)
    alice, others = devices[0], devices[1:]
    group = cast.group(alice, *others)
    sent = alice.say(group)
    for device in others:
        device.wait_for("chat", id=sent.id)
        device.ack(group, sent.seq)

    def counts(delivered, read):
        return lambda: [i for i in alice.all_of("receipts") if json.loads(i.payload) == {"delivered": delivered,
                                                                                        "read": read}]
    alice.until(counts(33, 0), "33 delivered")
    for device in others[:10]:
        device.read(group, sent.seq)
    last = alice.until(counts(33, 10), "10 read")[-1]
    assert last.topic == f"inbox/{alice.user}/receipts/{group}/{sent.seq}"
    assert not alice.all_of("delivered") and not alice.all_of("read")
    assert not [i for device in others for i in device.all_of("receipts")], "counts are for those who sent"
    answer = alice.rpc("receipts", conversation=group, seq=sent.seq)
    assert (answer["delivered"], answer["read"], len(answer["members"])) == (33, 10, 33)


def test_counts_of_a_message_that_is_not_the_last(cast):
    devices = cast(34)
    alice, others = devices[0], devices[1:]
    group = cast.group(alice, *others)
    first, last = alice.say(group), alice.say(group)
    for device in others:
        device.wait_for("chat", id=last.id)
        device.ack(group, last.seq)

    def counts(since=0):
        return [(i.seq, json.loads(i.payload)) for i in alice.all_of("receipts", since=since)]
    alice.until(lambda: (last.seq, {"delivered": 33, "read": 0}) in counts(), "33 delivered")
    others[0].read(group, first.seq)
    alice.until(lambda: (first.seq, {"delivered": 33, "read": 1}) in counts(), "one has read the first")
    alice.stop()
    others[1].read(group, first.seq)
    assert others[1].rpc("receipts", conversation=group, seq=first.seq)["read"] == 2, "before alice comes back"
    since = alice.here()
    alice.connect()
    wanted, told = [(first.seq, {"delivered": 33, "read": 2}), (last.seq, {"delivered": 33, "read": 0})], counts(since)
    # the first one again where those who are live are told while she comes back: at most one a second
    assert all(one in told for one in wanted) and all(one in wanted for one in told), told


def test_marks_one_by_one_in_a_group_of_32(cast):
    devices = cast(32)
    alice, others = devices[0], devices[1:]
    group = cast.group(alice, *others)
    sent = alice.say(group)
    for device in others:
        device.wait_for("chat", id=sent.id)
        device.ack(group, sent.seq)
    for device in others:
        alice.wait_for("delivered", user=device.user, seq=sent.seq)
    assert not alice.all_of("receipts")
