"""Web Push and UnifiedPush: RFC 8030, 8188, 8291, 8292; and endpoints that mean harm."""
import base64
import json
import time

import pytest

from lib.node import wait_until
from conftest import reconfigured


def claims_of(request):
    return json.loads(base64.urlsafe_b64decode(request["vapid"].split(".")[1] + "=="))


@pytest.mark.parametrize("provider", ["webpush", "unifiedpush"])
def test_the_request(stage, provider):
    device, token, friend = stage.sleeper(provider)
    friend.say(device.address, b"a secret text")
    request = stage.providers.wait("webpush", token)[0]
    headers = request["headers"]
    assert request["wrong"] is None and request["status"] == 201
    assert (headers["urgency"], headers["content-encoding"]) == ("high", "aes128gcm")
    assert 86300 < int(headers["ttl"]) <= 86400
    assert request["json"] == {"v": 1, "badge": 1, "conversations": 1}
    assert request["plain_len"] % 128 == 0, "the length tells little"
    assert claims_of(request)["aud"] == stage.providers.url("webpush")
    assert claims_of(request)["sub"] == "mailto:push@example.net"
    assert claims_of(request)["exp"] - time.time() <= 86400


def test_each_message_has_its_own_key_and_salt(stage):
    device, token, friend = stage.sleeper("webpush")
    friend.say(device.address)
    stage.providers.wait("webpush", token)
    stage.node.wait_job(device.client_id, "sent")
    stage.device().say(device.address)
    first, second = (base64.b64decode(r["body"]) for r in stage.providers.wait("webpush", token, 2))
    assert first[:16] != second[:16] and first[21:86] != second[21:86]


def test_what_shows_nothing_is_not_urgent(stage):
    device, token, friend = stage.sleeper("webpush", shows=False)
    friend.say(device.address)
    assert stage.providers.wait("webpush", token)[0]["headers"]["urgency"] == "normal"


def test_gone(stage):
    for device, _, _ in stage.answered("webpush", [{"status": 404}, {"status": 410}]):
        stage.node.wait_job(device.client_id, "gone")
        assert stage.node.registered(device.client_id) is None


def test_retried(stage):
    for device, token, _ in stage.answered("webpush", [{"status": status, "headers": {"retry-after": "2"}}
                                                       for status in (429, 500, 503)]):
        first, second = stage.providers.wait("webpush", token, 2, timeout=30)[:2]
        assert second["at"] - first["at"] > 1900
        stage.node.wait_job(device.client_id, "sent")


def test_failed(stage):
    for device, _, answer in stage.answered("webpush", [{"status": 400}, {"status": 413}, {"status": 415}]):
        assert stage.node.wait_ended(device.client_id, "failed") == f"http-{answer['status']}"
        assert stage.node.registered(device.client_id)


def test_a_redirect_is_not_followed(stage):
    device, token, friend = stage.sleeper("webpush")
    elsewhere = stage.providers.subscription()
    stage.providers.answer("webpush", match=token, status=307, headers={"location": elsewhere["endpoint"]})
    friend.say(device.address)
    assert stage.node.wait_job(device.client_id, "refused")[2] == "http-307"
    assert stage.providers.requests("webpush", elsewhere["id"]) == []


def test_an_answer_without_end_is_cut(stage):
    device, token, friend = stage.sleeper("webpush")
    stage.providers.answer("webpush", match=token, how="endless")
    friend.say(device.address)
    stage.providers.wait("webpush", token)
    assert stage.node.wait_job(device.client_id, "queued", timeout=5)[2] == "answer-too-long"
    stage.node.wait_job(device.client_id, "sent", timeout=25)


def test_one_subscription_of_another_key_is_only_that(stage):
    """One user's push service says 403: tried some times, then kept and left alone. The others go on."""
    device, token, friend = stage.sleeper("webpush")
    stage.providers.answer("webpush", match=token, status=403, always=True)
    friend.say(device.address)
    for attempt in range(1, 5):
        stage.providers.wait("webpush", token, attempt)
        wait_until(lambda: stage.node.job(device.client_id)[:2] in (("queued", str(attempt)), ("refused", "4")), 15,
                   lambda: f"judged; it is {stage.node.job(device.client_id)}", 0.1)
        stage.node.go()
    assert stage.node.wait_job(device.client_id, "refused")[2] == "http-403"
    assert stage.node.push_status("webpush")["state"] == "up"
    other, other_token, _ = stage.sleeper("webpush")
    friend.say(other.address)
    stage.providers.wait("webpush", other_token)


