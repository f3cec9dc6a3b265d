"""What a device may publish: exactly the grammar, and what it is told otherwise."""
import json

import pytest

from lib.device import new_id

VERSIONS = pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])
LONG = "x" * 33
WRONG_TOPICS = [
    "chat", "chat/", "chat/u", "chat/u/{peer}", "chat/u/{peer}/", "chat/u/{peer}/a/b", "/chat/u/{peer}/m", "chat/u//m",
    "chat//{peer}/m", "chat/x/{peer}/m", "chat/{peer}/m", "Chat/u/{peer}/m", "chat/U/{peer}/m", "chat/u/{PEER}/m",
    "chat/u/{peer}/m/", "chat/u/{peer}/m m", "chat/u/{peer}/ü", "chat/u/{peer}/a.b", "chat/u/{peer}/" + "a" * 37,
    "chat/u/%62ob/m", "chat/u/-peer/m", "chat/u/.peer/m", "chat/u/_peer/m", "chat/u/" + LONG + "/m",
    "chat/g/" + "x" * 65 + "/m", "chat/d/a/b/m", "chat/u/{peer}:d/m", "chat/u/{peer} /m",
    "ack/u/{peer}", "ack/u/{peer}/", "ack/u/{peer}/0", "ack/u/{peer}/01", "ack/u/{peer}/-1",
    "ack/u/{peer}/1.0", "ack/u/{peer}/0x1", "ack/u/{peer}/ 1", "ack/u/{peer}/9223372036854775808",
    "ack/u/{peer}/99999999999999999999", "ack/1", "acks", "ack/", "read/u/{peer}/0", "read/u/{peer}/one", "read/",
    "typing", "typing/", "typing/u", "typing/u/{peer}/1", "typing/u/{peer}/", "sync/", "sync/u/{peer}", "Sync",
    "rpc", "rpc/", "rpc/history", "rpc/history/", "rpc/history/a/b", "rpc//r", "rpc/History/r", "rpc/his tory/r",
    "rpc/history/" + "r" * 37, "rpc/history/r.1",
    "inbox/{me}/chat/u/{peer}/1/1770000000000/{peer}:d/m", "inbox/{peer}/synced", "inbox/{peer}/chat/u/{me}/1/1/x:y/m",
    "presence/{me}", "presence/{peer}", "$CONTROL/gnatter/v1", "$CONTROL/dynamic-security/v1", "gnatter/v1/up", "$q",
    "$SYS/broker/uptime", "$SYS", "anything", "a/b/c", "/", "$share/g/chat/u/{peer}/m",
]


def fill(topic, me, peer):
    return topic.format(me=me.user, peer=peer.user, PEER=peer.user.upper())


@VERSIONS
def test_wrong_topics_are_denied(cast, v5):
    """One device, all of them: each has its denial in v5, and none has an effect. The spoken answer is rate limited."""
    alice, bob = cast(2, v5=v5)
    accepted = []
    for template in WRONG_TOPICS:
        topic = fill(template, alice, bob)
        code = alice.publish(topic, b"1")
        if v5 and code != 0x87:
            accepted.append((topic, hex(code)))
    assert not accepted
    assert alice.say(bob.address).seq == 1
    bob.wait_for("chat", seq=1)
    assert {item.kind for item in bob.arrived} <= {"synced", "chat"}
    assert {item.kind for item in alice.arrived} <= {"synced", "refusal", "sent", "delivered"}
    assert {item.word for item in alice.all_of("refusal")} == {"denied"}


