"""However the bytes come, the broker sees the same packets, and answers with the same."""
import random
import threading

import pytest

import wire as w
from brokers import until


def talk(port, data, chunks):
    """Sends `data` cut into `chunks`, then no more; all answers, and how the broker ended it."""
    client = w.Wire(port)
    found = []
    reader = threading.Thread(target=lambda: found.append(client.rest()))
    reader.start()
    at = 0
    try:
        for length in chunks:
            client.socket.sendall(data[at:at + length])
            at += length
        client.socket.sendall(data[at:])
        client.socket.shutdown(1)
    except OSError:
        pass  # the broker has had enough, and closed
    reader.join(30)
    assert not reader.is_alive(), "the broker does not end"
    client.close()
    return found[0]


def cut(dice, length):
    """Lengths of pieces: whole, byte by byte, or anything between."""
    largest = dice.choice([1, 3, 100, 5000, 16384, 70000])
    pieces = []
    while length > 0 and len(pieces) < 3000:
        pieces.append(dice.randint(1, largest))
        length -= pieces[-1]
    return pieces


def session(dice, name, version):
    """What one client says: publishes to itself at every QoS, of all lengths, answered in every way."""
    topics = [f"{name}/{i}" for i in range(3)]
    said = [w.connect(name, version), w.subscribe(1, f"{name}/+", dice.choice([0, 1]), version)]
    for mid in range(2, dice.randint(5, 60)):
        length = dice.choice([0, 1, 20, 117, 118, 119, 127, 128, 200, 2000, 16370, 16383, 16384, 16385, 40000])
        payload = dice.randbytes(length)
        qos = dice.choice([0, 1, 1, 2])
        said.append(dice.choice([
            w.publish(dice.choice(topics), payload, mid, qos, version=version),
            w.publish(dice.choice(topics), payload, mid, qos, version=version),
            w.publish(dice.choice(topics), payload[:50], mid, qos % 2, version=version) * dice.randint(1, 40),
            w.answer(w.PUBREL | 2, mid - 1), w.answer(w.PUBACK, dice.randint(1, 10)), w.PING * dice.randint(1, 3)]))
    said.append(w.PING)
    if dice.random() < 0.3:
        said.append(w.BYE)
    return b"".join(said)


@pytest.mark.parametrize("seed", range(40))
def test_same_answers(both, seed):
    dice = random.Random(seed)
    data = session(dice, f"same-{seed}", dice.choice([4, 5]))
    stock, fast = (talk(broker.tcp, data, cut(dice, len(data))) for broker in both)
    assert stock == fast and stock[1] == "end"


@pytest.mark.parametrize("seed", range(40))
def test_same_answers_to_nonsense(both, seed):
    """After a packet that is none the broker closes; if it left something unread, what it had answered may be lost on the
    way: then what has come is the beginning of what the other one's client got."""
    dice = random.Random(1000 + seed)
    data = bytearray(session(dice, f"nonsense-{seed}", dice.choice([4, 5])))
    for _ in range(dice.randint(1, 6)):
        at = dice.choice([dice.randrange(len(data)), dice.randrange(min(60, len(data)))])
        data[at] = dice.choice([data[at] ^ 1 << dice.randrange(8), dice.randrange(256)])
    (stock, stock_end), (fast, fast_end) = (talk(broker.tcp, bytes(data), cut(dice, len(data))) for broker in both)
    shorter = min(len(stock), len(fast))
    assert stock[:shorter] == fast[:shorter]
    assert stock == fast or "reset" in (stock_end, fast_end)
    for broker in both:
        assert w.Wire(broker.tcp).online(f"after-{seed}").send(w.PING).expect(w.PINGRESP) == b""


@pytest.mark.parametrize("data", [b"", b"\x10", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 40000, b"\xc0\x00",
                                  b"\x10\xff\xff\xff\xff\x7f", w.connect("x") * 2, w.connect("x")[:-1]])
def test_not_mqtt(both, data):
    (stock, _), (fast, _) = (talk(broker.tcp, data, []) for broker in both)
    assert stock == fast


