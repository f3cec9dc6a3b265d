"""TLS, WebSocket, both, and Unix sockets: the accelerator leaves what they carry alone."""
import random
import socket
import ssl
import threading

import paho.mqtt.client as mqtt
import pytest

import wire as w
from brokers import until


class Chatter:
    """A paho client that keeps what comes."""
    def __init__(self, broker, name, transport, tls, version):
        self.got, self.published, self.ready = [], set(), threading.Event()
        options = {} if version == 5 else {"clean_session": True}
        self.client = mqtt.Client(name, transport=transport, protocol=version, reconnect_on_failure=False, **options)
        if tls:
            self.client.tls_set_context(broker.trust())
        self.client.max_inflight_messages_set(1000)
        self.client.on_connect = lambda client, *_: client.subscribe(f"{name}/#", 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _c, _u, message: self.got.append(message.payload)
        self.client.on_publish = lambda _c, _u, mid: self.published.add(mid)
        port = {(False, False): broker.tcp, (False, True): broker.tls, (True, False): broker.ws, (True, True): broker.wss}
        self.client.connect("127.0.0.1", port[transport == "websockets", tls])
        self.client.loop_start()
        assert self.ready.wait(20)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("version", [mqtt.MQTTv311, mqtt.MQTTv5])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("tls", [False, True])
def test_exchange(broker, transport, tls, version):
    dice, count = random.Random(1), 150 if transport == "tcp" else 25
    left, right = (Chatter(broker, name, transport, tls, version) for name in ("left", "right"))
    try:
        payloads = [dice.randbytes(dice.choice([0, 1, 100, 4000, 16384, 70_000])) for _ in range(count)]
        for payload in payloads:
            left.client.publish("right/x", payload, 1)
            right.client.publish("left/x", payload[::-1], 1)
        until("all has come", lambda: len(left.got) == len(right.got) == count)
        assert right.got == payloads and left.got == [payload[::-1] for payload in payloads]
        until("all is confirmed", lambda: len(left.published) == len(right.published) == count)
    finally:
        left.close()
        right.close()


def tls_wire(broker):
    """A connection with TLS that the test drives by hand: the records come in any pieces."""
    arrive, leave = ssl.MemoryBIO(), ssl.MemoryBIO()
    return socket.create_connection(("127.0.0.1", broker.tls), 20), arrive, leave, broker.trust().wrap_bio(
        arrive, leave, server_hostname="127.0.0.1")


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_tls_in_pieces(broker, piece):
    plain, arrive, leave, tls = tls_wire(broker)

    def turn(action):
        """Does it, moving records, those to the broker in pieces."""
        while True:
            try:
                done = action()
            except ssl.SSLWantReadError:
                done = None
            data = leave.read()
            for at in range(0, len(data), piece):
                plain.sendall(data[at:at + piece])
            if done is not None:
                return done
            arrive.write(plain.recv(65536))
    with plain:
        turn(lambda: tls.do_handshake() or True)
        turn(lambda: tls.write(w.connect("pieces") + w.subscribe(1, "pieces") + w.publish("pieces", b"p" * 3000, 2) + w.PING))
        packets, left = [], b""
        while len(packets) < 5:
            found, left = w.split(left + turn(lambda: tls.read(65536)))
            packets += found
        kinds = [kind & 0xf0 for kind, _ in packets]
        assert kinds[:2] == [w.CONNACK, w.SUBACK] and sorted(kinds[2:]) == [w.PUBLISH, w.PUBACK, w.PINGRESP]


def test_mqtt_to_the_port_of_tls_and_the_other_way_round(both, wire):
    for broker in both:
        assert wire(broker.tls).send(w.connect("lost")).rest()[0][:1] != [(w.CONNACK, b"\x00\x00")]
        with socket.create_connection(("127.0.0.1", broker.tcp), 20) as plain, pytest.raises(OSError):
            broker.trust().wrap_socket(plain, server_hostname="127.0.0.1")
        assert wire(broker.tcp).online("found").send(w.PING).expect(w.PINGRESP) == b""


def test_unix_socket(broker):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(broker.dir / "socket"))
        client.sendall(w.connect("unix") + w.subscribe(1, "unix") + w.publish("unix", b"u" * 40_000, 2, 0) + w.PING)
        packets, left = [], b""
        while len(packets) < 4:
            found, left = w.split(left + client.recv(65536))
            packets += found
        assert [kind & 0xf0 for kind, _ in packets] == [w.CONNACK, w.SUBACK, w.PUBLISH, w.PINGRESP]
