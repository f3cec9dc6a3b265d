"""Well-behaved devices, several in one thread: they keep an outbox until `sent`, drop repeats, acknowledge, come back.

What each was told is kept, so that a test can kill something in between and count afterwards.
"""
import itertools
import json
import os
import selectors
import threading
import time
from collections import OrderedDict, defaultdict

import paho.mqtt.client as mqtt

from .node import wait_until
from .protocol import arrival

RESEND_S = 3.0        # an unanswered message is published again after this
ACK_EVERY_S = 0.1
CONNECT_LIMIT_S = 5.0
WINDOW = 40           # messages that a device has under way


class Sheep:
    """One device. Everything runs in the flock's thread."""
    keepalive_s, protocol, resends = 30, mqtt.MQTTv311, True

    def __init__(self, node, client_id, token):
        self.node, self.client_id, self.token = node, client_id, token
        self.user = client_id.split(":")[0]
        self.todo = []                      # (conversation, message id, payload) not published yet
        self.outbox = OrderedDict()         # message id: [conversation, payload, when published last]
        self.order = defaultdict(list)      # conversation: message ids in the order of their first publishing
        self.sent = {}                      # message id: (conversation, seq, time)
        self.pubacked = set()               # message ids whose publish was acknowledged
        self.refused = {}                   # message id: code
        self.put_off = {}                   # message id: (code, retry_after_ms) of those that were to be sent again later
        self.taken = defaultdict(dict)      # conversation: {seq: (kind, sender, id, payload)}
        self.last = defaultdict(int)
        self.to_ack, self.problems = {}, []
        self.client = self.live = None
        self.mids, self.connects, self.repeats = {}, 0, 0
        self.acked_at = self.connect_at = self.looked_at = 0.0

    # ---- connection ----
    def connect(self, now):
        self.connect_at = now + CONNECT_LIMIT_S
        options = {} if self.protocol == mqtt.MQTTv5 else {"clean_session": True}
        client = mqtt.Client(self.client_id, reconnect_on_failure=False, protocol=self.protocol, **options)
        client.username_pw_set(self.user, self.token)
        client.max_inflight_messages_set(1000)
        client.on_connect = lambda c, _u, _f, code, *_: c.subscribe(f"inbox/{self.user}/#", 1) if code == 0 else None
        client.on_subscribe = lambda *_: self.on_live()
        client.on_message = self.on_message
        client.on_publish = self.on_publish
        try:
            client.connect(self.node.host, self.node.device_port or self.node.port, keepalive=self.keepalive_s)
        except OSError:
            self.connect_at = now + 0.1
            return
        self.client, self.live, self.mids = client, False, {}

    def on_live(self):
        """Subscribed: what is in the outbox goes out again, in its order."""
        self.live = True
        self.connects += 1
        for entry in self.outbox.values():
            entry[2] = 0.0

    def on_publish(self, _client, _userdata, mid):
        name = self.mids.pop(mid, None)
        if name:
            self.pubacked.add(name)

    def lost(self, now):
        self.client, self.live = None, False
        self.connect_at = now + 0.1

    # ---- traffic ----
    def on_message(self, _client, _userdata, message):
        item, wrong = arrival(self.user, message.topic, message.payload, message.qos, message.retain)
        self.item_seen(item)
        if wrong:
            self.problems.append(f"{wrong}: {item.brief()}")
        elif item.kind == "sent":
            told = (item.conversation, item.seq, item.time)
            if self.sent.setdefault(item.id, told) != told:
                self.problems.append(f"{item.id} was sent as {self.sent[item.id]} and as {told}")
            self.outbox.pop(item.id, None)
        elif item.kind in ("chat", "event"):
            self.take(item)
        elif item.kind == "error":
            entry = self.outbox.get(item.id)
            if entry and item.word in ("overloaded", "rate-limited", "read-only"):
                retry_after_ms = json.loads(item.payload)["retry_after_ms"]
                self.put_off[item.id] = item.word, retry_after_ms
                entry[2] = time.monotonic() + retry_after_ms / 1000 - RESEND_S
            else:
                self.refused[item.id] = item.word
                self.outbox.pop(item.id, None)

    def item_seen(self, item):
        """For who keeps a log."""

    def take(self, item):
        told = (item.kind, f"{item.user}:{item.device}" if item.kind == "chat" else item.user, item.id or item.word,
                item.payload)
        view = self.taken[item.conversation]
        if item.seq <= self.last[item.conversation]:
            self.repeats += 1
            if view.get(item.seq) != told:
                self.problems.append(f"a repeat that is no repeat: {item.brief()}")
        else:
            view[item.seq] = told
            self.last[item.conversation] = item.seq
        self.to_ack[item.conversation] = self.last[item.conversation]

    def turn(self, now):
        if self.client is None:
            if now >= self.connect_at:
                self.connect(now)
            return
        if not self.live:
            if now >= self.connect_at:
                if self.client.socket():
                    self.client.socket().close()
                self.lost(now)
            return
        if now - self.looked_at >= 1.0 and self.client.loop_misc() != mqtt.MQTT_ERR_SUCCESS:  # its keep alive
            self.lost(now)
            return
        self.looked_at = now if now - self.looked_at >= 1.0 else self.looked_at
        for name, entry in self.outbox.items() if self.resends else ():
            if now - entry[2] >= RESEND_S:
                self.publish(name, entry, now)
        while self.todo and len(self.outbox) < WINDOW:
            conversation, name, payload = self.todo.pop(0)
            self.outbox[name] = [conversation, payload, 0.0]
            self.order[conversation].append(name)
            self.publish(name, self.outbox[name], now)
        if self.to_ack and now - self.acked_at >= ACK_EVERY_S:
            self.acknowledge()
            self.to_ack, self.acked_at = {}, now

    def acknowledge(self):
        self.client.publish("ack", "".join(f"{name} {seq}\n" for name, seq in self.to_ack.items()), 0)

    def publish(self, name, entry, now):
        entry[2] = now
        info = self.client.publish(f"chat/{entry[0]}/{name}", entry[1], 1)
        self.mids[info.mid] = name

    def knows(self, conversation):
        """Seqs of the conversation that this device has, its own messages included."""
        own = {seq for where, seq, _ in self.sent.values() if where == conversation}
        return own | set(self.taken[conversation])


