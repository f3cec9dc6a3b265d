"""The webhook: JSON to the operator's own server, signed."""
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


def test_failed(stage):
    for device, _, answer in stage.answered("webhook", [{"status": 400}, {"status": 413}, {"status": 422}]):
        assert stage.node.wait_ended(device.client_id, "failed") == f"http-{answer['status']}"


def test_a_wrong_secret_or_address_stops_it(stage):
    device, _, _ = stage.sleeper("webhook")
    for status in (301, 401, 403, 404, 405):
        stage.providers.answer("webhook", status=status, headers={"location": stage.providers.url("webhook") + "/other"})
        stage.device().say(device.address)
        wait_until(lambda: stage.node.push_status("webhook")["state"] == "stopped", 10, f"stopped by {status}", 0.1)
        stage.node.ctl("push", "resume", "webhook")
        stage.node.wait_job(device.client_id, "sent")
