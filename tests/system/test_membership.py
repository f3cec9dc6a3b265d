"""Membership is an interval of seqs: who gets which item, whatever was online when."""
import json


def gets(device, group):
    """Every seq of the group that the device has received, its own messages included."""
    return sorted({i.seq for i in device.all_of(conversation=group) if i.kind in ("chat", "event", "sent")})


def admin(cast, statement):
    cast.node.sql(statement)


def test_removed_while_away_gets_what_came_before(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    bob.wait_for("event", seq=1)
    bob.ack(group, 1)
    bob.stop()
    for _ in range(3):
        alice.say(group)
    alice.rpc("group.remove", group=group[2:], user=bob.user)
    alice.say(group, b"not for bob")
    since = bob.here()
    bob.connect()
    assert bob.seqs(group, since)[-4:] == [2, 3, 4, 5]
    assert bob.all_of("event", word="member-removed")[-1].seq == 5
    bob.say(bob.address)
    assert 6 not in gets(bob, group)


def test_rejoin_leaves_a_gap(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    name = group[2:]
    alice.say(group)                                                # 2
    alice.rpc("group.remove", group=name, user=bob.user)            # 3
    alice.say(group)                                                # 4
    alice.say(group)                                                # 5
    alice.rpc("group.add", group=name, user=bob.user)               # 6
    alice.say(group)                                                # 7
    bob.wait_for("chat", seq=7)
    assert gets(bob, group) == [1, 2, 3, 6, 7]
    since = bob.here()
    bob.sync_lines({group: 0})
    assert bob.seqs(group, since) == [1, 2, 3, 6, 7]


def test_rejoin_while_away_leaves_the_same_gap(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    bob.wait_for("event", seq=1)
    bob.stop()
    name = group[2:]
    alice.say(group)
    alice.rpc("group.remove", group=name, user=bob.user)
    alice.say(group)
    alice.rpc("group.add", group=name, user=bob.user)
    alice.say(group)
    since = bob.here()
    bob.connect()
    assert bob.seqs(group, since) == [1, 2, 3, 5, 6]
    summary = bob.rpc("history", conversation=group)
    assert [i.seq for i in bob.arrived if i.kind.startswith("history")] == [1, 2, 3, 5, 6]
    assert (summary["count"], summary["first_seq"], summary["last_seq"]) == (5, 1, 6)


def test_many_changes_each_obeyed(cast):
    alice, bob = cast(2, acks=True)
    group = cast.group(alice, bob)
    name = group[2:]
    expected, inside = [1], True
    for n in range(40):
        if n % 4 == 3:
            seq = alice.rpc("group.remove" if inside else "group.add", group=name, user=bob.user)["seq"]
            expected.append(seq)
            inside = not inside
        else:
            sent = alice.say(group)
            if inside:
                expected.append(sent.seq)
    bob.wait_for(conversation=group, seq=expected[-1])
    assert gets(bob, group) == expected


def test_changes_in_the_middle_of_traffic(cast):
    """Messages fly while the membership changes: each of them is for those who were members at its seq."""
    alice, bob, carol = cast(3, acks=True)
    group = cast.group(alice, carol)
    ids = []
    for n in range(10):
        ids += [alice.send(group) for _ in range(20)]
        alice.rpc("group.add" if n % 2 == 0 else "group.remove", group=group[2:], user=bob.user)
    alice.wait_for("sent", id=ids[-1])
    last = alice.say(group).seq
    carol.wait_for("chat", seq=last)
    events = {i.seq: i.word for i in carol.all_of("event", conversation=group)}
    inside, expected = False, []
    for seq in range(1, last + 1):
        before = inside
        inside = {"member-added": True, "member-removed": False}.get(events.get(seq), inside)
        if before or inside:
            expected.append(seq)
    bob.until(lambda: gets(bob, group)[-1:] == expected[-1:], "the last that is for bob")
    assert gets(bob, group) == expected
    assert carol.seqs(group) == list(range(1, last + 1))


# ---- by SQL ----
def test_functions(cast):
    alice, bob = cast(2)
    name = cast.name("sql")
    group = f"g/{name}"
    admin(cast, f"select gnatter.create_group('{name}', '{alice.user}', array['{bob.user}'])")
    event = alice.wait_for("event", conversation=group, timeout=10)
    assert (event.seq, event.user, event.word) == (1, "-", "created")
    carol, = cast(1)
    admin(cast, f"select gnatter.add_member('{name}', '{carol.user}')")
    assert carol.wait_for("event", conversation=group, timeout=10).seq == 2
    carol.say(group)
    admin(cast, f"select gnatter.set_role('{name}', '{carol.user}', 'admin')")
    assert json.loads(bob.wait_for("event", word="role-changed", timeout=10).payload)["role"] == "admin"
    admin(cast, f"select gnatter.remove_member('{name}', '{bob.user}')")
    assert bob.wait_for("event", word="member-removed", timeout=10).seq == 5
    assert bob.refused(group) == "not-member"
    admin(cast, f"select gnatter.delete_group('{name}')")
    assert alice.wait_for("event", word="deleted", timeout=10).seq == 6
    carol.wait_for("event", word="deleted")


def test_dml_on_members(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob)
    alice.wait_for("event", seq=1)
    name = group[2:]
    admin(cast, "insert into gnatter.members (group_name, user_name, role) "
                f"values ('{name}', '{carol.user}', 'member')")
    assert carol.wait_for("event", word="member-added", timeout=10).seq == 2
    admin(cast, f"update gnatter.members set role = 'admin' where group_name = '{name}' and user_name = '{carol.user}'")
    assert bob.wait_for("event", word="role-changed", timeout=10).seq == 3
    admin(cast, f"delete from gnatter.members where group_name = '{name}' and user_name = '{bob.user}'")
    assert bob.wait_for("event", word="member-removed", timeout=10).seq == 4
    assert bob.refused(group) == "not-member"
    sent = carol.say(group)
    assert alice.wait_for("chat", id=sent.id).seq == 5


def test_several_changes_in_one_transaction(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob)
    name = group[2:]
    admin(cast, f"""begin;
        select gnatter.add_member('{name}', '{carol.user}');
        select gnatter.remove_member('{name}', '{bob.user}');
        select gnatter.set_role('{name}', '{carol.user}', 'admin');
        commit;""")
    alice.wait_for("event", seq=4, timeout=10)
    assert [i.word for i in alice.items(group)] == ["created", "member-added", "member-removed", "role-changed"]
    bob.wait_for("event", seq=3)
    assert gets(bob, group) == [1, 2, 3] and carol.wait_for("event", seq=4)
    assert gets(carol, group) == [2, 3, 4]


def test_rolled_back_change_is_not_seen(cast):
    alice, bob, carol = cast(3)
    group = cast.group(alice, bob)
    admin(cast, f"begin; select gnatter.add_member('{group[2:]}', '{carol.user}'); rollback;")
    assert alice.say(group).seq == 2
    assert carol.refused(group) == "not-member"
    bob.wait_for("chat", seq=2)
    assert gets(bob, group) == [1, 2]


def test_sql_refusals(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)[2:]
    for statement in (f"select gnatter.create_group('{group}', '{alice.user}', array[]::text[])",
                      "select gnatter.create_group('x-new', 'nobody-of-that-name', array[]::text[])",
                      f"select gnatter.add_member('{group}', 'nobody-of-that-name')",
                      f"select gnatter.add_member('{group}', '{bob.user}')",
                      f"select gnatter.add_member('no-such-group', '{bob.user}')",
                      f"select gnatter.remove_member('{group}', 'nobody-of-that-name')",
                      f"select gnatter.set_role('{group}', '{bob.user}', 'king')",
                      f"select gnatter.create_user('{bob.user}')"):
        done = cast.node.sql(statement, check=False)
        assert done.returncode != 0 and "ERROR" in done.stderr, statement


def test_views(cast):
    alice, bob = cast(2)
    group = cast.group(alice, bob)
    sql = cast.node.sql_value
    for view in ("users", "devices", "groups", "members", "messages"):
        assert int(sql(f"select count(*) from gnatter.{view}")) > 0
    sent = alice.say(group)
    assert sql(f"select seq || ' ' || kind from gnatter.messages where conversation = '{group}' "
               f"and message_id = '{sent.id}'") == "2 chat"
