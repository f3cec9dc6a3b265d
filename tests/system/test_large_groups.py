"""A group of 1,024: the same messages, the same order."""
import pytest

from lib.node import wait_until


@pytest.fixture(scope="module")
def crowd(node):
    return [row[1] for row in node.bulk(1024, "crowd")]


def test_group_of_1024(cast, crowd):
    tellers = cast(6, acks=True)
    owner = tellers[0]
    members = [d.user for d in tellers[1:]] + crowd[:1024 - len(tellers)]
    name = cast.name("crowd")
    assert owner.rpc("group.create", group=name, members=members) == {"group": name, "seq": 1}
    group = f"g/{name}"
    for device in tellers:
        device.wait_for("event", conversation=group, word="created")
    for n in range(20):
        for device in tellers:
            device.send(group, str(n))
    for device in tellers:
        # of each: who falls behind is told again from the log
        device.until(lambda d=device: len({i.id for i in d.all_of("sent", conversation=group)}) == 20, "20 sent")
        device.until(lambda d=device: len(d.items(group)) == 101, "the created event and the others' messages")
        seqs = {i.seq for i in device.all_of(conversation=group) if i.kind in ("chat", "event", "sent")}
        assert seqs == set(range(1, 122))
    last = max(i.seq for i in owner.all_of("sent", conversation=group))
    owner.wait_for("receipts", conversation=group, seq=last)
    assert not owner.all_of("delivered", conversation=group)
    answer = owner.rpc("receipts", conversation=group, seq=last)
    assert len(answer["members"]) == 1023
    assert len(owner.rpc("group.info", group=name)["members"]) == 1024
    assert owner.rpc_code("group.add", group=name, user=crowd[1020]) == "too-large"


def test_typing_only_for_those_that_have_it_open(cast, crowd):
    owner, bob, carol, eve = cast(4)
    group = owner.rpc("group.create", members=[bob.user, carol.user, *crowd[:40]])["group"]
    address = f"g/{group}"
    for device in (bob, carol):
        device.wait_for("event", conversation=address)
    assert bob.rpc("conversation.open", conversation=address) == {"conversation": address}
    assert eve.rpc_code("conversation.open", conversation=address) == "not-member"
    owner.typing(address)
    assert bob.wait_for("typing").topic == f"inbox/{bob.user}/typing/{address}/{owner.client_id}"
    assert not carol.all_of("typing")
    carol.rpc("conversation.open", conversation=address)
    bob.rpc("conversation.close", conversation=address)
    owner.typing(address, False)
    carol.wait_for("typing", payload=b"0")
    assert len(bob.all_of("typing")) == 1
    carol.stop()
    carol.connect()
    owner.typing(address)
    owner.say(address)
    carol.wait_for("chat", conversation=address)
    assert len(carol.all_of("typing")) == 1, "it ends with the connection"


def test_what_is_open_stays_open_when_the_database_was_away(node, cast, crowd):
    owner, bob = cast(2)
    address = f"g/{owner.rpc('group.create', members=[bob.user, *crowd[:40]])['group']}"
    bob.wait_for("event", conversation=address)
    bob.rpc("conversation.open", conversation=address)
    node.sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename like 'gnatter_service%'")
    wait_until(node.is_up, 20, "the service has its connections again", 0.1)

    def told():
        owner.typing(address)  # the first one has it loaded again
        return bob.all_of("typing")
    wait_until(told, 10, "typing is told", 0.2)


def test_more_than_1024_is_too_large(cast, crowd):
    owner, = cast(1)
    assert owner.rpc_code("group.create", members=crowd[:1024]) == "too-large"
