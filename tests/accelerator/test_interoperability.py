"""What a client library relies on, after the basic cases of Eclipse Paho's interoperability suite (client_test), with MQTT
3.1.1 and 5, against the stock broker and the accelerated one."""
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import wire as w
from brokers import TIMEOUT, until

V3, V5 = mqtt.MQTTv311, mqtt.MQTTv5


def properties(kind, **values):
    made = Properties(getattr(PacketTypes, kind))
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """Keeps everything: messages as (topic, payload, qos, retain), in order."""
    def __init__(self, broker, version, client_id, clean=True, will=None, will_properties=None, keepalive=60, auto_ack=True,
                 **connect_properties):
        self.version, self.messages, self.raw, self.done = version, [], [], {}
        self.connected, self.ended = threading.Event(), threading.Event()
        options = {} if version == V5 else {"clean_session": clean}
        self.mqtt = mqtt.Client(client_id, protocol=version, reconnect_on_failure=False, **options)
        if not auto_ack:
            self.mqtt._send_puback = lambda mid: 0
        if will:
            self.mqtt.will_set(*will, **({"properties": will_properties} if version == V5 else {}))
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_disconnect = lambda *_: self.ended.set()
        self.mqtt.on_message = self._on_message
        for event in ("on_subscribe", "on_unsubscribe", "on_publish"):
            setattr(self.mqtt, event, lambda _c, _u, mid, *more: self.done.__setitem__(mid, more))
        more = {"clean_start": clean} if version == V5 else {}
        if connect_properties:
            more["properties"] = properties("CONNECT", **connect_properties)
        self.mqtt.connect("127.0.0.1", broker.tcp, keepalive, **more)
        self.mqtt.loop_start()
        assert self.connected.wait(TIMEOUT)

    def _on_connect(self, _client, _user, flags, code, *_):
        self.session_present, self.code = flags["session present"], int(getattr(code, "value", code))
        self.properties = _[0] if _ else None
        self.connected.set()

    def _on_message(self, _client, _user, message):
        self.raw.append(message)
        self.messages.append((message.topic, message.payload, message.qos, bool(message.retain)))

    def _finish(self, mid):
        return until("answered", lambda: mid in self.done and self.done[mid] + (True,))

    def subscribe(self, topic, qos=2, **options):
        if options:
            return self._finish(self.mqtt.subscribe(topic, options=SubscribeOptions(qos=qos, **options))[1])
        return self._finish(self.mqtt.subscribe(topic, qos)[1])

    def unsubscribe(self, topic):
        return self._finish(self.mqtt.unsubscribe(topic)[1])

    def publish(self, topic, payload=b"", qos=1, retain=False, **values):
        more = {"properties": properties("PUBLISH", **values)} if values else {}
        self._finish(self.mqtt.publish(topic, payload, qos, retain, **more).mid)

    def wait(self, count):
        """So many messages, and no more behind them: one of our own would come last."""
        until(lambda: f"{count} messages, not {self.messages}", lambda: len(self.messages) >= count)
        return self.messages

    def settle(self):
        """What the broker had for us before this is here now: it answers in order."""
        self.unsubscribe("nothing/at/all")

    def nothing_more(self, count):
        self.settle()
        assert len(self.messages) == count, self.messages

    def disconnect(self, **options):
        self.mqtt.disconnect(**options)
        assert self.ended.wait(TIMEOUT)
        self.mqtt.loop_stop()

    def break_off(self):
        """Without DISCONNECT."""
        self.mqtt._sock.shutdown(2)
        assert self.ended.wait(TIMEOUT)
        self.mqtt.loop_stop()


@pytest.fixture(params=[V3, V5], ids=["3.1.1", "5"])
def version(request):
    return request.param


@pytest.fixture
def cast(broker, version, request):
    """Makes clients, and ends them; their names and topics begin with `cast.name`."""
    clients = []

    def make(name="a", **options):
        client_id = f"{make.name}-{name}" if name else ""
        clients.append(Client(broker, options.pop("version", version), client_id, **options))
        return clients[-1]
    make.name = f"{request.node.name.split('[')[0]}-{version}"
    yield make
    for client in clients:
        client.mqtt.disconnect()
        client.mqtt.loop_stop()


def forever(version):
    return {"SessionExpiryInterval": 600} if version == V5 else {}


