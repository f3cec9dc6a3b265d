"""Limits per address, device, user and conversation; floods and slow handshakes. 127.0.0.2 and so on stand for others."""
import json
import select
import socket
import struct
import time

import pytest

import packets
from broker import until
from lib.ports import free_port
from service import Service

STRANGER, NEIGHBOUR = "127.0.0.2", "127.0.0.3"
NAMES = ("connections addresses connection-rate auth-failed auth-blocked device-messages user-messages conversation-messages "
         "device-bytes device-requests user-groups device-marks device-typing device-errors overloaded journal-full "
         "not-allowed not-understood").split()


def limits(node, **values):
    """What the limits file says from now on."""
    text = "".join(f"{name} {value}\n" for name, value in values.items())
    (node.dir / "limits.conf").write_text(text)
    node.options["limits_file"] = node.dir / "limits.conf"
    if node.process:
        count = node.log().count("reload keys=")
        node.reload()
        node.wait_log("reload keys=", count + 1)


def begin(node, source, port=None):
    """A TCP connection from that address."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves no port behind it in use
    connection.bind((source, 0))
    connection.settimeout(15)
    connection.connect(("127.0.0.1", port or node.port))
    return connection


def login(node, source, client_id="alice:phone", token=None, port=None):
    """The CONNACK code, or None where the connection is closed without."""
    user, device = client_id.split(":")
    with begin(node, source, port) as connection:
        try:
            connection.sendall(packets.connect(client_id, user, node.token(user, device) if token is None else token))
            answer = connection.recv(4)
        except ConnectionError:
            answer = b""
    return answer[3] if answer else None


def logins(node, source, count, burst):
    """The codes of so many, of which so many are let in at once and one more each second."""
    started = time.monotonic()
    codes = [login(node, source) for _ in range(count)]
    assert codes[:burst] == [0] * burst and set(codes) <= {0, None}
    assert codes.count(0) <= burst + time.monotonic() - started + 0.01, codes  # the broker's clock has milliseconds
    return codes


def counted(service, **least):
    """The plugin's counters as soon as they are that high."""
    def look():
        told = [op["values"] for op in service.of("counters")]
        values = dict(zip(NAMES, told[-1])) if told else {}
        return values if all(values.get(name.replace("_", "-"), 0) >= least[name] for name in least) else None
    return until(f"counters {least}", look)


def test_connections_of_an_address(node):
    limits(node, connections_per_second=1, connections_burst=5, trusted_addresses="127.0.0.1")
    node.start()
    service = Service(node).start()
    codes = logins(node, STRANGER, 10, burst=5)
    assert login(node, NEIGHBOUR) == 0  # others are let in
    for _ in range(20):
        assert login(node, "127.0.0.1") == 0  # as are those that are trusted
    values = counted(service, connection_rate=codes.count(None), connections=codes.count(0) + 21)
    assert values["connections"] == codes.count(0) + 21 and values["addresses"] == 2
    assert node.log().count("refused why=connection-rate address=127.0.0.2") <= codes.count(None)
    limits(node, trusted_addresses="127.0.0.0/8")  # reloaded: its own are back, and everybody is trusted
    assert [login(node, STRANGER) for _ in range(10)] == [0] * 10
    limits(node, trusted_addresses="none", connections_per_second=1, connections_burst=1)
    logins(node, "127.0.0.1", 2, burst=1)
    limits(node, connections_per_second="many")
    node.wait_log("reload failed, the limits stay as they were")
    logins(node, "127.0.0.4", 2, burst=1)
    service.stop()


def test_websocket_connections_of_an_address(node, cast):
    limits(node, connections_per_second=1, connections_burst=2, trusted_addresses="none")
    node.start()  # whose links and devices share 127.0.0.1
    codes, started = [], time.monotonic()
    for i in range(4):
        device = cast(f"alice:d{i}", transport="websockets", version=5)
        try:
            device.begin()
        except Exception:  # closed while it speaks
            device.ended = True
        until("an end", lambda: device.code is not None or device.ended is not None)
        codes.append(device.code)
    assert codes[:2] == [0, 0] and codes.count(0) <= 2 + time.monotonic() - started + 0.01, codes


