"""init, up, down, status: a node's life, also when parts of it, or its supervisor, are killed."""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import CTL, PARTS, Node, alive, make_node, wait_until
from lib.ports import free_port

CHILDREN = ("postgres", "mosquitto", "syncd")


def test_init_makes_a_node(node):
    node.ctl("init", "--mqtt-port", 0, "--ws-port", 0)
    for name in ("gnatter.conf", "mosquitto.conf", "keys/tokens.pub", "keys/link.secret", "keys/pgpass", "postgres/PG_VERSION"):
        assert (node.dir / name).exists(), name
    for path in [*(node.dir / "keys").glob("*.key"), node.dir / "keys/link.secret", node.dir / "keys/pgpass",
                 node.dir / "keys/service.pgpass", node.dir / "broker/link.secret"]:
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert "already" in node.refused("init")
    assert node.ctl("status", check=False).returncode == 1
    assert "gnatterctl" in node.refused("user", "add", "alice")  # says how to bring it up


def test_up_down_and_again(node):
    node.up()
    pids = node.pids()
    assert all(alive(pid) for pid in pids.values())
    status = node.json("status")
    assert status["ok"] and {part["name"]: part["pid"] for part in status["parts"]} == pids
    node.ctl("user", "add", "alice")
    assert "already" in node.ctl("up").stdout
    assert node.json("up")["was_up"] is True
    assert node.json("up", "--mqtt-port", 0, "--ws-port", 0)["was_up"] is True  # any port: those it has
    assert node.pids() == pids
    node.ctl("down")
    assert not any(alive(pid) for pid in pids.values())
    assert not any((node.dir / "run" / f"{part}.pid").exists() for part in PARTS)
    assert node.json("down") == {"was_up": False}
    done = node.ctl("--json", "status", check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False
    assert json.loads(node.ctl("--json", "up").stdout)["was_up"] is False
    assert [user["user"] for user in node.json("user", "list")] == ["alice"]


def test_nothing_listens_beyond_loopback(made):
    made.up()
    port = int(made.conf("postgres_port"))
    listeners = subprocess.run(["ss", "-Hltn"], text=True, capture_output=True, check=True).stdout.splitlines()
    ours = [line.split()[3] for line in listeners
            if line.split()[3].rsplit(":", 1)[1] in (str(port), made.conf("mqtt_port"), made.conf("ws_port"))]
    assert len(ours) == 3 and all(address.startswith("127.0.0.1:") for address in ours), ours


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs parts as others")
def test_as_root_no_part_stays_root(node):
    node.up()
    for part in CHILDREN:
        assert uid_of(node.pid(part)) != 0, part


def uid_of(pid):
    return os.stat(f"/proc/{pid}").st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_as_an_ordinary_user():
    node = make_node("nobody", installed=True)
    try:
        node.up()
        uids = {uid_of(pid) for pid in node.pids().values()}
        assert uids == {uid_of(node.pid("supervisor"))} and 0 not in uids
        node.ctl("user", "add", "alice")
        assert node.ctl("token", "alice", "phone").stdout.count(".") == 2
        node.ctl("verify")
        node.ctl("down")
        node.user = None  # root now: what the parts then run as could not open what nobody made
        assert "user nobody" in node.refused("up")
    finally:
        node.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_is_told_whose_node_it_is():
    node = make_node(installed=True)
    try:
        node.up()
        node.home.chmod(0o755)
        node.user = "daemon"
        assert "made by user root: run this as that user" in node.refused("user", "list")
        assert "run this as user root" in node.ctl("status", check=False).stderr
        node.user = None
        node.ctl("user", "list")
    finally:
        node.close()


def test_what_dies_is_started_again(made):
    made.up()
    for part in CHILDREN:
        old = made.pid(part)
        others = {name: pid for name, pid in made.pids().items() if name != part}
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: made.pid(part) not in (None, old) and alive(made.pid(part)), f"{part} is back")
        wait_until(lambda: made.ctl("status", check=False).returncode == 0, "a device could chat")
        assert {name: pid for name, pid in made.pids().items() if name != part} == others


