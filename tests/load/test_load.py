"""The load client notices what it is there to notice, and takes what the protocol allows."""
import json
import os
import socket
import subprocess
import sys

import figures
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
        said = server.communicate()[0]
    return run.returncode, {**json.loads(run.stdout), "server_said": said.split("\n")}


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


def test_it_goes_on_while_counters_are_read(devices):
    """At this rate a hundred messages are due in the measured time, and two hundred after it."""
    status, result = load("none", devices, "--pairs", "8", "--rate", "200", "--warm-up", "0", "--seconds", "0.5",
                          "--cool-down", "1", "pairs")
    assert status == 0, result
    assert result["totals"]["taken"] > 150


@pytest.mark.parametrize("option", ["--seconds=nan", "--rate=1e9", "--pairs=1.5", "--window=0", "--raw=no", "--no-such", "--port"])
def test_what_is_no_value_is_refused(option):
    done = subprocess.run([LOAD, "pairs", option], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and option.split("=")[0] in done.stderr


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


def test_who_does_not_read_has_a_full_socket(devices):
    """Already of what a device may have outstanding: a socket as others have it would hold ten times as much."""
    arguments = ("slow", "--pairs", "4", "--rate", "100", "--seconds", "0.5", "--warm-up", "0.1", "--group-rate", "400")
    status, result = load("none", devices, "--disturb", "noread", *arguments)
    assert status == 0 and result["server_said"] == ["full load9", ""], result
    status, result = load("none", devices, "--disturb", "noack", *arguments)
    assert status == 0 and result["server_said"] == [""], result


def test_where_nothing_listens(devices):
    """Found out in seconds, by those too that are patient with a server that is there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = str(nobody.getsockname()[1])
        runs = [subprocess.Popen([LOAD, "--port", port, "--devices", devices, *arguments], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
                for arguments in (("--idle", "20", "--senders", "2", "storm"), ("--senders", "3", "drain"),
                                  ("--idle", "10", "idle"), ("--idle", "10", "herd"), PAIRS)]
        try:
            for run in runs:
                said = run.communicate(timeout=60)[1]
                assert run.returncode == 1 and f"127.0.0.1:{port} has let nobody in" in said and "refused" in said, said
        finally:
            for run in runs:
                run.kill()
                run.wait()


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


# ---- from runs to figures ----
def run_of(per_s, latency_us, cpu_s, **more):
    """As run_load() gives it: rates, latencies and CPU of one run."""
    latency = {"count": 9, "p50": latency_us, "p99": 10 * latency_us}
    load = {"name": "pairs", "sent_per_s": per_s, "deliveries_per_s": per_s * 0.9, "refused_per_s": 0, "publish_to_sent": latency,
            "publish_to_delivery": latency, "publish_to_delivered": latency}
    return {"load": {"loads": [load], "deliveries_per_s": per_s, "took_s": 1e6 / per_s, "p99_ratio": 1.2, "us_per_device": 7},
            "cpu_per_s": cpu_s, "memory_growth": {"broker": 1 << 20, "service": 2 << 20}, "wal_per_s": 500 * per_s,
            "bytes_per_connection": {"broker": 1000, "service": 500}, **more}


def a_result():
    """Three rounds each, of which the first is an outlier."""
    def pair(number):
        slow = 10 if number == 0 else 1
        return {"raw": run_of(100_000 / slow, 100, {"broker": 1.0, "client": 0.5}),
                "gnatter": run_of(50_000 / slow, 500, {"broker": 1.0, "service": 0.25, "postgres": 0.5, "client": 0.2}),
                "accelerated": run_of(120_000 / slow, 300, {"broker": 0.6, "service": 0.3, "postgres": 0.3, "client": 0.2}),
                "capacity_per_s": 50_000}
    names = ["pairs", "pairs-narrow", "latency", "latency-light", "latency-disk", "storm", "drain", "group-100", "group-1000",
             "neighbour-noread", "neighbour-noack", "neighbour-storm", "herd", "overload", "overload-database", "wal-2",
             "wal-100", "wal-1000", "idle"]
    return {"machine": {"cores": 2}, "fdatasync_ms": 0.1, "runs": {name: [pair(n) for n in (0, 1, 2)] for name in names}}


def test_figures_are_ratios_of_medians():
    rows = {row["name"]: row for row in figures.compute(a_result())}
    assert rows["durable 1:1 messages/s over raw QoS 1"]["value"] == pytest.approx(0.5)
    assert rows["durable 1:1 messages/s over raw QoS 1, accelerated"]["value"] == pytest.approx(1.2)
    cpu = rows["CPU s per million messages, gnatter"]
    assert cpu["value"] == pytest.approx(1.75 / 45_000 * 1e6), "without the client, for what came back and was delivered"
    sent = rows["publish to sent p99 at 30 % load, minus raw's"]
    assert sent["value"] == pytest.approx((5 - 1) / 0.1) and figures.met(sent) == "yes"
    slower = rows["publish to sent p99 at 30 % load, commits 1 ms slower, minus raw's"]
    assert slower["value"] == pytest.approx((5 - 1) / 1.1) and slower["target"] is None
    assert figures.met({**sent, "value": 40.1}) == "no" == figures.met({**sent, "value": 0.5, "target": 0.6, "better": "more"})


@pytest.mark.parametrize("figure, path", [
    ("latency", ("load", "loads", 0, "publish_to_sent", "p99")), ("pairs", ("cpu_per_s",)), ("wal-1000", ("wal_per_s",)),
    ("neighbour-storm", ("load", "p99_ratio")), ("storm", ("load", "took_s")), ("drain", ("memory_growth", "broker")),
    ("idle", ("bytes_per_connection", "service"))], ids=lambda value: value if isinstance(value, str) else value[-1])
def test_a_missing_value_is_no_zero(figure, path):
    """It would be good where less is better."""
    result = a_result()
    for pair in result["runs"][figure]:
        at = pair["gnatter"]
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
    with pytest.raises(KeyError):
        figures.compute(result)
