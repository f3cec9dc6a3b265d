"""rpc/history, rpc/conversations: looking back."""
import json

import pytest


def history(device, conversation, **more):
    """The items as seqs, and the summary."""
    since = device.here()
    summary = device.rpc("history", conversation=conversation, **more)
    assert set(summary) == {"conversation", "count", "first_seq", "last_seq", "more"}
    assert summary["conversation"] == conversation
    items = [i for i in device.all_of(since=since) if i.kind in ("history-chat", "history-event")]
    seqs = [i.seq for i in items]
    assert seqs == sorted(seqs) and summary["count"] == len(seqs)
    assert (summary["first_seq"], summary["last_seq"]) == ((seqs[0], seqs[-1]) if seqs else (None, None))
    return seqs, summary["more"]


def pair(cast, count):
    alice, bob = cast(2, acks=True)
    ids = [alice.send(bob.address, str(n)) for n in range(1, count + 1)]
    alice.wait_for("sent", id=ids[-1])
    return alice, bob


def test_history_word_for_word(cast):
    alice, bob = cast(2)
    sent = alice.say(bob.address, b"Hi bob")
    live = bob.wait_for("chat")
    bob.rpc("history", conversation=alice.address)
    old = bob.wait_for("history-chat")
    assert old.topic == live.topic.replace("/chat/", "/history/chat/", 1)
    assert (old.payload, old.qos) == (live.payload, 1)
    # The sender sees her own as chat too: it is what was said.
    alice.rpc("history", conversation=bob.address)
    own = alice.wait_for("history-chat")
    assert own.topic == f"inbox/{alice.user}/history/chat/{bob.address}/1/{sent.time}/{alice.client_id}/{sent.id}"


