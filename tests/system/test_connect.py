"""Connecting: who is let in, who is not, and when a connection ends."""
import base64
import json
import os
import time

import pytest

from lib import jwt
from lib.device import Device, Refused
from lib.node import wait_until


def refused(device, **options):
    """CONNECT must be refused as not authorized."""
    with pytest.raises(Refused) as caught:
        device.start(**options)
    assert caught.value.code == (0x87 if device.v5 else 5)


VERSIONS = pytest.mark.parametrize("v5", [False, True], ids=["3.1.1", "v5"])


@VERSIONS
def test_good_token(cast, v5):
    cast.user().device(v5=v5)


@VERSIONS
@pytest.mark.parametrize("clean", [False, True])
def test_clean_session_or_not(cast, v5, clean):
    alice, bob = cast(2, v5=v5, clean=clean)
    assert bob.wait_for("chat", id=alice.say(bob.address).id)


# ---- names ----
@VERSIONS
def test_no_password(cast, v5):
    refused(cast.user().device(connect=False, v5=v5), password=False)


@VERSIONS
def test_no_user_name(cast, v5):
    refused(cast.user().device(connect=False, v5=v5), user=False)


@VERSIONS
@pytest.mark.parametrize("change", [
    lambda user: {"client_id": f"{user}:other"}, lambda user: {"client_id": f"{user}"},
    lambda user: {"client_id": f"{user}:d:"}, lambda user: {"client_id": f"{user}:d "},
    lambda user: {"client_id": f"{user}:D"}, lambda user: {"client_id": f"{user.upper()}:d"},
    lambda user: {"client_id": f"{user}/d"}, lambda user: {"client_id": ":d"}, lambda user: {"client_id": ""},
    lambda user: {"user": ""}, lambda user: {"user": user.upper()}, lambda user: {"user": f"{user}:d"},
    lambda user: {"user": "$gnatter"}, lambda user: {"client_id": "$gnatter:gnatter", "user": "$gnatter"},
], ids=["other-device", "user-only", "trailing-colon", "space", "upper-device", "upper-user", "slash", "no-user",
        "empty", "empty-user", "upper-name", "client-id-as-name", "link-user", "link"])
def test_other_names_than_the_tokens(cast, v5, change):
    user = cast.user()
    refused(user.device(connect=False, v5=v5), **change(user.name))


@VERSIONS
def test_another_users_token(cast, v5):
    alice, bob = cast.users(2)
    refused(alice.device(connect=False, v5=v5), password=bob.tokens["d"])
    refused(alice.device(connect=False, v5=v5), client_id=f"{bob.name}:d", user=bob.name)


def test_same_user_another_device(cast):
    user = cast.user()
    phone = user.device("phone", connect=False)
    refused(user.device(connect=False), password=phone.token)


# ---- tokens ----
def flip(text, at):
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


MUTATIONS = {
    "empty": lambda t: "", "word": lambda t: "secret", "two-parts": lambda t: t.rsplit(".", 1)[0],
    "no-signature": lambda t: t.rsplit(".", 1)[0] + ".", "four-parts": lambda t: t + ".x",
    "padded": lambda t: t + "==", "space-before": lambda t: " " + t, "newline-after": lambda t: t + "\n",
    "claims-changed": lambda t: flip(t, t.index(".") + 12), "header-changed": lambda t: flip(t, 8),
    "signature-changed": lambda t: flip(t, t.rindex(".") + 5),
    "cut": lambda t: t[:-4], "very-long": lambda t: t + "A" * 60000,
    "standard-base64": lambda t: base64.b64encode(t.encode()).decode(),
}


@VERSIONS
@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_mutilated_token(cast, v5, change):
    device = cast.user().device(connect=False, v5=v5)
    refused(device, password=change(device.token))


NOW = time.time
FORGERIES = {  # what differs from a good token
    "expired": lambda h, c: (h, {**c, "exp": int(NOW()) - 1}),
    "from-the-future": lambda h, c: (h, {**c, "iat": int(NOW()) + 3600, "exp": int(NOW()) + 7200}),
    "no-exp": lambda h, c: (h, {k: v for k, v in c.items() if k != "exp"}),
    "no-iat": lambda h, c: (h, {k: v for k, v in c.items() if k != "iat"}),
    "no-dev": lambda h, c: (h, {k: v for k, v in c.items() if k != "dev"}),
    "no-sub": lambda h, c: (h, {k: v for k, v in c.items() if k != "sub"}),
    "exp-as-text": lambda h, c: (h, {**c, "exp": str(c["exp"])}),
    "exp-fraction": lambda h, c: (h, {**c, "exp": c["exp"] + 0.5}),
    "alg-none": lambda h, c: ({**h, "alg": "none"}, c),
    "alg-hs256": lambda h, c: ({**h, "alg": "HS256"}, c),
    "alg-missing": lambda h, c: ({k: v for k, v in h.items() if k != "alg"}, c),
    "alg-lower": lambda h, c: ({**h, "alg": "eddsa"}, c),
    "kid-unknown": lambda h, c: ({**h, "kid": "no-such-key"}, c),
    "crit": lambda h, c: ({**h, "crit": ["exp"]}, c),
    "sub-twice": lambda h, c: (h, json.dumps(c)[:-1].encode() + b', "sub": "%s"}' % c["sub"].encode()),
    "not-json": lambda h, c: (h, b"sub=alice"),
    "claims-a-list": lambda h, c: (h, [c]),
    "trailing-bytes": lambda h, c: (h, json.dumps(c).encode() + b"x"),
    "nul": lambda h, c: (h, {**c, "sub": c["sub"] + "\0"}),
}


