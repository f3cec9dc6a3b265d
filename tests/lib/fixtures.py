"""What the pytest suites share; each conftest.py takes what it needs."""
import pytest

from .node import PARTS, Node


def started(name, *up_options, make=Node, **conf):
    """A node that is up, for `yield from`; its logs are kept when a test failed. `conf`: values of its [node] section."""
    node = make(name)
    try:
        if conf:
            node.init(**conf)
        node.up(*up_options)
        node.first_pids = {part: node.pid(part) for part in PARTS}
        yield node
    except BaseException:
        node.save_logs()
        raise
    finally:
        failed = getattr(node, "failed", False)
        node.close(keep_logs=failed)


def report_with_logs(item, report, node):
    if node is not None and report.failed:
        node.failed = True
        report.sections.append(("the node's logs", node.log_tails()))


def node_of(item):
    """The node that a test uses, if it has got that far."""
    for value in getattr(item, "funcargs", {}).values():
        node = value if isinstance(value, Node) else getattr(value, "node", None)
        if isinstance(node, Node):
            return node
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report_with_logs(item, outcome.get_result(), node_of(item))
