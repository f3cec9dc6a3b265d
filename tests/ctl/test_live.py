"""What an administrator does, as a device that is connected sees it."""
import threading

import paho.mqtt.client as mqtt
import pytest

from conftest import wait_until


class Device:
    def __init__(self, node, user, device, token):
        self.heard, self.code, self.gone = [], None, threading.Event()
        self.client = mqtt.Client(client_id=f"{user}:{device}", clean_session=True)
        self.client.username_pw_set(user, token)
        self.client.on_connect = lambda client, _, __, code: self.on_connect(client, user, code)
        self.client.on_message = lambda _, __, message: self.heard.append(message.topic)
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.connect("127.0.0.1", int(node.conf("mqtt_port")))
        self.client.loop_start()

    def on_connect(self, client, user, code):
        self.code = code
        if code == 0:
            client.subscribe(f"inbox/{user}/#", 1)
        else:
            client.disconnect()

    def live(self):
        wait_until(lambda: any(topic.endswith("/synced") for topic in self.heard), "the device is live")
        return self

    def close(self):
        self.client.loop_stop()
        self.client.disconnect()


@pytest.fixture
def connect(up):
    devices = []

    def make(user, device, token):
        devices.append(Device(up, user, device, token))
        return devices[-1]
    yield make
    for device in devices:
        device.close()


def token(node, user, device, *more):
    return node.ctl("token", user, device, *more).stdout.strip()


def refused(device):
    wait_until(lambda: device.code is not None, "an answer to CONNECT")
    return device.code == 5


def test_user_revoke_ends_connections_and_old_tokens(up, connect):
    up.ctl("user", "add", "alice")
    old = token(up, "alice", "phone")
    phone = connect("alice", "phone", old).live()
    up.ctl("user", "revoke", "alice")
    assert phone.gone.wait(10)
    phone.close()
    assert refused(connect("alice", "phone", old))
    connect("alice", "phone", token(up, "alice", "phone")).live()


def test_device_revoke_ends_that_connection_only(up, connect):
    up.ctl("user", "add", "bob")
    old = token(up, "bob", "phone")
    phone, laptop = connect("bob", "phone", old).live(), connect("bob", "laptop", token(up, "bob", "laptop")).live()
    up.ctl("device", "revoke", "bob", "phone")
    assert phone.gone.wait(10)
    phone.close()
    assert refused(connect("bob", "phone", old))
    assert not laptop.gone.is_set()
    connect("bob", "phone", token(up, "bob", "phone")).live()  # registered anew


def test_a_retired_key_opens_nothing(up, connect):
    up.ctl("user", "add", "carol")
    [kid] = [key["kid"] for key in up.json("keys", "list")]
    old = token(up, "carol", "phone")
    up.ctl("keys", "add")
    wait_until(lambda: "reload keys=2" in (up.dir / "log/mosquitto.log").read_text(errors="replace"), "the broker knows it")
    new = token(up, "carol", "phone")
    connect("carol", "phone", new).live().close()  # known without a restart
    with_old = connect("carol", "phone", old).live()  # and the old one still good
    with_new = connect("carol", "desk", token(up, "carol", "desk")).live()
    up.ctl("keys", "retire", kid)
    assert with_old.gone.wait(10)
    with_old.close()
    assert refused(connect("carol", "phone", old))
    assert not with_new.gone.is_set()
    connect("carol", "phone", new).live()


def test_group_changes_reach_live_devices(up, connect):
    up.ctl("user", "add", "dave")
    phone = connect("dave", "phone", token(up, "dave", "phone")).live()
    up.ctl("user", "add", "dora")
    up.ctl("group", "create", "attic", "--owner", "dora")
    up.ctl("group", "add", "attic", "dave")
    up.ctl("group", "remove", "attic", "dave")
    wait_until(lambda: any(topic.endswith("/-/member-removed") for topic in phone.heard), "dave is told that he is out")
    heard = [topic.split("/")[5:] for topic in phone.heard if "/event/g/attic/" in topic]  # seq, time, actor, type
    first = [item for n, item in enumerate(heard) if all(int(item[0]) > int(before[0]) for before in heard[:n])]
    assert [item[-1] for item in first] == ["member-added", "member-removed"]  # not acknowledged, so it may come again
