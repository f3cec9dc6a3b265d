"""A short life of everything under valgrind: no wrong access, nothing leaked."""
import pathlib
import shutil
import signal
import socket
import time

import packets
import pytest

from broker import until
from service import Service


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")
def test_valgrind(node, cast):
    node.command = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
                    "--errors-for-leak-kinds=definite", "--keep-debuginfo=yes", "--vgdb=no",
                    "--num-callers=30", f"--suppressions={pathlib.Path(__file__).with_name('mosquitto.supp')}"]
    node.options |= {"journal_bytes": 1024 * 1024, "messages_per_second": 20, "messages_burst": 30}
    node.start(timeout=60)
    service = Service(node).start()
    now, number = int(time.time()), 0
    for version in (4, 5):
        expiry = {"expiry": 100} if version == 5 else {}
        alice = cast("alice:phone", version=version, transport="websockets" if version == 5 else "tcp")
        alice.connect(clean=False, **expiry)
        for topic in ("inbox/alice/chat/#", "inbox/alice/#", "presence/bob", "#", "inbox/bob/#"):
            alice.subscribe(topic)
        alice.unsubscribe("inbox/alice/chat/#")
        for i in range(60):
            alice.publish(f"chat/u/bob/m{i}", b"x" * i * 50)
        alice.send("chat/u/bob/large", b"x" * 70000)
        alice.send("nonsense/\u00e9\"")
        alice.send("typing/u/bob", b"?")
        alice.send("rpc/devices/1", b"{}", **({"correlation": b"abc"} if version == 5 else {}))
        alice.send("ack", b"u/bob 1\n" * 100)
        number = service.session("alice:phone", after=number)
        service.deliver([number, 9999], "chat/u/bob/1/5/bob:phone/x", b"y" * 5000)
        service.send({"op": "deliver", "sessions": [number] * 300, "tail": "history/chat/u/bob/1/5/bob:phone/x",
                      "payload": b"z" * 3000, "qos": 1},
                     {"op": "deliver", "sessions": [number], "tail": "rpc/1", "flags": 1, "qos": 1,
                      "correlation": b"abc"},
                     {"op": "presence", "sessions": [number], "tail": "bob", "payload": b"online", "qos": 0})
        alice.wait_for("inbox/alice/rpc/1")
        alice.wait_for("presence/bob")
        alice.wait_for("inbox/alice/error/-/-/denied")
        again = cast("alice:phone", version=version).connect(clean=False, **expiry)
        alice.wait_ended()
        if version == 5:  # which is ended again at once where the first has not acknowledged all
            until("it is there or has ended", lambda: again.ended is not None
                  or any(session["client_id"] == "alice:phone" for session in service.sessions.values()))
            again.close()
        else:
            number = service.session("alice:phone", after=number)
            again.drop()
        service.send({"op": "revoked_begin"}, {"op": "revoke", "name": "bob", "valid_after_s": now, "kick": 1},
                     {"op": "revoked_end"})
        kicked = cast("carol:phone", version=version).online()
        service.send({"op": "kick", "session": service.session("carol:phone")},
                     {"op": "revoke", "name": "dave", "valid_after_s": now + 9, "kick": 1})
        kicked.wait_ended()
        cast("eve:phone", version=version).connect_refused(token="x.y.z")
    node.reload()
    node.wait_log("reload keys=2")
    service.drop()
    alice = cast("alice:phone").online()
    sent = 0
    while alice.ended is None and sent < 200:  # until the journal refuses, and beyond
        alice.publish("chat/u/bob/x", b"x" * 40000)
        sent += 1
        time.sleep(0.02)
    service.start()
    service.send_raw(b"garbage")
    until("the link is dropped", lambda: service.ended)
    service.stop()
    code = node.end(signal.SIGTERM, timeout=60)
    assert code == 0, node.log()


def test_subscribing_again_takes_no_memory(node):
    """Of Mosquitto 2.0.11 it takes some for each time, for ever, when the filter stays as it is."""
    filters = ["inbox/alice/#", "presence/bob", "inbox/alice/chat/" + "+/" * 140 + "+"]
    node.options["limits"] = "off"
    node.lines.append("log_type none")
    node.start()

    def memory():
        return int(next(line for line in open(f"/proc/{node.process.pid}/status")
                        if line.startswith("RssAnon:")).split()[1])
    with socket.create_connection(("127.0.0.1", node.port)) as alice:
        def take(length):
            while length > 0:
                got = alice.recv(length)
                assert got, "closed"
                length -= len(got)
        alice.sendall(packets.connect("alice:phone", "alice", node.token("alice", "phone")))
        take(4)
        burst = b"".join(packets.subscribe(1, one) for one in filters) * 100
        for count in range(201):
            alice.sendall(burst)
            take(5 * 3 * 100)
            if count == 0:
                before = memory()
        assert memory() - before < 1000  # KiB, of what would be 8,500
