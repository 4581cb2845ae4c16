from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.runtime import failpoints
from umbel.runtime.failpoints import Failpoint, FailpointError, fire, parse


def test_off_unless_the_environment_says_otherwise():
    assert "UMBEL_FAILPOINTS" not in os.environ
    assert failpoints.ARMED == {}
    failpoints.hit("before_exec")


def test_items_are_read():
    points = parse(" before_exec=kill@3*2, before_delay_settle=sleep:0.5 ,")
    assert points["before_exec"] == Failpoint(site="before_exec", action="kill", at=3, times=2)
    assert points["before_delay_settle"] == Failpoint(site="before_delay_settle", action="sleep", seconds=0.5)


@pytest.mark.parametrize("text", ["nowhere=kill", "before_exec=explode", "before_exec", "before_exec=kill@x", "before_exec=sleep:long"])
def test_unknown_sites_and_actions_are_refused(text):
    with pytest.raises(ImproperlyConfigured, match="UMBEL_FAILPOINTS"):
        parse(text)


def test_it_fires_at_the_pass_it_is_told_and_not_again():
    point = Failpoint(site="before_exec", action="raise", at=3)
    fire(point)
    fire(point)
    with pytest.raises(FailpointError, match="before_exec"):
        fire(point)
    for _ in range(9):
        fire(point)


def test_a_folder_keeps_the_proof_and_the_count_over_processes(tmp_path):
    for _ in range(2):
        with pytest.raises(FailpointError):
            fire(Failpoint(site="before_exec", action="raise", times=2), str(tmp_path))
    fire(Failpoint(site="before_exec", action="raise", times=2), str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before_exec.1", "before_exec.2"]
    assert (tmp_path / "before_exec.1").read_text() == str(os.getpid())


def test_sleep():
    before = time.monotonic()
    fire(Failpoint(site="before_exec", action="sleep", seconds=0.02))
    assert time.monotonic() - before >= 0.02


@pytest.mark.parametrize(("action", "status"), [("kill", -signal.SIGKILL), ("exit", 70)])
def test_actions_that_end_the_process(action, status):
    code = "from umbel.runtime.failpoints import hit; hit('before_exec'); hit('before_exec'); print('survived')"
    environ = {**os.environ, "UMBEL_FAILPOINTS": f"before_exec={action}@2"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, b"")
