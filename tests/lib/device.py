"""A device: an MQTT client that is not ours (paho), which remembers all that arrives and waits for what should."""
import itertools
import json
import threading
import time
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .node import wait_until
from .protocol import JSON_KINDS, arrival

TIMEOUT = 15.0
_numbers = itertools.count(1)
# What the whole run saw, for the comparison with docs/asyncapi.yaml:
seen_topics = set()  # (kind, tail or topic)
seen_bodies = {}     # (what it is, its shape): JSON of that shape


class Refused(Exception):
    """The broker answered CONNECT with this reason."""
    def __init__(self, code):
        super().__init__(f"refused, reason {code:#x}")
        self.code = code


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Client(mqtt.Client):
    """paho 1.6 drops the reason code of a PUBACK; this keeps it."""
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.puback_codes = {}

    def _handle_pubackcomp(self, cmd):
        packet = self._in_packet["packet"]
        self.puback_codes[packet[0] << 8 | packet[1]] = packet[2] if len(packet) > 2 else 0
        return super()._handle_pubackcomp(cmd)

    def _handle_pubrec(self):
        packet = self._in_packet["packet"]
        if len(packet) > 2 and packet[2] >= 0x80:
            self.puback_codes[packet[0] << 8 | packet[1]] = packet[2]
        return super()._handle_pubrec()


def shape(value):
    if isinstance(value, dict):
        return tuple(sorted((key, shape(part)) for key, part in value.items()))
    if isinstance(value, list):
        return tuple(sorted({repr(shape(part)) for part in value}))
    return type(value).__name__


def saw(what, payload):
    """False: it is no JSON."""
    try:
        value = json.loads(payload)
    except ValueError:
        return False
    seen_bodies.setdefault((what, repr(shape(value))), value)
    return True


def new_id():
    return str(uuid.uuid4())


