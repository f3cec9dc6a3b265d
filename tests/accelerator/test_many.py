"""Many connections at once; ACCELERATOR_CONNECTIONS=20000 for as many as a soak takes."""
import os
import resource
import selectors

import pytest

import wire as w
from brokers import Broker, until

CONNECTIONS = int(os.environ.get("ACCELERATOR_CONNECTIONS", "1000"))
AT_ONCE = 100


@pytest.fixture
def crowded():
    """A broker that may have as many descriptors as the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 80
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    except (ValueError, OSError):
        pytest.fail(f"this takes {wanted} descriptors, and the hard limit is {hard}")
    broker = Broker(True)
    try:
        yield broker.start()
    finally:
        broker.remove()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, wanted)))


def received(clients, count):
    """Payloads for each client, `count` of them, however they come."""
    got = {client: [] for client in clients}
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        missing = len(clients)
        while missing:
            ready = selector.select(20)
            assert ready, f"{missing} clients wait in vain"
            for key, _ in ready:
                data = key.data.socket.recv(65536)
                assert data, "closed"
                packets, key.data.left = w.split(key.data.left + data)
                had = len(got[key.data])
                got[key.data] += [w.payload_of(body, kind) for kind, body in packets if kind & 0xf0 == w.PUBLISH]
                missing -= had < count <= len(got[key.data])
    return got


def test_many_connections(crowded):
    until("those who looked whether it listens are gone", crowded.sleeps)
    empty = crowded.descriptors()
    clients = []
    for begin in range(0, CONNECTIONS, AT_ONCE):
        some = [w.Wire(crowded.tcp) for _ in range(begin, min(begin + AT_ONCE, CONNECTIONS))]
        for i, client in enumerate(some, begin):
            client.send(w.connect(f"many-{i}"), w.subscribe(1, "many/all"), w.subscribe(2, f"many/{i}"))
        for client in some:
            assert [client.expect(kind) for kind in (w.CONNACK, w.SUBACK, w.SUBACK)]
        clients += some
    assert crowded.descriptors() == empty + CONNECTIONS
    sender = w.Wire(crowded.tcp).online("sender")
    sender.send(*(w.publish("many/all", b"all %d" % n, qos=0) for n in range(10)))
    for client, payloads in received(clients, 10).items():
        assert payloads == [b"all %d" % n for n in range(10)]
    sender.send(*(w.publish(f"many/{i}", b"%d" % i, qos=0) for i in range(CONNECTIONS)))
    got = received(clients, 1)
    assert [got[client] for client in clients] == [[b"%d" % i] for i in range(CONNECTIONS)]
    for i, client in enumerate(clients):
        client.reset() if i % 3 == 0 else client.close()
    sender.close()
    until("all are gone", lambda: crowded.descriptors() == empty, timeout=60)
    until("it sleeps", crowded.sleeps)
    assert w.Wire(crowded.tcp).online("after").send(w.PING).expect(w.PINGRESP) == b""
