"""Does harm to every part of a node, as a schedule says that comes from a seed alone; and tells what it has done.

A fault is a row of FAULTS: it begins, lasts for a while, and ends. What has to happen at its end happens in heal() at the
latest. Faults overlap as the schedule has it, so nothing here waits: gnatterctl runs beside (Errands).
"""
import itertools
import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections import Counter, namedtuple
from pathlib import Path

from .node import CTL, alive

Step = namedtuple("Step", "at name target lasts_s amount")
Fault = namedtuple("Fault", "name targets weight longest_s amounts")

PARTS = ["mosquitto", "syncd", "postgres"]
PROXIES = ["devices", "link", "database"]
CLOCKS = ["all", *PARTS]
FAULTS = [
    Fault("kill", [*PARTS, "backend", "supervisor", "all"], 8, 0, [0]),
    Fault("pause", [*PARTS, "supervisor", "backend"], 6, 3, [0]),
    Fault("restart", ["node"], 1, 0, [0]),
    Fault("reload", ["node"], 1, 0, [0]),
    Fault("reset", PROXIES, 4, 0, [0]),
    Fault("terminate", ["backend"], 2, 0, [0]),     # PostgreSQL is asked to end all sessions
    Fault("stalled", PROXIES, 4, 4, [1]),           # nothing passes for a while, then all of it
    Fault("delay_s", PROXIES, 3, 5, [0.01, 0.05, 0.2]),
    Fault("bytes_per_s", PROXIES, 2, 4, [20_000, 200_000]),
    Fault("refusing", PROXIES, 2, 3, [1]),
    Fault("dead", PROXIES, 2, 0, [0]),              # half-open: who is connected is never told
    Fault("clock", CLOCKS, 4, 6, [-3600, -30, -1, 1, 30, 3600, 86400]),
    Fault("descriptors", [*PARTS, "supervisor"], 3, 4, [0, 1, 3]),
    Fault("memory", ["mosquitto", "syncd"], 3, 4, [0, 1, 8]),     # MiB more than it has
    Fault("memory-at-start", ["mosquitto", "syncd"], 1, 3, [40]),
    Fault("disk", ["postgres", "broker", "."], 4, 4, [0]),
]
LIMIT_NAMES = {"nofile": "Max open files", "as": "Max address space"}  # in /proc/PID/limits
GAP_S = (0.2, 3.0)    # between the beginnings of two faults
RARE_S = 50           # a dead connection takes longest to be noticed: one for each proxy in so long


def schedule(seed, seconds):
    """The steps, by their time. Nothing but the arguments goes in, so that a seed replays."""
    rng, steps, at, last_dead = random.Random(f"schedule {seed}"), [], 1.0, {}
    while True:
        at += rng.uniform(*GAP_S)
        if at >= seconds:
            return steps
        fault = rng.choices(FAULTS, [fault.weight for fault in FAULTS])[0]
        step = Step(round(at, 2), fault.name, rng.choice(fault.targets), round(rng.uniform(0.2, 1) * fault.longest_s, 2),
                    rng.choice(fault.amounts))
        if step.name == "dead":
            if at - last_dead.get(step.target, -RARE_S) < RARE_S:
                continue
            last_dead[step.target] = at
        steps.append(step)


