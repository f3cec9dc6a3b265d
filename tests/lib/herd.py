"""Devices with a life of their own: each says something now and then, reads, goes away, comes back, logs what it sees.

They behave as docs/protocol.md says. What they log is for lib/history.py; what they decide comes from a seed.
"""
import random
import time
import zlib

import paho.mqtt.client as mqtt

from .flock import Flock, Sheep

BACK_WITHIN_S = 1.0   # after a lost connection: any time up to that
AWAY_WITHIN_S = 4.0   # after going away on purpose
LIVE_S = 12.0         # on an average, until it goes away
READ_S = 2.0          # on an average, between two looks at a conversation
GRACE_S = 4.0         # a device that does not send again forgets about a message


class Wanderer(Sheep):
    keepalive_s = 5

    def __init__(self, node, client_id, token, seed, rate):
        super().__init__(node, client_id, token)
        self.random = random.Random(f"{seed} {client_id}")
        self.protocol = self.random.choice([mqtt.MQTTv311, mqtt.MQTTv5])
        self.resends = self.random.random() < 0.75  # the others show what a PUBACK alone is worth
        self.rate = rate
        self.names = {}   # how it names a conversation: how the server does
        self.log = []
        self.is_ending = False
        self.crcs = {}
        self.say_at = self.read_at = self.away_at = 0.0

    def note(self, *what):
        self.log.append((time.monotonic(), *what))

    def after(self, now, average_s):
        return now + self.random.expovariate(1 / average_s)

    # ---- its life ----
    def turn(self, now):
        if self.client is not None and self.live:
            if not self.is_ending:
                self.live_on(now)
            if not self.resends:
                for name in [name for name, entry in self.outbox.items() if now - entry[2] > GRACE_S]:
                    del self.outbox[name]
        super().turn(now)

    def live_on(self, now):
        if now >= self.say_at:
            if self.say_at:
                self.say()
            self.say_at = self.after(now, 1 / self.rate)
        if now >= self.read_at:
            if self.read_at and self.last:
                self.read(self.random.choice(sorted(self.last)))
            self.read_at = self.after(now, READ_S)
        if now >= self.away_at:
            if self.away_at:
                self.client.disconnect()
                self.lost(now)
                self.connect_at = now + self.random.uniform(0, AWAY_WITHIN_S)
            self.away_at = self.after(now, LIVE_S)

    def say(self):
        name = f"m{next(Flock.numbers)}"
        payload = f"{self.client_id} {name} ".encode() + self.random.randbytes(self.random.choice([0, 10, 200, 3000]))
        self.crcs[name] = zlib.crc32(payload)
        self.todo.append((self.random.choice(sorted(self.names)), name, payload))

    def read(self, view):
        seq = self.last[view]
        if seq:
            self.note("mark-read", self.names[view], seq)
            self.client.publish(f"read/{view}/{seq}", b"", 0)

    def lost(self, now):
        super().lost(now)
        self.connect_at = now + self.random.uniform(0.05, BACK_WITHIN_S)
        if not self.resends:
            self.outbox.clear()

    # ---- what it logs ----
    def on_live(self):
        self.note("connect")
        super().on_live()

    def publish(self, name, entry, now):
        self.note("publish", self.names[entry[0]], name, self.crcs[name])
        super().publish(name, entry, now)

    def on_publish(self, client, userdata, mid):
        if mid in self.mids and client is self.client:
            self.note("puback", self.mids[mid])
        super().on_publish(client, userdata, mid)

    def acknowledge(self):
        for view, seq in self.to_ack.items():
            self.note("ack", self.names[view], seq)
        super().acknowledge()

    def item_seen(self, item):
        name = self.names.get(item.conversation)
        if item.kind == "chat":
            self.note("chat", name, item.seq, f"{item.user}:{item.device}", item.id, zlib.crc32(item.payload))
        elif item.kind == "event":
            self.note("event", name, item.seq, item.user, item.word)
        elif item.kind == "sent":
            self.note("sent", name, item.seq, item.id)
        elif item.kind == "error":
            self.note("error", item.id, item.word)
        elif item.kind in ("delivered", "read"):
            self.note(item.kind, name, item.seq, item.user)


class Herd(Flock):
    """The flock's thread, with wanderers."""
    def __init__(self, node, rows, seed, rate):
        super().__init__(node, [])
        self.sheep = [Wanderer(node, client_id, token, seed, rate) for client_id, _, token in rows]

    def know(self):
        """Every device learns how the server names what it talks in: after the last pair() and group()."""
        for name, members in self.conversations.items():
            for sheep, view in members:
                sheep.names[view] = name

    def end(self):
        """Nobody says anything new, or goes away any more."""
        for sheep in self.sheep:
            sheep.is_ending = True
