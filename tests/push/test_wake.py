"""Who is woken, when, and how often. Wire details of each provider: test_<provider>.py."""
import secrets

import pytest

from lib.node import wait_until
from stage import QUIET_S, keep_quiet

PROVIDERS = ["apns", "fcm", "webpush", "unifiedpush", "webhook"]


def server(provider):
    return "webpush" if provider == "unifiedpush" else provider


def nothing_for(stage, provider, token, seconds=QUIET_S):
    keep_quiet(seconds)
    assert stage.providers.requests(server(provider), token) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_wakes_a_device_that_is_away(stage, provider):
    device, token, friend = stage.sleeper(provider)
    friend.say(device.address, b"a secret text")
    request, = stage.providers.wait(server(provider), token)
    assert request["wrong"] is None and request["status"] in (200, 201, 204)
    assert stage.node.wait_job(device.client_id, "sent")[1] == "0"
    assert b"secret" not in __import__("base64").b64decode(request["body"])
    assert friend.user not in str(request["json"])
    nothing_more = len(stage.providers.requests(server(provider), token))
    friend.say(device.address, b"another")
    keep_quiet()
    assert len(stage.providers.requests(server(provider), token)) == nothing_more, "one wake-up per conversation"


def test_a_live_device_is_not_woken(stage):
    device, friend = stage.device(), stage.device()
    token = stage.register(device, "apns")
    device.wait_live()
    friend.say(device.address)
    device.wait_for("chat")
    nothing_for(stage, "apns", token)


def test_who_goes_away_with_unacknowledged_messages_is_woken(stage):
    device, friend = stage.device(), stage.device()
    token = stage.register(device, "apns")
    friend.say(device.address)
    device.wait_for("chat")
    device.drop()
    stage.providers.wait("apns", token)


def test_who_goes_away_with_everything_acknowledged_is_not(stage):
    device, friend = stage.device(), stage.device()
    token = stage.register(device, "apns")
    friend.say(device.address)
    chat = device.wait_for("chat")
    device.ack(chat.conversation, chat.seq)
    friend.wait_for("delivered", seq=chat.seq)
    device.rpc("conversations")  # waits for the marks
    stage.away(device)
    nothing_for(stage, "apns", token)


def test_another_conversation_later_wakes_again_and_replaces(stage):
    device, token, friend = stage.sleeper("apns")
    other = stage.device()
    friend.say(device.address)
    first = stage.providers.wait("apns", token)[0]
    stage.node.wait_job(device.client_id, "sent")
    other.say(device.address)
    second = stage.providers.wait("apns", token, 2)[1]
    assert first["headers"]["apns-collapse-id"] == second["headers"]["apns-collapse-id"]
    assert second["json"]["aps"]["badge"] == 2


def test_who_came_and_went_is_woken_again(stage):
    device, token, friend = stage.sleeper("apns")
    friend.say(device.address)
    stage.providers.wait("apns", token)
    stage.node.wait_job(device.client_id, "sent")
    device.connect()
    stage.away(device)
    stage.providers.wait("apns", token, 2)


def test_a_group(stage):
    device, token, friend = stage.sleeper("fcm")
    bystander, other_token, _ = stage.sleeper("fcm")
    group = friend.rpc("group.create", members=[device.user, bystander.user])["group"]
    keep_quiet()
    assert stage.providers.requests("fcm") == [], "an event wakes nobody"
    friend.say(f"g/{group}")
    stage.providers.wait("fcm", token)
    stage.providers.wait("fcm", other_token)


def test_a_muted_conversation_wakes_nobody(stage):
    device, token, friend = stage.sleeper("apns")
    laptop = stage.device(device.user, "laptop")
    friend.say(device.address)
    stage.providers.wait("apns", token)
    stage.node.wait_job(device.client_id, "sent")
    device.connect()
    assert device.rpc("conversation.mute", conversation=friend.address) == {"muted": True}
    laptop.stop()
    stage.away(device)
    friend.say(device.address)
    nothing = stage.providers.requests("apns", token)
    keep_quiet()
    assert stage.providers.requests("apns", token) == nothing
    device.connect()
    assert device.rpc("conversation.mute", conversation=friend.address, muted=False) == {"muted": False}
    stage.away(device)
    stage.providers.wait("apns", token, 2)


def test_the_badge_is_the_true_unread_count(stage):
    device = stage.device()
    token = stage.register(device, "apns")
    friend, other = stage.device(), stage.device()
    for _ in range(3):
        last = friend.say(device.address)
    device.wait_for("chat", count=3)
    device.read(friend.address, last.seq - 1)
    friend.wait_for("read", seq=last.seq - 1)
    other.say(device.address)
    device.wait_for("chat", conversation=other.address)
    device.rpc("conversations")  # waits for the marks
    device.drop()
    request = stage.providers.wait("apns", token)[0]
    unread = {c["conversation"]: c["unread"] for c in device.connect().rpc("conversations")["conversations"]}
    assert request["json"]["aps"]["badge"] == sum(unread.values()) == 2


