"""Clients that do not read: nothing is lost, memory is bounded, the others do not notice."""
import random
import threading

import pytest

import wire as w
from brokers import until

COUNT, LENGTH = 3000, 12_000  # far more than the kernel's buffers


def payloads():
    dice = random.Random(7)
    return [dice.randbytes(LENGTH if n % 3 else n % 50) for n in range(COUNT)]


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_full_socket(both, wire, tls):
    """The same on both brokers: what does not fit waits in the broker, and arrives in order when it is read."""
    expected, grown = payloads(), []
    for broker in both:
        slow = wire(broker.tls if tls else broker.tcp, receive_bytes=4096, tls=broker.trust() if tls else None)
        slow.online("slow").subscribed("slow/#")
        sender = wire(broker.tcp).online("slow-sender")
        other = wire(broker.tcp).online("slow-other").subscribed("other")
        before = broker.memory_bytes()
        acks = threading.Thread(target=lambda: [sender.expect(w.PUBACK) for _ in range(COUNT)])
        acks.start()
        sender.send(*(w.publish("slow/x", payload, n + 1) for n, payload in enumerate(expected)))
        acks.join(60)
        assert not acks.is_alive()
        until("it sleeps while a socket is full", broker.sleeps)
        grown.append(broker.memory_bytes() - before)
        assert w.payload_of(other.send(w.publish("other", b"alive", 9)).expect(w.PUBLISH), 2) == b"alive"
        for payload in expected:
            assert w.payload_of(slow.expect(w.PUBLISH), 2) == payload
        assert slow.send(w.PING).expect(w.PINGRESP) == b""
        for one in (slow, sender, other):
            one.send(w.BYE)
    assert grown[1] < grown[0] + 16_000_000


def test_a_full_socket_that_ends(broker, wire):
    """Closed by its client, or taken over, while it is full: the broker goes on, and closes it."""
    sender = wire(broker.tcp).online("end-sender")
    before = broker.descriptors()
    for n in range(6):
        slow = wire(broker.tcp, receive_bytes=4096).online("end-slow").subscribed("end/#")
        sender.send(*(w.publish("end/x", b"x" * 60_000, i + 1) for i in range(200)))
        for _ in range(200):
            sender.expect(w.PUBACK)
        if n % 3 == 0:
            slow.reset()
        elif n % 3 == 1:
            slow.close()
    last = wire(broker.tcp).online("end-slow")
    assert last.send(w.PING).expect(w.PINGRESP) == b""
    until("all but the last are closed", lambda: broker.descriptors() <= before + 1)


def test_many_full_sockets(broker, wire):
    """More of them than one, each stopped at another place, and each gets all in order."""
    slow = [wire(broker.tcp, receive_bytes=4096).online(f"full-{i}").subscribed("full") for i in range(60)]
    sender = wire(broker.tcp).online("full-sender")
    for n in range(400):
        sender.send(w.publish("full", b"%6d" % n * 500, n + 1))
    for _ in range(400):
        sender.expect(w.PUBACK)

    def take(client):
        for n in range(400):
            assert w.payload_of(client.expect(w.PUBLISH), 2) == b"%6d" % n * 500
    for client in slow:
        take(client)


def test_one_who_never_reads_and_writes_on(broker, wire):
    """Answers pile up in the broker until its client is gone, and nowhere else."""
    rude = wire(broker.tcp, receive_bytes=4096).online("rude")
    rude.socket.settimeout(1)
    try:
        for n in range(400):
            rude.send(w.publish("rude", b"", n % 60000 + 1) * 500)
    except TimeoutError:
        pass
    other = wire(broker.tcp).online("polite")
    assert other.send(w.PING).expect(w.PINGRESP) == b""
    rude.reset()
    until("it sleeps again", broker.sleeps)


def test_one_who_keeps_the_broker_busy(broker, wire):
    """The broker never sleeps while somebody floods it, and others are answered all the same."""
    flood, over = wire(broker.tcp).online("flood"), threading.Event()
    data = w.publish("flood/nobody", b"x" * 20, qos=0) * 5000

    def pour():
        while not over.is_set():
            flood.socket.sendall(data)
    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        other = wire(broker.tcp).online("flood-other").subscribed("flood/other")
        for n in range(50):
            other.send(w.publish("flood/other", b"%d" % n, n + 1))
            assert {kind & 0xf0 for kind, _ in (other.next(), other.next())} == {w.PUBACK, w.PUBLISH}
        assert pouring.is_alive()
    finally:
        over.set()
        pouring.join(20)
