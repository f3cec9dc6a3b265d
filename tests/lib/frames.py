"""Frames between the broker's plugin and the sync service, as clients/protocol/frame.h says; written anew from that page,
so that the two codecs check each other. An op is a dict: {"op": "record", ...} with the members of frame.h."""
import struct

TOPIC_UP = "gnatter/v1/up"
TOPIC_DOWN = "$CONTROL/gnatter/v1"
TOPIC_TAKEN = "$q"
VERSION = 1
CREDIT = 8
SAME_PAYLOAD = 0x01
GONE = {"closed": 0, "taken-over": 1, "expired": 2, "revoked": 3, "kicked": 4, "overloaded": 5}
GONE_NAMES = {number: name for name, number in GONE.items()}

UP = ["welcome", "connected", "ready", "unready", "gone", "sessions_end", "record", "watch", "unwatch",
      "counters"]
DOWN = ["hello", "deliver", "presence", "kick", "revoke", "revoked_begin", "revoked_end", "ack"]
TYPES = {name: 1 + i for i, name in enumerate(UP)} | {name: 65 + i for i, name in enumerate(DOWN)}
NAMES = {number: name for name, number in TYPES.items()}


class Malformed(Exception):
    pass


def as_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def string(value):
    value = as_bytes(value)
    return struct.pack("<H", len(value)) + value


def encode_op(name, /, **op):
    flags = op.get("flags", 0)
    body = b""
    if name == "welcome":
        body = struct.pack("<QQ", op["journal_tail"], op["journal_head"]) + string(op["node"])
    elif name == "connected":
        body = struct.pack("<IBqq", op["session"], op["mqtt_version"], op["at_ms"], op["expires_at_s"])
        body += string(op["client_id"])
    elif name in ("ready", "unready", "kick"):
        body = struct.pack("<I", op["session"])
    elif name == "gone":
        body = struct.pack("<IB", op["session"], op["reason"])
    elif name == "record":
        body = struct.pack("<QqI", op["position"], op["at_ms"], op["session"])
        body += string(op["client_id"]) + string(op["topic"]) + string(op.get("correlation", b""))
        body += as_bytes(op["payload"])
    elif name in ("watch", "unwatch"):
        body = struct.pack("<I", op["session"]) + string(op["user"])
    elif name == "counters":
        body = struct.pack(f"<{len(op['values'])}Q", *op["values"])
    elif name == "hello":
        body = string(op["service"])
    elif name in ("deliver", "presence"):
        sessions = op["sessions"]
        body = struct.pack("<B", op["qos"]) + string(op["tail"]) + string(op.get("correlation", b""))
        body += struct.pack(f"<I{len(sessions)}I", len(sessions), *sessions)
        body += b"" if flags & SAME_PAYLOAD else as_bytes(op.get("payload", b""))
    elif name == "revoke":
        body = string(op["name"]) + struct.pack("<qB", op["valid_after_s"], op.get("kick", 0))
    elif name == "ack":
        body = struct.pack("<QQ", op["frame_number"], op["position"])
    return struct.pack("<BBHI", TYPES[name], flags, 0, len(body)) + body


def encode(direction, boot, number, ops):
    """`ops`: encoded ones, or dicts."""
    ops = [op if isinstance(op, bytes) else encode_op(op["op"], **{k: v for k, v in op.items() if k != "op"})
           for op in ops]
    header = struct.pack("<BBHIQQ", VERSION, ord(direction), 0, len(ops), boot, number)
    return header + b"".join(ops)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Malformed("short")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def string(self):
        return self.take(self.unpack("H")[0])

    def text(self):
        return self.string().decode()

    def rest(self):
        return self.take(len(self.data) - self.at)


def decode_body(name, flags, body, last_payload):
    reader, op = Reader(body), {"op": name}

    def members(names, form):
        op.update(zip(names.split(), reader.unpack(form)))

    if name == "welcome":
        members("journal_tail journal_head", "QQ")
        op["node"] = reader.text()
    elif name == "connected":
        members("session mqtt_version at_ms expires_at_s", "IBqq")
        op["client_id"] = reader.text()
    elif name in ("ready", "unready", "kick"):
        members("session", "I")
    elif name == "gone":
        members("session reason", "IB")
        op["reason"] = GONE_NAMES[op["reason"]]
    elif name == "record":
        members("position at_ms session", "QqI")
        op.update(client_id=reader.text(), topic=reader.text(), correlation=reader.string(), payload=reader.rest())
    elif name in ("watch", "unwatch"):
        members("session", "I")
        op["user"] = reader.text()
    elif name == "counters":
        op["values"] = list(reader.unpack(f"{len(body) // 8}Q"))
    elif name == "hello":
        op["service"] = reader.text()
    elif name in ("deliver", "presence"):
        members("qos", "B")
        op.update(tail=reader.text(), correlation=reader.string())
        op["sessions"] = list(reader.unpack(f"{reader.unpack('I')[0]}I"))
        op["payload"] = last_payload if flags & SAME_PAYLOAD else reader.rest()
    elif name == "revoke":
        op["name"] = reader.text()
        members("valid_after_s kick", "qB")
    elif name == "ack":
        members("frame_number position", "QQ")
    if reader.rest():
        raise Malformed(f"bytes left in {name}")
    return op


def decode(frame):
    """(direction, boot, number, ops)"""
    reader, ops, last_payload = Reader(frame), [], None
    version, direction, zero, count, boot, number = reader.unpack("BBHIQQ")
    if version != VERSION or zero != 0:
        raise Malformed("header")
    for _ in range(count):
        kind, flags, zero, length = reader.unpack("BBHI")
        if zero != 0 or kind not in NAMES:
            raise Malformed("op header")
        ops.append(decode_body(NAMES[kind], flags, reader.take(length), last_payload))
        if NAMES[kind] == "deliver":
            last_payload = ops[-1]["payload"]
    if reader.rest():
        raise Malformed("bytes left")
    return chr(direction), boot, number, ops