def own_token(node, device, change=lambda h, c: (h, c), seed=None):
    header, claims, _ = jwt.parts(device.token)
    return jwt.make(seed or jwt.node_seed(node, header.get("kid")), *change(header, claims))


def test_token_made_elsewhere_is_as_good(cast):
    """The control of the forgeries below: the same way of making one, with nothing wrong."""
    device = cast.user().device(connect=False)
    device.token = own_token(cast.node, device)
    device.connect()
    device.token = own_token(cast.node, device, lambda h, c: ({k: v for k, v in h.items() if k != "kid"}, c))
    device.connect()


@VERSIONS
@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_well_signed_but_wrong(cast, v5, change):
    device = cast.user().device(connect=False, v5=v5)
    refused(device, password=own_token(cast.node, device, change))


@VERSIONS
def test_unknown_key(cast, v5):
    device = cast.user().device(connect=False, v5=v5)
    refused(device, password=own_token(cast.node, device, seed=os.urandom(32)))


def test_token_form(cast):
    header, claims, signature = jwt.parts(cast.node.token(cast.user().name, "phone", "2h"))
    assert header["alg"] == "EdDSA" and len(signature) == 64
    assert claims["dev"] == "phone" and claims["exp"] - claims["iat"] == 7200


def test_token_of_an_unregistered_device(cast):
    """A token for a device that was never registered is well signed, but the device is not there."""
    device = cast.user().device(connect=False)
    token = own_token(cast.node, device, lambda h, c: (h, {**c, "dev": "ghost"}))
    ghost = Device(cast.node, f"{device.user}:ghost", token)
    cast.devices.append(ghost)
    ghost.start()  # CONNACK 0: only the service knows who is registered
    ghost.client.subscribe(f"inbox/{ghost.user}/#", 1)
    ghost.wait_ended()
    cast.node.ctl("device", "add", ghost.user, "ghost")
    late = Device(cast.node, f"{device.user}:ghost", token)
    cast.devices.append(late)
    late.connect()


# ---- life and end of a connection ----
def test_takeover(cast):
    alice, bob = cast(2)
    second = Device(cast.node, alice.client_id, alice.token)
    cast.devices.append(second)
    second.connect()
    alice.wait_ended()
    mid = bob.say(alice.address).id
    second.wait_for("chat", id=mid)
    assert second.say(bob.address).seq == 2


def test_takeovers_in_a_row_lose_nothing(cast):
    alice, bob = cast(2)
    ids = []
    for _ in range(10):
        ids.append(bob.send(alice.address))
        ids.append(bob.send(alice.address))
        second = Device(cast.node, alice.client_id, alice.token)
        cast.devices.append(second)
        second.start()
        second.client.subscribe(f"inbox/{alice.user}/#", 1)
        alice = second
    for mid in ids:
        alice.wait_for("chat", id=mid)
    assert [item.id for item in alice.items(bob.address)] == ids


def test_end_at_the_tokens_expiry(cast):
    user = cast.user()
    user.tokens["brief"] = cast.node.token(user.name, "brief", "4s")
    brief, other = user.device("brief"), user.device()
    expires = jwt.parts(brief.token)[1]["exp"]
    brief.wait_ended(timeout=expires - time.time() + 60)
    assert time.time() >= expires - 1
    refused(brief)
    assert other.is_connected()


def test_revoke_ends_the_connection_at_once(cast):
    user = cast.user()
    phone, laptop = user.device("phone"), user.device("laptop")
    cast.node.ctl("device", "revoke", user.name, "phone")
    phone.wait_ended(timeout=10)
    refused(phone)
    assert laptop.say(laptop.address).seq == 1


def test_revoked_tokens_stay_invalid_new_ones_work(cast):
    user = cast.user()
    phone = user.device("phone")
    old = phone.token
    cast.node.ctl("device", "revoke", user.name, "phone")
    phone.wait_ended(timeout=10)
    phone.token = cast.node.token(user.name, "phone")

    def admitted():
        try:
            return phone.connect()
        except Refused:
            return False
    wait_until(admitted, 15, "the new token is good", 0.2)
    phone.stop()
    refused(phone, password=old)


def test_removed_user_is_out(cast):
    user = cast.user()
    phone = user.device("phone")
    cast.node.ctl("user", "remove", user.name)
    phone.wait_ended(timeout=10)
    refused(phone)
    assert cast.node.ctl("user", "add", user.name, check=False).returncode == 1, "a name is never freed"


@VERSIONS
def test_will_is_never_published(cast, v5):
    alice, bob = cast(2)
    doomed = cast.user().device(connect=False, v5=v5)
    doomed.start(will=(f"chat/{bob.address}/will", b"dead", 1, False))
    doomed.drop()
    spiteful = cast.user().device(connect=False, v5=v5)
    spiteful.start(will=(f"inbox/{bob.user}/synced", b"dead", 1, True))
    spiteful.drop()
    mid = alice.say(bob.address).id
    bob.wait_for("chat", id=mid)
    bob.subscribe_inbox()
    assert not [item for item in bob.arrived if item.payload == b"dead"]


def test_many_devices_of_one_user(cast):
    user, other = cast.users(2)
    devices = [user.device(f"d{n}") for n in range(8)]
    sender = other.device()
    mid = sender.say(user.address).id
    for device in devices:
        device.wait_for("chat", id=mid)
