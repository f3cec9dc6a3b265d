"""A Gnatter node in a directory of its own, driven by gnatterctl and nothing else."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2

from .ports import free_ports

TOP = Path(__file__).resolve().parents[2]
CTL = Path(os.environ.get("GNATTER_BIN", TOP / "build" / "bin")) / "gnatterctl"
LOGS = TOP / "build" / "test-logs"
ACCELERATOR = os.environ.get("GNATTER_ACCELERATOR", "off")  # on: every node has it
MARK = "/memfd:gnatter-accelerator"  # what it maps when it is at work
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|: runtime error: ")
PARTS = ("postgres", "mosquitto", "syncd", "supervisor")


def wait_until(condition, timeout=10.0, what="condition", step=0.02):
    """The first true value of condition(); an AssertionError names `what` when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what() if callable(what) else what}"
        time.sleep(step)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def quote(text):
    return "'" + str(text).replace("'", "''") + "'"


class Node:
    def __init__(self, name="node"):
        self.name = name
        # The private PostgreSQL of a node that root starts runs as another user, who must get through.
        self.home = Path(tempfile.mkdtemp(prefix=f"gnatter-{name}-"))
        self.home.chmod(0o755)
        self.dir = self.home / "node"
        self.port, self.ws_port = free_ports(2)
        self.host, self.device_port = "127.0.0.1", None  # device_port: of a proxy, where devices go through one
        self.accelerator = ACCELERATOR
        self.env = {}  # more than this process has, for gnatterctl and all that it starts

    # ---- commands ----
    def ctl(self, *args, check=True, timeout=60, stdin=None):
        done = subprocess.run([str(CTL), "--dir", str(self.dir), *map(str, args)], timeout=timeout, text=True,
                              input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check and done.returncode != 0:
            raise AssertionError(f"gnatterctl {' '.join(map(str, args))}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def json(self, *args):
        return json.loads(self.ctl("--json", *args).stdout)

    def sql(self, statement, check=True, timeout=60):
        """Rows as lists of text."""
        done = self.ctl("psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-",
                        stdin=statement, check=check, timeout=timeout)
        if not check:
            return done
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def sql_value(self, statement):
        rows = self.sql(statement)
        return rows[0][0] if rows else None

    def database(self):
        """A connection to the private PostgreSQL, as its superuser, past whatever is between it and the others."""
        conf = (self.dir / "gnatter.conf").read_text()
        password = (self.dir / "keys" / "pgpass").read_text().strip().rsplit(":", 1)[1]
        connection = psycopg2.connect(host="127.0.0.1", port=re.search(r"^postgres_port = (\d+)$", conf, re.M)[1],
                                      dbname="gnatter", user="postgres", password=password, connect_timeout=2,
                                      options="-c statement_timeout=20000")
        connection.autocommit = True
        return connection

    # ---- life ----
    def up(self, *args, timeout=90):
        """A new node has two shards, however few processors there are: what goes wrong between shards shows then."""
        if not (self.dir / "gnatter.conf").exists():
            self.init()
            self.configure(shards=2)
        done = self.ctl("up", "--mqtt-port", self.port, "--ws-port", self.ws_port, *args, timeout=timeout)
        if self.accelerator == "on":
            assert MARK in Path(f"/proc/{self.pid('mosquitto')}/maps").read_text(), "the accelerator is not at work"
        return done

    def init(self, *options, **conf):
        """Makes the node: with these options of `gnatterctl init`, with these values in the section [node]."""
        self.ctl("init", "--mqtt-port", self.port, "--ws-port", self.ws_port, "--accelerator", self.accelerator, *options)
        path = self.dir / "gnatter.conf"
        text = path.read_text()
        for key, value in conf.items():
            text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
            assert found == 1, key
        path.write_text(text)

    def configure(self, **keys):
        """Adds keys to the section of the service, the last one of the file; read at the next start."""
        conf = self.dir / "gnatter.conf"
        text = conf.read_text()
        assert text.rindex("\n[") == text.index("\n[service]")
        conf.write_text(text + "".join(f"{key} = {value}\n" for key, value in keys.items()))

    def down(self, check=True, timeout=60):
        return self.ctl("down", check=check, timeout=timeout)

    def is_up(self):
        return self.ctl("status", check=False).returncode == 0

    def wait_up(self, timeout=30):
        wait_until(self.is_up, timeout, lambda: "node up\n" + self.ctl("status", check=False).stdout, 0.1)

    def pid(self, part):
        try:
            return int((self.dir / "run" / f"{part}.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def signal(self, part, number=signal.SIGKILL):
        """Signals a part; returns the pid it had."""
        pid = self.pid(part)
        assert pid and alive(pid), f"{part} is not running"
        os.kill(pid, number)
        return pid

    def kill_hard(self, *parts):
        """kill -9, and what a part of that process had as children may stay; returns the pids."""
        return {part: self.signal(part) for part in parts}

    def wait_restarted(self, part, old_pid, timeout=20):
        wait_until(lambda: self.pid(part) not in (None, old_pid) and alive(self.pid(part)), timeout, f"{part} again")

    def close(self, keep_logs=False):
        self.down(check=False)
        leftovers = [part for part in PARTS if self.pid(part) and alive(self.pid(part))]
        reports = [path.name for path in (self.dir / "log").glob("*.log")
                   if SANITIZER_REPORT.search(path.read_text(errors="replace"))]
        if leftovers or reports:
            keep_logs = True
        for part in leftovers:
            os.kill(self.pid(part), signal.SIGKILL)
        if keep_logs:
            self.save_logs()
        shutil.rmtree(self.home, ignore_errors=True)
        assert not leftovers, f"`gnatterctl down` left running: {leftovers}"
        assert not reports, f"a sanitizer reports in {reports}, kept in {LOGS / 'nodes' / self.name}"

    def save_logs(self):
        target = LOGS / "nodes" / self.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.dir / "log", target, dirs_exist_ok=True)
        for path in target.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def log_tails(self, lines=25):
        """What the node said last, for the report of a failed test."""
        text = []
        for path in sorted((self.dir / "log").glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            text += [f"--- {path.name}", *tail]
        return "\n".join(text)

    # ---- users ----
    def token(self, user, device, ttl=None):
        return self.ctl("token", user, device, *(["--ttl", ttl] if ttl else [])).stdout.strip()

    def bulk(self, count, prefix, device="d"):
        """Users with a device each: [(client id, user, token)]."""
        out = self.home / f"{prefix}.tsv"
        self.ctl("bulk-add", "--count", count, "--prefix", prefix, "--device", device, "--out", out, timeout=120)
        return [tuple(line.split("\t")) for line in out.read_text().splitlines()]
