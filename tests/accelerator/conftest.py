import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from brokers import Broker  # noqa: E402
from wire import Wire  # noqa: E402


@pytest.fixture(scope="session")
def both():
    """A stock broker, and one with the accelerator."""
    pair = Broker(False), Broker(True)
    try:
        for broker in pair:
            broker.start()
            assert broker.is_at_work() == broker.accelerated
        yield pair
    finally:
        for broker in pair:
            broker.remove()


@pytest.fixture(params=["stock", "accelerated"])
def broker(request, both):
    """Each in turn: what a test asks for is what the stock broker does too."""
    return both[request.param == "accelerated"]


@pytest.fixture
def fast(both):
    return both[1]


@pytest.fixture
def wire():
    """Makes connections, and closes them."""
    wires = []

    def make(port, **options):
        wires.append(Wire(port, **options))
        return wires[-1]
    yield make
    for one in wires:
        one.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for broker in item.funcargs.get("both", ()):
            report.sections.append((f"log, accelerated {broker.accelerated}", "\n".join(broker.said().splitlines()[-40:])))
