"""Groups: who may do what, which events come of it, and every refusal."""
import json

import pytest

from lib.node import wait_until


def body(item):
    return json.loads(item.payload)


def roles(device, group):
    return {row["user"]: row["role"] for row in device.rpc("group.info", group=group[2:])["members"]}


def made(cast, owner, *members, **more):
    """A group made over RPC; returns how devices name it, and its seq."""
    name = cast.name("club")
    answer = owner.rpc("group.create", group=name, members=[m.user for m in members], **more)
    assert answer == {"group": name, "seq": 1}
    return f"g/{name}"


# ---- create ----
def test_create_word_for_word(cast):
    alice, bob = cast(2)
    group = made(cast, alice, bob, title="Kitchen & co")
    for device in (alice, bob):
        event = device.wait_for("event", conversation=group)
        assert event.topic == f"inbox/{device.user}/event/{group}/1/{event.time}/{alice.user}/created"
        assert event.qos == 1
        created = body(event)
        assert created["title"] == "Kitchen & co"
        assert {(m["user"], m["role"]) for m in created["members"]} == {(alice.user, "owner"), (bob.user, "member")}
        assert set(created) == {"title", "members"}


def test_create_without_a_name(cast):
    alice, bob = cast(2)
    names = {alice.rpc("group.create", members=[bob.user])["group"] for _ in range(3)}
    assert len(names) == 3 and all(len(name) >= 16 for name in names)
    for name in names:
        bob.wait_for("event", conversation=f"g/{name}", word="created")


def test_create_alone(cast):
    alice, = cast(1)
    group = made(cast, alice)
    assert roles(alice, group) == {alice.user: "owner"}
    assert alice.say(group).seq == 2


def test_create_refusals(cast):
    alice, bob = cast(2)
    group = made(cast, alice, bob)
    assert bob.rpc_code("group.create", group=group[2:], members=[]) == "exists"
    assert alice.rpc_code("group.create", group=cast.name("x"), members=["nobody-of-that-name"]) == "no-such-user"
    for params in ({"members": bob.user}, {"members": [1]}, {"members": [None]}, {"members": {}},
                   {"members": [], "group": 1}, {"members": [], "title": 1}, {"members": [], "group": "A"},
                   {"members": [], "group": "g/x"}):
        assert alice.rpc_code("group.create", params) == "bad-request", params
    assert alice.rpc_code("group.create", members=[bob.user.upper()]) in ("bad-request", "no-such-user")
    assert alice.rpc_code("group.create", members=[], title="x" * 257) == "too-large"


def test_same_request_twice_is_done_once(cast):
    alice, bob = cast(2)
    first = alice.ask("group.create", {"members": [bob.user]}, request="the-same")
    assert alice.ask("group.create", {"members": [bob.user]}, request="the-same") == first
    group = f"g/{first['result']['group']}"
    add = alice.ask("group.rename", {"group": group[2:], "title": "once"}, request="the-same-2")
    assert alice.ask("group.rename", {"group": group[2:], "title": "once"}, request="the-same-2") == add
    assert alice.say(group).seq == 3


# ---- talk ----
def test_message_word_for_word(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice, bob, carol)
    sent = bob.say(group, b"hi all")
    assert sent.topic == f"inbox/{bob.user}/sent/{group}/2/{sent.time}/{sent.id}"
    for device in (alice, carol):
        got = device.wait_for("chat", id=sent.id)
        assert got.topic == f"inbox/{device.user}/chat/{group}/2/{sent.time}/{bob.client_id}/{sent.id}"
        assert got.payload == b"hi all"


def test_all_see_the_same_order(cast):
    devices = cast(4, acks=True)
    group = made(cast, *devices)
    for n in range(60):
        for device in devices:
            device.send(group, f"{device.user} {n}")
    for device in devices:
        # of each: who falls behind is told again from the log
        device.until(lambda d=device: len({i.id for i in d.all_of("sent", conversation=group)}) == 60, "60 sent")
        device.until(lambda d=device: len(d.items(group)) == 181, "all others' messages and the first event")
    views = []
    for device in devices:
        view = {i.seq: i.id for i in device.all_of(conversation=group) if i.kind in ("chat", "sent")}
        assert sorted(view) == list(range(2, 242))
        views.append(view)
    assert all(view == views[0] for view in views)


