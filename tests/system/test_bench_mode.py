"""Bench mode: what stock load generators send is taken, from them alone, and nothing of it is left when it is off.

The clients here speak as the tools do, after their sources: emqtt-bench 0.6 (src/emqtt_bench.erl), mqttx 1.13
(cli/src/lib, getBenchClientId), mqtt-stresser 3.5 (main.go, worker.go).
"""
import json
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest

from lib.device import Client
from lib.node import Node, wait_until

USERS = 20
V5, V311 = mqtt.MQTTv5, mqtt.MQTTv311


@pytest.fixture(scope="module")
def node():
    node = Node("bench")
    try:
        node.up("--limits", "off")
        for user in ("alice", "7"):
            node.ctl("user", "add", user)
        node.bench = node.json("bench-mode", "on", "--users", USERS)
        yield node
    finally:
        node.close(keep_logs=getattr(node, "failed", False))


class Tool:
    """One connection of a load generator."""
    def __init__(self, node, client_id, user="bench", version=V5, password=None):
        self.client = Client(client_id, protocol=version, reconnect_on_failure=False,
                             **({} if version == V5 else {"clean_session": True}))
        self.client.username_pw_set(user, node.bench["password"] if password is None else password)
        self.code = self.ended = None
        self.arrived, self.granted, self.acked, self.lock = [], {}, set(), threading.Lock()
        self.client.on_connect = lambda _c, _u, _f, code, _p=None: setattr(self, "code", getattr(code, "value", code))
        self.client.on_disconnect = lambda *_: setattr(self, "ended", True)
        self.client.on_message = lambda _c, _u, message: self.arrived.append(message)
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p=None: self.granted.__setitem__(mid, codes)
        self.client.on_publish = lambda _c, _u, mid: self.acked.add(mid)
        more = {"clean_start": True} if version == V5 else {}
        self.client.connect("127.0.0.1", node.port, keepalive=300, **more)
        self.client.loop_start()
        wait_until(lambda: self.code is not None or self.ended, what=f"CONNACK for {client_id}")

    def subscribe(self, topic, qos):
        mid = self.client.subscribe(topic, qos)[1]
        wait_until(lambda: mid in self.granted, what=f"SUBACK for {topic}")
        return getattr(self.granted[mid][0], "value", self.granted[mid][0])

    def publish(self, topic, payload=b"x" * 100, qos=1, retain=False):
        """The reason code of PUBACK; None where there is none."""
        mid = self.client.publish(topic, payload, qos, retain).mid
        wait_until(lambda: mid in self.acked, what=f"PUBACK for {topic}")
        return self.client.puback_codes.get(mid)

    def wait_messages(self, count):
        wait_until(lambda: len(self.arrived) >= count, what=lambda: f"{count} messages, not {len(self.arrived)}")
        return self.arrived

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def tools(node):
    made = []

    def make(*args, **options):
        tool = Tool(node, *args, **options)
        made.append(tool)
        return tool
    yield make
    for tool in made:
        tool.stop()


# of each tool with its usual options: client ids, user names and topics of client n, and what subscribes
SHAPES = [
    ("emqtt-bench", V5, "box_bench_{side}_4022250974_{n}", "bench", "inbox/{n}/#", "chat/u/{n}", 1),
    ("emqtt-bench -V 4 -u %i, %c in topics", V311, "box_bench_{side}_77_{n}", "{n}",
     "inbox/box_bench_sub_77_{n}/#", "chat/u/box_bench_pub_77_{n}", 1),
    ("emqtt-bench --prefix, one's own topic", V5, "mysub_bench_{side}_{n}", "bench", "bench/{n}", "bench/{n}", 1),
    ("emqtt-bench --shortids true --prefix", V5, "{side}{n}", "bench", "inbox/{n}/#", "chat/u/{n}/1", 1),
    ("emqtt-bench -q 0", V5, "box_bench_{side}_1_{n}", "bench", "inbox/{n}/#", "chat/u/{n}", 0),
    ("mqttx -I pub%i", V5, "{side}{n}", "bench", "inbox/{n}/#", "chat/u/{n}", 1),
    ("mqttx -I my-pub, -V 3.1.1", V311, "my-{side}_{n}", "bench", "mqttx/{n}/in", "chat/u/load{n}", 1),
    ("mqtt-stresser", V311, "mqtt-stresser-{side}-submarine-worker{n0}-1298498081", "bench",
     "internal/mqtt-stresser/submarine/worker{n0}-1298498081", "internal/mqtt-stresser/submarine/worker{n0}-1298498081", 1),
]


@pytest.mark.parametrize("tool, version, client_id, user, inbox, topic, qos", SHAPES, ids=[shape[0] for shape in SHAPES])
def test_each_tool_as_it_is(tools, tool, version, client_id, user, inbox, topic, qos):
    pairs = []
    for n in (1, 2, USERS):
        words = {"n": n, "n0": n - 1}
        sub = tools(client_id.format(side="sub", **words), user.format(**words), version)
        pub = tools(client_id.format(side="pub", **words), user.format(**words), version)
        assert (sub.code, pub.code) == (0, 0)
        assert sub.subscribe(inbox.format(**words), qos) == qos
        pairs.append((sub, pub, topic.format(**words)))
    count = 1 if "/1" in topic else 5  # a message id that stays the same is one message
    for i in range(5):
        for _, pub, where in pairs:
            code = pub.publish(where, b"message %d" % i, qos)
            assert code == (0 if qos else None)
    for sub, _, _ in pairs:
        arrived = sub.wait_messages(count)
        assert [one.payload for one in arrived] == [b"message %d" % i for i in range(count)]
        assert all("/chat/u/" in one.topic for one in arrived)


