"""TCP, WebSocket, TLS, both of TLS and WebSocket; 3.1, 3.1.1 and 5."""
import contextlib
import select
import signal
import socket
import subprocess

import pytest

import packets
from broker import until
from lib.ports import free_port
from service import Service


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    home = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", home / "key.pem", "-out", home / "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return home / "cert.pem", home / "key.pem"


def exchange(service, device, **options):
    device.online(**options)
    number = service.session(device.client_id)
    mids = [device.publish(f"chat/u/bob/m{i}", b"%d" % i * 300) for i in range(50)]
    device.wait_published(*mids)
    records = service.wait_for("record", 50, session=number)
    assert [op["payload"] for op in records] == [b"%d" % i * 300 for i in range(50)]
    for i in range(50):
        service.deliver([number], f"chat/u/bob/{i + 1}/5/bob:phone/x", b"%d" % i * 300)
    got = device.wait_for(f"inbox/{device.user}/chat/", 50)
    assert [payload for _, payload, *_ in got] == [b"%d" % i * 300 for i in range(50)]


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("tls", [False, True])
def test_transport(node, cast, certificate, version, transport, tls):
    port = free_port()
    for path, name in zip(certificate, ("cert.pem", "key.pem")):
        (node.dir / name).write_bytes(path.read_bytes())
    node.lines += [f"listener {port} 127.0.0.1", f"protocol {'websockets' if transport == 'websockets' else 'mqtt'}",
                   f"certfile {node.dir / 'cert.pem'}", f"keyfile {node.dir / 'key.pem'}"]
    node.start()
    service = Service(node).start()
    device = cast("alice:phone", version=version, transport=transport)
    exchange(service, device, **({"tls": certificate[0], "port": port} if tls else {}))
    assert service.of("connected")[0]["mqtt_version"] == version
    device.close()
    service.wait_gone("alice:phone", "closed")
    service.stop()


def test_many_in_one_websocket_frame(service, cast):
    alice = cast("alice:phone", transport="websockets").online()
    service.session("alice:phone")
    for round_ in range(10):
        mids = [alice.publish(f"chat/u/bob/m-{round_}-{i}", b"x" * 50) for i in range(100)]
        alice.wait_published(*mids)
    topics = [op["topic"] for op in service.wait_records(1000)]
    assert topics == [f"chat/u/bob/m-{r}-{i}" for r in range(10) for i in range(100)]
    until("nothing else", lambda: not alice.arrived)


def test_many_at_once(broker, service):
    """Who comes while the broker is busy waits for it, and need not try again a second later; the broker asks for 100."""
    some = min(300, int(open("/proc/sys/net/core/somaxconn").read()))
    assert some > 101 and service.sessions == {}  # it is there: the broker's loop has turned
    waiting = select.poll()
    with contextlib.ExitStack() as coming:
        broker.process.send_signal(signal.SIGSTOP)
        coming.callback(broker.process.send_signal, signal.SIGCONT)
        for _ in range(some):
            last = coming.enter_context(socket.socket())
            last.setblocking(False)
            last.connect_ex(("127.0.0.1", broker.port))
            waiting.register(last, select.POLLOUT)
        until("all are connected", lambda: len(waiting.poll(0)) == some)
        broker.process.send_signal(signal.SIGCONT)
        last.settimeout(15)
        last.sendall(packets.connect("alice:phone", "alice", broker.token("alice", "phone")))
        assert last.recv(4) == b"\x20\x02\x00\x00"
