"""A user's own devices: listed, revoked."""
import time

import pytest

from lib.device import Refused


def listed(device):
    rows = device.rpc("devices")["devices"]
    for row in rows:
        assert set(row) == {"device", "created", "last_seen", "live", "current"}
    return {row["device"]: row for row in rows}


def wait_live(device, names):
    """Who is live is written down behind what devices wait for."""
    deadline = time.monotonic() + 10
    while True:
        rows = listed(device)
        if {name for name, row in rows.items() if row["live"]} == names:
            return rows
        assert time.monotonic() < deadline, rows


def test_devices(cast):
    anna = cast.user()
    phone, laptop = anna.device("phone"), anna.device("laptop")
    anna.device("never", connect=False)
    rows = wait_live(phone, {"phone", "laptop"})
    assert set(rows) == {"d", "phone", "laptop", "never"}
    assert [name for name, row in rows.items() if row["current"]] == ["phone"]
    assert [name for name, row in listed(laptop).items() if row["current"]] == ["laptop"]
    assert abs(rows["phone"]["created"] - time.time() * 1000) < 3_600_000
    assert rows["never"]["last_seen"] is None


def test_device_that_left_is_not_live(cast):
    anna = cast.user()
    phone, laptop = anna.device("phone"), anna.device("laptop")
    wait_live(phone, {"phone", "laptop"})
    laptop.stop()
    rows = wait_live(phone, {"phone"})
    assert abs(rows["laptop"]["last_seen"] - time.time() * 1000) < 60_000


def test_revoke_another_of_ones_own(cast):
    anna, bert = cast.users(2)
    phone, stolen, other = anna.device("phone"), anna.device("stolen"), bert.device()
    assert phone.rpc("device.revoke", device="stolen") == {}
    stolen.wait_ended(timeout=10)
    with pytest.raises(Refused):
        stolen.start()
    assert "stolen" not in listed(phone)
    mid = other.say(anna.address).id
    phone.wait_for("chat", id=mid)


def test_revoke_oneself(cast):
    anna = cast.user()
    phone = anna.device("phone")
    phone.publish("rpc/device.revoke/bye", b'{"device": "phone"}', wait=False)
    phone.wait_ended(timeout=10)
    with pytest.raises(Refused):
        phone.start()


def test_revoke_refusals(cast):
    alice, bob = cast(2)
    assert alice.rpc_code("device.revoke", device="no-such-device") in ("bad-request", "no-such-user")
    for params in ({}, {"device": 1}, {"device": "UPPER"}, {"device": None}):
        assert alice.rpc_code("device.revoke", params) == "bad-request", params
    assert bob.is_connected()


def test_revoked_device_comes_back_as_a_new_one(cast):
    """Registered again, it starts at the present."""
    anna, bert = cast.users(2)
    phone, sender = anna.device("phone"), bert.device()
    sender.say(anna.address)
    phone.wait_for("chat", seq=1)
    cast.node.ctl("device", "revoke", anna.name, "phone")
    phone.wait_ended(timeout=10)
    sender.say(anna.address)
    phone.token = cast.node.token(anna.name, "phone")
    deadline = time.monotonic() + 15
    while True:
        try:
            since = phone.here()
            phone.connect()
            break
        except Refused:
            assert time.monotonic() < deadline
    third = sender.say(anna.address)
    phone.wait_for("chat", since=since, id=third.id)
    assert phone.seqs(sender.address, since) == [3]


def test_device_list_and_show(cast):
    anna = cast.user()
    anna.device("phone", connect=False)
    text = cast.node.ctl("device", "list", anna.name).stdout
    assert "phone" in text
    assert anna.name in cast.node.ctl("user", "show", anna.name).stdout