def test_both_ways_and_to_the_group(node, tools):
    sub1, sub2, pub = (tools(name) for name in ("sub1", "sub2", "pub1"))
    for tool in (sub1, sub2, pub):
        assert tool.subscribe("inbox/mine/#", 1) == 1
    assert sub1.publish("chat/u/1", b"back") == 0
    assert pub.wait_messages(1)[0].payload == b"back"
    assert pub.publish("chat/g/all", b"to everybody") == 0
    for tool in (sub1, sub2):
        message, = tool.wait_messages(1)
        assert message.payload == b"to everybody" and f"/chat/g/{node.bench['prefix']}/" in message.topic
    assert pub.publish("chat/u/2", b"to another number") == 0
    assert sub2.wait_messages(2)[1].payload == b"to another number"


def test_mosquitto_pub(node, tools):
    sub = tools("sub3")
    assert sub.subscribe("inbox/mine/#", 1) == 1
    said = subprocess.run(["mosquitto_pub", "-d", "-V", "5", "-p", str(node.port), "-i", "box_bench_pub_5_3", "-u", "bench",
                           "-P", node.bench["password"], "-q", "1", "-t", "chat/u/3", "-m", "hello"],
                          capture_output=True, text=True, timeout=20, check=True).stdout
    assert "PUBACK (Mid: 1, RC:0)" in said
    wait_until(lambda: [one.payload for one in direct(sub)] == [b"hello"], what="its message")


def direct(tool):
    return [one for one in tool.arrived if "/chat/u/" in one.topic]


def test_nothing_else_is_possible(node, tools):
    for client_id, password in (("pub1", "wrong-password"), ("pub1", ""), (f"pub{USERS + 1}", None), ("pub0", None),
                                ("pub99999999999", None), ("mqtt-stresser-pub-h-worker99-1", None)):
        assert tools(client_id, password=password, version=V311).code == 5, client_id
    assert tools("alice:phone", user="alice", version=V311).code == 0  # is pub 1, and not alice
    pub, sub = tools("pub4"), tools("sub4")
    messages = node.sql_value("select count(*) from gnatter.message")
    for topic in ("chat/u/alice/x/y", "chat/x/alice", "chat/u", "chat", "chat/u/5/" + "x" * 37, "ack/u/7/1", "read/u/7/1", "ack",
                  "typing/u/7", "sync", "rpc/group.create/r1", "inbox/alice/chat", "presence/alice", "$SYS/x",
                  "$CONTROL/gnatter/v1", "x"):
        assert pub.publish(topic, b"1") == 0x87, topic
    assert pub.publish("chat/u/4", b"1", retain=True) == 0x87
    for topic in ("$SYS/#", "$share/g/x", "$CONTROL/#"):
        assert pub.subscribe(topic, 1) == 0x87, topic
    assert sub.subscribe("#", 1) == 1  # only what is its own
    assert pub.publish("chat/u/alice", b"is for number 4: no number, one's own") == 0
    assert pub.publish("chat/u/7", b"is for bench number 7, not the user 7") == 0
    wait_until(lambda: direct(sub), what="its message")
    wait_until(lambda: int(node.sql_value("select count(*) from gnatter.message")) == int(messages) + 2, what="both are there")
    assert node.sql("select user_name from gnatter.members where user_name in ('alice', '7')") == []
    assert [one.payload[:15] for one in direct(sub)] == [b"is for number 4"]


def test_of_one_number_there_is_one(tools):
    first = tools("box_bench_sub_1_9")
    second = tools("box_bench_sub_2_9")
    wait_until(lambda: first.ended, what="the first is taken over")
    assert second.code == 0 and not second.ended


def test_it_is_loud_survives_a_restart_and_leaves_nothing(node):
    warning = "BENCH MODE IS ON"
    assert node.ctl("bench-mode", "on", check=False).returncode == 1  # is on
    assert warning in node.ctl("status").stdout and node.json("status")["bench_mode"] is True
    told = "Rate limits hold"
    assert told not in node.ctl("bench-mode", "status").stdout  # they are off here
    node.down()
    assert warning in node.up().stderr and told in node.ctl("bench-mode", "status").stdout
    node.down()
    assert warning in node.up("--limits", "off").stderr
    assert node.json("bench-mode", "status") == node.bench
    assert (node.dir / "keys/bench").stat().st_mode & 0o777 == 0o600
    assert (node.dir / "log/mosquitto.log").read_text().count(warning) >= 2
    assert "bench-mode-on" in (node.dir / "log/supervisor.log").read_text()
    tool = Tool(node, "sub1")
    assert tool.code == 0
    assert node.json("bench-mode", "off") == {"on": False}
    wait_until(lambda: tool.ended, what="its connections are ended")
    tool.stop()
    again = Tool(node, "sub1", version=V311)
    assert again.code == 5
    again.stop()
    assert not list(node.dir.glob("*/bench"))
    assert node.json("status")["bench_mode"] is False and warning not in node.ctl("status").stdout
    assert node.sql_value("select count(*) from gnatter.users where removed_at is null and user_name like 'bench-%'") == "0"
    assert node.sql_value("select count(*) from gnatter.messages where conversation like 'd/bench-%'") == "0"
    assert json.loads(node.ctl("--json", "bench-mode", "off").stdout) == {"on": False}
    node.ctl("verify")
    fresh = node.json("bench-mode", "on", "--users", 1, "--password", "chosen-by-hand")
    assert fresh["password"] == "chosen-by-hand" and fresh["prefix"] != node.bench["prefix"]
