"""A sync service that is none: it speaks frames, remembers all it hears, and does what the test says."""
import random
import threading

import paho.mqtt.client as mqtt

from broker import SECRET, until
from lib import frames


class Service:
    def __init__(self, broker, name="test"):
        self.broker, self.name = broker, name
        self.client_id = f"$gnatter:{name}"
        self.client = None
        self.turn = threading.RLock()  # a frame is taken, and confirmed, or one is sent: paho's thread and the test's
        self.acks = True   # confirm frames as they come
        self.done = True   # and say that their records are done
        self.stop()

    def stop(self):
        """Orderly."""
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()
        self._clear()

    def drop(self):
        """As if killed."""
        self.client.loop_stop()
        self.client.socket().close()
        self._clear()

    def _clear(self):
        self.client, self.ended = None, False
        self.boot, self.number = random.getrandbits(63), 0
        self.up_boot, self.up_number = None, 0
        self.ops = []        # everything, in order
        self.frame_sizes = []
        self.sessions = {}   # number: {client_id, ready, watches}
        self.problems = []

    # ---- the link ----
    def connect(self, password=SECRET, client_id=None, user="$gnatter"):
        """The CONNACK code."""
        answers = []
        self.client = mqtt.Client(client_id or self.client_id, clean_session=True, reconnect_on_failure=False)
        self.client.username_pw_set(user, password)
        self.client.max_inflight_messages_set(100)
        self.client.on_connect = lambda _c, _u, _f, code: answers.append(code)
        self.client.on_disconnect = lambda *_: setattr(self, "ended", True)
        self.client.on_message = self._on_message
        granted = []
        self.client.on_subscribe = lambda _c, _u, _mid, codes: granted.extend(codes)
        self.client.connect("127.0.0.1", self.broker.port)
        self.client.loop_start()
        until("the service's CONNACK", lambda: answers or self.ended)
        if answers and answers[0] == 0:
            self.client.subscribe(frames.TOPIC_TAKEN, 0)
            until("the service's SUBACK", lambda: granted)
            assert granted == [0]
        return answers[0] if answers else None

    def start(self):
        """Connected, and told the whole list of sessions."""
        assert self.connect() == 0
        self.hello()
        until("the list of sessions", lambda: self.of("sessions_end"))
        return self

    def hello(self):
        self.send({"op": "hello", "service": self.name})

    def hello_again(self):
        """On the same connection."""
        with self.turn:
            self.ops.clear()
            self.sessions.clear()
            self.boot, self.number, self.up_number = self.boot + 1, 0, None
            self.hello()

    def hold_acks(self):
        """From now on nothing is sent but by the test."""
        with self.turn:
            self.acks = False

    def send(self, *ops, qos=1):
        with self.turn:
            self.number += 1
            return self.client.publish(frames.TOPIC_DOWN, frames.encode("D", self.boot, self.number, ops), qos)

    def send_raw(self, payload):
        self.client.publish(frames.TOPIC_DOWN, payload, 1)

    def _on_message(self, _client, _userdata, message):
        try:
            with self.turn:
                self._take(message.topic, message.payload)
        except Exception as problem:  # in paho's thread
            self.problems.append(problem)

    def _take(self, topic, payload):
        assert topic == frames.TOPIC_UP, topic
        direction, boot, number, ops = frames.decode(payload)
        assert direction == "U" and boot in (self.up_boot, self.up_boot or boot)
        if self.up_number is None:  # what was on its way when it said hello again
            if ops[0]["op"] != "welcome":
                return
            self.up_number = 0
        assert number == self.up_number + 1, f"gap: {number} after {self.up_number}"
        self.up_boot, self.up_number = boot, number
        self.frame_sizes.append(len(payload))
        for op in ops:
            self._note(op)
            self.ops.append(op)
        if self.acks:
            self.ack()

    def _note(self, op):
        kind = op["op"]
        if kind == "connected":
            assert op["session"] not in self.sessions
            self.sessions[op["session"]] = {"client_id": op["client_id"], "ready": 0, "watches": set()}
        elif kind == "ready":
            self.sessions[op["session"]]["ready"] += 1
        elif kind == "unready":
            assert self.sessions[op["session"]]["ready"] > 0
            self.sessions[op["session"]]["ready"] = 0
        elif kind == "gone":
            del self.sessions[op["session"]]
        elif kind == "watch":
            self.sessions[op["session"]]["watches"].add(op["user"])
        elif kind == "unwatch":
            self.sessions[op["session"]]["watches"].remove(op["user"])

    def ack(self, position=None):
        if position is None:
            records = self.of("record") if self.done else []
            position = records[-1]["position"] + 1 if records else 0
        self.send({"op": "ack", "frame_number": self.up_number, "position": position})

    # ---- what was heard ----
    def of(self, kind, **members):
        return [op for op in list(self.ops)
                if op["op"] == kind and all(op.get(name) == value for name, value in members.items())]

    def wait_for(self, kind, count=1, **members):
        found = until(f"{kind} {members} x {count}",
                      lambda: (lambda ops: ops if len(ops) >= count else None)(self.of(kind, **members)))
        assert not self.problems, self.problems
        return found

    def wait_records(self, count):
        return self.wait_for("record", count)

    def session(self, client_id, ready=True, after=0):
        """The number of that client's session, once it is ready; `after`: of an earlier one, whose end was not waited for."""
        def find():
            return [number for number, session in list(self.sessions.items())
                    if session["client_id"] == client_id and (session["ready"] or not ready) and number > after]
        found = until(f"session of {client_id}", find)
        assert len(found) == 1 and not self.problems, (found, self.problems)
        return found[0]

    def wait_gone(self, client_id, reason):
        numbers = [op["session"] for op in self.of("connected", client_id=client_id)]
        until(f"{client_id} gone, {reason}",
              lambda: any(op["session"] in numbers and op["reason"] == reason for op in self.of("gone")))

    # ---- what it does ----
    def deliver(self, sessions, tail, payload=b"", qos=1, **more):
        return self.send({"op": "deliver", "sessions": sessions, "tail": tail, "payload": payload, "qos": qos} | more)
