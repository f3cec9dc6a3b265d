"""Disks fill up in traffic: devices are told to wait or hear nothing, and with room again all goes on by itself."""
import itertools
from contextlib import contextmanager

import pytest

from lib.disk import MIB, Mounted, Preloaded, mount_refusal
from lib.flock import Flock
from lib.node import PARTS, Node, alive, wait_until

MESSAGES = 60  # of each of the four devices, before and after
SIZE = 12000   # of each of those after: what devices have under way is more than the small journal holds
ROOM = 96 * MIB  # taken by the filler, and enough for several files of PostgreSQL's log when it is free again
numbers = itertools.count(1)


@contextmanager
def small_node():
    """A node of its own with the smallest journal, initialized and down."""
    node = Node(f"disk-{next(numbers)}")
    try:
        node.init(journal_bytes=1048576)
        yield node
    except BaseException:
        node.save_logs()
        raise
    finally:
        node.close()


@pytest.fixture
def disk_of(request, tmp_path):
    """A function: the disk in the place of a node's folder. A real one where we may mount, unless asked otherwise."""
    made = []
    refusal = mount_refusal(tmp_path)

    def make(node, folder, room_bytes, kind="mounted"):
        if refusal and kind == "mounted":
            print(f"no file system can be mounted here: a preloaded library plays the disk ({refusal})")
        made.append((Preloaded if refusal or kind == "preloaded" else Mounted)(node, folder, room_bytes))
        return made[-1]
    make.refusal = refusal
    yield make
    for disk in made:
        disk.close()


def friends(node):
    rows = node.bulk(4, "friend")
    users = [row[1] for row in rows]
    node.ctl("group", "create", "friends", "--owner", users[0], *(w for user in users[1:] for w in ("--member", user)))
    flock = Flock(node, rows)
    flock.group("friends")
    flock.pair(*users[:2])
    flock.pair(*users[2:])
    return flock


def log_has(node, part, words):
    return words in (node.dir / "log" / f"{part}.log").read_text(errors="replace")


def needs_room(node):
    """The next change needs a new file of PostgreSQL's log; the tables grow."""
    node.sql("select pg_logical_emit_message(true, 'test', 'x'); select pg_switch_wal()", check=False, timeout=20)


def fill_until(disk, node, flock, symptom):
    """PostgreSQL gives blocks back at times: those are taken, too."""
    def met():
        disk.fill()
        flock.load(1, SIZE)
        needs_room(node)
        return symptom()
    wait_until(met, 30, "the full disk shows", 0.1)


@pytest.mark.parametrize("folder, room_bytes, kind, words", [
    ("postgres/base", ROOM, "mounted", "could not extend file"),    # tables: statements fail
    ("postgres/pg_wal", ROOM, "mounted", "PANIC"),                 # its log: the server dies, and cannot start
    (".", ROOM, "mounted", None),                                  # everything, also the parts' own logs and state
    (".", ROOM, "preloaded", None),
], ids=["tables", "wal", "all", "all-preloaded"])
def test_full_disk_in_traffic(disk_of, folder, room_bytes, kind, words):
    """Nothing `sent` is lost; devices are told `overloaded`, and when; with room again everything goes on by itself."""
    with small_node() as node:
        disk = disk_of(node, folder, room_bytes, kind)
        node.up()
        flock = friends(node)
        flock.load(MESSAGES)
        flock.start()
        flock.wait_sent(MESSAGES)
        if words:
            fill_until(disk, node, flock, lambda: log_has(node, "postgres", words))
        else:  # what could say so is on the full disk as well
            fill_until(disk, node, flock, lambda: not node.is_up())
        flock.load(MESSAGES, SIZE)
        flock.wait(lambda: any(sheep.put_off for sheep in flock.sheep), 30, "a device is told to wait")
        told = [answer for sheep in flock.sheep for answer in list(sheep.put_off.values())]
        assert {code for code, _ in told} == {"overloaded"} and min(retry_ms for _, retry_ms in told) > 0
        disk.free()
        node.wait_up()
        flock.wait(lambda: (flock.hurry(), flock.is_done())[1], 60, "every message sent")
        flock.finish()
        flock.stop()
        flock.check()
        node.ctl("verify")




def test_parts_die_on_a_full_disk(disk_of):
    """They are started again, and once something can be written the node's files tell the truth, for status and down."""
    with small_node() as node:
        disk = disk_of(node, ".", ROOM)
        node.up()
        flock = friends(node)
        flock.load(MESSAGES)
        flock.start()
        flock.wait_sent(MESSAGES)
        disk.fill()
        old = {part: node.signal(part) for part in ("mosquitto", "syncd")}
        before = sum(sheep.connects for sheep in flock.sheep)
        flock.wait(lambda: sum(sheep.connects for sheep in flock.sheep) >= before + len(flock.sheep), 30, "a new broker")
        disk.fill()
        disk.free()
        for part, pid in old.items():
            node.wait_restarted(part, pid)
        flock.finish(60)
        flock.stop()
        node.wait_up()
        flock.check()
        pids = [node.pid(part) for part in PARTS]
        node.down()
        assert not [pid for pid in pids if alive(pid)]


def test_no_room_for_the_journal(disk_of):
    """The node does not come up, and says which file needs how much."""
    with small_node() as node:
        disk = disk_of(node, "broker", MIB // 2)
        if isinstance(disk, Preloaded):
            disk.fill()
        refused = node.ctl("up", check=False)
        assert refused.returncode == 1
        assert "cannot allocate 1052672 bytes for broker/journal.ring: No space left on device" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_the_journal_keeps_its_room(disk_of):
    """Its blocks are its own from the start: a disk that fills up later takes nothing from the ring, however often it is
    written round."""
    with small_node() as node:
        disk = disk_of(node, "broker", 32 * MIB)
        node.up()
        ring = (node.dir / "broker" / "journal.ring").stat()
        assert ring.st_blocks * 512 >= ring.st_size > MIB
        disk.fill()
        flock = friends(node)
        flock.load(MESSAGES, 2 * SIZE)
        assert MESSAGES * 2 * SIZE * len(flock.sheep) > 4 * ring.st_size
        broker = node.pid("mosquitto")
        flock.start()
        flock.wait(lambda: (flock.hurry(), flock.is_done())[1], 60, "every message sent")
        flock.finish()
        flock.stop()
        flock.check()
        assert node.pid("mosquitto") == broker