# ---- members ----
def test_add(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice, bob)
    answer = alice.rpc("group.add", group=group[2:], user=carol.user)
    assert answer == {"seq": 2}
    for device in (alice, bob, carol):
        event = device.wait_for("event", word="member-added")
        assert event.topic == f"inbox/{device.user}/event/{group}/2/{event.time}/{alice.user}/member-added"
        assert body(event) == {"user": carol.user, "role": "member"}
    assert carol.seqs(group) == [2], "what was before one joined is not for one"
    carol.say(group)
    assert bob.wait_for("chat", conversation=group).user == carol.user


def test_remove(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice, bob, carol)
    assert alice.rpc("group.remove", group=group[2:], user=carol.user) == {"seq": 2}
    for device in (alice, bob, carol):
        event = device.wait_for("event", word="member-removed")
        assert (event.user, event.seq, body(event)) == (alice.user, 2, {"user": carol.user})
    assert carol.refused(group) == "not-member"
    third = bob.say(group)
    alice.wait_for("chat", id=third.id)
    carol.say(carol.address)
    assert carol.seqs(group) == [1, 2]
    assert alice.rpc_code("group.remove", group=group[2:], user=carol.user) == "not-member"


def test_leave(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice, bob, carol)
    assert bob.rpc("group.leave", group=group[2:]) == {"seq": 2}
    for device in (alice, bob, carol):
        event = device.wait_for("event", word="member-left")
        assert (event.user, event.seq, body(event)) == (bob.user, 2, {"user": bob.user})
    assert bob.refused(group) == "not-member"
    assert bob.rpc_code("group.leave", group=group[2:]) == "not-member"


def test_last_owner_leaves_admin_inherits(cast):
    alice, bob, carol, dave = cast(4)
    group = made(cast, alice, bob, carol, dave)
    alice.rpc("group.role", group=group[2:], user=carol.user, role="admin")
    alice.rpc("group.role", group=group[2:], user=dave.user, role="admin")
    alice.rpc("group.leave", group=group[2:])
    left = bob.wait_for("event", word="member-left")
    change = bob.wait_for("event", word="role-changed", count=3)
    assert body(change) == {"user": carol.user, "role": "owner"}
    assert {left.seq, change.seq} == {4, 5}
    assert roles(bob, group) == {bob.user: "member", carol.user: "owner", dave.user: "admin"}


def test_last_owner_leaves_longest_member_inherits(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice)
    alice.rpc("group.add", group=group[2:], user=carol.user)
    alice.rpc("group.add", group=group[2:], user=bob.user)
    alice.rpc("group.leave", group=group[2:])
    assert body(bob.wait_for("event", word="role-changed")) == {"user": carol.user, "role": "owner"}
    assert roles(bob, group) == {bob.user: "member", carol.user: "owner"}


def test_one_of_two_owners_leaves(cast):
    alice, bob, carol = cast(3)
    group = made(cast, alice, bob, carol)
    alice.rpc("group.role", group=group[2:], user=bob.user, role="owner")
    alice.rpc("group.leave", group=group[2:])
    assert roles(bob, group) == {bob.user: "owner", carol.user: "member"}
    bob.say(group)
    carol.wait_for("chat", conversation=group)
    assert len(carol.all_of("event", word="role-changed")) == 1


def test_last_member_leaves(cast):
    alice, = cast(1)
    group = made(cast, alice)
    alice.rpc("group.leave", group=group[2:])
    assert alice.refused(group) in ("not-member", "no-such-group")


# ---- title and roles ----
def test_rename(cast):
    alice, bob = cast(2)
    group = made(cast, alice, bob, title="old")
    assert alice.rpc("group.rename", group=group[2:], title="neu ✓") == {"seq": 2}
    event = bob.wait_for("event", word="renamed")
    assert (event.user, body(event)) == (alice.user, {"title": "neu ✓"})
    assert bob.rpc("group.info", group=group[2:])["title"] == "neu ✓"
    assert alice.rpc_code("group.rename", group=group[2:], title="x" * 257) == "too-large"
    assert alice.rpc_code("group.rename", group=group[2:]) == "bad-request"


