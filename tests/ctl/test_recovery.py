"""What serves goes on when its supervisor is replaced while the database, or the node's own files, are not as they should be."""
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import CTL, alive, make_node, wait_until
from lib.ports import free_port

SERVING = ("mosquitto", "syncd")
CHILDREN = ("postgres", *SERVING)


def kill_supervisor(node):
    pid = node.pid("supervisor")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "it is dead")


def serving(node):
    pids = {part: node.pid(part) for part in SERVING}
    assert all(pid and alive(pid) for pid in pids.values()), pids
    return pids


def log(node, name="supervisor"):
    return (node.dir / "log" / f"{name}.log").read_text()


@pytest.fixture
def foreground():
    """Starts `up --foreground` of a node, whose log is then a file."""
    started = []

    def start(node):
        path = node.dir / "log" / f"foreground{len(started)}.log"
        with path.open("w") as out:
            started.append(subprocess.Popen([str(CTL), "--dir", str(node.dir), "up", "--foreground"], stdout=out, stderr=out,
                                            cwd=node.home))
        return started[-1], path
    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=120)


def test_a_schema_that_cannot_be_settled_stops_nobody(made):
    """A dump, as any open transaction, holds locks that the schema's files need."""
    made.up()
    before = serving(made)
    kill_supervisor(made)
    holder = subprocess.Popen([str(CTL), "--dir", str(made.dir), "psql", "-X", "-q", "-t"], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE)
    try:
        holder.stdin.write("begin; lock table gnatter.users in access share mode; select 'held';\n")
        holder.stdin.flush()
        while "held" not in holder.stdout.readline():
            pass
        done = made.up()
        assert "is up" in done.stdout and "lock timeout" in done.stderr and "pg_stat_activity" in done.stderr, done
        assert " error supervisor schema-failed " in log(made) and "schema-settled" not in log(made)
        assert serving(made) == before and made.json("status")["ok"]
    finally:
        holder.communicate("rollback;\n", timeout=20)
    made.ctl("reload")  # tries it again at once
    wait_until(lambda: "schema-settled" in log(made), "the schema is settled")
    assert serving(made) == before


@pytest.fixture
def tenant(made):
    """A node on a database of another one's server: `made`, which may be down while the tenant is started."""
    made.up()
    made.sql("create role landlord login createrole password 'pass'")
    made.sql("create database shared owner landlord")
    node = make_node()
    node.ctl("init", "--database", f"postgresql://landlord:pass@127.0.0.1:{made.conf('postgres_port')}/shared", "--mqtt-port", 0,
             "--ws-port", 0)
    yield node
    node.close()


def test_a_database_that_is_away_stops_nobody(made, tenant, foreground):
    tenant.up()
    before = serving(tenant)
    made.ctl("down")
    kill_supervisor(tenant)
    process, said = foreground(tenant)
    wait_until(lambda: " schema-again " in said.read_text(), "it has tried")
    assert "Connection refused" in said.read_text()
    made.up()
    wait_until(lambda: "schema-settled" in said.read_text(), "it has tried again")
    wait_until(lambda: tenant.ctl("status", check=False).returncode == 0, "a device could chat")
    told = re.findall(r' schema-again why="(.*?)" what=', said.read_text())
    assert told[0].count("Connection refused") == 1 and len(told) == len(set(told))  # not a line for each try
    assert serving(tenant) == before and process.poll() is None


def test_a_start_waits_for_its_database(made, tenant, foreground):
    made.ctl("down")
    process, said = foreground(tenant)
    wait_until(lambda: " schema-again " in said.read_text(), "it has tried")
    assert "the database does not answer" in tenant.ctl("status", check=False).stderr
    made.up()
    wait_until(lambda: tenant.ctl("status", check=False).returncode == 0, "a device could chat")
    assert process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_start_waits_until_it_may_have_processes(made):
    """For root no such limit holds: the node is somebody's who has too many."""
    made.up()
    made.sql("create role lodger login createrole password 'pass'")
    made.sql("create database lodging owner lodger")
    node = make_node("nobody", installed=True)
    process = None
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    def may_have(processes):
        subprocess.run([*nobody, "prlimit", f"--pid={process.pid}", f"--nproc={processes}:"], check=True)
    try:
        node.ctl("init", "--database", f"postgresql://lodger:pass@127.0.0.1:{made.conf('postgres_port')}/lodging",
                 "--mqtt-port", 0, "--ws-port", 0)
        made.ctl("down")
        said = node.home / "foreground.log"
        with said.open("w") as out:
            process = subprocess.Popen([*nobody, str(node.program), "--dir", str(node.dir), "up", "--foreground"], stdout=out,
                                       stderr=out, cwd=node.home)
        wait_until(lambda: " schema-again " in said.read_text(), "it has tried")
        may_have(0)
        made.up()
        wait_until(lambda: "Resource temporarily unavailable" in said.read_text(), "it may have no more processes")
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        may_have("unlimited" if hard == resource.RLIM_INFINITY else hard)
        wait_until(lambda: node.ctl("status", check=False).returncode == 0, "a device could chat")
    finally:
        if process:
            process.terminate()
            process.wait(timeout=120)
        node.close()


