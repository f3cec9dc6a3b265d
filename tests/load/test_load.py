"""The load client notices what it is there to notice, and takes what the protocol allows."""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
LOAD = os.path.join(HERE, "../../build/bin/gnatter-load")


@pytest.fixture(name="devices")
def devices_file(tmp_path):
    path = tmp_path / "devices.tsv"
    path.write_text("".join(f"load{i}:d\tload{i}\ttoken{i}\n" for i in range(64)))
    return str(path)


def load(fault, devices, *arguments):
    """Runs against a fake server of its own; the exit status and the JSON line."""
    server = subprocess.Popen([sys.executable, os.path.join(HERE, "fake_server.py"), "--fault", fault],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        run = subprocess.run([LOAD, "--port", port, "--devices", devices, "--seconds", "0.6", "--warm-up", "0.1",
                              "--settle", "2", "--resend-ms", "300", *arguments],
                             capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    return run.returncode, json.loads(run.stdout)


PAIRS = ("--pairs", "8", "--window", "4", "pairs")
GROUP = ("--members", "10", "--senders", "3", "--window", "4", "group")


@pytest.mark.parametrize("arguments", [PAIRS, (*PAIRS, "--both-ways"), (*PAIRS, "--rate", "200"), (*PAIRS, "--read"), GROUP,
                                       ("--pairs", "4", "--members", "5", "mixed"),
                                       ("--idle", "20", "--waiting", "5", "--senders", "2", "storm"),
                                       ("--count", "500", "--senders", "3", "drain"), ("--idle", "10", "idle")],
                         ids=lambda a: " ".join(a))
def test_a_good_server_passes(devices, arguments):
    status, result = load("none", devices, *arguments)
    assert status == 0, result
    assert sum(result["violations"].values()) == 0
    assert result["totals"]["taken"] == result["totals"]["expected"]


def test_what_is_refused_is_given_up_at_the_end(devices):
    """Far more than its windows take: what was never published is forgotten, what was accepted is still checked."""
    status, result = load("refuse", devices, "--pairs", "8", "--window", "4", "--rate", "20000", "--give-up", "pairs")
    assert status == 0, result
    pairs, = result["loads"]
    assert pairs["refused_per_s"] > 0 and pairs["retry_after"]["count"] > 0
    assert result["totals"]["taken"] == result["totals"]["expected"]
    assert pairs["accepted_to_sent"]["count"] > 0


def test_a_herd_needs_somebody_to_kill_the_server(devices):
    """`close` ends a connection now and then: that is what the herd takes for the server's end."""
    status, result = load("close", devices, "--idle", "16", "--rate", "300", "herd")
    assert status == 0, result
    assert result["all_back_s"] > 0 and result["totals"]["reconnects"] > 0


@pytest.mark.parametrize("disturb", ["noread", "noack"])
def test_a_slow_neighbour_comes_to_its_senses(devices, disturb):
    status, result = load("none", devices, "slow", "--disturb", disturb, "--pairs", "4", "--rate", "100",
                          "--group-rate", "50")
    assert status == 0, result
    assert [entry["name"] for entry in result["loads"]] == ["without", "with", "neighbour"]


@pytest.mark.parametrize("fault", ["refuse", "close", "twice"])
@pytest.mark.parametrize("arguments", [PAIRS, GROUP], ids=["pairs", "group"])
def test_what_the_protocol_allows_is_taken(devices, fault, arguments):
    status, result = load(fault, devices, *arguments)
    assert status == 0, result
    counted = {"refuse": "errors", "close": "reconnects", "twice": "duplicates"}[fault]
    assert result["totals"][counted] > 0


@pytest.mark.parametrize("fault,violation", [("lose", "lost"), ("swap", "gap"), ("skip-seq", "gap"),
                                             ("forget-sent", "not-sent"), ("no-marks", "not-marked"),
                                             ("wrong-sender", "strange")])
def test_a_broken_promise_is_noticed(devices, fault, violation):
    status, result = load(fault, devices, *PAIRS)
    assert status == 1
    assert result["violations"][violation] > 0, result


def test_what_failed_is_not_published(tmp_path):
    result = tmp_path / "failed.json"
    result.write_text(json.dumps({"failures": [{"figure": "pairs", "server": "gnatter", "said": []}]}))
    done = subprocess.run([sys.executable, os.path.join(HERE, "bench_report.py"), str(result), str(tmp_path)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "1 runs failed" in done.stderr
    assert list(tmp_path.iterdir()) == [result]
