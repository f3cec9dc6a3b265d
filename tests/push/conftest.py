import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib.device import Device  # noqa: E402
from lib.fixtures import pytest_runtest_makereport  # noqa: E402,F401
from lib.node import wait_until  # noqa: E402
from stage import PushNode, configure  # noqa: E402

_pools = {}  # of each node: users with a device "phone", made in one go


def started(name, **config):
    node = PushNode(name, **config)
    try:
        node.begin()
        yield node
    except BaseException:
        node.save_logs()
        raise
    finally:
        node.close(keep_logs=getattr(node, "failed", False))


@pytest.fixture(scope="session")
def node():
    yield from started("push")


def reconfigured(node, **keys):
    """The node with other keys, and afterwards as it was."""
    def again(lines):
        node.down()
        configure(node, lines)
        node.providers.control("/forget-provider-tokens", {})
        node.up()
    again(node.providers.config(**keys))
    yield node
    again(node.providers.config())


class Stage:
    """Users for one test: who writes, and whose device is to be woken."""
    def __init__(self, node):
        self.node, self.providers = node, node.providers
        self.devices = []

    def device(self, user=None, name="phone", connect=True):
        if user is None:
            pool = _pools.setdefault(self.node, [])
            if not pool:
                pool += self.node.bulk(400, f"pool{len(_pools)}x", "phone")
            client_id, _, token = pool.pop()
        else:
            client_id, token = f"{user}:{name}", self.node.token(user, name)
        device = Device(self.node, client_id, token)
        self.devices.append(device)
        return device.connect() if connect else device

    def register(self, device, provider, **fields):
        """Registers over MQTT; returns the token by which the provider sees the device."""
        if provider == "apns":
            fields.setdefault("token", secrets.token_hex(32))
        elif provider == "fcm":
            fields.setdefault("token", secrets.token_urlsafe(40))
        elif provider == "webhook":
            fields.setdefault("token", device.client_id)
        elif provider in ("webpush", "unifiedpush") and "endpoint" not in fields:
            subscription = self.providers.subscription()
            fields.update({key: subscription[key] for key in ("endpoint", "p256dh", "auth")})
        result = device.rpc("push.register", provider=provider, **fields)
        assert result["provider"] == provider
        if provider in ("webpush", "unifiedpush"):
            return fields["endpoint"].rsplit("/", 1)[1]
        return device.client_id if provider == "webhook" else fields["token"]

    def away(self, device):
        """Disconnects, and waits until the service has told the database."""
        device.stop()
        self.wait_gone(device)

    def wait_gone(self, device):
        wait_until(lambda: self.node.sql_value(
            "select is_live from gnatter.devices where user_name || ':' || device_name = "
            f"'{device.client_id}'") == "f", 15, f"{device.client_id} gone", 0.05)

    def sleeper(self, provider, **fields):
        """(device that is away and registered, its token, somebody who can write to it)"""
        device = self.device()
        token = self.register(device, provider, **fields)
        self.away(device)
        return device, token, self.device()


    def answered(self, provider, answers, **fields):
        """A device for each of these answers; all are woken at once, and answered so. [(device, token, answer)]"""
        cast = []
        for answer in answers:
            device = self.device()
            cast.append((device, self.register(device, provider, **fields), answer))
            device.stop()
        for device, _, _ in cast:
            self.wait_gone(device)
        self.providers.answer(provider if provider != "unifiedpush" else "webpush",
                              *({"match": token, **answer} for _, token, answer in cast))
        friend = self.device()
        for device, _, _ in cast:
            friend.send(device.address)
        return cast


@pytest.fixture
def stage(node):
    node.providers.reset()
    stage = Stage(node)
    yield stage
    for device in stage.devices:
        device.stop()
    node.sql("delete from gnatter.push_registration; "
             "update gnatter.push_job set state = 'needless', finished_at = now() where finished_at is null")
