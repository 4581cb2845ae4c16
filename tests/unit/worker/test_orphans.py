from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from umbel.worker import orphans
from umbel.worker.orphans import Orphans, make_orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's process 1")


def test_only_process_1_has_this_duty(monkeypatch):
    assert make_orphans() == []
    monkeypatch.setattr(orphans.os, "getpid", lambda: 1)
    assert len(make_orphans()) == 1


def test_who_is_dead_at_two_looks_is_taken_note_of():
    duty = Orphans()
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as process:
        assert process.stdout.read() == b""  # it has ended, or is about to
        while not Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            pass
        duty.look(0.0)
        assert Path(f"/proc/{process.pid}").exists()
        duty.look(5.0)
        assert not Path(f"/proc/{process.pid}").exists()


def test_who_is_alive_is_left_alone():
    duty = Orphans()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        duty.look(0.0)
        duty.look(5.0)
        assert process.poll() is None
