import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.cast import Cast, Pool  # noqa: E402
from lib.fixtures import pytest_runtest_makereport, started  # noqa: E402,F401
from lib.flock import Flock  # noqa: E402


@pytest.fixture(scope="session")
def node():
    yield from started("fault")


@pytest.fixture(scope="session")
def pool(node):
    return Pool(node, 100, "user")


@pytest.fixture
def cast(node, pool):
    """Also checks, after each test, that what is stored keeps the design's invariants."""
    if not node.is_up():  # the test before this one has failed, and that is enough
        node.up()
    cast = Cast(node, pool)
    yield cast
    problems = cast.end()
    assert not problems, problems
    node.wait_up()
    node.ctl("verify")


@pytest.fixture
def flock(node, pool, cast):
    """Four users, one of them with two devices, who talk in a group and in pairs."""
    rows = [pool.take() for _ in range(4)]
    users = [row[1] for row in rows]
    rows.append((f"{users[0]}:second", users[0], node.token(users[0], "second")))
    group = cast.name("flock")
    node.ctl("group", "create", group, "--owner", users[0], *(w for user in users[1:] for w in ("--member", user)))
    flock = Flock(node, rows)
    flock.group(group)
    flock.pair(users[0], users[1])
    flock.pair(users[2], users[3])
    yield flock
    flock.stop()
