"""APNs: what a request must be like, and every answer that Apple documents."""
import base64
import json
import time

import pytest

from lib.node import wait_until
from stage import KID, TEAM, TOPICS, keep_quiet


def wake(stage, **fields):
    device, token, friend = stage.sleeper("apns", **fields)
    friend.say(device.address)
    return device, token, friend


def test_the_request(stage):
    before = time.time()
    device, token, _ = wake(stage)
    request = stage.providers.wait("apns", token)[0]
    headers = request["headers"]
    assert request["wrong"] is None and request["http"] == "2.0"
    assert headers["apns-topic"] == TOPICS[0]
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "10")
    assert abs(int(headers["apns-expiration"]) - before - 86400) < 30
    header, claims, _ = (request["provider_token"] + "==").split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "ES256", "kid": KID}
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == TEAM
    assert request["json"] == {"aps": {"alert": {"loc-key": "New message"}, "badge": 1, "sound": "default", "mutable-content": 1},
                               "gnatter": {"v": 1, "badge": 1, "conversations": 1}}


def test_another_app_and_a_development_build_that_shows_nothing(stage):
    _, token, _ = wake(stage, topic=TOPICS[1], environment="sandbox", shows=False)
    request = stage.providers.wait("apns", token)[0]
    assert request["wrong"] is None
    assert request["headers"]["apns-topic"] == TOPICS[1]
    assert request["headers"][":authority"].startswith("localhost:")
    assert (request["headers"]["apns-push-type"], request["headers"]["apns-priority"]) == ("background", "5")
    assert request["json"]["aps"] == {"content-available": 1}


def test_an_app_that_is_not_configured(stage):
    device, token, _ = wake(stage, topic="com.example.stranger")
    assert stage.node.wait_job(device.client_id, "refused")[2] == "topic-not-configured"
    assert stage.providers.requests("apns", token) == []


def test_one_provider_token_and_one_connection_for_many(stage):
    sleepers = [stage.sleeper("apns") for _ in range(8)]
    connections = None
    for device, token, friend in sleepers:
        friend.say(device.address)
        stage.providers.wait("apns", token)
        connections = connections or stage.providers.control("/connections")["apns"]
    requests = stage.providers.requests("apns")
    assert len({r["provider_token"] for r in requests}) == 1
    assert stage.providers.control("/connections")["apns"] == connections


def test_goaway(stage):
    """What was under way when the connection ends goes again, on another connection."""
    sleepers = [stage.sleeper("apns") for _ in range(6)]
    stage.providers.answer("apns", {"how": "goaway"}, {}, {"how": "goaway"})
    for device, _, friend in sleepers:
        friend.send(device.address)
    for device, token, _ in sleepers:
        wait_until(lambda: any(r["wrong"] is None for r in stage.providers.requests("apns", token)), 20, f"{token} after GOAWAY")
        stage.node.wait_job(device.client_id, "sent", timeout=20)


def test_a_connection_that_breaks(stage):
    device, token, friend = stage.sleeper("apns")
    stage.providers.answer("apns", how="close")
    friend.say(device.address)
    stage.providers.wait("apns", token, 2, timeout=20)
    stage.node.wait_job(device.client_id, "sent")


def apns_error(status, reason, **more):
    return {"status": status, "body": {"reason": reason, **more}}


RETRIED = [apns_error(400, "IdleTimeout"), apns_error(429, "TooManyRequests"), apns_error(500, "InternalServerError"),
           apns_error(503, "ServiceUnavailable"), apns_error(503, "Shutdown"), {"status": 502, "body": "<html>"}]


def test_retried(stage):
    cast = stage.answered("apns", RETRIED)
    for device, token, answer in cast:
        first, second = stage.providers.wait("apns", token, 2, timeout=30)[:2]
        assert second["at"] - first["at"] > 800, ("backs off", answer)
        assert stage.node.wait_job(device.client_id, "sent"), answer
        assert stage.node.registered(device.client_id)


REFUSED = [apns_error(400, "BadDeviceToken"), apns_error(400, "DeviceTokenNotForTopic"), apns_error(400, "MissingDeviceToken")]


def test_refused_is_kept_and_not_tried_again_until_resumed(stage):
    cast = stage.answered("apns", REFUSED)
    for device, token, answer in cast:
        reason = answer["body"]["reason"]
        assert stage.node.wait_job(device.client_id, "refused")[2] == reason
        assert stage.node.registered(device.client_id)["refused"] == reason
    friend = stage.device()
    for device, _, _ in cast:
        friend.say(device.address)
    keep_quiet()
    assert [len(stage.providers.requests("apns", token)) for _, token, _ in cast] == [1] * len(cast)
    stage.node.lose_listener()
    stage.node.ctl("push", "resume", "apns")
    for _, token, _ in cast:
        stage.providers.wait("apns", token, 2)  # for what was said before


