"""The loop inside a child: take a job, run it, commit outcomes in bursts.

Committing stores the burst's results in one round trip, publishes what follows the tasks, runs their handlers, and only then reports, so
that the parent acknowledges nothing that is not stored. A single outcome is committed at once. Outcomes wait for company only behind tasks that are
known to be quick, and not longer than `COMPANY`; should such a task be slow for once, a second thread commits in its stead.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from umbel.execution.committing import Committer, EffectSink
from umbel.execution.model import Execution, Job, RunHandlers, Runner
from umbel.pools.base import Outcome
from umbel.pools.board.rows import BoardRow
from umbel.pools.slot import JobTuple, part
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit

logger: logging.Logger = logging.getLogger("umbel.child")

#: Seconds that an outcome waits for others while quick tasks follow.
COMPANY = 0.001
#: Seconds after which the second thread commits what a slow task holds up.
RESCUE = 0.008
#: A task that usually takes longer than this (seconds) is not started before the outcomes so far are committed.
BRIEF = 0.0005


class Channel(Protocol):
    """The child's end of the line to its parent."""

    def receive(self, *, block: bool) -> Sequence[JobTuple] | None:
        """Jobs; an empty sequence when there are none and ``block`` is false; ``None`` when the child is to end."""

    def report(self, outcomes: list[Outcome]) -> None:
        """Send ``outcomes``."""


class Executor:
    """Runs jobs one after the other.

    Args:
        runner: executes one job.
        row: of the slot board, where the current job is stamped.
        channel: where jobs come from and outcomes go to.
        sink: store and publish.
    """

    def __init__(self, runner: Runner, row: BoardRow, channel: Channel, sink: EffectSink) -> None:
        self._runner = runner
        self._row = row
        self._channel = channel
        self._sink = sink
        self._committer = Committer(sink, self._call)
        self._inbox: deque[JobTuple] = deque()
        self._pending: list[Execution] = []
        self._oldest = 0.0
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._ending = False
        self._usual: dict[str, float] = {}

    def run(self) -> None:
        """Serve until the parent says so or is gone."""
        rescuer = threading.Thread(target=self._rescue, name="umbel-commit", daemon=True)
        rescuer.start()
        try:
            while self._fill():
                self._drain()
        finally:
            self._ending = True
            self._waiting.set()
            self._commit()
            rescuer.join(1.0)

    def _fill(self) -> bool:
        """Have at least one job, committing before any wait; false at the end."""
        jobs = self._channel.receive(block=False)
        if jobs is not None and not jobs:
            self._commit()
            jobs = self._channel.receive(block=True)
        if jobs is None:
            return False
        self._inbox.extend(jobs)
        return True

    def _drain(self) -> None:
        inbox, row, usual, runner, monotonic = self._inbox, self._row, self._usual, self._runner, SYSTEM.monotonic
        execute, pid, getpid = runner.execute, os.getpid(), os.getpid
        while inbox:
            fields = inbox.popleft()
            if (batch := part(fields)) is not None:
                self._run_batch(batch)
                continue
            name = str(fields[1].get("task"))
            if self._pending and usual.get(name, 1.0) > BRIEF:
                self._commit()
            if not row.claim(fields[0]):
                continue
            job = Job(*fields)
            started = runner.started_record(job)
            if started is not None:
                row.clear()  # it does not run yet: no time limit counts the time that a store is away
                self._sink.store([started])
                row.resume(fields[0])
            if ARMED:
                hit("before_exec")
            try:
                execution = execute(job)
            finally:
                if getpid() != pid:
                    end_copy()
            if ARMED:
                hit("after_exec_before_commit")
            row.clear()
            self._learn(execution)
            now = monotonic()
            with self._lock:
                if not self._pending:
                    self._oldest = now
                self._pending.append(execution)
            if now - self._oldest >= COMPANY:
                self._commit()
            elif inbox and not self._waiting.is_set():
                self._waiting.set()

    def _run_batch(self, batch: Sequence[JobTuple]) -> None:
        """Run jobs together: those that were not taken back. The last one is stamped as what runs."""
        self._commit()
        row, pid = self._row, os.getpid()
        jobs = [Job(*fields) for fields in batch if row.claim(fields[0])]
        if not jobs:
            return
        started = [record for job in jobs if (record := self._runner.started_record(job)) is not None]
        if started:
            row.clear()
            self._sink.store(started)
            row.resume(jobs[-1].number)
        if ARMED:
            hit("before_exec")
        try:
            executions = self._runner.execute_batch(jobs)
        finally:
            if os.getpid() != pid:
                end_copy()
        if ARMED:
            hit("after_exec_before_commit")
        row.clear()
        with self._lock:
            self._oldest = SYSTEM.monotonic()
            self._pending.extend(executions)
        self._commit()

    def _learn(self, execution: Execution) -> None:
        """Keep a running mean of each task's runtime, quick to rise and slow to fall."""
        usual, name, runtime = self._usual, execution.task_name, execution.runtime
        known = usual.get(name)
        if known is None:
            usual[name] = runtime
        else:
            usual[name] = known + (runtime - known) * (0.5 if runtime > known else 0.05)

    def _commit(self) -> None:
        with self._lock:
            if self._pending:
                self._settle(self._pending)

    def _settle(self, burst: list[Execution]) -> None:
        """Commit a burst and report it."""
        done: list[Execution] = []
        try:
            self._committer.commit(burst, done)
        finally:
            if done:
                if ARMED:
                    hit("after_commit_before_report")
                self._channel.report([outcome_of(execution) for execution in done])

    def _call(self, execution: Execution, function: Callable[[], None]) -> None:
        """Run a task's handlers. They are user code and have its time limit, counted anew: what was stored and published took time of its own."""
        self._row.resume(execution.number)
        try:
            function()
        finally:
            self._row.clear()

    def _rescue(self) -> None:
        """Commit what waits behind a task that turned out to be slow. Handlers are user code and stay in the main thread."""
        pause = threading.Event().wait
        while not self._ending:
            self._waiting.wait()
            pause(RESCUE)
            pending = self._pending
            if not pending:
                self._waiting.clear()
            elif SYSTEM.monotonic() - self._oldest >= 2 * COMPANY and not any(
                type(effect) is RunHandlers for execution in pending for effect in execution.effects
            ):
                try:
                    self._commit()
                except Exception:
                    logger.exception("outcomes could not be committed; the next task's end will try again")


def end_copy() -> NoReturn:
    """The task has forked, and its copy has come out of the task here: it must not go on as a second child on the same line."""
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else error and 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


def outcome_of(execution: Execution, slot: int = 0) -> Outcome:
    """The outcome of an ``execution``, for the parent; the place of its ``slot`` in this child."""
    return Outcome(
        execution.number,
        int(execution.verdict),
        execution.state,
        execution.runtime,
        _exact(execution.reason),
        _exact(execution.detail),
        None if execution.traceback is None else _exact(execution.traceback),
        execution.expected,
        execution.started,
        slot,
    )


def _exact(text: str) -> str:
    """Text of a task as plain text: of a class of its own (a framework's safe string) it could not cross to the parent, which has none of its classes."""
    return text if type(text) is str else str.__str__(text)
