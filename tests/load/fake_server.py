#!/usr/bin/python3
"""A server in memory that speaks enough of the device protocol to test the load client, and can misbehave on purpose.

Prints its port, then "full USER" when that one's socket takes no more. --fault names what it does wrong, to every 50th message or so; `none`, `refuse`, `close` and `twice` are
within the protocol, the others break a promise that the client must notice.
"""
import argparse
import asyncio
import json
import struct
import time

FAULTS = ("none", "refuse", "close", "twice", "lose", "swap", "skip-seq", "forget-sent", "no-marks", "wrong-sender")
EVERY = 50


class Conversation:
    def __init__(self, users):
        self.users, self.log, self.seq_of, self.seq = users, [], {}, 0


class Session:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.user, self.packet_id, self.is_full = "", 0, False

    def put(self, first, body):
        length, digits = len(body), b""
        while True:
            length, digit = length >> 7, length & 0x7F
            digits += bytes([digit | (0x80 if length else 0)])
            if not length:
                break
        self.writer.write(bytes([first]) + digits + body)
        if self.writer.transport.get_write_buffer_size() and not self.is_full:
            self.is_full = True
            print(f"full {self.user}", flush=True)

    def publish(self, tail, payload=b"", qos=0):
        topic = f"inbox/{self.user}/{tail}".encode()
        self.packet_id = self.packet_id % 65535 + 1
        packet_id = struct.pack(">H", self.packet_id) if qos else b""
        self.put(0x30 | qos << 1, struct.pack(">H", len(topic)) + topic + packet_id + payload)

    async def run(self):
        try:
            while True:
                first = (await self.reader.readexactly(1))[0]
                length = shift = 0
                while True:
                    digit = (await self.reader.readexactly(1))[0]
                    length |= (digit & 0x7F) << shift
                    shift += 7
                    if not digit & 0x80:
                        break
                self.take(first, await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.server.sessions.pop(self.user, None) if self.server.sessions.get(self.user) is self else None
        self.writer.close()

    def take(self, first, body):
        kind = first >> 4
        if kind == 1:
            length = struct.unpack(">H", body[10:12])[0]
            self.user = body[12:12 + length].decode().split(":")[0]
            self.put(0x20, b"\0\0")
        elif kind == 8:
            self.put(0x90, body[:2] + b"\1")
            self.server.sessions[self.user] = self  # only now live: what came before is in the replay
            self.publish("synced", b'{"replayed": %d}' % self.server.replay(self), 1)
        elif kind == 3:
            length = struct.unpack(">H", body[:2])[0]
            topic, rest = body[2:2 + length].decode(), body[2 + length:]
            if first & 6:
                self.put(0x40, rest[:2])
                rest = rest[2:]
            self.server.take(self, topic.split("/"), rest)


class Server:
    def __init__(self, fault):
        self.fault, self.sessions, self.conversations, self.cursors = fault, {}, {}, {}
        self.count, self.held, self.marked = 0, None, {}

    def conversation(self, user, view):
        name = view if view[0] == "g" else ("d", *sorted((user, view[1])))
        if name not in self.conversations and view[0] == "u":
            self.conversations[name] = Conversation(sorted({user, view[1]}))
        return name, self.conversations[name]

    @staticmethod
    def view(name, user):
        return "/".join(name) if name[0] == "g" else "u/" + (name[2] if name[1] == user else name[1])

    def take(self, session, topic, payload):
        kind = topic[0]
        if kind == "chat":
            self.chat(session, tuple(topic[1:3]), topic[3], payload)
        elif kind in ("ack", "read") and len(topic) == 4:
            self.ack(session.user, tuple(topic[1:3]), int(topic[3]))
        elif kind in ("ack", "read"):
            for line in payload.decode().splitlines():
                view, seq = line.split(" ")
                self.ack(session.user, tuple(view.split("/")), int(seq))
        elif kind == "rpc":
            call = json.loads(payload)
            group = self.conversations[("g", call["group"])] = Conversation([session.user, *call["members"]])
            group.seq = 1
            for user in group.users:
                if user in self.sessions:
                    self.sessions[user].publish(f"event/g/{call['group']}/1/{now_ms()}/{session.user}/created", b"{}", 1)
            session.publish(f"rpc/{topic[2]}", b'{"result":{}}', 1)

    def chat(self, session, view, message_id, payload):
        self.count += 1
        chosen = self.count % EVERY == 0
        name, talk = self.conversation(session.user, view)
        if chosen and self.fault == "close":
            session.writer.close()
            return
        key = (session.user, message_id)
        if chosen and self.fault == "refuse" and key not in talk.seq_of:
            session.publish(f"error/{'/'.join(view)}/{message_id}/overloaded", b'{"message":"","retry_after_ms":50}', 1)
            return
        if key not in talk.seq_of:
            talk.seq += 2 if chosen and self.fault == "skip-seq" else 1
            talk.seq_of[key] = talk.seq
            item = (talk.seq, session.user, message_id, payload)
            talk.log.append(item)
            for user in talk.users:
                if user != session.user and user in self.sessions:
                    self.deliver(self.sessions[user], name, item, chosen)
        if not (self.fault == "forget-sent" and talk.seq_of[key] % EVERY == 0):
            session.publish(f"sent/{'/'.join(view)}/{talk.seq_of[key]}/{now_ms()}/{message_id}")

    def deliver(self, session, name, item, chosen):
        if chosen and self.fault == "lose":
            return
        if chosen and self.fault == "swap" and not self.held:
            self.held = (session, name, item)
            return
        seq, sender, message_id, payload = item
        if chosen and self.fault == "wrong-sender":
            sender = session.user
        for _ in range(2 if chosen and self.fault == "twice" else 1):
            session.publish(f"chat/{self.view(name, session.user)}/{seq}/{now_ms()}/{sender}:d/{message_id}", payload, 1)
        if self.held and self.held[:2] == (session, name):
            held, self.held = self.held, None
            self.deliver(*held, False)

    def ack(self, user, view, seq):
        name, talk = self.conversation(user, view)
        self.cursors[user, name] = max(seq, self.cursors.get((user, name), 0))
        if self.fault == "no-marks" or name[0] == "g":
            return
        for other in talk.users:
            if other != user and other in self.sessions:
                self.sessions[other].publish(f"delivered/{self.view(name, other)}/{seq}/{user}")

    def replay(self, session):
        replayed = 0
        for name, talk in self.conversations.items():
            if session.user not in talk.users:
                continue
            for item in talk.log:
                if item[0] > self.cursors.get((session.user, name), 0):
                    replayed += 1
                    if item[1] == session.user:
                        session.publish(f"sent/{self.view(name, session.user)}/{item[0]}/{now_ms()}/{item[2]}", b"", 1)
                    else:
                        self.deliver(session, name, item, False)
            for other in talk.users:
                if other != session.user and name[0] == "d" and self.cursors.get((other, name)):
                    session.publish(f"delivered/{self.view(name, session.user)}/{self.cursors[other, name]}/{other}")
        return replayed


def now_ms():
    return int(time.time() * 1000)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    server = Server(parser.parse_args().fault)
    listening = await asyncio.start_server(lambda *streams: Session(server, *streams).run(), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