class Flock:
    numbers = itertools.count(1)

    def __init__(self, node, rows):
        """`rows`: (client id, user, token)."""
        self.node = node
        self.sheep = [Sheep(node, client_id, token) for client_id, _, token in rows]
        self.conversations = defaultdict(set)  # the server's name: (device, how it names it)
        self.thread, self.stopping = None, False
        self.failure = None

    def pair(self, one, other):
        """The two users' direct conversation, known to all their devices."""
        name = "d/" + "/".join(sorted((one, other)))
        for sheep in self.sheep:
            if sheep.user in (one, other):
                self.conversations[name].add((sheep, f"u/{other if sheep.user == one else one}"))
        return name

    def group(self, name):
        for sheep in self.sheep:
            self.conversations[f"g/{name}"].add((sheep, f"g/{name}"))
        return f"g/{name}"

    def load(self, messages, size=0):
        """So many messages for each device to send, in turn to each of its conversations, with `size` bytes more."""
        for sheep in self.sheep:
            own = sorted(view for members in self.conversations.values() for who, view in members if who is sheep)
            for n in range(messages):
                name = f"m{next(self.numbers)}"
                sheep.todo.append((own[n % len(own)], name, f"{sheep.client_id} {name} {n}".encode() + os.urandom(size)))

    # ---- life ----
    def start(self):
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        try:
            while not self.stopping:
                self.turn()
        except Exception as error:  # noqa: BLE001  shown by the test that waits
            self.failure = error
            raise

    def turn(self):
        now = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for sheep in self.sheep:
                sheep.turn(now)
                socket = sheep.client.socket() if sheep.client else None
                if sheep.client and socket is None:
                    sheep.lost(now)
                elif socket:
                    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if sheep.client.want_write() else 0)
                    selector.register(socket, wanted, sheep)
            for key, events in selector.select(0.02):
                sheep = key.data
                code = mqtt.MQTT_ERR_SUCCESS
                if events & selectors.EVENT_READ:
                    code = sheep.client.loop_read()
                if code == mqtt.MQTT_ERR_SUCCESS and events & selectors.EVENT_WRITE:
                    code = sheep.client.loop_write()
                if code == mqtt.MQTT_ERR_SUCCESS:
                    code = sheep.client.loop_misc()
                if code != mqtt.MQTT_ERR_SUCCESS:
                    sheep.lost(time.monotonic())

    def stop(self):
        self.stopping = True
        if self.thread:
            self.thread.join(10)
        for sheep in self.sheep:
            if sheep.client:
                sheep.client.disconnect()

    def hurry(self):
        """Nobody waits for the time that an error named: as when people open their applications again."""
        for sheep in self.sheep:
            for entry in list(sheep.outbox.values()):
                entry[2] = 0.0

    # ---- waiting ----
    def sent_count(self):
        return sum(len(sheep.sent) for sheep in self.sheep)

    def wait(self, condition, timeout, what):
        def met():
            assert self.failure is None, f"the flock broke: {self.failure!r}"
            return condition()
        return wait_until(met, timeout, lambda: f"{what}: {self.summary()}", 0.01)

    def wait_sent(self, count, timeout=30):
        self.wait(lambda: self.sent_count() >= count, timeout, f"{count} messages sent")

    def wait_live(self, timeout=30):
        self.wait(lambda: all(sheep.live for sheep in self.sheep), timeout, "every device live")

    def is_done(self):
        return not any(sheep.todo or sheep.outbox for sheep in self.sheep)

    def finish(self, timeout=40):
        """Until every message is sent and every device has all there is."""
        self.wait(self.is_done, timeout, "every message sent")
        last = self.last_seqs()
        try:
            self.wait(lambda: not self.lacking(last), timeout, "every inbox complete")
        except AssertionError as error:
            raise AssertionError(f"{error}\nlacking: {self.lacking(last)}") from None

    def last_seqs(self):
        rows = self.node.sql("select conversation, max(seq) from gnatter.messages group by 1")
        return {name: int(seq) for name, seq in rows if name in self.conversations}

    def lacking(self, last):
        found = {}
        for name, members in self.conversations.items():
            everything = set(range(1, last.get(name, 0) + 1))
            for sheep, view in members:
                missing = everything - sheep.knows(view)
                if missing:
                    found[f"{sheep.client_id} {view}"] = sorted(missing)[:5]
        return dict(list(found.items())[:5])

    def summary(self):
        return (f"{self.sent_count()} sent, {sum(len(s.outbox) for s in self.sheep)} in outboxes, "
                f"{sum(len(s.todo) for s in self.sheep)} to do, {sum(s.live or 0 for s in self.sheep)} live of "
                f"{len(self.sheep)}, {sum(s.repeats for s in self.sheep)} repeats")

    # ---- counting ----
    def check(self):
        """What the devices were told against what is stored."""
        problems = [f"{sheep.client_id}: {text}" for sheep in self.sheep for text in sheep.problems]
        stored = defaultdict(list)
        rows = self.node.sql("select sender_user || ':' || sender_device, message_id, conversation, seq, "
                             "payload_bytes from gnatter.messages where kind = 'chat'")
        for sender, name, conversation, seq, size in rows:
            stored[sender, name].append((conversation, int(seq), int(size)))
        server_name = {(sheep.client_id, view): name for name, members in self.conversations.items()
                       for sheep, view in members}
        payloads = {}
        for sheep in self.sheep:
            for name, (view, seq, _) in sheep.sent.items():
                where = stored.get((sheep.client_id, name), [])
                if [(c, s) for c, s, _ in where] != [(server_name[sheep.client_id, view], seq)]:
                    problems.append(f"{sheep.client_id} {name}: told {view} {seq}, stored {where}")
            lost = [n for n in sheep.pubacked if n not in sheep.refused and (sheep.client_id, n) not in stored]
            if lost:
                problems.append(f"{sheep.client_id}: PUBACKed and not there: {lost[:5]} of {len(lost)}")
            for view, names in sheep.order.items():
                seqs = [sheep.sent[name][1] for name in names if name in sheep.sent and name not in sheep.put_off]
                if seqs != sorted(seqs):
                    problems.append(f"{sheep.client_id} {view}: not in the order of publishing")
        for sheep in self.sheep:
            for view, items in sheep.taken.items():
                for seq, told in items.items():
                    key = (server_name.get((sheep.client_id, view)), seq)
                    if payloads.setdefault(key, told) != told:
                        problems.append(f"{key}: {payloads[key]} to one and {told} to another")
        assert not problems, f"{len(problems)} problems, {self.summary()}:\n" + "\n".join(problems[:20])
