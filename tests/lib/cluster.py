"""PostgreSQL servers of a test's own, beside the private one of a node: primaries, standbys, promotions."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .node import alive, wait_until
from .ports import free_port

PASSWORD = "landlord"


def programs():
    """The newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    return Path(subprocess.run(["pg_config", "--bindir"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip())


class Server:
    """One cluster on loopback, of `landlord`. PostgreSQL does not run as root, so then another account does."""
    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.home = Path(tempfile.mkdtemp(prefix=f"gnatter-{name}-"))
        self.data = self.home / "data"
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.home, account.pw_uid, account.pw_gid)

    def run(self, program, *args, check=True, timeout=60):
        command = [str(programs() / program), *map(str, args)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        with open(self.home / "commands.log", "a") as log:
            done = subprocess.run(command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=timeout, env={**os.environ, "HOME": str(self.home), "PGPASSWORD": PASSWORD})
        if check and done.returncode != 0:
            said = "".join(path.read_text()[-1500:] for path in self.home.glob("*.log"))
            raise AssertionError(f"{command}: exit {done.returncode}\n{said}")
        return done.returncode

    # ---- making ----
    def make(self, **settings):
        (self.home / "password").write_text(PASSWORD + "\n")
        (self.home / "password").chmod(0o644)
        self.run("initdb", "-D", self.data, "-U", "landlord", "--auth=scram-sha-256", "--pwfile=password", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync", "--data-checksums")  # checksums: for pg_rewind
        self.set(listen_addresses="127.0.0.1", unix_socket_directories="", wal_log_hints="on",
                 wal_keep_size="256MB", **settings)  # what pg_rewind goes back over
        return self

    def copy_of(self, primary):
        """A standby of `primary`, by the name of this server."""
        self.run("pg_basebackup", "-D", self.data, "-d", primary.uri("postgres") + f"?application_name={self.name}",
                 "-R", "-c", "fast", "-X", "stream", "--no-sync")
        return self

    def rewind(self, primary):
        """Makes a primary that was replaced a standby of its successor: what it alone has is undone."""
        self.forget_the_dead()
        self.run("pg_rewind", "-D", self.data, "--source-server",
                 primary.uri("postgres") + f"?application_name={self.name}", "-R", "--no-sync")
        self.set()  # its configuration is now a copy of the other's

    def set(self, **settings):
        """Takes effect with the next start or reload; the last that is said of a setting counts."""
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write("".join(f"{name} = '{value}'\n" for name, value in {"port": self.port, **settings}.items()))

    # ---- life ----
    def forget_the_dead(self):
        """Where nobody waits for the dead, PostgreSQL takes its last life for a living one."""
        if not self.is_up():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def start(self):
        self.forget_the_dead()
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "40", "-l", self.home / "server.log", "start")

    def stop(self, mode="fast"):
        if self.is_up():
            self.run("pg_ctl", "-D", self.data, "-w", "-t", "40", "-m", mode, "stop")

    def promote(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "40", "promote")

    def pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def is_up(self):
        return self.pid() is not None and alive(self.pid())

    def pids(self):
        """The server's processes, the first one first."""
        first = self.pid()
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def signal(self, number=signal.SIGKILL):
        """As if its machine were gone (SIGKILL) or hung (SIGSTOP): all of its processes at once."""
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        if number == signal.SIGKILL:
            wait_until(lambda: not any(alive(pid) for pid in pids), 10, f"{self.name} is dead")

    def close(self):
        if self.is_up():
            self.signal(signal.SIGCONT)
            self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def save_logs(self, folder):
        for path in self.home.glob("*.log"):
            shutil.copyfile(path, folder / f"{self.name}-{path.name}")

    # ---- asking ----
    def uri(self, database):
        return f"postgresql://landlord:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement, database="gnatter"):
        """Rows as lists of text."""
        done = subprocess.run([str(programs() / "psql"), "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", statement,
                               self.uri(database)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 0, f"{statement}: {done.stderr}"
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, statement, database="gnatter"):
        return self.sql(statement, database)[0][0]
