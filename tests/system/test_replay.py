"""What a device missed: replayed in order, then live without a gap; sent again until acknowledged."""
import json
import time

import pytest

from lib.node import wait_until


def replayed(synced):
    body = json.loads(synced.payload)
    assert set(body) == {"replayed"}
    return body["replayed"]


def test_first_synced_is_empty(cast):
    device = cast.user().device(connect=False).start()
    synced = device.subscribe_inbox()
    assert synced.topic == f"inbox/{device.user}/synced" and synced.qos == 1
    assert replayed(synced) == 0


def test_messages_while_away_come_in_order(cast):
    alice, bob = cast(2)
    bob.stop()
    ids = [alice.send(bob.address, str(n)) for n in range(100)]
    alice.wait_for("sent", id=ids[-1])
    bob.connect()
    assert [item.id for item in bob.items(alice.address)] == ids
    assert bob.seqs(alice.address) == list(range(1, 101))


def test_synced_comes_after_what_is_replayed(cast):
    alice, bob = cast(2)
    bob.stop()
    for _ in range(20):
        alice.say(bob.address)
    since = bob.here()
    bob.connect()
    kinds = [item.kind for item in bob.all_of(since=since) if item.kind in ("chat", "synced")]
    assert kinds[:21] == ["chat"] * 20 + ["synced"]
    assert replayed(bob.all_of("synced", since=since)[0]) == 20


def test_long_replay_with_acks(cast):
    """More than any window holds: it goes on as acks arrive, and `synced` comes at its end."""
    alice, bob = cast(2, acks=True)
    bob.stop()
    ids = [alice.send(bob.address, b"x" * 200) for _ in range(1500)]
    alice.wait_for("sent", id=ids[-1])
    since = bob.here()
    bob.connect(timeout=30)
    bob.wait_for("chat", since=since, id=ids[-1])
    assert replayed(bob.wait_for("synced", since=since)) == 1500
    assert [item.id for item in bob.items(alice.address)] == ids


def test_several_conversations_each_in_order(cast):
    bob, *others = cast(6, acks=True)
    bob.stop()
    for n in range(30):
        for other in others:
            other.send(bob.address, str(n))
    for other in others:
        other.wait_for("sent", seq=30)
    bob.connect()
    for other in others:
        bob.wait_for("chat", conversation=other.address, seq=30)
        assert [item.payload for item in bob.items(other.address)] == [str(n).encode() for n in range(30)]


def test_what_was_acknowledged_does_not_come_again(cast):
    alice, bob = cast(2)
    for _ in range(10):
        alice.say(bob.address)
    bob.wait_for("chat", seq=10)
    bob.ack(alice.address, 7)
    alice.wait_for("delivered", seq=7)
    bob.drop()
    since = bob.here()
    bob.connect()
    assert bob.seqs(alice.address, since) == [8, 9, 10]
    assert replayed(bob.all_of("synced", since=since)[0]) == 3


def test_unacknowledged_comes_again_while_live(cast):
    alice, bob = cast(2)
    sent = alice.say(bob.address)
    first = bob.wait_for("chat", id=sent.id)
    again = bob.wait_for("chat", id=sent.id, count=2, timeout=20)
    assert again.topic == first.topic and again.payload == first.payload
    bob.ack(alice.address, sent.seq)
    alice.wait_for("delivered")


def test_subscribing_again_replays_again(cast):
    alice, bob = cast(2)
    for _ in range(3):
        alice.say(bob.address)
    bob.wait_for("chat", seq=3)
    since = bob.here()
    assert replayed(bob.subscribe_inbox()) == 3
    assert bob.seqs(alice.address, since) == [1, 2, 3]


@pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
def test_resumed_session_is_live_without_subscribing(cast, v5):
    alice, bob = cast.user().device(), cast.user().device(v5=v5, clean=False, session_expiry=600 if v5 else None)
    bob.drop()
    sent = alice.say(bob.address)
    since = bob.here()
    resumed = {"clean": False, "session_expiry": 600 if v5 else None}
    bob.start(**resumed)
    bob.until(lambda: bob.all_of("synced", since=since) or bob.ended, "it is live, or is to come again")
    if v5 and bob.ended:  # for what was in flight when it went
        bob.stop()
        bob.start(**resumed)
    bob.wait_for("chat", since=since, id=sent.id)
    bob.wait_for("synced", since=since)
    live = alice.say(bob.address)
    bob.wait_for("chat", since=since, id=live.id)
    assert bob.seqs(alice.address, since) == [1, 2]