def test_down_without_a_list_of_processes(made):
    made.up()
    pids = made.pids()
    (made.dir / "run/parts").unlink()
    assert made.json("down") == {"was_up": True}
    assert not any(alive(pid) for pid in pids.values())
    assert log(made).splitlines()[-1].endswith(" supervisor end")  # asked to, not killed


def test_a_supervisor_is_known_without_a_list_of_processes(made):
    """By its lock; and it writes the list again."""
    made.up()
    def parts():  # since when: reckoned anew each time, to the second
        return [{key: part[key] for key in ("name", "up", "pid")} for part in made.json("status")["parts"]]
    before = parts()
    (made.dir / "run/parts").unlink()
    assert parts() == before
    made.ctl("reload")
    wait_until(lambda: " reload" in log(made), "the supervisor was told")
    (made.dir / "run/parts").unlink(missing_ok=True)
    assert made.json("up")["was_up"] is True
    assert (made.dir / "run/parts").exists() and parts() == before


def test_down_of_a_supervisor_that_is_known_by_its_lock_only(made):
    held = made.dir / "run/supervisor.pid"
    alone = subprocess.Popen(["flock", "--no-fork", held, "sleep", "300"])
    try:
        wait_until(lambda: subprocess.run(["flock", "-n", held, "true"]).returncode, "it has the lock")
        held.write_text(f"{alone.pid}\n")
        assert made.json("down") == {"was_up": True} and alone.wait(timeout=20) == -signal.SIGTERM
    finally:
        alone.kill()
        alone.wait()
    assert made.json("down") == {"was_up": False}


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_stranger_keeps_no_supervisor_out(made):
    """Who can read a file can lock it, and would have the lock when a supervisor is killed."""
    made.up()
    made.home.chmod(0o755)
    stranger = subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c",
                                 'flock -s "$1" sleep 600; sleep 600', "sh", str(made.dir / "run" / "supervisor.pid")],
                                start_new_session=True, stderr=subprocess.PIPE)
    try:
        def has_tried():
            children = Path(f"/proc/{stranger.pid}/task/{stranger.pid}/children").read_text().split()
            return any(Path(f"/proc/{pid}/comm").read_text().strip() in ("flock", "sleep") for pid in children)
        wait_until(has_tried, "it waits for the lock, or may not")
        kill_supervisor(made)
        assert "is up" in made.ctl("up", timeout=30).stdout
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        stranger.wait()


def test_down_does_not_say_what_it_cannot_know(made):
    """Somebody has the lock, and it is not the process whose id is in the file: that one is a stranger."""
    with (made.dir / "run/supervisor.pid").open("w") as file, subprocess.Popen(["sleep", "300"]) as stranger:
        file.write(f"{stranger.pid}\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        done = made.ctl("down", check=False)
        was_left_alone = stranger.poll() is None
        stranger.kill()
    assert done.returncode == 1 and "run/supervisor.pid open" in done.stderr and was_left_alone, done
    made.ctl("down")


def test_what_an_interrupted_write_left_is_in_nobodys_way(made):
    made.up()
    for name in ("parts", "mosquitto.pid"):
        (made.dir / "run" / f"{name}.new.{made.pid('supervisor')}").write_text("half")
    old = made.pid("mosquitto")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: made.pid("mosquitto") not in (None, old), "the broker is back, and that is written")
    wait_until(lambda: made.ctl("status", check=False).returncode == 0, "a device could chat")
    assert "state not written" not in log(made)


def test_parts_are_known_without_a_list(template):
    """Also one whose program an upgrade has replaced."""
    node = make_node(installed=True)
    try:
        subprocess.run(["cp", "-a", template, node.dir], check=True)
        node.up()
        before = {part: node.pid(part) for part in CHILDREN}
        kill_supervisor(node)
        (node.dir / "run/parts").unlink()
        service = node.home / "bin/gnatter-syncd"
        shutil.copy(service, node.home / "new")
        (node.home / "new").rename(service)
        assert os.readlink(f"/proc/{before['syncd']}/exe").endswith("gnatter-syncd (deleted)")
        node.up()
        assert {part: node.pid(part) for part in CHILDREN} == before
    finally:
        node.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of other users")
def test_a_process_that_only_looks_like_a_part_is_not_ours(made):
    stranger = subprocess.Popen(["setpriv", "--reuid=daemon", "--regid=nogroup", "--clear-groups", "/usr/sbin/mosquitto",
                                 "-p", str(free_port())], cwd=made.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.readlink(f"/proc/{stranger.pid}/exe").endswith("/mosquitto"), "it runs")
        parts = json.loads(made.ctl("--json", "status", check=False).stdout)["parts"]
        assert not any(part["up"] for part in parts), parts
        assert made.json("down") == {"was_up": False} and stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_in_the_foreground_leaves_nothing_when_it_is_ended(made, foreground):
    (made.dir / "mosquitto.d" / "bad.conf").write_text("no_such_option 1\n")  # it never is up
    process, said = foreground(made)
    wait_until(lambda: " died part=mosquitto " in said.read_text(), "the parts were started")
    waits = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]  # the first one it has started
    assert os.readlink(f"/proc/{waits}/exe") == str(CTL)
    process.terminate()
    assert process.wait(timeout=60) == 0
    wait_until(lambda: not alive(waits), "who waited for the start is gone", deadline_s=10)
