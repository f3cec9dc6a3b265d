"""A device: an MQTT client that is not ours, and remembers everything."""
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker import until


class Client(mqtt.Client):
    """paho 1.6 drops the reason code of a PUBACK; this keeps it."""
    puback_codes = None

    def _handle_pubackcomp(self, cmd):
        packet = self._in_packet["packet"]
        self.puback_codes[packet[0] << 8 | packet[1]] = packet[2] if len(packet) > 2 else 0
        return super()._handle_pubackcomp(cmd)


class Device:
    def __init__(self, broker, client_id, version=4, transport="tcp"):
        self.broker, self.client_id, self.version, self.transport = broker, client_id, version, transport
        self.user, self.name = client_id.split(":", 1)
        self.arrived = []  # (topic, payload, qos, user properties, correlation)
        self.acks = threading.Lock()
        self.client = None

    # ---- connection ----
    def begin(self, token=None, clean=True, expiry=None, client_id=None, user=None, keepalive=60, will=None, tls=None,
              port=None, ack=True, host="127.0.0.1"):
        """CONNECT without waiting. `ack` false: what arrives is never acknowledged."""
        options = {} if self.version == 5 else {"clean_session": clean}
        client = Client(self.client_id if client_id is None else client_id, reconnect_on_failure=False,
                        protocol=self.version, transport=self.transport, **options)
        client.puback_codes = {}
        if not ack:
            client._send_puback = lambda mid: 0
        self.client, self.code, self.ended, self.session_present = client, None, None, None
        self.granted, self.published = {}, set()
        token = self.broker.token(self.user, self.name) if token is None else token
        if user is not False:
            client.username_pw_set(self.user if user is None else user, token or None)
        if will:
            client.will_set(*will)
        if tls:
            client.tls_set(ca_certs=str(tls))
        client.max_inflight_messages_set(5000)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = lambda _c, _u, mid, codes, _p=None: self.granted.__setitem__(mid, codes)
        client.on_unsubscribe = lambda _c, _u, mid, _p=None, codes=0: self.granted.__setitem__(mid, codes)
        client.on_publish = lambda _c, _u, mid: self.published.add(mid)
        more = {"clean_start": clean} if self.version == 5 else {}
        if expiry is not None:
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = expiry
        if port is None:
            port = self.broker.ws_port if self.transport == "websockets" else self.broker.port
        client.connect(host, port, keepalive=keepalive, **more)
        client.loop_start()
        return self

    def _on_connect(self, _client, _userdata, flags, code, _properties=None):
        self.session_present = flags["session present"]
        self.code = getattr(code, "value", code)

    def _on_disconnect(self, _client, _userdata, code, _properties=None):
        self.ended = getattr(code, "value", code)

    def _on_message(self, _client, _userdata, message):
        properties = getattr(message, "properties", None)
        self.arrived.append((message.topic, message.payload, message.qos,
                             dict(getattr(properties, "UserProperty", [])),
                             getattr(properties, "CorrelationData", None)))

    def connect(self, **options):
        """CONNECT, and wait for CONNACK."""
        self.begin(**options)
        until("CONNACK", lambda: self.code is not None or self.ended is not None)
        assert self.code == 0, f"refused with {self.code}"
        return self

    def connect_refused(self, **options):
        """The CONNACK code of a refusal."""
        self.begin(**options)
        until("refusal", lambda: self.ended is not None or self.code not in (None, 0))
        code = self.code
        self.close()
        return code

    def online(self, **options):
        """Connected and subscribed to its inbox."""
        self.connect(**options)
        assert self.subscribe(f"inbox/{self.user}/#") == 1
        return self

    def wait_ended(self, timeout=15):
        until(f"{self.client_id} is disconnected", lambda: self.ended is not None, timeout)

    def close(self):
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None

    def drop(self):
        """The connection breaks without DISCONNECT."""
        client, self.client = self.client, None
        client.loop_stop()
        client.socket().close()

    # ---- packets ----
    def subscribe(self, topic, qos=1):
        """The granted QoS, or the refusal."""
        _, mid = self.client.subscribe(topic, qos)
        until(f"SUBACK for {topic}", lambda: mid in self.granted)
        return getattr(self.granted[mid][0], "value", self.granted[mid][0])

    def unsubscribe(self, topic):
        """The reason code of the UNSUBACK (0 in 3.1.1)."""
        _, mid = self.client.unsubscribe(topic)
        until(f"UNSUBACK for {topic}", lambda: mid in self.granted)
        return getattr(self.granted[mid], "value", self.granted[mid])

    def publish(self, topic, payload=b"", qos=1, retain=False, correlation=None):
        """Without waiting: the packet's number."""
        more = {}
        if correlation is not None:
            more["properties"] = Properties(PacketTypes.PUBLISH)
            more["properties"].CorrelationData = correlation
        return self.client.publish(topic, payload, qos, retain, **more).mid

    def wait_published(self, *mids):
        until(f"{self.client_id}: PUBACK", lambda: self.published.issuperset(mids) or self.ended is not None)
        assert self.published.issuperset(mids), "closed without PUBACK"

    def send(self, topic, payload=b"", **more):
        """PUBLISH with QoS 1; the reason code of its PUBACK (0 in 3.1.1)."""
        mid = self.publish(topic, payload, **more)
        self.wait_published(mid)
        return self.client.puback_codes[mid]

    def wait_for(self, topic, count=1):
        """Everything that arrived on this topic, or below it when it ends in '/'."""
        def found():
            return [one for one in self.arrived if one[0] == topic or (topic.endswith("/") and one[0].startswith(topic))]
        until(f"{self.client_id} gets {topic}", lambda: len(found()) >= count)
        return found()
