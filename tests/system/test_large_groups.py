"""A group of 1,024: the same messages, the same order."""
import pytest


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
        device.wait_for("sent", conversation=group, count=20)
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


def test_more_than_1024_is_too_large(cast, crowd):
    owner, = cast(1)
    assert owner.rpc_code("group.create", members=crowd[:1024]) == "too-large"
