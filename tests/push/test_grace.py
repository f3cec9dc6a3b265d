"""What happens within the grace, one that a busy machine keeps."""
import pytest

from conftest import reconfigured
from stage import QUIET_S, keep_quiet

GRACE_S = 5


@pytest.fixture(scope="module", autouse=True)
def patience(node):
    yield from reconfigured(node, push_grace_ms=GRACE_S * 1000)


def test_another_device_of_hers_has_it(stage):
    device, token, friend = stage.sleeper("apns")
    laptop = stage.device(device.user, "laptop")
    friend.say(device.address)
    chat = laptop.wait_for("chat")
    laptop.ack(chat.conversation, chat.seq)
    keep_quiet(GRACE_S + QUIET_S)
    assert stage.providers.requests("apns", token) == []
    friend.say(device.address)
    stage.providers.wait("apns", token)  # this one it has not acknowledged


def test_one_wake_up_for_several_conversations_within_the_grace(stage):
    device, token, friend = stage.sleeper("apns")
    other = stage.device()
    for _ in range(5):
        friend.send(device.address)
        other.send(device.address)
    friend.wait_for("sent", count=5)
    other.wait_for("sent", count=5)
    request = stage.providers.wait("apns", token)[0]
    keep_quiet()
    assert len(stage.providers.requests("apns", token)) == 1
    assert request["json"]["aps"]["badge"] == 10
    assert request["json"]["gnatter"] == {"v": 1, "badge": 10, "conversations": 2}