def test_byte_by_byte(broker, wire):
    client = wire(broker.tcp)
    for byte in (w.connect("slow-typist") + w.subscribe(1, "typed/#") + w.publish("typed/a", b"x" * 300, 7) + w.PING):
        client.send(bytes([byte]))
    assert client.expect(w.CONNACK) and client.expect(w.SUBACK)
    kinds = sorted(client.next()[0] & 0xf0 for _ in range(3))
    assert kinds == [w.PUBLISH, w.PUBACK, w.PINGRESP]


def test_half_a_packet_waits_for_the_rest(broker, wire):
    """What lies in memory as half a packet does not keep the broker awake, nor is it forgotten."""
    client = wire(broker.tcp).online("halves").subscribed("halves")
    whole = w.publish("halves", b"y" * 1000, 3)
    for at in (1, 2, 3, 10, 500, len(whole) - 1):
        client.send(whole * 3, whole[:at])
        for _ in range(6):
            client.next()
        if at == 500:
            until("it sleeps", broker.sleeps)
        client.send(whole[at:])
        assert {client.next()[0] & 0xf0, client.next()[0] & 0xf0} == {w.PUBLISH, w.PUBACK}


@pytest.mark.parametrize("length", [16000, 16384, 16385, 65536, 300_000, 5_000_000])
def test_large_packets_over_the_border_of_the_buffer(broker, wire, length):
    """Short ones before and behind, so that each large one begins anywhere in a buffer."""
    receiver = wire(broker.tcp).online("large-in").subscribed("large/#")
    sender = wire(broker.tcp).online("large-out")
    payloads = []
    for shift in range(5):
        for size in (10 + shift * 37, length + shift, 3):
            payloads.append(random.Random(size).randbytes(size))
    threading.Thread(target=lambda: sender.send(*(w.publish("large/x", p, i + 1) for i, p in enumerate(payloads)))).start()
    for payload in payloads:
        kind, body = receiver.next()
        assert w.payload_of(body, kind) == payload
    for i in range(len(payloads)):
        assert sender.expect(w.PUBACK) == (i + 1).to_bytes(2, "big")


def test_pipelined_packets_keep_their_order(broker, wire):
    receiver = wire(broker.tcp).online("pipe-in").subscribed("pipe/#")
    sender = wire(broker.tcp).online("pipe-out")
    count = 20_000
    data = b"".join(w.publish("pipe/x", b"%d" % i, i % 60000 + 1) for i in range(count))
    writer = threading.Thread(target=sender.send, args=(data,))
    writer.start()
    acks = threading.Thread(target=lambda: [sender.expect(w.PUBACK) for _ in range(count)])
    acks.start()
    for i in range(count):
        kind, body = receiver.next()
        assert w.payload_of(body, kind) == b"%d" % i
        if i % 500 == 499:
            receiver.send(*(w.answer(w.PUBACK, mid % 65535 + 1) for mid in range(i - 499, i + 1)))
    acks.join(20)
    assert not acks.is_alive() and sender.send(w.PING).expect(w.PINGRESP) == b""


def test_everything_of_a_session_in_one_segment(broker, wire):
    """CONNECT first decides that the client is read ahead; what came with it is not lost."""
    watcher = wire(broker.tcp).online("segment-watcher").subscribed("segment")
    client = wire(broker.tcp).send(w.connect("segment"), w.subscribe(1, "segment"), w.publish("segment", b"m", 2), w.PING, w.BYE)
    kinds = [kind & 0xf0 for kind, _ in client.rest()[0]]
    assert kinds[:2] == [w.CONNACK, w.SUBACK] and sorted(kinds[2:]) == [w.PUBLISH, w.PUBACK, w.PINGRESP]
    assert w.payload_of(watcher.expect(w.PUBLISH), 2) == b"m"


def test_a_busy_client_does_not_keep_the_others_out(broker, wire):
    """While one has always packets waiting, another one gets its answers."""
    busy = wire(broker.tcp).online("busy")
    calm = wire(broker.tcp).online("calm")
    data, going = w.publish("busy", b"x" * 20, qos=0) * 4000, [True]

    def flood():
        while going[0]:
            busy.send(data)
    writer = threading.Thread(target=flood)
    writer.start()
    try:
        for _ in range(50):
            assert calm.send(w.PING).expect(w.PINGRESP) == b""
    finally:
        going[0] = False
        writer.join(20)
    assert busy.send(w.PING).expect(w.PINGRESP) == b""
