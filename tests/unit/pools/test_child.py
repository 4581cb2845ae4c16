"""A soft time limit hits the task's own code or nothing. The signal is sent by what runs at that moment, so that no time plays a part."""

import os
import signal
import sys
import threading
from dataclasses import astuple

import pytest

from umbel import Task, hooks
from umbel.errors import SoftTimeLimitExceeded
from umbel.pools.board.rows import BoardRow, private
from umbel.pools.child import watch_soft_limit
from umbel.pools.effects import AppEffects
from umbel.pools.executor import Executor
from umbel.testing.fakes import FakeApp


class Unhurried(Executor):
    """Without the second thread, whose end takes a moment."""

    def _rescue(self):
        pass


class Stand:
    """An executor whose one board gets the signal as the parent sends it."""

    def __init__(self):
        self.app = FakeApp()
        self.board = BoardRow(private(), threading.Lock())
        self.outcomes = []
        self.batches = []

    def interrupt(self):
        """The parent's side: the limit of what runs has passed."""
        self.board.pass_soft_limit(self.board.current or 1)
        os.kill(os.getpid(), signal.SIGUSR1)

    def receive(self, *, block):
        if self.batches:
            return self.batches.pop(0)
        return None if block else ()

    def report(self, outcomes):
        self.outcomes += [(outcome.state, outcome.detail) for outcome in outcomes]

    def run(self, task):
        """Run a task as jobs 1 and 2."""
        task.delay()
        fields = astuple(self.app.job())
        self.batches = [[fields], [(2, *fields[1:])]]
        runner = self.app.runner("w1@host")
        before = signal.getsignal(signal.SIGUSR1)
        watch_soft_limit(self.board, runner.soft_limit)
        try:
            Unhurried(runner, self.board, self, AppEffects(self.app)).run()
        finally:
            signal.signal(signal.SIGUSR1, before)
        return self.outcomes


@pytest.fixture
def stand():
    return Stand()


def test_it_is_raised_in_the_body(stand):
    @stand.app.task
    def work():
        try:
            stand.interrupt()
        except SoftTimeLimitExceeded:
            return "caught"

    assert stand.run(work) == [("SUCCESS", "'caught'")] * 2


def test_it_is_raised_in_before_start(stand):
    class Preparing(Task):
        def before_start(self, *args):
            stand.interrupt()

    @stand.app.task(base=Preparing)
    def work(): ...

    assert stand.run(work) == [("FAILURE", "SoftTimeLimitExceeded()")] * 2


def test_it_waits_for_the_body_while_receivers_of_a_signal_run(stand):
    ran = []

    def receiver(**_):
        if stand.board.current == 1:
            stand.interrupt()
            ran.append("receiver")

    @stand.app.task
    def work():
        ran.append("body")

    hooks.task_prerun.connect(receiver)
    try:
        assert stand.run(work) == [("FAILURE", "SoftTimeLimitExceeded()"), ("SUCCESS", "None")]
    finally:
        hooks.task_prerun.disconnect(receiver)
    assert ran == ["receiver", "body"]


def test_it_is_not_raised_while_the_start_is_stored(stand):
    @stand.app.task(track_started=True)
    def work():
        return "whole"

    class Store(type(stand.app.records)):
        def store(self, records):
            if records[0].status == "STARTED":
                stand.interrupt()
            super().store(records)

    stand.app.connections.use(stand.app.fake, Store())
    assert stand.run(work) == [("SUCCESS", "'whole'")] * 2


def test_it_is_not_raised_after_the_body(stand):
    class Result:
        def __repr__(self):
            stand.interrupt()
            return "shown"

    @stand.app.task(ignore_result=True)
    def work():
        return Result()

    assert stand.run(work) == [("SUCCESS", "shown")] * 2


def test_it_is_not_raised_while_a_failure_is_described(stand):
    class Broken(Exception):
        def __str__(self):
            stand.interrupt()
            return "described"

        __repr__ = __str__

    @stand.app.task
    def work():
        raise Broken

    assert stand.run(work) == [("FAILURE", "described")] * 2


def test_it_is_not_raised_in_handlers(stand):
    class Handling(Task):
        def on_success(self, *args):
            stand.interrupt()

    @stand.app.task(base=Handling)
    def work():
        return "whole"

    assert stand.run(work) == [("SUCCESS", "'whole'")] * 2


_WATCHED = {
    "umbel.pools.executor",
    "umbel.execution.execute",
    "umbel.execution.running.drivers",
    "umbel.execution.concluding.conclude",
    "umbel.execution.committing",
}


def at_moment(number, function):
    """A trace function that calls another one once: before the nth line of the child's loop and its runner."""
    left = [number]

    def trace(frame, event, _argument):
        if frame.f_globals.get("__name__") not in _WATCHED or frame.f_code.co_name == "__init__":
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                function()
        return trace

    return trace, left


@pytest.mark.parametrize("fails", [False, True])
def test_no_moment_is_bad_for_it(stand, fails):
    @stand.app.task(track_started=True)
    def work():
        if fails:
            raise ValueError
        return "whole"

    ended, number, left = set(), 0, [0]
    whole = ("FAILURE", "ValueError()") if fails else ("SUCCESS", "'whole'")
    before = sys.gettrace()
    while left[0] <= 0:
        number += 1
        stand.outcomes.clear()
        trace, left = at_moment(number, stand.interrupt)
        sys.settrace(trace)
        try:
            first, second = stand.run(work)
        finally:
            sys.settrace(before)
        ended |= {first, second}
        assert whole in {first, second}
    assert ended == {whole, ("FAILURE", "SoftTimeLimitExceeded()")}
    assert number > 100
