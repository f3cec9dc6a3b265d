"""Connections that nobody closes and nothing passes any more: the parts find out by themselves."""
import pytest

from lib.cast import Pool
from lib.fixtures import started
from lib.flock import Flock
from lib.proxied import ProxiedNode

MESSAGES = 100


@pytest.fixture(scope="module")
def proxied():
    yield from started("proxied", make=ProxiedNode)


@pytest.fixture(scope="module")
def crowd(proxied):
    return Pool(proxied, 40, "half")


@pytest.fixture
def pair(proxied, crowd):
    rows = [crowd.take() for _ in range(2)]
    flock = Flock(proxied, rows)
    flock.pair(*(row[1] for row in rows))
    yield flock
    flock.stop()


@pytest.mark.parametrize("proxy", ["devices", "link", "database"])
def test_half_open(proxied, pair, proxy):
    """Every connection there is dies in silence, in traffic; new ones are good."""
    for sheep in pair.sheep:
        sheep.keepalive_s = 5
    pair.load(MESSAGES)
    pair.start()
    pair.wait_sent(MESSAGES // 2)
    assert proxied.network.do(proxy, "dead") > 0
    pair.load(MESSAGES)
    pair.finish(90)
    pair.stop()
    proxied.wait_up()
    pair.check()
    proxied.ctl("verify")
