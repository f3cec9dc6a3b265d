"""Large fan-outs: in slices, in order for each session, and others are served in between."""
import pytest

from broker import until
from lib import frames
from service import Service

SESSIONS = 150


@pytest.fixture
def crowd(service, cast):
    devices = [cast(f"user{i}:phone", version=4 + i % 2).online() for i in range(SESSIONS)]
    return devices, [service.session(device.client_id) for device in devices]


def test_order_over_slices(service, crowd):
    """Thousands of publishes in a few frames: many slices."""
    devices, numbers = crowd
    for seq in range(1, 61):
        service.deliver(numbers, f"chat/g/all/{seq}/5/user0:phone/m", b"%d" % seq)
    for device in devices:
        got = device.wait_for(f"inbox/{device.user}/chat/", 60)
        assert [payload for _, payload, *_ in got] == [b"%d" % seq for seq in range(1, 61)]


def test_same_payload_and_mixed_ops_in_one_frame(service, crowd):
    devices, numbers = crowd
    for start in range(1, 41, 20):
        ops = []
        for seq in range(start, start + 20):
            ops.append({"op": "deliver", "sessions": numbers[::2], "tail": f"chat/g/all/{seq}/5/user0:phone/m",
                        "payload": b"p%d" % seq * 100, "qos": 1})
            ops.append({"op": "deliver", "sessions": numbers[1::2], "tail": f"chat/g/all/{seq}/5/user0:phone/m",
                        "flags": frames.SAME_PAYLOAD, "qos": 1})
            ops.append({"op": "deliver", "sessions": [numbers[5]], "tail": f"receipts/g/all/{seq}", "payload": b"{}",
                        "qos": 0})
        service.send(*ops)
    for i, device in enumerate(devices):
        got = device.wait_for(f"inbox/{device.user}/chat/", 40)
        assert [payload for _, payload, *_ in got] == [b"p%d" % seq * 100 for seq in range(1, 41)]
        if i == 5:
            device.wait_for(f"inbox/{device.user}/receipts/", 40)  # the last one is behind the last message
            kinds = [topic.split("/")[2] for topic, *_ in device.arrived]
            assert kinds == ["chat", "receipts"] * 40


def test_gone_in_the_middle(service, crowd):
    devices, numbers = crowd
    for seq in range(1, 31):
        service.deliver(numbers, f"chat/g/all/{seq}/5/user0:phone/m", b"x" * 1000)
        if seq == 10:
            devices[3].drop()
        if seq == 15:
            service.send({"op": "kick", "session": numbers[4]})
    for i, device in enumerate(devices):
        if i not in (3, 4):
            device.wait_for(f"inbox/{device.user}/chat/", 30)
    devices[4].wait_ended()
    assert len([1 for topic, *_ in devices[4].arrived if "/chat/" in topic]) <= 15


def test_a_new_link_forgets_what_was_not_delivered(service, crowd):
    devices, numbers = crowd
    for seq in range(1, 31):
        service.deliver(numbers, f"chat/g/all/{seq}/5/user0:phone/m", b"x")
    service.stop()
    service.start()
    service.deliver([service.session(device.client_id) for device in devices], "synced", b"{}")
    for device in devices:
        device.wait_for(f"inbox/{device.user}/synced")
        seqs = [int(topic.split("/")[5]) for topic, *_ in device.arrived if "/chat/" in topic]
        assert seqs == list(range(1, len(seqs) + 1))
        assert device.arrived[-1][0].endswith("/synced")


def test_one_is_served_while_many_wait(service, crowd, cast):
    """The publishes of a device are taken between the slices."""
    devices, numbers = crowd
    for seq in range(1, 101):
        service.deliver(numbers, f"chat/g/all/{seq}/5/user0:phone/m", b"x" * 200)
    alice = devices[0]
    alice.send("chat/u/bob/m")
    service.wait_records(1)
    for device in devices:
        device.wait_for(f"inbox/{device.user}/chat/", 100)
    until("all", lambda: not service.problems)


def test_without_memory_in_the_broker_nothing_is_missing(node, cast):
    """What it takes up and then has no memory for it drops without a word: whoever it was for is to come back."""
    node.lines.append("memory_limit 3000000")
    node.start()
    service = Service(node).start()
    devices = [cast(f"user{i}:phone").online() for i in range(16)]
    numbers = [service.session(device.client_id) for device in devices]
    for count in range(1, len(devices)):
        service.deliver(numbers[:count], f"chat/g/all/{count}/5/user0:phone/m", b"x" * 200_000)
        for i, device in enumerate(devices[:count]):
            until(f"{device.client_id} has it or is ended",
                  lambda: len(device.arrived) == count - i or device.ended is not None)
        if any(device.ended is not None for device in devices):
            break
    assert count > 2 and "deliver dropped why=no-memory" in node.log()
    service.stop()
