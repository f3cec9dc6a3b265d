"""Ports for what tests start.

Suites run side by side, and what takes a port may listen only a while later: so each is given once to all of a user's
tests on this machine, until the numbers begin again. They lie below those that gnatterctl picks itself, and below
those that the kernel takes for outgoing connections.
"""
import fcntl
import os
import socket
import tempfile
from pathlib import Path

FIRST, END = 10000, 20000


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count):
    """Ports that nobody uses now, and that no other test is given."""
    ports = []
    with open(Path(tempfile.gettempdir()) / f"gnatter-test-ports-{os.getuid()}", "a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        port = int(counter.read() or FIRST)
        for _ in range(END - FIRST):
            if is_free(port):
                ports.append(port)
            port = port + 1 if port + 1 < END else FIRST
            if len(ports) == count:
                break
        counter.truncate(0)
        counter.write(str(port))
    assert len(ports) == count, "no free ports on this machine"
    return ports


def free_port():
    return free_ports(1)[0]