FAILED = [apns_error(400, reason) for reason in
          ("BadCollapseId", "BadExpirationDate", "BadMessageId", "BadPriority", "DuplicateHeaders", "InvalidPushType", "PayloadEmpty")]
FAILED += [apns_error(413, "PayloadTooLarge"), apns_error(400, "SomethingNew")]


def test_failed_is_given_up_and_the_next_message_tries_again(stage):
    cast = stage.answered("apns", FAILED)
    friend = stage.device()
    for device, token, answer in cast:
        assert stage.node.wait_ended(device.client_id, "failed") == answer["body"]["reason"]
        friend.say(device.address)
    for device, token, _ in cast:
        stage.providers.wait("apns", token, 2)
        stage.node.wait_job(device.client_id, "sent")


def test_gone_since_after_the_registration_or_before(stage):
    """Before: it was registered again since, and stays."""
    later, earlier = int(time.time() * 1000) + 60000, int(time.time() * 1000) - 3600000
    answers = [apns_error(410, "Unregistered", timestamp=later), apns_error(410, "ExpiredToken", timestamp=later),
               apns_error(410, "Unregistered", timestamp=earlier)]
    for device, _, answer in stage.answered("apns", answers):
        assert stage.node.wait_ended(device.client_id, "gone") == answer["body"]["reason"]
        assert bool(stage.node.registered(device.client_id)) == (answer["body"]["timestamp"] == earlier)


STOPPED = [apns_error(403, reason) for reason in
           ("BadCertificate", "BadCertificateEnvironment", "BadEnvironmentKeyIdInToken", "Forbidden", "InvalidProviderToken",
            "MissingProviderToken", "UnrelatedKeyIdInToken", "ANewReason", "ExpiredProviderToken")]
STOPPED += [apns_error(400, "BadTopic"), apns_error(400, "MissingTopic"), apns_error(400, "TopicDisallowed"),
            apns_error(404, "BadPath"), apns_error(405, "MethodNotAllowed")]


def test_a_wrong_configuration_stops_the_provider_and_burns_no_token(stage):
    """ExpiredProviderToken as well, of a token that we have just made: our clock is wrong."""
    device, token, _ = stage.sleeper("apns")
    other, other_token, _ = stage.sleeper("apns")
    log = stage.node.dir / "log/syncd.log"
    for count, answer in enumerate(STOPPED, 1):
        reason = answer["body"]["reason"]
        stage.providers.control("/forget-provider-tokens", {})
        stage.providers.answer("apns", match=token, **answer)
        stage.device().say(device.address)
        wait_until(lambda: stage.node.push_status("apns").get("reason") == reason, 10, f"stopped for {reason}", 0.1)
        assert stage.node.job(device.client_id)[0] == "held"
        assert f"error push provider-stopped provider=apns why={reason}" in log.read_text()
        if count == 1:
            assert f"apns stopped: {reason}" in stage.node.ctl("status").stdout
            stage.device().say(other.address)
            keep_quiet()
            assert stage.providers.requests("apns", other_token) == []
        assert stage.node.registered(device.client_id)["refused"] is None
        stage.providers.control("/forget-provider-tokens", {})
        stage.node.ctl("push", "resume", "apns")
        assert stage.node.wait_job(device.client_id, "sent")[1] == "0", "being held was no attempt"
    stage.providers.wait("apns", other_token)
    assert stage.node.push_status("apns")["state"] == "up"


def test_too_many_provider_token_updates_keeps_the_token_and_waits(stage):
    device, token, friend = stage.sleeper("apns")
    stage.providers.answer("apns", match=token, **apns_error(429, "TooManyProviderTokenUpdates"))
    friend.say(device.address)
    before = stage.providers.wait("apns", token)[0]["provider_token"]
    stage.node.wait_job(device.client_id, "queued")
    due_s = float(stage.node.sql_value("select extract(epoch from due_at - now()) from gnatter.push_job where finished_at is null"))
    assert 200 < due_s < 400
    stage.node.reload()  # which makes a new one, and forgets the pause
    stage.providers.control("/forget-provider-tokens", {})
    stage.node.ctl("push", "resume", "apns")
    stage.node.go()
    assert before


def test_a_wrong_key_and_a_right_one_again(stage):
    """A real wrong key: the stand-in verifies the signature. Mended on disk and reloaded, what was held goes."""
    from stage import ec_key
    key = stage.providers.folder / "apns.p8"
    right = key.read_bytes()
    ec_key(key)
    try:
        stage.node.reload()
        device, token, friend = stage.sleeper("apns")
        friend.say(device.address)
        assert stage.providers.wait("apns", token)[0]["wrong"] == '{"reason":"InvalidProviderToken"}'
        wait_until(lambda: stage.node.push_status("apns")["state"] == "stopped", 5, "apns is stopped", 0.1)
    finally:
        key.write_bytes(right)
    stage.providers.control("/forget-provider-tokens", {})
    stage.node.reload()
    stage.providers.wait("apns", token, 2)
    stage.node.wait_job(device.client_id, "sent")
