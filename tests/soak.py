#!/usr/bin/python3
"""`make soak DURATION=1h`: the simulation and the kill tests, again and again, until the time is over; then a report.

The simulation takes fresh seeds each time and goes through a million schedules at least, however short DURATION is. Ends at
the first failure, with what repeats it.
"""
import argparse
import os
import random
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "soak"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SCHEDULES = 1_000_000
CHUNK = 20_000
CROWD = 20_000  # connections at once to a broker with the accelerator, or as many as we may have descriptors


def duration(text):
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError("a duration is a number and s, m, h or d: 90s, 1h")
    return int(match[1]) * UNITS[match[2]]


class Soak:
    def __init__(self, seconds, seed):
        self.began, self.until = time.monotonic(), time.monotonic() + seconds
        self.seed, self.schedules, self.rounds, self.tests = seed, 0, 0, 0
        self.failure = None

    def say(self, text):
        print(f"{time.monotonic() - self.began:8.0f} s  {text}", flush=True)

    def fail(self, text):
        self.failure = self.failure or text

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

    def kill(self):
        while self.failure is None and time.monotonic() < self.until:
            self.rounds += 1
            log = LOGS / f"fault-{self.rounds}.log"
            with open(log, "w") as out:
                done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/fault"],
                                      cwd=TOP, stdout=out, stderr=subprocess.STDOUT, check=False)
            passed = re.search(r"(\d+) passed", log.read_text())
            self.tests += int(passed[1]) if passed else 0
            if done.returncode != 0:
                return self.fail(f"a fault test: {log.relative_to(TOP)}, and the node's logs in build/test-logs/nodes")
            self.say(f"kill tests: round {self.rounds}, {self.tests} passed")
            log.unlink()

    def crowd(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        count = min(CROWD, hard - 100)
        done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                               "tests/accelerator/test_many.py"], cwd=TOP, capture_output=True, text=True, check=False,
                              env={**os.environ, "ACCELERATOR_CONNECTIONS": str(count)})
        if done.returncode != 0:
            return self.fail(f"{count} connections to an accelerated broker:\n{done.stdout}")
        self.say(f"{count} connections to an accelerated broker")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--duration", type=duration, default=600)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 40))
    given = options.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    soak = Soak(given.duration, given.seed)
    soak.say(f"seed {given.seed}; at least {SCHEDULES} schedules")
    simulation = threading.Thread(target=soak.simulate)
    simulation.start()
    soak.crowd()
    soak.kill()
    simulation.join()
    soak.say(f"{soak.schedules} schedules, {soak.rounds} rounds of kill tests, {soak.tests} tests passed")
    print(soak.failure or "nothing was lost")
    return 1 if soak.failure else 0


if __name__ == "__main__":
    sys.exit(main())
