"""What has a PUBACK survives the broker's process being killed."""
import threading
import time

import pytest

from broker import until
from device import Device
from service import Service


def test_kill_under_load(node):
    """Several devices publish while the broker is killed: every message with a PUBACK comes back, once, in order."""
    node.options["journal_bytes"] = 16 * 1024 * 1024
    node.start()
    devices = [Device(node, f"user{i}:phone", version=4 + i % 2) for i in range(4)]
    killed = threading.Event()

    def publish(device):
        device.numbers = {}  # of the packet: of the message
        for i in range(1500):
            if device.ended is not None:
                break
            device.numbers[device.publish(f"chat/u/bob/m-{i}", b"x" * (i % 700))] = i
            if i % 20 == 0:
                time.sleep(0.001)
        killed.wait(20)

    threads = [threading.Thread(target=publish, args=(device.connect(),)) for device in devices]
    for thread in threads:
        thread.start()
    until("some messages", lambda: sum(len(device.published) for device in devices) > 1000)
    node.kill()
    killed.set()
    for thread in threads:
        thread.join()
    for device in devices:
        device.close()
    node.start()
    service = Service(node)
    service.done = False
    service.start()
    welcome = service.of("welcome")[0]
    records = service.wait_records(welcome["journal_head"] - welcome["journal_tail"])
    assert all(op["session"] == 0 for op in records)  # that connection's number means nothing any more
    for device in devices:
        numbers = [int(op["topic"].split("-")[1]) for op in records if op["client_id"] == device.client_id]
        assert numbers == list(range(len(numbers)))
        lost = {device.numbers[mid] for mid in device.published} - set(numbers)
        assert not lost, f"{device.client_id}: {len(numbers)} records, lost {lost}"
        assert all(op["payload"] == b"x" * (int(op["topic"].split("-")[1]) % 700) for op in records
                   if op["client_id"] == device.client_id)
    service.stop()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_goes_on_where_it_was(node, cast, how):
    positions = []
    for life in range(3):
        node.start()
        service = Service(node)
        service.done = False
        service.start()
        alice = cast("alice:phone").online()
        for i in range(5):
            alice.send(f"chat/u/bob/m-{life}-{i}")
        records = service.wait_for("record", 5 if life == 0 else 8)
        expected = [f"m-{life}-{i}" for i in range(5)]
        if life:
            expected = [f"m-{life - 1}-{i}" for i in range(2, 5)] + expected
        assert [op["topic"].split("/")[-1] for op in records] == expected
        assert [op["session"] == 0 for op in records] == [False] * 5 if life == 0 else [True] * 3 + [False] * 5
        positions += [op["position"] for op in records if op["topic"].startswith(f"chat/u/bob/m-{life}")]
        service.ack(position=positions[-3])
        service.deliver([service.session("alice:phone")], "synced")  # the ack was taken when this arrives
        alice.wait_for("inbox/alice/synced")
        node.kill() if how == "kill" else node.stop()
        alice.close()
        service.stop()
    assert positions == list(range(positions[0], positions[0] + 15))


def test_damage_is_told(node, cast):
    node.start()
    alice = cast("alice:phone").online()
    for i in range(10):
        alice.send(f"chat/u/bob/m{i}", b"needle-%d" % i)
    node.kill()
    image = bytearray((node.dir / "journal.ring").read_bytes())
    at = image.index(b"needle-6")
    image[at] ^= 1
    (node.dir / "journal.ring").write_bytes(image)
    node.start()
    node.wait_log("journal cut")
    service = Service(node).start()
    assert len(service.wait_records(6)) == 6
    service.stop()