@pytest.mark.parametrize("part, says", [("postgres", "PostgreSQL does not answer"), ("mosquitto", "the broker does not answer"),
                                        ("syncd", "the service does not tell")])
def test_a_part_that_hangs_is_named(up, part, says):
    pid = up.pid(part)
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()  # PostgreSQL's: it answers by them
    def signal_all(number):
        for each in (pid, *below):
            with contextlib.suppress(ProcessLookupError):  # a session that was about to end
                os.kill(int(each), number)

    signal_all(signal.SIGSTOP)
    try:
        done = up.ctl("--json", "status", check=False)
        assert done.returncode == 1 and says in done.stderr and says in json.loads(done.stdout)["why"], done
    finally:
        signal_all(signal.SIGCONT)
    wait_until(lambda: up.ctl("status", check=False).returncode == 0, "a device could chat")


def test_all_at_once(made):
    made.up()
    made.ctl("user", "add", "alice")
    old = {part: made.pid(part) for part in CHILDREN}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(made.pid(part) not in (None, old[part]) for part in CHILDREN), "all are back")
    wait_until(lambda: made.ctl("status", check=False).returncode == 0, "a device could chat")
    assert [user["user"] for user in made.json("user", "list")] == ["alice"]


def test_a_killed_supervisor_interrupts_nothing(made):
    made.up()
    before = made.pids()
    os.kill(before["supervisor"], signal.SIGKILL)
    wait_until(lambda: not alive(before["supervisor"]), "it is dead")
    assert made.ctl("status").returncode == 0  # devices still chat
    assert all(alive(before[part]) for part in CHILDREN)
    made.ctl("up")
    after = made.pids()
    assert {part: after[part] for part in CHILDREN} == {part: before[part] for part in CHILDREN}
    assert after["supervisor"] != before["supervisor"]
    os.kill(after["mosquitto"], signal.SIGKILL)  # the new one looks after what it took over
    wait_until(lambda: made.pid("mosquitto") not in (None, after["mosquitto"]), "the broker is back")


def test_killed_while_the_schema_is_brought_up_to_date(made):
    """Its migration, which waits for somebody's lock, must not look like a supervisor at work."""
    made.up()
    first = made.pid("supervisor")
    os.kill(first, signal.SIGKILL)
    holder = subprocess.Popen([str(CTL), "--dir", str(made.dir), "psql", "-X", "-q"], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE)
    try:
        holder.stdin.write("begin; lock table gnatter.migration in share row exclusive mode; select 'held';\n")
        holder.stdin.flush()
        while "held" not in holder.stdout.readline():
            pass
        made.ctl("up")  # what was taken over can chat
        second = made.pid("supervisor")
        waiting = "select pid from pg_locks where relation = 'gnatter.migration'::regclass and not granted"
        old = wait_until(lambda: made.sql(waiting), "the migration waits")
        os.kill(second, signal.SIGKILL)
        made.ctl("up", timeout=30)
        assert made.pid("supervisor") not in (first, second)
        wait_until(lambda: len(now := made.sql(waiting)) == 1 and now != old, "only the new one's migration waits")
    finally:
        holder.communicate("rollback;\n", timeout=20)
    wait_until(lambda: made.sql(waiting) == [], "it is through")
    made.ctl("down")


def test_down_after_the_supervisor_was_killed(made):
    made.up()
    pids = made.pids()
    os.kill(pids["supervisor"], signal.SIGKILL)
    wait_until(lambda: not alive(pids["supervisor"]), "it is dead")
    made.ctl("down")
    assert not any(alive(pid) for pid in pids.values())
    made.up()


def test_a_reused_process_id_is_not_ours(made):
    with subprocess.Popen(["sleep", "300"]) as stranger:
        for part in PARTS:
            (made.dir / "run" / f"{part}.pid").write_text(f"{stranger.pid}\n")
        (made.dir / "run" / "parts").write_text("".join(f"{part} {stranger.pid} 1\n" for part in PARTS))
        assert made.json("down") == {"was_up": False}
        made.up()
        assert stranger.pid not in made.pids().values()
        made.ctl("down")
        assert stranger.poll() is None
        stranger.kill()


