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


def test_who_comes_and_goes_meanwhile(node, cast):
    """On connections that stay: they have a database that takes no changes for a while."""
    devices = stays, leaves, comes = cast(3)

    def live():
        names = ", ".join(f"'{device.client_id}'" for device in devices)
        rows = node.sql("select device_name, user_name, is_live from gnatter.devices"
                        f" where user_name || ':' || device_name in ({names})")
        return {user for _, user, is_live in rows if is_live == "t"}

    cast.group(*devices)
    comes.stop()
    wait_until(lambda: live() == {stays.user, leaves.user}, 15, "who was live before is known")
    node.sql("alter system set default_transaction_read_only = on")
    node.sql("select pg_reload_conf()")
    try:
        wait_until(lambda: node.sql_value("show default_transaction_read_only") == "on", 10, "read-only")
        leaves.stop()
        comes.connect()
        stays.subscribe(f"presence/{leaves.user}")
        stays.until(lambda: any(i.payload.startswith(b"offline ") for i in stays.all_of("presence")), "offline", 30)
    finally:
        node.sql("set default_transaction_read_only = off;\nalter system reset default_transaction_read_only")
        node.sql("select pg_reload_conf()")
    wait_until(lambda: live() == {stays.user, comes.user}, 15, "who is live is known")
