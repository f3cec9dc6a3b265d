"""A device that keeps its connection and reads nothing does not stay in the broker's memory for ever."""
import contextlib
import pathlib
import socket
import time

import packets
import pytest
from broker import until
from lib import frames
from lib.ports import free_ports
from service import Service

PAYLOAD = b"x" * 60000
COUNT = 300  # some times what the kernel holds for a peer that does not read


def deaf(node, port):
    """Connected and subscribed; reads two short packets, and then nothing more."""
    alice = socket.socket()
    alice.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    alice.connect(("127.0.0.1", port))
    alice.sendall(packets.connect("alice:phone", "alice", node.token("alice", "phone")))
    assert alice.recv(4) == b"\x20\x02\x00\x00"
    alice.sendall(packets.subscribe(1, "inbox/alice/#"))
    assert len(alice.recv(5)) == 5
    return alice


def test_ended_when_it_takes_nothing(node, cast):
    node.options["unread_timeout_s"] = 2
    node.start()
    service = Service(node).start()
    bob = cast("bob:phone").online()
    with deaf(node, node.port) as alice:
        session = service.session("alice:phone")
        for i in range(COUNT):
            service.deliver([session], f"sent/u/bob/{i + 1}/1770000000000/m{i}", PAYLOAD, qos=0)
            if i % 10 == 0:
                with contextlib.suppress(ConnectionError):  # ended while there is still something to say
                    alice.sendall(packets.publish(i + 1, f"chat/u/bob/m{i}"))  # it sends, so it is not taken for dead
        service.wait_gone("alice:phone", "closed")
    service.deliver([service.session("bob:phone")], "synced")  # who reads is none the worse
    bob.wait_for("inbox/bob/synced")
    with deaf(node, node.port):  # and may come back
        service.session("alice:phone")
    service.stop()


def test_never_when_told_so(node):
    node.options["unread_timeout_s"] = 0
    node.start()
    service = Service(node).start()
    with deaf(node, node.port) as alice:
        session = service.session("alice:phone")
        for i in range(COUNT):
            service.deliver([session], f"sent/u/bob/{i + 1}/1770000000000/m{i}", PAYLOAD, qos=0)
        until_ms = time.monotonic() + 3  # longer than the other test's two seconds
        until("it is still there", lambda: time.monotonic() > until_ms or service.of("gone", session=session))
        assert not service.of("gone", session=session)
        alice.settimeout(10)
        taken = 0
        while taken < len(PAYLOAD) * COUNT:  # all of it comes, once it reads
            taken += len(alice.recv(1 << 20))
    service.stop()


def test_who_reads_and_says_no_puback_does_not_stay_in_memory(service, cast):
    """The service goes on as it does for a device that acknowledges whatever seq there may be."""
    alice = cast("alice:phone").connect(ack=False)
    bob = cast("bob:phone").connect()
    for device in (alice, bob):
        device.subscribe(f"inbox/{device.user}/#")
    numbers = [service.session("alice:phone"), service.session("bob:phone")]
    for block in range(1, 101):
        ops = [{"op": "deliver", "sessions": numbers, "tail": f"chat/g/all/{block * 100 + i}/5/carol:phone/m", "qos": 1,
                **({"flags": frames.SAME_PAYLOAD} if i else {"payload": b"x" * 10_000})} for i in range(100)]
        service.send(*ops)
        until("bob has it", lambda: len(bob.arrived) == block * 100)
        until("alice has what she may", lambda: len(alice.arrived) == min(block * 100, 1000))
        if alice.ended is not None:
            break
    alice.wait_ended()
    assert bob.ended is None and len(alice.arrived) == 1000  # as many as may be in flight


def link_local():
    """An address of this machine on one of its links, or None."""
    try:
        lines = [line.split() for line in pathlib.Path("/proc/net/if_inet6").read_text().splitlines()]
    except FileNotFoundError:
        return None
    found = [(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[0])), line[5]) for line in lines if line[3] == "20"]
    return "%".join(found[0]) if found else None


@pytest.mark.skipif(link_local() is None, reason="no link-local address")
def test_who_says_puback_over_a_link_local_address_may_go_on(node, cast):
    """The same address is written with the name of the link, or without it."""
    port, = free_ports(1)
    node.lines += [f"listener {port}", "socket_domain ipv6"]
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone").online(host=link_local(), port=port)
    number = service.session("alice:phone")
    for block in range(80):
        service.send(*({"op": "deliver", "sessions": [number], "tail": f"chat/g/all/{block * 100 + i + 1}/5/bob:phone/m",
                        "qos": 1, **({"flags": frames.SAME_PAYLOAD} if i else {"payload": b"x" * 10_000})}
                       for i in range(100)))
        until("alice has it", lambda: len(alice.arrived) == (block + 1) * 100 or alice.ended is not None)
        assert alice.ended is None, f"after {len(alice.arrived)}"
    service.stop()
