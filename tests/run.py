#!/usr/bin/python3
"""Runs the suites of `make test`, or those named, several at a time. One line each, logs in build/test-logs/.

Each suite is a command that prints TAP or leaves JUnit XML, bounded in time. A suite whose folder or programs are not
there is left out; one that is there and runs nothing has failed. The last line is the count.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
LOGS = BUILD / "test-logs"
TAIL_LINES = 40
PYTEST = [sys.executable, "-B", "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "--durations=5"]


class Suite:
    def __init__(self, name, limit_s, commands, form="tap", env=None, alone=False, by_name=False):
        """`commands` gives the commands to run, none when the suite is not there; `alone`: after all others, since what
        else runs would change what it sees; `by_name`: only when it is named."""
        self.name, self.limit_s, self.commands, self.form, self.env = name, limit_s, commands, form, env or {}
        self.alone, self.by_name = alone, by_name


def programs(pattern):
    return lambda: [[str(path)] for path in sorted(TOP.glob(pattern)) if os.access(path, os.X_OK)]


def script(path, *args):
    return lambda: [["bash", str(TOP / path), *args]] if (TOP / path).exists() else []


def pytest(folder, name=None, needs=None, only=""):
    """`name`: of the suite, where it is not the folder's; `needs`: a program without which the suite is not there; `only`:
    one file of the folder."""
    def commands():
        if not any((TOP / folder).glob("test_*.py")) or (needs and not (TOP / needs).exists()):
            return []
        return [PYTEST + [f"--junitxml={LOGS / ((name or Path(folder).name) + '.xml')}", str(Path(folder) / only)]]
    return commands


def sanitized():
    """The same unit tests, as built by `make SAN=address,undefined test-programs`."""
    return programs("build/san/tests/*_test")()


UBSAN = {"UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "detect_leaks=1"}
# The service and the tools with the sanitizers; the broker is not built with them, so its plugin stays plain there.
# A report ends the process with a status of its own, and lands in its log: the suites look for it there.
SANITIZED_NODE = {"GNATTER_BIN": str(BUILD / "san/bin"), "GNATTER_PLUGIN": str(BUILD / "lib/gnatter_plugin.so"), **UBSAN}
THREADED_NODE = {"GNATTER_BIN": str(BUILD / "tsan/bin"), "GNATTER_PLUGIN": str(BUILD / "lib/gnatter_plugin.so")}
SUITES = [  # the long ones first: the short ones fill what they leave
    Suite("fault", 900, pytest("tests/fault"), "junit"),
    Suite("system-sanitized", 1200, pytest("tests/system", "system-sanitized", "build/san/bin/gnatter-syncd"), "junit",
          env=SANITIZED_NODE),
    Suite("system", 1200, pytest("tests/system"), "junit"),
    Suite("fault-accelerated", 300, pytest("tests/fault", "fault-accelerated", only="test_puback.py"), "junit",
          env={"GNATTER_ACCELERATOR": "on"}),
    Suite("push", 900, pytest("tests/push"), "junit"),
    Suite("plugin", 900, pytest("tests/plugin"), "junit"),
    Suite("accelerator", 400, pytest("tests/accelerator"), "junit"),
    Suite("ctl", 900, pytest("tests/ctl"), "junit"),
    Suite("schema", 600, script("tests/schema/run.sh")),
    Suite("sanitized", 600, sanitized, env={"CMOCKA_MESSAGE_OUTPUT": "TAP", **UBSAN}),
    Suite("threads", 300, programs("build/tsan/tests/*_test"), env={"CMOCKA_MESSAGE_OUTPUT": "TAP"}),
    Suite("push-threads", 600, pytest("tests/push", "push-threads", "build/tsan/bin/gnatter-syncd", only="test_wake.py"),
          "junit", env=THREADED_NODE, by_name=True),
    Suite("unit", 300, programs("build/tests/*_test"), env={"CMOCKA_MESSAGE_OUTPUT": "TAP"}),
    Suite("ws", 400, script("tests/system/ws/run.sh", "ws.test.mjs")),
    Suite("asyncapi", 300, script("tests/system/ws/run.sh", "asyncapi.test.mjs")),
    Suite("sim", 600, script("tests/sim/run.sh")),
    Suite("fuzz", 400, script("tests/fuzz/run-corpus.sh")),
    Suite("load", 300, pytest("tests/load"), "junit", alone=True),
]


class Result:
    def __init__(self):
        self.passed, self.failures = 0, []  # failures: what to say of each

    def fail(self, what):
        self.failures.append(what)


def run_bounded(command, env, limit_s, log):
    """Exit status, None when it took too long; everything that it started in its process group is ended then."""
    process = subprocess.Popen(command, cwd=TOP, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # pytest then still takes its nodes down
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return None


def read_tap(text, status, what, result):
    """Counts the points at the top level. A plan not kept, and a bad exit without a failed point, are failures too."""
    plan, points, failed = None, 0, 0
    for line in text.splitlines():
        planned = re.match(r"1\.\.(\d+)", line)
        if planned:
            plan = (plan or 0) + int(planned.group(1))
        point = re.match(r"(not )?ok\b(?!\s*$)(.*)", line)  # a bare "ok" is prove, summing up
        if not point:
            if line.startswith("Bail out!"):
                result.fail(f"{what}: {line}")
                failed += 1
            continue
        points += 1
        if point.group(1) and not re.search(r"#\s*(todo|skip)", line, re.I):
            failed += 1
            result.fail(f"{what}:{point.group(2)}")
        else:
            result.passed += 1
    if plan is not None and plan != points:
        result.fail(f"{what}: planned {plan} tests, ran {points}")
    elif points == 0 or (status != 0 and not failed):
        result.fail(f"{what}: exit status {status}, {points} tests")


def read_junit(path, status, what, result):
    count = 0
    if path.exists():
        for case in ElementTree.parse(path).iter("testcase"):
            count += 1
            wrong = [node for node in case if node.tag in ("failure", "error")]
            if wrong:
                name = f"{case.get('classname', '')}.{case.get('name', '')}"
                result.fail(f"{name}: {(wrong[0].get('message') or '').splitlines()[0][:200]}"
                            if wrong[0].get("message") else name)
            else:
                result.passed += 1
    if count == 0 or (status != 0 and not result.failures):
        result.fail(f"{what}: exit status {status}, {count} tests")


def run(suite):
    """The result, or None when the suite is not there."""
    commands = suite.commands()
    if not commands:
        return None
    result = Result()
    log_path, xml_path = LOGS / f"{suite.name}.log", LOGS / f"{suite.name}.xml"
    xml_path.unlink(missing_ok=True)
    deadline = time.monotonic() + suite.limit_s
    with open(log_path, "wb") as log:
        for command in commands:
            begin = log.tell()
            what = Path(command[1] if command[0] == "bash" else command[0]).name if suite.form == "tap" else suite.name
            left = deadline - time.monotonic()
            status = run_bounded(command, suite.env, left, log) if left > 0 else None
            log.seek(0, os.SEEK_END)
            if status is None:
                result.fail(f"{what}: not done within the {suite.limit_s} s of the suite")
            if suite.form == "tap":
                text = log_path.read_bytes()[begin:].decode(errors="replace")
                if status is not None or text:
                    read_tap(text, status, what, result)
            else:
                read_junit(xml_path, status, what, result)
    return result


def report(suite, result, took_s):
    print(f"{suite.name:17} {result.passed:5} passed {len(result.failures):4} failed {took_s:7.1f} s", flush=True)
    if not result.failures:
        return
    for what in result.failures:
        print(f"    FAILED {what}")
    log = LOGS / f"{suite.name}.log"
    print(f"    the end of {log.relative_to(TOP)}:")
    for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:]:
        print(f"    | {line}")
    sys.stdout.flush()


def timed(suite):
    began = time.monotonic()
    return suite, run(suite), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="one of: " + ", ".join(s.name for s in SUITES))
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="suites at a time; they wait more than they "
                        "work (default: %(default)s)")
    args = parser.parse_args()
    unknown = set(args.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    LOGS.mkdir(parents=True, exist_ok=True)
    if not args.suites:
        shutil.rmtree(LOGS / "nodes", ignore_errors=True)
    chosen = [suite for suite in SUITES if suite.name in args.suites or not (args.suites or suite.by_name)]
    passed = failed = 0
    for jobs, suites in ((args.jobs, [s for s in chosen if not s.alone]), (1, [s for s in chosen if s.alone])):
        with ThreadPoolExecutor(max(jobs, 1)) as lanes:
            for done in as_completed([lanes.submit(timed, suite) for suite in suites]):
                suite, result, took_s = done.result()
                if result is None:
                    if args.suites:
                        print(f"{suite.name:17} is not there")
                        failed += 1
                    continue
                passed += result.passed
                failed += len(result.failures)
                report(suite, result, took_s)
    if passed + failed == 0:
        print("no suite is there", file=sys.stderr)
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
