"""What one receiver, one conversation or everybody at once can do to the node: nothing is lost, others get all of theirs,
and what is held for anybody is bounded by the configured windows, however much waits in the log."""
import signal
import threading

import pytest

from lib.fixtures import started
from lib.load import Crowd, load_named
from lib.node import wait_until

WINDOW_ITEMS, WINDOW_BYTES = 256, 512 * 1024  # the defaults: what one device has outstanding, of each shard
FAST_ITEMS, FAST_BYTES = 4096, 4 * WINDOW_BYTES  # ... at most, where it acknowledges fast
MIB = 1024 * 1024
ROOM = 24 * MIB        # batches, frames and pages on their way, and what the allocator keeps
DEVICES = 400


@pytest.fixture(scope="module")
def node():
    """In place of the suite's own: without rate limits."""
    yield from started("extremes", "--limits", "off")


@pytest.fixture(scope="module")
def crowd(node):
    return Crowd(node, DEVICES)


@pytest.fixture(scope="module", autouse=True)
def verified(node):
    """Once, after all: it reads the whole database."""
    yield
    node.wait_up()
    node.ctl("verify")


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


class Watch:
    """The most that broker and service hold, and that the service says is outstanding, while a load runs."""
    def __init__(self, node, process):
        self.node, self.process = node, process
        self.before = self.held()
        self.most = dict(self.before)
        self.outstanding, self.shards = 0, node.json("status")["service"]["shards"]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def held(self):
        return {part: resident(self.node.pid(part)) for part in ("mosquitto", "syncd")}

    def run(self):
        while self.process.poll() is None:
            try:
                held = self.held()
                status = self.node.json("status")["service"]
            except (AssertionError, TypeError, OSError, StopIteration):  # a part is just being started again
                continue
            self.outstanding = max(self.outstanding, status["outstanding"])
            for part, size in held.items():
                self.most[part] = max(self.most[part], size)

    def grown(self):
        self.thread.join()
        return {part: self.most[part] - self.before[part] for part in self.most}


def test_a_long_backlog_of_one_user(node, crowd):
    """Ninety megabytes wait for one device. They are sent while it is away, then it takes them window by window, as wide as
    one that acknowledges fast may have them."""
    count, payload = 90000, 1000  # for longer than the service takes to tell how much is outstanding
    process = crowd.start("drain", "--count", count, "--payload", payload, "--senders", 4, "--window", 64)
    watch = Watch(node, process)
    result = crowd.end(process)
    assert result["totals"]["taken"] == result["totals"]["expected"] >= count
    assert 0 < watch.outstanding <= FAST_ITEMS * watch.shards
    for part, size in watch.grown().items():
        assert size < ROOM + FAST_BYTES * watch.shards < count * payload, f"{part} grew by {size}"


@pytest.mark.parametrize("kind", ["noread", "noack", "storm"])
def test_a_bad_neighbour(node, crowd, kind):
    """One receiver does not read, or never acknowledges, or a group storms. Ten pairs go on; at the end all has arrived."""
    pairs, members = 10, 100
    process = crowd.start("slow", "--disturb", kind, "--pairs", pairs, "--rate", 200, "--members", members,
                          "--group-rate", 10 if kind == "storm" else 1500, "--payload", 2000, "--seconds", 2,
                          "--warm-up", 0.3, "--settle", 60, "--window", 200)
    watch = Watch(node, process)
    result = crowd.end(process)
    with_it = load_named(result, "with")
    assert with_it["sent"] > 0 and load_named(result, "neighbour")["sent"] > 0
    devices = 2 * pairs + (members if kind == "storm" else 2)
    assert watch.outstanding <= WINDOW_ITEMS * devices * watch.shards
    if kind != "storm":  # what one of them does not take stays in the log
        for part, size in watch.grown().items():
            assert size < ROOM + devices * WINDOW_BYTES * watch.shards, f"{part} grew by {size}"


def test_thundering_herd(node, crowd):
    """The broker is killed with all devices live and talking: all come back, get what they have not acknowledged, and
    what they had sent without an answer is there once."""
    process = crowd.start("herd", "--idle", DEVICES, "--rate", 300, "--warm-up", 1, "--settle", 60)
    for line in process.stderr:
        if line.startswith("phase kill"):
            break
    watch = Watch(node, process)
    old = node.signal("mosquitto", signal.SIGKILL)
    node.wait_restarted("mosquitto", old)
    result = crowd.end(process)
    assert result["totals"]["reconnects"] >= DEVICES
    assert result["totals"]["taken"] == result["totals"]["expected"] > 0
    assert watch.outstanding <= WINDOW_ITEMS * DEVICES * watch.shards
    assert watch.grown()["syncd"] < ROOM
    wait_until(lambda: node.json("status")["service"]["behind"] == 0, 20, "nobody is behind")
