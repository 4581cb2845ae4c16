"""Steps of coroutines that are slow, or do not end."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from umbel.pools.shared import blocking
from umbel.pools.shared.blocking import StepWatch


@pytest.fixture
def step():
    return SimpleNamespace(slot=None, headers={"task": "proj.fetch", "id": "i\n1"})


@pytest.fixture
def watch(monkeypatch, tmp_path):
    """The system does not say how long this process waited for a processor."""
    watch = StepWatch()
    watch._delays = tmp_path / "schedstat"
    return watch


def test_a_slow_step_is_told_of_once_for_each_task(watch, step, caplog):
    for _ in range(3):
        watch.slow(step, 0.25)
    (line,) = caplog.messages
    assert line.startswith("Task proj.fetch[i\\n1] kept the event loop for 0.25 s: no other task of this process ran meanwhile.")


def test_a_step_that_waited_for_a_processor_is_not_to_blame(watch, step, caplog):
    watch._delays.write_text("7 200000000 3")
    watch.slow(step, 0.25)
    assert caplog.messages == []
    watch.slow(step, 0.25)  # it has not waited since
    assert len(caplog.messages) == 1


def test_a_step_that_does_not_end_is_told_of_with_its_place(watch, step, caplog, monkeypatch):
    monkeypatch.setattr(blocking, "STUCK", 0.01)
    watch.current, watch.since = step, time.monotonic()
    watch.start()
    try:
        deadline = time.monotonic() + 20
        while not caplog.messages:
            assert time.monotonic() < deadline
            threading.Event().wait(0.005)
    finally:
        watch.close()
    assert caplog.messages[0].startswith("Task proj.fetch[i\\n1] has kept the event loop for more than 0.01 s, and still does, in ")
    assert ".py:" in caplog.messages[0]
