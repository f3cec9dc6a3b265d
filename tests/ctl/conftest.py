"""gnatterctl, black box: nodes in directories of their own, on free ports of loopback."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from lib.ports import free_ports  # noqa: E402

CTL = TOP / "build" / "bin" / "gnatterctl"
PARTS = ("postgres", "mosquitto", "syncd", "supervisor")


def wait_until(condition, what, deadline_s=30):
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)
    return value


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Node:
    def __init__(self, home, user=None):
        self.home, self.dir, self.user, self.program = home, home / "node", user, CTL

    def ctl(self, *args, check=True, timeout=120, stdin="", env=None):
        """One command; the finished process."""
        command = [str(self.program), "--dir", str(self.dir), *map(str, args)]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", "--regid=nogroup", "--clear-groups", *command]
        done = subprocess.run(command, timeout=timeout, input=stdin, text=True, capture_output=True, cwd=str(self.home),
                              env={**os.environ, **(env or {})})
        if check:
            assert done.returncode == 0, f"gnatterctl {' '.join(map(str, args))}: {done.returncode}\n{done.stderr}{self.logs()}"
        return done

    def refused(self, *args, status=1, **more):
        """It must fail with that status, one line on stderr and nothing on stdout; returns the line."""
        done = self.ctl(*args, check=False, **more)
        assert done.returncode == status, done
        assert done.stdout == "", done.stdout
        assert done.stderr.startswith("gnatterctl: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    def json(self, *args, **more):
        return json.loads(self.ctl("--json", *args, **more).stdout)

    def sql(self, statement):
        return self.ctl("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement).stdout.splitlines()

    def up(self, *args, **more):
        ports = [] if (self.dir / "gnatter.conf").exists() else ["--mqtt-port", 0, "--ws-port", 0]
        return self.ctl("up", *ports, *args, **more)

    def pid(self, part):
        try:
            return int((self.dir / "run" / f"{part}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def pids(self):
        return {part: self.pid(part) for part in PARTS}

    def conf(self, key):
        for line in (self.dir / "gnatter.conf").read_text().splitlines():
            if line.startswith(f"{key} = "):
                return line.split(" = ", 1)[1]
        raise KeyError(key)

    def logs(self):
        return "".join(f"\n--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
                       for path in sorted((self.dir / "log").glob("*.log")))

    def close(self):
        if (self.dir / "gnatter.conf").exists():
            self.ctl("down", check=False)
        left = [pid for pid in self.pids().values() if pid and alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
        assert not left, "down left processes running"


def make_node(user=None, installed=False):
    """installed: with programs of its own, for a user who may not enter the folders of the checkout."""
    home = Path(tempfile.mkdtemp(prefix="gnatter-ctl-"))
    assert home.stat().st_mode & 0o777 == 0o700  # as pytest's tmp_path, and as /root: closed to the parts' accounts
    node = Node(home, user)
    if installed:
        for name in ("bin/gnatterctl", "bin/gnatter-syncd", "lib/gnatter_plugin.so"):
            (home / name).parent.mkdir(exist_ok=True)
            shutil.copy(TOP / "build" / name, home / name)
        node.program = home / "bin/gnatterctl"
    if user:
        for path in [home, *home.rglob("*")]:
            shutil.chown(path, user)
    return node


@pytest.fixture
def node():
    """A place for a node; nothing in it yet."""
    node = make_node()
    yield node
    node.close()


@pytest.fixture(scope="session")
def template():
    """A node that was up once: to copy is much faster than to make."""
    node = make_node()
    port, ws_port = free_ports(2)  # picked ones could be somebody else's by the time a copy is started
    node.ctl("up", "--mqtt-port", port, "--ws-port", ws_port)
    node.ctl("down")
    yield node.dir
    node.close()


@pytest.fixture
def made(template):
    """A node that is down, with the schema in its database."""
    node = make_node()
    subprocess.run(["cp", "-a", template, node.dir], check=True)
    yield node
    node.close()


@pytest.fixture(scope="module")
def up():
    """A node that is up, shared by a file's tests: each takes names of its own."""
    node = make_node()
    node.up()
    yield node
    node.close()
