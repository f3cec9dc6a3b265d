"""The command line itself: help, exit statuses, one line that says why."""
import json
import re
import subprocess

import pytest

from conftest import CTL


def run(*args, cwd="/", env=None):
    return subprocess.run([str(CTL), *args], text=True, capture_output=True, cwd=cwd, env=env, timeout=30)


def command_names():
    text = run("--help").stdout.split("commands:\n", 1)[1].split("\n\n", 1)[0]
    return [re.match(r"  ([a-z-]+(?: [a-z]+)?)", line).group(1) for line in text.splitlines()]


CONTRACT = ["init", "up", "down", "status", "user add", "user list", "user show", "user remove", "device add",
            "device list", "device revoke", "token", "bulk-add", "group create", "group add", "group remove", "group role",
            "group show", "group list", "group delete", "psql", "verify"]


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_is_there(name):
    assert name in command_names()


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_help(name):
    done = run(*name.split(), "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: gnatterctl {name}") and done.stderr == ""


@pytest.mark.parametrize("args", [["--help"], ["help"], ["-h"], ["user", "--help"], ["--json", "group", "--help"]])
def test_help_of_many(args):
    done = run(*args)
    assert done.returncode == 0 and "commands:" in done.stdout


def test_which_version_it_is():
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "") and re.fullmatch(r"gnatterctl \d+\.\d+\.\d+\n", done.stdout)
    service = subprocess.run([CTL.parent / "gnatter-syncd", "--version"], text=True, capture_output=True, check=True)
    assert service.stdout.split()[1] == done.stdout.split()[1] == json.loads(run("--json", "--version").stdout)["version"]


@pytest.mark.parametrize("args, says", [
    ([], "which command"),
    (["frobnicate"], "no command"),
    (["user"], "user what"),
    (["user", "frobnicate", "x"], "user what"),
    (["user", "add"], "usage: gnatterctl user add USER"),
    (["user", "add", "a", "b"], "usage: gnatterctl user add USER"),
    (["token", "alice"], "usage: gnatterctl token USER DEVICE"),
    (["token", "alice", "phone", "--ttl", "soon"], "--ttl takes a time"),
    (["token", "alice", "phone", "--ttl", "0"], "--ttl takes a time"),
    (["token", "alice", "phone", "--ttl", "-5m"], "--ttl takes a time"),
    (["token", "alice", "phone", "--ttl", "3y"], "--ttl takes a time"),
    (["token", "alice", "phone", "--ttl"], "takes a value"),
    (["up", "--mqtt-port", "99999"], "takes a port"),
    (["up", "--mqtt-port", "12x"], "takes a port"),
    (["up", "--limits", "maybe"], "on or off"),
    (["up", "--count", "3"], "no option --count"),
    (["bulk-add", "--count", "0", "--out", "x"], "--count takes a number"),
    (["bulk-add", "--count", "3"], "--out"),
    (["group", "create", "g"], "--owner"),
    (["device", "add", "a", "d", "--ack", "never"], "explicit or auto"),
    (["purge"], "--older-than"),
    (["status", "--json=yes"], "takes no value"),
])
def test_wrong_usage_is_2(args, says):
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert says in done.stderr and done.stderr.count("\n") == 1


NEED_OPTIONS = ("bulk-add", "group create", "purge", "push register")  # say that first


@pytest.mark.parametrize("name", [name for name in command_names() if name not in ("init", "up", *NEED_OPTIONS)])
def test_without_a_node_each_says_so(name, tmp_path):
    usage = run(*name.split(), "--help").stdout.splitlines()[0].removeprefix(f"usage: gnatterctl {name}")
    words = ["x" for word in re.sub(r"\[.*?\]", "", usage).split()]
    done = run("--dir", str(tmp_path / "none"), *name.split(), *words)
    assert done.returncode == 1, done
    assert "no node in" in done.stderr and "init" in done.stderr and done.stderr.count("\n") == 1


def test_dir_comes_from_the_environment(tmp_path):
    done = run("status", env={"GNATTER_DIR": str(tmp_path / "elsewhere")})
    assert "elsewhere" in done.stderr
    done = run("status", cwd=str(tmp_path), env={})
    assert "no node in run" in done.stderr


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(CTL), "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1 and "cannot write" in done.stderr


@pytest.mark.parametrize("line, says", [
    ("[node]\nmqtt_prot = 1\n", "line 2: unknown key mqtt_prot"),
    ("[nodes]\nx = 1\n", "unknown section"),
    ("[node]\nmqtt_port = many\n", "not a number"),
    ("nonsense\n", "line 1"),
])
def test_a_bad_configuration_is_named(line, says, tmp_path):
    (tmp_path / "gnatter.conf").write_text(line)
    done = run("--dir", str(tmp_path), "status")
    assert done.returncode == 1 and says in done.stderr and done.stderr.count("\n") == 1


def test_json_of_a_node_that_is_not_there_is_no_json(tmp_path):
    done = run("--json", "--dir", str(tmp_path), "status")
    assert done.returncode == 1 and done.stdout == ""
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)
