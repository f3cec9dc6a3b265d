"""The servers that are compared: Gnatter nodes of their own, and a stock broker without any plugin."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import procfs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from lib.ports import free_port  # noqa: E402

BIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin")
RAW_CONFIG = """\
# A stock broker, set up as the node's is: no delay, wide windows, nothing written to disk.
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
allow_duplicate_messages true
persistence false
log_type error
"""


def raise_descriptors(wanted=40000):
    """Children inherit it. Without the right to it, what fits is used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def wait_for_port(port, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


class Raw:
    """Stock mosquitto."""
    name = "raw"
    flags = ["--raw"]

    def __init__(self, directory):
        self.port = free_port()
        self.directory = directory
        config = os.path.join(directory, "raw.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(RAW_CONFIG.format(port=self.port))
            if os.geteuid() == 0:
                file.write("user root\n")
        self.command = [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", config]
        self.log = open(os.path.join(directory, "raw.log"), "wb")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        wait_for_port(self.port)

    def kill_broker(self):
        """And start it again at once, as the other's supervisor does."""
        self.process.kill()
        self.process.wait()
        self.start()

    renew = kill_broker

    def pids(self):
        return {"broker": self.process.pid}

    def cpu(self):
        return {"broker": procfs.cpu_s(self.process.pid)}

    def arguments(self):
        return [*self.flags, "--port", str(self.port)]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.log.close()


def read_pid(path, within_s=10):
    """There is none for a moment where a part was killed and is being started again."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            with open(path, encoding="ascii") as pid:
                return int(pid.read().split()[0])
        except (FileNotFoundError, IndexError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Gnatter:
    """A node made by gnatterctl, with its own PostgreSQL."""
    flags = []

    def __init__(self, directory, devices, accelerator="off"):
        self.name = "accelerated" if accelerator == "on" else "gnatter"
        self.directory = os.path.join(directory, self.name)
        self.port, self.ws_port, self.accelerator = free_port(), free_port(), accelerator
        self.devices_file = os.path.join(directory, f"{self.name}.tsv")
        try:
            self.up()
            self.make_log_files()
            self.ctl("bulk-add", "--count", str(devices), "--out", self.devices_file)
        except BaseException:
            self.stop()
            raise

    def up(self):
        self.ctl("up", "--mqtt-port", str(self.port), "--ws-port", str(self.ws_port), "--limits", "off", "--accelerator",
                 self.accelerator)
        if json.loads(self.ctl("--json", "status"))["accelerator"]["active"] != (self.accelerator == "on"):
            raise RuntimeError("the accelerator is not at work: it takes Mosquitto 2.0.11")

    def renew(self):
        """Its processes are new: none has memory that an earlier load made it take."""
        self.ctl("down")
        self.up()

    def ctl(self, *arguments):
        command = [os.path.join(BIN, "gnatterctl"), "--dir", self.directory, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def pids(self):
        found = {}
        for part, file in (("broker", "mosquitto"), ("service", "syncd"), ("postgres", "postgres")):
            found[part] = read_pid(os.path.join(self.directory, "run", file + ".pid"))
        return found

    def cpu(self):
        return {part: procfs.cpu_s(pid, with_children=part == "postgres") for part, pid in self.pids().items()}

    def kill_broker(self):
        """The supervisor starts it again."""
        os.kill(self.pids()["broker"], signal.SIGKILL)

    def wal(self):
        """Bytes of write-ahead log so far."""
        return int(self.sql("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))

    def sql(self, statement):
        return self.ctl("psql", "-qAtc", statement).strip()

    def make_log_files(self):
        """As on a node that is not new: the files of the write-ahead log are there, and PostgreSQL takes them again."""
        files = "pg_size_bytes(current_setting('min_wal_size')) / pg_size_bytes(current_setting('wal_segment_size'))"
        self.sql(f"select count(pg_switch_wal()) from generate_series(1, {files})"
                 " where pg_logical_emit_message(false, 'bench', '') is not null")
        self.sql("checkpoint")

    def set_commit_delay(self, microseconds):
        """Before each flush of the log PostgreSQL sleeps so long, whoever else is about to commit."""
        self.sql(f"alter system set commit_delay = {microseconds}")
        self.sql("alter system set commit_siblings = 0")
        self.sql("select pg_reload_conf()")

    def without_vacuum(self):
        """From here on; one that is under way ends."""
        self.sql("alter system set autovacuum = off")
        self.sql("select pg_reload_conf()")
        self.sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = 'autovacuum worker'")

    def arguments(self):
        return ["--port", str(self.port), "--devices", self.devices_file]

    def stop(self):
        try:
            self.ctl("down")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print("bench: could not stop the node:", error)


class Counters:
    """What a server has used until now. CPU first: asking for the WAL takes some itself, and its time."""
    def __init__(self, server, client_pid, with_wal):
        self.cpu_at, self.cpu = time.monotonic(), {**server.cpu(), "client": procfs.cpu_s(client_pid)}
        self.wal_at, self.wal = time.monotonic(), server.wal() if with_wal else None

    def since(self, before):
        """Per second."""
        seconds = self.cpu_at - before.cpu_at
        found = {"cpu_per_s": {part: (self.cpu[part] - before.cpu[part]) / seconds for part in self.cpu}}
        if self.wal is not None:
            found["wal_per_s"] = (self.wal - before.wal) / (self.wal_at - before.wal_at)
        return found


def run_load(server, arguments, timeout_s=300, during=None, with_wal=False):
    """One run of gnatter-load: its JSON, and what the servers' counters rose by while it measured.

    `during(phase)` is called after each "phase ..." line of the client, which goes on for as long as it takes to read the
    counters: what is read is of servers at work. `with_wal`: also what they wrote to the write-ahead log."""
    command = [os.path.join(BIN, "gnatter-load"), *server.arguments(), "--cool-down", "0.5", *arguments]
    figures = {"command": " ".join(["gnatter-load", *server.flags, *arguments]), "said": []}
    before = None
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        client = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(timeout_s, client.kill)
        try:
            watchdog.start()
            for line in client.stderr:
                if not line.startswith("phase "):
                    figures["said"].append(line.rstrip())
                    continue
                phase = line.split()[1]
                if phase == "measure":
                    before = Counters(server, client.pid, with_wal)
                elif phase == "measured" and before:
                    figures.update(Counters(server, client.pid, with_wal).since(before))
                if during:
                    during(phase)
            figures["exit_status"] = client.wait()
        finally:
            watchdog.cancel()
            client.kill()  # interrupted: it would go on
            client.wait()
        out.seek(0)
        text = out.read()
    figures["load"] = json.loads(text) if text.strip() else {}
    return figures
