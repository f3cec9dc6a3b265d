"""Kill something in the middle of traffic, then count: nothing lost, nothing twice, order kept."""
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lib.node import PARTS, alive, wait_until

MESSAGES = 300  # of each of the five devices


def survived(flock):
    flock.finish()
    flock.check()


@pytest.mark.parametrize("parts", [["mosquitto"], ["syncd"], ["postgres"], ["mosquitto", "syncd"],
                                   ["syncd", "postgres"], ["postgres", "syncd", "mosquitto"]], ids="+".join)
def test_kill_in_traffic(node, flock, parts):
    """Twice, at a third and at two thirds of the messages."""
    flock.load(MESSAGES)
    flock.start()
    total = MESSAGES * len(flock.sheep)
    for third in (1, 2):
        flock.wait_sent(total * third // 3)
        pids = {part: node.signal(part) for part in parts}
        for part, pid in pids.items():
            node.wait_restarted(part, pid)
    survived(flock)
    # links come back without waiting for Paho to look
    assert "no-waker" not in (node.dir / "log/syncd.log").read_text(errors="replace")


def test_kill_of_the_supervisor(node, flock):
    """The parts work on without it, `up` brings one back, and then it restarts parts again."""
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(200)
    pid = node.signal("supervisor")
    flock.wait_sent(400)
    node.up()
    node.wait_restarted("supervisor", pid)
    old = node.signal("mosquitto")
    node.wait_restarted("mosquitto", old)
    survived(flock)


def test_kill_of_everything(node, flock):
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(500)
    pids = [node.signal(part) for part in ("supervisor", "mosquitto", "syncd", "postgres")]
    wait_until(lambda: not any(alive(pid) for pid in pids), 10, "all dead")
    node.up()
    survived(flock)


def test_orderly_down_and_up(node, flock):
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(500)
    pids = [node.pid(part) for part in PARTS]
    node.down()
    assert not [pid for pid in pids if pid and alive(pid)]
    assert node.ctl("status", check=False).returncode == 1
    node.up()
    survived(flock)


def test_stopped_service(node, flock, cast):
    """Not dead, only silent for a while."""
    alice, bob = cast(2)
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(300)
    node.signal("syncd", signal.SIGSTOP)
    try:
        for _ in range(20):  # not the flock's: its windows are full
            alice.send(bob.address, wait=True)
    finally:
        node.signal("syncd", signal.SIGCONT)
    survived(flock)


def test_kill_of_postgres_while_the_schema_is_brought_up_to_date(node, cast):
    """`up` begins that again as soon as the database is back."""
    pid = node.signal("supervisor")
    wait_until(lambda: not alive(pid), 10, "the supervisor is dead")
    with closing(node.database()) as connection, ThreadPoolExecutor(1) as beside:
        cursor = connection.cursor()
        # what a migration of somebody else's holds
        cursor.execute("begin; lock table gnatter.migration in share row exclusive mode")
        up = beside.submit(node.up)
        waiting = "select count(*) from pg_locks where relation = 'gnatter.migration'::regclass and not granted"
        wait_until(lambda: (cursor.execute(waiting), cursor.fetchone()[0])[1], 20, "the schema waits for us")
        node.signal("postgres")
        up.result(90)
    node.wait_up()
