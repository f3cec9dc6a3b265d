"""Connections that nobody closes and nothing passes any more: who depends on them finds out."""
import pytest

from lib.fixtures import started
from lib.flock import Flock
from lib.proxied import ProxiedNode

MESSAGES = 100


@pytest.fixture
def proxied():
    yield from started("proxied", make=ProxiedNode)


def test_half_open_to_the_database(proxied):
    """In traffic, all of the service's connections die in silence, and those that it makes from then on are good. (Those to
    the broker and of devices are half of what test_nemesis.py has.)"""
    rows = proxied.bulk(2, "half")
    flock = Flock(proxied, rows)
    flock.pair(*(row[1] for row in rows))
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(MESSAGES)
    assert proxied.network.do("database", "dead") > 0
    flock.load(MESSAGES)
    flock.finish(90)
    flock.stop()
    proxied.wait_up()
    flock.check()
    proxied.ctl("verify")
