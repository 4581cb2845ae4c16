"""The common part of all children that run several jobs at once.

Jobs come in for slots. Each slot runs its own one after the other, side by side with the others: its executor decides in what. Outcomes go out when they are
committed. One thread listens to the parent, or the event loop does.
"""

from __future__ import annotations

import os
import socket
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from typing import Any

from umbel import states
from umbel.execution.execute import TaskRunner
from umbel.execution.model import Execution, Job, Verdict
from umbel.pools import framing
from umbel.pools.base import ChildOptions, Outcome
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board, BoardRow
from umbel.pools.child import live
from umbel.pools.effects import AppEffects
from umbel.pools.executor import end_copy
from umbel.pools.shared.committing import GroupCommit, commit_alone, has_handlers
from umbel.pools.slot import JobTuple, part
from umbel.results.model import Record
from umbel.runtime.failpoints import ARMED, hit

CHUNK = 1 << 18


class JobEnded(BaseException):
    """Raised in the code of a job that is to end, while its neighbours go on. Not an `Exception`, which tasks catch."""


class JobSlot:
    """One slot, in its child: the jobs that it was sent, and the one that it runs.

    Args:
        index: its place.
        row: of the board.
        runner: runs its jobs; its own, for its soft time limit.
    """

    __slots__ = ("inbox", "index", "interrupted", "is_active", "number", "row", "runner", "thread")

    def __init__(self, index: int, row: BoardRow, runner: TaskRunner) -> None:
        self.index: int = index
        self.row: BoardRow = row
        self.runner: TaskRunner = runner
        self.inbox: deque[JobTuple] = deque()
        #: Somebody runs its jobs.
        self.is_active: bool = False
        #: The job that it runs; 0 when none.
        self.number: int = 0
        #: The last job that was told of its soft time limit.
        self.interrupted: int = 0
        #: What runs it: an executor's own.
        self.thread: Any = None


