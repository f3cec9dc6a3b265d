"""Sending: who gets a message, in which words, and what the sender is told."""
import json
import time

import pytest

from lib.device import new_id


def test_direct_message_word_for_word(cast):
    alice, bob = cast(2)
    mid = alice.send(bob.address, b"Hi bob")
    sent = alice.wait_for("sent", id=mid)
    got = bob.wait_for("chat", id=mid)
    assert sent.topic == f"inbox/{alice.user}/sent/{bob.address}/1/{sent.time}/{mid}"
    assert got.topic == f"inbox/{bob.user}/chat/{alice.address}/1/{sent.time}/{alice.client_id}/{mid}"
    assert (got.payload, got.qos, got.retain) == (b"Hi bob", 1, False)
    assert (sent.payload, sent.qos) == (b"", 0)
    assert abs(sent.time - time.time() * 1000) < 60_000


def test_both_sides_share_one_numbering(cast):
    alice, bob = cast(2)
    assert alice.say(bob.address).seq == 1
    assert bob.say(alice.address).seq == 2
    assert alice.say(bob.address).seq == 3
    bob.wait_for("chat", seq=3)
    assert bob.seqs(alice.address) == [1, 3]
    assert alice.seqs(bob.address) == [2]


def test_times_never_fall(cast):
    alice, bob = cast(2)
    ids = [alice.send(bob.address) for _ in range(50)]
    times = [alice.wait_for("sent", id=mid).time for mid in ids]
    assert times == sorted(times)


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(range(256)), "grüße 👋".encode(), b"x" * 65536],
                         ids=["none", "nul", "all-bytes", "utf-8", "64KiB"])
@pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
def test_payload_is_the_message(cast, payload, v5):
    alice, bob = cast(2, v5=v5)
    mid = alice.say(bob.address, payload).id
    assert bob.wait_for("chat", id=mid).payload == payload


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
def test_each_qos_is_served_the_same(cast, qos, v5):
    alice, bob = cast(2, v5=v5)
    mid = new_id()
    code = alice.publish(f"chat/{bob.address}/{mid}", b"x", qos)
    assert not code or code < 0x80
    assert alice.wait_for("sent", id=mid).seq == 1
    assert bob.wait_for("chat", id=mid).qos == 1


@pytest.mark.parametrize("mid", ["0", "A", "-", "_", "a" * 36, "0190e0a2-7b1c-7def-8000-0123456789ab"])
def test_message_ids_of_every_form(cast, mid):
    alice, bob = cast(2)
    alice.say(bob.address, mid=mid)
    assert bob.wait_for("chat").id == mid


def test_order_of_one_sender_is_kept(cast):
    alice, bob = cast(2, acks=True)
    ids = [alice.send(bob.address, str(n)) for n in range(500)]
    bob.wait_for("chat", id=ids[-1])
    assert [item.id for item in bob.items(alice.address)] == ids
    assert bob.seqs(alice.address) == list(range(1, 501))
    for n, mid in enumerate(ids, 1):
        assert alice.wait_for("sent", id=mid).seq == n


def test_mixed_versions_talk(cast):
    old, new = cast.user().device(), cast.user().device(v5=True)
    assert new.wait_for("chat", id=old.say(new.address, b"3 to 5").id).payload == b"3 to 5"
    assert old.wait_for("chat", id=new.say(old.address, b"5 to 3").id).payload == b"5 to 3"


def test_v5_user_properties(cast):
    alice, bob = cast(2, v5=True)
    sent = alice.say(bob.address)
    got = bob.wait_for("chat", id=sent.id)
    assert got.properties == {"seq": "1", "time": str(sent.time), "sender": alice.client_id, "id": sent.id}
    bob.rpc("history", conversation=alice.address)
    again = bob.wait_for("history-chat")
    assert again.properties == got.properties


# ---- several devices ----
def test_every_device_of_both_gets_it(cast):
    anna, bert = cast.users(2)
    phone, laptop = anna.device("phone"), anna.device("laptop")
    tablet, watch = bert.device("tablet"), bert.device("watch")
    mid = phone.say(bert.address, b"all").id
    for device in (tablet, watch):
        got = device.wait_for("chat", id=mid)
        assert (got.conversation, got.user, got.device) == (anna.address, anna.name, "phone")
    own = laptop.wait_for("chat", id=mid)
    assert (own.conversation, own.user, own.device) == (bert.address, anna.name, "phone")
    # `sent` is for the device that sent it, `chat` for the others.
    tail = phone.say(bert.address)
    laptop.wait_for("chat", id=tail.id)
    assert not laptop.all_of("sent") and not phone.all_of("chat")


def test_note_to_self(cast):
    anna = cast.user()
    phone, laptop = anna.device("phone"), anna.device("laptop")
    sent = phone.say(anna.address, b"milk")
    assert sent.seq == 1 and sent.conversation == anna.address
    got = laptop.wait_for("chat", id=sent.id)
    assert got.topic == f"inbox/{anna.name}/chat/{anna.address}/1/{sent.time}/{phone.client_id}/{sent.id}"
    laptop.say(anna.address, b"eggs")
    assert phone.wait_for("chat", payload=b"eggs").seq == 2


