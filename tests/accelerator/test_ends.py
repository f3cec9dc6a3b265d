"""Beginnings and ends of connections, and of the broker; and where the accelerator keeps out."""
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import wire as w
from brokers import LIBRARY, MOSQUITTO, TIMEOUT, Broker, until


@pytest.fixture
def own():
    """Makes brokers for one test."""
    made = []

    def make(*args, **options):
        made.append(Broker(*args, **options))
        return made[-1]
    yield make
    for broker in made:
        broker.remove()


# ---- what was written before a close arrives ----
def test_refused_and_closed(broker, wire):
    client = wire(broker.tcp).send(w.connect("old", version=9))
    assert client.rest() == ([(w.CONNACK, b"\x00\x01")], "end")


def test_told_why_and_closed(broker, wire):
    """MQTT 5 says it before it closes: this packet would be too large, 0x95."""
    client = wire(broker.tcp).online("too-large", version=5).send(w.PING * 100, b"\x30\xff\xff\xff\x7f")
    assert client.rest() == ([(w.PINGRESP, b"")] * 100 + [(w.DISCONNECT, b"\x95")], "end")


def test_taken_over(broker, wire):
    first = wire(broker.tcp).online("twice").subscribed("twice").send(w.PING * 100)
    second = wire(broker.tcp).online("twice")
    packets, _ = first.rest()
    assert packets == [(w.PINGRESP, b"")] * len(packets)
    assert second.send(w.PING).expect(w.PINGRESP) == b""


def test_publish_and_gone(broker, wire):
    """The sender has closed before the broker reads."""
    watcher = wire(broker.tcp).online("watcher").subscribed("gone/#")
    for i in range(50):
        client = wire(broker.tcp)
        client.send(w.connect(f"gone-{i}"), *(w.publish("gone/x", b"%d %d" % (i, n), qos=0) for n in range(40)), w.BYE)
        client.close()
    got = [w.payload_of(watcher.expect(w.PUBLISH), 0) for _ in range(2000)]
    for i in range(50):
        assert [p for p in got if p.startswith(b"%d " % i)] == [b"%d %d" % (i, n) for n in range(40)]


def test_will_after_reset(broker, wire):
    watcher = wire(broker.tcp).online("will-watcher").subscribed("will/#")
    for i in range(20):
        client = wire(broker.tcp).online(f"mortal-{i}", will=(f"will/{i}", "gone"))
        client.send(w.subscribe(1, "noise"), w.publish("noise", b"x" * 5000, 2) * 3)
        client.reset()
    topics = {watcher.expect(w.PUBLISH)[2:9].split(b"\x00")[0] for _ in range(20)}
    assert len(topics) == 20


