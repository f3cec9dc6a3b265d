"""Three times what the database can take: what would wait for too long is refused with a time to try again, the rest is
sent, and nothing that was accepted is lost. The database is slow on purpose, so that it does not matter how fast the
machine is."""
import json

import pytest

from lib.cast import Cast, Pool
from lib.fixtures import started
from lib.load import Crowd, load_named
from lib.node import wait_until

PAIRS, WINDOW = 60, 100
SLOW = """
create function public.slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.002); return new; end $$;
create trigger slow before insert on gnatter.message for each row execute function public.slow();
"""
FAST = "drop trigger slow on gnatter.message; drop function public.slow()"


@pytest.fixture(scope="module")
def node():
    """In place of the suite's own: no message is to wait for more than a second."""
    yield from started("overload", "--limits", "off", overload_wait_ms=1000)


@pytest.fixture(scope="module")
def crowd(node):
    return Crowd(node, 2 * PAIRS)


@pytest.fixture
def cast(node):
    cast = Cast(node, Pool(node, 10, "actor"))
    yield cast
    assert not cast.end()
    node.ctl("verify")


def broker_log(node):
    return (node.dir / "log" / "mosquitto.log").read_text(errors="replace")


def most_waiting(node, process):
    """The most records that waited in the journal while the load ran; None when nobody could say. That the service takes longer
    for its answer than gnatterctl waits for it is no failure of a machine that has so much to do."""
    looks = []
    while process.poll() is None:
        said = node.ctl("--json", "status", check=False)
        if said.returncode == 0:
            looks.append(json.loads(said.stdout)["service"]["links"][0]["journal_backlog"])
    return max(looks, default=None)


def test_three_times_the_capacity(node, crowd, cast):
    """500 a second is more than a row that takes 2 ms allows; 1,500 come."""
    alice, bob = cast(2, acks=True)
    alice.say(bob.address, b"as always", mid="before")
    bob.wait_for("chat", id="before")
    alice.typing(bob.address)
    bob.wait_for("typing")
    node.sql(SLOW)
    try:
        process = crowd.start("pairs", "--pairs", PAIRS, "--window", WINDOW, "--rate", 1500, "--seconds", 6,
                              "--warm-up", 1, "--settle", 60, "--resend-ms", 60000, "--give-up")
        wait_until(lambda: "overload level=refusing" in broker_log(node), 30, "somebody is refused")
        for _ in range(20):
            alice.typing(bob.address)
        most = most_waiting(node, process)
        result = crowd.end(process)
    finally:
        node.sql(FAST)
    pairs = load_named(result, "pairs")
    assert pairs["refused_per_s"] > 0 and pairs["sent"] > 0
    assert 500 * 1000 <= pairs["retry_after"]["p50"] and pairs["retry_after"]["max"] <= 30000 * 1000
    # All windows together are more than what may wait for a second; what waits is bounded by the second, not by them.
    assert most is not None and most < PAIRS * WINDOW, most
    assert len(bob.all_of("typing")) < 21, "typing goes first"
    wait_until(lambda: "overload level=none" in broker_log(node).rsplit("overload level=refusing")[-1], 20, "it is over")
    alice.say(bob.address, b"as before", mid="after")
    bob.wait_for("chat", id="after")
