"""A database has one service at a time: a second one stands by, and takes over when the first is gone."""
import signal

import pytest

from lib.cast import Cast, Pool
from lib.node import Node, wait_until

HOLDER = "select pid from pg_locks where locktype = 'advisory' and classid = 451445956 and granted"


@pytest.fixture
def spare(node):
    """A node with a broker and a service of its own, on the database of the suite's node."""
    spare = Node("spare")
    password = (node.dir / "keys" / "pgpass").read_text().strip().split(":")[-1]
    port = node.sql_value("show port")
    spare.init("--database", f"postgresql://postgres:{password}@127.0.0.1:{port}/gnatter")
    yield spare
    spare.close()


def log_of(node):
    return (node.dir / "log" / "syncd.log").read_text(errors="replace")


def chats(node, prefix):
    """Users of this node's own making: each node has a key of its own."""
    cast = Cast(node, Pool(node, 2, prefix))
    alice, bob = cast(2, acks=True)
    alice.say(bob.address, mid="hello")
    bob.wait_for("chat", id="hello")
    assert not cast.end()


def stands_by(node):
    status = node.ctl("status", check=False)
    return status.returncode == 1 and "standing by" in status.stderr


def test_one_serves_one_stands_by(node, spare, cast):
    said = spare.up()
    assert "standing by" in said.stderr, said.stderr
    wait_until(lambda: stands_by(spare), 20, "it stands by", 0.1)
    chats(node, "first")

    # The first one hangs, and the database thinks that it is gone. When it goes on it has nothing to say any more.
    first = node.signal("syncd", signal.SIGSTOP)
    node.sql(f"select pg_terminate_backend(pid) from ({HOLDER}) holder (pid)")
    spare.wait_up()
    assert "main taking-over" in log_of(spare)
    chats(spare, "second")
    node.signal("syncd", signal.SIGCONT)
    node.wait_restarted("syncd", first)
    wait_until(lambda: stands_by(node), 20, "the first stands by")
    assert "main another-service-took-over" in log_of(node)
    spare.wait_up()

    # The second dies, and nobody starts it again.
    spare.kill_hard("supervisor", "syncd")
    node.wait_up()
    chats(node, "third")