def test_failed_logins(node, cast):
    limits(node, auth_failures_per_minute=1, auth_failures_burst=3, trusted_addresses="127.0.0.1")
    node.start()
    service = Service(node).start()
    assert [login(node, STRANGER, token="wrong") for _ in range(3)] == [5, 5, 5]
    assert login(node, STRANGER, token="wrong") is None  # not looked at any more
    assert login(node, STRANGER) is None
    assert login(node, NEIGHBOUR) == 0
    for _ in range(20):
        assert login(node, "127.0.0.1", token="wrong") == 5
    values = counted(service, auth_failed=23, auth_blocked=2)
    assert (values["auth-failed"], values["auth-blocked"]) == (23, 2)
    assert Service(node, "other").connect(password="0" * 64) == 5  # a service's is one, too
    counted(service, auth_failed=24)
    node.stop()
    node.start()
    assert login(node, STRANGER) == 0  # nothing is kept
    service.stop()


@pytest.mark.parametrize("version", [4, 5])
def test_bytes_of_a_device(node, cast, version):
    limits(node, bytes_per_second=2048, bytes_burst=196608)
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone", version=version).online()
    for i in range(3):
        assert alice.send(f"chat/u/bob/m{i}", b"x" * 65536) == 0
    assert alice.send("chat/u/bob/m3", b"x" * 65536) == 0
    (topic, payload, *_), = alice.wait_for("inbox/alice/error/u/bob/")
    assert topic == "inbox/alice/error/u/bob/m3/rate-limited"
    assert 20000 <= json.loads(payload)["retry_after_ms"] <= 32000 and "bytes" in json.loads(payload)["message"]
    alice.send("rpc/devices/r1", b'{"x":"' + b"y" * 60000 + b'"}')
    (_, payload, *_), = alice.wait_for("inbox/alice/rpc/r1")
    assert json.loads(payload)["error"]["code"] == "rate-limited"
    alice.close()
    alice.online()  # nothing is gained by coming again
    alice.send("chat/u/bob/m4", b"x" * 65536)
    alice.wait_for("inbox/alice/error/u/bob/m4/rate-limited")
    other = cast("alice:tablet").online()
    assert other.send("chat/u/bob/m5", b"x" * 65536) == 0
    service.wait_for("record", topic="chat/u/bob/m5")
    assert counted(service, device_bytes=3)["device-bytes"] == 3
    assert len([op for op in service.of("record") if op["topic"].startswith("chat/")]) == 4
    service.stop()


def test_groups_of_a_user(node, cast):
    limits(node, groups_per_hour=2, groups_burst=2)
    node.start()
    service = Service(node).start()
    phone, tablet = cast("alice:phone").online(), cast("alice:tablet").online()
    phone.send("rpc/group.create/r1", b"{}")
    tablet.send("rpc/group.create/r2", b"{}")
    phone.send("rpc/group.create/r3", b"{}")
    (_, payload, *_), = phone.wait_for("inbox/alice/rpc/r3")
    error = json.loads(payload)["error"]
    assert error["code"] == "rate-limited" and 1700000 <= error["retry_after_ms"] <= 1800000
    phone.send("rpc/group.info/r4", b"{}")  # all else goes on
    cast("bob:phone").online().send("rpc/group.create/r5", b"{}")
    service.wait_for("record", topic="rpc/group.create/r5")
    assert [op["topic"].rsplit("/", 1)[1] for op in service.of("record")] == ["r1", "r2", "r4", "r5"]
    assert counted(service, user_groups=1)["user-groups"] == 1
    service.stop()


def test_messages_of_a_conversation(node, cast):
    limits(node, conversation_messages_per_second=1, conversation_messages_burst=10)
    node.start()
    service = Service(node).start()
    alice, bob, carol = (cast(f"{name}:phone").online() for name in ("alice", "bob", "carol"))
    with node.halted(alice, bob):
        for i in range(11):  # both sides name it differently
            device, other = (alice, "bob") if i % 2 else (bob, "alice")
            device.publish(f"chat/u/{other}/m{i}")
    (_, payload, *_), = until("one is refused", lambda: [one for device in (alice, bob) for one in list(device.arrived)])
    assert 1 <= json.loads(payload)["retry_after_ms"] <= 1000 and "conversation" in json.loads(payload)["message"]
    service.wait_records(10)
    assert alice.send("chat/u/carol/c1") == 0
    with node.halted(alice, bob, carol):
        for i in range(4):
            for device in (alice, bob, carol):
                device.publish(f"chat/g/kitchen/{device.user}{i}")
    until("two of the group are refused", lambda: sum(
        topic.endswith("rate-limited") for device in (alice, bob, carol) for topic, *_ in list(device.arrived)
        if "/g/kitchen/" in topic) in (1, 2))
    service.wait_for("record", topic="chat/u/carol/c1")
    counted(service, conversation_messages=2)
    service.stop()


