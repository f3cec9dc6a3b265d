"""MQTT 3.1.1 by hand, where a client library would be too slow or too kind."""
import struct


def string(text):
    return struct.pack(">H", len(text)) + text.encode()


def packet(kind, body):
    length, left = b"", len(body)
    while left or not length:
        length += bytes([left % 128 | (0x80 if left > 127 else 0)])
        left //= 128
    return bytes([kind]) + length + body


def connect(client_id, user, password):
    return packet(0x10, string("MQTT") + b"\x04\xc2\x00\x3c" + string(client_id) + string(user) + string(password))


def subscribe(mid, topic):
    return packet(0x82, struct.pack(">H", mid) + string(topic) + b"\x01")


def publish(mid, topic, payload=b""):
    return packet(0x32, string(topic) + struct.pack(">H", mid) + payload)
