"""A process that may open nothing more goes on with what it has, and does not spin; one that has no memory to start ends."""
import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from lib.cast import Cast, Pool
from lib.machine import Machine
from lib.nemesis import Nemesis, free_descriptor, status_kib
from lib.node import Node, wait_until

LOOK_S = 1.0


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_reader(node):
    """Who waits to be told how the service is."""
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(f"/proc/self/fd/{os.open(node.dir / 'run', os.O_PATH)}/syncd.sock")
    return waiting


def new_device(node):
    return socket.create_connection((node.host, node.port))


@pytest.mark.parametrize("part, who_comes", [("syncd", status_reader), ("mosquitto", new_device)])
def test_no_descriptor_is_left(node, cast, part, who_comes):
    """Somebody waits to be let in all the time. Who is connected is served; the processor is not."""
    alice, bob = cast(2, acks=True)
    pid = node.pid(part)
    soft = Nemesis.soft(pid, "nofile")
    with ExitStack() as stack:
        Nemesis.set_soft(pid, "nofile", free_descriptor(pid))
        stack.callback(Nemesis.set_soft, pid, "nofile", soft)
        stack.enter_context(who_comes(node))
        alice.say(bob.address, mid="before")
        was = cpu_s(pid)
        time.sleep(LOOK_S)  # what is measured is what is done in it
        used = cpu_s(pid) - was
        bob.wait_for("chat", id=alice.say(bob.address, mid="after").id)
    assert used < LOOK_S / 10
    assert node.pid(part) == pid


@pytest.fixture(scope="module")
def machine():
    """Of a node whose parts run on it."""
    node = Node("machine")
    try:
        machine = Machine(node)
        machine.node = node
        node.up()
        yield machine
    except BaseException:
        node.save_logs()
        raise
    finally:
        node.close()


def chats_again(node):
    node.wait_up()
    cast = Cast(node, Pool(node, 2, "user"))
    alice, bob = cast(2, acks=True)
    bob.wait_for("chat", id=alice.say(bob.address).id)
    assert not cast.end()


def test_service_whose_library_has_no_threads(machine):
    """What speaks MQTT for it answers nothing then, and never would: it ends, to be started again."""
    node = machine.node
    log = node.dir / "log/syncd.log"
    machine.refuse_threads("libpaho")
    before = log.stat().st_size
    node.signal("syncd")
    wait_until(lambda: b"cannot-start" in log.read_bytes()[before:], 60, "it says that it cannot start")
    machine.refuse_threads("")
    chats_again(node)


def test_service_whose_name_server_is_silent(machine):
    """What speaks MQTT for it waits for longer than a link does: it has its threads, and nothing would be better anew."""
    node = machine.node
    log, pid = node.dir / "log/syncd.log", node.pid("syncd")
    machine.silence_names("libpaho")
    before = log.stat().st_size
    node.signal("mosquitto")
    wait_until(lambda: b"no-welcome" in log.read_bytes()[before:], 60, "it gives up the link")
    machine.silence_names("")
    chats_again(node)
    assert node.pid("syncd") == pid and b"cannot-start" not in log.read_bytes()[before:]


def test_service_started_without_memory(node, cast):
    """Rather than be there with half of its threads it ends, until there is memory again."""
    supervisor, log = node.pid("supervisor"), node.dir / "log/syncd.log"
    soft, before = Nemesis.soft(supervisor, "as"), log.stat().st_size
    with ExitStack() as stack:
        # what it starts has its limits
        Nemesis.set_soft(supervisor, "as", (status_kib(supervisor, "VmSize") + 40 * 1024) * 1024)
        stack.callback(Nemesis.set_soft, supervisor, "as", soft)
        node.signal("syncd")
        wait_until(lambda: b"cannot-start" in log.read_bytes()[before:], 20, "it says that it cannot start")
    node.wait_up()
    alice, bob = cast(2, acks=True)
    bob.wait_for("chat", id=alice.say(bob.address).id)
