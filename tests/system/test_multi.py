"""Several workers by one command, in the background."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from system.conftest import LEASE
from system.processes import TESTS, environment
from system.stage import Place


@pytest.fixture
def umbel(tmp_path):
    """Runs ``umbel``; returns its exit code and what it printed."""
    url = f"sqlite:///{tmp_path}/umbel.db"
    place = Place(name="sqlite", broker=url, backend=url, lease=LEASE)
    env = environment(place.broker, place.backend, tmp_path / "ledger", {})

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "umbel", *words], env=env, cwd=TESTS, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_start_restart_and_stop(umbel, tmp_path):
    options = ("-A", "system.workload", "-P", "solo", f"--pidfile={tmp_path}/%n.pid", f"--logfile={tmp_path}/%n%I.log")
    files = [tmp_path / "celery1.pid", tmp_path / "celery2.pid"]
    try:
        code, text = umbel("multi", "start", "2", "-l:1", "info", *options)
        assert (code, text.count(": OK")) == (0, 2), text
        before = [int(file.read_text()) for file in files]
        assert "ready" in (tmp_path / "celery1.log").read_text()
        assert "ready" not in (tmp_path / "celery2.log").read_text()
        code, text = umbel("multi", "start", "1", *options)
        assert code == 1
        assert f"belongs to process {before[0]}" in text
        assert umbel("multi", "restart", "2", *options)[0] == 0
        assert not set(before) & {int(file.read_text()) for file in files}
        files[1].rename(tmp_path / "kept.pid")
        files[1].write_text(f"{os.getpid()}\n")  # a number that another process has by now
        os.utime(files[1], (1, 1))
        assert "celery2" in (text := umbel("multi", "stopwait", "2", *options)[1])
        assert text.count("DOWN") == 1
        (tmp_path / "kept.pid").rename(files[1])
    finally:
        code, text = umbel("multi", "kill", "2", *options)
    assert code == 0, text
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-f", "/nosuch/x.log"), "Cannot write the log file"),
        (("--executable", "/nosuch/python"), "Cannot run /nosuch/python"),
        (("-X", "celery", "-Q", "celery"), "leaves no queue"),
    ],
)
def test_a_start_that_fails_says_so(umbel, words, message):
    code, text = umbel("-A", "system.workload", "worker", "-D", *words)
    assert code != 0
    assert message in text