def test_role(cast):
    alice, bob = cast(2)
    group = made(cast, alice, bob)
    assert alice.rpc("group.role", group=group[2:], user=bob.user, role="admin") == {"seq": 2}
    event = bob.wait_for("event", word="role-changed")
    assert (event.user, body(event)) == (alice.user, {"user": bob.user, "role": "admin"})
    assert roles(bob, group) == {alice.user: "owner", bob.user: "admin"}
    for role in ("king", "", None, 1, "Admin"):
        assert alice.rpc_code("group.role", group=group[2:], user=bob.user, role=role) == "bad-request"


def test_info(cast):
    alice, bob, eve = cast(3)
    group = made(cast, alice, bob, title="T")
    created = alice.wait_for("event", conversation=group)
    alice.say(group)
    info = bob.rpc("group.info", group=group[2:])
    assert set(info) == {"group", "title", "created", "last_seq", "members"}
    assert (info["group"], info["title"], info["last_seq"]) == (group[2:], "T", 2)
    assert abs(info["created"] - created.time) < 60_000
    assert {(m["user"], m["role"]) for m in info["members"]} == {(alice.user, "owner"), (bob.user, "member")}
    assert eve.rpc_code("group.info", group=group[2:]) == "not-member"


PERMISSIONS = {  # (caller's role, method, what is asked of whom): allowed
    ("owner", "add"): True, ("admin", "add"): True, ("member", "add"): False,
    ("owner", "remove-member"): True, ("admin", "remove-member"): True, ("member", "remove-member"): False,
    ("owner", "rename"): True, ("admin", "rename"): True, ("member", "rename"): False,
    ("owner", "make-admin"): True, ("admin", "make-admin"): True, ("member", "make-admin"): False,
    ("owner", "make-owner"): True, ("admin", "make-owner"): False, ("member", "make-owner"): False,
    ("admin", "demote-owner"): False, ("member", "demote-owner"): False,
    ("admin", "remove-owner"): False, ("member", "remove-owner"): False,
    ("owner", "demote-admin"): True, ("admin", "demote-admin"): True, ("member", "demote-admin"): False,
    ("outsider", "add"): None, ("outsider", "remove-member"): None, ("outsider", "rename"): None,
    ("outsider", "make-admin"): None, ("outsider", "demote-owner"): None,
}


@pytest.mark.parametrize("role,deed", PERMISSIONS, ids=lambda value: value)
def test_who_may(cast, role, deed):
    owner, second = cast(2)
    others = cast.users(3)
    target, newcomer, other_admin = others
    group = cast.group(owner, second, target, other_admin)
    name = group[2:]
    owner.rpc("group.role", group=name, user=other_admin.name, role="admin")
    caller = {"owner": owner, "admin": second, "member": second}.get(role) or cast(1)[0]
    if role == "admin":
        owner.rpc("group.role", group=name, user=second.user, role="admin")
    method, more = {
        "add": ("group.add", {"user": newcomer.name}), "remove-member": ("group.remove", {"user": target.name}),
        "rename": ("group.rename", {"title": "t"}),
        "make-admin": ("group.role", {"user": target.name, "role": "admin"}),
        "make-owner": ("group.role", {"user": target.name, "role": "owner"}),
        "demote-owner": ("group.role", {"user": owner.user, "role": "member"}),
        "remove-owner": ("group.remove", {"user": owner.user}),
        "demote-admin": ("group.role", {"user": other_admin.name, "role": "member"}),
    }[deed]
    allowed = PERMISSIONS[role, deed]
    before = owner.rpc("group.info", group=name)
    answer = caller.ask(method, {"group": name, **more})
    if allowed:
        assert answer["result"]["seq"] == before["last_seq"] + 1
    else:
        assert answer["error"]["code"] == ("denied" if allowed is False else "not-member")
        assert owner.rpc("group.info", group=name) == before


@pytest.mark.parametrize("method,more", [
    ("group.add", {"user": "{peer}"}), ("group.remove", {"user": "{peer}"}), ("group.rename", {"title": "x"}),
    ("group.role", {"user": "{peer}", "role": "admin"}), ("group.leave", {}), ("group.info", {})])