def test_two_at_once(node):
    node.ctl("init", "--mqtt-port", 0, "--ws-port", 0)
    command = [str(CTL), "--dir", str(node.dir), "--json", "up"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted(json.loads(out)["was_up"] for out, _ in answers) == [False, True]


def test_a_taken_port_names_who_has_it(made):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = made.refused("up", "--mqtt-port", port, "--ws-port", 0)
        assert str(port) in line and f"pid {os.getpid()}" in line and "--mqtt-port" in line
        assert not any(made.pid(part) for part in CHILDREN)
        made.ctl("up", "--mqtt-port", 0)  # the same node with another one


def test_the_database_moves_when_its_port_is_taken(made):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(made.conf("postgres_port"))))
        taken.listen()
        made.up()
        assert made.sql("select 1") == ["1"]


def test_picked_ports_are_not_those_of_outgoing_connections(node):
    """One of these would hold the port of a part that is started again."""
    node.ctl("init", "--mqtt-port", 0, "--ws-port", 0)
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first = first if first > 20000 else 32768  # they leave no room: then as if they were the usual ones
    assert all(0 < int(node.conf(name)) < first for name in ("mqtt_port", "ws_port", "postgres_port"))


def test_keeps_nothing_that_its_caller_had_open(made):
    ours, theirs = os.pipe()
    subprocess.run([str(CTL), "--dir", str(made.dir), "up"], pass_fds=(theirs,), check=True, timeout=120, stdout=subprocess.DEVNULL)
    os.close(theirs)
    assert select.select([ours], [], [], 10)[0] and os.read(ours, 1) == b""  # nobody has the other end
    os.close(ours)
    assert made.json("status")["ok"]


def test_coalescing_is_switched(made):
    conf = made.dir / "gnatter.conf"
    conf.write_text(conf.read_text().replace("coalesce = on", "coalesce = of"))
    assert "coalesce" in made.refused("up")
    conf.write_text(conf.read_text().replace("coalesce = of", "coalesce = off"))
    made.up()
    assert "plugin_opt_coalesce off" in (made.dir / "mosquitto.conf").read_text()


def test_ports_can_change_between_lives(made):
    made.up()
    assert "down first" in made.refused("up", "--mqtt-port", free_port())
    made.ctl("down")
    port = free_port()
    made.ctl("up", "--mqtt-port", port)
    assert f"mqtt://127.0.0.1:{port}" in made.json("up")["endpoints"]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    assert made.conf("links") == f"mqtt://127.0.0.1:{port}"


def test_limits_off_is_loud_and_ends(made):
    done = made.up("--limits", "off")
    assert "RATE LIMITS ARE OFF" in done.stderr
    assert made.json("up")["limits"] is False
    assert "rate-limits-off" in (made.dir / "log/supervisor.log").read_text()
    assert "down first" in made.refused("up", "--limits", "on")
    made.ctl("down")
    done = made.ctl("up")
    assert done.stderr == "" and made.json("up")["limits"] is True


def test_the_accelerator_is_under_the_broker_only(made):
    def state():
        return made.json("status")["accelerator"]
    made.up("--accelerator", "on")
    assert state() == {"wanted": True, "active": True} and "\naccelerator on\n" in made.ctl("status").stdout
    for part in PARTS:
        library = "gnatter_accelerator.so" in Path(f"/proc/{made.pid(part)}/maps").read_text()
        assert library == (part == "mosquitto"), part
    assert "on or off" in made.refused("up", "--accelerator", "maybe", status=2)
    assert "down first" in made.refused("up", "--accelerator", "off")
    made.ctl("down")
    made.ctl("up")  # it is kept
    assert state()["active"]
    os.kill(made.pid("supervisor"), signal.SIGKILL)
    wait_until(lambda: not made.pid("supervisor") or not alive(made.pid("supervisor")), "the supervisor is gone")
    made.ctl("up", "--accelerator", "off")  # what ran on is replaced
    assert state() == {"wanted": False, "active": False} and "accelerator" not in made.ctl("status").stdout
    assert not (made.dir / "lib/gnatter_accelerator.so").exists()
    made.ctl("down")
    made.ctl("up", "--accelerator", "on", env={"GNATTER_ACCELERATOR": "off"})
    assert state() == {"wanted": True, "active": False}
    assert "accelerator off   wanted, but not at work: see log/mosquitto.log" in made.ctl("status").stdout