class Device:
    def __init__(self, node, client_id, token, v5=False, acks=False):
        self.node, self.client_id, self.token, self.v5 = node, client_id, token, v5
        self.user, self.name = client_id.split(":", 1)
        self.address = f"u/{self.user}"  # how another user names the chat with this one
        self.acks = acks                 # acknowledge each chat and event at once
        self.client = None
        self.arrived = []
        self.problems = []               # arrivals that docs/protocol.md does not allow
        self.changed = threading.Condition()
        self.connected = self.ended = None
        self.granted, self.published = {}, set()

    # ---- connection ----
    def start(self, clean=True, session_expiry=None, client_id=None, user=None, password=None, keepalive=60, will=None,
              timeout=TIMEOUT):
        """CONNECT; raises Refused. Nothing is subscribed."""
        self.stop()
        options = {} if self.v5 else {"clean_session": clean}
        client = Client(self.client_id if client_id is None else client_id, reconnect_on_failure=False,
                        protocol=mqtt.MQTTv5 if self.v5 else mqtt.MQTTv311, **options)
        self.client, self.connected, self.ended = client, None, None
        self.granted, self.published = {}, set()
        user = self.user if user is None else user
        password = self.token if password is None else password
        if user is not False:
            client.username_pw_set(user, None if password is False else password)
        if will:
            client.will_set(*will)
        client.max_inflight_messages_set(2000)
        client.on_connect = lambda _c, _u, flags, code, _p=None: self._set("connected", (code, flags))
        client.on_disconnect = lambda _c, _u, code, _p=None: self._set("ended", (code,))
        client.on_message = self._on_message
        client.on_subscribe = lambda _c, _u, mid, codes, _p=None: self._add_granted(mid, codes)
        client.on_unsubscribe = lambda _c, _u, mid, *_rest: self._add_granted(mid, ())
        client.on_publish = lambda _c, _u, mid: self._add_published(mid)
        more = {}
        if self.v5:
            more["clean_start"] = clean
            if session_expiry is not None:
                more["properties"] = Properties(PacketTypes.CONNECT)
                more["properties"].SessionExpiryInterval = session_expiry
        client.connect(self.node.host, self.node.port, keepalive=keepalive, **more)
        client.loop_start()
        self.until(lambda: self.connected or self.ended, "CONNACK", timeout)
        code = self.connected[0] if self.connected else self.ended[0]
        code = getattr(code, "value", code)
        if code != 0:
            self.stop()
            raise Refused(code)
        return self

    def connect(self, clean=True, filters=None, **options):
        """CONNECT, subscribe to the inbox, and wait until it is synced."""
        self.start(clean=clean, **options)
        self.subscribe_inbox(*(filters or [f"inbox/{self.user}/#"]))
        return self

    def subscribe_inbox(self, *filters, qos=1):
        """Returns the `synced` that answers it."""
        since = len(self.arrived)
        for text in filters or [f"inbox/{self.user}/#"]:
            assert self.subscribe(text, qos) == qos, f"subscription to {text} refused"
        if not filters or any(text.endswith(("/#", "/synced")) for text in filters):
            return self.wait_for("synced", since=since)
        return None

    def subscribe(self, text, qos=1, timeout=TIMEOUT):
        """The granted QoS or the refusal, as in SUBACK."""
        _, mid = self.client.subscribe(text, qos)
        self.until(lambda: mid in self.granted, f"SUBACK for {text}", timeout)
        code = self.granted[mid][0]
        return getattr(code, "value", code)

    def unsubscribe(self, text):
        _, mid = self.client.unsubscribe(text)
        self.until(lambda: mid in self.granted, f"UNSUBACK for {text}")

    def stop(self):
        """DISCONNECT; nothing when there is no connection."""
        if self.client:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None

    def drop(self):
        """The connection breaks without a DISCONNECT."""
        client, self.client = self.client, None
        client.on_disconnect = None
        client.socket().shutdown(2)
        client.disconnect()
        client.loop_stop()

    def wait_live(self):
        """Until the database knows that it is live, which is behind `synced`: then it has been told of flags, too."""
        wait_until(lambda: [row for row in self.rpc("devices")["devices"] if row["current"] and row["live"]], TIMEOUT,
                   f"{self.client_id} live")

    def wait_ended(self, timeout=TIMEOUT):
        """Until the server has closed the connection; the reason where one was given."""
        self.until(lambda: self.ended, "the server closes the connection", timeout)
        return getattr(self.ended[0], "value", self.ended[0])

    def is_connected(self):
        return self.client is not None and self.ended is None

    # ---- what arrives ----
    def _set(self, name, value):
        with self.changed:
            setattr(self, name, value)
            self.changed.notify_all()

    def _add_granted(self, mid, codes):
        with self.changed:
            self.granted[mid] = codes
            self.changed.notify_all()

    def _add_published(self, mid):
        with self.changed:
            self.published.add(mid)
            self.changed.notify_all()

    def _on_message(self, _client, _userdata, message):
        extra = getattr(message, "properties", None)
        properties = {}
        if extra is not None:
            properties = dict(getattr(extra, "UserProperty", []))
            if hasattr(extra, "CorrelationData"):
                properties["correlation"] = extra.CorrelationData
        item, wrong = arrival(self.user, message.topic, message.payload, message.qos, message.retain, properties)
        with self.changed:
            self.arrived.append(item)
            seen_topics.add((item.kind, item.topic))
            if item.kind in JSON_KINDS and not saw((item.kind.removeprefix("history-"), item.word), item.payload):
                wrong = wrong or "no JSON"
            if wrong:
                self.problems.append(f"{self.client_id}: {wrong}: {item.topic} {item.payload[:80]!r}")
            self.changed.notify_all()
        if self.acks and item.kind in ("chat", "event"):
            self.ack(item.conversation, item.seq)

    def until(self, condition, what, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(left)
        raise AssertionError(f"{self.client_id}: not within {timeout} s: {what() if callable(what) else what}\n"
                             + self.story())

    def story(self, last=30):
        shown = [item.brief() for item in self.arrived[-last:]]
        return "\n".join([f"what {self.client_id} received ({len(self.arrived)}, the last {len(shown)}):", *shown])

    def all_of(self, kind=None, since=0, **fields):
        if kind:
            fields["kind"] = kind
        with self.changed:
            return [item for item in self.arrived[since:]
                    if all(getattr(item, name) == value for name, value in fields.items())]

    def wait_for(self, kind=None, since=0, timeout=TIMEOUT, count=1, **fields):
        """The count-th arrival (from `since` on) that has these fields."""
        def found():
            items = self.all_of(kind, since, **fields)
            return items[count - 1] if len(items) >= count else None
        return self.until(found, f"{count} x {kind} {fields}", timeout)

    def items(self, conversation, since=0):
        """The chat and event items of one conversation, repeats dropped as the protocol says."""
        taken, last = [], 0
        for item in self.all_of(conversation=conversation, since=since):
            if item.kind in ("chat", "event") and item.seq > last:
                taken.append(item)
                last = item.seq
        return taken

    def seqs(self, conversation, since=0):
        return [item.seq for item in self.items(conversation, since)]

    def here(self):
        """A place in what has arrived, for `since`."""
        with self.changed:
            return len(self.arrived)

    # ---- what it publishes ----
    def publish(self, topic, payload=b"", qos=1, retain=False, wait=True, properties=None):
        """The PUBACK's reason code (QoS 1 and 2; 0 in 3.1.1)."""
        # `published` is filled by paho's thread, perhaps before publish() returns.
        info = self.client.publish(topic, payload, qos, retain, properties)
        if qos == 0 or not wait:
            return None
        self.until(lambda: info.mid in self.published, f"PUBACK for {topic}")
        with self.changed:
            self.published.discard(info.mid)
        return self.client.puback_codes.pop(info.mid, 0)

    def send(self, conversation, payload=b"hello", mid=None, qos=1, wait=False):
        """Publishes a message; returns its message id."""
        mid = mid or new_id()
        self.publish(f"chat/{conversation}/{mid}", payload, qos, wait=wait)
        return mid

    def say(self, conversation, payload=b"hello", mid=None, qos=1):
        """Publishes a message and waits for its `sent`."""
        since = self.here()
        return self.wait_for("sent", since=since, id=self.send(conversation, payload, mid, qos))

    def refused(self, conversation, payload=b"hello", mid=None):
        """Publishes a message and waits for its `error`; returns the code."""
        since = self.here()
        mid = self.send(conversation, payload, mid)
        answer = self.until(lambda: next((i for i in self.all_of(since=since, id=mid, conversation=conversation)
                                          if i.kind in ("error", "sent")), None), "sent or error")
        assert answer.kind == "error", f"accepted: {answer.brief()}"
        body = json.loads(answer.payload)
        assert isinstance(body["message"], str) and body["message"]
        return answer.word

    def ack(self, conversation, seq, qos=0):
        self.publish(f"ack/{conversation}/{seq}", qos=qos, wait=False)

    def read(self, conversation, seq, qos=0):
        self.publish(f"read/{conversation}/{seq}", qos=qos, wait=False)

    def typing(self, conversation, on=True):
        self.publish(f"typing/{conversation}", b"1" if on else b"0", qos=0)

    def sync(self, **cursors):
        """Returns the `synced` that answers it. Keys: conversations with / written as __."""
        return self.sync_lines({name.replace("__", "/"): seq for name, seq in cursors.items()})

    def sync_lines(self, cursors):
        since = self.here()
        self.publish("sync", "\n".join(f"{name} {seq}" for name, seq in cursors.items()))
        return self.wait_for("synced", since=since)

    def ask(self, method, params=None, request=None, qos=1, correlation=None, **more):
        """The whole answer to an RPC."""
        request = request or f"r{next(_numbers)}"
        since = self.here()
        body = params if isinstance(params, (bytes, str)) else json.dumps({**(params or {}), **more})
        properties = None
        if correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = correlation
        self.publish(f"rpc/{method}/{request}", body, qos, wait=False, properties=properties)
        answer = self.wait_for("rpc", since=since, id=request)
        saw(("rpc", method), answer.payload)
        body = json.loads(answer.payload)
        assert set(body) in ({"result"}, {"error"}), body
        assert body.get("error", {}).get("code") != "internal", body
        if correlation is not None:
            assert answer.properties.get("correlation") == correlation
        return body

    def rpc(self, method, params=None, **more):
        """The result of an RPC; raises RpcError."""
        body = self.ask(method, params, **more)
        if "error" in body:
            raise RpcError(body["error"]["code"], body["error"]["message"])
        return body["result"]

    def rpc_code(self, method, params=None, **more):
        """The error code that an RPC must be answered with."""
        body = self.ask(method, params, **more)
        assert "error" in body, f"{method} was answered {body}"
        assert isinstance(body["error"]["message"], str) and body["error"]["message"]
        return body["error"]["code"]
