"""A stock mosquitto without any plugin, with or without the accelerator, with a listener of every kind."""
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from lib.ports import free_ports

TOP = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = TOP / "build/lib/gnatter_accelerator.so"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
TIMEOUT = 20.0
MARK = "/memfd:gnatter-accelerator"
CONFIG = """\
per_listener_settings false
allow_anonymous true
set_tcp_nodelay true
persistence false
max_inflight_messages 0
max_queued_messages 0
max_packet_size 20000000
sys_interval 1
log_type all
log_dest file {dir}/mosquitto.log
listener {tcp} 127.0.0.1
listener {ws} 127.0.0.1
protocol websockets
socket_domain ipv4
listener {tls} 127.0.0.1
certfile {dir}/cert.pem
keyfile {dir}/key.pem
listener {wss} 127.0.0.1
protocol websockets
socket_domain ipv4
certfile {dir}/cert.pem
keyfile {dir}/key.pem
listener 0 {dir}/socket
"""


def until(what, condition, timeout=TIMEOUT):
    """Waits for the condition to be true and gives its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.005)


class Broker:
    def __init__(self, accelerated, environment=None, program=MOSQUITTO):
        self.accelerated, self.program = accelerated, program
        self.environment = {**os.environ, "GNATTER_ACCELERATOR": "on", **(environment or {})}
        if accelerated:
            self.environment["LD_PRELOAD"] = str(LIBRARY)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gnatter-accelerator-"))
        self.dir.chmod(0o755)
        self.tcp, self.ws, self.tls, self.wss = free_ports(4)
        self.process = None

    def start(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        (self.dir / "mosquitto.log").touch()
        (self.dir / "mosquitto.conf").write_text(CONFIG.format(**vars(self)))
        if os.getuid() == 0:  # the broker does not stay root
            for path in [self.dir, *self.dir.iterdir()]:
                shutil.chown(path, "mosquitto", "mosquitto")
        with open(self.dir / "output", "wb") as output:
            self.process = subprocess.Popen([self.program, "-c", self.dir / "mosquitto.conf"], env=self.environment,
                                            stdout=output, stderr=subprocess.STDOUT)
        until("the broker listens", lambda: all(map(self.listens, (self.tcp, self.ws, self.tls, self.wss))))
        return self

    def listens(self, port):
        assert self.process.poll() is None, self.said()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def trust(self):
        """What a client of its TLS listeners needs."""
        return ssl.create_default_context(cafile=self.dir / "cert.pem")

    def said(self):
        return (self.dir / "output").read_text() + (self.dir / "mosquitto.log").read_text(errors="replace")

    def is_at_work(self):
        """Has the library found a broker that it knows?"""
        return MARK in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    def memory_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sleeps(self, ticks=3):
        """Is it idle, using no processor?"""
        def used():
            return sum(map(int, pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        before = used()
        time.sleep(0.5)
        return used() - before <= ticks

    def stop(self):
        """The exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
