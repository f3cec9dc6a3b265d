#!/usr/bin/python3
"""Measures Gnatter beside a stock broker on this machine, in interleaved rounds, and prints the ratios.

Each round runs the same client program against both servers, one after the other, so that whatever else the machine
does hits both; a figure is the median of its rounds. Environment: BENCH_ROUNDS (3), BENCH_SECONDS (3), BENCH_FULL=1 for
the sizes of the targets (5 rounds of 10 s). Result: a table on stdout, build/bench/latest.json for `make bench-report`.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import extremes
import figures
import procfs
from servers import Gnatter, Raw, raise_descriptors, run_load

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def fdatasync_ms(directory, times=200):
    """Median of writing and syncing 8 KiB, what a commit waits for. In a file that has its blocks, as PostgreSQL's log has:
    one that grows takes the file system several times as long, and would make every latency look small."""
    took = []
    with open(os.path.join(directory, "fdatasync"), "wb", buffering=0) as file:
        file.write(bytes(8192 * times))
        os.fsync(file.fileno())
        file.seek(0)
        for _ in range(times):
            file.write(b"x" * 8192)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


class Bench:
    """The servers, and every run made against them."""

    def __init__(self, options, directory):
        self.options = options
        self.raw = Raw(directory)
        self.nodes = []
        self.runs = {}  # figure -> [{"raw": run, "gnatter": run, "accelerated": run}, ...]
        self.failures = []
        try:
            for accelerator in ("off", "on"):
                self.nodes.append(Gnatter(directory, max(options.storm, options.idle, 2000) + 64, accelerator))
        except BaseException:  # interrupted, too
            self.stop()
            raise

    def stop(self):
        for server in (self.raw, *self.nodes):
            server.stop()

    def one(self, server, figure, arguments, during=None, fresh=False, with_wal=False):
        """`fresh`: on new processes, where it is published by how much their memory grows."""
        if fresh:
            server.renew()
        growth = extremes.Growth(server)
        run = run_load(server, arguments, during=during, with_wal=with_wal)
        run["memory_growth"] = growth.end()
        bad = run["exit_status"] != 0
        if bad:
            self.failures.append({"figure": figure, "server": server.name, "said": run["said"][-8:]})
        say(f"  {server.name:11}", "FAILED " if bad else "", *run["said"][-8 if bad else 0:][:8 if bad else 1])
        return run

    def rounds(self, figure, arguments, rounds=None, fresh=False):
        """Raw, Gnatter, accelerated, raw, Gnatter, accelerated, ..."""
        self.runs[figure] = []
        for number in range(rounds or self.options.rounds):
            say(f"{figure} {number + 1}: {' '.join(arguments)}")
            self.runs[figure].append({server.name: self.one(server, figure, arguments, fresh=fresh)
                                      for server in (self.raw, *self.nodes)})

    def closed_rate(self, figure):
        return statistics.median(figures.sent_per_s(pair["gnatter"]) for pair in self.runs[figure])

    def gnatter_only(self, figure, arguments, **options):
        say(f"{figure}: {' '.join(arguments)}")
        self.runs[figure] = [{"gnatter": self.one(self.nodes[0], figure, arguments, **options)}]

    def idle(self, figure, connections):
        """Memory before, and while the connections are held."""
        pair = {}
        for server in (self.raw, *self.nodes):
            memory = {"connect": {}, "measured": {}}

            def sample(phase, server=server, memory=memory):
                if phase in memory:
                    memory[phase] = {part: procfs.memory_bytes(pid) for part, pid in server.pids().items()}

            say(f"{figure}: {server.name}")
            run = self.one(server, figure, ["idle", "--idle", str(connections), "--seconds", "3"], during=sample)
            run["bytes_per_connection"] = {part: (memory["measured"][part] - memory["connect"][part]) / connections
                                           for part in memory["measured"]}
            pair[server.name] = run
        self.runs[figure] = [pair]


def measure(bench, options):
    """Every figure; each is a row of the table in figures.py."""
    window = ["--seconds", str(options.seconds), "--warm-up", "1"]
    full = [*window, "--pause-us", "500"]  # at saturation the client shares the cores: fewer, fuller turns
    # Memory first: what a server once grew to under load, it would give to connections for nothing.
    bench.idle("idle", options.idle)
    # A commit takes its time: how much goes through is asked with so much outstanding that nobody waits for one. And with
    # little, where it is the time that limits.
    bench.rounds("pairs", ["pairs", "--pairs", "100", "--window", "32", *full])
    bench.rounds("pairs-narrow", ["pairs", "--pairs", "100", "--window", "8", *full])
    rate = max(100.0, 0.3 * bench.closed_rate("pairs"))
    # `delivered` comes back as soon as the receiver can tell; the client's own coalescing would hide the server's part
    bench.rounds("latency", ["pairs", "--pairs", "100", "--rate", f"{rate:.0f}", "--ack-every", "1", *window])
    # The same where the cores have time left: what the way itself takes, and what waiting for a core adds
    bench.rounds("latency-light", ["pairs", "--pairs", "100", "--rate", f"{rate / 6:.0f}", "--ack-every", "1", *window])
    extremes.slower_disk(bench, ["pairs", "--pairs", "100", "--rate", f"{rate:.0f}", "--ack-every", "1", *window])
    bench.rounds("storm", ["storm", "--idle", str(options.storm), "--waiting", "10", "--senders", "8", "--window", "64",
                           "--pause-us", "500"], rounds=options.heavy_rounds)
    bench.rounds("drain", ["drain", "--count", str(options.drain), "--senders", "8", "--window", "64",
                           "--pause-us", "500"], rounds=options.heavy_rounds, fresh=True)
    for members in (100, 1000):
        bench.rounds(f"group-{members}", ["group", "--members", str(members), "--window", "32", *full])
    for kind in ("noread", "noack", "storm"):
        bench.rounds(f"neighbour-{kind}", ["slow", "--disturb", kind, "--pairs", "50", "--rate", f"{rate / 2:.0f}",
                                           "--group-rate", f"{20 if kind == 'storm' else 1000}", "--members", "200",
                                           "--settle", "60", *window], rounds=options.heavy_rounds, fresh=True)
    extremes.herd(bench, options.storm, options.heavy_rounds)
    extremes.overload(bench, options.seconds)
    extremes.overload_of_the_database(bench, options.seconds)
    # Last: it leaves a backlog for every absent member.
    extremes.wal(bench, window)


def machine():
    """What the figures were made on, as far as it matters to them."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {"cpu": model, "cores": os.cpu_count(),
            "kernel": ".".join(platform.release().split(".")[:2]), "load_before": round(os.getloadavg()[0], 1), "commit": commit.stdout.strip(),
            "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}