def test_same_message_id_from_two_devices_is_two_messages(cast):
    anna, bert = cast.users(2)
    phone, laptop, other = anna.device("phone"), anna.device("laptop"), bert.device()
    mid = new_id()
    seqs = {phone.say(bert.address, b"1", mid).seq, laptop.say(bert.address, b"2", mid).seq}
    assert seqs == {1, 2}
    other.wait_for("chat", id=mid, count=2)


# ---- duplicates ----
def test_same_message_id_is_one_message(cast):
    alice, bob = cast(2)
    first = alice.say(bob.address, b"once")
    alice.say(bob.address, b"between")
    again = alice.say(bob.address, b"other words", mid=first.id)
    assert (again.seq, again.time) == (first.seq, first.time)
    assert alice.say(bob.address, b"after").seq == 3
    bob.wait_for("chat", seq=3)
    assert [item.payload for item in bob.items(alice.address)] == [b"once", b"between", b"after"]


def test_same_message_id_twice_in_one_breath(cast):
    alice, bob = cast(2)
    ids = [new_id() for _ in range(20)]
    for mid in ids + ids:
        alice.send(bob.address, mid, mid)
    for mid in ids:
        alice.wait_for("sent", id=mid, count=2)
        assert len({(item.seq, item.time) for item in alice.all_of("sent", id=mid)}) == 1
    bob.wait_for("chat", id=ids[-1])
    assert [item.id for item in bob.items(alice.address)] == ids


def test_same_message_id_in_two_conversations_is_two_messages(cast):
    alice, bob, carol = cast(3)
    mid = new_id()
    alice.say(bob.address, b"b", mid)
    alice.say(carol.address, b"c", mid)
    assert bob.wait_for("chat", id=mid).payload == b"b"
    assert carol.wait_for("chat", id=mid).payload == b"c"


def test_same_message_id_after_a_reconnect(cast):
    alice, bob = cast(2)
    first = alice.say(bob.address, b"once")
    alice.drop()
    alice.connect()
    since = alice.here()
    alice.send(bob.address, b"once", first.id)
    again = alice.wait_for("sent", since=since, id=first.id)
    assert (again.seq, again.time) == (first.seq, first.time)
    assert cast.node.sql_value("select count(*) from gnatter.messages where message_id = '%s'" % first.id) == "1"


# ---- refusals ----
def test_to_nobody(cast):
    alice, = cast(1)
    assert alice.refused("u/nobody-of-that-name") == "no-such-user"
    assert alice.refused("g/no-group-of-that-name") == "no-such-group"


def test_to_a_group_one_is_not_in(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    assert eve.refused(group) == "not-member"
    alice.say(group)
    assert bob.wait_for("chat", conversation=group).seq == 2


def test_error_word_for_word(cast):
    alice, = cast(1)
    mid = alice.send("u/nobody-of-that-name")
    error = alice.wait_for("error", id=mid)
    assert error.topic == f"inbox/{alice.user}/error/u/nobody-of-that-name/{mid}/no-such-user"
    assert error.qos == 1
    body = json.loads(error.payload)
    assert isinstance(body["message"], str) and body.get("retry_after_ms") is None


@pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
def test_too_large(cast, v5):
    alice, bob = cast(2, v5=v5)
    mid = new_id()
    code = alice.publish(f"chat/{bob.address}/{mid}", b"x" * 65537)
    assert code < 0x80, "a message above the limit gets a normal PUBACK"
    error = alice.wait_for("error", id=mid)
    assert (error.word, error.conversation) == ("too-large", bob.address)
    assert alice.refused(bob.address, b"x" * 4 * 65536) == "too-large", "far above, and not cut off"
    assert alice.say(bob.address, b"fits").seq == 1


def test_above_the_brokers_own_limit_closes(cast):
    alice, bob = cast(2)
    alice.publish(f"chat/{bob.address}/{new_id()}", b"x" * 20_000_000, wait=False)
    alice.wait_ended()
    alice.connect()
    assert alice.say(bob.address).seq == 1


def test_rate_limit(cast):
    alice, bob = cast(2)

    def answer(mid):
        return alice.until(lambda: next((i for i in alice.arrived if i.id == mid), None), "answer", 30)
    ids = [alice.send(bob.address, b"x", qos=0) for _ in range(2000)]
    while answer(ids[-1]).kind != "error":  # until it is too fast, however long the first ones took
        ids += [alice.send(bob.address, b"x", qos=0) for _ in range(200)]
    answers = {mid: answer(mid) for mid in ids}
    refused = [item for item in answers.values() if item.kind == "error"]
    assert len(ids) - len(refused) >= 2000
    assert {item.word for item in refused} == {"rate-limited"}
    wait_ms = json.loads(refused[-1].payload)["retry_after_ms"]
    assert isinstance(wait_ms, int) and 0 < wait_ms <= 60_000
    taken = [item.seq for item in answers.values() if item.kind == "sent"]
    assert taken == list(range(1, len(taken) + 1)), "what was taken is numbered in the order of publishing"


def test_messages_view(cast):
    alice, bob = cast(2)
    sent = alice.say(bob.address, b"12345")
    first, second = sorted((alice.user, bob.user))
    rows = cast.node.sql("select conversation, seq, kind, sender_user, sender_device, message_id, payload_bytes "
                         f"from gnatter.messages where message_id = '{sent.id}'")
    assert rows == [[f"d/{first}/{second}", "1", "chat", alice.user, alice.name, sent.id, "5"]]