# ---- both versions ----
def test_basic(cast):
    a, b = cast("a"), cast("b")
    a.subscribe(f"{cast.name}/+")
    for qos in (0, 1, 2):
        b.publish(f"{cast.name}/{qos}", b"qos %d" % qos, qos)
    assert sorted(a.wait(3)) == [(f"{cast.name}/{qos}", b"qos %d" % qos, qos, False) for qos in (0, 1, 2)]
    a.unsubscribe(f"{cast.name}/+")
    b.publish(f"{cast.name}/0", b"unheard")
    a.nothing_more(3)
    a.disconnect()


def test_downgraded_qos(cast):
    a, b = cast("a"), cast("b")
    for granted in (0, 1, 2):
        a.subscribe(f"{cast.name}/{granted}", granted)
        for qos in (0, 1, 2):
            b.publish(f"{cast.name}/{granted}", b"", qos)
    assert sorted(qos for _, _, qos, _ in a.wait(9)) == [0, 0, 0, 0, 0, 1, 1, 1, 2]


def test_retained(cast):
    a = cast("a")
    for qos in (0, 1, 2):
        a.publish(f"{cast.name}/q{qos}", b"kept %d" % qos, qos, retain=True)
    b = cast("b")
    b.subscribe(f"{cast.name}/+")
    assert sorted(b.wait(3)) == [(f"{cast.name}/q{qos}", b"kept %d" % qos, qos, True) for qos in (0, 1, 2)]
    for qos in (0, 1, 2):
        a.publish(f"{cast.name}/q{qos}", b"", qos, retain=True)
    c = cast("c")
    c.subscribe(f"{cast.name}/+")
    c.nothing_more(0)


def test_zero_length_client_id(cast, broker, version, wire):
    assert cast("").code == 0
    if version == V3:
        assert wire(broker.tcp).send(w.connect("", clean=False)).rest()[0] == [(w.CONNACK, b"\x00\x02")]
    else:
        assert cast("").properties.AssignedClientIdentifier


def test_offline_queue(cast, version):
    a = cast("a", clean=False, **forever(version))
    a.subscribe(f"{cast.name}/#")
    a.disconnect()
    b = cast("b")
    for n in range(300):
        b.publish(f"{cast.name}/{n}", b"%d" % n)
    again = cast("a", clean=False, **forever(version))
    assert again.session_present
    assert [payload for _, payload, *_ in again.wait(300)] == [b"%d" % n for n in range(300)]
    again.nothing_more(300)
    again.disconnect()
    assert not cast("a").session_present


def test_redelivery_on_reconnect(cast, version):
    a = cast("a", clean=False, auto_ack=False, **forever(version))
    a.subscribe(f"{cast.name}/x", 1)
    b = cast("b")
    for n in range(5):
        b.publish(f"{cast.name}/x", b"%d" % n)
    a.wait(5)
    a.break_off()
    again = cast("a", clean=False, **forever(version))
    assert [payload for _, payload, *_ in again.wait(5)] == [b"%d" % n for n in range(5)]
    assert all(message.dup for message in again.raw[:5])


def test_will(cast):
    watcher = cast("watcher")
    watcher.subscribe(f"{cast.name}/will")
    gone = cast("gone", will=(f"{cast.name}/will", b"farewell", 2))
    gone.break_off()
    assert watcher.wait(1) == [(f"{cast.name}/will", b"farewell", 2, False)]
    cast("orderly", will=(f"{cast.name}/will", b"unheard", 2)).disconnect()
    watcher.nothing_more(1)


def test_overlapping_subscriptions(cast, version):
    a = cast("a")
    a.subscribe(f"{cast.name}/#", 2)
    a.subscribe(f"{cast.name}/+", 1)
    a.publish(f"{cast.name}/x", b"once or twice", 2)
    expected = [1] if version == V3 else [1, 2]  # once to a 3.1.1 client, unless allow_duplicate_messages
    assert sorted(qos for _, _, qos, _ in a.wait(len(expected))) == expected
    a.nothing_more(len(expected))