def test_own_lines_in_the_configuration_stay(made):
    conf = made.dir / "gnatter.conf"
    conf.write_text(conf.read_text().replace("\n[service]", "\n[service]\n# slow disk\nredeliver_after_ms = 7000"))
    (made.dir / "mosquitto.d" / "own.conf").write_text("log_type subscribe\n")
    made.ctl("up", "--ws-port", 0)
    assert "# slow disk\nredeliver_after_ms = 7000" in conf.read_text()


def test_exposed_without_tls_is_refused(node):
    assert "--plain-exposed" in node.refused("init", "--listen", "0.0.0.0")
    assert not (node.dir / "gnatter.conf").exists()
    node.refused("init", "--listen", "localhost", status=2)
    node.refused("init", "--tls-cert", "/nowhere.pem", status=2)
    node.refused("init", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key")


def test_an_exposed_node_says_so_at_every_start(made):
    assert made.up().stderr == ""
    made.ctl("down")
    conf = made.dir / "gnatter.conf"
    conf.write_text(re.sub(r"(?m)^listen = .*", "listen = 0.0.0.0", conf.read_text()))
    for _ in range(2):
        assert "0.0.0.0 CAN BE REACHED FROM OUTSIDE WITHOUT TLS" in made.up().stderr


def test_a_key_is_given_once(made):
    conf = made.dir / "gnatter.conf"
    conf.write_text(conf.read_text().replace("[node]\n", "[node]\nmessages_per_second = 5\n"))
    assert "messages_per_second: given twice" in made.refused("up")


def make_certificate(cert, key):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)


def test_tls(node):
    cert, key = node.home / "cert.pem", node.home / "key.pem"
    make_certificate(cert, key)
    done = node.up("--tls-cert", cert, "--tls-key", key, "--tls-listen", "127.0.0.1", "--mqtts-port", 0, "--wss-port", 0)
    port = node.conf("mqtts_port")
    assert f"mqtts://127.0.0.1:{port}" in done.stdout
    node.ctl("user", "add", "alice")
    token = node.ctl("token", "alice", "phone").stdout.strip()

    def publish():
        return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "--cafile", cert, "-i", "alice:phone", "-u",
                               "alice", "-P", token, "-q", "1", "-t", "chat/u/alice/m1", "-m", "note"],
                              capture_output=True, text=True, timeout=30).returncode == 0
    assert publish()
    make_certificate(cert, key)  # renewed: the broker's is another one until the reload
    assert not publish()
    node.ctl("reload")
    wait_until(publish, "the new certificate is used")
    good = cert.read_bytes()
    make_certificate(cert, node.home / "another.key")
    assert "nothing is reloaded" in (line := node.refused("reload")) and str(key) in line  # not the key of that one
    cert.write_text("no certificate")
    assert "nothing is reloaded" in (line := node.refused("reload")) and str(cert) in line
    os.kill(node.pid("supervisor"), signal.SIGHUP)  # as systemd may
    wait_until(lambda: "files-not-copied" in (node.dir / "log/supervisor.log").read_text(), "it has looked")
    assert (node.dir / "broker/tls.crt").read_bytes() == good  # or the broker could not start again
    node.ctl("down")
    assert str(cert) in node.refused("up")


def test_an_interrupted_init_can_be_told(node):
    for _ in range(5):
        init = subprocess.Popen([str(CTL), "--dir", str(node.dir), "init"], start_new_session=True)
        wait_until((node.dir / "postgres/PG_VERSION").exists, "it is making the database")
        os.killpg(init.pid, signal.SIGKILL)
        if init.wait() != 0:
            break
        shutil.rmtree(node.dir)  # it had a second, and was done before we had seen that it had begun
    assert init.wait() == -signal.SIGKILL and not (node.dir / "gnatter.conf").exists()
    assert "remove it" in node.refused("init")
    shutil.rmtree(node.dir / "postgres")
    node.ctl("init", "--mqtt-port", 0, "--ws-port", 0)