def parse_options():
    full = os.environ.get("BENCH_FULL", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", "5" if full else "3")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", "10" if full else "3")))
    parser.add_argument("--heavy-rounds", type=int, default=3, help="of storm, drain, herd and neighbours")
    parser.add_argument("--storm", type=int, default=15000 if full else 2000, help="devices that reconnect (storm, herd)")
    parser.add_argument("--drain", type=int, default=1000000 if full else 50000, help="messages of the backlog")
    parser.add_argument("--idle", type=int, default=15000 if full else 6000, help="idle connections")
    parser.add_argument("--out", default=os.path.join(TOP, "build/bench/latest.json"))
    return parser.parse_args()


def main():
    options = parse_options()
    for ended in (signal.SIGTERM, signal.SIGHUP):  # as by Ctrl-C: the servers end with it
        signal.signal(ended, lambda number, _frame: sys.exit(128 + number))
    raise_descriptors()
    directory = tempfile.mkdtemp(prefix="gnatter-bench-")
    bench = None
    result = {"machine": machine(), "options": vars(options)}
    try:
        os.chmod(directory, 0o755)  # the private PostgreSQL may run as another user
        before_ms = fdatasync_ms(directory)
        bench = Bench(options, directory)
        measure(bench, options)
        result.update(runs=bench.runs, failures=bench.failures)
        # The quieter of the two: a busy neighbour must not make our latencies look small.
        result["fdatasync_ms"] = min(before_ms, fdatasync_ms(directory))
        try:
            result["figures"] = [] if bench.failures else figures.compute(result)
        except (KeyError, ZeroDivisionError) as error:  # no figure is better than one made of a missing value
            bench.failures.append({"figure": "all", "server": "any", "said": [f"a value is missing: {error!r}"]})
    finally:
        if bench:
            bench.stop()
        shutil.rmtree(directory, ignore_errors=True)
    if bench.failures:  # what failed is fast at times: there are no figures then, and the last good ones stay
        options.out = os.path.join(os.path.dirname(options.out), "failed.json")
    os.makedirs(os.path.dirname(options.out), exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)
    for failure in bench.failures:
        print(f"FAILED {failure['figure']} {failure['server']}: {'; '.join(failure['said'])}")
    if bench.failures:
        print(f"no figures, as {len(bench.failures)} runs failed; what there is: {options.out}")
        return 1
    print(figures.table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
