"""The load client against a node, as a well-behaved crowd: what it says, and whether a promise was broken."""
import json
import subprocess

from .node import TOP

LOAD = TOP / "build" / "bin" / "gnatter-load"


class Crowd:
    """Users made once; each run makes conversations of its own among them."""
    def __init__(self, node, count):
        self.node, self.devices = node, node.home / "crowd.tsv"
        node.ctl("bulk-add", "--count", count, "--prefix", "crowd", "--out", self.devices, timeout=120)

    def start(self, *arguments):
        return subprocess.Popen([str(LOAD), "--port", str(self.node.port), "--devices", str(self.devices),
                                 *map(str, arguments)], stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def end(self, process, timeout=120):
        """The JSON line; asserts that every promise was kept."""
        try:
            out, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, said = process.communicate()
            raise AssertionError(f"gnatter-load did not end in {timeout} s:\n{said[-2000:]}") from None
        assert process.returncode == 0, f"gnatter-load: exit {process.returncode}\n{said[-3000:]}"
        return json.loads(out)

    def run(self, *arguments, timeout=120):
        return self.end(self.start(*arguments), timeout)


def load_named(result, name):
    return next(load for load in result["loads"] if load["name"] == name)
