"""The time limit that all tests have (tests/pytest.ini)."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
HANGS = f"""
import pathlib, signal, sys, threading
sys.path[:0] = {[str(HERE), str(HERE.parent)]!r}
from conftest import broker, node

def test_hangs(broker):
    pathlib.Path("pid").write_text(str(broker.process.pid))
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0.05)  # the limit's own clock: what is left of it passes at once
    assert left_s > 0
    threading.Event().wait()

def test_behind_it():
    pass
"""


def test_a_test_that_hangs_is_ended_and_named(tmp_path):
    (tmp_path / "test_it.py").write_text(HANGS)
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "-c",
                           HERE.parent / "pytest.ini", "--rootdir", tmp_path, "test_it.py"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert "test_it.py::test_hangs - Failed: Timeout >300.0s" in done.stdout, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout and done.returncode == 1
    assert not pathlib.Path("/proc", (tmp_path / "pid").read_text()).exists()