def children(pid):
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def status_kib(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise OSError(f"no {key}")


def free_descriptor(pid, skip=0):
    """The lowest that it has not open, or one above: a limit that leaves it `skip` to open."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(itertools.islice((n for n in itertools.count() if n not in used), skip, None))


class Errands:
    """gnatterctl, one command after the other, beside everything else. `up` until it succeeds."""
    def __init__(self, node):
        self.node, self.jobs, self.said = node, queue.Queue(), []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while (words := self.jobs.get()) is not None:
            for _ in range(20):
                done = subprocess.run([str(CTL), "--dir", str(self.node.dir), *words], env={**os.environ, **self.node.env},
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    break
                self.said.append(f"{' '.join(words)}: {done.stderr.strip()}")
                if words[0] != "up":
                    break
                time.sleep(0.5)
            self.jobs.task_done()
        self.jobs.task_done()

    def do(self, *words):
        self.jobs.put(words)

    def is_done(self):
        return self.jobs.unfinished_tasks == 0

    def close(self):
        self.jobs.put(None)
        self.thread.join(120)


class Nemesis:
    """`machine` and `network`: of the node, see lib/machine.py and lib/network.py."""
    def __init__(self, node, machine, network, seed):
        self.node, self.machine, self.network, self.seed = node, machine, network, seed
        self.errands = Errands(node)
        self.ends = []     # (when, what to call), each once
        self.done = []     # (at, step, what came of it)
        self.limits = {}   # (pid, which): the soft limit it had

    # ---- time ----
    def run(self, steps, watch):
        """All the steps; `watch` is called again and again meanwhile."""
        began, steps = time.monotonic(), list(steps)
        while steps or self.ends:
            now = time.monotonic()
            while steps and now - began >= steps[0].at:
                self.begin(steps.pop(0))
            self.finish(now)
            watch()
            time.sleep(0.02)

    def finish(self, now):
        for end in [end for end in self.ends if end[0] <= now]:
            self.ends.remove(end)
            end[1]()

    def relent(self):
        """Whatever still lasts ends."""
        for _, end in self.ends:
            end()
        self.ends.clear()

    def heal(self):
        """And the node is up."""
        self.relent()
        self.errands.do("up")

    def begin(self, step):
        at = time.monotonic()
        try:
            outcome = getattr(self, "do_" + step.name.replace("-", "_"), self.do_network)(step)
        except (OSError, subprocess.SubprocessError) as error:
            outcome = f"not done: {error}"  # the part was not there, for one
        self.done.append((at, step, outcome or ""))

    def later(self, step, call):
        self.ends.append((time.monotonic() + step.lasts_s, call))

    # ---- processes ----
    def pids(self, target):
        """Of a part; a running one, else it is an OSError."""
        if target == "backend":
            found = children(self.pids("postgres")[0])
            if not found:
                raise OSError("no backend")
            return [found[self.random_index(found)]]
        pid = self.node.pid(target)
        if not pid or not alive(pid):
            raise OSError(f"{target} is not running")
        return [pid, *children(pid)] if target == "postgres" else [pid]

    def random_index(self, items):
        return len(self.done) % len(items)  # as good as any

    @staticmethod
    def signal(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def do_kill(self, step):
        parts = ["supervisor", *PARTS] if step.target == "all" else [step.target]
        for part in parts:
            self.signal(self.pids(part)[:1], signal.SIGKILL)
        if "supervisor" in parts:
            self.errands.do("up")

    def do_pause(self, step):
        pids = self.pids(step.target)
        self.signal(pids, signal.SIGSTOP)
        self.later(step, lambda: self.signal(pids, signal.SIGCONT))

    def do_restart(self, _step):
        self.errands.do("down")
        self.errands.do("up")

    def do_reload(self, _step):
        self.errands.do("reload")

    def do_terminate(self, _step):
        self.signal([pid for pid in children(self.pids("postgres")[0])
                     if b"gnatter" in Path(f"/proc/{pid}/cmdline").read_bytes()], signal.SIGTERM)

    # ---- limits of live processes: the soft ones, which who is not root can raise again ----
    @staticmethod
    def set_soft(pid, which, value):
        """As the process's own account, which may do that without any privilege."""
        about = os.stat(f"/proc/{pid}")
        account = {"user": about.st_uid, "group": about.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(["prlimit", f"--pid={pid}", f"--{which}={value}:"], check=True, capture_output=True, **account)

    @staticmethod
    def soft(pid, which):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        return next(line for line in limits if line.startswith(LIMIT_NAMES[which]))[26:].split()[0]

    def limit(self, step, pid, which, value):
        self.limits.setdefault((pid, which), self.soft(pid, which))
        self.set_soft(pid, which, value)
        self.later(step, lambda: self.unlimit(pid, which))

    def unlimit(self, pid, which):
        soft = self.limits.pop((pid, which), None)
        try:
            if soft is not None and alive(pid):
                self.set_soft(pid, which, soft)
        except (OSError, subprocess.SubprocessError):
            pass  # it has ended

    def do_descriptors(self, step):
        pid = self.pids(step.target)[0]
        self.limit(step, pid, "nofile", free_descriptor(pid, step.amount))

    def do_memory(self, step):
        pid = self.pids(step.target)[0]
        self.limit(step, pid, "as", (status_kib(pid, "VmSize") + step.amount * 1024) * 1024)

    def do_memory_at_start(self, step):
        """What the supervisor starts has its limits."""
        pid, part = self.pids("supervisor")[0], self.pids(step.target)[0]
        self.limit(step, pid, "as", (status_kib(pid, "VmSize") + step.amount * 1024) * 1024)
        self.signal([part], signal.SIGKILL)

    # ---- disk, clock, network ----
    def do_disk(self, step):
        self.machine.fill_disk(os.path.realpath(self.node.dir / step.target))
        self.later(step, lambda: self.machine.fill_disk(None))

    def do_clock(self, step):
        parts = PARTS if step.target == "all" else [step.target]
        self.machine.set_clock(parts, step.amount * 1000)
        self.later(step, lambda: self.machine.set_clock(parts, 0))

    def do_network(self, step):
        connections = self.network.do(step.target, step.name, step.amount)
        if step.lasts_s:
            self.later(step, lambda: self.network.do(step.target, step.name, 0))
        return f"{connections} connections"

    # ---- the report ----
    def counts(self):
        return Counter((step.name, step.target) for _, step, outcome in self.done if not outcome.startswith("not done"))

    def story(self):
        began = self.done[0][0] - self.done[0][1].at if self.done else 0
        return [f"{at - began:7.2f} s  {step.name} {step.target}"
                + (f" {step.amount}" if step.amount else "") + (f" for {step.lasts_s} s" if step.lasts_s else "")
                + (f"  ({outcome})" if outcome else "") for at, step, outcome in self.done]