def test_history_event_word_for_word(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    live = bob.wait_for("event", conversation=group)
    bob.rpc("history", conversation=group)
    old = bob.wait_for("history-event")
    assert old.topic == live.topic.replace("/event/", "/history/event/", 1)
    assert json.loads(old.payload) == json.loads(live.payload)


def test_history_windows(cast):
    alice, bob = pair(cast, 120)
    ask = lambda **more: history(bob, alice.address, **more)  # noqa: E731
    assert ask() == (list(range(71, 121)), True)
    assert ask(limit=10) == (list(range(111, 121)), True)
    assert ask(limit=120) == (list(range(1, 121)), False)
    assert ask(limit=200) == (list(range(1, 121)), False)
    assert ask(before=11, limit=5) == ([6, 7, 8, 9, 10], True)
    assert ask(before=11, limit=10) == (list(range(1, 11)), False)
    assert ask(before=11) == (list(range(1, 11)), False)
    assert ask(before=1) == ([], False)
    assert ask(after=0, limit=3) == ([1, 2, 3], True)
    assert ask(after=115) == ([116, 117, 118, 119, 120], False)
    assert ask(after=115, limit=2) == ([116, 117], True)
    assert ask(after=120) == ([], False)
    assert ask(after=1000) == ([], False)
    assert ask(before=1000, limit=1) == ([120], True)


def test_history_is_cut_at_200(cast):
    alice, bob = pair(cast, 210)
    assert history(bob, alice.address, limit=1000) == (list(range(11, 211)), True)
    assert history(bob, alice.address, after=0, limit=201) == (list(range(1, 201)), True)


def test_history_of_large_messages_is_whole_or_says_more(cast):
    alice, bob = cast(2, acks=True)
    for n in range(40):
        alice.send(bob.address, bytes([n]) * 65536)
    alice.wait_for("sent", seq=40)
    got, more, after = [], True, 0
    while more:
        seqs, more = history(bob, alice.address, after=after, limit=200)
        assert seqs
        got += seqs
        after = seqs[-1]
    assert got == list(range(1, 41))
    assert all(i.payload == bytes([i.seq - 1]) * 65536 for i in bob.all_of("history-chat"))


def test_history_of_an_empty_conversation(cast):
    alice, bob = cast(2)
    assert history(alice, bob.address) == ([], False)
    assert history(alice, alice.address) == ([], False)


def test_history_refusals(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    assert eve.rpc_code("history", conversation=group) == "not-member"
    assert alice.rpc_code("history", conversation="g/no-such-group") == "no-such-group"
    assert alice.rpc_code("history", conversation="u/nobody-of-that-name") == "no-such-user"
    for params in ({}, {"conversation": None}, {"conversation": 1}, {"conversation": bob.user},
                   {"conversation": f"u/{bob.user.upper()}"}, {"conversation": group, "limit": 0},
                   {"conversation": group, "limit": -1}, {"conversation": group, "limit": "5"},
                   {"conversation": group, "limit": 1.5}, {"conversation": group, "before": 5, "after": 1},
                   {"conversation": group, "before": "5"}, {"conversation": group, "after": -1},
                   {"conversation": f"d/{alice.user}/{bob.user}"}):
        assert alice.rpc_code("history", params) == "bad-request", params


def test_history_within_the_membership(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob)
    alice.say(group)
    alice.rpc("group.add", group=group[2:], user=carol.user)
    alice.say(group)
    assert history(carol, group) == ([3, 4], False)
    assert history(carol, group, before=3) == ([], False)
    alice.rpc("group.remove", group=group[2:], user=carol.user)
    alice.say(group)
    assert history(carol, group) == ([3, 4, 5], False)
    assert history(bob, group) == ([1, 2, 3, 4, 5, 6], False)


def test_history_changes_no_cursor(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    bob.wait_for("chat")
    history(bob, alice.address)
    since = bob.here()
    bob.subscribe_inbox()
    assert bob.seqs(alice.address, since) == [1]
    assert not alice.all_of("delivered")


# ---- conversations ----
def listed(device):
    rows = device.rpc("conversations")["conversations"]
    for row in rows:
        assert set(row) == {"conversation", "title", "kind", "last_seq", "last_time", "delivered_seq", "read_seq",
                            "unread", "role", "left"}
    assert len({row["conversation"] for row in rows}) == len(rows)
    return {row["conversation"]: row for row in rows}


def test_no_conversations(cast):
    assert listed(cast(1)[0]) == {}


def test_conversations(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    alice.rpc("group.rename", group=group[2:], title="Us")
    last = [alice.say(bob.address) for _ in range(3)][-1]
    bob.wait_for("chat", seq=3)
    row = listed(bob)[alice.address]
    assert (row["kind"], row["last_seq"], row["last_time"]) == ("direct", 3, last.time)
    assert (row["delivered_seq"], row["read_seq"], row["unread"], row["left"]) == (0, 0, 3, False)
    bob.ack(alice.address, 3)
    alice.wait_for("delivered", seq=3)
    bob.read(alice.address, 2)
    alice.wait_for("read", seq=2)
    row = listed(bob)[alice.address]
    assert (row["delivered_seq"], row["read_seq"], row["unread"]) == (3, 2, 1)
    row = listed(bob)[group]
    assert (row["kind"], row["title"], row["role"], row["last_seq"]) == ("group", "Us", "member", 2)
    assert listed(alice)[group]["role"] == "owner"


def test_own_messages_are_not_unread(cast):
    alice, bob = cast(2)
    for _ in range(4):
        alice.say(bob.address)
    assert listed(alice)[bob.address]["unread"] == 0
    bob.say(alice.address)
    assert listed(alice)[bob.address]["unread"] == 1
    assert listed(bob)[alice.address]["unread"] == 4


def test_left_conversations_are_marked(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    bob.rpc("group.leave", group=group[2:])
    row = listed(bob)[group]
    assert row["left"] is True and row["last_seq"] == 2
    alice.say(group)
    assert listed(bob)[group]["last_seq"] == 2, "what came after one left is none of one's business"


@pytest.mark.parametrize("params", [{"x": 1}, {}])
def test_conversations_takes_no_parameters_seriously(cast, params):
    assert cast(1)[0].rpc("conversations", params) == {"conversations": []}


# ---- deleting ----
def test_delete_a_message(cast):
    alice, bob = cast(2)
    sent = alice.say(bob.address, b"oops")
    alice.say(bob.address, b"fine")
    bob.wait_for("chat", seq=2)
    assert alice.rpc("message.delete", conversation=bob.address, seq=1) == {"seq": 3}
    for device, name in ((bob, alice.address), (alice, bob.address)):
        event = device.wait_for("event", word="message-deleted")
        assert event.topic == f"inbox/{device.user}/event/{name}/3/{event.time}/{alice.user}/message-deleted"
        assert json.loads(event.payload) == {"seq": 1}
    since = bob.here()
    bob.subscribe_inbox()
    replay = [(i.seq, i.kind, i.word or i.payload.decode()) for i in bob.items(alice.address, since)]
    assert replay == [(1, "event", "message-deleted"), (2, "chat", "fine"), (3, "event", "message-deleted")]
    assert json.loads(bob.items(alice.address, since)[0].payload) == {"seq": 1}
    bob.rpc("history", conversation=alice.address)
    assert [i.seq for i in bob.arrived if i.kind.startswith("history")] == [1, 2, 3]
    assert not [i for i in bob.all_of("history-chat") if b"oops" in i.payload]
    rows = cast.node.sql(f"select payload_bytes from gnatter.messages where message_id = '{sent.id}'")
    assert rows in ([], [["0"]], [[""]])
    again = alice.say(bob.address, b"oops", mid=sent.id)
    assert again.seq == 1, "a message id is not freed by deleting"


def test_who_may_delete(cast):
    alice, bob, carol, eve = cast(4)
    group = cast.group(alice, bob, carol)
    alice.rpc("group.role", group=group[2:], user=bob.user, role="admin")   # 2
    carol.say(group)                                                        # 3
    alice.say(group)                                                        # 4
    carol.say(group)                                                        # 5
    assert carol.rpc_code("message.delete", conversation=group, seq=4) == "denied"
    assert eve.rpc_code("message.delete", conversation=group, seq=4) == "not-member"
    assert bob.rpc("message.delete", conversation=group, seq=3) == {"seq": 6}
    assert carol.rpc("message.delete", conversation=group, seq=5) == {"seq": 7}
    assert alice.rpc("message.delete", conversation=group, seq=4) == {"seq": 8}
    direct = alice.say(bob.address)
    assert bob.rpc_code("message.delete", conversation=alice.address, seq=direct.seq) == "denied"


def test_delete_refusals(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    for params in ({}, {"conversation": bob.address}, {"conversation": bob.address, "seq": "1"},
                   {"conversation": bob.address, "seq": 0}, {"conversation": "x", "seq": 1},
                   {"conversation": bob.address, "seq": 99}):
        assert alice.rpc_code("message.delete", params) == "bad-request", params
    group = cast.group(alice, bob)
    assert alice.rpc_code("message.delete", conversation=group, seq=1) in ("denied", "bad-request"), "events stay"


# ---- retention ----
def test_purge_is_told_as_truncated(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    bob.wait_for("event", conversation=group)
    bob.stop()
    said = [alice.say(group) for _ in range(4)]
    while len(said) < 9 or said[-1].time == said[-2].time:  # kept and purged must differ in time
        said.append(alice.say(group))
    kept, last = said[-1].seq, said[-1].seq + 3
    for _ in range(3):
        alice.say(group)
    cast.node.sql(f"select gnatter.purge(older_than => now() - to_timestamp({said[-1].time} / 1000.0 + 0.0005), "
                  f"conversation => '{group}')")
    since = bob.here()
    bob.connect()
    seen = [(i.seq, i.kind) for i in bob.items(group, since)]
    assert seen == [(kept - 1, "event")] + [(seq, "chat") for seq in range(kept, last + 1)]
    told = bob.all_of("event", since=since, word="truncated")[0]
    assert told.topic == f"inbox/{bob.user}/event/{group}/{kept - 1}/{told.time}/-/truncated"
    assert alice.say(group).seq == last + 1
    bob.wait_for("chat", seq=last + 1)
    assert bob.rpc("history", conversation=group, after=0)["first_seq"] == kept
    cast.node.ctl("verify")