@VERSIONS
@pytest.mark.parametrize("topic", ["chat/u/Bob/m", "nonsense", "ack/u/bob/01", "rpc/history/x.y"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_denied_is_said(cast, v5, topic, qos):
    alice = cast.user().device(v5=v5)
    since = alice.here()
    if qos == 2 and v5:  # paho waits for a PUBCOMP that a refused PUBREC does not have
        alice.publish(topic, b"1", qos, wait=False)
    else:
        alice.publish(topic, b"1", qos)
    refusal = alice.wait_for("refusal", since=since)
    assert refusal.topic == f"inbox/{alice.user}/error/-/-/denied"
    body = json.loads(refusal.payload)
    assert body["topic"] == topic and isinstance(body["message"], str) and body["message"]


def test_denied_is_said_at_a_limited_rate(cast):
    alice, = cast(1)
    for n in range(300):
        alice.publish(f"nonsense/{n}", qos=0)
    alice.say(alice.address)
    assert 1 <= len(alice.all_of("refusal")) < 150


@VERSIONS
def test_retained_is_denied(cast, v5):
    alice, bob = cast(2, v5=v5)
    mid = new_id()
    code = alice.publish(f"chat/{bob.address}/{mid}", b"kept?", retain=True)
    if v5:
        assert code == 0x87
    alice.wait_for("refusal", word="denied")
    assert alice.say(bob.address, b"first").seq == 1
    bob.stop()
    bob.connect()
    bob.wait_for("chat", seq=1)
    assert [item.payload for item in bob.items(alice.address)] == [b"first"]


@pytest.mark.parametrize("qos", [0, 1, 2])
@VERSIONS
def test_each_topic_at_each_qos(cast, qos, v5):
    """Every kind of publish is served whatever its QoS."""
    alice, bob = cast(2, v5=v5)
    alice.publish(f"chat/{bob.address}/{new_id()}", b"1", qos)
    bob.wait_for("chat", seq=1)
    bob.publish(f"typing/{alice.address}", b"1", qos)
    alice.wait_for("typing")
    bob.publish(f"ack/{alice.address}/1", b"", qos)
    alice.wait_for("delivered", seq=1)
    bob.publish(f"read/{alice.address}/1", b"", qos)
    alice.wait_for("read", seq=1)
    alice.publish(f"chat/{bob.address}/{new_id()}", b"2", qos)
    alice.publish(f"chat/{bob.address}/{new_id()}", b"3", qos)
    bob.wait_for("chat", seq=3)
    bob.publish("ack", f"{alice.address} 2", qos)
    alice.wait_for("delivered", seq=2)
    bob.publish("read", f"{alice.address} 3\n", qos)
    alice.wait_for("read", seq=3)
    since = bob.here()
    bob.publish("sync", f"{alice.address} 1", qos)
    bob.wait_for("synced", since=since)
    assert bob.seqs(alice.address, since) == [2, 3]
    assert bob.ask("conversations", {}, qos=qos)["result"]["conversations"]


BAD_PAYLOADS = [
    ("ack/u/{peer}/1", b"x"), ("read/u/{peer}/1", b"x"), ("typing/u/{peer}", b""), ("typing/u/{peer}", b"2"),
    ("typing/u/{peer}", b"true"), ("ack", b"u/{peer}"), ("ack", b"u/{peer} 0"), ("ack", b"u/{peer} 01"),
    ("ack", b"u/{peer}  1"), ("ack", b"u/{peer} 1\r\n"), ("ack", b"u/{peer} 1\n\n"), ("ack", b"x/{peer} 1"),
    ("read", b"nonsense"), ("read", b"u/{peer} -1"), ("sync", b"u/{peer}"), ("sync", b"\n"), ("sync", b"u/{peer} 1x"),
    ("ack", b"u/{peer} 1\n" * 1001),
]


@VERSIONS
def test_payload_that_does_not_fit_the_topic(cast, v5):
    """Well-formed topics whose payload is wrong have no effect and are answered."""
    alice, bob = cast(2, v5=v5)
    alice.say(bob.address)
    bob.wait_for("chat", seq=1)
    for template, payload in BAD_PAYLOADS:
        bob.publish(template.format(peer=alice.user), payload.replace(b"{peer}", alice.user.encode()), 1)
    assert bob.wait_for("refusal").word in ("bad-request", "too-large")
    bob.say(alice.address)
    alice.wait_for("chat", seq=2)
    assert not alice.all_of("read") and not alice.all_of("typing")
    assert bob.is_connected()


RPC_BODIES = [b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}x", b'{"a":1}{"b":2}', b"\xff\xfe", b"nope", b"{'a':1}"]


@pytest.mark.parametrize("body", RPC_BODIES)
def test_rpc_payload_must_be_an_object(cast, body):
    alice, = cast(1)
    assert alice.rpc_code("conversations", body) == "bad-request"


@pytest.mark.parametrize("good, bad, says", [
    (dict.fromkeys(map(str, range(64)), 0), dict.fromkeys(map(str, range(65)), 0), "more than 64 members"),
    (b'{"a":' * 16 + b"0" + b"}" * 16, b'{"a":' * 17 + b"0" + b"}" * 17, "more than 16 levels"),
])
def test_rpc_payload_has_limits(cast, good, bad, says):
    alice, = cast(1)
    assert alice.rpc("conversations", good) == {"conversations": []}
    answer = alice.ask("conversations", bad)["error"]
    assert answer["code"] == "bad-request" and says in answer["message"]


@pytest.mark.parametrize("method", ["nothing", "history2", "group", "group.", "group.destroy", "a-b.c", "x" * 32])
def test_unknown_method(cast, method):
    alice, = cast(1)
    assert alice.rpc_code(method) == "bad-request"


def test_rpc_to_the_letter(cast):
    alice, = cast(1)
    alice.publish("rpc/conversations/Request_1-x", b"{}")
    answer = alice.wait_for("rpc", id="Request_1-x")
    assert answer.topic == f"inbox/{alice.user}/rpc/Request_1-x" and answer.qos == 1
    assert json.loads(answer.payload) == {"result": {"conversations": []}}


def test_rpc_correlation_data(cast):
    alice, = cast(1, v5=True)
    assert alice.ask("conversations", {}, correlation=b"\0\1binary\xff") == {"result": {"conversations": []}}
    assert alice.rpc_code("nothing", {}, correlation=b"2") == "bad-request"


def test_rpc_answer_reaches_only_the_one_who_asked(cast):
    anna = cast.user()
    phone, laptop = anna.device("phone"), anna.device("laptop")
    phone.rpc("conversations")
    laptop.wait_for("chat", id=phone.say(anna.address).id)
    assert not laptop.all_of("rpc")


def test_longest_names_work(cast):
    node = cast.node
    user, device, group = "l" + "o" * 30 + "g", "d" * 32, "g" * 64
    node.ctl("user", "add", user, "--if-missing")
    other = cast.user().device()
    from lib.device import Device
    long = Device(node, f"{user}:{device}", node.token(user, device))
    cast.devices.append(long)
    long.connect()
    node.ctl("group", "create", group, "--owner", user, "--member", other.user)
    sent = long.say(f"g/{group}", mid="m" * 36)
    assert other.wait_for("chat", id=sent.id).topic == \
        f"inbox/{other.user}/chat/g/{group}/2/{sent.time}/{user}:{device}/{'m' * 36}"
    assert long.say(other.address).seq == 1


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "9-.", "x" * 32])
def test_names_allowed(cast, name):
    cast.node.ctl("user", "add", name)
    assert name in cast.node.ctl("user", "list").stdout


@pytest.mark.parametrize("name", ["", "A", "aB", "-a", ".a", "_a", "a b", "a:b", "a/b", "ä", "x" * 33, "a+", "a#", "$a",
                                  "a\n", "..", "a\tb"])
def test_names_refused(cast, name):
    assert cast.node.ctl("user", "add", "--", name, check=False).returncode in (1, 2)
    quoted = name.replace("'", "''")
    assert cast.node.sql(f"select gnatter.create_user('{quoted}')", check=False).returncode != 0
    alice = cast.user()
    assert cast.node.ctl("device", "add", alice.name, "--", name, check=False).returncode in (1, 2)


@pytest.mark.parametrize("name", ["A", "-a", "", "a b", "a/b", "x" * 65])
def test_group_names_refused(cast, name):
    alice, = cast(1)
    assert alice.rpc_code("group.create", group=name, members=[]) == "bad-request"