def test_a_broken_connection_does_not_hurt_others(broker, wire):
    """Messages to one who is gone without the broker knowing: the next write fails, and only that client ends."""
    sender = wire(broker.tcp).online("hurt-sender")
    steady = wire(broker.tcp).online("hurt-steady").subscribed("hurt")
    for i in range(100):
        broken = wire(broker.tcp).online(f"hurt-{i}").subscribed("hurt")
        sender.send(*(w.publish("hurt", b"%d" % i, n + 1) for n in range(10)))
        broken.reset()
    got = [w.payload_of(steady.expect(w.PUBLISH), 2) for _ in range(1000)]
    assert got == [b"%d" % (n // 10) for n in range(1000)]


def test_descriptors_used_again(broker, wire):
    """A new connection gets nothing that was read or written for the one that had its descriptor before."""
    keeper = wire(broker.tcp).online("reuse-keeper")
    keeper.send(*(w.publish(f"reuse/{i}", b"%d" % i * 2000, i + 1, retain=True) for i in range(20)))
    for i in range(20):
        keeper.expect(w.PUBACK)
    before = broker.descriptors()
    for i in range(200):
        old = wire(broker.tcp).online(f"reuse-old-{i}")
        old.send(w.subscribe(1, "reuse/#"), w.PING * 50, w.publish("reuse/none", b"", 3)[:9])
        old.reset() if i % 2 else old.close()
        new = wire(broker.tcp).online(f"reuse-new-{i}")
        assert new.send(w.PING).expect(w.PINGRESP) == b""
        new.close()
    until("descriptors are closed", lambda: broker.descriptors() <= before + 2)


def test_half_closed(broker, wire):
    """The end of what a client sends is seen behind everything it has sent."""
    client = wire(broker.tcp).send(w.connect("half"), w.PING * 500)
    client.socket.shutdown(socket.SHUT_WR)
    packets, _ = client.rest()
    assert [kind for kind, _ in packets] == [w.CONNACK] + [w.PINGRESP] * 500


@pytest.mark.parametrize("after_ms", [0, 2, 4, 6, 8])
@pytest.mark.parametrize("accelerated", [False, True])
def test_orderly_stop(own, accelerated, after_ms, wire):
    """Told to end while it works, it has written each message to all or to none, and what it has written arrives. In
    packets of several lengths, which are not sent at once; and anywhere between two times that it sends."""
    broker = own(accelerated).start()
    kinds = [(version, qos) for version in (4, 5) for qos in (0, 1)]
    clients = [(wire(broker.tcp).online(f"stop-{version}-{qos}", version=version).subscribed("stop", qos, version), version)
               for version, qos in kinds]
    sender = wire(broker.tcp).online("stop-sender")
    sender.send(*(w.publish("stop", b"%060d" % n, mid=n + 1) for n in range(3000)))
    sender.expect(w.PUBACK)
    time.sleep(after_ms / 1000)
    assert broker.stop() == 0
    got = [[int(w.payload_of(body, kind, version)) for kind, body in client.rest()[0] if kind & 0xf0 == w.PUBLISH]
           for client, version in clients]
    assert got[0] == list(range(len(got[0]))) and got.count(got[0]) == len(got), [len(one) for one in got]


def test_in_the_background(own, wire):
    """mosquitto -d forks before it has clients: the child goes on with it."""
    broker = own(True).start()
    broker.stop()
    with open(broker.dir / "mosquitto.conf", "a") as conf:
        conf.write(f"pid_file {broker.dir}/pid\n")
    (broker.dir / "mosquitto.log").unlink()
    assert subprocess.run([MOSQUITTO, "-d", "-c", broker.dir / "mosquitto.conf"], env=broker.environment,
                          capture_output=True, timeout=TIMEOUT).returncode == 0
    pid = int(until("a pid", lambda: (broker.dir / "pid").exists() and (broker.dir / "pid").read_text()))
    try:
        maps = open(f"/proc/{pid}/maps").read()
        until("it listens", lambda: socket.socket().connect_ex(("127.0.0.1", broker.tcp)) == 0)
        client = wire(broker.tcp).online("daemon").subscribed("daemon").send(w.publish("daemon", b"x", 2))
        assert {client.next()[0] & 0xf0, client.next()[0] & 0xf0} == {w.PUBLISH, w.PUBACK}
        assert "gnatter-accelerator" in maps
    finally:
        os.kill(pid, signal.SIGTERM)


# ---- where it keeps out ----
def test_switched_off(own, wire):
    broker = own(True, environment={"GNATTER_ACCELERATOR": "off"}).start()
    assert not broker.is_at_work() and "accelerator off: GNATTER_ACCELERATOR" in broker.said()
    assert wire(broker.tcp).online("x").send(w.PING).expect(w.PINGRESP) == b""


def test_unknown_version(own, wire):
    """A broker whose source was not read is served by its own calls alone."""
    broker = own(True)
    program = broker.dir / "mosquitto"
    code = open(MOSQUITTO, "rb").read()
    assert code.count(b"\x002.0.11\x00") == 1
    program.write_bytes(code.replace(b"\x002.0.11\x00", b"\x002.0.99\x00"))
    program.chmod(0o755)
    broker.program = program
    broker.start()
    assert not broker.is_at_work() and "accelerator off: this is not Mosquitto 2.0.11" in broker.said()
    assert wire(broker.tcp).online("x").send(w.PING).expect(w.PINGRESP) == b""


def test_other_programs():
    done = subprocess.run([shutil.which("cat"), "/proc/self/maps"], env={**os.environ, "LD_PRELOAD": str(LIBRARY)},
                          capture_output=True, text=True)
    assert LIBRARY.name in done.stdout and "memfd:gnatter" not in done.stdout and done.stderr == ""