def test_keepalive(both, wire):
    """Who falls silent is ended, and its will published; who pings is not. All at once: it takes the broker some seconds. The
    broker counts whole seconds: with a keep alive of one, a ping that is a second late would be too late."""
    ports = [(broker.tcp, version) for broker in both for version in (V3, V5)]

    def online(name, port, version, **options):
        return wire(port, timeout=30).online(f"keep-{name}-{version}", version=version, **options)
    watchers = [online("watcher", *one).subscribed(f"keep/{one[1]}", version=one[1]) for one in ports]
    silent = [online("silent", *one, keepalive=4, will=(f"keep/{one[1]}", "silent")) for one in ports]
    lively = [online("lively", *one, keepalive=4, will=(f"keep/{one[1]}", "lively")) for one in ports]
    stop = threading.Event()

    def ping():
        while not stop.wait(0.3):
            for client in lively:
                client.send(w.PING)
    pinging = threading.Thread(target=ping)
    pinging.start()
    try:
        for client, watcher in zip(silent, watchers):
            assert client.rest()[1] == "end"
            assert watcher.expect(w.PUBLISH).endswith(b"silent")
    finally:
        stop.set()
        pinging.join()
    for client, watcher in zip(lively, watchers):
        assert client.expect(w.PINGRESP) == b"" and watcher.send(w.PING).expect(w.PINGRESP) == b""


def test_dollar_topics(cast):
    a = cast("a")
    a.subscribe("#")
    a.publish(f"$other/{cast.name}", b"hidden")
    a.publish(f"{cast.name}/x", b"seen")
    until("the plain one", lambda: any(topic == f"{cast.name}/x" for topic, *_ in a.messages))
    assert not [topic for topic, *_ in a.messages if topic.startswith("$")]
    a.subscribe("$SYS/broker/version")
    until("what the broker says", lambda: any(payload == b"mosquitto version 2.0.11" for _, payload, *_ in a.messages))


def test_unsubscribe(cast):
    a = cast("a")
    for name in "xyz":
        a.subscribe(f"{cast.name}/{name}")
    a.unsubscribe(f"{cast.name}/x")
    for name in "xyz":
        a.publish(f"{cast.name}/{name}")
    assert {topic[-1] for topic, *_ in a.wait(2)} == {"y", "z"}
    a.nothing_more(2)


def test_wildcards_do_not_match_too_much(cast):
    a = cast("a")
    a.subscribe(f"{cast.name}/+/end")
    for topic in ("x/end", "x/y/end", "end", "/end", "x/end/"):
        a.publish(f"{cast.name}/{topic}")
    assert {topic.removeprefix(f"{cast.name}/") for topic, *_ in a.wait(2)} == {"x/end", "/end"}
    a.nothing_more(2)


def test_a_session_is_clean_or_kept(cast, version):
    first = cast("a", clean=False, **forever(version))
    assert not first.session_present
    first.disconnect()
    second = cast("a", clean=False, **forever(version))
    assert second.session_present
    second.disconnect()
    assert not cast("a", clean=True).session_present


def test_many_topics_in_one_subscribe(cast):
    a = cast("a")
    _, result = a.mqtt.subscribe([(f"{cast.name}/{n}", n % 3) for n in range(200)] if a.version == V3 else
                                 [(f"{cast.name}/{n}", SubscribeOptions(n % 3)) for n in range(200)])
    until("granted", lambda: result in a.done)
    granted = a.done[result][0]
    assert [int(getattr(code, "value", code)) for code in granted] == [n % 3 for n in range(200)]


# ---- MQTT 5 ----
@pytest.fixture
def five(broker, request):
    clients = []

    def make(name="a", **options):
        clients.append(Client(broker, V5, f"{make.name}-{name}" if name else "", **options))
        return clients[-1]
    make.name = request.node.name.split("[")[0]
    yield make
    for client in clients:
        client.mqtt.disconnect()
        client.mqtt.loop_stop()


def test_properties_travel(five):
    a = five()
    a.subscribe(f"{five.name}/x")
    a.publish(f"{five.name}/x", b"m", 2, PayloadFormatIndicator=1, ContentType="text", ResponseTopic="answer/here",
              CorrelationData=b"\x00\xff" * 300, UserProperty=("name", "value"))
    a.wait(1)
    got = a.raw[0].properties
    assert (got.PayloadFormatIndicator, got.ContentType, got.ResponseTopic, got.CorrelationData, got.UserProperty) == (
        1, "text", "answer/here", b"\x00\xff" * 300, [("name", "value")])


def test_session_expiry(five):
    five(clean=True, SessionExpiryInterval=0).disconnect()
    assert not five(clean=False, SessionExpiryInterval=1).session_present
    five(clean=False, SessionExpiryInterval=600).disconnect()
    assert five(clean=False, SessionExpiryInterval=600).session_present


