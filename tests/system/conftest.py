import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.cast import Cast, Pool  # noqa: E402
from lib.fixtures import pytest_runtest_makereport, started  # noqa: E402,F401


@pytest.fixture(scope="session")
def node():
    yield from started("system")


@pytest.fixture(scope="session")
def pool(node):
    return Pool(node, 250, "user")


@pytest.fixture
def cast(node, pool):
    cast = Cast(node, pool)
    yield cast
    problems = cast.end()
    assert not problems, "arrivals that the protocol does not allow:\n" + "\n".join(problems)
