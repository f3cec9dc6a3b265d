"""FCM HTTP v1: the access token, what a message must be like, and every answer that Google documents."""
import time

from lib.node import wait_until


def test_the_request(stage):
    device, token, friend = stage.sleeper("fcm")
    friend.say(device.address)
    request = stage.providers.wait("fcm", token)[0]
    assert request["wrong"] is None and request["http"] == "2.0"
    message = request["json"]["message"]
    assert message["data"] == {"v": "1", "badge": "1", "conversations": "1"}
    assert message["android"]["priority"] == "HIGH"
    assert 86300 < int(message["android"]["ttl"][:-1]) <= 86400
    assert set(message) == {"token", "data", "android"}


def test_what_shows_nothing_has_normal_priority(stage):
    device, token, friend = stage.sleeper("fcm", shows=False)
    friend.say(device.address)
    assert stage.providers.wait("fcm", token)[0]["json"]["message"]["android"]["priority"] == "NORMAL"


def test_one_access_token_for_all(stage):
    sleepers = [stage.sleeper("fcm") for _ in range(5)]
    for device, _, friend in sleepers:
        friend.send(device.address)
    for device, token, _ in sleepers:
        assert stage.providers.wait("fcm", token)[0]["wrong"] is None
    assert len({r["access"] for r in stage.providers.requests("fcm")}) == 1
    assert len(stage.providers.token_requests()) <= 1


def fcm_error(status, code, detail=None, violation=None, headers=None):
    details = []
    if detail:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": detail})
    if violation:
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": violation}]})
    return {"status": status, "headers": headers or {},
            "body": {"error": {"code": status, "status": code, "message": "no", "details": details}}}


RETRIED = [
    fcm_error(503, "UNAVAILABLE"), fcm_error(500, "INTERNAL"), fcm_error(503, "UNAVAILABLE", "UNAVAILABLE", headers={"retry-after": "1"}),
    fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers={"retry-after": "2"}), {"status": 502, "body": "<html>"}]


def test_retried(stage):
    for device, token, answer in stage.answered("fcm", RETRIED):
        first, second = stage.providers.wait("fcm", token, 2, timeout=30)[:2]
        asked = float(answer.get("headers", {}).get("retry-after", 0))
        assert second["at"] - first["at"] >= 1000 * max(0.8, asked - 0.1), answer
        stage.node.wait_job(device.client_id, "sent")
        assert stage.node.registered(device.client_id)


def test_retry_after_is_kept_and_holds_for_all(stage):
    device, token, friend = stage.sleeper("fcm")
    other, other_token, _ = stage.sleeper("fcm")
    stage.providers.answer("fcm", match=token, **fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers={"retry-after": "6"}))
    friend.say(device.address)
    first = stage.providers.wait("fcm", token)[0]
    friend.say(other.address)
    theirs = stage.providers.wait("fcm", other_token, timeout=20)[0]
    assert theirs["at"] - first["at"] > 5500
    assert stage.providers.wait("fcm", token, 2, timeout=20)[1]["at"] - first["at"] > 5500


def test_unregistered(stage):
    device, token, friend = stage.sleeper("fcm")
    stage.providers.answer("fcm", match=token, **fcm_error(404, "NOT_FOUND", "UNREGISTERED"))
    friend.say(device.address)
    assert stage.node.wait_job(device.client_id, "gone")[2] == "UNREGISTERED"
    assert stage.node.registered(device.client_id) is None


REFUSED = [
    fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    fcm_error(400, "INVALID_ARGUMENT", violation="message.token")]


def test_refused(stage):
    for device, _, _ in stage.answered("fcm", REFUSED):
        stage.node.wait_job(device.client_id, "refused")
        assert stage.node.registered(device.client_id)["refused"]


def test_failed(stage):
    device, token, friend = stage.sleeper("fcm")
    stage.providers.answer("fcm", match=token, **fcm_error(400, "INVALID_ARGUMENT", violation="message.android.ttl"))
    friend.say(device.address)
    stage.node.wait_ended(device.client_id, "failed")
    assert stage.node.registered(device.client_id)["refused"] is None


STOPPED = [
    fcm_error(403, "PERMISSION_DENIED"), fcm_error(404, "NOT_FOUND"), fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    {"status": 403, "body": "<html>"}]


def test_a_wrong_configuration_stops_the_provider(stage):
    device, token, _ = stage.sleeper("fcm")
    for answer in STOPPED:
        stage.providers.answer("fcm", match=token, **answer)
        stage.device().say(device.address)
        wait_until(lambda: stage.node.push_status("fcm")["state"] == "stopped", 10, f"stopped by {answer}", 0.1)
        assert stage.node.job(device.client_id)[0] == "held"
        assert stage.node.registered(device.client_id)["refused"] is None
        stage.node.ctl("push", "resume", "fcm")
        stage.node.wait_job(device.client_id, "sent")


def test_an_access_token_that_was_withdrawn_is_renewed(stage):
    device, token, friend = stage.sleeper("fcm")
    friend.say(device.address)
    stage.providers.wait("fcm", token)
    stage.node.wait_job(device.client_id, "sent")
    other, other_token, _ = stage.sleeper("fcm")
    time.sleep(11)  # a younger token that is refused is a wrong configuration
    stage.providers.control("/expire-access", {})
    friend.say(other.address)
    stage.providers.wait("fcm", other_token, timeout=20)
    assert [r["status"] for r in stage.providers.requests("fcm")] == [200, 401, 200]
    assert stage.node.wait_job(other.client_id, "sent")[1] == "0"


def test_an_account_that_google_does_not_take(stage):
    """A real wrong key: the stand-in verifies the assertion. Mended and reloaded, what waited goes."""
    from stage import openssl
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", stage.providers.folder / "wrong.pem")
    stage.providers.account("wrong.pem")
    try:
        stage.node.reload()
        device, token, friend = stage.sleeper("fcm")
        friend.say(device.address)
        wait_until(lambda: stage.node.push_status("fcm") == {**stage.node.push_status("fcm"), "state": "stopped", "reason": "invalid_grant"},
                   15, "fcm is stopped", 0.1)
        assert stage.providers.requests("fcm", token) == []
    finally:
        stage.providers.account()
    stage.node.reload()
    stage.providers.wait("fcm", token)
    stage.node.wait_job(device.client_id, "sent")
