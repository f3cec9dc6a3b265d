"""A real mosquitto with the plugin, in a directory of its own, on a free port."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from lib.ports import free_ports
from tokens import Key

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = pathlib.Path(os.environ.get("GNATTER_PLUGIN", TOP / "build/lib/gnatter_plugin.so"))
MOSQUITTO = os.environ.get("MOSQUITTO") or shutil.which("mosquitto") or "/usr/sbin/mosquitto"
SECRET = "0123456789abcdef" * 4
TIMEOUT = 15.0


def until(what, condition, timeout=TIMEOUT):
    """Waits for the condition to be true and gives its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.005)


def environment():
    """With GNATTER_ACCELERATOR=on every broker has it."""
    if os.environ.get("GNATTER_ACCELERATOR", "off") != "on":
        return None
    return {**os.environ, "LD_PRELOAD": str(TOP / "build/lib/gnatter_accelerator.so")}


class Broker:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gnatter-plugin-"))
        self.dir.chmod(0o755)
        self.keys = [Key("k1"), Key("k2")]
        self.port, self.ws_port = free_ports(2)
        self.options = {
            "keys_file": self.dir / "tokens.pub",
            "link_secret_file": self.dir / "link.secret",
            "journal_file": self.dir / "journal.ring",
            "journal_bytes": 4 * 1024 * 1024,
            "revocations_file": self.dir / "revoked.tab",
            "node": "testnode",
        }
        self.lines = []    # more of mosquitto.conf
        self.command = []  # what runs it, such as valgrind
        self.process = None
        self.write_keys()
        (self.dir / "link.secret").write_text(SECRET + "\n")
        shutil.copy(PLUGIN, self.dir / "plugin.so")

    def write_keys(self):
        (self.dir / "tokens.pub").write_text("# public keys\n" + "".join(key.line() for key in self.keys))

    def token(self, user, device, **more):
        return self.keys[0].token(user, device, **more)

    def config(self):
        lines = ["per_listener_settings false", "allow_anonymous false", "set_tcp_nodelay true", "persistence false",
                 "max_inflight_messages 1000", "max_queued_messages 100000", "max_packet_size 1048576",
                 "log_type all", "connection_messages true", f"log_dest file {self.dir / 'mosquitto.log'}",
                 f"plugin {self.dir / 'plugin.so'}"]
        lines += [f"plugin_opt_{name} {value}" for name, value in self.options.items() if value is not None]
        lines += [f"listener {self.port} 127.0.0.1", f"listener {self.ws_port} 127.0.0.1", "protocol websockets"]
        return "\n".join(lines + self.lines) + "\n"

    def own(self):
        """Started as root the broker drops to user mosquitto before it loads the plugin."""
        if os.getuid() == 0:
            for path in [self.dir, *self.dir.iterdir()]:
                shutil.chown(path, "mosquitto", "mosquitto")

    def start(self, timeout=TIMEOUT):
        self.launch()
        until("the broker listens", lambda: self.listens() or self.check_alive(), timeout)
        return self

    def launch(self):
        (self.dir / "mosquitto.conf").write_text(self.config())
        (self.dir / "mosquitto.log").touch()
        self.own()
        self.process = subprocess.Popen([*self.command, MOSQUITTO, "-c", self.dir / "mosquitto.conf"], env=environment(),
                                        stdout=open(self.dir / "stdout", "ab"), stderr=subprocess.STDOUT)

    def check_alive(self):
        assert self.process.poll() is None, f"the broker ended:\n{self.log()}"

    def listens(self):
        def answers(port):
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        return answers(self.port) and answers(self.ws_port)

    def start_failing(self):
        """The log of a start that is refused."""
        self.launch()
        assert self.process.wait(TIMEOUT) != 0
        return self.log()

    def log(self):
        return (self.dir / "mosquitto.log").read_text(errors="replace") + (self.dir / "stdout").read_text()

    def wait_log(self, text, count=1):
        until(f"log has {text!r}", lambda: self.log().count(text) >= count)

    @contextlib.contextmanager
    def halted(self, *devices):
        """What these devices publish meanwhile it finds all at once, however slowly they publish."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
            until("all is sent", lambda: not any(device.client.want_write() for device in devices))
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self, number, timeout=TIMEOUT):
        if self.process is not None:
            self.process.send_signal(number)
            code = self.process.wait(timeout)
            self.process = None
            return code

    def stop(self):
        return self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def reload(self):
        self.own()
        self.process.send_signal(signal.SIGHUP)

    def remove(self):
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
