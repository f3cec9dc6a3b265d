"""MQTT by hand, byte for byte."""
import contextlib
import socket
import struct

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT = (
    0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xb0, 0xd0, 0xe0)
PING = b"\xc0\x00"
BYE = b"\xe0\x00"


def string(text):
    return struct.pack(">H", len(text)) + text.encode()


def packet(kind, body=b""):
    length, left = b"", len(body)
    while left or not length:
        length += bytes([left % 128 | (0x80 if left > 127 else 0)])
        left //= 128
    return bytes([kind]) + length + body


def connect(client_id, version=4, clean=True, keepalive=0, will=None):
    """will: topic and payload, at QoS 1."""
    flags = (2 if clean else 0) | (0x0c if will else 0)
    properties = b"\x00" if version == 5 else b""
    body = string("MQTT") + struct.pack(">BBH", version, flags, keepalive) + properties + string(client_id)
    if will:
        body += properties + string(will[0]) + string(will[1])
    return packet(0x10, body)


def subscribe(mid, topic, qos=1, version=4):
    return packet(0x82, struct.pack(">H", mid) + (b"\x00" if version == 5 else b"") + string(topic) + bytes([qos]))


def unsubscribe(mid, topic, version=4):
    return packet(0xa2, struct.pack(">H", mid) + (b"\x00" if version == 5 else b"") + string(topic))


def publish(topic, payload=b"", mid=1, qos=1, retain=False, version=4):
    return packet(0x30 | qos << 1 | retain, string(topic) + (struct.pack(">H", mid) if qos else b"")
                  + (b"\x00" if version == 5 else b"") + payload)


def answer(kind, mid):
    return packet(kind, struct.pack(">H", mid))


def payload_of(body, kind, version=4):
    """Of a PUBLISH without properties."""
    topic_len = struct.unpack(">H", body[:2])[0]
    return body[2 + topic_len + (2 if kind & 6 else 0) + (1 if version == 5 else 0):]


def split(data):
    """Packets as (first byte, body), and what is left of the last."""
    packets, at = [], 0
    while True:
        length, shift, head = 0, 0, at + 1
        while head < len(data):
            length |= (data[head] & 0x7f) << shift
            shift += 7
            head += 1
            if not data[head - 1] & 0x80:
                break
        else:
            return packets, data[at:]
        if len(data) < head + length:
            return packets, data[at:]
        packets.append((data[at], data[head:head + length]))
        at = head + length


class Wire:
    """A socket to a broker: what is sent is up to the test."""
    def __init__(self, port, timeout=20, receive_bytes=None, tls=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.left, self.packets = b"", []

    def send(self, *packets):
        self.socket.sendall(b"".join(packets))
        return self

    def next(self):
        """The next packet; None at the end."""
        while not self.packets:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.packets, self.left = split(self.left + data)
        return self.packets.pop(0)

    def expect(self, kind):
        """The body of the next packet, which is of that kind."""
        found = self.next()
        assert found is not None and found[0] & 0xf0 == kind, f"{found} is no {kind:#x}"
        return found[1]

    def online(self, client_id, **options):
        self.send(connect(client_id, **options))
        assert self.expect(CONNACK)[1] == 0
        return self

    def subscribed(self, topic, qos=1, version=4):
        self.send(subscribe(1, topic, qos, version))
        self.expect(SUBACK)
        return self

    def rest(self):
        """All until the broker closes, as packets; and how it did: "end" or "reset"."""
        packets, how = self.packets, "end"
        self.packets = []
        with contextlib.suppress(ConnectionResetError):
            while True:
                data = self.socket.recv(65536)
                if not data:
                    return packets, how
                found, self.left = split(self.left + data)
                packets += found
        return packets, "reset"

    def reset(self):
        """Ends without a word: the broker's next write fails."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
