"""One service, two brokers: devices of either chat with each other, and the loss of one is the other's no concern."""
import os
import re
import shutil
import subprocess

import pytest

from lib.device import Device
from lib.node import Node, wait_until
from lib.ports import free_port


class Broker:
    """A stock broker beside the node, with the node's plugin, keys and secret, and a journal of its own."""
    def __init__(self, node):
        self.node, self.host, self.process = node, "127.0.0.1", None
        self.port = free_port()
        self.dir = node.home / "second"
        shutil.copytree(node.dir / "broker", self.dir / "broker")
        for name in ("journal.ring", "revoked.tab"):
            (self.dir / "broker" / name).unlink()
        shutil.copytree(node.dir / "lib", self.dir / "lib")
        shutil.copytree(node.dir / "keys", self.dir / "keys", ignore=shutil.ignore_patterns("*.key", "pgpass"))
        conf = (node.dir / "mosquitto.conf").read_text()
        conf = re.sub(r"listener .*?(?=\nplugin )", f"listener {self.port} 127.0.0.1\n", conf, flags=re.S)
        conf = conf.replace("include_dir mosquitto.d\n", "")
        (self.dir / "mosquitto.conf").write_text(conf)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "mosquitto", self.dir], check=True)
            node.home.chmod(0o755)

    def start(self):
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen([program, "-c", "mosquitto.conf"], cwd=self.dir, stdout=log, stderr=log)

    def stop(self, kill=False):
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="module")
def brokers():
    node = Node("brokers")
    second = None
    try:
        node.up()
        second = Broker(node)
        second.start()
        node.down()
        conf = node.dir / "gnatter.conf"
        text, count = re.subn(r"(?m)^other_brokers = .*$", f"other_brokers = mqtt://127.0.0.1:{second.port}", conf.read_text())
        assert count == 1
        conf.write_text(text)
        node.up()
        wait_until(lambda: sum(link["up"] for link in node.json("status")["service"]["links"]) == 2, 20, "both links up")
        for user in ("alice", "bob"):
            node.ctl("user", "add", user)
        yield node, second
    finally:
        if second:
            second.stop()
        node.close()


def device(place, node, client_id, **options):
    return Device(place, client_id, node.token(*client_id.split(":")), **options)


def test_devices_of_two_brokers_chat(brokers):
    node, second = brokers
    alice = device(node, node, "alice:here").connect()
    bob = device(second, node, "bob:there", acks=True).connect()
    sent = alice.say("u/bob", b"from here")
    assert bob.wait_for("chat", id=sent.id).payload == b"from here"
    alice.wait_for("delivered", conversation="u/bob", seq=sent.seq)
    answer = bob.say("u/alice", b"from there")
    assert alice.wait_for("chat", id=answer.id).seq == sent.seq + 1
    alice.stop()
    bob.stop()


def test_a_second_connection_takes_over_from_another_broker(brokers):
    node, second = brokers
    here = device(node, node, "alice:roams").connect()
    there = device(second, node, "alice:roams").connect()
    here.wait_ended()
    there.stop()


def test_a_broker_that_dies_does_not_disturb_the_other(brokers):
    node, second = brokers
    alice = device(node, node, "alice:stays").connect()
    second.stop(kill=True)
    note = alice.say("u/alice", b"still here")
    second.start()
    bob = device(second, node, "alice:returns", acks=True)
    wait_until(lambda: node.is_up() and all(link["up"] for link in node.json("status")["service"]["links"]), 20, "both links up")
    bob.connect()
    later = alice.say("u/alice", b"both again")
    assert later.seq == note.seq + 1
    assert bob.wait_for("chat", id=later.id).seq == later.seq
    alice.stop()
    bob.stop()
