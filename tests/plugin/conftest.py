import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from broker import Broker  # noqa: E402
from device import Device  # noqa: E402
from service import Service  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed and "node" in item.funcargs:
        log = item.funcargs["node"].log().splitlines()
        report.sections.append(("broker's log", "\n".join(log[-60:])))


@pytest.fixture
def node():
    """A broker not started yet."""
    broker = Broker()
    yield broker
    broker.remove()


@pytest.fixture
def broker(node):
    return node.start()


@pytest.fixture
def cast(node):
    """Makes devices, and ends them."""
    devices = []

    def make(client_id, **options):
        devices.append(Device(node, client_id, **options))
        return devices[-1]
    yield make
    for device in devices:
        device.close()


@pytest.fixture
def service(broker):
    """Connected, with the list of sessions."""
    service = Service(broker).start()
    yield service
    assert not service.problems, service.problems
    service.stop()