def test_a_database_without_configuration_is_not_thrown_away(made):
    conf = made.dir / "gnatter.conf"
    kept = conf.read_bytes()
    conf.unlink()
    for command in ("init", "up"):
        line = made.refused(command)
        assert "restore" in line and "gnatter.conf" in line and "remove" not in line
    conf.write_bytes(kept)
    made.up()


def test_a_database_is_started_by_the_server_it_is_of(made):
    """Not by the newest that is installed, which refuses its files; nor by none without a word."""
    version = made.dir / "postgres/PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    assert "apt-get install postgresql-9" in made.refused("up")
    version.write_text(kept)
    made.up()
    assert os.readlink(f"/proc/{made.pid('postgres')}/exe").startswith(f"/usr/lib/postgresql/{kept.strip()}/")


def test_a_link_secret_of_another_node_is_taken(made):
    """As two nodes share one, and as a backup brings one back."""
    (made.dir / "keys/link.secret").write_text("0123456789abcdef" * 4 + "\n")
    made.up()
    assert (made.dir / "broker/link.secret").read_text() == (made.dir / "keys/link.secret").read_text()
    assert made.json("status")["ok"]


def test_a_part_that_cannot_start_is_named(made):
    (made.dir / "mosquitto.d" / "bad.conf").write_text("no_such_option 1\n")
    line = made.refused("up")
    assert "mosquitto keeps dying" in line and "no_such_option" in line
    assert not any(made.pid(part) for part in PARTS)
    (made.dir / "mosquitto.d" / "bad.conf").unlink()
    conf = made.dir / "gnatter.conf"
    kept = conf.read_text()
    conf.write_text(kept.replace("\n[service]\n", "\n[service]\nbogus = 1\n"))
    assert made.refused("up").count('unknown key "bogus"') == 1
    conf.write_text(kept)
    made.up()


def test_foreground(made):
    process = subprocess.Popen([str(CTL), "--dir", str(made.dir), "up", "--foreground"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: made.ctl("status", check=False).returncode == 0, "up")
        assert made.pid("supervisor") == process.pid
        assert "mqtt://" in "".join(process.stdout.readline() for _ in range(2))
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()
    assert not any(made.pid(part) for part in PARTS)


def test_psql_of_a_node_that_is_down(made):
    assert "is the node up?" in made.refused("psql", "-c", "select 1")


def test_reload_of_a_node_that_is_down(made):
    assert "not up" in made.refused("reload")


def test_reload_with_a_configuration_that_the_service_refuses(made):
    conf, log = made.dir / "gnatter.conf", made.dir / "log" / "syncd.log"
    made.up()
    good, told = conf.read_text(), log.stat().st_size
    conf.write_text(good.replace("\n[service]\n", "\n[service]\nlog_levle = debug\n"))
    said = made.refused("reload")
    assert "nothing is reloaded" in said and "gnatter.conf" in said and 'unknown key "log_levle"' in said
    conf.write_text(good.replace("\n[service]\n", "\n[service]\nlog_level = debug\nedit_within_s = 60\n"))
    assert "syncd.log" in made.ctl("reload").stdout
    wait_until(lambda: " reloaded " in log.read_text()[told:], "the service read it again")
    assert "key=edit_within_s" in log.read_text()[told:] and "not-reloaded" not in log.read_text()[told:]


def test_a_directory_with_a_long_and_odd_name():
    home = make_node().home
    node = Node(home / ("long " * 20) / ("and 'odd' %s " * 6))
    node.home.mkdir(parents=True)
    try:
        node.up()
        node.ctl("user", "add", "alice")
        assert node.ctl("status").returncode == 0
    finally:
        node.close()
        shutil.rmtree(home, ignore_errors=True)
