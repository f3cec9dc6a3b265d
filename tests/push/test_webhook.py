"""The webhook: JSON to the operator's own server, signed."""
import pytest

from lib.node import wait_until


def test_the_request(stage):
    device, token, friend = stage.sleeper("webhook", token="anything / my server wants")
    friend.say(device.address, b"a secret text")
    request = stage.providers.wait("webhook", token)[0]
    assert request["wrong"] is None, "the signature is verified there"
    body = request["json"]
    assert body.pop("id").isdigit()
    assert body == {"v": 1, "badge": 1, "conversations": 1, "user": device.user, "device": device.name,
                    "token": "anything / my server wants", "shows": True}


def test_it_is_the_same_when_tried_again_but_for_the_time(stage):
    device, token, friend = stage.sleeper("webhook")
    stage.providers.answer("webhook", status=500)
    friend.say(device.address)
    first, second = stage.providers.wait("webhook", token, 2, timeout=20)[:2]
    assert first["json"] == second["json"]
    assert first["headers"]["gnatter-signature"] != second["headers"]["gnatter-signature"]


def test_gone(stage):
    device, token, friend = stage.sleeper("webhook")
    stage.providers.answer("webhook", status=410)
    friend.say(device.address)
    stage.node.wait_job(device.client_id, "gone")
    assert stage.node.registered(device.client_id) is None


@pytest.mark.parametrize("status", [400, 413, 422])
def test_failed(stage, status):
    device, token, friend = stage.sleeper("webhook")
    stage.providers.answer("webhook", status=status)
    friend.say(device.address)
    assert stage.node.wait_ended(device.client_id, "failed") == f"http-{status}"


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
def test_a_wrong_secret_or_address_stops_it(stage, status):
    device, token, friend = stage.sleeper("webhook")
    stage.providers.answer("webhook", status=status, headers={"location": stage.providers.url("webhook") + "/other"})
    friend.say(device.address)
    stage.node.wait_job(device.client_id, "held")
    wait_until(lambda: stage.node.push_status("webhook")["state"] == "stopped", 5, "stopped", 0.1)
    stage.node.ctl("push", "resume", "webhook")
    stage.node.wait_job(device.client_id, "sent")
