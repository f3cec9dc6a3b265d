"""What happens to messages after they were sent: edits and reactions."""
import base64
import json

from lib.node import wait_until


def body(item):
    return json.loads(item.payload)


def listed(device, conversation):
    return next(row for row in device.rpc("conversations")["conversations"] if row["conversation"] == conversation)


# ---- editing ----
def test_edit_a_message(cast):
    alice, bob = cast(2)
    sent = alice.say(bob.address, b"see you at eigth")
    alice.say(bob.address, b"or not")
    bob.wait_for("chat", seq=2)
    assert alice.rpc("message.edit", conversation=bob.address, seq=1, payload="see you at eight") == {"seq": 3}
    for device, name in ((bob, alice.address), (alice, bob.address)):
        event = device.wait_for("event", word="message-edited")
        assert event.topic == f"inbox/{device.user}/event/{name}/3/{event.time}/{alice.user}/message-edited"
        assert body(event) == {"seq": 1, "payload": "see you at eight"}
    since = bob.here()
    bob.subscribe_inbox()
    assert [(i.seq, i.kind, i.id) for i in bob.items(alice.address, since)] == [
        (1, "chat", sent.id), (2, "chat", bob.items(alice.address)[1].id), (3, "event", None)]
    assert bob.items(alice.address, since)[0].payload == b"see you at eight", "in its own place"
    assert bob.rpc("history", conversation=alice.address, limit=3)["edited"] == [1]
    assert "edited" not in bob.rpc("history", conversation=alice.address, after=1)
    assert alice.say(bob.address, b"see you at eigth", mid=sent.id).seq == 1, "sent again it stays edited"
    assert bob.rpc("history", conversation=alice.address, before=2)["count"] == 1
    assert bob.all_of("history-chat")[-1].payload == b"see you at eight"


def test_a_device_that_was_away_gets_what_it_says_now(cast):
    alice, bob = cast(2)
    bob.stop()
    alice.say(bob.address, b"one")
    for payload in (b"\x00\xff", b"two"):
        alice.rpc("message.edit", conversation=bob.address, seq=1,
                  payload_base64=base64.b64encode(payload).decode())
    bob.connect()
    first, edits = bob.items(alice.address)[0], bob.items(alice.address)[1:]
    assert first.payload == b"two"
    assert [body(i) for i in edits] == [{"seq": 1}, {"seq": 1, "payload_base64": "dHdv"}], "one payload is kept"


def test_who_was_removed_does_not_read_later_edits(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob, carol)
    for device in (bob, carol):
        device.wait_for("event", seq=1)
    bob.ack(group, 1)
    bob.stop()
    alice.say(group, b"one")
    alice.say(group, b"two")
    alice.rpc("message.edit", conversation=group, seq=2, payload="one!")
    alice.rpc("group.remove", group=group[2:], user=bob.user)
    alice.rpc("message.edit", conversation=group, seq=3, payload="without bob")
    since = bob.here()
    bob.connect()
    replayed = [i for i in bob.items(group, since) if i.seq > 1]
    assert [(i.seq, i.word or i.payload) for i in replayed] == [
        (2, b"one!"), (3, "withheld"), (4, "message-edited"), (5, "member-removed")]
    assert bob.rpc("history", conversation=group, after=1)["edited"] == [2]
    assert bob.all_of("history-event", seq=3)[-1].word == "withheld"
    assert not [i for i in bob.all_of() if b"without bob" in i.payload]
    carol.sync_lines({group: 1})
    carol.wait_for("chat", seq=3, payload=b"without bob")


def test_a_deleted_message_has_no_edits(cast):
    alice, bob = cast(2)
    alice.say(bob.address, b"secret")
    alice.rpc("message.edit", conversation=bob.address, seq=1, payload="secret too")
    alice.rpc("message.delete", conversation=bob.address, seq=1)
    assert alice.rpc_code("message.edit", conversation=bob.address, seq=1, payload="x") == "bad-request"
    since = bob.here()
    bob.rpc("history", conversation=alice.address)
    assert not [i for i in bob.all_of("history-event", since=since) if b"secret" in i.payload]
    assert [body(i) for i in bob.all_of("history-event", since=since)] == [{"seq": 1}] * 3