def test_a_wrong_key_stops_sending_there_and_burns_nothing(stage):
    """The stand-in knows another key than ours: it says 403 to everybody."""
    from stage import ec_key
    key = stage.providers.folder / "webpush.pem"
    right = key.read_bytes()
    ec_key(key)
    try:
        stage.node.reload()
        sleepers = [stage.sleeper("webpush") for _ in range(6)]
        friend = stage.device()
        for device, _, _ in sleepers:
            friend.say(device.address)
        log = stage.node.dir / "log/syncd.log"
        wait_until(lambda: f"error push key-refused by={stage.providers.url('webpush')}" in log.read_text(), 15, "the alarm", 0.1)
        assert all(stage.node.registered(device.client_id)["refused"] is None for device, _, _ in sleepers)
    finally:
        key.write_bytes(right)
    stage.node.reload()
    stage.node.go()
    for device, token, _ in sleepers:
        wait_until(lambda: any(r["wrong"] is None for r in stage.providers.requests("webpush", token)), 20, f"{token} at last", 0.2)


@pytest.fixture
def patient_node(node):
    yield from reconfigured(node, push_timeout_ms=15000)


def test_an_endpoint_that_hangs_holds_up_only_itself(patient_node, stage):
    device, token, friend = stage.sleeper("webpush")
    other, other_token, _ = stage.sleeper("webpush", **renamed(stage))
    stage.providers.answer("webpush", match=token, how="hang", always=True)
    friend.say(device.address)
    stage.providers.wait("webpush", token)
    friend.say(other.address)
    stage.providers.wait("webpush", other_token)
    assert stage.node.job(device.client_id)[0] == "sending", "it still hangs"
    assert stage.node.wait_job(device.client_id, "queued", timeout=30)[2] == "timeout"


def renamed(stage):
    """A subscription with another name for the same server: another origin."""
    subscription = stage.providers.subscription()
    return {"endpoint": subscription["endpoint"].replace("127.0.0.1", "localhost"), "p256dh": subscription["p256dh"],
            "auth": subscription["auth"]}


def test_registrations_that_are_refused(stage):
    device = stage.device()
    subscription = stage.providers.subscription()
    for change in ({"endpoint": "http://127.0.0.1/x"}, {"endpoint": "https://user@127.0.0.1/x"},
                   {"endpoint": "https://127.0.0.1/x#y"}, {"endpoint": "https://127.0.0.1/" + "x" * 2100},
                   {"endpoint": "ftp://127.0.0.1/x"}, {"p256dh": "AAAA"}, {"auth": ""}, {"auth": None}):
        fields = {key: subscription[key] for key in ("endpoint", "p256dh", "auth")} | change
        assert device.rpc_code("push.register", provider="webpush", **fields) == "bad-request", change
    assert stage.node.registered(device.client_id) is None


def test_a_point_that_is_not_on_the_curve(stage):
    point = base64.urlsafe_b64encode(b"\x04" + b"\x01" * 64).rstrip(b"=").decode()
    subscription = stage.providers.subscription()
    device, token, friend = stage.sleeper("webpush", endpoint=subscription["endpoint"], p256dh=point, auth=subscription["auth"])
    friend.say(device.address)
    assert stage.node.wait_job(device.client_id, "refused")[2] == "subscription-malformed"


def test_private_addresses_are_refused(guarded):
    """The same node, as it is by default."""
    stage, friend = guarded, guarded.device()
    hosts = ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"]
    for host in hosts:
        subscription = stage.providers.subscription()
        endpoint = f"https://{host}:{stage.providers.ports['webpush']}/wp/{subscription['id']}"
        device, _, _ = stage.sleeper("webpush", endpoint=endpoint, p256dh=subscription["p256dh"], auth=subscription["auth"])
        friend.say(device.address)
        assert stage.node.wait_job(device.client_id, "refused")[2] == "address-not-public", host
    assert stage.providers.requests("webpush") == []


@pytest.fixture(scope="module")
def guarded_node(node):
    yield from reconfigured(node, push_allow_private_addresses="no")


@pytest.fixture
def guarded(guarded_node, stage):
    return stage