def test_clean_start_needs_a_subscription(cast):
    alice, bob = cast(2, clean=False)
    bob.drop()
    alice.say(bob.address)
    since = bob.here()
    bob.start(clean=True)
    bob.publish(f"chat/{alice.address}/x", b"")
    alice.wait_for("chat", id="x")
    assert not bob.all_of(since=since)


def test_going_live_under_traffic_has_no_gap(cast):
    alice, bob = cast(2, acks=True)
    ids = []
    for round_number in range(6):
        for _ in range(40):
            ids.append(alice.send(bob.address))
        if round_number % 2:
            bob.drop()
            bob.connect()
        else:
            bob.subscribe_inbox()
    bob.wait_for("chat", id=ids[-1])
    assert [item.id for item in bob.items(alice.address)] == ids


def test_own_messages_replay_as_sent_in_their_place(cast):
    anna, bert = cast.users(2)
    phone, other = anna.device("phone"), bert.device()
    other.say(anna.address, b"1")
    mine = phone.say(bert.address, b"2")
    other.say(anna.address, b"3")
    phone.wait_for("chat", seq=3)
    phone.drop()
    since = phone.here()
    phone.connect()
    replay = [(i.kind, i.seq, i.qos) for i in phone.all_of(since=since, conversation=bert.address)
              if i.kind in ("chat", "sent")]
    assert replay == [("chat", 1, 1), ("sent", 2, 1), ("chat", 3, 1)]
    assert phone.all_of("sent", since=since)[0].topic == mine.topic
    assert replayed(phone.all_of("synced", since=since)[0]) == 3


def test_own_messages_need_no_ack(cast):
    alice, bob = cast(2)
    for _ in range(3):
        alice.say(bob.address)
    bob.say(alice.address)
    alice.wait_for("chat", seq=4)
    alice.ack(bob.address, 4)
    bob.wait_for("delivered", seq=4)
    alice.say(bob.address)
    since = alice.here()
    alice.drop()
    alice.connect()
    assert not [i for i in alice.all_of(since=since) if i.kind in ("chat", "sent", "event")]


def test_sent_missed_is_told_on_return(cast):
    """The device is gone before its `sent` is there; it learns of it when it comes back."""
    alice, bob = cast(2)
    mid = alice.send(bob.address, wait=True)
    alice.drop()
    bob.wait_for("chat", id=mid)
    since = alice.here()
    alice.connect()
    # Either the cursor stepped over it, and the outbox's repetition is answered; or it replays.
    alice.send(bob.address, mid=mid)
    assert alice.wait_for("sent", since=since, id=mid).seq == 1


def test_new_device_starts_at_the_present(cast):
    anna, bert = cast.users(2)
    sender, tablet = anna.device(), bert.device("tablet", acks=True)
    for _ in range(5):
        sender.say(bert.address)
    tablet.wait_for("chat", seq=5)
    watch = bert.device("watch")
    assert not watch.all_of("chat")
    sixth = sender.say(bert.address)
    watch.wait_for("chat", id=sixth.id)
    assert watch.seqs(anna.address) == [6]
    summary = watch.rpc("history", conversation=anna.address)
    assert summary["count"] == 6
    assert [i.seq for i in watch.all_of("history-chat")] == [1, 2, 3, 4, 5, 6]


def test_device_registered_before_gets_all(cast):
    anna, bert = cast.users(2)
    sender, later = anna.device(), bert.device("later", connect=False)
    for _ in range(5):
        sender.say(bert.address)
    later.connect()
    assert later.seqs(anna.address) == [1, 2, 3, 4, 5]


# ---- sync ----
def test_sync_without_lines_replays_from_the_cursors(cast):
    alice, bob = cast(2)
    for _ in range(4):
        alice.say(bob.address)
    bob.wait_for("chat", seq=4)
    bob.ack(alice.address, 2)
    alice.wait_for("delivered", seq=2)
    since = bob.here()
    assert replayed(bob.sync_lines({})) == 2
    assert bob.seqs(alice.address, since) == [3, 4]


def test_sync_with_lines_goes_back(cast):
    alice, bob = cast(2)
    carol, = cast(1)
    for _ in range(4):
        alice.say(bob.address)
        carol.say(bob.address)
    bob.wait_for("chat", conversation=carol.address, seq=4)
    bob.publish("ack", f"{alice.address} 4\n{carol.address} 4")
    for sender in (alice, carol):
        sender.wait_for("delivered", seq=4)
    since = bob.here()
    assert replayed(bob.sync_lines({alice.address: 1})) == 3
    assert bob.seqs(alice.address, since) == [2, 3, 4] and bob.seqs(carol.address, since) == []
    since = bob.here()
    assert replayed(bob.sync_lines({alice.address: 0, carol.address: 2})) == 6
    assert bob.seqs(alice.address, since) == [1, 2, 3, 4] and bob.seqs(carol.address, since) == [3, 4]