def test_shared_subscriptions(five):
    one, two, sender = five("one"), five("two"), five("sender")
    for client in (one, two):
        client.subscribe(f"$share/team/{five.name}/x")
    for n in range(20):
        sender.publish(f"{five.name}/x", b"%d" % n)
    until("all, once", lambda: len(one.messages) + len(two.messages) == 20)
    assert sorted(int(payload) for _, payload, *_ in one.messages + two.messages) == list(range(20))
    assert one.messages and two.messages


def test_no_local_and_retain_as_published(five):
    a, b = five("a"), five("b")
    a.subscribe(f"{five.name}/x", noLocal=True, retainAsPublished=True)
    a.publish(f"{five.name}/x", b"mine")
    b.publish(f"{five.name}/x", b"theirs", retain=True)
    assert a.wait(1) == [(f"{five.name}/x", b"theirs", 1, True)]
    b.publish(f"{five.name}/x", b"", retain=True)
    a.wait(2)
    a.nothing_more(2)


@pytest.mark.parametrize("handling, count", [(0, 2), (1, 1), (2, 0)])
def test_retain_handling(five, handling, count):
    a = five(f"{handling}")
    topic = f"{five.name}/{handling}"
    a.publish(topic, b"kept", retain=True)
    for _ in range(2):
        a.subscribe(topic, retainHandling=handling)
    a.wait(count)
    a.nothing_more(count)
    a.publish(topic, b"", retain=True)


def test_subscription_identifiers(five):
    a = five()
    for identifier, topic in ((3, "x"), (2_000_000, "#")):
        _, mid = a.mqtt.subscribe(f"{five.name}/{topic}", options=SubscribeOptions(1),
                                  properties=properties("SUBSCRIBE", SubscriptionIdentifier=identifier))
        until("granted", lambda mid=mid: mid in a.done)
    a.publish(f"{five.name}/x", b"m")
    a.wait(1)
    a.settle()
    assert {number for message in a.raw for number in message.properties.SubscriptionIdentifier} == {3, 2_000_000}


def test_topic_alias(five):
    a = five()
    a.subscribe(f"{five.name}/#")
    a.publish(f"{five.name}/long/name", b"1", TopicAlias=1)
    a.publish("", b"2", TopicAlias=1)
    assert [(topic, payload) for topic, payload, *_ in a.wait(2)] == [(f"{five.name}/long/name", b"1"),
                                                                      (f"{five.name}/long/name", b"2")]


def test_maximum_packet_size(five):
    a, b = five("a", MaximumPacketSize=500), five("b")
    a.subscribe(f"{five.name}/x", 1)
    for length in (100, 5000, 200):
        b.publish(f"{five.name}/x", b"x" * length)
    assert [len(payload) for _, payload, *_ in a.wait(2)] == [100, 200]
    a.nothing_more(2)


def test_flow_control(five, broker, wire):
    """No more unconfirmed messages than the client takes."""
    b = five("b")
    client = wire(broker.tcp)
    body = w.string("MQTT") + b"\x05\x02\x00\x00" + b"\x03\x21\x00\x02" + w.string(f"{five.name}-narrow")
    client.send(w.packet(0x10, body))
    client.expect(w.CONNACK)
    client.subscribed(f"{five.name}/x", version=5)
    for n in range(10):
        b.publish(f"{five.name}/x", b"%d" % n)
    for n in range(10):
        kind, body = client.next()
        assert kind & 0xf0 == w.PUBLISH and w.payload_of(body, kind, 5) == b"%d" % n
        if n == 1:
            assert client.send(w.PING).expect(w.PINGRESP) == b""  # and no third before it
        if n % 2:
            at = 2 + int.from_bytes(body[:2], "big")
            mid = int.from_bytes(body[at:at + 2], "big")
            client.send(w.answer(w.PUBACK, mid - 1), w.answer(w.PUBACK, mid))


def test_will_delay(five):
    watcher = five("watcher")
    watcher.subscribe(f"{five.name}/will")
    gone = five("gone", clean=False, will=(f"{five.name}/will", b"late", 1), SessionExpiryInterval=600,
                will_properties=properties("WILLMESSAGE", WillDelayInterval=1))
    gone.break_off()
    assert watcher.wait(1) == [(f"{five.name}/will", b"late", 1, False)]
