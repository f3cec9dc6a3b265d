"""A database that takes no changes: messages are refused with a reason and a time to try again, and nothing is lost."""
import json

import pytest

from lib.cast import Pool
from lib.fixtures import started
from lib.node import wait_until


@pytest.fixture(scope="module")
def node():
    """Of its own: what another test left under way would want to write."""
    yield from started("read-only")


@pytest.fixture(scope="module")
def pool(node):
    return Pool(node, 10, "reader")


def service_sessions_end(node):
    """What is set on a database counts for new connections."""
    node.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename like 'gnatter_service%'")


def test_read_only_is_said_and_ends(node, cast):
    alice, bob, carol = cast(3)
    alice.say(bob.address, mid="before")
    node.sql("alter database gnatter set default_transaction_read_only = on")
    try:
        service_sessions_end(node)
        wait_until(node.is_up, 20, "the service is back, reading only")
        assert alice.refused(bob.address, mid="meanwhile") == "read-only"
        assert json.loads(alice.wait_for("error", id="meanwhile").payload)["retry_after_ms"] > 0
        assert alice.refused(carol.address, mid="first") == "read-only", "a conversation that cannot be made"
        assert alice.refused(bob.address, mid="meanwhile") == "read-only", "and the others are still answered"
    finally:
        node.sql("set default_transaction_read_only = off; alter database gnatter reset default_transaction_read_only")
        service_sessions_end(node)
    wait_until(node.is_up, 20, "the service is back")
    alice.say(bob.address, mid="meanwhile")
    bob.wait_for("chat", id="meanwhile", timeout=20)
    alice.say(carol.address, mid="first")
    carol.wait_for("chat", id="first", timeout=20)