def test_sync_line_becomes_the_cursor(cast):
    alice, bob = cast(2)
    for _ in range(4):
        alice.say(bob.address)
    bob.wait_for("chat", seq=4)
    bob.ack(alice.address, 4)
    alice.wait_for("delivered", seq=4)
    bob.sync_lines({alice.address: 2})
    bob.drop()
    since = bob.here()
    bob.connect()
    assert bob.seqs(alice.address, since) == [3, 4]


def test_sync_forward(cast):
    alice, bob = cast(2)
    bob.stop()
    for _ in range(4):
        alice.say(bob.address)
    bob.start()
    bob.publish("sync", f"{alice.address} 3")
    bob.subscribe_inbox()
    assert bob.seqs(alice.address) == [4]


def test_sync_beyond_the_end_is_the_end(cast):
    alice, bob = cast(2)
    for _ in range(2):
        alice.say(bob.address)
    bob.wait_for("chat", seq=2)
    assert replayed(bob.sync_lines({alice.address: 9223372036854775807})) == 0
    third = alice.say(bob.address)
    bob.wait_for("chat", id=third.id)
    bob.stop()
    alice.say(bob.address)
    since = bob.here()
    bob.connect()
    assert bob.seqs(alice.address, since) == [3, 4]


def test_sync_with_all_its_history_for_a_new_device(cast):
    anna, bert = cast.users(2)
    sender, tablet = anna.device(), bert.device("tablet")
    for _ in range(5):
        sender.say(bert.address)
    watch = bert.device("watch")
    assert not watch.all_of("chat")
    watch.sync_lines({anna.address: 0})
    assert watch.seqs(anna.address) == [1, 2, 3, 4, 5]


def test_sync_of_what_one_is_not_in(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    alice.say(group)
    assert replayed(eve.sync_lines({group: 0, alice.address: 0, "u/nobody-of-that-name": 0, "g/none-such": 0})) == 0
    assert not [i for i in eve.arrived if i.kind in ("chat", "event")]


# ---- ack mode auto ----
def test_ack_mode_auto(cast):
    anna, bert = cast.users(2)
    sender = anna.device()
    cast.node.ctl("device", "add", bert.name, "lamp", "--ack", "auto")
    lamp = bert.device("lamp")
    sent = sender.say(bert.address)
    lamp.wait_for("chat", id=sent.id)
    sender.wait_for("delivered", seq=1)
    lamp.stop()
    # what is written to a connection that is ending counts as acknowledged
    is_live = f"select is_live from gnatter.devices where user_name = '{bert.name}' and device_name = 'lamp'"
    wait_until(lambda: cast.node.sql_value(is_live) == "f", what="gone")
    missed = sender.say(bert.address)
    since = lamp.here()
    lamp.connect()
    assert lamp.seqs(anna.address, since) == [missed.seq]


# ---- slow devices ----
def test_silent_device_does_not_hold_up_others(cast):
    anna, bert = cast.users(2)
    sender, quick, silent = anna.device(), bert.device("quick", acks=True), bert.device("silent")
    ids = [sender.send(bert.address, b"y" * 1000) for _ in range(1200)]
    quick.wait_for("chat", id=ids[-1], timeout=30)
    assert [i.id for i in quick.items(anna.address)] == ids
    silent.wait_for("chat")
    silent.acks = True
    silent.ack(anna.address, silent.seqs(anna.address)[-1])
    silent.wait_for("chat", id=ids[-1], timeout=30)
    assert [i.id for i in silent.items(anna.address)] == ids


def test_keep_alive_runs_out(cast):
    """A device that falls silent is gone; what it missed is there when it returns."""
    alice, bob = cast(2, acks=True)
    alice.say(bob.address)
    bob.stop()
    bob.connect(keepalive=5)
    alice.subscribe(f"presence/{bob.user}")
    alice.wait_for("presence", payload=b"online")
    bob.client.loop_stop()
    began = time.monotonic()
    missed = alice.say(bob.address)
    alice.until(lambda: [i for i in alice.all_of("presence") if i.payload.startswith(b"offline")], "offline", 30)
    assert time.monotonic() - began > 3
    since = bob.here()
    bob.connect()
    bob.wait_for("chat", since=since, id=missed.id)
