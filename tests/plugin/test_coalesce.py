"""What goes to one device in a turn of the broker's loop leaves together; what goes alone is not held."""
import os
import socket
import struct

import pytest

from lib.ports import free_port
from service import Service

MESSAGES = 20
ACCELERATED = os.environ.get("GNATTER_ACCELERATOR") == "on"
SEGMENTS_OFFSET = 152  # of tcpi_data_segs_in in struct tcp_info (linux/tcp.h)


def segments_received(device):
    connection = device.client.socket()
    info = getattr(connection, "_socket", connection).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("<I", info, SEGMENTS_OFFSET)[0]


def segments_of_one_turn(service, device, after=0):
    number = service.session(device.client_id, after=after)
    before = segments_received(device)
    service.send(*({"op": "deliver", "sessions": [number], "payload": b"%d" % seq, "qos": 0,
                    "tail": f"chat/u/bob/{seq}/5/bob:phone/m"} for seq in range(1, MESSAGES + 1)))
    got = device.wait_for("inbox/alice/chat/", MESSAGES)
    assert [payload for _, payload, *_ in got] == [b"%d" % seq for seq in range(1, MESSAGES + 1)]
    return segments_received(device) - before


@pytest.mark.parametrize("version", [4, 5])
def test_one_turn_is_one_segment(service, cast, version):
    assert segments_of_one_turn(service, cast("alice:phone", version=version).online()) <= 2


def test_websocket(service, cast):
    segments = segments_of_one_turn(service, cast("alice:phone", transport="websockets").online())
    assert segments <= 2 or ACCELERATED  # then nothing is corked, and it leaves WebSocket alone


def test_ipv6(node, cast):
    port = free_port()
    node.lines = [f"listener {port} ::1"]
    service = Service(node.start()).start()
    assert segments_of_one_turn(service, cast("alice:phone").online(host="::1", port=port)) <= 2
    service.stop()


def test_switched_off(node, cast):
    node.options["coalesce"] = "off"
    service = Service(node.start()).start()
    segments = segments_of_one_turn(service, cast("alice:phone").online())
    # one for each, until a connection that is so young (initcwnd) has to wait for the peer
    assert segments >= 10 or ACCELERATED
    service.stop()


def test_turn_after_turn(service, cast):
    """Each turn's are held for no longer than to the next, also when nothing else turns the loop."""
    device = cast("alice:phone").online()
    number = service.session(device.client_id)
    for seq in range(1, 200, 2):
        service.send(*({"op": "deliver", "sessions": [number], "payload": b"x", "qos": 1,
                        "tail": f"chat/u/bob/{seq + i}/5/bob:phone/m"} for i in range(2)))
        device.wait_for("inbox/alice/chat/", seq + 1)


def test_gone_while_corked(service, cast):
    device = cast("alice:phone").online()
    number = service.session(device.client_id)
    for seq in range(1, 51):
        service.send(*({"op": "deliver", "sessions": [number], "payload": b"x" * 1000, "qos": 1,
                        "tail": f"chat/u/bob/{seq}{i}/5/bob:phone/m"} for i in range(10)))
        if seq == 25:
            device.drop()
    again = cast("alice:phone").online()
    assert segments_of_one_turn(service, again, after=number) <= 2
