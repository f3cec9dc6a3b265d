"""A node with inbox quotas, on which nobody edits."""
import json

import pytest

from lib.cast import Cast, Pool
from lib.node import Node, wait_until


class Strict(Node):
    def up(self, *args, **options):
        if not (self.dir / "gnatter.conf").exists():
            self.init()
            self.configure(shards=2, inbox_items_max=5, inbox_bytes_max=2000, edit_within_s=0)
        return super().up(*args, **options)


@pytest.fixture(scope="module")
def strict():
    node = Strict("strict")
    try:
        node.up()
        yield Cast(node, Pool(node, 10, "quinn"))
    finally:
        node.close(keep_logs=getattr(node, "failed", False))


def full(node):
    return [row[0] for row in node.sql("select user_name from gnatter.full_inboxes order by 1")]


def outcome(device, conversation, payload=b"hello"):
    """How a message is answered: sent, or the code of its error."""
    since, mid = device.here(), device.send(conversation, payload)
    answer = device.until(lambda: next((i for i in device.all_of(since=since, id=mid) if i.kind in ("error", "sent")), None),
                          "sent or error")
    return answer.word or "sent"


def test_a_full_inbox_refuses(strict):
    away, bob, carol = strict.user(), *strict(2)
    group = strict.group(bob, away)
    said = [bob.say(away.address) for _ in range(5)]
    wait_until(lambda: full(strict.node) == [away.name], what="the quota is counted")
    wait_until(lambda: outcome(bob, away.address) == "quota-exceeded", what="no more is taken")
    assert outcome(carol, away.address) == "quota-exceeded", "from nobody"
    error = carol.wait_for("error", word="quota-exceeded")
    assert error.conversation == away.address and json.loads(error.payload)["retry_after_ms"] > 0
    assert outcome(bob, group) == "sent", "groups go on"
    assert outcome(bob, carol.address) == "sent", "others get theirs"
    assert outcome(bob, bob.address) == "sent"
    assert bob.say(away.address, mid=said[0].id).seq == said[0].seq, "what was taken stays taken"
    back = away.device(acks=True)
    assert outcome(back, bob.address) == "sent", "she may write"
    wait_until(lambda: full(strict.node) == [], what="she has got it")
    wait_until(lambda: outcome(bob, away.address) == "sent", what="more is taken")
    wait_until(lambda: outcome(carol, away.address) == "sent", what="from everybody")
    assert strict.node.ctl("verify").returncode == 0


def test_bytes_count_too_and_what_was_got_does_not(strict):
    away, bob, carol = strict.user(), *strict(2)
    for _ in range(4):
        bob.say(away.address)
    device = away.device(acks=True)
    device.wait_for("chat", seq=4)
    bob.wait_for("delivered", seq=4)
    device.rpc("conversations")  # waits for the marks
    device.stop()
    carol.say(away.address, b"x" * 1990)
    assert outcome(carol, away.address) == "sent"
    carol.say(away.address, b"x" * 20)
    counted = "select user_name, items, bytes from gnatter.full_inboxes"
    wait_until(lambda: strict.node.sql(counted) == [[away.name, "3", "2015"]], what="only what waits counts")
    away.device(acks=True)
    wait_until(lambda: full(strict.node) == [], what="she has got it")


def test_editing_is_switched_off(strict):
    alice, bob = strict(2)
    alice.say(bob.address)
    assert alice.rpc_code("message.edit", conversation=bob.address, seq=1, payload="x") == "denied"
    assert not strict.end()