def test_everything_else_is_counted(node, cast):
    node.options |= {"messages_per_second": 1, "messages_burst": 1, "requests_per_second": 1, "requests_burst": 1}
    node.start()
    started = time.monotonic()
    service = Service(node).start()
    alice = cast("alice:phone").online()
    with node.halted(alice):
        alice.publish("chat/u/bob/m1")
        alice.publish("chat/u/bob/m2")
        alice.publish("rpc/devices/r1", b"{}")
        alice.publish("rpc/devices/r2", b"{}")
        alice.publish("nonsense")
        alice.publish("typing/u/bob", b"?")
        for _ in range(60):
            alice.publish("typing/u/bob", b"1", 0)
    values = counted(service, device_messages=1, device_requests=1, not_allowed=1, not_understood=1, device_typing=20)
    assert (values["device-messages"], values["device-requests"]) == (1, 1)
    before, passed_s = len(service.of("counters")), time.monotonic() - started
    service.stop()
    service = Service(node).start()  # a new link is told all of it
    assert counted(service, device_messages=1)["connections"] == 1
    assert before <= 1 + passed_s, "at most once a second"
    service.stop()


# ---- connections that say nothing, or not all ----
def chat_works(node, service, alice, number):
    assert alice.send(f"chat/u/bob/m{number}") == 0
    service.wait_for("record", topic=f"chat/u/bob/m{number}")
    service.deliver([service.session("alice:phone")], f"sent/u/bob/{number}/5/m{number}", qos=0)
    alice.wait_for(f"inbox/alice/sent/u/bob/{number}/5/m{number}")


def test_slow_handshakes_stop_nobody(node, cast):
    """Sockets that never say CONNECT, or half of one, or of a WebSocket's handshake."""
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone").online()
    whole = packets.connect("alice:slow", "alice", node.token("alice", "slow"))
    silent = [begin(node, STRANGER) for _ in range(150)]
    for i in range(150):
        silent.append(begin(node, STRANGER))
        silent[-1].sendall(whole[:1 + i % (len(whole) - 1)])
    for _ in range(50):
        silent.append(begin(node, STRANGER, node.ws_port))
        silent[-1].sendall(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")
    chat_works(node, service, alice, 1)
    for transport in ("tcp", "websockets"):
        other = cast(f"bob:{transport}", transport=transport).online()
        service.session(f"bob:{transport}")
        other.close()
    slow = silent[160]  # one of them goes on after all
    slow.sendall(whole[1 + 10 % (len(whole) - 1):])
    assert slow.recv(4) == b"\x20\x02\x00\x00"
    chat_works(node, service, alice, 2)
    for connection in silent:
        connection.close()
    service.stop()


def test_a_flood_of_connections_stops_nobody(node, cast):
    """Logins that are no good, as fast as one stranger can: the others chat, and are let in."""
    limits(node, auth_failures_per_minute=1, auth_failures_burst=5, connections_per_second=10, connections_burst=50,
           trusted_addresses="127.0.0.1")
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone").online()
    wrong = packets.connect("mallory:phone", "mallory", "x" * 300)
    flood = []
    for number in range(1, 11):
        for _ in range(60):
            flood.append(begin(node, STRANGER))
            flood[-1].sendall(wrong)
        chat_works(node, service, alice, number)
        assert login(node, NEIGHBOUR, f"bob:d{number}") == 0
    values = counted(service, auth_failed=5, auth_blocked=595)
    assert values["auth-failed"] == 5
    until("all of it is closed", lambda: len(select.select(flood, [], [], 0)[0]) == len(flood))
    assert node.log().count("gnatter refused") <= 5 + 20
    for connection in flood:
        connection.close()
    service.stop()


def test_listeners_that_are_full(node, cast):
    """max_connections is a listener's: one that is full takes nobody else in, and those in it are not disturbed."""
    port = free_port()
    node.lines = [f"listener {port} 127.0.0.1", "max_connections 10"]
    node.start()
    service = Service(node).start()
    alice = cast("alice:phone").connect(port=port)
    assert alice.subscribe("inbox/alice/#") == 1
    silent = [begin(node, STRANGER, port) for _ in range(30)]
    until("most are closed", lambda: len(select.select(silent, [], [], 0)[0]) == 21)
    chat_works(node, service, alice, 1)
    cast("bob:phone").online()  # at the other listener
    for connection in silent:
        connection.close()
    until("there is room again", lambda: login(node, STRANGER, "alice:tablet", port=port) == 0)
    service.stop()
