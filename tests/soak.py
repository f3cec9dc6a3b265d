#!/usr/bin/python3
"""`make soak DURATION=1h`: simulation, nemesis and kill tests, again and again, until the time is over; then a report.

The simulation takes fresh seeds each time and goes through a million schedules at least, however short DURATION is. The
nemesis has a new node, many devices and a seed of its own in each round. Rounds are without and with the accelerator under
the broker in turns, of the nemesis by its seed: odd is with. Ends at the first failure, with what repeats it:
`tests/soak.py --nemesis SEED --duration D` does the same harm at the same times.
"""
import argparse
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from lib.arena import Arena

TOP = Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "soak"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SCHEDULES = 1_000_000
CHUNK = 20_000
ROUND_S, USERS, DEVICES, RATE = 300, 60, 200, 0.5  # of a round with the nemesis
CROWD = 20_000  # connections at once to a broker with the accelerator, or as many as we may have descriptors
CROWD_S = 1800  # that many take longer than any test of `make test`
OTHER_DESCRIPTORS = 80  # of test_many.py besides the connections


def duration(text):
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError("a duration is a number and s, m, h or d: 90s, 1h")
    return int(match[1]) * UNITS[match[2]]


def descriptors(wanted):
    """How many we, and the broker, may have at most; `wanted`, if it can be had."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            pass  # not allowed: as many as there may be
    return hard


def switch(number):
    """Is the accelerator on or off in that round? $GNATTER_ACCELERATOR says it for all."""
    return os.environ.get("GNATTER_ACCELERATOR", "on" if number % 2 else "off")


class Soak:
    def __init__(self, seconds, seed):
        self.began, self.until = time.monotonic(), time.monotonic() + seconds
        self.first_seed = self.seed = seed
        self.schedules, self.rounds, self.tests = 0, 0, 0
        self.failure = None
        self.faults, self.recoveries, self.sent, self.taken = Counter(), defaultdict(list), 0, 0
        self.fights, self.accelerated = 0, 0

    def say(self, text):
        print(f"{time.monotonic() - self.began:8.0f} s  {text}", flush=True)

    def fail(self, text):
        self.failure = self.failure or text

    def end(self, number, _frame):
        """A signal: what runs is taken down."""
        self.fail(f"ended by {signal.Signals(number).name}")
        print(self.failure, flush=True)
        sys.exit(128 + number)

    def simulate(self):
        while self.failure is None and (self.schedules < SCHEDULES or time.monotonic() < self.until):
            done = subprocess.run([TOP / "build/tests/sim", "--seed", str(self.seed), "--schedules", str(CHUNK)],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return self.fail(f"the simulation, from seed {self.seed}:\n{done.stdout}{done.stderr}")
            self.seed += CHUNK
            self.schedules += CHUNK
            if self.schedules % (5 * CHUNK) == 0:
                self.say(f"simulation: {self.schedules} schedules, none failed")

    # ---- the nemesis ----
    def torture(self, seed, seconds):
        """One round. What it has done and what came of it is kept for the report."""
        self.fights += 1
        accelerator = switch(seed)
        self.accelerated += accelerator == "on"
        arena = Arena(seed, seconds, USERS, DEVICES, RATE, accelerator)
        try:
            problems = arena.run()
            self.faults += arena.nemesis.counts()
            for name, times in arena.recoveries().items():
                self.recoveries[name] += times
            self.sent += sum(len(sheep.sent) for sheep in arena.herd.sheep)
            self.taken += sum(len(view) for sheep in arena.herd.sheep for view in sheep.taken.values())
            self.say("nemesis: " + arena.report().replace("\n", "\n" + " " * 12))
            if problems:
                again = f"tests/soak.py --nemesis {seed} --duration {seconds}s"
                self.fail("\n".join([*problems[:50], "what was done:", *arena.nemesis.story(),
                                     f"{arena.save()}; again: {again}"]))
        except Exception as error:  # noqa: BLE001  the other threads have to end too
            self.fail(f"the nemesis, seed {seed}: {error!r}; {arena.save()}")
        finally:
            arena.close()

    def report(self):
        lines = [f"{self.schedules} schedules of the simulation, {self.tests} kill tests passed in {self.rounds} rounds",
                 f"{self.fights} rounds of the nemesis, {self.accelerated} accelerated: {self.sent} messages sent, {self.taken} taken, "
                 f"{sum(self.faults.values())} faults",
                 f"{'fault':18}{'how often, to what':90}sent again after, at most"]
        for name in sorted({name for name, _ in self.faults}):
            what = ", ".join(f"{count} {target}" for (fault, target), count in sorted(self.faults.items()) if fault == name)
            times = sorted(self.recoveries[name])
            lines.append(f"{name:18}{what:90}" + (f"{times[len(times) // 2]:.1f} s, {times[-1]:.1f} s" if times else "-"))
        return "\n".join(lines)

    def fight(self):
        """Nemesis and kill tests in turn."""
        while self.failure is None and time.monotonic() < self.until:
            seconds = int(min(ROUND_S, max(30, self.until - time.monotonic())))
            seed = random.Random(f"{self.first_seed} {self.fights}").randrange(1, 1 << 31)
            self.torture(2 * seed + self.fights % 2, seconds)
            if self.failure is None and time.monotonic() < self.until:
                self.kill()

    def kill(self):
        self.rounds += 1
        accelerator = switch(self.rounds)
        log = LOGS / f"fault-{self.rounds}.log"
        with open(log, "w") as out:
            done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not torture",
                                   "tests/fault"],
                                  cwd=TOP, stdout=out, stderr=subprocess.STDOUT, check=False,
                                  env={**os.environ, "GNATTER_ACCELERATOR": accelerator})
        passed = re.search(r"(\d+) passed", log.read_text())
        self.tests += int(passed[1]) if passed else 0
        if done.returncode != 0:
            return self.fail(f"a fault test, accelerator {accelerator}: {log.relative_to(TOP)}, and the node's logs in "
                             "build/test-logs/nodes")
        self.say(f"kill tests: round {self.rounds}, accelerator {accelerator}, {self.tests} passed")
        log.unlink()

    def crowd(self):
        began = time.monotonic()
        count = min(CROWD, descriptors(CROWD + OTHER_DESCRIPTORS) - OTHER_DESCRIPTORS)
        done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                               f"--timeout={CROWD_S}", "tests/accelerator/test_many.py"], cwd=TOP, capture_output=True,
                              text=True, check=False, env={**os.environ, "ACCELERATOR_CONNECTIONS": str(count)})
        if done.returncode != 0:
            return self.fail(f"{count} connections to an accelerated broker:\n{done.stdout}")
        self.say(f"{count} connections to an accelerated broker"
                 + (": there may be no more descriptors" if count < CROWD else ""))
        self.until += time.monotonic() - began  # a short DURATION would be over by now


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--duration", type=duration, default=600)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 40))
    options.add_argument("--nemesis", type=int, metavar="SEED", help="one round with that seed, and nothing else")
    given = options.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    soak = Soak(given.duration, given.seed)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, soak.end)
    if given.nemesis:
        soak.torture(given.nemesis, given.duration)
    else:
        soak.say(f"seed {given.seed}; at least {SCHEDULES} schedules")
        simulation = threading.Thread(target=soak.simulate)
        simulation.start()
        soak.crowd()
        soak.fight()
        simulation.join()
        soak.say(soak.report())
    print(soak.failure or "nothing was lost")
    return 1 if soak.failure else 0


if __name__ == "__main__":
    sys.exit(main())