class SharedExecutor(ABC):
    """Runs the jobs of all slots of a child.

    Args:
        app: whose tasks run.
        runner: of the app.
        board: of the child.
        line: the child's end of the line to its parent.
    """

    def __init__(self, app: Any, runner: TaskRunner, board: Board, line: socket.socket) -> None:
        self.sink: AppEffects = AppEffects(app)
        self.slots = tuple(JobSlot(index, row, runner.twin()) for index, row in enumerate(board.rows))
        self.line = line
        self.group: GroupCommit = GroupCommit(self.sink, self.report)
        self._frames = framing.FrameBuffer()
        self._sending = threading.Lock()
        #: Guards the slots' inboxes where one goes from active to idle, and back.
        self.lock = threading.Lock()
        self._active = 0
        self._is_quitting = False
        #: As it is when jobs begin to run: each runs in a copy of its own.
        self.context: Context = copy_context()
        self._is_copy = False
        os.register_at_fork(after_in_child=self._be_copy)

    # what an executor decides

    @abstractmethod
    def listen(self) -> None:
        """Pass to `take` what comes from the parent, until that says that it is enough."""

    @abstractmethod
    def wake(self) -> None:
        """Let `listen` return: the last job has ended. From the thread that ran it."""

    @abstractmethod
    def start(self, slot: JobSlot) -> None:
        """Begin to run the jobs of a ``slot``, until `next_job` has no more. Called by `take`."""

    @abstractmethod
    def interrupt(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        """Interrupt a job, if it still runs and can be interrupted. Called by `take`.

        Args:
            slot: that runs it.
            number: of the job.
            ends: it is to end; else its soft time limit has passed.
        """

    # jobs

    def run(self) -> None:
        """Run jobs until the parent says that there are no more, or is gone."""
        self.context = copy_context()
        try:
            self.listen()
        finally:
            self.group.close()

    def take(self, data: bytes) -> bool:
        """Do what the parent says.

        Args:
            data: what has come from it; nothing when it is gone.

        Returns:
            Whether there is more to listen to.
        """
        for kind, payload in self._frames.feed(data):
            if kind == framing.JOBS:
                self._give(self.slots[payload[0]], payload[1])
            elif kind == framing.INTERRUPT:
                slot, number, ends = payload
                self.interrupt(self.slots[slot], number, ends=ends)
            elif kind == framing.QUIT:
                self._is_quitting = True
        return bool(data) and not (self._is_quitting and not self._active)

    def _give(self, slot: JobSlot, jobs: Sequence[JobTuple]) -> None:
        with self.lock:
            slot.inbox.extend(jobs)
            if slot.is_active:
                return
            slot.is_active = True
            self._active += 1
        self.start(slot)

    def next_job(self, slot: JobSlot) -> JobTuple | None:
        """Take the next job of an active ``slot``; where there is none the slot is idle from now on."""
        try:
            return slot.inbox.popleft()
        except IndexError:
            pass
        with self.lock:
            if slot.inbox:
                return slot.inbox.popleft()
            slot.is_active = False
            self._active -= 1
            is_last = self._is_quitting and not self._active
        if is_last:
            self.wake()
        return None

    def claim(self, slot: JobSlot, fields: JobTuple) -> Job | None:
        """Begin a job, unless it was taken back.

        Args:
            slot: whose job it is.
            fields: of the job.
        """
        number = fields[0]
        if not slot.row.claim(number):
            return None
        slot.number = number
        return Job(*fields)

    def store_started(self, slot: JobSlot, record: Record) -> None:
        """Store the STARTED ``record`` of a ``slot``'s job. It does not run yet: no time limit counts the time that a store is away."""
        slot.row.clear()
        self.sink.store([record])
        slot.row.resume(slot.number)

    # running in a thread

    def run_here(self, slot: JobSlot, fields: JobTuple) -> None:
        """Run a job in this thread, commit it or have it committed.

        Args:
            slot: whose job it is.
            fields: of the job.
        """
        batch = part(fields)
        if batch is not None:
            self._run_batch_here(slot, batch)
            return
        job = self.claim(slot, fields)
        if job is None:
            return
        started = slot.runner.started_record(job)
        if started is not None:
            self.store_started(slot, started)
        if ARMED:
            hit("before_exec")
        context = self.context.copy()
        try:
            execution = context.run(slot.runner.execute, job)
        except BaseException as error:
            execution = cut_off(job, error)
            self.check_copy()
        if not self.finish(slot, execution):
            self.commit_alone(slot, execution, context)

    def _run_batch_here(self, slot: JobSlot, batch: Sequence[JobTuple]) -> None:
        """Run jobs together in this thread: those that were not taken back."""
        jobs = [job for fields in batch if (job := self.claim(slot, fields)) is not None]
        if not jobs:
            return
        for job in jobs:
            started = slot.runner.started_record(job)
            if started is not None:
                self.store_started(slot, started)
        context = self.context.copy()
        try:
            executions = context.run(slot.runner.execute_batch, jobs)
        except BaseException as error:
            executions = [cut_off(job, error) for job in jobs]
            self.check_copy()
        for execution in executions:
            if not self.finish(slot, execution):
                self.commit_alone(slot, execution, context)

    def finish(self, slot: JobSlot, execution: Execution) -> bool:
        """Note that a slot's job has ended, and have it committed; false where that is left to the slot (`commit_alone`).

        Args:
            slot: that ran it.
            execution: how it has ended.
        """
        self.check_copy()
        if ARMED:
            hit("after_exec_before_commit")
        slot.row.clear()
        slot.number = 0
        if execution.effects and has_handlers(execution):
            return False
        self.settle(slot.index, execution)
        return True

    def settle(self, slot: int, execution: Execution) -> None:
        """Have an execution without handlers committed and reported.

        Args:
            slot: the place of the slot that ran it.
            execution: how it has ended.
        """
        self.group.put(slot, execution)

    def commit_alone(self, slot: JobSlot, execution: Execution, context: Context) -> None:
        """Commit an execution with handlers, in a thread that may wait; the slot runs no other job meanwhile.

        Args:
            slot: that ran it.
            execution: how it has ended.
            context: of its code.
        """
        commit_alone(self.sink, self.report, slot.index, execution, _in_time(slot.row, execution.number, context))

    def check_copy(self) -> None:
        """End this process if it is a copy that the task has made: it must not go on as a second child on the same line."""
        if self._is_copy:
            end_copy()

    def _be_copy(self) -> None:
        self._is_copy = True

    def report(self, outcomes: list[Outcome]) -> None:
        """Tell the parent how jobs have ended; from any thread.

        Args:
            outcomes: of jobs that are committed.
        """
        if not outcomes:
            return
        data = framing.render(framing.OUTCOMES, [tuple(outcome) for outcome in outcomes])
        try:
            with self._sending:
                self.line.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the parent is gone: its messages come back by themselves


def _in_time(row: BoardRow, number: int, context: Context) -> Callable[[Callable[[], None]], None]:
    """Calls a job's handlers in its context. They have its time limit, counted anew: what was stored and published took time of its own."""

    def call(function: Callable[[], None]) -> None:
        row.resume(number)
        try:
            context.run(function)
        finally:
            row.clear()

    return call


def cut_off(job: Job, error: BaseException) -> Execution:
    """The end of a ``job`` that what it raised, ``error``, would have ended a process."""
    headers = job.headers
    task_id, name = headers.get("id"), headers.get("task")
    cause = f"exit code {error.code or 0}" if isinstance(error, SystemExit) else type(error).__name__
    return Execution(
        job.number,
        task_id if isinstance(task_id, str) else "",
        name if isinstance(name, str) else "",
        states.FAILURE,
        Verdict.CUT_OFF,
        detail=cause,
    )


def serve(
    make: Callable[[Any, TaskRunner, Board, socket.socket], SharedExecutor],
    line: socket.socket,
    memory: Memory,
    lock: Any,
    options: ChildOptions,
) -> None:
    """Run the jobs of a child process with several slots.

    Args:
        make: makes its executor.
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """
    board = Board(memory.map, lock, options.slots)
    live(line, options, lambda app, runner: make(app, runner, board, line))