def test_who_may_edit(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    bob.say(group, b"mine")                                                 # 2
    for device, code in ((alice, "denied"), (eve, "not-member")):
        assert device.rpc_code("message.edit", conversation=group, seq=2, payload="x") == code
    for params in ({"seq": 1, "payload": "x"}, {"seq": 9, "payload": "x"}, {"seq": 2}, {"seq": 2, "payload": 1},
                   {"seq": 2, "payload": "x", "payload_base64": "eA=="}, {"seq": 2, "payload_base64": "?"}):
        assert bob.rpc_code("message.edit", conversation=group, **params) == "bad-request", params
    cast.node.sql(f"update gnatter.message m set time_ms = time_ms - 172801000 from gnatter.conversation c "
                  f"where c.conversation_id = m.conversation_id and c.name = '{group}'")
    assert bob.rpc_code("message.edit", conversation=group, seq=2, payload="x") == "denied", "too late"
    bob.rpc("group.leave", group=group[2:])
    assert bob.rpc_code("message.edit", conversation=group, seq=2, payload="x") == "not-member"


def test_the_same_request_edits_once(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    answers = [alice.ask("message.edit", {"conversation": bob.address, "seq": 1, "payload": "x"}, request="once")
               for _ in range(2)]
    assert answers == [{"result": {"seq": 2}}] * 2
    assert listed(alice, bob.address)["last_seq"] == 2


# ---- reactions ----
def test_react(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    react = lambda device, peer, reaction: device.rpc("message.react", conversation=peer, seq=1, reaction=reaction)  # noqa: E731
    assert react(bob, alice.address, "👍") == {"seq": 2}
    for device, name in ((bob, alice.address), (alice, bob.address)):
        event = device.wait_for("event", word="message-reacted")
        assert event.topic == f"inbox/{device.user}/event/{name}/2/{event.time}/{bob.user}/message-reacted"
        assert body(event) == {"seq": 1, "reaction": "👍"}
    assert react(bob, alice.address, "👍") == {"seq": 2}, "nothing new"
    assert react(alice, bob.address, "👍") == {"seq": 3}
    assert listed(bob, alice.address)["reactions"] == {"👍": 2}
    assert react(bob, alice.address, "♥") == {"seq": 4}
    assert alice.rpc("message.reactions", conversation=bob.address, seq=1) == {
        "seq": 1, "counts": {"👍": 1, "♥": 1},
        "users": [{"user": bob.user, "reaction": "♥"}, {"user": alice.user, "reaction": "👍"}]}
    assert alice.rpc("history", conversation=bob.address)["reactions"] == [
        {"seq": 1, "counts": {"👍": 1, "♥": 1}, "own": "👍"}]
    assert react(bob, alice.address, None) == {"seq": 5}
    assert react(bob, alice.address, None) == {"seq": None}
    assert body(alice.wait_for("event", seq=5)) == {"seq": 1, "reaction": None}
    assert listed(bob, alice.address)["reactions"] == {"👍": 1}
    alice.say(bob.address)
    assert "reactions" not in listed(bob, alice.address), "of the last message"


def test_reactions_are_short(cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    ask = lambda reaction: bob.ask("message.react", conversation=alice.address, seq=1, reaction=reaction)  # noqa: E731
    assert ask("é" * 16)["result"] == {"seq": 2}
    assert ask("é" * 16 + "e")["error"]["code"] == "too-large"
    assert ask("a\nb")["error"]["code"] == "bad-request"
    assert ask(1)["error"]["code"] == "bad-request"


def test_who_may_react(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    alice.say(group)                                                        # 2
    assert eve.rpc_code("message.react", conversation=group, seq=2, reaction="x") == "not-member"
    assert eve.rpc_code("message.reactions", conversation=group, seq=2) == "not-member"
    cast.node.ctl("group", "add", group[2:], eve.user)
    assert eve.rpc_code("message.react", conversation=group, seq=2, reaction="x") == "bad-request", "before her time"
    for seq in (1, 3, 9):
        assert bob.rpc_code("message.react", conversation=group, seq=seq, reaction="x") == "bad-request", "no message"
    alice.rpc("message.delete", conversation=group, seq=2)
    assert bob.rpc_code("message.react", conversation=group, seq=2, reaction="x") == "bad-request", "gone"


# ---- flags ----
def flags(device, conversation):
    return {key: value for key, value in listed(device, conversation).items() if key in ("pinned", "archived", "muted")}


def test_flags_are_synced_over_the_own_devices(cast):
    alice, bob = cast.users(2)
    phone, laptop, peer = alice.device("phone"), alice.device("laptop"), bob.device()
    group = cast.group(alice, bob)
    phone.wait_for("event", conversation=group)
    for device in (phone, laptop):
        device.wait_live()  # or it might be told as changed while it was away
    assert flags(phone, group) == {}
    assert phone.rpc("conversation.pin", conversation=group) == {"pinned": True}
    told = laptop.wait_for("flags", conversation=group)
    assert told.topic == f"inbox/{alice.name}/flags/{group}"
    assert body(told) == {"pinned": True, "archived": False, "muted": False}
    assert laptop.rpc("conversation.archive", conversation=group) == {"archived": True}
    assert body(phone.wait_for("flags")) == {"pinned": True, "archived": True, "muted": False}
    since = laptop.here()
    phone.rpc("conversation.mute", conversation=group, until=4102444800000)
    assert body(laptop.wait_for("flags", since=since)) == {
        "pinned": True, "archived": True, "muted": True, "until": 4102444800000}
    assert flags(laptop, group) == {"pinned": True, "archived": True, "muted": True}
    phone.rpc("conversation.pin", conversation=group, pinned=False)
    assert flags(laptop, group) == {"archived": True, "muted": True}
    assert flags(peer, group) == {} and not peer.all_of("flags"), "nobody else's business"
    assert len(phone.all_of("flags")) == 1, "who set it has the answer"


def test_flags_after_notifications_were_missed(cast):
    """The service's ear to the database dies: what is set meanwhile is told, and so is what is set later."""
    alice, node = cast.user(), cast.node
    phone, laptop = alice.device("phone"), alice.device("laptop")
    phone.say(alice.address)
    holder = "select pid from pg_locks where locktype = 'advisory' and classid = 451445956 and granted"
    before = node.sql_value(holder)
    node.sql(f"select pg_terminate_backend({before}, 5000);"
             "select gnatter.rpc(d.device_id, 'missed', 'conversation.pin', jsonb_build_object('conversation', 'u/' || u.name))"
             " from gnatter.device d join gnatter.user_account u using (user_id)"
             f" where u.name = '{alice.name}' and d.name = 'phone'")
    assert body(laptop.wait_for("flags", conversation=alice.address)) == {"pinned": True, "archived": False, "muted": False}
    wait_until(lambda: node.sql_value(holder) not in (None, before), 20, "it listens again")
    laptop.say(alice.address)
    since = laptop.here()
    phone.rpc("conversation.archive", conversation=alice.address)
    told = laptop.until(lambda: [i for i in laptop.all_of("flags", since=since) if body(i)["archived"]], "told", 10)
    assert body(told[-1]) == {"pinned": True, "archived": True, "muted": False}


def test_flags_of_a_direct_conversation_while_away(cast):
    alice, bob = cast.users(2)
    phone, laptop = alice.device("phone"), alice.device("laptop")
    phone.say(bob.address)
    laptop.stop()
    phone.rpc("conversation.pin", conversation=bob.address)
    laptop.connect()
    assert body(laptop.wait_for("flags", conversation=bob.address)) == {
        "pinned": True, "archived": False, "muted": False}


def test_flags_refusals(cast):
    alice, bob = cast(2)
    group = cast.group(bob)
    for method in ("conversation.pin", "conversation.archive"):
        assert alice.rpc_code(method, conversation=group) == "not-member"
        assert alice.rpc_code(method, conversation="g/none") == "no-such-group"
        assert alice.rpc_code(method, conversation=bob.address) == "bad-request", "nothing was said there"
        assert alice.rpc_code(method) == "bad-request"


# ---- disappearing ----
def later(node, conversation, seconds):
    """Everything in the conversation happened so much earlier, says the database. In one statement: nothing may disappear
    in between."""
    node.sql(f"""
        with c as (update gnatter.conversation set last_time_ms = last_time_ms - {seconds}000
                    where name = '{conversation}' returning conversation_id),
             t as (update gnatter.conversation_timer t set due_ms = due_ms - {seconds}000 from c
                    where t.conversation_id = c.conversation_id)
        update gnatter.message m set time_ms = time_ms - {seconds}000 from c
         where m.conversation_id = c.conversation_id""")


def test_messages_disappear(cast, node):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob, carol)
    bob.say(group, b"stays")                                                # 2
    assert alice.rpc("conversation.timer", conversation=group, seconds=30) == {"seq": 3}
    event = bob.wait_for("event", word="timer-changed")
    assert event.topic == f"inbox/{bob.user}/event/{group}/3/{event.time}/{alice.user}/timer-changed"
    assert body(event) == {"seconds": 30}
    assert listed(bob, group)["timer"] == 30
    sent = bob.say(group, b"goes")                                          # 4
    carol.wait_for("chat", seq=4)
    carol.stop()
    alice.say(group, b"goes, too")                                          # 5
    later(node, group, 40)
    for device in (alice, bob):
        event = device.wait_for("event", word="messages-expired")
        assert (event.seq, event.user, body(event)) == (6, "-", {"from": 4, "to": 5})
    alice.rpc("history", conversation=group)
    assert [i.payload for i in alice.all_of("history-chat")] == [b"stays"]
    assert [body(i) for i in alice.all_of("history-event") if i.word == "messages-expired"] == [
        {"from": 4, "to": 4}, {"from": 5, "to": 5}, {"from": 4, "to": 5}]
    assert bob.say(group, b"goes", mid=sent.id).seq == 4, "sent again it stays gone"
    since = carol.here()
    carol.connect()
    assert [(i.seq, i.word or i.payload) for i in carol.items(group, since)] == [
        (1, "created"), (2, b"stays"), (3, "timer-changed"), (4, "messages-expired"), (5, "messages-expired"),
        (6, "messages-expired")], "she acknowledged nothing"
    assert alice.rpc("conversation.timer", conversation=group, seconds=0) == {"seq": 7}
    assert "timer" not in listed(bob, group)


def test_who_may_set_a_timer(cast):
    alice, bob, eve = cast(3)
    group = cast.group(alice, bob)
    assert bob.rpc_code("conversation.timer", conversation=group, seconds=30) == "denied"
    assert eve.rpc_code("conversation.timer", conversation=group, seconds=30) == "not-member"
    for seconds in (29, 31536001, -1, 1.5, "30"):
        assert alice.rpc_code("conversation.timer", conversation=group, seconds=seconds) == "bad-request"
    alice.say(bob.address)
    for n, device, peer in ((2, bob, alice), (3, alice, bob)):
        assert device.rpc("conversation.timer", conversation=peer.address, seconds=n * 60) == {"seq": n}


def test_a_single_message_disappears(cast, node):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    sent = alice.say(group, b"goes")
    alice.say(group, b"stays")
    assert bob.rpc_code("message.timer", conversation=group, seq=sent.seq, seconds=60) == "denied"
    assert alice.rpc("message.timer", conversation=group, seq=sent.seq, seconds=60) == {"time": sent.time + 60000}
    node.sql(f"update gnatter.message_timer set due_ms = due_ms - 61000 where due_ms = {sent.time + 60000}")
    for device in (alice, bob):
        event = device.wait_for("event", word="messages-expired")
        assert body(event) == {"from": sent.seq, "to": sent.seq}
    alice.rpc("history", conversation=group)
    assert [i.payload for i in alice.all_of("history-chat")] == [b"stays"]


def test_the_stored_state_is_sound(cast, node):
    """All that this file has left behind."""
    assert node.ctl("verify").returncode == 0
