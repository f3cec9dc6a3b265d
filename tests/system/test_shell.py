"""The readme's way: mosquitto_pub and mosquitto_sub."""
import json
import re
import subprocess
from pathlib import Path

import pytest

from lib.node import CTL

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


def shell(node, script, more=""):
    """Runs it as it stands in docs/protocol.md, against this node."""
    functions = f'gnatterctl() {{ {CTL} --dir {node.dir} "$@"; }}\n' + "".join(
        f'{name}() {{ command {name} -h {node.host} -p {node.port} {more} "$@"; }}\n'
        for name in ("mosquitto_pub", "mosquitto_sub", "mosquitto_rr"))
    return subprocess.Popen(["timeout", "30", "bash", "-e", "-c", functions + script], text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE)


def test_as_the_protocols_page_says(node):
    page = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text()
    listens, says = re.findall(r"```sh\n(.*?)```", page.split("## From a shell\n", 1)[1].split("\n## ", 1)[0], re.S)
    with shell(node, listens, "-C 2") as bob:
        for line in bob.stdout:
            if line.startswith("inbox/bob/synced "):
                break
        said, asks = says.split("\n", 1)
        with shell(node, said) as alice:
            assert alice.wait(30) == 0
        heard = bob.stdout.readline()  # so it is committed: mosquitto_pub waits for the broker only
        assert bob.wait(30) == 0
        with shell(node, asks) as alice:
            answer = json.loads(alice.stdout.readline())["result"]
            assert alice.wait(30) == 0
    assert (answer["conversation"], answer["count"], answer["first_seq"]) == ("u/bob", 1, 1)
    assert re.fullmatch(r"inbox/bob/chat/u/alice/1/\d{13}/alice:shell/hello-1 Hi bob\n", heard), heard