def test_unregistered_and_revoked_devices_are_left_alone(stage):
    device, token, friend = stage.sleeper("apns")
    device.connect().rpc("push.unregister")
    stage.away(device)
    revoked, other, _ = stage.sleeper("apns")
    stage.node.ctl("device", "revoke", revoked.user, revoked.name)
    friend.say(device.address)
    friend.say(revoked.address)
    nothing_for(stage, "apns", token)
    assert stage.providers.requests("apns", other) == []


def test_an_app_that_changes_hands(stage):
    device, token, friend = stage.sleeper("apns")
    heir = stage.device()
    stage.register(heir, "apns", token=token)
    stage.away(heir)
    friend.say(device.address)
    nothing_for(stage, "apns", token)
    friend.say(heir.address)
    stage.providers.wait("apns", token)


def test_a_registration_that_replaces_another_takes_the_wake_up_along(stage):
    device, token, friend = stage.sleeper("fcm")
    stage.providers.answer("fcm", match=token, status=500, always=True)
    friend.say(device.address)
    stage.providers.wait("fcm", token)
    device.connect()
    new = stage.register(device, "apns")
    stage.away(device)
    stage.providers.wait("apns", new)


def test_a_device_that_came_back_is_not_woken_late(stage):
    device, token, friend = stage.sleeper("apns")
    stage.providers.answer("apns", match=token, status=503, body={"reason": "ServiceUnavailable"}, always=True)
    friend.say(device.address)
    stage.providers.wait("apns", token)
    device.connect()
    device.wait_for("chat")
    device.wait_live()
    wait_until(lambda: stage.node.job(device.client_id)[0] != "sending", 15, "no try is under way", 0.1)
    tries = len(stage.providers.requests("apns", token))
    stage.node.go()
    stage.node.wait_job(device.client_id, "needless", timeout=30)
    assert len(stage.providers.requests("apns", token)) == tries


def test_by_an_administrator(stage):
    device, friend = stage.device(), stage.device()
    stage.away(device)
    node = stage.node
    node.ctl("push", "register", device.user, device.name, "fcm", "--token", "tok:0123456789abcdef", "--silent")
    row, = node.json("push", "list", device.user)
    assert (row["device"], row["provider"], row["silent"]) == (device.name, "fcm", True)
    assert "0123456789" not in node.ctl("push", "list").stdout
    friend.say(device.address)
    request = stage.providers.wait("fcm", "tok:0123456789abcdef")[0]
    assert request["json"]["message"]["android"]["priority"] == "NORMAL"
    node.ctl("push", "unregister", device.user, device.name)
    assert node.json("push", "list", device.user) == []
    assert node.ctl("push", "register", device.user, "toaster", "webhook", check=False).returncode == 1
    assert node.ctl("push", "register", device.user, device.name, "smoke", check=False).returncode == 1


def test_a_service_that_starts_finds_who_should_have_been_woken(stage):
    device, token, friend = stage.sleeper("apns")
    stage.providers.control("/forget-provider-tokens", {})
    friend.send(device.address)
    friend.wait_for("sent")
    old = stage.node.signal("syncd")  # with the conversation in its grace
    stage.node.wait_restarted("syncd", old)
    stage.node.wait_up()
    stage.providers.wait("apns", token, timeout=40)


def test_a_registration_that_nobody_heard_of(stage):
    """It was announced while nobody listened; the message that the device lacks was looked at before."""
    node, device, friend, token = stage.node, stage.device(), stage.device(), secrets.token_hex(32)
    stage.away(device)
    node.ctl("push", "resume")  # counts
    wait_until(lambda: node.json("status")["service"]["push"]["registrations"] == 0, 20, "no registrations", 0.1)
    friend.say(device.address)
    node.sql(f"""insert into gnatter.push_registration (device_id, user_id, provider, token)
        select d.device_id, d.user_id, 'apns', '{token}'
          from gnatter.device d join gnatter.user_account u on u.user_id = d.user_id
         where u.name = '{device.user}' and d.name = '{device.name}'""")
    node.lose_listener()
    stage.providers.wait("apns", token)


def test_info(stage):
    device = stage.device()
    info = device.rpc("push.info")
    assert [p["provider"] for p in info["providers"]] == sorted(PROVIDERS)
    assert all(p["active"] for p in info["providers"]) and info["registered"] is None
    from stage import ec_point
    assert next(p for p in info["providers"] if p["provider"] == "webpush")["key"] == ec_point(stage.providers.folder / "webpush.pem")
    stage.register(device, "webhook")
    assert device.rpc("push.info")["registered"]["provider"] == "webhook"


def test_nothing_is_done_without_registrations(stage):
    wait_until(lambda: stage.node.json("status")["service"]["push"]["registrations"] == 0, 20, "no registrations", 0.2)
    before = stage.node.json("status")["service"]["push"]
    device, friend = stage.device(), stage.device()
    stage.away(device)
    for _ in range(20):
        friend.say(device.address)
    after = stage.node.json("status")["service"]["push"]
    assert (after["noted"], after["evaluations"]) == (before["noted"], before["evaluations"])