def test_no_such_group_and_bad_requests(cast, method, more):
    alice, bob = cast(2)
    more = {key: value.format(peer=bob.user) for key, value in more.items()}
    assert alice.rpc_code(method, {"group": "no-such-group", **more}) == "no-such-group"
    for group in (None, 1, ["a"], {}):
        assert alice.rpc_code(method, {"group": group, **more}) == "bad-request", group
    for group in ("", "Upper", "g/x", "x" * 65):
        assert alice.rpc_code(method, {"group": group, **more}) in ("bad-request", "no-such-group"), group
    assert alice.rpc_code(method, more) == "bad-request"


def test_add_refusals(cast):
    alice, bob = cast(2)
    group = made(cast, alice, bob)[2:]
    assert alice.rpc_code("group.add", group=group, user=bob.user) == "exists"
    assert alice.rpc_code("group.add", group=group, user="nobody-of-that-name") == "no-such-user"
    assert alice.rpc_code("group.add", group=group) == "bad-request"
    assert alice.rpc_code("group.add", group=group, user=7) == "bad-request"
    assert alice.rpc_code("group.role", group=group, user="nobody-of-that-name", role="admin") in (
        "no-such-user", "not-member")


# ---- the end of a group ----
def test_deleted_group(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    alice.say(group)
    cast.node.ctl("group", "delete", group[2:])
    for device in (alice, bob):
        event = device.wait_for("event", word="deleted")
        assert (event.conversation, event.seq, event.user) == (group, 3, "-")
    assert alice.refused(group) == "no-such-group"
    assert alice.rpc_code("group.info", group=group[2:]) == "no-such-group"
    assert cast.node.ctl("group", "create", group[2:], "--owner", alice.user, check=False).returncode == 1


# ---- gnatterctl ----
def test_administrators_commands_reach_devices(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob)
    node, name = cast.node, group[2:]
    event = bob.wait_for("event", word="created")
    assert event.user == "-" and event.seq == 1
    node.ctl("group", "add", name, carol.user)
    event = carol.wait_for("event", word="member-added", timeout=10)
    assert (event.user, event.seq, body(event)) == ("-", 2, {"user": carol.user, "role": "member"})
    node.ctl("group", "role", name, carol.user, "admin")
    assert body(bob.wait_for("event", word="role-changed", timeout=10)) == {"user": carol.user, "role": "admin"}
    node.ctl("group", "remove", name, bob.user)
    assert bob.wait_for("event", word="member-removed", timeout=10).seq == 4
    shown = node.ctl("group", "show", name).stdout
    assert alice.user in shown and carol.user in shown and bob.user not in shown
    assert name in node.ctl("group", "list").stdout


def test_removed_user_leaves_groups_messages_stay(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    sent = bob.say(group, b"I was here")
    alice.wait_for("chat", id=sent.id)
    cast.node.ctl("user", "remove", bob.user)
    event = alice.wait_for("event", word="member-removed")
    assert body(event) == {"user": bob.user}
    alice.rpc("history", conversation=group)
    assert alice.wait_for("history-chat", id=sent.id).payload == b"I was here"
    assert alice.refused(bob.address) == "no-such-user"


def outcome(device, conversation, **more):
    """How a message is answered: its `sent`, or the code of its error."""
    since, mid = device.here(), device.send(conversation, **more)
    return device.until(lambda: next((i.word or i for i in device.all_of(since=since, id=mid) if i.kind in ("error", "sent")),
                                     None), "sent or error")


def test_nobody_writes_to_a_removed_user_any_more(cast):
    """Not where they have talked either; what was accepted stays accepted."""
    alice, bob = cast(2)
    first = alice.say(bob.address)
    cast.node.ctl("user", "remove", bob.user)
    wait_until(lambda: outcome(alice, bob.address) == "no-such-user", 10, "the service hears of it")
    again = outcome(alice, bob.address, mid=first.id)
    assert (again.seq, again.time) == (first.seq, first.time)
    assert alice.rpc("history", conversation=bob.address)["first_seq"] == 1
