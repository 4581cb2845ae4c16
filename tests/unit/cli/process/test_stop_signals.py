"""Stop signals and what they ask for."""

from __future__ import annotations

import io
import logging
import os
import signal
import threading

import pytest

from umbel.cli.process.stop_signals import StopEscalation, on_thread, stop_signals


class Worker:
    def __init__(self):
        self.requests = []

    def request_stop(self, *, warm, within=None, again=False):
        self.requests.append("cold" if not warm else "again" if again else "warm" if within is None else f"within {within:g}")


@pytest.fixture
def escalation():
    worker, left = Worker(), []
    climbing = StopEscalation(worker, lambda _text: None, left.append)
    return climbing, worker.requests, left


@pytest.mark.parametrize(
    ("signals", "requests", "left"),
    [
        ("interrupt", ["warm"], []),
        ("interrupt interrupt", ["warm", "cold"], []),
        ("interrupt interrupt interrupt", ["warm", "cold"], [1]),
        ("terminate terminate terminate", ["warm"], []),
        ("terminate interrupt", ["warm", "cold"], []),
        ("quit", ["cold"], []),
        ("quit quit", ["cold"], [1]),
        ("interrupt quit", ["warm", "cold"], []),
        ("quit terminate", ["cold"], []),
    ],
)
def test_each_further_signal_is_more_urgent(escalation, signals, requests, left):
    climbing, requested, gone = escalation
    for name in signals.split():
        getattr(climbing, name)()
    assert (requested, gone) == (requests, left)


@pytest.mark.parametrize(
    ("signals", "requests", "left"),
    [
        ("interrupt interrupt interrupt", ["warm", "within 7", "cold"], []),
        ("interrupt interrupt interrupt interrupt", ["warm", "within 7", "cold"], [1]),
        ("quit", ["within 7"], []),
        ("quit quit", ["within 7", "cold"], []),
        ("quit quit quit", ["within 7", "cold"], [1]),
        ("terminate quit terminate", ["warm", "within 7"], []),
    ],
)
def test_a_soft_stop_comes_before_a_cold_one_where_it_is_wanted(signals, requests, left):
    worker, gone = Worker(), []
    climbing = StopEscalation(worker, lambda _text: None, gone.append, soft=7)
    for name in signals.split():
        getattr(climbing, name)()
    assert (worker.requests, gone) == (requests, left)


@pytest.mark.parametrize(
    ("signals", "requests", "restarts"),
    [
        ("hang_up", ["again"], True),
        ("hang_up hang_up", ["again"], True),
        ("hang_up terminate", ["again"], False),
        ("hang_up quit", ["again", "cold"], False),
        ("terminate hang_up", ["warm"], False),
    ],
)
def test_after_a_hang_up_the_process_starts_again_unless_it_is_to_end(signals, requests, restarts):
    worker = Worker()
    climbing = StopEscalation(worker, lambda _text: None, restarts=True)
    for name in signals.split():
        getattr(climbing, name)()
    assert (worker.requests, climbing.restart) == (requests, restarts)


def test_until_the_process_has_started_again_hang_ups_are_ignored():
    climbing = StopEscalation(Worker(), lambda _text: None, restarts=True)
    before = signal.getsignal(signal.SIGHUP)
    try:
        with stop_signals(climbing):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_at_a_terminal_a_hang_up_is_the_end_of_it(escalation):
    climbing, requested, _ = escalation
    climbing.hang_up()
    assert (requested, climbing.restart) == (["warm"], False)


def test_signals_climb_and_are_given_back(escalation):
    climbing, requested, _ = escalation
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)}
    with stop_signals(climbing):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGQUIT)
    assert requested == ["warm", "cold"]
    assert {number: signal.getsignal(number) for number in before} == before


class Reluctant(io.StringIO):
    """A log whose every write is interrupted by a request to stop; like a real file it cannot be written to in the middle of that."""

    is_writing = False

    def write(self, text):
        if self.is_writing:
            raise RuntimeError("reentrant call inside a write")
        self.is_writing = threading.current_thread() is threading.main_thread()
        if self.is_writing:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(100):
                pass  # handlers run between two bytecodes
        written = super().write(text)
        self.is_writing = False
        return written


def test_a_request_in_the_middle_of_a_write_is_said_too(capsys):
    log, worker = Reluctant(), Worker()
    logger, handler = logging.getLogger("umbel.test_stopping"), logging.StreamHandler(log)
    logger.propagate = False
    logger.addHandler(handler)
    with on_thread(logger.warning) as say, stop_signals(StopEscalation(worker, say)):
        logger.warning("task succeeded")
    logger.removeHandler(handler)
    assert worker.requests == ["warm"]
    assert "task succeeded" in log.getvalue()
    assert "Stopping: running tasks may end" in log.getvalue()
    assert capsys.readouterr().err == ""


def test_term_can_be_made_sharp(escalation, monkeypatch):
    climbing, requested, _ = escalation
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")
    with stop_signals(climbing):
        os.kill(os.getpid(), signal.SIGTERM)
    assert requested == ["cold"]


# The right-hand sides are what Celery 5.7 makes of these.
