"""What a wake-up tells: nothing by default (the other files), the sender, or the text, but never that of a sealed message."""
import base64
import json

import pytest

from conftest import reconfigured


@pytest.fixture(scope="module", params=["sender", "full"])
def content(request, node):
    for _ in reconfigured(node, push_content=request.param):
        yield request.param


def body(stage, provider, token):
    return stage.providers.wait(provider, token)[0]["json"]


def test_direct(content, stage):
    device, token, friend = stage.sleeper("webpush")
    last = friend.say(device.address, "Grüße, \"5\" €".encode())
    told = body(stage, "webpush", token)
    assert told.pop("time") == last.time
    assert told == {"v": 1, "badge": 1, "conversations": 1, "conversation": friend.address, "sender": friend.user, "seq": 1,
                    **({"text": "Grüße, \"5\" €"} if content == "full" else {})}


def test_group_by_apns(content, stage):
    device, token, friend = stage.sleeper("apns")
    group = friend.rpc("group.create", title="The team", members=[device.user])["group"]
    friend.say(f"g/{group}", b"see you")
    told = body(stage, "apns", token)
    alert = {"title": "The team", "subtitle": friend.user, **({"body": "see you"} if content == "full" else {"loc-key": "New message"})}
    assert told["aps"]["alert"] == alert
    assert (told["gnatter"]["conversation"], told["gnatter"]["sender"]) == (f"g/{group}", friend.user)
    assert "text" not in told["gnatter"]


def test_fcm_takes_strings(content, stage):
    device, token, friend = stage.sleeper("fcm")
    friend.say(device.address, b"see you")
    data = body(stage, "fcm", token)["message"]["data"]
    assert data["sender"] == friend.user and data["seq"] == "1"
    assert data.get("text") == ("see you" if content == "full" else None)


def test_a_long_text_is_cut(content, stage):
    device, token, friend = stage.sleeper("webhook")
    friend.say(device.address, ("x" * 1023 + "€" + "\"" * 20000).encode())
    told = body(stage, "webhook", token)
    assert told.get("text") == ("x" * 1023 if content == "full" else None)


@pytest.mark.parametrize("payload", [b"\x00\x01secret", b"\xff\xfe", b"", json.dumps({"ciphertext": "secret"}).encode(),
                                     b"-----BEGIN PGP MESSAGE-----\n\nsecret\n", base64.b64encode(bytes(range(60)))],
                         ids=["binary", "no-utf8", "empty", "object", "armour", "base64"])
def test_sealed(content, stage, payload):
    device, token, friend = stage.sleeper("webpush")
    friend.say(device.address, payload)
    told = body(stage, "webpush", token)
    assert told["sender"] == friend.user and "text" not in told
