"""The readme's way: mosquitto_pub and mosquitto_sub."""
import re
import subprocess

import pytest

VERSIONS = pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])


def command(node, program, device, version, *args):
    return [program, "-h", node.host, "-p", str(node.port), "-V", version, "-i", device.client_id, "-u", device.user,
            "-P", device.token, *map(str, args)]


def pub(node, device, version, topic, *args):
    return subprocess.run(command(node, "mosquitto_pub", device, version, "-q", 1, "-t", topic, *args), text=True,
                          timeout=20, stdin=subprocess.DEVNULL, capture_output=True)


@VERSIONS
def test_publish_and_subscribe(cast, version):
    alice, bob = (user.device(connect=False) for user in cast.users(2))
    assert pub(cast.node, alice, version, f"chat/{bob.address}/hello-1", "-m", "Hi bob").returncode == 0
    got = subprocess.run(command(cast.node, "mosquitto_sub", bob, version, "-q", 1, "-t", f"inbox/{bob.user}/chat/#",
                                 "-C", 1, "-W", 20, "-v"), text=True, timeout=30, capture_output=True)
    assert re.fullmatch(rf"inbox/{bob.user}/chat/{alice.address}/1/\d{{13}}/{alice.client_id}/hello-1 Hi bob\n",
                        got.stdout), got
    assert pub(cast.node, bob, version, f"read/{alice.address}/1", "-n").returncode == 0
    told = subprocess.run(command(cast.node, "mosquitto_sub", alice, version, "-t", f"inbox/{alice.user}/read/#", "-C",
                                  1, "-W", 20, "-v"), text=True, timeout=30, capture_output=True)
    assert told.stdout == f"inbox/{alice.user}/read/{bob.address}/1/{bob.user} (null)\n", told


@VERSIONS
def test_refusals(cast, version):
    alice = cast.user().device(connect=False)
    alice.token += "x"
    assert pub(cast.node, alice, version, f"chat/{alice.address}/m", "-m", "x").returncode != 0


def test_denied_publish_is_told_by_v5(cast):
    alice = cast.user().device(connect=False)
    done = pub(cast.node, alice, "mqttv5", "nonsense", "-m", "x")
    assert "Not authorized" in done.stdout + done.stderr
